package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// paper is a gatherer whose events are written down beforehand.
type paper struct {
	began time.Time
	mu    sync.Mutex
	in    arrivals
	told  []string
	hold  func(first time.Time) bool
	every time.Duration
}

func (p *paper) sort() arrivals {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.in
	p.in.news, p.in.at = false, time.Time{}
	return in
}
func (p *paper) held(first time.Time) bool { return p.hold != nil && p.hold(first) }
func (p *paper) tell(first time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, fmt.Sprintf("%d from %d", time.Since(p.began).Milliseconds(), first.Sub(p.began).Milliseconds()))
	p.in.paths = 0
}
func (p *paper) look()                {}
func (p *paper) pause() time.Duration { return p.every }

func TestGather(t *testing.T) {
	const ms = time.Millisecond
	every := func(pause time.Duration, n int) []time.Duration {
		return slices.Repeat([]time.Duration{pause}, n)
	}
	tests := []struct {
		name    string
		window  window
		pauses  []time.Duration // before each event
		ignored bool            // none of them is of interest
		same    bool            // all are of one path
		emptied bool            // it has lost its content
		hold    time.Duration
		every   time.Duration
		want    []string // when batches were told, and from when they are
	}{
		{name: "one save", pauses: []time.Duration{0}, want: []string{"7 from 0"}},
		{name: "a save is several events", pauses: every(2*ms, 4), same: true, want: []string{"15 from 2"}},
		{name: "a file is emptied", pauses: []time.Duration{0}, emptied: true, want: []string{"40 from 0"}},
		{name: "several files", pauses: every(5*ms, 3), want: []string{"55 from 5"}},
		{name: "two saves", pauses: []time.Duration{0, 100 * ms}, want: []string{"7 from 0", "107 from 100"}},
		{name: "a storm holds nothing back", pauses: every(6*ms, 90), want: []string{"256 from 6", "508 from 258", "580 from 510"}},
		{name: "ignored", pauses: every(5*ms, 100), ignored: true},
		{name: "asked for otherwise", window: window{quiet: 100 * ms, most: 150 * ms}, pauses: every(60*ms, 5), want: []string{"210 from 60", "390 from 240"}},
		{name: "while git works", pauses: every(5*ms, 3), hold: 300 * ms, want: []string{"345 from 5"}},
		{name: "looked at now and then", every: 200 * ms, pauses: every(450*ms, 1), want: []string{"200 from 200", "400 from 400", "457 from 450", "657 from 657", "857 from 857"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tt.window.most == 0 {
					tt.window.most = defaultMost
				}
				p := &paper{began: time.Now(), every: tt.every}
				if tt.hold > 0 {
					p.hold = func(time.Time) bool { return time.Since(p.began) < tt.hold }
				}
				wake := make(chan struct{}, 1)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- tt.window.gather(ctx, wake, p) }()
				for _, pause := range tt.pauses {
					time.Sleep(pause)
					p.mu.Lock()
					if !tt.ignored {
						p.in.news, p.in.emptied = true, tt.emptied
						if p.in.at.IsZero() {
							p.in.at = time.Now()
						}
						if p.in.paths == 0 || !tt.same {
							p.in.paths++
						}
					}
					p.mu.Unlock()
					wake <- struct{}{}
				}
				time.Sleep(500 * ms)
				synctest.Wait()
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("returned %v", err)
				}
				if !slices.Equal(p.told, tt.want) {
					t.Errorf("told %q\nwanted %q", p.told, tt.want)
				}
			})
		})
	}
}
