package amqp

import (
	"sync"
	"sync/atomic"
	"time"

	"msdev/brokers/wire"
)

// declared is what a queue was declared with.
type declared struct {
	vhost      *vhost
	name       string
	args       wire.Table
	set        settings
	durable    bool
	exclusive  bool
	autoDelete bool
	owner      *conn // of an exclusive queue
}

// queue holds messages for its consumers. One mutex guards all of it; whoever publishes or settles delivers at once
// what the consumers can take. What has to happen outside the mutex (dead letters, trace messages) is put off by
// later and done in order by unlock.
type queue struct {
	declared
	broker *Broker
	id     uint64 // its home in the log
	stream *stream

	depth   atomic.Int64 // ready messages, readable without the mutex
	watched atomic.Bool  // it has consumers, likewise

	mu              sync.Mutex
	ready           ready
	unacked         int
	unackedBytes    int
	persistent      int // messages that the log keeps for this queue, and their octets
	persistentBytes int
	seq             uint64
	roster          roster
	deleted         bool
	fresh           *entry // being published: even with a TTL of 0, a waiting consumer gets it
	effects         []func(*wakes)
	draining        bool
	clock           clock
	counts          queueCounts
}

// queueCounts are what a queue did since it was declared.
type queueCounts struct {
	publish, deliver, deliverNoAck, get, getNoAck, getEmpty, ack, redeliver uint64
}

// unlock releases the mutex after doing what was put off, in order. Meanwhile others may add more; one goroutine at a
// time does it.
func (q *queue) unlock(w *wakes) {
	if len(q.effects) > 0 && !q.draining {
		q.draining = true
		for len(q.effects) > 0 {
			todo := q.effects
			q.effects = nil
			q.mu.Unlock()
			for _, f := range todo {
				f(w)
			}
			q.mu.Lock()
		}
		q.draining = false
	}
	q.mu.Unlock()
}

func (q *queue) later(f func(*wakes)) { q.effects = append(q.effects, f) }

func (q *declared) title() string { return named("queue", q.name, q.vhost.name) }

// publish puts a message at the end. It returns false when the queue is full and rejects.
func (q *queue) publish(m *message, logged bool, w *wakes) bool {
	q.mu.Lock()
	defer q.unlock(w)
	e := &entry{msg: m, logged: logged}
	if q.deleted {
		q.forget(e)
		return true
	}
	if q.stream != nil {
		q.stream.append(q, e, w)
		return true
	}
	if q.set.overflow != dropHead && q.full(m) {
		q.reject(e)
		return false
	}
	q.seq++
	e.seq = q.seq
	q.counts.publish++
	q.count(e)
	if m.ttl >= 0 || q.set.ttl >= 0 {
		e.expires = q.set.deadline(m, time.Now().UnixMilli())
	}
	q.ready.push(e)
	q.fresh = e
	q.dispatch(w)
	q.fresh = nil
	q.trim()
	q.clock.armExpiry()
	q.depth.Store(int64(q.ready.n))
	return true
}

// deadline is when a message published at a time ends, in Unix milliseconds, or 0.
func (s *settings) deadline(m *message, at int64) int64 {
	ttl := s.ttl
	if m.ttl >= 0 && (ttl < 0 || m.ttl < ttl) {
		ttl = m.ttl
	}
	if ttl < 0 {
		return 0
	}
	return at + ttl
}

// full tells whether one more message would exceed a limit.
func (q *queue) full(m *message) bool {
	return q.set.maxLength >= 0 && int64(q.ready.n)+1 > q.set.maxLength ||
		q.set.maxBytes >= 0 && int64(q.ready.bytes+m.bodySize()) > q.set.maxBytes
}

func (q *queue) reject(e *entry) {
	if q.set.overflow == rejectPublishDLX {
		q.bury(e, deadMaxLength)
		return
	}
	q.forget(e)
}

// trim drops the oldest messages of a queue that is over its limits.
func (q *queue) trim() {
	for q.ready.n > 0 && (q.set.maxLength >= 0 && int64(q.ready.n) > q.set.maxLength ||
		q.set.maxBytes >= 0 && int64(q.ready.bytes) > q.set.maxBytes) {
		q.bury(q.ready.pop(), deadMaxLength)
	}
}

// dispatch delivers while there are messages and consumers that can take one.
func (q *queue) dispatch(w *wakes) {
	for q.ready.n > 0 {
		c := q.roster.next()
		if c == nil {
			break
		}
		e := q.ready.peek()
		if e.expires > 0 && e != q.fresh && expired(e) {
			q.bury(q.ready.pop(), deadExpired)
			continue
		}
		if !c.ch.offer(c, e, w) {
			q.roster.park(c)
			continue
		}
		q.ready.pop()
		q.delivered(c, e)
	}
	q.depth.Store(int64(q.ready.n))
}

func (q *queue) delivered(c *consumer, e *entry) {
	if e.redelivered {
		q.counts.redeliver++
	}
	if c.noAck {
		q.counts.deliverNoAck++
		q.forget(e)
		return
	}
	q.counts.deliver++
	c.unacked++
	q.outstanding(e)
}

// outstanding counts a message that waits for its acknowledgement.
func (q *queue) outstanding(e *entry) {
	q.unacked++
	q.unackedBytes += e.msg.bodySize()
	if e.logged {
		q.broker.log.Mark(q.id, &e.msg.item)
	}
}

// expired tells whether a message's time is over.
func expired(e *entry) bool { return time.Now().UnixMilli() >= e.expires }

// count counts what is kept for a restart.
func (q *queue) count(e *entry) {
	if e.msg.persistent && q.durable {
		e.counted = true
		q.persistent++
		q.persistentBytes += e.msg.bodySize()
	}
}

// bury takes an entry that is not ready or unacknowledged any more to the dead letter exchange, or drops it.
func (q *queue) bury(e *entry, reason string) {
	if q.set.deadLetter == nil {
		q.forget(e)
		return
	}
	q.later(func(w *wakes) {
		deadLetters{q}.publish(e.msg, reason, w)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.forget(e)
	})
}

// forget ends an entry's life in this queue.
func (q *queue) forget(e *entry) {
	if e.logged {
		q.broker.log.Drop(&e.msg.item, q.id)
	}
	if e.counted {
		q.persistent--
		q.persistentBytes -= e.msg.bodySize()
	}
	q.broker.release(e.msg)
}

// take removes the next message for basic.get, or returns nil. left is how many stay.
func (q *queue) take(noAck bool, w *wakes) (e *entry, left int) {
	q.mu.Lock()
	defer q.unlock(w)
	q.clock.touch()
	q.clock.dropExpired()
	if q.ready.n == 0 {
		q.counts.getEmpty++
		return nil, 0
	}
	e = q.ready.pop()
	q.depth.Store(int64(q.ready.n))
	if e.redelivered {
		q.counts.redeliver++
	}
	if noAck {
		q.counts.getNoAck++
	} else {
		q.counts.get++
		q.outstanding(e)
	}
	q.clock.armExpiry()
	return e, q.ready.n
}

// outcome is what a consumer did with messages.
type outcome int

const (
	acked outcome = iota
	rejected
	requeued
	requeuedByClose
)

// settle ends the wait for acknowledgements. All items belong to this queue and come in order of delivery.
func (q *queue) settle(items []delivery, how outcome, w *wakes) {
	q.mu.Lock()
	defer q.unlock(w)
	for i := range items {
		e, c := items[i].entry, items[i].consumer
		if c != nil {
			c.unacked--
			q.roster.unpark(c)
		}
		if q.stream != nil {
			q.counts.ack++
			continue
		}
		if q.deleted {
			q.forget(e)
			continue
		}
		q.unacked--
		q.unackedBytes -= e.msg.bodySize()
		switch how {
		case acked:
			q.counts.ack++
			q.forget(e)
		case rejected:
			q.bury(e, deadRejected)
		default:
			q.giveBack(e)
		}
	}
	if q.deleted {
		return
	}
	if how >= requeued {
		q.clock.dropExpired()
	}
	q.pump(w)
	q.trim()
	q.clock.armExpiry()
}

func (q *queue) giveBack(e *entry) {
	e.redelivered = true
	if q.set.kind == quorumQueue {
		e.returns++
		if q.set.deliveryLimit >= 0 && int64(e.returns) > q.set.deliveryLimit {
			q.bury(e, deadDeliveryLimit)
			return
		}
		if e.logged {
			q.broker.log.Returns(&e.msg.item, q.id, int(e.returns))
		}
	}
	q.ready.giveBack(e)
}

// purge drops what is ready and returns how many those were.
func (q *queue) purge(w *wakes) int {
	q.mu.Lock()
	defer q.unlock(w)
	n := q.ready.n
	for q.ready.n > 0 {
		q.forget(q.ready.pop())
	}
	q.depth.Store(0)
	return n
}

// stats returns the numbers of a queue.declare-ok.
func (q *queue) stats() (messages, consumers int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length(), len(q.roster.all)
}

func (q *queue) length() int {
	if q.stream != nil {
		return q.stream.length()
	}
	return q.ready.n
}

// delete ends the queue and returns its consumers, who have to be told, and how many messages it held. The caller has
// taken it out of its vhost.
func (q *queue) delete() (left []*consumer, messages int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.deleted {
		return nil, 0
	}
	q.deleted = true
	messages = q.length()
	for q.ready.n > 0 {
		q.forget(q.ready.pop())
	}
	if q.stream != nil {
		q.stream.clear(q)
	}
	q.depth.Store(0)
	q.clock.haltTimers()
	left = q.roster.all
	q.roster = roster{}
	q.broker.metrics.retire(q.counts)
	return left, messages
}
