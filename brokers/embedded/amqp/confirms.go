package amqp

import (
	"sync"

	"msdev/brokers/wire"
)

// confirms tracks a channel's publisher confirms. Messages are numbered from 1 and answered in their order, each once:
// what follows one another and is confirmed goes out as one multiple ack.
type confirms struct {
	mu       sync.Mutex
	next     uint64         // the last message's number
	base     uint64         // everything up to here was answered
	window   []confirmState // of the messages after base
	awaiting int            // messages in window without a result
	told     bool           // the outbox knows that there is something to send
}

type confirmState uint8

const (
	confirmPending confirmState = iota
	confirmDone
	confirmRefused
)

// begin numbers a message.
func (c *confirms) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	c.awaiting++
	c.window = append(c.window, confirmPending)
	return c.next
}

// resolve notes a message's result; it returns true when the outbox has to be told.
func (c *confirms) resolve(n uint64, ok bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n <= c.base || c.window[n-c.base-1] != confirmPending {
		return false
	}
	c.awaiting--
	c.window[n-c.base-1] = confirmDone
	if !ok {
		c.window[n-c.base-1] = confirmRefused
	}
	first := !c.told && c.window[0] != confirmPending
	c.told = c.told || first
	return first
}

// append encodes the answers up to the first message without a result.
func (c *confirms) append(b []byte, channel uint16) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = false
	run := 0
	for len(c.window) > 0 && c.window[0] != confirmPending {
		state := c.window[0]
		c.window = c.window[1:]
		c.base++
		if state == confirmDone {
			run++
			continue
		}
		b = appendAck(b, channel, c.base-1, run)
		b = wire.AppendMethod(b, channel, &wire.BasicNack{DeliveryTag: c.base})
		run = 0
	}
	return appendAck(b, channel, c.base, run)
}

// appendAck encodes one ack for as many messages, the last of which is n.
func appendAck(b []byte, channel uint16, n uint64, messages int) []byte {
	if messages == 0 {
		return b
	}
	return wire.AppendMethod(b, channel, &wire.BasicAck{DeliveryTag: n, Multiple: messages > 1})
}

// pending is how many messages wait for their result.
func (c *confirms) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.awaiting
}
