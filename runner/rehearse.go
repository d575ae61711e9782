package runner

import (
	"cmp"
	"context"
	"maps"
	"time"
)

// Rehearse returns all the actions that a request would take, in an order in which they could happen, if each went well.
// Nothing is done. It waits for the first look.
func (s *Supervisor) Rehearse(ctx context.Context, r Request) ([]Action, error) {
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	reply := make(chan View, 1)
	if !s.do(ctx, func() { reply <- s.imagine(r) }) {
		return nil, cmp.Or(ctx.Err(), context.Canceled)
	}
	return rehearse(<-reply)
}

// imagine returns a copy of the view with the request's goals set.
func (s *Supervisor) imagine(r Request) View {
	v := s.view
	v.Goals, v.Memories, v.Seen = maps.Clone(v.Goals), map[string]Memory{}, map[string]Observed{}
	v.Healthy, v.Busy, v.Stuck, v.Down = maps.Clone(v.Healthy), map[string]bool{}, map[string]bool{}, r.Down
	for name, seen := range s.view.Seen {
		v.Seen[name] = Observed{Instances: maps.Clone(seen.Instances), Networks: maps.Clone(seen.Networks), Volumes: maps.Clone(seen.Volumes), Images: maps.Clone(seen.Images)}
		for id, in := range seen.Instances {
			if _, ok := v.Memories[in.Service]; !ok {
				v.Memories[in.Service] = NewMemory()
			}
			if in.Alive() {
				v.Memories[in.Service].Started[id] = true
			}
		}
	}
	maps.Copy(v.Goals, r.Goals)
	for _, service := range r.Cycle {
		for _, in := range s.instancesOf(service) {
			v.Memories[service].Cycle[in.ID] = true
		}
	}
	return v
}

// rehearse plans and takes every action as done, until nothing is left to do or a service cannot go on.
func rehearse(v View) ([]Action, error) {
	var all []Action
	for range 10000 { // a bound that no real graph reaches
		d := Plan(v)
		for _, err := range d.Failed {
			return all, err
		}
		if len(d.Actions) == 0 {
			return all, nil
		}
		for _, a := range d.Actions {
			all = append(all, a)
			v.take(a)
		}
	}
	return all, nil
}

// take changes the view as if the action had been done and gone well.
func (v *View) take(a Action) {
	mem, ok := v.Memories[a.Service]
	if !ok {
		mem = NewMemory()
	}
	seen := v.Seen[a.Runtime]
	in := seen.Instances[a.Instance]
	switch a.Op {
	case OpPull, OpBuild:
		v.takeImage(a, seen)
		mem.ImageDone = true
	case OpCreateNetwork:
		seen.Networks[a.Key] = Resource{Key: a.Key, Hash: v.Resources.Networks[a.Key]}
	case OpCreateVolume:
		seen.Volumes[a.Key] = Resource{Key: a.Key, Hash: v.Resources.Volumes[a.Key]}
	case OpRemoveNetwork:
		delete(seen.Networks, a.Key)
	case OpRemoveVolume:
		delete(seen.Volumes, a.Key)
	case OpRemoveImage:
		delete(seen.Images, a.Service)
	case OpCreate:
		delete(seen.Instances, a.Replaces)
		in = v.imagined(a)
		seen.Instances[in.ID] = in
		mem.Made[in.ID] = true
	case OpStart:
		in.State, in.Health, in.StartedAt = InstanceRunning, HealthHealthy, time.Unix(1, 0)
		if v.oneShot(a.Service) {
			in.State = InstanceExited
		}
		seen.Instances[in.ID] = in
		mem.Started[in.ID] = true
		delete(mem.Cycle, in.ID)
	case OpStop, OpKill:
		in.State = InstanceExited
		seen.Instances[in.ID] = in
	case OpRemove:
		delete(seen.Instances, a.Instance)
	}
	v.Memories[a.Service] = mem
}

func (v *View) takeImage(a Action, seen Observed) {
	for _, s := range v.Specs {
		if s.Name == a.Service || (a.Op == OpPull && s.Image == a.Name) {
			seen.Images[s.Name] = Resource{Key: s.Name, Name: a.Name, ID: seen.Images[s.Name].ID}
		}
	}
}

// imagined is the instance that a create would make.
func (v *View) imagined(a Action) Instance {
	in := Instance{ID: "new/" + a.ID(), Name: a.Name, Service: a.Service, Number: a.Number, Runtime: a.Runtime, State: InstanceCreated}
	for _, s := range v.Specs {
		if s.Name == a.Service {
			in.Hash, in.ImageID = s.Hash, v.Seen[a.Runtime].Images[s.Name].ID
		}
	}
	return in
}

// oneShot tells whether another service waits for this one to complete.
func (v *View) oneShot(service string) bool {
	for i := range v.Specs {
		for _, d := range v.Specs[i].DependsOn {
			if d.Service == service && d.Condition == ConditionCompleted {
				return true
			}
		}
	}
	return false
}

// Ready returns once every runtime has been looked at, or with the reason why one cannot be.
func (s *Supervisor) Ready(ctx context.Context) error { return s.Do(ctx, Request{}) }

// Act has a runtime do one action that is not part of a plan (pause, unpause) and takes in what it changed.
func (s *Supervisor) Act(ctx context.Context, a Action) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	rt := s.runtimes[a.Runtime]
	if rt == nil {
		return &Error{Kind: ErrFailed, Service: a.Service, Msg: "there is no runtime " + a.Runtime}
	}
	seen, err := rt.Do(ctx, a, nil)
	if err != nil {
		return err
	}
	s.do(ctx, func() {
		for _, o := range seen {
			s.observe(ctx, a.Runtime, o)
		}
	})
	return nil
}
