package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"msdev/journal"
)

// Supervisor holds the graph of one project to what was asked. It owns the only copy of what is known; everything that
// changes it (a command, an observation, the end of an action) runs on one loop, after which Plan says what to do next.
type Supervisor struct {
	runtimes map[string]Runtime
	journal  *journal.Journal
	options  SupervisorOptions

	turn  chan func()   // what runs on the loop, and is followed by a plan
	asks  chan func()   // what only reads there
	over  chan struct{} // closed when the loop has ended
	work  sync.WaitGroup
	stats gauges

	// What follows belongs to the loop.
	view        View
	specs       map[string]*Spec
	epoch       uint64
	epochs      map[string]uint64             // by service: which command set its goal
	cancels     map[string]context.CancelFunc // by Action.ID: of pulls and builds
	progress    map[string]string             // by service: what its pull or build says
	lost        map[string]error              // by runtime: the connection is lost
	looked      map[string]bool               // by runtime: its first look is done
	pending     []*pending
	probes      map[string]*prober // by instance
	still       int                // how many have asked that nothing be planned
	past        map[string]bool    // instances that our own actions have removed: what a runtime still tells of them is late
	justStarted map[string]bool    // by instance: its start is dated by this machine's clock, and will be by the engine's
	follows     *follows
	last        map[string]note // by service: the last thing that happened
	watched     context.CancelFunc
	reloads     *Reloader // nil: nothing is reloaded
	waits       map[string]Wait
}

// SupervisorOptions are what differs between a session and a verb that only looks.
type SupervisorOptions struct {
	Specs     []Spec
	Resources Resources
	Logs      bool             // follow the output of every instance
	History   int              // lines of output from before that are read of an instance that is found; negative: all
	Changed   func()           // called after each change, from any goroutine; must not block
	Now       func() time.Time // nil: time.Now
	Quiet     bool             // no events for what is found at the first look
}

type note struct {
	text string
	at   time.Time
}

// NewSupervisor returns a supervisor that does nothing before Run.
func NewSupervisor(runtimes []Runtime, j *journal.Journal, o SupervisorOptions) *Supervisor {
	s := &Supervisor{
		runtimes: map[string]Runtime{}, journal: j, options: o,
		turn: make(chan func()), asks: make(chan func()), over: make(chan struct{}),
		specs: map[string]*Spec{}, epochs: map[string]uint64{}, cancels: map[string]context.CancelFunc{}, progress: map[string]string{},
		lost: map[string]error{}, looked: map[string]bool{}, probes: map[string]*prober{}, past: map[string]bool{}, justStarted: map[string]bool{}, stats: gauges{last: map[string]Stat{}},
		last: map[string]note{}, waits: map[string]Wait{},
		view: View{Specs: o.Specs, Resources: o.Resources, Goals: map[string]Goal{}, Memories: map[string]Memory{}, Seen: map[string]Observed{},
			Healthy: map[string]bool{}, Busy: map[string]bool{}, Stuck: map[string]bool{}},
	}
	if s.options.Now == nil {
		s.options.Now = time.Now
	}
	for _, rt := range runtimes {
		s.runtimes[rt.Name()] = rt
	}
	for i := range s.view.Specs {
		s.specs[s.view.Specs[i].Name] = &s.view.Specs[i]
	}
	s.follows = newFollows(s)
	return s
}

// Run watches the runtimes and carries out what is asked until ctx ends, and returns once everything that it started in
// this process has ended. Instances go on running.
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.work.Wait()
	defer close(s.over)
	defer cancel()
	for name, rt := range s.runtimes {
		s.work.Go(func() { s.watch(ctx, name, rt) })
	}
	for {
		select {
		case <-ctx.Done():
			s.settleAll(ctx.Err())
			return ctx.Err()
		case f := <-s.turn:
			f()
			s.drain()
			s.step(ctx)
		case f := <-s.asks:
			f()
		}
	}
}

// drain runs what waits already, so that a burst of observations costs one plan.
func (s *Supervisor) drain() {
	for range 256 {
		select {
		case f := <-s.turn:
			f()
		default:
			return
		}
	}
}

// do runs f on the loop, unless ctx or the loop ends first.
func (s *Supervisor) do(ctx context.Context, f func()) bool {
	select {
	case s.turn <- f:
		return true
	case <-s.over:
		return false
	case <-ctx.Done():
		return false
	}
}

func (s *Supervisor) watch(ctx context.Context, name string, rt Runtime) {
	err := rt.Watch(ctx, func(o Observation) {
		s.do(ctx, func() { s.observe(ctx, name, o) })
	})
	if err != nil && ctx.Err() == nil {
		s.do(ctx, func() {
			s.lost[name] = err
			if !s.looked[name] {
				s.settleAll(err)
			}
		})
	}
}

// Request is one command for the supervisor.
type Request struct {
	Goals map[string]Goal // replace the goals of these services
	Cycle []string        // services whose running instances are stopped and started again
	Down  *Teardown       // what goes when all instances are gone
	Scope []string        // return when these have settled
	Wait  bool            // running services have settled only when they are healthy, or run where they have no health test
	Joins bool            // it takes nothing back: whoever waits for what was asked before waits for this, too
}

// pending is a request that somebody waits for.
type pending struct {
	Request
	epochs map[string]uint64
	done   chan error
}

// Do sets goals and returns when every service in the request's scope has reached its goal, or cannot. It waits for the
// first look of every runtime. When ctx ends it returns; the goals stay.
func (s *Supervisor) Do(ctx context.Context, r Request) error {
	p := &pending{Request: r, done: make(chan error, 1)}
	if !s.do(ctx, func() { s.accept(p) }) {
		return cmp.Or(ctx.Err(), context.Canceled)
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Supervisor) accept(p *pending) {
	if p.Goals == nil && p.Down == nil { // it only waits
		p.epochs = maps.Clone(s.epochs)
		s.pending = append(s.pending, p)
		return
	}
	s.epoch++
	s.view.Down = p.Down
	for service, goal := range p.Goals {
		s.view.Goals[service] = goal
		s.view.Memories[service] = NewMemory()
		if !p.Joins {
			s.epochs[service] = s.epoch
		}
	}
	clear(s.view.Stuck) // what failed before is tried again
	s.cycle(p)
	for service := range p.Goals {
		s.admit(service)
		s.cancelImages(service)
	}
	p.epochs = maps.Clone(s.epochs)
	s.pending = append(s.pending, p)
}

// admit notes instances that run already as started under the new goal, so that only those that do not run are started.
func (s *Supervisor) admit(service string) {
	mem := s.memory(service)
	for _, in := range s.instancesOf(service) {
		if in.Alive() {
			mem.Started[in.ID] = true
		}
	}
}

// cancelImages ends the pull or build of a service that is not wanted any more.
func (s *Supervisor) cancelImages(service string) {
	if s.view.Goals[service].Want == WantRunning {
		return
	}
	spec := s.specs[service]
	if spec == nil {
		return
	}
	for _, op := range []Op{OpPull, OpBuild} {
		if cancel := s.cancels[(Action{Op: op, Runtime: spec.Runtime, Service: service}).ID()]; cancel != nil {
			cancel()
		}
	}
}

// Update takes in the services of a project that was read again. Goals stay, and nothing is replaced before a command names it;
// what is not in the file any more is an orphan.
func (s *Supervisor) Update(ctx context.Context, specs []Spec, r Resources) {
	s.do(ctx, func() {
		s.hold(sortedKeys(s.view.Goals))
		s.view.Specs, s.view.Resources = specs, r
		clear(s.specs)
		for i := range specs {
			s.specs[specs[i].Name] = &specs[i]
		}
	})
}

// Made returns the instances that were made, and those that were only started, under the current goals of services: what
// is to be undone when an up fails.
func (s *Supervisor) Made(ctx context.Context, services []string) (made, started map[string]map[string]bool) {
	reply := make(chan struct{})
	made, started = map[string]map[string]bool{}, map[string]map[string]bool{}
	if !s.do(ctx, func() {
		defer close(reply)
		for _, service := range services {
			mem := s.memory(service)
			made[service], started[service] = maps.Clone(mem.New), map[string]bool{}
			for id := range mem.Begun {
				if !mem.Made[id] {
					started[service][id] = true
				}
			}
		}
	}) {
		return nil, nil
	}
	<-reply
	return made, started
}

// memory returns the memory of a service, made on first use.
func (s *Supervisor) memory(service string) Memory {
	mem, ok := s.view.Memories[service]
	if !ok {
		mem = NewMemory()
		s.view.Memories[service] = mem
	}
	return mem
}

func (s *Supervisor) fail(service string, err *Error) {
	mem := s.memory(service)
	if mem.Failure != nil {
		return
	}
	mem.Failure = err
	s.view.Memories[service] = mem
	if s.reloads.busy(service) { // whoever reloads it tells of it
		return
	}
	s.event(service, Event{Type: EventFail, Text: err.Msg, Hint: err.Hint})
}

// step plans and begins what can begin.
func (s *Supervisor) step(ctx context.Context) {
	if s.still == 0 && s.ready() {
		d := Plan(s.view)
		for service, err := range d.Failed {
			s.fail(service, err)
		}
		s.say(d)
		for _, a := range d.Actions {
			s.begin(ctx, a)
		}
		s.probe(ctx)
	}
	s.follows.update(ctx)
	s.settle()
	if s.options.Changed != nil {
		s.options.Changed()
	}
}

// ready tells whether what is seen can be planned from: every runtime has been looked at and none is lost.
func (s *Supervisor) ready() bool {
	return len(s.looked) == len(s.runtimes) && len(s.lost) == 0
}

// say notes what a decision tells people: what is waited for and what was passed over.
func (s *Supervisor) say(d Decision) {
	for service, w := range d.Waits {
		if s.waits[service] != w && w.Condition != builtWord { // whose turn it is to be built is no news
			s.event(service, Event{Type: EventWait, Text: fmt.Sprintf("waits for %s: %s", w.Service, w.Condition)})
		}
	}
	s.waits = d.Waits
	for _, service := range sortedKeys(d.Skipped) {
		if s.last[service].text != d.Skipped[service] {
			s.event(service, Event{Type: EventWarning, Text: d.Skipped[service]})
		}
	}
}

// settle answers the requests whose scope has settled.
func (s *Supervisor) settle() {
	s.pending = slices.DeleteFunc(s.pending, func(p *pending) bool {
		if !s.ready() {
			return s.hopeless(p)
		}
		done, err := s.settled(p)
		if done {
			if !errors.Is(err, ErrSuperseded) {
				s.hold(p.Scope)
				if p.Goals != nil {
					s.reloads.suspect(p.Scope...)
				}
			}
			p.done <- err
		}
		return done
	})
}

// hopeless answers, while a runtime is lost, those who only wait to look, and everybody where the first look failed. Goals
// wait for the runtime to come back.
func (s *Supervisor) hopeless(p *pending) bool {
	for name, err := range s.lost {
		if !s.looked[name] || (p.Goals == nil && p.Down == nil) {
			p.done <- err
			return true
		}
	}
	return false
}

func (s *Supervisor) settleAll(err error) {
	for _, p := range s.pending {
		p.done <- err
	}
	s.pending = nil
}

func (s *Supervisor) settled(p *pending) (bool, error) {
	var failures []error
	for _, service := range p.Scope {
		if s.epochs[service] != p.epochs[service] {
			return true, ErrSuperseded
		}
		done, err := s.reached(service, p.Wait)
		if !done {
			return false, nil
		}
		if err != nil && !slices.ContainsFunc(failures, func(e error) bool { return e.Error() == err.Error() }) {
			failures = append(failures, err)
		}
	}
	if p.Down != nil && len(failures) == 0 {
		if done, err := s.tornDown(p); !done || err != nil {
			return done, err
		}
	}
	if len(failures) > 0 {
		return true, s.rootFailure(failures)
	}
	return true, nil
}

// rootFailure picks the failure to report: one that is not the echo of another one's.
func (s *Supervisor) rootFailure(failures []error) error {
	for _, err := range failures {
		var e *Error
		if errors.As(err, &e) {
			if _, echo := e.Err.(*Error); !echo {
				return err
			}
		}
	}
	return failures[0]
}

func (s *Supervisor) tornDown(p *pending) (bool, error) {
	for id := range s.view.Busy {
		if s.view.Busy[id] {
			return false, nil
		}
	}
	for id := range s.view.Stuck {
		return true, &Error{Kind: ErrFailed, Msg: s.last[""].text, Err: errors.New(id)}
	}
	return true, nil
}

// reached tells whether a service has reached its goal, and with which error if it cannot.
func (s *Supervisor) reached(service string, wait bool) (bool, error) {
	goal, list, mem := s.view.Goals[service], s.instancesOf(service), s.view.Memories[service]
	if s.busyWith(service) {
		return false, nil
	}
	if mem.Failure != nil {
		return true, mem.Failure
	}
	if goal.Only != nil {
		list = slices.DeleteFunc(list, func(in Instance) bool { return !goal.Only[in.ID] })
	}
	switch goal.Want {
	case WantStopped:
		return !slices.ContainsFunc(list, Instance.Alive), nil
	case WantGone:
		return len(list) == 0, nil
	case WantRunning:
		return s.up(goal, list, mem, wait, service)
	}
	return true, nil
}

func (s *Supervisor) up(goal Goal, list []Instance, mem Memory, wait bool, service string) (bool, error) {
	if len(list) != goal.Scale {
		return false, nil
	}
	p := planner{View: s.view}
	for _, in := range list {
		if mem.Cycle[in.ID] || !mem.Started[in.ID] || p.diverged(s.specs[service], goal, in) != "" {
			return false, nil
		}
		if !wait {
			continue
		}
		done, err := s.wellUp(in, service)
		if err != nil || !done {
			return err != nil, err
		}
	}
	return true, nil
}

// wellUp is Compose's condition of `up --wait`: healthy, or running without a health test; a service that another one
// waits to see completed must complete.
func (s *Supervisor) wellUp(in Instance, service string) (bool, error) {
	if in.State == InstanceExited {
		if in.ExitCode == 0 && s.view.oneShot(service) {
			return true, nil
		}
		return true, exited(in)
	}
	if s.view.oneShot(service) || in.State != InstanceRunning {
		return false, nil
	}
	switch {
	case in.Health == HealthUnhealthy:
		return true, unhealthy(in)
	case in.Health == HealthStarting:
		return s.view.Healthy[in.ID], nil
	}
	return true, nil
}

func (s *Supervisor) instancesOf(service string) []Instance {
	var list []Instance
	for _, seen := range s.view.Seen {
		for _, in := range seen.Instances {
			if in.Service == service && !in.OneOff {
				list = append(list, in)
			}
		}
	}
	slices.SortFunc(list, func(a, b Instance) int { return a.Number - b.Number })
	return list
}
