package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

const (
	defaultBuffer = 32 << 20
	// What waits in the tap's queue at most, should this end ever be too slow: the oldest go.
	tapLength = 100_000
	tapBytes  = 128 << 20
	// What is dropped from the tap's queue must not be dead-lettered by a policy that matches every queue.
	nowhere        = "msdev.nowhere"
	renewEvery     = time.Second
	firstPause     = 100 * time.Millisecond
	longestPause   = 2 * time.Second
	contentCost    = 512 // what a message costs beside its bytes
	streamPrefetch = 200
)

// A buffer holds what came in until the receiver takes it. When it is full, it lets what comes wait in the tap's queue for as long as
// a receiver may be busy with what it took, and then drops.
type buffer struct {
	limit int
	wake  chan struct{} // something came

	mu      sync.Mutex
	items   []content
	bytes   int
	lost    int64
	ends    []mark
	room    chan struct{} // closed when it is emptied
	stalled bool          // nothing was taken for longer than fullWait
}

// fullWait is how long a full buffer waits for its receiver. The tap's queue drops by itself, so that no publisher waits.
const fullWait = time.Second

// A mark says when the items before end had arrived.
type mark struct {
	end  int
	time time.Time
}

func newBuffer(limit int) *buffer {
	if limit <= 0 {
		limit = defaultBuffer
	}
	return &buffer{limit: limit, wake: make(chan struct{}, 1), room: make(chan struct{})}
}

func (b *buffer) add(c *content) {
	cost := len(c.body) + len(c.properties) + contentCost
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full(cost) && !b.stalled {
		b.awaitRoom()
	}
	if b.full(cost) {
		b.lost++
		return
	}
	b.bytes += cost
	b.items = append(b.items, *c)
}

func (b *buffer) full(cost int) bool { return b.bytes > 0 && b.bytes+cost > b.limit }

// awaitRoom returns when the receiver took what there was, or does not. b.mu is held before and after.
func (b *buffer) awaitRoom() {
	room := b.room
	b.mu.Unlock()
	b.arrived()
	timer := time.NewTimer(fullWait)
	defer timer.Stop()
	select {
	case <-room:
		b.mu.Lock()
	case <-timer.C:
		b.mu.Lock()
		b.stalled = true
	}
}

// arrived is called when all that came at once was added.
func (b *buffer) arrived() {
	b.mu.Lock()
	b.ends = append(b.ends, mark{len(b.items), time.Now()})
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// taken is what a receiver took out of a buffer.
type taken struct {
	items []content
	ends  []mark
	lost  int64
}

// take empties the buffer into t, whose memory the buffer uses next.
func (b *buffer) take(t *taken) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(t.items)
	b.items, t.items = t.items[:0], b.items
	b.ends, t.ends = t.ends[:0], b.ends
	t.lost, b.lost, b.bytes, b.stalled = b.lost, 0, 0, false
	close(b.room)
	b.room = make(chan struct{})
}

// tap is one Tap call.
type tap struct {
	b      *Broker
	from   brokers.Source
	o      brokers.TapOptions
	emit   func(brokers.TapBatch)
	buf    *buffer
	plan   *tapPlan
	taken  taken
	batch  []brokers.Message
	next   int64 // the offset with which a stream goes on; -1 before the first message
	began  bool
	gap    *brokers.Gap
	traced bool
}

// Tap hands on what passes from now on: see brokers.Broker.
func (b *Broker) Tap(ctx context.Context, from brokers.Source, o brokers.TapOptions, emit func(brokers.TapBatch)) (err error) {
	t := &tap{b: b, from: from, o: o, emit: emit, next: -1}
	defer func() {
		if t.traced {
			if stopped := b.stopTracing(ctx); stopped != nil {
				err = errors.Join(err, fmt.Errorf("tracing is still on in virtual host %q: %w\nTurn it off: rabbitmqctl trace_off -p %q", b.at.vhost, stopped, b.at.vhost))
			}
		}
	}()
	pause := firstPause
	for {
		worked, err := t.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !t.began {
			return err
		}
		if t.gap == nil {
			t.gap = &brokers.Gap{From: time.Now(), Reason: err.Error()}
		}
		if worked {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause): // a broker does not tell when it is back
		}
		pause = min(2*pause, longestPause)
	}
}

// session taps as long as one connection lasts, and tells whether it came to that.
func (t *tap) session(ctx context.Context) (worked bool, err error) {
	c, err := t.b.connect(ctx, "tap")
	if err != nil {
		return false, err
	}
	defer c.close()
	if t.plan == nil {
		if t.plan, err = t.b.plan(ctx, c, t.from, t.o); err != nil {
			return false, err
		}
	}
	if t.gap != nil && t.plan.renew != nil {
		if want, err := t.plan.renew(ctx); err == nil { // else those from before
			t.plan.bindings = want
		}
	}
	if t.plan.firehose && (!t.traced || t.gap != nil) {
		if err := t.trace(ctx); err != nil {
			return false, err
		}
	}
	t.buf = newBuffer(t.o.Buffer)
	canceled := make(chan struct{}, 1)
	ch, err := c.channel(ctx, func(ch *channel) {
		ch.content, ch.idle = t.buf.add, t.buf.arrived
		ch.canceled = func() { canceled <- struct{}{} }
	})
	if err != nil {
		return false, err
	}
	bound, err := t.open(ctx, ch)
	if err != nil {
		return false, t.b.explainTap(err)
	}
	t.begin()
	return true, t.pump(ctx, c, ch, bound, canceled)
}

// trace turns tracing on, again where the broker forgot it.
func (t *tap) trace(ctx context.Context) error {
	if t.traced {
		_, err := t.b.api.trace(ctx, true)
		return err
	}
	if err := t.b.startTracing(ctx); err != nil {
		return fmt.Errorf("tracing cannot be turned on: %w\nThe user needs the tag administrator.", err)
	}
	t.traced = true
	return nil
}

// begin tells how it is tapped, or that it goes on.
func (t *tap) begin() {
	first := brokers.TapBatch{Gap: t.gap}
	if t.gap != nil {
		t.gap.To, t.gap.Resumed = time.Now(), t.plan.stream != "" && t.next >= 0
	}
	if !t.began {
		first.Notes = t.plan.notes
	}
	t.began, t.gap = true, nil
	t.emit(first)
}

// open makes the tap's queue, or opens the stream, and begins to consume.
func (t *tap) open(ctx context.Context, ch *channel) (map[string]tapBinding, error) {
	if t.plan.stream != "" {
		return nil, consumeStream(ctx, ch, t.plan.stream, t.streamStart())
	}
	queue := tapPrefix + strings.ToLower(rand.Text()[:12])
	_, err := call[*wire.QueueDeclareOk](ctx, ch, &wire.QueueDeclare{Queue: queue, Exclusive: true, AutoDelete: true, Arguments: wire.Table{
		{Key: "x-queue-type", Value: "classic"}, {Key: "x-overflow", Value: "drop-head"},
		{Key: "x-max-length", Value: int32(tapLength)}, {Key: "x-max-length-bytes", Value: int32(tapBytes)},
		{Key: "x-dead-letter-exchange", Value: nowhere},
	}})
	if err != nil {
		return nil, err
	}
	if _, err := call[*wire.BasicConsumeOk](ctx, ch, &wire.BasicConsume{Queue: queue, NoAck: true, Exclusive: true}); err != nil {
		return nil, err
	}
	bound := map[string]tapBinding{"": {key: queue}}
	return bound, t.rebind(ctx, ch, queue, bound, t.plan.bindings)
}

// rebind makes the bindings of the tap's queue those that are wanted.
func (t *tap) rebind(ctx context.Context, ch *channel, queue string, bound map[string]tapBinding, want []tapBinding) error {
	wanted := map[string]bool{"": true}
	for _, w := range want {
		id := w.id()
		wanted[id] = true
		if _, there := bound[id]; there {
			continue
		}
		if _, err := call[*wire.QueueBindOk](ctx, ch, &wire.QueueBind{Queue: queue, Exchange: w.exchange, RoutingKey: w.key, Arguments: w.arguments}); err != nil {
			return err
		}
		bound[id] = w
	}
	for id, old := range bound {
		if wanted[id] {
			continue
		}
		if _, err := call[*wire.QueueUnbindOk](ctx, ch, &wire.QueueUnbind{Queue: queue, Exchange: old.exchange, RoutingKey: old.key, Arguments: old.arguments}); err != nil {
			return err
		}
		delete(bound, id)
	}
	return nil
}

// pump hands on what comes until the connection or ctx ends. The bindings are looked at beside it, as an answer of the broker may take
// longer than the buffer lasts.
func (t *tap) pump(ctx context.Context, c *conn, ch *channel, bound map[string]tapBinding, canceled <-chan struct{}) error {
	followed := make(chan error, 1)
	if t.plan.renew != nil {
		ctx, cancel := context.WithCancel(ctx)
		var work sync.WaitGroup
		work.Go(func() {
			if err := t.follow(ctx, c, bound); err != nil {
				followed <- err
			}
		})
		defer work.Wait()
		defer cancel()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.buf.wake:
			if err := t.pass(ch); err != nil {
				return err
			}
		case err := <-followed:
			return err
		case <-canceled:
			return fmt.Errorf("the broker ended the tap of %s", t.from)
		case <-ch.over:
			return errors.Join(t.pass(nil), ch.err)
		}
	}
}

// follow keeps the bindings those that are wanted, until ctx or the connection ends. What cannot be listed now, or is gone again, is
// looked at the next time.
func (t *tap) follow(ctx context.Context, c *conn, bound map[string]tapBinding) error {
	tick := time.NewTicker(renewEvery) // RabbitMQ tells nobody of new bindings
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.done:
			return nil // the tap's channel says why
		case <-tick.C:
		}
		want, err := t.plan.renew(ctx)
		if err != nil || same(bound, want) {
			continue
		}
		t.plan.bindings = want
		if err := t.renew(ctx, c, bound, want); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// same tells whether all that is wanted is bound, and nothing else but the tap's queue itself.
func same(bound map[string]tapBinding, want []tapBinding) bool {
	wanted := map[string]bool{"": true}
	for _, w := range want {
		wanted[w.id()] = true
	}
	for id := range wanted {
		if _, there := bound[id]; !there {
			return false
		}
	}
	return len(wanted) == len(bound)
}

// renew makes the bindings those that are wanted, on a channel of its own: a refused one must not end the tap's.
func (t *tap) renew(ctx context.Context, c *conn, bound map[string]tapBinding, want []tapBinding) error {
	side, err := c.channel(ctx, nil)
	if err != nil {
		return err
	}
	err = t.rebind(ctx, side, bound[""].key, bound, want)
	if saidCode(err, 404) {
		return nil
	}
	if err == nil {
		_, err = call[*wire.ChannelCloseOk](ctx, side, &wire.ChannelClose{Code: 200})
		c.drop(side)
	}
	return err
}

// pass hands on what the buffer holds. With a channel, a stream's messages are acknowledged there.
func (t *tap) pass(ch *channel) error {
	t.buf.take(&t.taken)
	if len(t.taken.items) == 0 && t.taken.lost == 0 {
		return nil
	}
	t.batch = t.batch[:0]
	ends := t.taken.ends
	for i := range t.taken.items {
		for len(ends) > 1 && ends[0].end <= i {
			ends = ends[1:]
		}
		at := time.Now()
		if len(ends) > 0 {
			at = ends[0].time
		}
		t.add(&t.taken.items[i], at)
	}
	if len(t.batch) > 0 || t.taken.lost > 0 {
		t.emit(brokers.TapBatch{Messages: t.batch, Lost: t.taken.lost})
	}
	clear(t.batch)
	if n := len(t.taken.items); ch != nil && t.plan.stream != "" && n > 0 {
		return ch.send(&wire.BasicAck{DeliveryTag: t.taken.items[n-1].Tag, Multiple: true})
	}
	return nil
}

// add appends a content to the batch as the message that it is.
func (t *tap) add(c *content, at time.Time) {
	t.batch = append(t.batch, brokers.Message{})
	m := &t.batch[len(t.batch)-1]
	err := c.message(m, at)
	if err == nil && t.plan.firehose {
		traced(m)
	}
	if err == nil && t.plan.stream != "" {
		m.Queue = t.plan.stream
		t.next = m.Offset + 1
	}
	if err != nil || t.plan.keep != nil && !t.plan.keep(m) { // a broker does not pass on what is no message
		t.batch = t.batch[:len(t.batch)-1]
	}
}

func (t *tap) streamStart() any {
	if t.next >= 0 {
		return t.next
	}
	return "next"
}

// consumeStream begins to read a stream. start is "first", "last", "next", an offset or a time.
func consumeStream(ctx context.Context, ch *channel, stream string, start any) error {
	if _, err := call[*wire.BasicQosOk](ctx, ch, &wire.BasicQos{PrefetchCount: streamPrefetch}); err != nil {
		return err
	}
	_, err := call[*wire.BasicConsumeOk](ctx, ch, &wire.BasicConsume{Queue: stream, Arguments: wire.Table{{Key: "x-stream-offset", Value: start}}})
	return err
}

// explainTap adds what a refused user needs.
func (b *Broker) explainTap(err error) error {
	if saidCode(err, 403) {
		return fmt.Errorf("%w\nTo tap, user %q needs the permission to configure and to write queues named %s*, and to read the exchange.", err, b.at.user, tapPrefix)
	}
	return err
}
