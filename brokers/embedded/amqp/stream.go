package amqp

import (
	"strings"
	"time"

	"msdev/brokers/wire"
)

// stream is the content of a queue of type stream: messages stay when they are consumed, each consumer has a place of
// its own, and only the limits of size and age drop the oldest. The queue's mutex guards it.
type stream struct {
	log   deque  // in order of offset
	first uint64 // offset of the oldest
	bytes int
}

func (s *stream) length() int { return s.log.n }

func (s *stream) next() uint64 { return s.first + uint64(s.log.n) }

// append adds a message and delivers it.
func (s *stream) append(q *queue, e *entry, w *wakes) {
	e.seq = s.next()
	if e.msg.at == 0 {
		e.msg.at = time.Now().UnixMilli()
	}
	q.counts.publish++
	s.log.pushBack(e)
	s.bytes += e.msg.size
	s.retain(q)
	s.pump(q, w)
	q.depth.Store(int64(s.log.n))
}

// retain drops the oldest messages beyond the limits, but never the last.
func (s *stream) retain(q *queue) {
	now := time.Now().UnixMilli()
	for s.log.n > 1 && (q.set.maxBytes >= 0 && int64(s.bytes) > q.set.maxBytes ||
		q.set.maxAge >= 0 && s.log.at(0).msg.at < now-q.set.maxAge) {
		e := s.log.popFront()
		s.first++
		s.bytes -= e.msg.size
		q.forget(e)
	}
}

// pump delivers to every consumer what it has not seen.
func (s *stream) pump(q *queue, w *wakes) {
	for i := 0; i < len(q.roster.ready); {
		c := q.roster.ready[i]
		if s.feed(q, c, w) {
			i++
		} else {
			q.roster.park(c)
		}
	}
}

// feed delivers to one consumer; false when it cannot take more.
func (s *stream) feed(q *queue, c *consumer, w *wakes) bool {
	c.cursor = max(c.cursor, s.first)
	for c.cursor < s.next() {
		if c.unacked >= c.prefetch {
			return false
		}
		if !c.ch.offer(c, s.log.at(int(c.cursor-s.first)), w) {
			return false
		}
		c.cursor++
		c.unacked++
		q.counts.deliver++
	}
	return true
}

func (s *stream) clear(q *queue) {
	for s.log.n > 0 {
		q.forget(s.log.popFront())
	}
	s.bytes = 0
}

// seek sets where a consumer begins, by its x-stream-offset argument: first, last, next (the default), an offset, a
// timestamp, or an interval such as 1h. The queue's mutex is held.
func (s *stream) seek(q *queue, c *consumer) *Error {
	v, ok := c.args.Get("x-stream-offset")
	c.cursor = s.next()
	switch v := v.(type) {
	case wire.Timestamp:
		c.cursor = s.since(int64(v) * 1000)
	case string:
		return s.seekName(q, c, v)
	default:
		n, isInt := wire.Integer(v)
		if ok && (!isInt || n < 0) {
			return preconditionFailed("invalid arg 'x-stream-offset' for %s: invalid_stream_offset_arg", q.title())
		}
		if ok {
			c.cursor = uint64(n)
		}
	}
	return nil
}

func (s *stream) seekName(q *queue, c *consumer, name string) *Error {
	switch name {
	case "first":
		c.cursor = s.first
	case "last":
		c.cursor = max(s.first+1, s.next()) - 1
	case "next":
	default:
		r := argReader{name: q.title(), args: wire.Table{{Key: "x-stream-offset", Value: strings.TrimSpace(name)}}}
		var age int64
		r.age("x-stream-offset", &age)
		if r.err != nil {
			return r.err
		}
		c.cursor = s.since(time.Now().UnixMilli() - age)
	}
	return nil
}

// since is the offset of the first message at or after a time in Unix milliseconds.
func (s *stream) since(at int64) uint64 {
	for i := range s.log.n {
		if s.log.at(i).msg.at >= at {
			return s.first + uint64(i)
		}
	}
	return s.next()
}
