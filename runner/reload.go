package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"msdev/runner/watch"
)

// Reloader brings changed files into what runs. Each service has a lane of its own, in which a newer change calls an older one
// off and takes its place. What runs is left alone until something new has been built.
type Reloader struct {
	// BuildLimit is how long a build may take before it counts as hung. It is set before Run.
	BuildLimit time.Duration

	sup   *Supervisor
	lanes chan *lane    // lanes that have something to do
	over  chan struct{} // closed when Run has ended
	dir   string        // of the project, which names of files are told from
	apart string        // a folder of msdev's own, which is not watched

	mu      sync.Mutex
	paused  bool
	byName  map[string]*lane
	watched map[string]bool          // services whose files are watched
	needs   map[string][]string      // what each service depends on, directly or not
	turns   map[string]chan struct{} // by folder that is built from
	plan    *watchPlan
	watcher *watch.Watcher // nil: nothing is watched
	problem error          // why changes are not seen as they should be

	carried   *carried
	suspects  map[string]bool // services whose instances may lack files
	suspected chan struct{}   // holds one token when there are suspects
	prepared  map[string]bool // instances that were given what they lacked since watching began
	warned    map[Unwatched]bool
	pruning   bool
}

// buildLimit is the limit where nobody sets another one.
const buildLimit = 10 * time.Minute

// NewReloader returns the reloader of a supervisor, which shows from then on what is reloaded. It does nothing before Run. apart is a
// folder that msdev itself writes to, wherever it lies.
func NewReloader(sup *Supervisor, dir, apart string) *Reloader {
	r := &Reloader{sup: sup, dir: dir, apart: apart, BuildLimit: buildLimit, lanes: make(chan *lane), over: make(chan struct{}), byName: map[string]*lane{}, watched: map[string]bool{}, turns: map[string]chan struct{}{},
		carried: newCarried(apart), suspects: map[string]bool{}, suspected: make(chan struct{}, 1), prepared: map[string]bool{}}
	sup.reloads = r
	return r
}

// Run carries out what Take and Now ask for until ctx ends.
func (r *Reloader) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	defer close(r.over)
	work.Go(func() { r.check(ctx) })
	work.Go(func() { r.carried.run(ctx) })
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l := <-r.lanes:
			work.Go(func() { r.work(ctx, l) })
		}
	}
}

// Take takes changes in, dependencies first: what one file asks of several services is done in that order.
func (r *Reloader) Take(changes []Change) {
	done := map[string]chan struct{}{}
	var ready []*lane
	r.mu.Lock()
	for _, c := range changes {
		l := r.lane(c.Service)
		if l.mode == ReloadOff {
			continue
		}
		if c.Build && len(c.Files) > 0 {
			if l.own.sort(&c, l.now != nil && l.step == stepBuild); len(c.Files) == 0 {
				continue
			}
		}
		if r.paused || l.mode == ReloadManual {
			l.hold(c)
			continue
		}
		for _, name := range r.needs[c.Service] {
			if other := done[name]; other != nil {
				c.after = append(c.after, other)
			}
		}
		done[c.Service] = make(chan struct{})
		c.done = append(c.done, done[c.Service])
		if l.take(c) {
			ready = append(ready, l)
		}
	}
	r.mu.Unlock()
	r.begin(ready)
}

func (r *Reloader) begin(lanes []*lane) {
	for _, l := range lanes {
		select {
		case r.lanes <- l:
		case <-r.over:
		}
	}
	r.changed()
}

func (r *Reloader) changed() {
	if r.sup.options.Changed != nil {
		r.sup.options.Changed()
	}
}

// Now reloads services at once, and returns when that is done: what waits for a word or, where nothing does, all of it anew; with
// previous it goes back to the version before.
func (r *Reloader) Now(ctx context.Context, services []string, previous bool) error {
	var ready []*lane
	tell := make(chan Reload, len(services))
	r.mu.Lock()
	for _, service := range services {
		l := r.lane(service)
		c := Change{Service: service, At: time.Now(), Build: true, Previous: previous, tells: []chan<- Reload{tell}}
		if l.held != nil && !previous {
			c.Build = false
			c = l.held.with(c)
			l.held = nil
		}
		if l.take(c) {
			ready = append(ready, l)
		}
	}
	r.mu.Unlock()
	r.begin(ready)
	var err error
	for range services {
		select {
		case e := <-tell:
			if e.Result == ReloadFailed && err == nil {
				err = &Error{Kind: ErrFailed, Msg: e.Error, Hint: e.Hint}
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-r.over:
			return context.Canceled
		}
	}
	return err
}

// Pause holds all changes back and calls builds off that are under way, or lets all of that go on.
func (r *Reloader) Pause(on bool) {
	r.mu.Lock()
	r.paused = on
	for _, l := range r.byName {
		if on {
			l.callOff()
		}
	}
	r.mu.Unlock()
	r.release()
}

// Paused tells whether changes are held back.
func (r *Reloader) Paused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paused
}

// Mode says when the changes of services take effect.
func (r *Reloader) Mode(services []string, mode ReloadMode) {
	r.mu.Lock()
	for _, service := range services {
		l := r.lane(service)
		if l.mode = mode; mode != ReloadAuto {
			l.callOff()
		}
	}
	r.mu.Unlock()
	r.release()
}

// Only has the changes of some services take effect, and leaves all others out.
func (r *Reloader) Only(services []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.watched {
		if !slices.Contains(services, name) {
			r.lane(name).mode = ReloadOff
		}
	}
}

// release begins what was held back and need not be any more.
func (r *Reloader) release() {
	var ready []*lane
	r.mu.Lock()
	for _, l := range r.byName {
		if !r.paused && l.mode == ReloadAuto && l.held != nil {
			c := *l.held
			l.held = nil
			if l.take(c) {
				ready = append(ready, l)
			}
		}
	}
	r.mu.Unlock()
	r.begin(ready)
}

// work empties a lane.
func (r *Reloader) work(ctx context.Context, l *lane) {
	for {
		r.mu.Lock()
		l.retry()
		l.now, l.next, l.newer, l.step = l.next, nil, false, stepWait
		if l.now == nil {
			l.step = ""
			again := l.again
			r.mu.Unlock()
			r.changed()
			if again {
				r.suspect(l.service)
			}
			return
		}
		c := *l.now
		rctx, cancel := context.WithCancel(ctx)
		l.cancel = cancel
		r.mu.Unlock()
		entry := r.reload(rctx, l, c)
		cancel()
		r.settle(ctx, l, c, entry)
	}
}

// settle notes how a change went.
func (r *Reloader) settle(ctx context.Context, l *lane, c Change, entry Reload) {
	r.mu.Lock()
	newer := l.newer
	l.newer = true // what comes from now on is a change of its own
	if newer && entry.Result != ReloadDone {
		entry.Result, entry.Error, entry.Hint = ReloadSuperseded, "", ""
	}
	if entry.Result != "" {
		l.history = append([]Reload{entry}, l.history[:min(len(l.history), keptReloads-1)]...)
	}
	if !newer && entry.Result == ReloadFailed && entry.unsynced {
		l.owe(c)
	}
	r.mu.Unlock()
	if !newer {
		for _, done := range c.done {
			close(done)
		}
		for _, tell := range c.tells {
			tell <- entry // it has room
		}
	}
	if entry.Result != "" && ctx.Err() == nil {
		r.sup.Tell(ctx, l.service, entry.event())
	}
}

// The steps of a reload, as the state's detail has them.
const (
	stepWait  = "a change is on its way"
	stepBuild = "building"
	stepSync  = "copying files"
	stepStart = "starting the new version"
	stepReady = "waits for the new version to be ready"
)

func (r *Reloader) enter(l *lane, step string) {
	r.mu.Lock()
	l.step = step
	r.mu.Unlock()
	r.changed()
}

// reload carries a change out. An empty result is one that has nothing to do.
func (r *Reloader) reload(ctx context.Context, l *lane, c Change) Reload {
	e := r.entry(c)
	if err := r.sup.Do(ctx, Request{Scope: []string{c.Service}}); ctx.Err() != nil || errors.Is(err, ErrSuperseded) {
		return e.failed(err)
	}
	seen, err := r.sup.see(ctx, c.Service)
	switch {
	case err != nil:
		return e.failed(err)
	case seen.goal.Want != WantRunning || seen.goal.Scale == 0: // its next start brings what is new
		r.mu.Lock()
		l.tried = false
		r.mu.Unlock()
		return e
	case slices.ContainsFunc(seen.instances, func(in Instance) bool { return in.Attached != 0 }): // whoever runs it there reloads it
		return e
	case seen.failure != nil || len(seen.instances) == 0:
		return r.again(ctx, l, c, seen, e)
	}
	if c.Build {
		e = r.rebuild(ctx, l, c, seen, e)
		if e.Result != ReloadUnchanged && e.Result != ReloadFailed || ctx.Err() != nil {
			return e // new instances have got what else there is before they started
		}
	}
	return r.bring(ctx, l, c, e)
}

// bring copies files into what runs, and does what is to follow that.
func (r *Reloader) bring(ctx context.Context, l *lane, c Change, e Reload) Reload {
	if len(c.Sync)+len(c.Exec) == 0 && !c.Restart {
		return e
	}
	seen, err := r.sup.see(ctx, c.Service)
	if err != nil {
		return e.failed(err)
	}
	if len(c.Sync)+len(c.Exec) > 0 {
		r.enter(l, stepSync)
		noted := r.noted(c)
		if err := r.sync(ctx, c, seen); err != nil {
			e.unsynced = true
			return e.failed(err)
		}
		e.How = HowSync
		if !c.Restart {
			noted.in(r.carried, seen.instances...)
		} else {
			defer noted.in(r.carried, seen.instances...) // whoever is killed before the restart does both again
		}
	}
	if c.Restart {
		r.enter(l, stepReady)
		goal := seen.goal
		goal.NoBuild = true
		e.How = HowRestart
		err := r.sup.Do(ctx, Request{Goals: map[string]Goal{c.Service: goal}, Cycle: []string{c.Service}, Scope: []string{c.Service}, Wait: true, Joins: true})
		if err != nil {
			return e.failed(err)
		}
	}
	if e.Result == ReloadFailed {
		return e
	}
	return e.done()
}

// again tries what has failed before, and with it whatever could not go on for its sake.
func (r *Reloader) again(ctx context.Context, l *lane, c Change, seen sight, e Reload) Reload {
	goals := r.sup.broken(ctx)
	goals[c.Service] = seen.goal
	for name, goal := range goals {
		goal.Recreate, goal.Build = RecreateDiverged, goal.Build || name == c.Service && c.Build && seen.spec.Build
		goals[name] = goal
	}
	r.enter(l, stepBuild)
	e.How = HowRestart
	if err := r.sup.Do(ctx, Request{Goals: goals, Scope: []string{c.Service}, Wait: true, Joins: true}); err != nil {
		return e.failed(err)
	}
	return e.done()
}

// rebuild builds a service and, where something else came of it, replaces its instances. What runs goes on while it builds.
func (r *Reloader) rebuild(ctx context.Context, l *lane, c Change, seen sight, e Reload) Reload {
	if seen.spec.Build || c.Previous {
		if err := r.build(ctx, l, c, seen); err != nil {
			return e.failed(err)
		}
		e.Built = e.since()
	}
	for _, other := range c.after {
		select {
		case <-other:
		case <-ctx.Done():
			return e.failed(ctx.Err())
		}
	}
	seen, err := r.sup.see(ctx, c.Service)
	switch {
	case err != nil:
		return e.failed(err)
	case seen.goal.Want != WantRunning: // stopped while it was built
		return e
	case seen.spec.Build && seen.current():
		e.Result = ReloadUnchanged
		return e
	case c.Previous: // with the files that it had
		r.assume(c.Service, seen.image)
	}
	r.enter(l, stepStart)
	e.How = HowRestart
	for _, in := range seen.instances {
		a := Action{Op: OpCreate, Runtime: in.Runtime, Service: in.Service, Number: in.Number, Replaces: in.ID, Name: in.Name, Reason: "reloaded",
			Swap: seen.spec.Swap && in.State == InstanceRunning, Timeout: seen.goal.Timeout}
		if err := r.sup.Carry(ctx, a); err != nil {
			return e.failed(err)
		}
	}
	replaced := time.Now()
	r.enter(l, stepReady)
	if err := r.sup.Do(ctx, Request{Scope: []string{c.Service}, Wait: true}); err != nil {
		return e.failed(err)
	}
	if seen, err := r.sup.see(ctx, c.Service); err == nil && len(seen.instances) > 0 {
		started := seen.instances[0].StartedAt
		e.Started = e.after(started)
		if started.Before(replaced) { // otherwise it is started once the old one has ended
			e.How = HowSwap
		}
	}
	e = e.done()
	r.clear(ctx, seen.runtime)
	return e
}

// current tells whether all instances run what a new one would.
func (s *sight) current() bool {
	return !slices.ContainsFunc(s.instances, func(in Instance) bool { return in.ImageID != s.image || !in.Alive() })
}

// turn is taken by one build of a folder at a time: the second one finds what the first has made.
func (r *Reloader) turn(spec Spec) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	folder := spec.Context
	if spec.Runtime == Native && r.plan != nil {
		folder = r.plan.project.Folder(spec.Name)
	}
	if r.turns[folder] == nil {
		r.turns[folder] = make(chan struct{}, 1)
	}
	return r.turns[folder]
}

// build builds, within the limit of time. The files that a build itself writes are told apart from those that somebody saves.
func (r *Reloader) build(ctx context.Context, l *lane, c Change, seen sight) error {
	turn := r.turn(seen.spec)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	r.enter(l, stepBuild)
	bctx, cancel := context.WithTimeout(ctx, r.BuildLimit)
	defer cancel()
	a := Action{Op: OpBuild, Runtime: seen.spec.Runtime, Service: c.Service, Name: seen.spec.Image, Previous: c.Previous}
	err := r.sup.Carry(bctx, a)
	r.written(ctx, l)
	if errors.Is(bctx.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return &Error{Kind: ErrFailed, Service: c.Service, Err: err, Msg: fmt.Sprintf("the build of service %q was ended, as it took longer than %s", c.Service, r.BuildLimit),
			Hint: "What ran before goes on. What the build wrote is among the logs of the service on the screen."}
	}
	return err
}

// written looks at what has changed while a build was under way.
func (r *Reloader) written(ctx context.Context, l *lane) {
	r.mu.Lock()
	again, noisy := l.own.end(time.Now())
	if len(again) > 0 {
		next := Change{Service: l.service, At: time.Now(), Files: again, Build: true}
		if l.next != nil {
			next = l.next.with(next)
		}
		l.next = &next
	}
	r.mu.Unlock()
	for _, path := range noisy {
		r.sup.Tell(ctx, l.service, Event{Type: EventWarning, Files: []string{relative(r.dir, path)},
			Text: fmt.Sprintf("%s changes in each build of %s, and causes no further one", relative(r.dir, path), l.service),
			Hint: "Leave it out of what is watched: x-msdev: {watch: {ignore: [...]}}."})
	}
}
