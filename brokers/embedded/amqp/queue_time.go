package amqp

import "time"

// dropExpired removes the expired messages at the head of each line.
func (q *queue) dropExpired() {
	q.ready.lines(func(d *deque) {
		for d.n > 0 {
			e := d.at(0)
			if e.expires == 0 || !expired(e) {
				return
			}
			q.ready.take(d)
			q.bury(e, deadExpired)
		}
	})
	q.depth.Store(int64(q.ready.n))
}

// armExpiry sets the timer for the first head to expire. As in RabbitMQ, a message behind one that lives longer
// expires only when it gets to the head.
func (q *queue) armExpiry() {
	var first int64
	q.ready.lines(func(d *deque) {
		if at := d.at(0).expires; at > 0 && (first == 0 || at < first) {
			first = at
		}
	})
	if first == 0 || first == q.expiryAt {
		return
	}
	q.expiryAt = first
	wait := max(0, time.Until(time.UnixMilli(first)))
	if q.expiry == nil {
		q.expiry = time.AfterFunc(wait, q.onExpiry)
	} else {
		q.expiry.Reset(wait)
	}
}

func (q *queue) onExpiry() {
	var w wakes
	q.mu.Lock()
	q.expiryAt = 0
	if !q.deleted {
		q.dropExpired()
		q.armExpiry()
	}
	q.unlock(&w)
	w.flush()
}

// touch notes a use, which puts off x-expires.
func (q *queue) touch() {
	if q.set.expires >= 0 {
		q.lastUse = time.Now()
	}
}

// use is touch for callers without the mutex.
func (q *queue) use() {
	if q.set.expires < 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.touch()
}

// startIdle begins to watch for x-expires.
func (q *queue) startIdle() {
	if q.set.expires < 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lastUse = time.Now()
	q.idle = time.AfterFunc(time.Duration(q.set.expires)*time.Millisecond, q.onIdle)
}

func (q *queue) onIdle() {
	q.mu.Lock()
	if q.deleted {
		q.mu.Unlock()
		return
	}
	if len(q.roster.all) > 0 {
		q.lastUse = time.Now()
	}
	left := time.Until(q.lastUse.Add(time.Duration(q.set.expires) * time.Millisecond))
	if left > 0 {
		q.idle.Reset(left)
		q.mu.Unlock()
		return
	}
	q.mu.Unlock()
	var w wakes
	q.vhost.removeQueue(q, &w)
	w.flush()
}

// haltTimers stops the clocks; the mutex is held.
func (q *queue) haltTimers() {
	for _, t := range []*time.Timer{q.expiry, q.idle} {
		if t != nil {
			t.Stop()
		}
	}
}

func (q *queue) stopTimers() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.haltTimers()
}
