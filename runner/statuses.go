package runner

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// ask runs f, which only reads, on the loop, unless ctx or the loop ends first. Nothing is planned after it, and nobody is told of
// a change: who looks at every change would otherwise cause the next one.
func (s *Supervisor) ask(ctx context.Context, f func()) bool {
	select {
	case s.asks <- f:
		return true
	case <-s.over:
		return false
	case <-ctx.Done():
		return false
	}
}

// Statuses returns what is known of every service: those of the file in the graph's order, then orphans.
func (s *Supervisor) Statuses(ctx context.Context) []Status {
	reply := make(chan []Status, 1)
	if !s.ask(ctx, func() { reply <- s.statuses() }) {
		return nil
	}
	return <-reply
}

// Trouble returns why a runtime does not answer now; nil when all do.
func (s *Supervisor) Trouble(ctx context.Context) error {
	reply := make(chan error, 1)
	if !s.ask(ctx, func() {
		for _, name := range sortedKeys(s.lost) {
			reply <- s.lost[name]
			return
		}
		reply <- nil
	}) {
		return nil
	}
	return <-reply
}

func (s *Supervisor) statuses() []Status {
	byService := map[string][]Instance{}
	for _, seen := range s.view.Seen {
		for _, in := range seen.Instances {
			if !in.OneOff {
				byService[in.Service] = append(byService[in.Service], in)
			}
		}
	}
	out := make([]Status, 0, len(s.view.Specs))
	for i := range s.view.Specs {
		spec := &s.view.Specs[i]
		st := Status{Service: spec.Name, Runtime: spec.Runtime, Image: spec.Image, DependsOn: spec.DependsOn}
		out = append(out, s.status(st, byService[spec.Name]))
		delete(byService, spec.Name)
	}
	for _, name := range sortedKeys(byService) {
		out = append(out, s.status(Status{Service: name, Orphan: true}, byService[name]))
	}
	return out
}

func (s *Supervisor) status(st Status, list []Instance) Status {
	slices.SortFunc(list, func(a, b Instance) int { return a.Number - b.Number })
	goal := s.view.Goals[st.Service]
	st.Wanted = goal.Want == WantRunning
	for i := range list {
		in := &list[i]
		if in.Health == HealthStarting && s.view.Healthy[in.ID] {
			in.Health = HealthHealthy
		}
		if in.Alive() && (st.Since.IsZero() || in.StartedAt.Before(st.Since)) {
			st.Since = in.StartedAt
		}
		st.Restarts += in.Restarts
		if in.Alive() {
			st.Ports = append(st.Ports, in.Ports...)
		}
		st.add(s.stats.of(in.ID), in.Alive())
		if st.Image == "" {
			st.Image, st.Runtime = in.Image, in.Runtime
		}
	}
	st.Instances = list
	last := s.last[st.Service]
	st.Last, st.LastAt = last.text, last.at
	st.State, st.Detail = s.judge(st.Service, goal, list)
	st.Reload = s.reloads.status(st.Service)
	return st
}

func (st *Status) add(m Stat, alive bool) {
	if m.Instance == "" || !alive {
		return
	}
	cpu, mem := m.CPU, m.Memory
	if st.CPU != nil {
		cpu, mem = cpu+*st.CPU, mem+*st.Memory
	}
	st.CPU, st.Memory = &cpu, &mem
}

// judge says in one word, and in one short detail, what a service is.
func (s *Supervisor) judge(service string, goal Goal, list []Instance) (ServiceState, string) {
	if step := s.reloads.step(service); step != "" && goal.Want == WantRunning {
		if text := s.progress[service]; text != "" {
			step += ": " + text
		}
		return StateReloading, step
	}
	if f := s.view.Memories[service].Failure; f != nil && goal.Want == WantRunning {
		return StateFailed, f.Msg
	}
	if goal.Want == WantRunning {
		if text := s.progress[service]; text != "" {
			return StateStarting, text
		}
		if w, waits := s.waits[service]; waits {
			return StateWaiting, fmt.Sprintf("waits for %s: %s", w.Service, w.Condition)
		}
	}
	if len(list) == 0 {
		if goal.Want == WantRunning && goal.Scale > 0 {
			return StateStarting, ""
		}
		return StateStopped, ""
	}
	worst, detail := StateReady, ""
	for _, in := range list {
		state, text := s.judgeInstance(in, goal)
		if rank(state) > rank(worst) || detail == "" {
			worst, detail = state, text
		}
	}
	return worst, detail
}

func rank(state ServiceState) int {
	return slices.Index([]ServiceState{StateReady, StateStopped, StateStarting, StateFailed}, state)
}

func (s *Supervisor) judgeInstance(in Instance, goal Goal) (ServiceState, string) {
	switch in.State {
	case InstanceRunning:
		state, text := judgeRunning(in)
		if in.Attached > 0 {
			text += fmt.Sprintf(", attached by %d", in.Attached)
		}
		return state, text
	case InstancePaused:
		return StateStopped, "paused"
	case InstanceRestarting:
		return StateFailed, fmt.Sprintf("exited %d, will be restarted", in.ExitCode)
	case InstanceExited, InstanceDead:
		if s.view.Memories[in.Service].Cycle[in.ID] && goal.Want == WantRunning {
			return StateStarting, "restarting"
		}
		return s.judgeExit(in, goal)
	case InstanceRemoving:
		return StateStopped, "being removed"
	}
	if goal.Want == WantRunning {
		return StateStarting, "created"
	}
	return StateStopped, "created"
}

func judgeRunning(in Instance) (ServiceState, string) {
	switch in.Health {
	case HealthHealthy:
		return StateReady, "healthy"
	case HealthUnhealthy:
		text := "unhealthy"
		if out := lastLine(in.HealthLog); out != "" {
			text += ": " + out
		}
		return StateFailed, text
	case HealthStarting:
		return StateStarting, "health: starting"
	}
	return StateReady, "running"
}

func (s *Supervisor) judgeExit(in Instance, goal Goal) (ServiceState, string) {
	text := fmt.Sprintf("exited %d", in.ExitCode)
	switch {
	case in.OOMKilled:
		text += ", out of memory"
	case in.Error != "":
		text += ": " + lastLine(in.Error)
	}
	if in.ExitCode == 0 || goal.Want == WantStopped || goal.Want == WantGone {
		return StateStopped, text
	}
	return StateFailed, text
}

// Measure starts or ends the measurement of CPU and memory; it costs only while somebody looks.
func (s *Supervisor) Measure(ctx context.Context, on bool, every time.Duration) {
	s.do(ctx, func() {
		if s.watched != nil {
			s.watched()
			s.watched = nil
		}
		if !on {
			s.stats.clear()
			return
		}
		mctx, cancel := context.WithCancel(ctx)
		s.watched = cancel
		for _, rt := range s.runtimes {
			if reader, ok := rt.(StatsReader); ok {
				s.work.Go(func() {
					_ = reader.Stats(mctx, every, func(m Stat) {
						if s.stats.set(m) && s.options.Changed != nil {
							s.options.Changed()
						}
					})
				})
			}
		}
	})
}

// gauges are the last measurements, by instance. They stand beside the loop, as a measurement changes nothing that a plan is
// made from.
type gauges struct {
	mu   sync.Mutex
	last map[string]Stat
}

func (g *gauges) of(instance string) Stat {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last[instance]
}

// What people can tell apart. A service at rest is never measured twice the same; rounded, it is, and nobody has to look again.
const (
	cpuStep    = 0.001     // of a core
	memoryStep = 128 << 10 // bytes
)

// set takes a measurement in and tells whether it differs from the one before.
func (g *gauges) set(m Stat) bool {
	m.CPU = math.Round(m.CPU/cpuStep) * cpuStep
	m.Memory = (m.Memory + memoryStep/2) / memoryStep * memoryStep
	g.mu.Lock()
	defer g.mu.Unlock()
	if last, known := g.last[m.Instance]; known && last == m {
		return false
	}
	g.last[m.Instance] = m
	return true
}

func (g *gauges) forget(instance string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.last, instance)
}

func (g *gauges) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.last)
}
