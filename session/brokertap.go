package session

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"msdev/brokers"
	"msdev/runner"
)

// tapping is a tap that runs.
type tapping struct {
	how    brokers.TapOptions
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

// tapBrokers keeps every broker of the graph tapped while a client wants what passes in the journal, until ctx ends.
func (s *Session) tapBrokers(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	running, tidied := map[*desk]*tapping{}, map[*desk]bool{}
	for {
		wanted, moved := s.tapsWanted()
		for d, t := range running {
			if how := wanted[d]; how == nil || *how != t.how {
				t.cancel()
				<-t.done // two at a time would tell everything twice
				delete(running, d)
			}
		}
		for d, how := range wanted {
			if !tidied[d] {
				tidied[d] = true
				work.Go(func() { s.tidy(ctx, d) })
			}
			if how == nil || running[d] != nil {
				continue
			}
			tctx, cancel := context.WithCancel(ctx)
			t := &tapping{how: *how, cancel: cancel, done: make(chan struct{})}
			running[d] = t
			work.Go(func() {
				defer close(t.done)
				s.keepTapped(tctx, d, t.how)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-moved:
		}
	}
}

// tapsWanted tells how each broker is to be tapped now, nil not at all, and what is closed when that changes.
func (s *Session) tapsWanted() (map[*desk]*brokers.TapOptions, <-chan struct{}) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	wanted := map[*desk]*brokers.TapOptions{}
	for _, d := range s.hub.desks {
		wanted[d] = nil
		if s.hub.wanted > 0 && d.spec.Own {
			wanted[d] = &brokers.TapOptions{Firehose: s.hub.firehose > 0 && d.spec.Kind == brokers.RabbitMQ}
		}
	}
	return wanted, s.hub.moved
}

// tidy takes back what a killed session has left on a broker, once that is ready.
func (s *Session) tidy(ctx context.Context, d *desk) {
	t, ok := d.broker.(brokers.Tidier)
	if !ok || d.spec.Own && !s.untilReady(ctx, d.spec.Service) {
		return
	}
	if err := t.Tidy(ctx); err != nil && ctx.Err() == nil {
		s.brokerEvent(d.spec.Name, "What an earlier session left on it is still there: "+err.Error())
	}
}

// keepTapped taps a broker whenever its service is ready, until ctx ends.
func (s *Session) keepTapped(ctx context.Context, d *desk, how brokers.TapOptions) {
	in := &intake{broker: d.spec.Name}
	for s.untilReady(ctx, d.spec.Service) {
		err := d.broker.Tap(ctx, brokers.Source{Kind: brokers.SourceAll}, how, func(b brokers.TapBatch) { s.take(d, in, b) })
		if ctx.Err() != nil {
			break
		}
		s.hub.mu.Lock()
		d.wrong = "the tap has ended"
		if err != nil {
			d.wrong, _, _ = strings.Cut(err.Error(), "\n")
		}
		s.hub.mu.Unlock()
		poke(s.changed)
		var disturb *brokers.DisturbError
		if errors.As(err, &disturb) {
			s.brokerEvent(d.spec.Name, disturb.Error())
			break
		}
		select { // the broker itself connects again when it only went away: this is something else
		case <-ctx.Done():
		case <-time.After(tapAgain):
		}
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	d.notes = nil
}

// tapAgain is the pause after a tap that failed.
const tapAgain = 2 * time.Second

// untilReady waits until a service is ready, and tells whether it is; false means that ctx has ended.
func (s *Session) untilReady(ctx context.Context, service string) bool {
	for {
		for _, st := range s.sup.Statuses(ctx) {
			if st.Service == service && st.State == runner.StateReady {
				return true
			}
		}
		_, newer := s.current()
		select {
		case <-ctx.Done():
			return false
		case <-newer:
		}
	}
}

// rate is how much passes in a second, over the last two.
type rate struct{ last [3]uint64 }

// tick takes in the count of each second and returns the rate.
func (r *rate) tick(count uint64) float64 {
	r.last[2], r.last[1], r.last[0] = r.last[1], r.last[0], count
	return math.Round(float64(r.last[0]-r.last[2])) / 2
}

// brokerRates is called once a second. It returns the rate of all brokers, how many messages have passed in all, and whether a rate
// has changed.
func (s *Session) brokerRates() (rate *float64, passed uint64, changed bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	sum := 0.0
	for _, d := range s.hub.desks {
		before := d.perSecond
		d.perSecond = d.rate.tick(d.seen)
		sum += d.perSecond
		passed += d.seen
		changed = changed || before != d.perSecond
	}
	if s.hub.wanted == 0 || len(s.hub.desks) == 0 {
		return nil, passed, changed
	}
	return &sum, passed, changed
}

// brokerStates are what the state shows of the brokers.
func (s *Session) brokerStates() []BrokerState {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	var list []BrokerState
	for _, d := range s.hub.desks {
		st := BrokerState{Info: d.broker.Info(), Tapped: s.hub.wanted > 0 && d.spec.Own && d.wrong == "", Lost: d.lost, Notes: d.notes, Problem: d.wrong}
		if st.Tapped {
			perSecond := d.perSecond
			st.Rate = &perSecond
		}
		list = append(list, st)
	}
	return list
}

// closeBrokers lets go of all brokers.
func (s *Session) closeBrokers() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, d := range s.hub.desks {
		if c, ok := d.broker.(io.Closer); ok {
			_ = c.Close() // the session ends
		}
	}
}
