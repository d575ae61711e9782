package session

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"msdev/runner"
)

// frameTime is the least time between two published states: 30 a second.
const frameTime = time.Second / 30

// publish makes a new state when something has changed, for as long as somebody watches.
func (s *Session) publish(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		}
		s.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(frameTime):
		}
	}
}

// refresh makes the state anew and wakes the watchers.
func (s *Session) refresh(ctx context.Context) {
	services := s.sup.Statuses(ctx)
	trouble := s.sup.Trouble(ctx)
	known := s.brokerStates()
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = s.frame(s.project)
	s.state.Services, s.state.Brokers = services, known
	if wrong := s.files.wrong; wrong != nil && s.files.on && trouble == nil {
		trouble = wrong
	}
	if trouble != nil {
		s.state.Problem = trouble.Error()
		var e *runner.Error
		if errors.As(trouble, &e) {
			s.state.Problem, s.state.Hint = e.Msg, e.Hint
		}
	}
	close(s.version)
	s.version = make(chan struct{})
}

// current returns the state and a channel that is closed when there is a newer one.
func (s *Session) current() (State, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.version
}

// serveDetails answers with what the runtimes can tell of their instances. One that does not answer is left out: that it does not is
// in the state.
func (s *Session) serveDetails(w http.ResponseWriter, r *http.Request) {
	all := map[string]runner.Detail{}
	for _, rt := range s.runtimes() {
		if d, ok := rt.(runner.Detailer); ok {
			if details, err := d.Details(r.Context()); err == nil {
				maps.Copy(all, details)
			}
		}
	}
	reply(w, all, nil)
}

// rates are measured once a second while somebody watches.
type rates struct {
	now  Rates
	last [3]uint64 // the journal's end, now and one and two seconds ago
}

// measure keeps the rates, and has the runtimes measured, while somebody watches.
func (s *Session) measure(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	measuring := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		messages, passed, changed := s.brokerRates()
		s.mu.Lock()
		watched := s.watchers > 0
		changed = watched && s.rates.tick(s.journal.Last()-passed) || changed
		s.rates.now.Messages = messages
		s.mu.Unlock()
		if watched != measuring {
			measuring = watched
			s.sup.Measure(ctx, measuring, statsEvery)
		}
		if changed {
			poke(s.changed)
		}
	}
}

// statsEvery is the time between two measurements of CPU and memory.
const statsEvery = 2 * time.Second

// tick takes in the journal's end and tells whether the rate has changed.
func (r *rates) tick(end uint64) bool {
	r.last[2], r.last[1], r.last[0] = r.last[1], r.last[0], end
	if r.last[2] == 0 && r.last[1] == 0 {
		r.last[1], r.last[2] = end, end
	}
	perSecond := float64(end-r.last[2]) / 2
	if r.now.Logs != nil && *r.now.Logs == perSecond {
		return false
	}
	r.now.Logs = &perSecond
	return true
}
