package amqp

import (
	"fmt"

	"msdev/brokers/wire"
)

// The queue types of x-queue-type.
const (
	classicQueue = "classic"
	quorumQueue  = "quorum"
	streamQueue  = "stream"
)

// The overflow behaviours of x-overflow.
const (
	dropHead         = "drop-head"
	rejectPublish    = "reject-publish"
	rejectPublishDLX = "reject-publish-dlx"
)

// defaultDeliveryLimit is how often a quorum queue takes a message back, as RabbitMQ 4 has it.
const defaultDeliveryLimit = 20

// settings are a queue's arguments, understood. A number that was not given is -1.
type settings struct {
	kind           string
	ttl, expires   int64 // milliseconds
	maxLength      int64
	maxBytes       int64
	maxAge         int64 // milliseconds; streams
	overflow       string
	deadLetter     *string // the exchange
	deadLetterKey  *string
	maxPriority    int
	singleConsumer bool
	deliveryLimit  int64
}

// queueTypes tells, for each optional argument, which queue types take it.
var queueTypes = map[string][]string{
	"x-expires":                 {classicQueue, quorumQueue},
	"x-message-ttl":             {classicQueue, quorumQueue},
	"x-dead-letter-exchange":    {classicQueue, quorumQueue},
	"x-dead-letter-routing-key": {classicQueue, quorumQueue},
	"x-max-length":              {classicQueue, quorumQueue},
	"x-max-length-bytes":        {classicQueue, quorumQueue, streamQueue},
	"x-overflow":                {classicQueue, quorumQueue},
	"x-max-priority":            {classicQueue},
	"x-single-active-consumer":  {classicQueue, quorumQueue},
	"x-delivery-limit":          {quorumQueue},
	"x-max-age":                 {streamQueue},
	"x-queue-type":              {classicQueue, quorumQueue, streamQueue},
}

// comparedArguments are the arguments that a second declaration must repeat, in the order they are compared.
var comparedArguments = []string{"x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key",
	"x-max-length", "x-max-length-bytes", "x-overflow", "x-max-priority", "x-single-active-consumer", "x-queue-type",
	"x-delivery-limit", "x-max-age"}

// parseSettings checks and reads a queue's arguments. name is how errors call the queue.
func parseSettings(name string, args wire.Table) (settings, *Error) {
	s := settings{kind: classicQueue, ttl: -1, expires: -1, maxLength: -1, maxBytes: -1, maxAge: -1,
		overflow: dropHead, deliveryLimit: -1}
	r := argReader{name: name, args: args}
	if v, ok := r.str("x-queue-type"); ok {
		s.kind = v
		if s.kind != classicQueue && s.kind != quorumQueue && s.kind != streamQueue {
			return s, preconditionFailed("invalid arg 'x-queue-type' for %s: \"unsupported queue type '%s'\"", name, s.kind)
		}
	}
	if s.kind == quorumQueue {
		s.deliveryLimit = defaultDeliveryLimit
	}
	for _, f := range args {
		if kinds, known := queueTypes[f.Key]; known && !contains(kinds, s.kind) {
			return s, preconditionFailed("invalid arg '%s' for %s of queue type rabbit_%s_queue", f.Key, name, s.kind)
		}
	}
	r.number("x-expires", 1, maxExpiry, &s.expires)
	r.number("x-message-ttl", 0, maxExpiry, &s.ttl)
	r.number("x-max-length", 0, -1, &s.maxLength)
	r.number("x-max-length-bytes", 0, -1, &s.maxBytes)
	r.number("x-delivery-limit", -1, -1, &s.deliveryLimit)
	r.age("x-max-age", &s.maxAge)
	var priority int64
	r.number("x-max-priority", 0, 255, &priority)
	s.maxPriority = int(priority)
	r.deadLetter(&s)
	if v, ok := r.str("x-overflow"); ok {
		s.overflow = v
		if v != dropHead && v != rejectPublish && v != rejectPublishDLX {
			r.fail("x-overflow", "invalid_overflow")
		}
	}
	if v, ok := r.str("x-queue-mode"); ok && v != "default" && v != "lazy" {
		r.fail("x-queue-mode", "invalid_queue_mode")
	}
	r.flag("x-single-active-consumer", &s.singleConsumer)
	return s, r.err
}

// drops tells whether the queue has a limit, beyond which its oldest messages go.
func (s *settings) drops() bool {
	return s.kind == classicQueue && s.overflow == dropHead && (s.maxLength >= 0 || s.maxBytes >= 0)
}

// argReader reads typed arguments and keeps the first error.
type argReader struct {
	name string
	args wire.Table
	err  *Error
}

func (r *argReader) fail(key, why string) {
	if r.err == nil {
		r.err = preconditionFailed("invalid arg '%s' for %s: %s", key, r.name, why)
	}
}

func (r *argReader) str(key string) (string, bool) {
	v, ok := r.args.Get(key)
	if !ok {
		return "", false
	}
	s, isString := v.(string)
	if !isString {
		r.fail(key, fmt.Sprintf("{unacceptable_type,%s}", typeName(v)))
	}
	return s, isString
}

func (r *argReader) flag(key string, out *bool) {
	v, ok := r.args.Get(key)
	if !ok {
		return
	}
	b, isBool := v.(bool)
	if !isBool {
		r.fail(key, fmt.Sprintf("{unacceptable_type,%s}", typeName(v)))
	}
	*out = b
}

// number reads an integer of any width between low and high; high -1 is no limit.
func (r *argReader) number(key string, low, high int64, out *int64) {
	v, ok := r.args.Get(key)
	if !ok {
		return
	}
	n, isInt := wire.Integer(v)
	switch {
	case !isInt:
		r.fail(key, fmt.Sprintf("\"expected integer, got %s\"", typeName(v)))
	case n < 0 && low >= 0:
		r.fail(key, fmt.Sprintf("{value_negative,%d}", n))
	case n == 0 && low == 1:
		r.fail(key, "{value_zero,0}")
	case high == 255 && n > high:
		r.fail(key, fmt.Sprintf("{max_value_exceeded,%d}", n))
	case high >= 0 && n > high:
		r.fail(key, fmt.Sprintf("{value_too_large,%d}", n))
	}
	*out = n
}

// age reads a duration such as 7D: a number and one of Y, M, D, h, m, s.
func (r *argReader) age(key string, out *int64) {
	s, ok := r.str(key)
	if !ok {
		return
	}
	units := map[byte]int64{'Y': 365 * 86400, 'M': 30 * 86400, 'D': 86400, 'h': 3600, 'm': 60, 's': 1}
	var n int64
	var unit byte
	if c, err := fmt.Sscanf(s, "%d%c", &n, &unit); err != nil || c != 2 || n <= 0 || units[unit] == 0 || s != fmt.Sprintf("%d%c", n, unit) {
		r.fail(key, "invalid_max_age")
		return
	}
	*out = n * units[unit] * 1000
}

func (r *argReader) deadLetter(s *settings) {
	if v, ok := r.str("x-dead-letter-exchange"); ok {
		s.deadLetter = &v
	}
	if v, ok := r.str("x-dead-letter-routing-key"); ok {
		s.deadLetterKey = &v
		if s.deadLetter == nil {
			r.fail("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined")
		}
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// typeName is RabbitMQ's name of a field's type, as its error texts use it.
func typeName(v any) string {
	switch v.(type) {
	case bool:
		return "bool"
	case int8:
		return "byte"
	case uint8:
		return "unsignedbyte"
	case int16:
		return "short"
	case uint16:
		return "unsignedshort"
	case int32:
		return "signedint"
	case uint32:
		return "unsignedint"
	case int64, uint64:
		return "long"
	}
	return longTypeName(v)
}

func longTypeName(v any) string {
	switch v.(type) {
	case float32:
		return "float"
	case float64:
		return "double"
	case string:
		return "longstr"
	case []byte:
		return "binary"
	case wire.Table:
		return "table"
	case wire.Array:
		return "array"
	case wire.Timestamp:
		return "timestamp"
	case wire.Decimal:
		return "decimal"
	}
	return "void"
}
