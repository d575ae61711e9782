package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"msdev/journal"
)

// begin starts an action on its own goroutine; its end comes back to the loop.
func (s *Supervisor) begin(ctx context.Context, a Action) {
	s.carry(ctx, a, func(seen []Observation, err error, took time.Duration) { s.finish(ctx, a, seen, err, took) })
}

// carry starts an action on its own goroutine; ended runs on the loop.
func (s *Supervisor) carry(ctx context.Context, a Action, ended func(seen []Observation, err error, took time.Duration)) {
	rt := s.runtimes[a.Runtime]
	if rt == nil {
		ended(nil, &Error{Kind: ErrFailed, Service: a.Service, Msg: fmt.Sprintf("service %q: there is no runtime %q", a.Service, a.Runtime)}, 0)
		return
	}
	id := a.ID()
	s.view.Busy[id] = true
	actx, cancel := context.WithCancel(ctx)
	if a.Op == OpPull || a.Op == OpBuild {
		s.cancels[id] = cancel
		s.event(a.Service, Event{Type: EventType(a.Op), Text: fmt.Sprintf("%s %s", map[Op]string{OpPull: "pulling", OpBuild: "building"}[a.Op], a.Name)})
	}
	in := s.view.Seen[a.Runtime].Instances[a.Instance]
	if in.ImageID == "" { // it was just made
		in.ImageID = s.view.Seen[a.Runtime].Images[a.Service].ID
	}
	began := time.Now()
	back := context.WithoutCancel(ctx) // whoever called it off is told of its end all the same
	s.work.Go(func() {
		defer cancel()
		seen, err := s.reloads.around(actx, rt, a, in, func() ([]Observation, error) {
			return rt.Do(actx, a, func(p Progress) { s.report(back, a, p) })
		})
		took := time.Since(began)
		s.do(back, func() { ended(seen, err, took) })
	})
}

// report takes a progress line of a pull or build: into the journal, and as the service's detail.
func (s *Supervisor) report(ctx context.Context, a Action, p Progress) {
	s.do(ctx, func() {
		s.progress[a.Service] = p.Text
		s.journal.Append(journal.Record{Time: s.options.Now(), Stream: a.Service + "/build", Kind: journal.KindLog, Ref: a.Service, Text: p.Text})
	})
}

func (s *Supervisor) finish(ctx context.Context, a Action, seen []Observation, err error, took time.Duration) {
	s.land(ctx, a, seen)
	if err != nil && ctx.Err() == nil {
		s.failed(ctx, a, err)
		return
	}
	s.done(a, seen, took)
}

// mostPast bounds how many removed instances are remembered.
const mostPast = 1000

// land takes in what an action changed.
func (s *Supervisor) land(ctx context.Context, a Action, seen []Observation) {
	id := a.ID()
	delete(s.cancels, id)
	delete(s.progress, a.Service)
	for _, o := range seen { // while it is still Busy, so that what it removed is known to be our own doing
		if o.Gone != "" {
			if len(s.past) == mostPast {
				clear(s.past) // they are long gone
			}
			s.past[o.Gone] = true
		}
		s.observe(ctx, a.Runtime, o)
	}
	delete(s.view.Busy, id)
}

// done notes in the service's memory what an action achieved.
func (s *Supervisor) done(a Action, seen []Observation, took time.Duration) {
	mem := s.memory(a.Service)
	switch a.Op {
	case OpPull, OpBuild:
		s.imageDone(a)
		s.event(a.Service, Event{Type: EventType(a.Op), Took: took.Seconds(),
			Text: fmt.Sprintf("%s %s in %s", map[Op]string{OpPull: "pulled", OpBuild: "built"}[a.Op], a.Name, round(took))})
	case OpCreate:
		for _, o := range seen {
			if o.Instance != nil {
				mem.Made[o.Instance.ID] = true
				if a.Replaces == "" {
					mem.New[o.Instance.ID] = true
				}
			}
		}
		if a.Replaces != "" {
			s.cycleDependents(a.Service)
		}
	case OpStart:
		s.justStarted[a.Instance] = true
		mem.Started[a.Instance], mem.Begun[a.Instance] = true, true
		delete(mem.Cycle, a.Instance)
	case OpRemoveNetwork, OpRemoveVolume:
		if !s.elsewhere(a) {
			s.resourceEvent(a, seen)
		}
	case OpCreateNetwork, OpCreateVolume, OpRemoveImage:
		s.resourceEvent(a, seen)
	}
}

// elsewhere tells whether another runtime still has the network or volume that was removed: each has its own part of it, and users
// hear of the last.
func (s *Supervisor) elsewhere(a Action) bool {
	for name, seen := range s.view.Seen {
		of := seen.Networks
		if a.Op == OpRemoveVolume {
			of = seen.Volumes
		}
		if _, there := of[a.Key]; there && name != a.Runtime {
			return true
		}
	}
	return false
}

func (s *Supervisor) resourceEvent(a Action, seen []Observation) {
	kind, word, _ := strings.Cut(string(a.Op), "-")
	types := map[string]EventType{"network": EventNetwork, "volume": EventVolume, "image": EventImage}
	verb := map[string]string{"create": "created", "remove": "removed"}[kind]
	name := a.Name
	for _, o := range seen {
		if o.Resource != nil && o.Resource.Resource.Key == a.Key && o.Resource.Resource.Name != "" {
			name = o.Resource.Resource.Name
		}
	}
	if name == "" {
		name = a.Key
	}
	s.event("", Event{Type: types[word], Text: fmt.Sprintf("%s %s %s", word, name, verb)})
}

// imageDone notes a fetched image with every service that uses it.
func (s *Supervisor) imageDone(a Action) {
	for i := range s.view.Specs {
		spec := &s.view.Specs[i]
		if spec.Name == a.Service || (a.Op == OpPull && spec.Image == a.Name && spec.Runtime == a.Runtime) {
			mem := s.memory(spec.Name)
			mem.ImageDone = true
			s.view.Memories[spec.Name] = mem
		}
	}
}

// cycle has the services of a request stopped and started again, and with them those that depend on them with `restart: true`.
func (s *Supervisor) cycle(p *pending) {
	p.Cycle, p.Scope = slices.Clone(p.Cycle), slices.Clone(p.Scope)
	for i := 0; i < len(p.Cycle); i++ {
		service := p.Cycle[i]
		mem := s.memory(service)
		for _, in := range s.instancesOf(service) {
			mem.Cycle[in.ID] = true
		}
		if s.view.Goals[service].NoDeps {
			continue
		}
		for _, name := range s.cycleDependents(service) {
			if !slices.Contains(p.Cycle, name) {
				p.Cycle, p.Scope = append(p.Cycle, name), union(p.Scope, []string{name})
			}
		}
	}
}

// cycleDependents restarts the running services that depend on a replaced or restarted one with `restart: true`, and returns their names.
func (s *Supervisor) cycleDependents(service string) []string {
	var names []string
	for i := range s.view.Specs {
		spec := &s.view.Specs[i]
		for _, d := range spec.DependsOn {
			if d.Service != service || !d.Restart || s.view.Goals[spec.Name].Want != WantRunning {
				continue
			}
			mem := s.memory(spec.Name)
			running := false
			for _, in := range s.instancesOf(spec.Name) {
				if in.Alive() {
					mem.Cycle[in.ID], running = true, true
				}
			}
			if running {
				names = append(names, spec.Name)
			}
		}
	}
	return names
}

// failed notes the failure of an action with every service that cannot go on without it.
func (s *Supervisor) failed(ctx context.Context, a Action, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Kind: ErrFailed, Service: a.Service, Msg: s.sentence(a, err), Err: err}
	}
	if errors.Is(err, context.Canceled) {
		s.view.Stuck[a.ID()] = true
		return
	}
	if e.Kind == ErrEngine {
		s.engineTrouble(ctx, a.Runtime, e)
		return
	}
	s.view.Stuck[a.ID()] = true
	if a.Service == "" {
		s.event("", Event{Type: EventFail, Text: e.Msg, Hint: e.Hint})
	}
	for _, service := range s.concerned(a) {
		s.fail(service, e)
	}
}

func (s *Supervisor) sentence(a Action, err error) string {
	switch {
	case a.Service != "":
		return fmt.Sprintf("service %q: cannot %s %s: %v", a.Service, a.Op, a.Name, err)
	case a.Key != "":
		return fmt.Sprintf("cannot %s %s: %v", strings.ReplaceAll(string(a.Op), "-", " "), a.Key, err)
	}
	return fmt.Sprintf("cannot %s: %v", a.Op, err)
}

// concerned are the services that fail with an action.
func (s *Supervisor) concerned(a Action) []string {
	var names []string
	for i := range s.view.Specs {
		spec := &s.view.Specs[i]
		if s.view.Goals[spec.Name].Want != WantRunning {
			continue
		}
		uses := (a.Op == OpCreateNetwork || a.Op == OpRemoveNetwork) && slices.Contains(spec.Networks, a.Key) ||
			a.Op == OpCreateVolume && slices.Contains(spec.Volumes, a.Key) ||
			a.Op == OpPull && spec.Image == a.Name
		if uses && spec.Name != a.Service {
			names = append(names, spec.Name)
		}
	}
	if a.Service != "" {
		names = append(names, a.Service)
	}
	return names
}

// engineTrouble holds the plan back until the runtime's Watch, which sees the same trouble, brings a fresh look. When
// Watch has noticed nothing within a moment, the trouble was a passing one, and the plan goes on.
func (s *Supervisor) engineTrouble(ctx context.Context, runtime string, e *Error) {
	if s.lost[runtime] != nil {
		return
	}
	trouble := error(e)
	s.lost[runtime] = trouble
	s.work.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
			s.do(ctx, func() {
				if errors.Is(s.lost[runtime], trouble) {
					delete(s.lost, runtime)
				}
			})
		}
	})
}

// busyWith tells whether an action on the service is under way.
func (s *Supervisor) busyWith(service string) bool {
	for id := range s.view.Busy {
		if parts := strings.SplitN(id, "/", 4); len(parts) > 2 && parts[2] == service && service != "" {
			return true
		}
	}
	return false
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
