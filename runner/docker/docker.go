// Package docker runs services as containers of a Docker Engine (API 1.41, Engine 20.10, or newer). It makes containers,
// networks and volumes exactly as Docker Compose does, so that both programs can work on the same project.
package docker

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"msdev/runner"
)

// Options say which engine to use.
type Options struct {
	Host    string   // address of the engine; empty means what DOCKER_HOST, DOCKER_CONTEXT or the current docker context say
	Environ []string // the user's environment, "KEY=value"; nil is the process's own

	// Hand takes a connection that a container has made to a port of a service that was exposed (Runtime.Expose). It returns when
	// the connection is closed, or somebody else's. nil: all services run on the engine.
	Hand func(service string, port int, conn net.Conn)
	// Starts is called before a container of a service starts: what listened for the service elsewhere has ended. It may be nil.
	Starts func(service string) error
}

// Runtime runs the services of one project on one engine.
type Runtime struct {
	current atomic.Pointer[runner.Project] // the project as it was read last
	again   chan chan struct{}             // asks Watch for a fresh look; closed when it is done
	api     *client.Client
	env     environment
	address string     // of the engine, as people write it
	local   bool       // the engine shares this machine's kernel and files
	windows bool       // the engine runs Windows containers
	ranges  sync.Mutex // held while an instance starts that publishes a range of ports
	naming  sync.Mutex // held while a network is made on an engine that does not keep their names apart
	images  imageCache
	before  previous
	known   known
	bridges bridges
	relays  *relays
	hand    func(service string, port int, conn net.Conn)
	starts  func(service string) error
}

var (
	_ runner.Runtime     = (*Runtime)(nil)
	_ runner.StatsReader = (*Runtime)(nil)
	_ runner.Execer      = (*Runtime)(nil)
	_ runner.Describer   = (*Runtime)(nil)
	_ runner.Dater       = (*Runtime)(nil)
)

// New connects to the engine and agrees on a version of its API. An engine that does not answer is an *runner.Error of
// kind ErrEngine that names the address tried.
func New(ctx context.Context, project *runner.Project, opts Options) (*Runtime, error) {
	env := newEnvironment(opts.Environ)
	at, err := locate(opts.Host, env)
	if err != nil {
		return nil, err
	}
	api, err := at.connect(env)
	if err != nil {
		return nil, engineError(at.address, err)
	}
	ping, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		_ = api.Close()
		return nil, engineError(at.address, err)
	}
	if versions.LessThan(api.ClientVersion(), "1.41") {
		_ = api.Close()
		return nil, &runner.Error{
			Kind: runner.ErrEngine,
			Msg:  "the Docker engine at " + at.address + " is too old: it speaks API " + api.ClientVersion() + ", and 1.41 is needed.",
			Hint: "Update it to Docker Engine 20.10 or newer.",
		}
	}
	r := &Runtime{again: make(chan chan struct{}), api: api, env: env, address: at.address, local: at.local(), windows: ping.OSType == "windows", hand: opts.Hand, starts: opts.Starts}
	r.relays = newRelays(r)
	r.current.Store(project)
	r.images.inspect = r.inspectImage
	r.known.instances = map[string]*tracked{}
	return r, nil
}

// Close ends the relays and gives the connections back.
func (r *Runtime) Close() error {
	r.relays.close()
	return r.api.Close()
}

// Name is "docker".
func (r *Runtime) Name() string { return "docker" }

// Describe tells the engine's version and address.
func (r *Runtime) Describe(ctx context.Context) (runner.Description, error) {
	v, err := r.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return runner.Description{}, r.explain(err, subject{})
	}
	return runner.Description{Name: r.Name(), Version: v.Version, Address: r.address}, nil
}

// atLeast tells whether the API agreed on is this version or a newer one.
func (r *Runtime) atLeast(version string) bool {
	return versions.GreaterThanOrEqualTo(r.api.ClientVersion(), version)
}

// known is what the runtime knows of its instances: Watch and Do both write it, so that of two observations of one
// instance the newer has the higher Seen.
type known struct {
	mu        sync.Mutex
	seen      uint64
	instances map[string]*tracked
}

// tracked is one instance with what does not change about it.
type tracked struct {
	instance runner.Instance
	test     *healthTest // nil: not known yet
	pid      int         // of its first process, in the engine's view; 0 when it does not run
}

// put records what an instance is now, and returns it with its place in the order of observations.
func (k *known) put(t tracked) runner.Instance {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.set(t)
}

// set is put for a caller that holds the lock.
func (k *known) set(t tracked) runner.Instance {
	k.seen++
	t.instance.Seen = k.seen
	if old := k.instances[t.instance.ID]; old != nil && t.test == nil {
		t.test = old.test
	}
	k.instances[t.instance.ID] = &t
	return t.instance
}

// change applies f to an instance that is known, and tells whether it was.
func (k *known) change(id string, f func(*tracked)) (runner.Instance, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.instances[id]
	if t == nil {
		return runner.Instance{}, false
	}
	c := *t
	f(&c)
	return k.set(c), true
}

// get returns a copy of what is known of an instance.
func (k *known) get(id string) (tracked, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.instances[id]; t != nil {
		return *t, true
	}
	return tracked{}, false
}

// forget drops an instance that is gone.
func (k *known) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.instances, id)
}

// keep drops the instances for which stays says no: those that went while nobody watched. An instance that was made
// since the engine was asked is told again by the event of its making.
func (k *known) keep(stays func(id string) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.instances {
		if !stays(id) {
			delete(k.instances, id)
		}
	}
}

// namesOf returns the names of a service's instances.
func (k *known) namesOf(service string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	for _, t := range k.instances {
		if t.instance.Service == service && !t.instance.OneOff {
			names = append(names, t.instance.Name)
		}
	}
	slices.Sort(names)
	return names
}

// running returns the first process of each instance that runs, by instance.
func (k *known) running() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	pids := map[string]int{}
	for id, t := range k.instances {
		if t.instance.State == runner.InstanceRunning {
			pids[id] = t.pid
		}
	}
	return pids
}

// look inspects one container and records what it is.
func (r *Runtime) look(ctx context.Context, id string) (runner.Instance, error) {
	res, err := r.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return runner.Instance{}, err
	}
	return r.known.put(trackedOf(res.Container)), nil
}

// of returns what is known of an instance, asking the engine where nothing is.
func (r *Runtime) of(ctx context.Context, id string) (tracked, error) {
	if t, ok := r.known.get(id); ok && t.test != nil {
		return t, nil
	}
	if _, err := r.look(ctx, id); err != nil {
		return tracked{}, err
	}
	t, _ := r.known.get(id)
	return t, nil
}

// parseTime reads the engine's times; its zero ("0001-01-01T00:00:00Z") and nonsense are the zero time.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// healthTest is what Probe runs.
type healthTest struct {
	command []string // empty: there is none
	timeout time.Duration
}

// defaultProbeTimeout is the engine's own limit of a health test that names none.
const defaultProbeTimeout = 30 * time.Second

// healthTestOf reads the test that the container was made with, its image's included.
func healthTestOf(h *container.HealthConfig, shell []string) *healthTest {
	t := &healthTest{timeout: defaultProbeTimeout}
	if h == nil || len(h.Test) == 0 {
		return t
	}
	if h.Timeout > 0 {
		t.timeout = h.Timeout
	}
	switch h.Test[0] {
	case "NONE", "":
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		t.command = append(append(t.command, shell...), h.Test[1:]...)
	case "CMD":
		t.command = h.Test[1:]
	default:
		t.command = h.Test
	}
	return t
}
