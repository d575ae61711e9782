package amqp

import (
	"slices"
	"sort"

	"msdev/brokers/wire"
)

// delivery is a message that waits for its acknowledgement.
type delivery struct {
	tag      uint64
	entry    *entry
	q        *queue
	consumer *consumer // nil for basic.get
}

// unacked holds a channel's deliveries in order of their tags. Acknowledged ones leave holes until they are at the
// front.
type unacked struct {
	list []delivery
	head int
	n    int
}

func (u *unacked) push(d delivery) {
	if u.head > 64 && u.head > len(u.list)/2 {
		n := copy(u.list, u.list[u.head:])
		clear(u.list[n:])
		u.list, u.head = u.list[:n], 0
	}
	u.list = append(u.list, d)
	u.n++
}

// take removes one delivery, or all up to it; tag 0 with multiple means all. ok is false when there is no such tag.
func (u *unacked) take(tag uint64, multiple bool, out []delivery) (_ []delivery, ok bool) {
	from, to := u.head, len(u.list)
	if tag != 0 || !multiple {
		at := u.head + sort.Search(len(u.list)-u.head, func(i int) bool { return u.list[u.head+i].tag >= tag })
		if at == len(u.list) || u.list[at].tag != tag || u.list[at].entry == nil {
			return out, false
		}
		to = at + 1
		if !multiple {
			from = at
		}
	}
	for i := from; i < to; i++ {
		if u.list[i].entry != nil {
			out = append(out, u.list[i])
			u.list[i] = delivery{tag: u.list[i].tag}
			u.n--
		}
	}
	for u.head < len(u.list) && u.list[u.head].entry == nil {
		u.head++
	}
	if u.head == len(u.list) {
		u.list, u.head = u.list[:0], 0
	}
	return out, true
}

func (u *unacked) all() []delivery {
	out, _ := u.take(0, true, nil)
	return out
}

// restore puts deliveries back, after a rollback.
func (u *unacked) restore(list []delivery) {
	merged := append(u.all(), list...)
	slices.SortFunc(merged, func(a, b delivery) int { return int(int64(a.tag - b.tag)) })
	*u = unacked{list: merged, n: len(merged)}
}

// offer delivers an entry to a consumer, unless it, its channel or its connection cannot take more now; then they
// resume it. The queue's mutex is held.
func (ch *channel) offer(c *consumer, e *entry, w *wakes) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.shutDown {
		return false
	}
	if ch.globalLimit > 0 && !c.noAck && ch.unacked.n >= ch.globalLimit {
		ch.stalled = append(ch.stalled, c)
		return false
	}
	o := ch.conn.out
	o.mu.Lock()
	if len(o.buf) > deliverLimit {
		o.waiting = append(o.waiting, c)
		o.mu.Unlock()
		return false
	}
	props, body, err := e.content(c.q)
	if err != nil {
		o.mu.Unlock()
		ch.conn.broker.logger.Error("a message cannot be read and is skipped", "queue", c.q.name, "err", err)
		return true
	}
	ch.tag++
	ch.counts.deliver++
	if !c.noAck {
		ch.unacked.push(delivery{ch.tag, e, c.q, c})
	}
	m := e.msg
	if !o.closed {
		o.buf = wire.AppendDeliver(o.buf, ch.id, c.tag, ch.tag, e.redelivered, m.exchange, m.key)
		o.buf = wire.AppendContent(o.buf, ch.id, props, body, ch.conn.frameMax)
	}
	o.note(w)
	if c.q.vhost.tracing.Load() {
		c.q.traceDelivery(ch, e)
	}
	return true
}

// content is what goes out for an entry: the message's own properties, with the headers a queue adds.
func (e *entry) content(q *queue) (props, body []byte, err error) {
	props, body, err = e.msg.content(q.broker.log)
	switch {
	case err != nil:
	case q.stream != nil:
		props, err = withHeader(props, "x-stream-offset", int64(e.seq))
	case e.returns > 0 && q.set.kind == quorumQueue:
		props, err = withHeader(props, "x-delivery-count", int64(e.returns))
	}
	return props, body, err
}

// withHeader adds a header to encoded properties.
func withHeader(raw []byte, key string, value any) ([]byte, error) {
	p, err := wire.ParseProperties(raw)
	if err != nil {
		return nil, err
	}
	p.SetHeaders(p.Headers.With(key, value))
	return p.Append(nil), nil
}

// settle hands deliveries to their queues, keeping their order within each.
func (ch *channel) settle(list []delivery, how outcome, w *wakes) {
	if how >= requeued {
		slices.Reverse(list) // the youngest first, so that each goes to the head
		if len(list) > 0 && list[0].q.set.kind == quorumQueue {
			slices.Reverse(list)
		}
	}
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].q == list[0].q {
			n++
		}
		list[0].q.settle(list[:n], how, w)
		list = list[n:]
	}
	ch.unstall(w)
}

// unstall lets the consumers go on that the channel's own prefetch held up.
func (ch *channel) unstall(w *wakes) {
	ch.mu.Lock()
	stalled := ch.stalled
	if len(stalled) == 0 || ch.globalLimit > 0 && ch.unacked.n >= ch.globalLimit {
		ch.mu.Unlock()
		return
	}
	ch.stalled = nil
	ch.mu.Unlock()
	for _, c := range stalled {
		c.q.resume(c, w)
	}
}

// acknowledge is basic.ack, nack and reject.
func (ch *channel) acknowledge(tag uint64, multiple bool, how outcome) *Error {
	ch.mu.Lock()
	list, ok := ch.unacked.take(tag, multiple, nil)
	if how == acked {
		ch.counts.ack += uint64(len(list))
	}
	ch.mu.Unlock()
	if !ok {
		return preconditionFailed("unknown delivery tag %d", tag)
	}
	if ch.tx != nil {
		ch.tx.settled = append(ch.tx.settled, settlement{list, how})
		ch.unsettled.Add(int32(len(list)))
		return nil
	}
	ch.settle(list, how, &ch.conn.wakes)
	return nil
}
