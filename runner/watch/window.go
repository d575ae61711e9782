package watch

import (
	"context"
	"time"
)

// window is how long a batch is held back for what belongs to it: from the first event on, until it has been quiet for a
// while, but never longer than most, so that a storm holds nothing back.
type window struct {
	quiet time.Duration // 0: by what the batch is
	most  time.Duration
}

// due is when a batch is to be told that began with first and last grew with last. A single file that is saved is complete within
// milliseconds; a checkout or a formatter's run comes in waves, and a file that was just emptied is about to be written.
func (w window) due(first, last time.Time, in arrivals) time.Time {
	quiet := w.quiet
	if quiet <= 0 {
		quiet = quietMany
		if in.paths <= 1 && !in.emptied {
			quiet = quietOne
		}
	}
	at := last.Add(quiet)
	if end := first.Add(w.most); end.Before(at) {
		return end
	}
	return at
}

// holdPause is how often it is asked whether a batch is still held back.
const holdPause = 25 * time.Millisecond

// arrivals is what a look at the inbox found.
type arrivals struct {
	news    bool      // there was something that is not ignored
	paths   int       // how many paths the batch has by now
	emptied bool      // one of them is a file that has just lost its content
	at      time.Time // when the first of the news came
}

// gatherer is what gather works for.
type gatherer interface {
	sort() arrivals            // looks at what came in
	held(first time.Time) bool // tells whether a batch that is due must wait
	tell(first time.Time)      // tells a batch
	look()                     // looks at what no events come from
	pause() time.Duration      // how long until the next look; 0: there is none
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// gather forms batches until ctx ends: it sorts after each wake, tells a batch when it is due, and looks at what no events come from.
func (w window) gather(ctx context.Context, wake <-chan struct{}, by gatherer) error {
	var first time.Time // of the batch that is under way
	var freed time.Time // when it was no longer held: what happened last before that is still on its way
	held := false
	batch, looking := time.NewTimer(0), time.NewTimer(0)
	batch.Stop()
	looking.Stop()
	defer batch.Stop()
	defer looking.Stop()
	again := func() {
		if pause := by.pause(); pause > 0 {
			looking.Reset(pause)
		}
	}
	again()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
			in := by.sort()
			if !in.news {
				continue
			}
			if first.IsZero() {
				first = in.at
			}
			batch.Reset(time.Until(w.due(later(first, freed), time.Now(), in)))
		case <-batch.C:
			if by.held(first) {
				held = true
				batch.Reset(holdPause)
				continue
			}
			if held {
				held, freed = false, time.Now()
				batch.Reset(quietMany)
				continue
			}
			by.tell(first)
			first, freed = time.Time{}, time.Time{}
			again()
		case <-looking.C:
			began := time.Now()
			by.look()
			if first.IsZero() {
				by.tell(began)
			}
			again()
		}
	}
}
