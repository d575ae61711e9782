package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"msdev/runner"
)

// do carries out one command and returns when it has settled. It runs in the session's own context: a client that goes
// away does not end it.
func (s *Session) do(ctx context.Context, cmd Command) (Result, error) {
	s.begin(cmd.Verb)
	defer s.refresh(ctx) // who asks for the state next sees what the command did
	defer s.end(cmd.Verb)
	if cmd.Verb != VerbQuit {
		if err := s.sup.Ready(ctx); err != nil {
			return Result{}, err
		}
	}
	switch cmd.Verb {
	case VerbUp:
		return s.up(ctx, cmd)
	case VerbDown:
		return s.down(ctx, cmd)
	case VerbStart, VerbStop, VerbRestart, VerbKill:
		if cmd.Previous {
			return s.previous(ctx, cmd)
		}
		return s.set(ctx, cmd)
	case VerbPause, VerbUnpause, VerbSignal:
		return s.pause(ctx, cmd)
	case VerbWatch:
		return Result{}, s.watchCommand(ctx, cmd)
	case VerbLogs:
		return Result{}, s.sup.CaughtUp(ctx, cmd.Services)
	case VerbQuit:
		s.refresh(ctx) // what the watchers see last
		s.finish()
		return Result{}, nil
	}
	return Result{}, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("the session does not know the command %q", cmd.Verb),
		Hint: "It may be of another version of msdev: end it with `msdev down`, then start it again."}
}

func (s *Session) begin(v Verb) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working++
	switch v {
	case VerbUp, VerbStart:
		s.phase = PhaseStarting
	case VerbDown, VerbStop, VerbKill:
		s.phase = PhaseStopping
	}
	poke(s.changed)
}

func (s *Session) end(v Verb) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working--
	switch v {
	case VerbUp, VerbStart, VerbRestart, VerbUnpause:
		s.phase = PhaseRunning
	case VerbDown, VerbStop, VerbKill:
		s.phase = PhaseStopped
		if slices.ContainsFunc(s.state.Services, func(st runner.Status) bool { return st.Wanted }) {
			s.phase = PhaseRunning
		}
	}
	poke(s.changed)
	poke(s.moved)
	select {
	case <-s.quit:
	default:
		if s.quitting && s.working == 0 {
			close(s.quit)
		}
	}
}

// finish ends the session as soon as no command is under way.
func (s *Session) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quitting = true
}

// User is a runtime that can go on with the project read again, without losing sight of its instances.
type User interface {
	Use(ctx context.Context, p *runner.Project) error
}

// reload reads the project's files again, as an up does, and enables the services that were named.
func (s *Session) reload(ctx context.Context, cmd Command) (*runner.Project, error) {
	load := s.config.Load
	if cmd.Load != nil {
		load = *cmd.Load
	}
	p, err := runner.Load(ctx, load)
	if err != nil {
		return nil, err
	}
	if p, err = p.Enable(cmd.Services); err != nil {
		return nil, err
	}
	if s.launch.Use != nil {
		added, err := s.launch.Use(ctx, p)
		s.join(ctx, added)
		if err != nil {
			return nil, err
		}
	}
	if err := s.useBrokers(p); err != nil {
		return nil, err
	}
	if err := s.useSchemas(p); err != nil {
		return nil, err
	}
	specs, resources, err := s.plan(p)
	if err != nil {
		return nil, err
	}
	defer s.sup.Still(ctx)()
	for _, rt := range s.runtimes() {
		if u, ok := rt.(User); ok {
			if err := u.Use(ctx, p); err != nil {
				return nil, err
			}
		}
	}
	s.sup.Update(ctx, specs, resources)
	s.watchAnew(ctx, p)
	unsupported := s.shortcomings(p)
	s.mu.Lock()
	s.unsupported = unsupported
	s.project, s.config.Load = p, load
	s.linger = s.linger || cmd.Up.Linger
	s.mu.Unlock()
	return p, nil
}

func (s *Session) theProject() *runner.Project {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.project
}

func (s *Session) up(ctx context.Context, cmd Command) (Result, error) {
	p, err := s.reload(ctx, cmd)
	if err != nil {
		return Result{}, err
	}
	selected, err := p.Select(cmd.Services, cmd.NoDeps)
	if err != nil {
		return Result{}, err
	}
	if s.launch.Check != nil {
		if err := s.launch.Check(selected.Order); err != nil {
			return Result{}, err
		}
	}
	req, err := s.upRequest(ctx, p, selected.Order, cmd)
	if err != nil {
		return Result{}, err
	}
	if cmd.Up.DryRun {
		plan, err := s.sup.Rehearse(ctx, req)
		return Result{Plan: plan}, err
	}
	s.asked(cmd)
	if err := s.check(ctx, selected.Order); err != nil {
		return Result{}, err
	}
	if cmd.Up.Watch && s.reloads.Brings(selected.Order) { // what starts is to have what was saved since its image was built
		_ = s.untilWatched(ctx) // whatever is wrong with watching has been told
	}
	wctx := ctx
	if cmd.Up.WaitTimeout > 0 {
		var cancel context.CancelFunc
		wctx, cancel = context.WithTimeout(ctx, cmd.Up.WaitTimeout)
		defer cancel()
	}
	s.setComing(req.Scope)
	err = s.sup.Do(wctx, req)
	s.setComing(nil)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = s.late(ctx, cmd, req.Scope)
	}
	if err != nil && cmd.Up.Rollback && !errors.Is(err, runner.ErrSuperseded) {
		s.rollback(ctx, req)
	}
	return Result{}, err
}

// checker is a runtime that can tell, before anything starts, what will keep services from running in it.
type checker interface {
	Check(services []string) error
}

// check asks the runtimes about services that have no instance yet.
func (s *Session) check(ctx context.Context, order []string) error {
	there := map[string]bool{}
	for _, st := range s.sup.Statuses(ctx) {
		there[st.Service] = len(st.Instances) > 0
	}
	order = slices.DeleteFunc(slices.Clone(order), func(name string) bool { return there[name] })
	for _, rt := range s.runtimes() {
		if c, ok := rt.(checker); ok {
			if err := c.Check(order); err != nil {
				return err
			}
		}
	}
	return nil
}

// late is the error of an up that did not get ready in time; it names who did not, and why.
func (s *Session) late(ctx context.Context, cmd Command, scope []string) error {
	msg := fmt.Sprintf("not everything was ready within %s", cmd.Up.WaitTimeout)
	service := ""
	for _, st := range s.sup.Statuses(ctx) {
		if slices.Contains(scope, st.Service) && st.State != runner.StateReady {
			msg += fmt.Sprintf("; %s: %s", st.Service, st.Detail)
			if service == "" {
				service = st.Service
			}
		}
	}
	return &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: msg, Hint: fmt.Sprintf("`msdev logs %s` shows what it wrote; --wait-timeout gives more time.", service)}
}

func (s *Session) upRequest(ctx context.Context, p *runner.Project, order []string, cmd Command) (runner.Request, error) {
	req := runner.Request{Goals: map[string]runner.Goal{}, Scope: order, Wait: cmd.Up.Wait}
	for service := range cmd.Up.Scale {
		if _, err := p.Service(service); err != nil {
			return req, err
		}
	}
	for _, name := range order {
		config, err := p.Service(name)
		if err != nil {
			return req, err
		}
		g := runner.Goal{Want: runner.WantRunning, Scale: config.GetScale(), Pull: cmd.Up.Pull, Build: cmd.Up.Build, NoBuild: cmd.Up.NoBuild,
			NoDeps: cmd.NoDeps, Timeout: cmd.Timeout, Renew: cmd.Up.RenewVolumes}
		if n, ok := cmd.Up.Scale[name]; ok {
			g.Scale = n
		}
		asked := len(cmd.Services) == 0 || slices.Contains(cmd.Services, name)
		switch {
		case cmd.Up.ForceRecreate && (asked || cmd.Up.RecreateDeps), cmd.Up.RecreateDeps && !asked:
			g.Recreate = runner.RecreateAlways
		case cmd.Up.NoRecreate:
			g.Recreate = runner.RecreateNever
		}
		req.Goals[name] = g
	}
	if cmd.Up.RemoveOrphans {
		for _, st := range s.sup.Statuses(ctx) {
			if st.Orphan {
				req.Goals[st.Service] = runner.Goal{Want: runner.WantGone, Timeout: cmd.Timeout}
				req.Scope = append(req.Scope, st.Service)
			}
		}
	}
	return req, nil
}

// onEngine is the runtime whose new instances have anonymous volumes of their own; elsewhere data outlives an instance.
const onEngine = "docker"

// rollback takes back what a failed up did: the instances that it made are removed, those that it only started are
// stopped, and where nothing is left the networks go too. Named volumes stay, as data is never thrown away unasked.
func (s *Session) rollback(ctx context.Context, up runner.Request) {
	made, started := s.sup.Made(ctx, up.Scope)
	undo := func(want runner.Want, only map[string]map[string]bool, down *runner.Teardown) {
		req := runner.Request{Goals: map[string]runner.Goal{}, Down: down}
		for service, ids := range only {
			req.Goals[service] = runner.Goal{Want: want, Only: ids, Volumes: s.launch.Of(service) == onEngine}
			req.Scope = append(req.Scope, service)
		}
		_ = s.sup.Do(ctx, req) // what cannot be undone is in the events; the up's own error matters
	}
	undo(runner.WantStopped, started, nil)
	undo(runner.WantGone, made, &runner.Teardown{Networks: true})
}

// setComing notes the services of an up that is under way; nil: none is.
func (s *Session) setComing(scope []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming = scope
}

func (s *Session) comingUp() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.coming
}

// sweep removes the instances of services that were made and never started, and the networks where nothing is left: an up
// that was called off leaves nothing half made.
func (s *Session) sweep(ctx context.Context, scope []string) error {
	req := runner.Request{Goals: map[string]runner.Goal{}, Down: &runner.Teardown{Networks: true}}
	for _, st := range s.sup.Statuses(ctx) {
		unused := map[string]bool{}
		for _, in := range st.Instances {
			if in.State == runner.InstanceCreated && in.StartedAt.IsZero() {
				unused[in.ID] = true
			}
		}
		if slices.Contains(scope, st.Service) && len(unused) > 0 {
			req.Goals[st.Service] = runner.Goal{Want: runner.WantGone, Only: unused, Volumes: st.Runtime == onEngine}
			req.Scope = append(req.Scope, st.Service)
		}
	}
	return s.sup.Do(ctx, req)
}

func (s *Session) down(ctx context.Context, cmd Command) (Result, error) {
	known := s.sup.Statuses(ctx)
	names, err := s.named(cmd.Services, known)
	if err != nil {
		return Result{}, err
	}
	req := runner.Request{Goals: map[string]runner.Goal{}}
	if len(cmd.Services) == 0 {
		req.Down = &runner.Teardown{Networks: true, Volumes: cmd.Down.Volumes, Images: cmd.Down.Images}
	}
	for _, st := range known {
		if slices.Contains(names, st.Service) && (!st.Orphan || cmd.Down.RemoveOrphans || len(cmd.Services) > 0) {
			req.Goals[st.Service] = runner.Goal{Want: runner.WantGone, Timeout: cmd.Timeout, Volumes: cmd.Down.Volumes}
			req.Scope = append(req.Scope, st.Service)
		}
	}
	if err := s.sup.Do(ctx, req); err != nil {
		return Result{}, err
	}
	if len(cmd.Services) == 0 && !cmd.Down.Stay {
		s.refresh(ctx)
		s.finish()
	}
	return Result{}, nil
}

// named checks the names of services against those that are known; none stands for all of them.
func (s *Session) named(services []string, known []runner.Status) ([]string, error) {
	all := make([]string, 0, len(known))
	for _, st := range known {
		all = append(all, st.Service)
	}
	if len(services) == 0 {
		return all, nil
	}
	for _, name := range services {
		if slices.Contains(all, name) {
			continue
		}
		if _, err := s.theProject().Service(name); err != nil {
			return nil, err
		}
	}
	return services, nil
}

// goalOf is what a start, stop, restart or kill asks of a service.
func goalOf(cmd Command, st runner.Status) runner.Goal {
	if cmd.Verb == VerbStop || cmd.Verb == VerbKill {
		return runner.Goal{Want: runner.WantStopped, Timeout: cmd.Timeout, Kill: cmd.Verb == VerbKill}
	}
	g := runner.Goal{Want: runner.WantRunning, Scale: len(st.Instances), Recreate: runner.RecreateNever, NoBuild: true, NoDeps: cmd.NoDeps, Timeout: cmd.Timeout}
	if cmd.Verb == VerbStart && st.Runtime == runner.Native && !slices.ContainsFunc(st.Instances, runner.Instance.Alive) { // a process is built before each start
		g.Recreate, g.NoBuild = runner.RecreateDiverged, false
	}
	return g
}

// able tells whether a service can be started, stopped, restarted or killed. That it cannot is an error where it was named.
func able(cmd Command, st runner.Status) (bool, error) {
	named := slices.Contains(cmd.Services, st.Service)
	switch {
	case cmd.Verb == VerbStop || cmd.Verb == VerbKill: // also what is still to come
		return true, nil
	case len(st.Instances) == 0 && named && cmd.Verb == VerbStart:
		return false, &runner.Error{Kind: runner.ErrFailed, Service: st.Service, Msg: fmt.Sprintf("service %q has no container to start", st.Service),
			Hint: fmt.Sprintf("`msdev up %s` makes one.", st.Service)}
	case st.Orphan && len(st.Instances) > 0 && named: // nothing says how it is to run
		return false, &runner.Error{Kind: runner.ErrUsage, Service: st.Service, Msg: fmt.Sprintf("service %q is not in the compose file", st.Service),
			Hint: "`msdev down --remove-orphans` removes what is left of it."}
	}
	return len(st.Instances) > 0 && !st.Orphan, nil
}

// set starts, stops, restarts or kills services.
func (s *Session) set(ctx context.Context, cmd Command) (Result, error) {
	known := s.sup.Statuses(ctx)
	names, err := s.named(cmd.Services, known)
	if err != nil {
		return Result{}, err
	}
	req := runner.Request{Goals: map[string]runner.Goal{}, Wait: cmd.Up.Wait}
	for _, st := range known {
		if !slices.Contains(names, st.Service) {
			continue
		}
		if able, err := able(cmd, st); err != nil {
			return Result{}, err
		} else if !able {
			continue
		}
		req.Goals[st.Service] = goalOf(cmd, st)
		req.Scope = append(req.Scope, st.Service)
	}
	if cmd.Verb == VerbRestart {
		req.Cycle = req.Scope
	}
	coming := s.comingUp()
	if err := s.sup.Do(ctx, req); err != nil || coming == nil || req.Goals == nil {
		return Result{Changed: req.Scope}, err
	}
	if cmd.Verb == VerbStop || cmd.Verb == VerbKill {
		return Result{Changed: req.Scope}, s.sweep(ctx, coming)
	}
	return Result{Changed: req.Scope}, nil
}

// pause pauses, unpauses or signals the instances of services.
func (s *Session) pause(ctx context.Context, cmd Command) (Result, error) {
	known := s.sup.Statuses(ctx)
	names, err := s.named(cmd.Services, known)
	if err != nil {
		return Result{}, err
	}
	op, state := runner.OpPause, runner.InstanceRunning
	switch cmd.Verb {
	case VerbUnpause:
		op, state = runner.OpUnpause, runner.InstancePaused
	case VerbSignal:
		op = runner.OpSignal
	}
	var res Result
	for _, st := range known {
		for _, in := range st.Instances {
			if !slices.Contains(names, st.Service) || in.State != state {
				continue
			}
			if err := s.sup.Act(ctx, runner.Action{Op: op, Runtime: in.Runtime, Service: in.Service, Number: in.Number, Instance: in.ID, Name: in.Name, Signal: cmd.Signal}); err != nil {
				return res, err
			}
			res.Changed = append(res.Changed, in.Name)
		}
	}
	return res, nil
}
