package runner

import (
	"context"
	"math/rand/v2"
	"time"
)

// The pauses between two probes of an instance that is not healthy yet.
const (
	probeFirst = 40 * time.Millisecond
	probeMost  = time.Second
)

// probe starts a prober for each running instance whose health test has not succeeded yet. An engine runs the first test
// only after the test's interval (30 s by default); the prober asks at once and then with growing pauses, so that a
// service is known as healthy when it is. What the engine says later always wins.
func (s *Supervisor) probe(ctx context.Context) {
	for _, seen := range s.view.Seen {
		for _, in := range seen.Instances {
			wanted := in.State == InstanceRunning && in.Health == HealthStarting && !s.view.Healthy[in.ID] && !in.OneOff && s.view.Goals[in.Service].Want == WantRunning
			cancel, running := s.probes[in.ID]
			switch {
			case wanted && !running:
				s.startProbe(ctx, in)
			case !wanted && running:
				cancel()
				delete(s.probes, in.ID)
			}
		}
	}
}

func (s *Supervisor) startProbe(ctx context.Context, in Instance) {
	rt := s.runtimes[in.Runtime]
	pctx, cancel := context.WithCancel(ctx)
	s.probes[in.ID] = cancel
	s.work.Go(func() {
		defer cancel()
		if untilHealthy(pctx, rt, in.ID) {
			s.do(pctx, func() { s.probed(in) })
		}
	})
}

// probed notes that the prober of an instance has succeeded, unless the instance has changed in the meantime.
func (s *Supervisor) probed(in Instance) {
	now, ok := s.view.Seen[in.Runtime].Instances[in.ID]
	if cancel := s.probes[in.ID]; cancel != nil {
		cancel()
		delete(s.probes, in.ID)
	}
	if !ok || now.State != InstanceRunning || !sameRun(in, now) || now.Health != HealthStarting {
		return
	}
	s.view.Healthy[in.ID] = true
	s.event(in.Service, Event{Type: EventHealthy, Instance: in.Name, ID: in.ID, Text: in.Name + " is healthy"})
}

// untilHealthy probes an instance until its test succeeds (true) or ctx ends.
func untilHealthy(ctx context.Context, rt Runtime, id string) bool {
	pause := probeFirst
	for {
		if _, err := rt.Probe(ctx, id); err == nil {
			return true
		}
		spread := time.Duration(rand.Int64N(int64(pause)/4 + 1)) // so that probes of many services do not march in step
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause + spread):
		}
		pause = min(pause*3/2, probeMost)
	}
}
