package brokers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Messages hands on messages one by one until it is out of them or emit fails; that error is its own then. The message is
// the receiver's until emit returns. emit may take as long as it likes.
type Messages func(ctx context.Context, emit func(*Message) error) error

// Replay sends messages again: those of a source that pass a filter, edited, to a target, at a pace.
type Replay struct {
	From   Messages
	Filter func(*Message) (bool, error) // nil: all. An error says that a message could not be judged: it is not sent.
	Edit   func(*Outgoing) error        // nil: as they are. It may change all that it is given.
	To     Broker
	Target Mapping
	Policy HeaderPolicy
	Pace   Pace
	Limit  int64 // messages to send at most; 0: all
	// AllowRemote permits to send to a broker that is not the project's own.
	AllowRemote bool
	// Patience is how long a lost broker is waited for; 0: a minute. Messages whose fate is unknown then are sent again:
	// none is lost, and Outcome.Again tells which may be there twice. They come after those that were sent meanwhile.
	Patience time.Duration
}

// Pace is how fast a Replay goes. The zero value is as fast as the broker takes them.
type Pace struct {
	Rate   float64 // messages a second
	Factor float64 // the messages' own timing, so many times as fast: 2 takes half the time
}

// Outcome is what became of one message of a Replay.
type Outcome struct {
	N      int64    // its number among those that were sent, from 1
	Found  *Message // as it was found
	Sent   Outgoing // as it was sent
	Result Result
	Again  int // how often it was sent before without an answer; it may be there twice
}

// Progress is how far a Replay is.
type Progress struct {
	Read       int64  `json:"read"`
	Unjudged   int64  `json:"unjudged"` // the filter could not tell
	Sent       int64  `json:"sent"`
	Confirmed  int64  `json:"confirmed"`
	Unroutable int64  `json:"unroutable"`
	Refused    int64  `json:"refused"`
	Unknown    int64  `json:"unknown"` // nobody knows, and they were not sent again
	Skipped    int64  `json:"skipped"` // a Redrive: sent before it was interrupted, and not again
	Again      int64  `json:"again"`   // sent more than once: may be there twice
	Bytes      int64  `json:"bytes"`   // of bodies that were sent
	Paused     bool   `json:"paused"`
	Trouble    string `json:"trouble,omitempty"` // what is waited for: a lost connection
}

// Control steers a running Replay from other goroutines and tells its Progress. The zero value runs. Abort by ending the
// context.
type Control struct {
	mu     sync.Mutex
	paused bool
	steps  int
	wake   chan struct{} // closed at the next change
	now    Progress
}

// Pause stops sending after the message that is under way.
func (c *Control) Pause() { c.change(func() { c.paused, c.steps = true, 0 }) }

// Resume goes on.
func (c *Control) Resume() { c.change(func() { c.paused, c.steps = false, 0 }) }

// Step sends n more messages and pauses again.
func (c *Control) Step(n int) { c.change(func() { c.paused, c.steps = true, c.steps+n }) }

// Progress tells how far it is.
func (c *Control) Progress() Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.now
	p.Paused = c.paused && c.steps == 0
	return p
}

func (c *Control) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// pass takes leave to send one message; else it returns what is closed at the next change.
func (c *Control) pass() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.paused:
		return nil
	case c.steps > 0:
		c.steps--
		return nil
	}
	if c.wake == nil {
		c.wake = make(chan struct{})
	}
	return c.wake
}

func (c *Control) count(f func(*Progress)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.now)
}

// errEnough ends a source early.
var errEnough = errors.New("enough")

// Permit refuses to change a broker that is not the project's own.
func Permit(i Info, allowRemote bool) error {
	if i.Own || allowRemote {
		return nil
	}
	return fmt.Errorf("broker %q (%s) is not part of this project\nAllow changes to it with --allow-remote.", i.Name, i.Address)
}

// Run sends until the source ends, and returns when every message has its outcome. each is called for every outcome, by one
// goroutine at a time; nil is allowed. After an abort the Progress tells how far it came.
func (r *Replay) Run(ctx context.Context, c *Control, each func(Outcome)) (Progress, error) {
	if err := Permit(r.To.Info(), r.AllowRemote); err != nil {
		return Progress{}, err
	}
	run, err := r.start(ctx, c, each)
	if err != nil {
		return Progress{}, err
	}
	err = r.From(ctx, func(m *Message) error { return run.take(ctx, m, taken{}) })
	if errors.Is(err, errEnough) {
		err = nil
	}
	return run.end(ctx, err)
}

// replaying is one run of a Replay.
type replaying struct {
	*Replay
	*Control
	courier *courier
	each    func(Outcome)
	maker   maker
	pacer   pacer
	n       int64
	// settle, where it is set, is told of every outcome together with the ticket of take.
	settle func(Outcome, uint64) error
}

func (r *Replay) start(ctx context.Context, c *Control, each func(Outcome)) (*replaying, error) {
	maker, err := r.maker()
	if err != nil {
		return nil, err
	}
	courier, err := newCourier(ctx, r.To, r.Patience, func(trouble string) {
		c.count(func(p *Progress) { p.Trouble = trouble })
	})
	if err != nil {
		return nil, err
	}
	if each == nil {
		each = func(Outcome) {}
	}
	return &replaying{Replay: r, Control: c, courier: courier, each: each, maker: maker, pacer: pacer{Pace: r.Pace}}, nil
}

// taken is what take has to know of a message that is held.
type taken struct {
	ticket uint64
	again  int // how often it may have been sent before
}

// take judges one found message, and sends it when it is its turn.
func (r *replaying) take(ctx context.Context, found *Message, how taken) error {
	r.count(func(p *Progress) { p.Read++ })
	if wanted, err := r.judge(found); !wanted {
		return err
	}
	if r.Limit > 0 && r.n == r.Limit {
		return errEnough
	}
	r.n++
	it := &item{n: r.n, ticket: how.ticket, again: how.again}
	kept := found.Clone()
	it.found = &kept
	if err := r.maker.make(it); err != nil {
		return r.finish(Outcome{N: it.n, Found: it.found, Result: Result{Status: StatusRefused, Err: err}}, how.ticket)
	}
	if err := r.wait(ctx, r.pacer.next(found.Time, time.Now())); err != nil {
		return err
	}
	r.count(func(p *Progress) { p.Sent++; p.Bytes += int64(len(it.out.Message.Body)) })
	if err := r.courier.send(ctx, it); err != nil {
		r.count(func(p *Progress) { p.Sent-- })
		return err
	}
	return r.collect()
}

func (r *replaying) judge(m *Message) (bool, error) {
	if r.Filter == nil {
		return true, nil
	}
	ok, err := r.Filter(m)
	if err != nil {
		r.count(func(p *Progress) { p.Unjudged++ })
		return false, nil //nolint:nilerr // counted: one message that a filter takes too long for ends no replay
	}
	return ok, nil
}

// wait returns when it is time to send and nobody holds it back. Outcomes are told meanwhile.
func (r *replaying) wait(ctx context.Context, until time.Time) error {
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timer = t.C
	}
	for {
		var held <-chan struct{}
		if timer == nil { // it is due
			if held = r.pass(); held == nil {
				return ctx.Err()
			}
		}
		select {
		case <-timer:
			timer = nil
		case <-held:
		case <-r.courier.news:
			if err := r.collect(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// collect tells of what became known.
func (r *replaying) collect() error {
	for _, f := range r.courier.collect() {
		if err := r.finish(f.outcome(), f.ticket); err != nil {
			return err
		}
	}
	return nil
}

func (r *replaying) finish(o Outcome, ticket uint64) error {
	r.count(func(p *Progress) {
		if o.Again > 0 {
			p.Again++
		}
		switch o.Result.Status {
		case StatusConfirmed:
			p.Confirmed++
		case StatusUnroutable:
			p.Unroutable++
		case StatusRefused:
			p.Refused++
		default:
			p.Unknown++
		}
	})
	var err error
	if r.settle != nil {
		err = r.settle(o, ticket)
	}
	r.each(o)
	return err
}

// end waits for the last outcomes, also after an abort, when those under way are given a moment.
func (r *replaying) end(ctx context.Context, err error) (Progress, error) {
	flushing := ctx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		flushing, cancel = context.WithTimeout(context.WithoutCancel(ctx), abortGrace)
		defer cancel()
	}
	err = errors.Join(err, r.courier.flush(flushing))
	err = errors.Join(err, r.collect(), r.courier.close())
	err = errors.Join(err, r.collect())
	return r.Progress(), err
}

// abortGrace is how long an aborted replay waits for the outcomes of what was sent already.
const abortGrace = 2 * time.Second

// pacer says when the next message is due.
type pacer struct {
	Pace
	began time.Time // when the first was sent
	first time.Time // the first message's own time
	n     int64
}

// next is called once for each message; the zero time is at once. What has no time of its own, or stands out of order,
// does not wait.
func (p *pacer) next(of, now time.Time) time.Time {
	if p.n++; p.n == 1 {
		p.began, p.first = now, of
		return time.Time{}
	}
	if p.Rate > 0 {
		return p.began.Add(time.Duration(float64(p.n-1) / p.Rate * float64(time.Second)))
	}
	if p.Factor > 0 && !of.IsZero() {
		if p.first.IsZero() {
			p.began, p.first = now, of
		}
		return p.began.Add(time.Duration(float64(of.Sub(p.first)) / p.Factor))
	}
	return time.Time{}
}

// FromSlice replays messages at hand.
func FromSlice(all []Message) Messages {
	return func(_ context.Context, emit func(*Message) error) error {
		for i := range all {
			if err := emit(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// FromFile replays what a reader of files gives: a *MessageFiles or *MessageReader.
func FromFile(in interface{ Read() (Message, error) }) Messages {
	return func(ctx context.Context, emit func(*Message) error) error {
		for ctx.Err() == nil {
			m, err := in.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = emit(&m)
			}
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	}
}

// FromBroker replays what is in a queue, stream or topic. What is in a queue is looked at first, and put back before the
// first message is sent, so that a slow replay keeps nobody waiting.
func FromBroker(b Broker, from Source, o ReadOptions) Messages {
	return func(ctx context.Context, emit func(*Message) error) error {
		var failed error
		var looked []Message
		err := b.Read(ctx, from, o, func(batch Batch) bool {
			for i := range batch.Messages {
				if from.Kind == SourceQueue {
					looked = append(looked, batch.Messages[i].Clone())
				} else if failed = emit(&batch.Messages[i]); failed != nil {
					return false
				}
			}
			return true
		})
		if err := errors.Join(failed, err); err != nil {
			return err
		}
		return FromSlice(looked)(ctx, emit)
	}
}
