// Package backoff spaces out attempts, so that a broker that comes back is not trampled.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff grows the pause between attempts from First to Max. Its zero value is of no use.
type Backoff struct {
	First, Max time.Duration
	failures   int
}

// Broker is the pace at which this shop goes back to a broker.
func Broker() Backoff {
	return Backoff{First: 200 * time.Millisecond, Max: 5 * time.Second}
}

// Next is the pause before the coming attempt: twice the last one, within Max, less up to a fifth by
// chance, so that services that lost one broker together do not come back together.
func (b *Backoff) Next() time.Duration {
	pause := b.First << min(b.failures, 30)
	if pause > b.Max || pause <= 0 {
		pause = b.Max
	}
	b.failures++
	return pause - rand.N(pause/5+1)
}

// Reset starts again at First, after a success.
func (b *Backoff) Reset() { b.failures = 0 }

// Wait returns after the pause, or with ctx's error as soon as ctx ends.
func Wait(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Retry calls try at b's pace until it succeeds or ctx ends, and then returns try's last error. Each
// failure that will be tried again is told to failed.
func (b *Backoff) Retry(ctx context.Context, try func() error, failed func(err error, pause time.Duration)) error {
	for {
		err := try()
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause := b.Next()
		failed(err, pause)
		if Wait(ctx, pause) != nil {
			return err
		}
	}
}

// Keep runs session after session until ctx ends, and tells lost why each one ended. The pauses grow
// until a session worked.
func (b *Backoff) Keep(ctx context.Context, session func() (worked bool, err error), lost func(err error, pause time.Duration)) {
	for ctx.Err() == nil {
		worked, err := session()
		if ctx.Err() != nil {
			return
		}
		if worked {
			b.Reset()
		}
		pause := b.Next()
		lost(err, pause)
		_ = Wait(ctx, pause) // the loop looks at ctx
	}
}
