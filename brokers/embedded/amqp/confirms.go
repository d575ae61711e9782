package amqp

import (
	"sync"

	"msdev/brokers/embedded/amqp/wire"
)

// confirms tracks a channel's publisher confirms. Messages are numbered from 1; what is confirmed goes out as one
// multiple ack as far as everything before is confirmed too, and singly otherwise.
type confirms struct {
	mu      sync.Mutex
	next    uint64 // the next message's number, less one
	base    uint64 // everything up to here was answered
	window  []confirmState
	changed bool // an answer waits in the outbox's list
	single  []uint64
	nacks   []uint64
	sent    uint64 // everything up to here was sent
}

type confirmState uint8

const (
	confirmPending confirmState = iota
	confirmDone
)

// begin numbers a message.
func (c *confirms) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	c.window = append(c.window, confirmPending)
	return c.next
}

// resolve answers a message; it returns true when the outbox has to be told.
func (c *confirms) resolve(n uint64, ok bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n <= c.base || c.window[n-c.base-1] != confirmPending {
		return false
	}
	c.window[n-c.base-1] = confirmDone
	switch {
	case !ok:
		c.nacks = append(c.nacks, n)
	case n > c.base+1:
		c.single = append(c.single, n)
	}
	done := 0
	for done < len(c.window) && c.window[done] == confirmDone {
		done++
	}
	c.base += uint64(done)
	c.window = c.window[done:]
	first := !c.changed
	c.changed = true
	return first
}

// append encodes the answers that wait.
func (c *confirms) append(b []byte, channel uint16) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = false
	for _, n := range c.nacks {
		b = wire.AppendMethod(b, channel, &wire.BasicNack{DeliveryTag: n})
	}
	if unsent := c.base - c.sent; unsent > uint64(countUpTo(c.nacks, c.base)) {
		b = wire.AppendMethod(b, channel, &wire.BasicAck{DeliveryTag: c.base, Multiple: unsent > 1})
	}
	for _, n := range c.single {
		if n > c.base {
			b = wire.AppendMethod(b, channel, &wire.BasicAck{DeliveryTag: n})
		}
	}
	c.sent = c.base
	c.nacks, c.single = c.nacks[:0], c.single[:0]
	return b
}

func countUpTo(list []uint64, limit uint64) int {
	n := 0
	for _, v := range list {
		if v <= limit {
			n++
		}
	}
	return n
}

// pending is how many messages wait for their answer.
func (c *confirms) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, s := range c.window {
		if s == confirmPending {
			n++
		}
	}
	return n
}
