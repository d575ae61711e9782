package amqp

import (
	"strconv"
	"sync"

	"msdev/brokers/embedded/amqp/store"
	"msdev/brokers/wire"
)

// message is one published message, immutable and shared by every queue it was routed to.
type message struct {
	exchange   string
	key        string
	item       store.Item // where the log holds it, if it does
	ttl        int64      // milliseconds of its own expiration, or -1
	at         int64      // when it was published, in Unix milliseconds
	size       int        // octets of properties and body
	props      int        // octets of properties
	persistent bool
	hidden     []string // routing keys of its BCC header, which nobody sees
	died       bool     // the broker recorded a death in its headers
	priority   uint8

	mu   sync.Mutex
	refs int    // queues that hold it
	data []byte // properties, then body; nil while only the log holds it
}

// bodySize is the length of the body in octets.
func (m *message) bodySize() int { return m.size - m.props }

// content returns the encoded properties and the body, from the log if they are not in memory.
func (m *message) content(log *store.Log) (props, body []byte, err error) {
	m.mu.Lock()
	data := m.data
	m.mu.Unlock()
	if data == nil {
		raw, err := log.Read(&m.item)
		if err != nil {
			return nil, nil, err
		}
		if len(raw) < m.size {
			return nil, nil, errDamaged
		}
		data = raw[len(raw)-m.size:]
	}
	return data[:m.props], data[m.props:], nil
}

// newMessage makes a message of encoded properties and a body that were joined into data.
func newMessage(exchange, key string, data []byte, props int, v wire.View) (*message, *Error) {
	m := &message{exchange: exchange, key: key, data: data, size: len(data), props: props, ttl: -1,
		persistent: v.DeliveryMode == 2, priority: v.Priority}
	if v.Expiration != nil {
		ttl, err := parseExpiration(string(v.Expiration))
		if err != nil {
			return nil, err
		}
		m.ttl = ttl
	}
	return m, nil
}

// maxExpiry is RabbitMQ's limit of a time to live: ten years in milliseconds.
const maxExpiry = 315_360_000_000

// parseExpiration reads the expiration property: milliseconds in decimal digits.
func parseExpiration(s string) (int64, *Error) {
	digits := 0
	for digits < len(s) && (s[digits] >= '0' && s[digits] <= '9' || digits == 0 && (s[0] == '-' || s[0] == '+')) {
		digits++
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	switch {
	case err != nil:
		return 0, preconditionFailed("invalid expiration '%s': no_integer", s)
	case digits < len(s):
		return 0, preconditionFailed("invalid expiration '%s': {leftover_string,%q}", s, s[digits:])
	case n < 0:
		return 0, preconditionFailed("invalid expiration '%s': {value_negative,%d}", s, n)
	case n > maxExpiry:
		return 0, preconditionFailed("invalid expiration '%s': {value_too_large,%d}", s, n)
	}
	return n, nil
}

// entry is one message in one queue.
type entry struct {
	msg         *message
	seq         uint64 // its place in the queue
	expires     int64  // Unix milliseconds, or 0
	returns     int32  // how often it came back; a quorum queue limits this
	redelivered bool
	logged      bool // the log knows that this queue holds it
	counted     bool // among the queue's persistent ones
}
