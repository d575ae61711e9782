package session

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"msdev/brokers"
	"msdev/journal"
	"msdev/runner"
)

// Config says which project a session is for and how it keeps what happens. It crosses to the session's process as JSON.
type Config struct {
	Load    runner.LoadOptions `json:"load"`
	Runtime string             `json:"runtime,omitempty"` // auto, docker, process
	// Services are those that an up is about to start: a session that cannot start them does not open.
	Services []string     `json:"services,omitempty"`
	Journal  journal.Caps `json:"journal,omitzero"`
	// Linger keeps the session when nothing needs it: until a down, a quit or a stop of everything. Without it the
	// session ends once no client is connected and every service runs on an engine that keeps it by itself.
	Linger bool `json:"linger,omitempty"`
	// Logs has the session follow the output of every instance; History is how many lines from before it reads of each
	// instance that it finds (negative: all of them).
	Logs    bool `json:"logs,omitempty"`
	History int  `json:"history,omitempty"`
}

// Launch is where the services of a project run.
type Launch struct {
	Runtimes []runner.Runtime
	Of       func(service string) string // the name of a service's runtime
	// Use is called with the project when it was read again, before its services are placed by Of, and returns the runtimes that it
	// needs and that there were not; nil is not called.
	Use func(ctx context.Context, p *runner.Project) ([]runner.Runtime, error)
	// Check tells what will keep services from running, before an up starts any of them; nil is nothing.
	Check func(services []string) error
	// Dial connects to a port of a service from here, wherever it runs.
	Dial func(ctx context.Context, service string, port int) (net.Conn, error)
	// Broker makes the client of a broker; nil: there are none.
	Broker func(spec BrokerSpec) (brokers.Broker, error)
	Close  func() error // ends what is left when the runtimes are closed; nil is nothing
	Notes  []string     // what to tell the user: which runtime was taken, and why
}

// Wire makes the runtimes of a project; want is Config.Runtime. cmd/wire.go has the one there is.
type Wire func(ctx context.Context, p *runner.Project, want string) (Launch, error)

// Session owns one project while it is worked on. Clients reach it through its Handler only.
type Session struct {
	config  Config
	launch  Launch
	journal *journal.Journal
	sup     *runner.Supervisor
	started time.Time
	quit    chan struct{} // closed by a command that ends the session
	changed chan struct{} // holds one token when the state may have changed

	mu          sync.Mutex
	project     *runner.Project
	runtime     runner.Description
	unsupported []string // what the runtimes do not apply of the project
	linger      bool
	phase       Phase
	state       State
	version     chan struct{} // closed and replaced when state is
	clients     int           // requests of clients that are open
	watchers    int
	working     int           // commands under way
	quitting    bool          // it ends when they are done
	coming      []string      // services of an up that is under way
	moved       chan struct{} // holds one token when clients or working changed
	rates       rates

	hub     hub
	schemas schemas

	reloads *runner.Reloader
	files   files
}

// Open reads the project and makes its session, which does nothing before Run.
func Open(ctx context.Context, cfg Config, wire Wire) (*Session, error) {
	p, err := runner.Load(ctx, cfg.Load)
	if err != nil {
		return nil, err
	}
	launch, err := wire(ctx, p, cfg.Runtime)
	if err != nil {
		return nil, err
	}
	if launch.Check != nil {
		if err := launch.Check(cfg.Services); err != nil {
			return nil, err
		}
	}
	s := &Session{config: cfg, launch: launch, journal: journal.New(cfg.Journal), project: p, started: time.Now(), linger: cfg.Linger, phase: PhaseIdle,
		quit: make(chan struct{}), changed: make(chan struct{}, 1), moved: make(chan struct{}, 1), version: make(chan struct{})}
	s.unsupported = s.shortcomings(p)
	specs, resources, err := s.plan(p)
	if err != nil {
		return nil, err
	}
	s.sup = runner.NewSupervisor(launch.Runtimes, s.journal, runner.SupervisorOptions{
		Specs: specs, Resources: resources, Logs: cfg.Logs, History: cfg.History, Changed: func() { poke(s.changed) },
	})
	apart, err := StateDir(p.Name)
	if err != nil {
		return nil, err
	}
	s.reloads = runner.NewReloader(s.sup, p.Dir, apart)
	s.files.turned, s.files.replan = make(chan struct{}, 1), make(chan struct{}, 1)
	s.files.wrong = s.reloads.Use(p, launch.Of)
	for _, text := range slices.Concat(s.notes(), s.unsupported) {
		s.journal.Append(journal.Record{Stream: runner.EventStream(""), Kind: journal.KindEvent, Ref: string(runner.EventWarning), Text: text})
	}
	s.hub.moved = make(chan struct{})
	if err := s.useBrokers(p); err != nil {
		return nil, err
	}
	if err := s.useSchemas(p); err != nil {
		return nil, err
	}
	s.state = s.frame(p)
	for i := range specs {
		s.state.Services = append(s.state.Services, runner.Status{Service: specs[i].Name, Runtime: specs[i].Runtime, Image: specs[i].Image,
			State: runner.StateStopped, DependsOn: specs[i].DependsOn})
	}
	return s, nil
}

// plan returns what the supervisor needs to know of a project.
func (s *Session) plan(p *runner.Project) ([]runner.Spec, runner.Resources, error) {
	of := map[string]string{}
	for _, name := range p.Order {
		of[name] = s.launch.Of(name)
	}
	r, err := p.Resources()
	return p.Specs(of), r, err
}

// Run works until ctx ends, a command ends the session, or nothing needs it any more.
func (s *Session) Run(ctx context.Context) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = s.sup.Run(ctx) })
	wg.Go(func() { _ = s.reloads.Run(ctx) })
	wg.Go(func() { s.watchFiles(ctx) })
	wg.Go(func() { s.replanner(ctx) })
	wg.Go(func() { s.tapBrokers(ctx) })
	wg.Go(func() { s.publish(ctx) })
	wg.Go(func() { s.describe(ctx) })
	wg.Go(func() { s.measure(ctx) })
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return nil
	case <-s.unneeded(ctx):
		return nil
	}
}

// close ends the runtimes that have to end with the session, and with them what they run.
func (s *Session) close() {
	s.closeBrokers()
	for _, rt := range s.runtimes() {
		if c, ok := rt.(io.Closer); ok {
			if err := c.Close(); err != nil {
				fmt.Fprintf(os.Stderr, "runtime %s: %v\n", rt.Name(), err) // the session's log
			}
		}
	}
	if s.launch.Close != nil {
		if err := s.launch.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// runtimes are those that there are now.
func (s *Session) runtimes() []runner.Runtime {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.launch.Runtimes)
}

// join adds the runtimes that the project needs since it was read again.
func (s *Session) join(ctx context.Context, added []runner.Runtime) {
	s.mu.Lock()
	s.launch.Runtimes = append(slices.Clone(s.launch.Runtimes), added...)
	s.mu.Unlock()
	for _, rt := range added {
		s.sup.Join(ctx, rt)
	}
}

// describe asks the first runtime what it is; the engine's version is not worth waiting for.
func (s *Session) describe(ctx context.Context) {
	for _, rt := range s.runtimes() {
		d, ok := rt.(runner.Describer)
		if !ok {
			continue
		}
		if desc, err := d.Describe(ctx); err == nil {
			s.mu.Lock()
			s.runtime = desc
			s.mu.Unlock()
			poke(s.changed)
			return
		}
	}
}

// unneeded returns a channel that is closed when a session that does not linger has had no client and no work for a
// moment.
func (s *Session) unneeded(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		idle := time.NewTimer(time.Hour)
		defer idle.Stop()
		for {
			s.mu.Lock()
			needed := s.linger || s.clients > 0 || s.working > 0 || !s.kept()
			s.mu.Unlock()
			idle.Reset(time.Hour)
			if !needed {
				idle.Reset(unneededAfter)
			}
			select {
			case <-ctx.Done():
				return
			case <-s.moved:
			case <-idle.C:
				if !needed {
					close(done)
					return
				}
			}
		}
	}()
	return done
}

// unneededAfter leaves a client that has just started the session the time for its first request.
const unneededAfter = 3 * time.Second

// Keeper is a runtime whose instances go on without the session, such as an engine's containers.
type Keeper interface{ KeepsInstances() bool }

// kept tells whether all that there is goes on without the session. s.mu is held.
func (s *Session) kept() bool {
	for _, rt := range s.launch.Runtimes {
		k, ok := rt.(Keeper)
		keeps := ok && k.KeepsInstances() || rt.Name() == onEngine
		if !keeps && slices.ContainsFunc(s.state.Services, func(st runner.Status) bool { return st.Runtime == rt.Name() && len(st.Instances) > 0 }) {
			return false
		}
	}
	return true
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// critic is a runtime that can say what of the project it does not apply.
type critic interface{ Unsupported() []string }

// shortcomings are what the runtimes do not apply of the project, each in one sentence.
func (s *Session) shortcomings(p *runner.Project) []string {
	var all []string
	for _, name := range p.Order {
		if p.Services[name].Reload == runner.HowSwap && s.launch.Of(name) != runner.Native {
			all = append(all, fmt.Sprintf("%s: service %q does not run as a process, so that a new version replaces the old one instead of starting beside it", p.Place("services", name, "x-msdev", "reload"), name))
		}
	}
	for _, rt := range s.runtimes() {
		if c, ok := rt.(critic); ok {
			all = append(all, c.Unsupported()...)
		}
	}
	return all
}

// noter is a runtime that has found something to tell the user since it began.
type noter interface{ Notes() []string }

// notes are what there is to tell the user now. s.mu is held.
func (s *Session) notes() []string {
	notes := slices.Clone(s.launch.Notes)
	for _, rt := range s.launch.Runtimes {
		if n, ok := rt.(noter); ok {
			notes = append(notes, n.Notes()...)
		}
	}
	return notes
}

// frame is the state without its services. s.mu is held.
func (s *Session) frame(p *runner.Project) State {
	return State{Project: p.Name, Dir: p.Dir, Files: p.Files, Runtime: s.runtime, Phase: s.phase, Warnings: slices.Concat(p.Warnings, s.notes(), s.unsupported),
		Started: s.started, PID: os.Getpid(), Rates: s.rates.now, Watch: WatchState{On: s.files.on, Paused: s.reloads.Paused()}}
}
