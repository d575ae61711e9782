package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"msdev/runner"
	"msdev/runner/docker/relay"
)

// relays stand in the project's networks for services that run outside the engine: each is a container of msdev's own that has
// the names of one service there. They live as long as the connection to them does, so that none is ever left behind.
type relays struct {
	r     *Runtime
	spawn func(func(context.Context)) // begins what ends with the runtime
	end   func()                      // ends it, and waits for it

	imaging sync.Mutex
	image   string // empty: not known to be there
	swept   bool

	mu    sync.Mutex // guards what follows, and the hosts and networks of stand-ins
	of    map[string]*standIn
	doors map[string]*relay.Door // by the ID of a network that this machine is in
	lack  string                 // why there can be no relay
}

// standIn is the relay of one service, which may not be there now.
type standIn struct {
	service string
	outward bool // it has no names: this machine reaches the service's networks by it

	turn    sync.Mutex // one change at a time
	exposed bool
	ports   []int
	id      string // of the container

	host     *relay.Host       // nil: it does not run
	networks map[string]string // that it is in: ID by key
}

func newRelays(r *Runtime) *relays {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	return &relays{
		r: r, of: map[string]*standIn{}, doors: map[string]*relay.Door{},
		spawn: func(f func(context.Context)) { work.Go(func() { f(ctx) }) },
		end:   func() { cancel(); work.Wait() },
	}
}

// Expose makes a service that runs outside the engine known by its names in those of its networks that are there, and in the others
// when they come. What containers connect to at its ports goes to Options.Hand. It holds until Withdraw, or until a container
// of the service starts.
func (r *Runtime) Expose(ctx context.Context, service string, ports []int) error {
	if r.hand == nil {
		return nil
	}
	s := r.relays.standIn(service)
	s.turn.Lock()
	defer s.turn.Unlock()
	if !slices.Equal(s.ports, ports) {
		if err := r.relays.dismiss(ctx, s); err != nil {
			return relayError(service, err)
		}
	}
	s.exposed, s.ports = true, ports
	return relayError(service, r.relays.ensure(ctx, s))
}

// Withdraw takes the names of a service back.
func (r *Runtime) Withdraw(ctx context.Context, service string) error {
	s := r.relays.known(service)
	if s == nil {
		return nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	s.exposed = false
	return relayError(service, r.relays.dismiss(ctx, s))
}

// Notes tell what is unusual about how containers reach what runs outside the engine.
func (r *Runtime) Notes() []string {
	rs := r.relays
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var notes []string
	if rs.lack != "" {
		notes = append(notes, rs.lack)
	}
	var slow []string
	for _, s := range rs.of {
		if s.host != nil && !s.outward && s.host.Door() == "" {
			slow = append(slow, s.service)
		}
	}
	if slices.Sort(slow); len(slow) > 0 {
		notes = append(notes, fmt.Sprintf("containers reach %s over the engine's own connection, as they cannot reach an address of this machine: each round trip takes about a millisecond longer",
			strings.Join(slow, ", ")))
	}
	return notes
}

func (rs *relays) standIn(service string) *standIn {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	s := rs.of[service]
	if s == nil {
		s = &standIn{service: service}
		rs.of[service] = s
	}
	return s
}

func (rs *relays) known(service string) *standIn {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.of[service]
}

// meet is called before a container of a service starts. It finds the names of all those that it shares a network with, and has
// its own to itself.
func (rs *relays) meet(ctx context.Context, service string) error {
	if err := rs.r.Withdraw(ctx, service); err != nil {
		return err
	}
	if rs.r.starts != nil {
		if err := rs.r.starts(service); err != nil {
			return &runner.Error{Kind: runner.ErrFailed, Service: service, Err: err, Msg: fmt.Sprintf("service %q cannot be reached where its callers expect it: %v", service, err),
				Hint: fmt.Sprintf("End what listens there, then start it again: `msdev start %s`.", service)}
		}
	}
	rs.mu.Lock()
	all := slices.Collect(maps.Values(rs.of))
	rs.mu.Unlock()
	var failures []error
	for _, s := range all {
		if shared := rs.shared(service, s.service); len(shared) > 0 {
			failures = append(failures, rs.attend(ctx, s, shared))
		}
	}
	return errors.Join(failures...)
}

// shared are the networks that two services have in common, by key.
func (rs *relays) shared(a, b string) []string {
	services := rs.r.project().Compose.Services
	var keys []string
	for key := range services[a].Networks {
		if _, both := services[b].Networks[key]; both {
			keys = append(keys, key)
		}
	}
	return keys
}

// attend makes sure that a relay is in networks, which are there.
func (rs *relays) attend(ctx context.Context, s *standIn, keys []string) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	rs.mu.Lock()
	there := s.host != nil && !slices.ContainsFunc(keys, func(key string) bool { return s.networks[key] == "" })
	rs.mu.Unlock()
	if !s.exposed || there {
		return nil
	}
	return relayError(s.service, rs.ensure(ctx, s))
}

// ensure makes a relay be in all networks of its service that are there. s.turn is held.
func (rs *relays) ensure(ctx context.Context, s *standIn) error {
	if len(s.ports) == 0 && !s.outward {
		return nil
	}
	found, err := rs.r.lookAtNetworks(ctx)
	if err != nil {
		return err
	}
	config := rs.r.project().Compose.Services[s.service]
	maps.DeleteFunc(found, func(key string, _ runner.Resource) bool { _, in := config.Networks[key]; return !in })
	if len(found) == 0 {
		return nil
	}
	rs.mu.Lock()
	host, have := s.host, maps.Clone(s.networks)
	rs.mu.Unlock()
	if host == nil {
		return rs.note(rs.employ(ctx, s, found))
	}
	for key, n := range found {
		if have[key] == n.ID {
			continue
		}
		if err := rs.r.connect(ctx, s, key); err != nil {
			return err
		}
		rs.mu.Lock()
		s.networks[key] = n.ID
		rs.mu.Unlock()
	}
	return nil
}

// note keeps why there can be no relay at all. That is no failure of the service: it runs, and containers do not reach it.
func (rs *relays) note(err error) error {
	if !errors.Is(err, errNoRelay) {
		return err
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.lack = oneLine(err.Error())
	return nil
}

// dismiss ends a relay; its container goes with it. s.turn is held.
func (rs *relays) dismiss(ctx context.Context, s *standIn) error {
	rs.mu.Lock()
	host := s.host
	s.host, s.networks = nil, nil
	rs.mu.Unlock()
	if host == nil {
		return nil
	}
	_ = host.Close() // its end is what is wanted
	return rs.r.removeRelay(ctx, s.id)
}

// leave ends the relays in a network that is to be removed. They come back for the networks that they have left when a container
// starts there.
func (rs *relays) leave(ctx context.Context, network string) error {
	rs.mu.Lock()
	all := slices.Collect(maps.Values(rs.of))
	door := rs.doors[network]
	delete(rs.doors, network)
	rs.mu.Unlock()
	var failures []error
	for _, s := range all {
		s.turn.Lock()
		rs.mu.Lock()
		in := slices.Contains(slices.Collect(maps.Values(s.networks)), network)
		rs.mu.Unlock()
		if in {
			s.exposed = s.exposed && !s.outward
			failures = append(failures, rs.dismiss(ctx, s))
		}
		s.turn.Unlock()
	}
	if door != nil {
		_ = door.Close()
	}
	return errors.Join(failures...)
}

// dial connects to a container through a relay that is in one of its networks.
func (rs *relays) dial(ctx context.Context, in runner.Instance, addr string) (net.Conn, error) {
	host := rs.near(in)
	if host == nil {
		if err := rs.lookOut(ctx, in.Service); err != nil {
			return nil, err
		}
		host = rs.near(in)
	}
	if host == nil {
		return nil, fmt.Errorf("no relay is in a network of %s", in.Name)
	}
	return host.Dial(ctx, addr)
}

// near is a relay in a network of a container; nil: there is none.
func (rs *relays) near(in runner.Instance) *relay.Host {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, s := range rs.of {
		for _, network := range s.networks {
			if s.host != nil && slices.Contains(in.Networks, network) {
				return s.host
			}
		}
	}
	return nil
}

// lookOut puts a relay without names into the networks of a service, for connections from this machine. It stays as long as they do.
func (rs *relays) lookOut(ctx context.Context, service string) error {
	if rs.r.hand == nil {
		return nil
	}
	s := rs.standIn("to " + service) // no service has such a name
	s.turn.Lock()
	defer s.turn.Unlock()
	s.service, s.outward, s.exposed = service, true, true
	return relayError(service, rs.ensure(ctx, s))
}

// open returns the doors of networks that this machine is in, by which a relay reaches it; they know the relay by its key.
func (rs *relays) open(s *standIn, found map[string]runner.Resource, key relay.Key) []*relay.Door {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var doors []*relay.Door
	for _, n := range found {
		d := rs.doors[n.ID]
		if d == nil {
			d = rs.door(n.ID)
		}
		if d != nil {
			d.Admit(key, rs.pass(s.service))
			doors = append(doors, d)
		}
	}
	return doors
}

// door opens a door in a network; nil where this machine is not in it. rs.mu is held.
func (rs *relays) door(network string) *relay.Door {
	for _, at := range rs.r.bridges.of(network) {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(at.Addr().String(), "0"))
		if err == nil {
			rs.doors[network] = relay.NewDoor(l)
			return rs.doors[network]
		}
	}
	return nil
}

func (rs *relays) pass(service string) relay.Pass {
	return func(port int, conn net.Conn) { rs.r.hand(service, port, conn) }
}

// employ makes a relay, and keeps it. s.turn is held.
func (rs *relays) employ(ctx context.Context, s *standIn, found map[string]runner.Resource) error {
	image, err := rs.ready(ctx)
	if err != nil {
		return err
	}
	id, conn, err := rs.r.makeRelay(ctx, s, found, image)
	if err != nil {
		rs.forgetImage() // somebody may have removed it
		return err
	}
	key := relay.NewKey()
	doors := rs.open(s, found, key)
	addrs := make([]string, len(doors))
	for i, d := range doors {
		addrs[i] = d.Addr()
	}
	forget := func() {
		for _, d := range doors {
			d.Forget(key)
		}
	}
	host, err := relay.Greet(conn, s.ports, addrs, key, rs.pass(s.service))
	if err != nil {
		forget()
		_ = conn.Close()
		return errors.Join(err, conn.said(), rs.r.removeRelay(ctx, id))
	}
	networks := map[string]string{}
	for key, n := range found {
		networks[key] = n.ID
	}
	s.id = id
	rs.mu.Lock()
	s.host, s.networks = host, networks
	rs.mu.Unlock()
	rs.spawn(func(ctx context.Context) {
		select {
		case <-host.Done():
		case <-ctx.Done():
		}
		_ = host.Close()
		forget()
		rs.revive(ctx, s, host)
	})
	return nil
}

// revive brings a relay back that has ended by itself, or with the connection to the engine.
func (rs *relays) revive(ctx context.Context, s *standIn, host *relay.Host) {
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		if rs.revived(ctx, s, host) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// revived tries once; true where nothing is left to be done.
func (rs *relays) revived(ctx context.Context, s *standIn, host *relay.Host) bool {
	s.turn.Lock()
	defer s.turn.Unlock()
	rs.mu.Lock()
	ours := s.host == host || s.host == nil
	if ours {
		s.host, s.networks = nil, nil
	}
	rs.mu.Unlock()
	return !ours || !s.exposed || rs.ensure(ctx, s) == nil
}

func (rs *relays) close() {
	rs.end()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, d := range rs.doors {
		_ = d.Close()
	}
	clear(rs.doors)
}
