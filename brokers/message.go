package brokers

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"msdev/brokers/wire"
)

type (
	// Headers are a message's headers, in AMQP's types: see wire.Field. A Kafka header's value is always a []byte, and its null
	// a nil one, while an AMQP void is the nil interface.
	Headers = wire.Table
	// Header is one of them.
	Header = wire.Field
	// Array is a header that is a list.
	Array = wire.Array
	// Timestamp is a header that is a time, in seconds since 1970.
	Timestamp = wire.Timestamp
	// Decimal is a header that is a decimal number.
	Decimal = wire.Decimal
	// Properties are a message's properties beside its headers.
	Properties = wire.Properties
)

// Message is one message or record as it was on the wire, of either kind of broker, with where it was found.
type Message struct {
	Kind     Kind
	Time     time.Time // zero where nobody knows; see TimeKind
	TimeKind TimeKind

	Key     []byte  // Kafka: nil is null, which is something else than empty
	Headers Headers // in order, with duplicates and types
	Body    []byte  // nil is Kafka's null value (a tombstone); RabbitMQ's is never nil
	// Properties are RabbitMQ's; Has tells which of them are present. Its Headers is not used: the message's are above,
	// and HasHeaders tells whether there is a table at all, be it empty.
	Properties Properties

	// Where it was found, RabbitMQ: the exchange and routing key that it was published with, and the queue it is in (peeked,
	// taken), or the queues that it went to (firehose).
	Exchange   string
	RoutingKey string
	Queue      string
	Routed     []string // firehose: the queues that took it; empty and not nil is unroutable
	// Kafka. Offset is a stream's as well; -1 where there is none.
	Topic     string
	Partition int32
	Offset    int64

	// Event tells what of the message was seen.
	Event Event
	// From is the client that published it or, with EventDelivered, that got it, as the firehose names it: "10.0.0.3:51000 ->
	// 10.0.0.2:5672". User is whom it was logged in as.
	From, User string

	Redelivered bool
	// Deliveries is how often a quorum queue has handed it out in vain (x-delivery-count), and Budget how often it may yet
	// until it is dead-lettered or dropped. -1 is unknown or without limit.
	Deliveries, Budget int64
	// Aborted tells that its transaction was aborted: committed readers never see it. Open: not yet ended.
	Aborted, Open bool
	Transactional bool // Kafka: sent in a transaction
}

// TimeKind says whose clock Message.Time is of.
type TimeKind uint8

// The kinds of times.
const (
	TimeNone     TimeKind = iota
	TimeCreated           // what the producer said (Kafka's CreateTime, AMQP's timestamp property with its whole seconds)
	TimeAppended          // when the broker appended it
	TimeSeen              // when msdev saw it pass
)

// Event is what of a message was seen.
type Event uint8

// The events.
const (
	EventPublished Event = iota // it came in, or it is there
	EventDelivered              // firehose: it went to a consumer of Queue
)

// Size is about how much memory the message takes.
func (m *Message) Size() int {
	size := 480 + len(m.Key) + len(m.Body)
	for _, h := range m.Headers {
		size += 48 + len(h.Key) + valueSize(h.Value)
	}
	return size
}

func valueSize(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	case Headers:
		size := 0
		for _, h := range v {
			size += 48 + len(h.Key) + valueSize(h.Value)
		}
		return size
	case Array:
		size := 0
		for _, e := range v {
			size += 16 + valueSize(e)
		}
		return size
	}
	return 8
}

// Clone returns a copy that shares no bytes with m.
func (m *Message) Clone() Message {
	c := *m
	c.Key, c.Body = bytes.Clone(m.Key), bytes.Clone(m.Body)
	c.Routed = slices.Clone(m.Routed)
	c.Headers = slices.Clone(m.Headers)
	for i, h := range c.Headers {
		if b, ok := h.Value.([]byte); ok {
			c.Headers[i].Value = bytes.Clone(b)
		}
	}
	return c
}

// Header returns the value of the first header of that name.
func (m *Message) Header(name string) (any, bool) { return m.Headers.Get(name) }

// HeaderText returns the first header of that name where it is text: an AMQP string, or bytes.
func (m *Message) HeaderText(name string) string {
	switch v, _ := m.Headers.Get(name); v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Trace returns the W3C trace id that the message bears, 32 hex digits, or "". It looks at traceparent and at the headers of
// Zipkin (b3, X-B3-TraceId) and Jaeger (uber-trace-id).
func (m *Message) Trace() string {
	for i := range m.Headers {
		if id := traceOf(&m.Headers[i]); id != "" {
			return id
		}
	}
	return ""
}

func traceOf(h *Header) string {
	switch len(h.Key) {
	case len("b3"), len("traceparent"), len("X-B3-TraceId"), len("uber-trace-id"), len("trace_id"), len("traceid"):
	default:
		return "" // as most headers
	}
	name := strings.ToLower(h.Key)
	switch name {
	case "traceparent", "b3", "x-b3-traceid", "uber-trace-id", "trace_id", "trace-id", "traceid":
	default:
		return ""
	}
	var text string
	switch v := h.Value.(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	}
	if name == "traceparent" { // version-trace-parent-flags
		if len(text) < 55 || text[2] != '-' || text[35] != '-' {
			return ""
		}
		return traceID(text[3:35])
	}
	if end := strings.IndexAny(text, "-:"); end > 0 {
		text = text[:end]
	}
	return traceID(text)
}

// traceID brings a trace id into W3C's form: the 64 bits of Zipkin and Jaeger are padded with zeros.
func traceID(text string) string {
	if len(text) == 16 {
		text = "0000000000000000" + text
	}
	if len(text) != 32 || strings.Trim(text, "0") == "" || strings.Trim(text, "0123456789abcdefABCDEF") != "" {
		return ""
	}
	return strings.ToLower(text)
}
