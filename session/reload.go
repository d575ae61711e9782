package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"msdev/runner"
)

// files is what the session knows of the files behind its services. Session.mu guards it, but for the channels.
type files struct {
	on     bool            // they are to be watched
	wrong  error           // why they are not, or not taken as they are
	asked  Command         // the last up
	users  map[string]bool // services whose configs or secrets changed since the last replan
	turned chan struct{}   // holds one token when on has changed
	replan chan struct{}   // holds one token when the project's own files have changed
}

// watchCommand carries out a VerbWatch.
func (s *Session) watchCommand(ctx context.Context, cmd Command) error {
	names, err := s.named(cmd.Services, s.sup.Statuses(ctx))
	if err != nil {
		return err
	}
	switch cmd.Watch {
	case WatchOn:
		if len(cmd.Services) > 0 {
			s.reloads.Only(names)
		}
		if cmd.Prune {
			s.reloads.Prune(true)
		}
		if err := s.turnWatch(true); err != nil {
			return err
		}
		return s.untilWatched(ctx)
	case WatchOff:
		s.reloads.Prune(false)
		return s.turnWatch(false)
	case WatchPause, WatchResume:
		s.reloads.Pause(cmd.Watch == WatchPause)
	case WatchAuto:
		s.reloads.Mode(names, runner.ReloadAuto)
	case WatchManual:
		s.reloads.Mode(names, runner.ReloadManual)
	case WatchNow:
		return s.reloads.Now(ctx, names, false)
	default:
		return &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("the session does not know how to watch %q", cmd.Watch)}
	}
	return nil
}

// previous goes back to what services ran before their last reload.
func (s *Session) previous(ctx context.Context, cmd Command) (Result, error) {
	if len(cmd.Services) == 0 {
		return Result{}, &runner.Error{Kind: runner.ErrUsage, Msg: "no service is named that is to go back to the version before", Hint: "Name it: msdev restart --previous SERVICE."}
	}
	names, err := s.named(cmd.Services, s.sup.Statuses(ctx))
	if err != nil {
		return Result{}, err
	}
	return Result{Changed: names}, s.reloads.Now(ctx, names, true)
}

// turnWatch begins or ends watching.
func (s *Session) turnWatch(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.on = on
	poke(s.files.turned)
	if on {
		return s.files.wrong
	}
	return nil
}

// untilWatched returns when what is saved from now on is noticed, or cannot be.
func (s *Session) untilWatched(ctx context.Context) error {
	for {
		_, newer := s.current()
		s.mu.Lock()
		off, wrong := !s.files.on, s.files.wrong
		s.mu.Unlock()
		if on, _ := s.reloads.Watching(); on || off || wrong != nil {
			return wrong
		}
		select {
		case <-newer:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// asked notes an up: what it names is what a change of the files is about.
func (s *Session) asked(cmd Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.asked = cmd
	if cmd.Up.Watch && !s.files.on {
		s.files.on = true
		poke(s.files.turned)
	}
}

// watchAnew has the files of a project watched that was read again.
func (s *Session) watchAnew(ctx context.Context, p *runner.Project) {
	err := s.reloads.Use(p, s.launch.Of)
	s.mu.Lock()
	s.files.wrong = err
	on := s.files.on
	s.mu.Unlock()
	if err != nil && on {
		s.complain(ctx, runner.EventWarning, err)
	}
}

// complain tells of something wrong with files, as an event of the project.
func (s *Session) complain(ctx context.Context, kind runner.EventType, err error) {
	ev := runner.Event{Type: kind, Text: err.Error()}
	var e *runner.Error
	if errors.As(err, &e) {
		ev.Text, ev.Hint = e.Msg, e.Hint
	}
	s.sup.Tell(ctx, "", ev)
}

// watchFiles watches while it is asked for.
func (s *Session) watchFiles(ctx context.Context) {
	stop := func() {}
	defer func() { stop() }()
	for running := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-s.files.turned:
		}
		s.mu.Lock()
		on := s.files.on
		s.mu.Unlock()
		switch {
		case on && !running:
			stop = s.watching(ctx)
		case !on:
			stop()
		}
		running = on
	}
}

// watching begins to watch; what it returns ends that, and returns when it has ended.
func (s *Session) watching(ctx context.Context) func() {
	wctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // ends with wctx
		defer close(ended)
		err := s.reloads.Watch(wctx, s.ownFilesChanged)
		if wctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.files.wrong = err
		s.mu.Unlock()
		s.complain(ctx, runner.EventWarning, err)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// ownFilesChanged has the project read again.
func (s *Session) ownFilesChanged(users []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files.users == nil {
		s.files.users = map[string]bool{}
	}
	for _, name := range users {
		s.files.users[name] = true
	}
	poke(s.files.replan)
}

// replanner takes changes of the project's own files in, one after the other.
func (s *Session) replanner(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.files.replan:
		}
		s.begin(VerbWatch)
		err := s.takeFiles(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, runner.ErrSuperseded) {
			s.complain(ctx, runner.EventWarning, err)
		}
		s.end(VerbWatch)
	}
}

// takeFiles reads the project again and brings about what has changed in it: of what was asked to run, the services that are
// configured otherwise now, and where everything was asked for, those that are new. Files that are wrong change nothing.
func (s *Session) takeFiles(ctx context.Context) error {
	began := time.Now()
	s.mu.Lock()
	asked, users := s.files.asked, slices.Sorted(maps.Keys(s.files.users))
	s.files.users = nil
	before, _, err := s.plan(s.project)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	p, err := s.reload(ctx, Command{Services: asked.Services})
	if err != nil {
		s.mu.Lock()
		s.files.wrong = err
		s.mu.Unlock()
		poke(s.changed)
		return err
	}
	poke(s.changed)
	after, _, err := s.plan(p)
	if err != nil {
		return err
	}
	changed := s.changedServices(ctx, before, after, users, len(asked.Services) == 0 && asked.Verb == VerbUp)
	if len(changed) == 0 {
		return nil
	}
	req, err := s.upRequest(ctx, p, changed, Command{Services: changed, Timeout: asked.Timeout})
	if err != nil {
		return err
	}
	for _, name := range users {
		if g, ok := req.Goals[name]; ok {
			g.Recreate = runner.RecreateAlways
			req.Goals[name] = g
		}
	}
	req.Wait = true
	if err := s.sup.Do(ctx, req); err != nil {
		return err
	}
	took := time.Since(began)
	s.sup.Tell(ctx, "", runner.Event{Type: runner.EventReload, Took: took.Seconds(),
		Text: fmt.Sprintf("files of the project taken in, changed: %s %.1fs", strings.Join(changed, ", "), took.Seconds())})
	return nil
}

// changedServices are those of the services that are to run which are other than before, in the project's order.
func (s *Session) changedServices(ctx context.Context, before, after []runner.Spec, users []string, all bool) []string {
	hashes, wanted := map[string]string{}, map[string]bool{}
	for i := range before {
		hashes[before[i].Name] = before[i].Runtime + " " + before[i].Hash
	}
	for _, st := range s.sup.Statuses(ctx) {
		wanted[st.Service] = st.Wanted
	}
	var changed []string
	for i := range after {
		spec := &after[i]
		hash, known := hashes[spec.Name]
		isNew := !known && all
		differs := known && wanted[spec.Name] && (hash != spec.Runtime+" "+spec.Hash || slices.Contains(users, spec.Name))
		if isNew || differs {
			changed = append(changed, spec.Name)
		}
	}
	return changed
}
