package brokers

import (
	"context"
	"errors"
	"sync"
	"time"
)

// item is one message on its way.
type item struct {
	n      int64
	ticket uint64
	found  *Message
	out    Outgoing
	again  int
}

type finished struct {
	*item
	result Result
}

func (f finished) outcome() Outcome {
	return Outcome{N: f.n, Found: f.found, Sent: f.out, Result: f.result, Again: f.again}
}

const (
	defaultPatience = time.Minute
	firstPause      = 100 * time.Millisecond // after a failed attempt to reach the broker; it doubles
	longestPause    = 2 * time.Second
	mostAgain       = 5 // how often a message is sent again
)

// courier brings messages through a publisher whose connection may be lost, and keeps their outcomes until they are
// collected. All but arrive belongs to one goroutine.
type courier struct {
	to       Broker
	pub      Publisher
	patience time.Duration
	trouble  func(string)
	news     chan struct{} // there is something to collect

	mu   sync.Mutex
	done []finished
	lost []*item // their fate is unknown: to be sent again
}

func newCourier(ctx context.Context, to Broker, patience time.Duration, trouble func(string)) (*courier, error) {
	if patience == 0 {
		patience = defaultPatience
	}
	pub, err := to.Publisher(ctx)
	if err != nil {
		return nil, err
	}
	return &courier{to: to, pub: pub, patience: patience, trouble: trouble, news: make(chan struct{}, 1)}, nil
}

// send sends one message, and before it what was lost.
func (c *courier) send(ctx context.Context, it *item) error {
	if err := c.resend(ctx); err != nil {
		return err
	}
	return c.sendOne(ctx, it)
}

// sendOne waits for a lost broker as long as patience goes.
func (c *courier) sendOne(ctx context.Context, it *item) error {
	var since time.Time
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := c.pub.Send(ctx, &it.out, func(r Result) { c.arrive(it, r) })
		if err == nil {
			if !since.IsZero() {
				c.trouble("")
			}
			return nil
		}
		if since.IsZero() {
			since = time.Now()
		}
		if ctx.Err() != nil || time.Since(since) > c.patience {
			return err
		}
		c.trouble(err.Error())
		if err := Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// Sleep waits so long, or until ctx ends, and then returns its error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrive takes an outcome from the publisher, on a goroutine of its own.
func (c *courier) arrive(it *item, r Result) {
	c.mu.Lock()
	if r.Status == StatusUnknown && it.again < mostAgain {
		c.lost = append(c.lost, it)
	} else {
		c.done = append(c.done, finished{it, r})
	}
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *courier) collect() []finished {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := c.done
	c.done = nil
	return done
}

func (c *courier) takeLost() []*item {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.lost
	c.lost = nil
	return lost
}

func (c *courier) resend(ctx context.Context) error {
	lost := c.takeLost()
	for i, it := range lost {
		it.again++
		if err := c.sendOne(ctx, it); err != nil {
			c.giveUp(lost[i:], err)
			return err
		}
	}
	return nil
}

// giveUp leaves the fate of items unknown.
func (c *courier) giveUp(items []*item, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		c.done = append(c.done, finished{it, Result{Status: StatusUnknown, Err: err}})
	}
}

// flush returns when every message has its outcome.
func (c *courier) flush(ctx context.Context) error {
	for {
		if err := c.pub.Flush(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		all := len(c.lost) == 0
		c.mu.Unlock()
		if all {
			return nil
		}
		if err := c.resend(ctx); err != nil {
			return err
		}
	}
}

// close ends the publisher; what is still under way stays unknown.
func (c *courier) close() error {
	err := c.pub.Close()
	c.giveUp(c.takeLost(), errors.New("the replay ended before the broker said what became of it"))
	return err
}
