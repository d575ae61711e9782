package runner

import (
	"context"
	"fmt"
	"maps"
)

// observe takes in one observation of a runtime and tells what changed.
func (s *Supervisor) observe(ctx context.Context, runtime string, o Observation) {
	switch {
	case o.Snapshot != nil:
		s.snapshot(runtime, *o.Snapshot)
	case o.Instance != nil:
		s.saw(runtime, *o.Instance)
	case o.Gone != "":
		s.gone(runtime, o.Gone)
	case o.Resource != nil:
		s.resource(runtime, *o.Resource)
	case o.Lost != nil:
		s.lose(runtime, o.Lost)
	}
}

func (s *Supervisor) lose(runtime string, err error) {
	if s.lost[runtime] == nil {
		s.event("", Event{Type: EventLost, Text: fmt.Sprintf("%s does not answer: %v", runtime, err)})
	}
	s.lost[runtime] = err
}

func (s *Supervisor) snapshot(runtime string, now Observed) {
	before, again := s.view.Seen[runtime]
	first := !s.looked[runtime]
	s.looked[runtime] = true
	if s.lost[runtime] != nil {
		delete(s.lost, runtime)
		s.event("", Event{Type: EventBack, Text: runtime + " answers again"})
	}
	s.view.Seen[runtime] = Observed{Instances: map[string]Instance{}, Networks: orEmpty(now.Networks), Volumes: orEmpty(now.Volumes), Images: orEmpty(now.Images)}
	for id, in := range now.Instances {
		if s.past[id] {
			continue
		}
		old, known := before.Instances[id]
		s.view.Seen[runtime].Instances[id] = in
		switch {
		case known:
			s.transition(old, in)
			s.revive(old, in)
		case first && !again:
			s.find(in)
		default:
			if _, making := s.view.making(in); !making {
				s.letGo(in)
			}
			s.transition(Instance{}, in)
		}
	}
	for id, old := range before.Instances {
		if _, still := now.Instances[id]; !still {
			s.forget(old)
		}
	}
}

// revive lets the plan start an instance again that ended while the engine was away: the engine's end is not its own.
func (s *Supervisor) revive(old, in Instance) {
	if old.Alive() && in.State == InstanceExited {
		delete(s.memory(in.Service).Started, in.ID)
	}
}

// find takes an instance over that was there before the session.
func (s *Supervisor) find(in Instance) {
	if in.Alive() {
		s.memory(in.Service).Started[in.ID] = true
	}
	if !s.options.Quiet {
		s.event(in.Service, Event{Type: EventFound, Instance: in.Name, ID: in.ID, Text: fmt.Sprintf("%s found %s", in.Name, describe(in))})
	}
}

func describe(in Instance) string {
	switch {
	case in.State == InstanceExited:
		return fmt.Sprintf("exited with code %d", in.ExitCode)
	case in.State == InstanceRunning && in.Health != HealthNone:
		return fmt.Sprintf("running, %s", in.Health)
	}
	return string(in.State)
}

func (s *Supervisor) saw(runtime string, in Instance) {
	seen, ok := s.view.Seen[runtime]
	if !ok { // before the first look: the look will tell
		return
	}
	if s.past[in.ID] {
		return
	}
	old := seen.Instances[in.ID]
	if _, making := s.view.making(in); old.ID == "" && !making {
		s.letGo(in)
	}
	if old.ID != "" && in.Seen < old.Seen { // overtaken by a newer look
		return
	}
	seen.Instances[in.ID] = in
	s.transition(old, in)
}

func (s *Supervisor) gone(runtime, id string) {
	seen := s.view.Seen[runtime]
	if in, ok := seen.Instances[id]; ok {
		delete(seen.Instances, id)
		s.forget(in)
	}
}

// letGo gives a service up whose instances somebody else makes or removes: what `docker compose` is asked on our project is
// meant, and not to be fought. The next command that names the service takes it back.
func (s *Supervisor) letGo(in Instance) {
	if !in.OneOff && s.view.Goals[in.Service].Want == WantRunning {
		delete(s.view.Goals, in.Service)
	}
}

// hold keeps what runs as it is: changes of the file or of images are for the next command that names the services.
func (s *Supervisor) hold(services []string) {
	for _, service := range services {
		if g := s.view.Goals[service]; g.Want == WantRunning {
			g.Recreate = RecreateNever
			s.view.Goals[service] = g
		}
	}
}

// removing tells whether an action of ours removes an instance, puts another in its place, or takes back the one that it has made.
func (s *Supervisor) removing(in Instance) bool {
	if replaces, making := s.view.making(in); making && replaces != "" {
		return true
	}
	replace := Action{Op: OpCreate, Runtime: in.Runtime, Service: in.Service, Number: in.Number, Replaces: in.ID}
	return s.view.Busy[onInstance(OpRemove, in).ID()] || s.view.Busy[replace.ID()]
}

func (s *Supervisor) forget(in Instance) {
	if !s.removing(in) {
		s.letGo(in)
	}
	mem := s.memory(in.Service)
	delete(mem.Made, in.ID)
	delete(mem.Started, in.ID)
	delete(mem.Cycle, in.ID)
	delete(s.view.Healthy, in.ID)
	s.stats.forget(in.ID)
	s.endProbe(in.ID)
	s.event(in.Service, Event{Type: EventRemove, Instance: in.Name, ID: in.ID, Text: in.Name + " removed"})
}

func (s *Supervisor) resource(runtime string, c ResourceChange) {
	seen, ok := s.view.Seen[runtime]
	if !ok {
		return
	}
	kinds := map[ResourceKind]map[string]Resource{ResourceNetwork: seen.Networks, ResourceVolume: seen.Volumes, ResourceImage: seen.Images}
	known := kinds[c.Kind]
	if c.Gone {
		delete(known, c.Resource.Key)
		return
	}
	known[c.Resource.Key] = c.Resource
}

// transition tells what happened between two looks at an instance.
func (s *Supervisor) transition(old, in Instance) {
	ran := sameRun(old, in) || (s.justStarted[in.ID] && old.Alive() && in.Alive())
	delete(s.justStarted, in.ID)
	if !ran || !in.Alive() {
		delete(s.view.Healthy, in.ID)
		s.endProbe(in.ID)
	}
	e := Event{Instance: in.Name, ID: in.ID}
	if old.ID == "" && in.State == InstanceCreated {
		e.Type, e.Text = EventCreate, in.Name+" created"
		s.event(in.Service, e)
	}
	if in.Alive() {
		s.memory(in.Service).Started[in.ID] = true
	}
	switch {
	case in.State == InstanceRunning && (!ran || !old.Alive()):
		e.Type, e.Text = EventStart, in.Name+" started"
		switch {
		case in.Attached > 0:
			e.Text = fmt.Sprintf("%s is the process %d now, which was attached", in.Name, in.Attached)
		case in.Restarts > old.Restarts && old.ID != "":
			e.Text = fmt.Sprintf("%s started again (restart %d)", in.Name, in.Restarts)
		}
		s.event(in.Service, e)
		s.reloads.suspect(in.Service)
	case in.State == InstancePaused && old.State != InstancePaused:
		e.Type, e.Text = EventPause, in.Name+" paused"
		s.event(in.Service, e)
	case in.State == InstanceRunning && old.State == InstancePaused:
		e.Type, e.Text = EventUnpause, in.Name+" unpaused"
		s.event(in.Service, e)
	case (in.State == InstanceExited || in.State == InstanceRestarting || in.State == InstanceDead) && (old.State == InstanceRunning || old.State == InstancePaused || (old.State == in.State && !old.FinishedAt.Equal(in.FinishedAt))):
		s.exit(in, e)
	}
	s.healthChange(old, in, e, ran)
}

// sameRun tells whether two looks at an instance saw the same run of it.
func sameRun(old, in Instance) bool {
	return old.Alive() && !old.StartedAt.IsZero() && old.StartedAt.Equal(in.StartedAt)
}

func (s *Supervisor) exit(in Instance, e Event) {
	code := in.ExitCode
	e.Type, e.ExitCode, e.Text = EventExit, &code, fmt.Sprintf("%s exited with code %d", in.Name, code)
	switch {
	case in.OOMKilled:
		e.Text += " (killed: out of memory)"
	case in.State == InstanceRestarting:
		e.Text += ", will be restarted"
	}
	s.event(in.Service, e)
}

func (s *Supervisor) healthChange(old, in Instance, e Event, ran bool) {
	if in.State != InstanceRunning || (ran && old.Health == in.Health) {
		return
	}
	switch in.Health {
	case HealthHealthy:
		if !s.view.Healthy[in.ID] {
			e.Type, e.Text = EventHealthy, in.Name+" is healthy"
			s.event(in.Service, e)
		}
	case HealthUnhealthy:
		delete(s.view.Healthy, in.ID)
		e.Type, e.Text = EventUnhealthy, in.Name+" is unhealthy"
		if out := lastLine(in.HealthLog); out != "" {
			e.Text += ": " + out
		}
		s.event(in.Service, e)
	}
}

func orEmpty(m map[string]Resource) map[string]Resource {
	if m == nil {
		return map[string]Resource{}
	}
	return maps.Clone(m)
}
