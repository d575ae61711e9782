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
			switch {
			case wanted && s.probes[in.ID] == nil:
				s.startProbe(ctx, in)
			case !wanted:
				s.endProbe(in.ID)
			}
		}
	}
}

// prober asks one run of an instance for its health.
type prober struct{ cancel context.CancelFunc }

func (s *Supervisor) startProbe(ctx context.Context, in Instance) {
	rt := s.runtimes[in.Runtime]
	ctx, cancel := context.WithCancel(ctx)
	p := &prober{cancel}
	s.probes[in.ID] = p
	s.work.Go(func() {
		defer cancel()
		if untilHealthy(ctx, rt, in.ID) {
			s.do(ctx, func() { s.probed(in, p) })
		}
	})
}

func (s *Supervisor) endProbe(id string) {
	if p := s.probes[id]; p != nil {
		p.cancel()
		delete(s.probes, id)
	}
}

// probed notes that an instance is healthy, unless its run has ended, or the engine has said what it is, in the meantime.
func (s *Supervisor) probed(in Instance, p *prober) {
	if s.probes[in.ID] != p {
		return
	}
	s.endProbe(in.ID)
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
