package amqp

import (
	"slices"

	"msdev/brokers/wire"
)

// consumer is one basic.consume.
type consumer struct {
	ch        *channel
	q         *queue
	tag       string
	noAck     bool
	exclusive bool
	priority  int64
	prefetch  int // 0 is no limit
	args      wire.Table

	// guarded by the queue's mutex
	unacked int
	parked  bool
	gone    bool
	cursor  uint64 // the next offset in a stream
}

// roster is a queue's consumers and whose turn it is. A consumer that cannot take a message is parked, so that
// finding the next one costs the same with one and with a thousand of them.
type roster struct {
	all    []*consumer // in order of arrival
	ready  []*consumer // not parked, highest priority first
	turn   int
	single bool // x-single-active-consumer: only the first of all
}

// next is the consumer whose turn it is, or nil.
func (r *roster) next() *consumer {
	for len(r.ready) > 0 {
		if r.turn >= len(r.ready) || r.ready[r.turn].priority < r.ready[0].priority {
			r.turn = 0
		}
		c := r.ready[r.turn]
		if c.prefetch > 0 && !c.noAck && c.unacked >= c.prefetch {
			r.park(c)
			continue
		}
		r.turn++
		return c
	}
	return nil
}

func (r *roster) park(c *consumer) {
	c.parked = true
	if i := slices.Index(r.ready, c); i >= 0 {
		r.ready = slices.Delete(r.ready, i, i+1)
		if i < r.turn {
			r.turn--
		}
	}
}

// unpark lets a consumer take its turns again.
func (r *roster) unpark(c *consumer) {
	if !c.parked || c.gone || r.single && r.all[0] != c {
		return
	}
	c.parked = false
	at := len(r.ready)
	for at > 0 && r.ready[at-1].priority < c.priority {
		at--
	}
	r.ready = slices.Insert(r.ready, at, c)
}

func (r *roster) add(c *consumer) {
	c.parked = true
	if r.single && len(r.all) > 0 && r.all[0].priority < c.priority && r.all[0].unacked == 0 {
		r.park(r.all[0]) // a single active consumer gives way to one of higher priority
		r.all = slices.Insert(r.all, 0, c)
	} else {
		r.all = append(r.all, c)
	}
	r.unpark(c)
}

func (r *roster) remove(c *consumer) {
	r.park(c)
	c.gone = true
	i := slices.Index(r.all, c)
	if i < 0 {
		return
	}
	r.all = slices.Delete(r.all, i, i+1)
	if r.single && i == 0 && len(r.all) > 0 {
		r.unpark(r.all[0])
	}
}

// active tells whether a consumer gets messages when it can take them.
func (r *roster) active(c *consumer) bool { return !r.single || r.all[0] == c }

// subscribe adds a consumer and starts its deliveries, after admitted has told the client.
func (q *queue) subscribe(c *consumer, admitted func(), w *wakes) *Error {
	q.mu.Lock()
	defer q.unlock(w)
	if q.deleted {
		return fail(codeNotFound, "no %s", q.title())
	}
	if len(q.roster.all) > 0 && (c.exclusive || q.roster.all[0].exclusive) {
		return fail(codeAccessRefused, "%s in exclusive use", q.title())
	}
	q.clock.touch()
	q.roster.single = q.set.singleConsumer
	admitted()
	q.roster.add(c)
	q.watched.Store(true)
	q.pump(w)
	return nil
}

// pump delivers what can be delivered; the mutex is held.
func (q *queue) pump(w *wakes) {
	if q.stream != nil {
		q.stream.pump(q, w)
		return
	}
	q.dispatch(w)
	q.clock.armExpiry()
}

// resume lets a consumer go on that its channel or connection held up.
func (q *queue) resume(c *consumer, w *wakes) {
	q.mu.Lock()
	defer q.unlock(w)
	if q.deleted || c.gone {
		return
	}
	q.roster.unpark(c)
	q.pump(w)
}

// unsubscribe removes a consumer. It returns true when that leaves an auto-delete queue without any.
func (q *queue) unsubscribe(c *consumer, w *wakes) bool {
	q.mu.Lock()
	defer q.unlock(w)
	if q.deleted || c.gone {
		return false
	}
	q.clock.touch()
	q.roster.remove(c)
	q.watched.Store(len(q.roster.all) > 0)
	q.pump(w)
	return q.autoDelete && len(q.roster.all) == 0
}
