package amqp

import (
	"msdev/brokers/embedded/amqp/store"
)

// recover takes one message that the log held into its queues. Until the broker serves there are no consumers.
func (b restorer) recover(r store.Recovered) {
	m, err := decodeMessage(r.Payload)
	if err != nil {
		b.logger.Error("a message in the log cannot be understood and is left out", "id", r.Item.ID(), "err", err)
		return
	}
	r.Item.MoveTo(&m.item)
	m.refs = len(r.Homes)
	b.memory.Add(int64(m.size + messageOverhead))
	for _, h := range r.Homes {
		q := b.homes[h.ID]
		e := &entry{msg: m, logged: true, redelivered: h.Delivered, returns: int32(h.Returns)}
		b.reload(q, e)
	}
	if b.memory.Load() > pageAbove {
		b.page(m)
	}
}

// reload puts a recovered entry at the end.
func (restorer) reload(q *queue, e *entry) {
	if q.stream != nil {
		e.seq = q.stream.next()
		q.stream.log.pushBack(e)
		q.stream.bytes += e.msg.size
		return
	}
	q.seq++
	e.seq = q.seq
	q.count(e)
	e.expires = q.set.deadline(e.msg, e.msg.at)
	q.ready.push(e)
}

// ready starts a restored queue's clocks.
func (restorer) ready(q *queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.depth.Store(int64(q.length()))
	q.clock.armExpiry()
}
