package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// held are messages fetched from a queue and not settled yet.
type held struct {
	b       *Broker
	c       *conn
	ch      *channel
	owns    bool // the connection ends with it
	queue   string
	quorum  bool
	limit   int64 // of deliveries; -1 is none or unknown
	unknown bool  // whether a policy limits its deliveries
	holding map[uint64]brokers.Message
	order   []uint64 // the tags, oldest first; some may be settled already
	last    uint64
	behind  int64
}

// hold opens a queue to fetch from.
func (b *Broker) hold(ctx context.Context, c *conn, queue string) (*held, error) {
	h := &held{b: b, c: c, queue: queue, limit: -1, holding: map[uint64]brokers.Message{}}
	q, err := b.queueNow(ctx, queue)
	if errors.Is(err, errNoWiring) {
		h.unknown = true // what a policy sets
		q, err = b.inspectQueue(ctx, c, queue)
	}
	if err != nil {
		return nil, err
	}
	h.quorum = q.Type == brokers.QuorumQueue
	if q.DeliveryLimit != nil {
		h.limit = *q.DeliveryLimit
	}
	h.ch, err = c.channel(ctx, nil)
	return h, err
}

// Take opens a queue to take from: see brokers.Taker.
func (b *Broker) Take(ctx context.Context, queue string) (brokers.Held, error) {
	c, err := b.connect(ctx, "taker")
	if err != nil {
		return nil, err
	}
	h, err := b.hold(ctx, c, queue)
	if err != nil {
		c.close()
		return nil, err
	}
	h.owns = true
	return h, nil
}

// notes say what looking costs.
func (h *held) notes() []brokers.Note {
	switch {
	case h.quorum && h.limit >= 0:
		return []brokers.Note{{Warn: true, Text: fmt.Sprintf("Each look at this quorum queue takes one of the %d deliveries that a message may have, and changes their order when not all are looked at.", h.limit)}}
	case h.quorum && h.unknown:
		return []brokers.Note{{Warn: true, Text: "Whether a policy limits the deliveries of this quorum queue cannot be learned: each look takes one.", Hint: enableManagement}}
	case h.quorum:
		return []brokers.Note{{Text: "A quorum queue puts what was looked at behind what was given back before."}}
	}
	return []brokers.Note{{Text: "What was looked at is marked as redelivered from now on."}}
}

// fetch gets up to n messages. left is what the queue has behind them.
func (h *held) fetch(ctx context.Context, n int) (messages []brokers.Message, left int64, err error) {
	h.ch.calling.Lock()
	defer h.ch.calling.Unlock()
	get := wire.AppendMethod(nil, h.ch.id, &wire.BasicGet{Queue: h.queue})
	all := slices.Repeat(get, n)
	if err := h.c.post(all); err != nil {
		return nil, -1, err
	}
	for range n {
		var answer any
		select {
		case answer = <-h.ch.answer:
		case <-h.ch.over:
			return messages, left, h.ch.err
		case <-ctx.Done():
			return messages, left, ctx.Err()
		}
		got, ok := answer.(*content)
		if !ok {
			continue // basic.get-empty
		}
		var m brokers.Message
		if err := got.message(&m, time.Time{}); err != nil {
			return messages, left, err
		}
		m.Queue = h.queue
		h.budget(&m)
		h.last = got.Tag
		h.order = append(h.order, got.Tag)
		h.holding[got.Tag] = brokers.Message{Budget: m.Budget}
		if m.Budget == 0 { // it may have to go back as a copy
			h.holding[got.Tag] = m
		}
		messages = append(messages, m)
		left = int64(got.left)
	}
	return messages, left, nil
}

// budget tells how often the message may yet be handed out in vain.
func (h *held) budget(m *brokers.Message) {
	if m.Deliveries >= 0 && !h.quorum { // only quorum queues count: it is one by its virtual host's default
		h.quorum = true
		if major(h.b.Info().Version) >= 4 {
			h.limit = defaultDeliveryLimit
		}
	}
	if !h.quorum {
		return
	}
	m.Deliveries = max(m.Deliveries, 0)
	if h.limit >= 0 {
		m.Budget = max(h.limit-m.Deliveries, 0)
	}
}

// Next fetches the next message: see brokers.Held.
func (h *held) Next(ctx context.Context) (brokers.Message, uint64, error) {
	messages, left, err := h.fetch(ctx, 1)
	if err != nil {
		return brokers.Message{}, 0, err
	}
	if len(messages) == 0 {
		return brokers.Message{}, 0, io.EOF
	}
	h.behind = left
	return messages[0], h.last, nil
}

// Behind tells what stood behind the last message: see brokers.Held. The count of basic.get-ok is exact, while a quorum
// queue's other counts come late.
func (h *held) Behind() int64 { return h.behind }

// settleAtOnce is how many acknowledgements go to a queue at once, and settlePause what it needs to take them in. A channel
// of RabbitMQ keeps back what is more than 32 commands ahead of a quorum queue (quorum_commands_soft_limit), and forgets
// what it kept back when it is closed.
const (
	settleAtOnce = 16
	settlePause  = 20 * time.Millisecond
)

// Settle decides over held messages: see brokers.Held.
func (h *held) Settle(ctx context.Context, how brokers.Settlement, tickets ...uint64) error {
	for _, tag := range tickets {
		if _, ok := h.holding[tag]; !ok {
			return fmt.Errorf("message %d of queue %q is not held", tag, h.queue)
		}
	}
	if how == brokers.Remove {
		rest, err := h.removeOldest(tickets)
		if err != nil {
			return err
		}
		tickets = rest
	}
	for n, tag := range tickets {
		if n > 0 && n%settleAtOnce == 0 {
			if err := h.pause(ctx); err != nil {
				return err
			}
		}
		if err := h.settleOne(ctx, how, tag); err != nil {
			return err
		}
		delete(h.holding, tag)
	}
	return h.sync(ctx)
}

func (h *held) settleOne(ctx context.Context, how brokers.Settlement, tag uint64) error {
	m := h.holding[tag]
	switch {
	case how == brokers.Remove:
		return h.ch.send(&wire.BasicAck{DeliveryTag: tag})
	case how == brokers.DeadLetter:
		return h.ch.send(&wire.BasicNack{DeliveryTag: tag})
	case m.Budget == 0:
		return h.rescue(ctx, map[uint64]brokers.Message{tag: m})
	}
	return h.ch.send(&wire.BasicNack{DeliveryTag: tag, Requeue: true})
}

// removeOldest removes by one acknowledgement all up to the oldest that is not among tickets, and returns the others.
func (h *held) removeOldest(tickets []uint64) (rest []uint64, err error) {
	rest = slices.Compact(slices.Sorted(slices.Values(tickets)))
	var last uint64
	for len(h.order) > 0 {
		tag := h.order[0]
		if _, is := h.holding[tag]; is {
			if len(rest) == 0 || rest[0] != tag {
				break
			}
			last, rest = tag, rest[1:]
			delete(h.holding, tag)
		}
		h.order = h.order[1:]
	}
	if last == 0 {
		return rest, nil
	}
	return rest, h.ch.send(&wire.BasicAck{DeliveryTag: last, Multiple: true})
}

func (h *held) pause(ctx context.Context) error {
	if err := h.sync(ctx); err != nil {
		return err
	}
	return brokers.Sleep(ctx, settlePause)
}

// sync returns when the broker has dealt with all that was sent on the channel: it works in order.
func (h *held) sync(ctx context.Context) error {
	_, err := call[*wire.BasicQosOk](ctx, h.ch, &wire.BasicQos{})
	return err
}

// backAll gives back all that is held, and returns how many of them as copies. They are nacked at once, because a queue puts
// those back in their order; left unsettled to the end of the channel, they would count as failed deliveries everywhere.
func (h *held) backAll(ctx context.Context) (rescued int, err error) {
	if len(h.holding) == 0 || isOver(h.ch) {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	doomed := map[uint64]brokers.Message{}
	for tag, m := range h.holding {
		if m.Budget == 0 {
			doomed[tag] = m
		}
	}
	if len(doomed) > 0 {
		if err := h.rescue(ctx, doomed); err != nil {
			return 0, err
		}
	}
	var last uint64 // a tag that is settled already would be an error
	for tag := range h.holding {
		if _, gone := doomed[tag]; !gone {
			last = max(last, tag)
		}
	}
	if last > 0 {
		if err := h.ch.send(&wire.BasicNack{DeliveryTag: last, Multiple: true, Requeue: true}); err != nil {
			return len(doomed), err
		}
	}
	clear(h.holding)
	return len(doomed), h.sync(ctx)
}

// rescue puts copies of messages at the end of their queue, and removes them when the broker has the copies.
func (h *held) rescue(ctx context.Context, doomed map[uint64]brokers.Message) error {
	p := &publisher{b: h.b, known: map[string]error{"": nil}, room: make(chan struct{}), first: 1, c: h.c}
	if err := p.open(ctx); err != nil {
		return err
	}
	var tags []uint64
	var out []brokers.Outgoing
	for _, tag := range sortedTags(doomed) {
		m := doomed[tag]
		m.Headers = m.Headers.Without("x-delivery-count")
		tags = append(tags, tag)
		out = append(out, brokers.Outgoing{To: brokers.Target{RoutingKey: h.queue}, Message: &m})
	}
	results, err := brokers.PublishAll(ctx, p, out)
	for i, r := range results {
		if r.Status == brokers.StatusConfirmed {
			err = errors.Join(err, h.ch.send(&wire.BasicAck{DeliveryTag: tags[i]}))
		} else {
			err = errors.Join(err, r.Err)
		}
	}
	return err
}

func sortedTags(m map[uint64]brokers.Message) []uint64 {
	tags := make([]uint64, 0, len(m))
	for tag := range m {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags
}

// Close gives back what is held, and ends: see brokers.Held.
func (h *held) Close() error {
	_, err := h.backAll(context.Background())
	if h.owns {
		h.c.close()
	}
	return err
}
