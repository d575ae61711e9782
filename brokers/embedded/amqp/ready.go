package amqp

import "sort"

// deque is a ring buffer of entries.
type deque struct {
	ring []*entry
	head int
	n    int
}

func (d *deque) at(i int) *entry { return d.ring[(d.head+i)&(len(d.ring)-1)] }

func (d *deque) set(i int, e *entry) { d.ring[(d.head+i)&(len(d.ring)-1)] = e }

func (d *deque) grow() {
	if d.n < len(d.ring) {
		return
	}
	ring := make([]*entry, max(16, 2*len(d.ring)))
	for i := range d.n {
		ring[i] = d.at(i)
	}
	d.ring, d.head = ring, 0
}

func (d *deque) pushBack(e *entry) {
	d.grow()
	d.n++
	d.set(d.n-1, e)
}

func (d *deque) pushFront(e *entry) {
	d.grow()
	d.head = (d.head - 1) & (len(d.ring) - 1)
	d.n++
	d.set(0, e)
}

func (d *deque) popFront() *entry {
	e := d.at(0)
	d.set(0, nil)
	d.head = (d.head + 1) & (len(d.ring) - 1)
	if d.n--; d.n == 0 && len(d.ring) > 4096 {
		*d = deque{}
	}
	return e
}

// insert puts an entry back where its sequence number belongs.
func (d *deque) insert(e *entry) {
	if d.n == 0 || e.seq < d.at(0).seq {
		d.pushFront(e)
		return
	}
	at := sort.Search(d.n, func(i int) bool { return d.at(i).seq > e.seq })
	d.pushBack(e)
	for i := d.n - 1; i > at; i-- {
		d.set(i, d.at(i-1))
	}
	d.set(at, e)
}

// ready holds a queue's messages that wait for a consumer, highest priority first. Returned messages go back to
// their place in a classic queue; in a quorum queue they form a line of their own that is served first.
type ready struct {
	levels   []deque // by priority
	returned deque
	quorum   bool
	n        int
	bytes    int
}

func newReady(maxPriority int, quorum bool) ready {
	return ready{levels: make([]deque, maxPriority+1), quorum: quorum}
}

func (r *ready) level(e *entry) *deque {
	return &r.levels[min(int(e.msg.priority), len(r.levels)-1)]
}

func (r *ready) count(e *entry) {
	r.n++
	r.bytes += e.msg.bodySize()
}

func (r *ready) push(e *entry) {
	r.level(e).pushBack(e)
	r.count(e)
}

func (r *ready) giveBack(e *entry) {
	if r.quorum {
		r.returned.pushBack(e)
	} else {
		r.level(e).insert(e)
	}
	r.count(e)
}

// first is the line that the next message comes from; there must be one.
func (r *ready) first() *deque {
	if r.returned.n > 0 {
		return &r.returned
	}
	for i := len(r.levels) - 1; i > 0; i-- {
		if r.levels[i].n > 0 {
			return &r.levels[i]
		}
	}
	return &r.levels[0]
}

func (r *ready) peek() *entry { return r.first().at(0) }

func (r *ready) pop() *entry { return r.take(r.first()) }

func (r *ready) take(d *deque) *entry {
	e := d.popFront()
	r.n--
	r.bytes -= e.msg.bodySize()
	return e
}

// lines calls f with each line that is not empty.
func (r *ready) lines(f func(*deque)) {
	if r.returned.n > 0 {
		f(&r.returned)
	}
	for i := range r.levels {
		if r.levels[i].n > 0 {
			f(&r.levels[i])
		}
	}
}
