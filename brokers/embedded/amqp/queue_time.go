package amqp

import "time"

// clock ends messages by their TTL, and its queue by x-expires. The queue's mutex guards it.
type clock struct {
	q        *queue
	expiry   *time.Timer // for the first message to expire
	expiryAt int64
	idle     *time.Timer // for x-expires
	lastUse  time.Time
}

// dropExpired removes the expired messages at the head of each line.
func (c *clock) dropExpired() {
	c.q.ready.lines(func(d *deque) {
		for d.n > 0 {
			e := d.at(0)
			if e.expires == 0 || !expired(e) {
				return
			}
			c.q.ready.take(d)
			c.q.bury(e, deadExpired)
		}
	})
	c.q.depth.Store(int64(c.q.ready.n))
}

// armExpiry sets the timer for the first head to expire. As in RabbitMQ, a message behind one that lives longer
// expires only when it gets to the head.
func (c *clock) armExpiry() {
	var first int64
	c.q.ready.lines(func(d *deque) {
		if at := d.at(0).expires; at > 0 && (first == 0 || at < first) {
			first = at
		}
	})
	if first == 0 || first == c.expiryAt {
		return
	}
	c.expiryAt = first
	wait := max(0, time.Until(time.UnixMilli(first)))
	if c.expiry == nil {
		c.expiry = time.AfterFunc(wait, c.onExpiry)
	} else {
		c.expiry.Reset(wait)
	}
}

func (c *clock) onExpiry() {
	var w wakes
	c.q.mu.Lock()
	c.expiryAt = 0
	if !c.q.deleted {
		c.dropExpired()
		c.armExpiry()
	}
	c.q.unlock(&w)
	w.flush()
}

// touch notes a use, which puts off x-expires.
func (c *clock) touch() {
	if c.q.set.expires >= 0 {
		c.lastUse = time.Now()
	}
}

// use is touch for callers without the mutex.
func (c *clock) use() {
	if c.q.set.expires < 0 {
		return
	}
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.touch()
}

// startIdle begins to watch for x-expires.
func (c *clock) startIdle() {
	if c.q.set.expires < 0 {
		return
	}
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.lastUse = time.Now()
	c.idle = time.AfterFunc(time.Duration(c.q.set.expires)*time.Millisecond, c.onIdle)
}

func (c *clock) onIdle() {
	c.q.mu.Lock()
	if c.q.deleted {
		c.q.mu.Unlock()
		return
	}
	if len(c.q.roster.all) > 0 {
		c.lastUse = time.Now()
	}
	left := time.Until(c.lastUse.Add(time.Duration(c.q.set.expires) * time.Millisecond))
	if left > 0 {
		c.idle.Reset(left)
		c.q.mu.Unlock()
		return
	}
	c.q.mu.Unlock()
	var w wakes
	c.q.vhost.removeQueue(c.q, &w)
	w.flush()
}

// haltTimers stops the clocks; the mutex is held.
func (c *clock) haltTimers() {
	for _, t := range []*time.Timer{c.expiry, c.idle} {
		if t != nil {
			t.Stop()
		}
	}
}

func (c *clock) stopTimers() {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.haltTimers()
}
