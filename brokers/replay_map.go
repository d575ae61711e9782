package brokers

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"msdev/brokers/wire"
)

// MappingKind is how a Replay finds the target of a message.
type MappingKind string

// The mappings.
const (
	ToSame   MappingKind = ""       // where it was published: exchange and routing key, or topic
	ToOrigin MappingKind = "origin" // a dead letter: where it was published first, to all that get it there
	ToQueue  MappingKind = "queue"  // RabbitMQ: the queue alone in which it was, or in which it died
	ToHome   MappingKind = "home"   // RabbitMQ: the queue alone in which it was found, dead letter or not
	ToOther  MappingKind = "other"  // an exchange or topic that is named
)

// Mapping says where the messages of a Replay go.
type Mapping struct {
	Kind       MappingKind `json:"kind,omitempty"`
	Exchange   string      `json:"exchange,omitempty"`   // ToOther, RabbitMQ
	RoutingKey *string     `json:"routingKey,omitempty"` // ToOther, RabbitMQ; nil: the message's own, for a record its key
	Topic      string      `json:"topic,omitempty"`      // ToOther, Kafka
	Queue      string      `json:"queue,omitempty"`      // ToQueue: another queue than the message's
	Partition  *int32      `json:"partition,omitempty"`  // Kafka: this one
	// SamePartition keeps a record in the partition that it came from; else its key chooses, as Java's client does.
	SamePartition bool `json:"samePartition,omitempty"`
	KeepTime      bool `json:"keepTime,omitempty"` // Kafka: the message's own time; retention may remove it at once
}

// HeaderPolicy is what of a message's headers and properties a Replay keeps. The zero value strips what brokers wrote when
// they dead-lettered or delivered the message, and leaves all else byte for byte.
type HeaderPolicy struct {
	KeepBroker bool     `json:"keepBroker,omitempty"` // keep x-death and its like
	RenewTrace bool     `json:"renewTrace,omitempty"` // a new trace id in traceparent, and none in other trace headers
	RenewID    bool     `json:"renewId,omitempty"`    // a new message-id
	DropUser   bool     `json:"dropUser,omitempty"`   // without user-id, which a broker compares with who sends
	Drop       []string `json:"drop,omitempty"`       // headers that are left out
	Marker     string   `json:"marker,omitempty"`     // a header of this name says that it is a replay, with Run as its value
	Run        string   `json:"run,omitempty"`
}

// brokerHeaders are written by brokers and by what dead-letters for them; a * stands for the rest of a name.
var brokerHeaders = []string{
	"x-death", "x-first-death-*", "x-last-death-*", "x-delivery-count", "x-acquired-count", "x-stream-offset",
	"kafka_dlt-*", "kafka_original-*", "x-original-topic", "x-original-partition", "x-original-offset", "x-original-timestamp",
	"x-original-timestamp-type", "x-exception-*", "__connect.errors.*",
}

func covers(pattern, name string) bool {
	if prefix, open := strings.CutSuffix(pattern, "*"); open {
		return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
	}
	return strings.EqualFold(pattern, name)
}

func coveredBy(patterns []string, name string) bool {
	for _, p := range patterns {
		if covers(p, name) {
			return true
		}
	}
	return false
}

// apply changes m, whose headers are its own.
func (p *HeaderPolicy) apply(m *Message) {
	kept := make(Headers, 0, len(m.Headers)+1)
	for _, h := range m.Headers {
		switch {
		case !p.KeepBroker && coveredBy(brokerHeaders, h.Key), coveredBy(p.Drop, h.Key):
			continue
		case p.RenewTrace && strings.EqualFold(h.Key, "traceparent"):
			h.Value = sameType(h.Value, newTraceparent())
		case p.RenewTrace && traceOf(&h) != "":
			continue
		}
		kept = append(kept, h)
	}
	stripped := len(kept) < len(m.Headers)
	if p.Marker != "" {
		kept = append(kept, Header{Key: p.Marker, Value: ofKind(m.Kind, p.Run)})
	}
	m.Headers = kept
	if m.Kind != RabbitMQ {
		return
	}
	switch {
	case len(kept) > 0:
		m.Properties.Has |= wire.HasHeaders
	case stripped: // the table came with what was stripped
		m.Properties.Has &^= wire.HasHeaders
	}
	if p.RenewID {
		m.Properties.Has |= wire.HasMessageID
		m.Properties.MessageID = randomHex(16)
	}
	if p.DropUser {
		m.Properties.Has &^= wire.HasUserID
		m.Properties.UserID = ""
	}
}

func ofKind(k Kind, text string) any {
	if k == Kafka {
		return []byte(text)
	}
	return text
}

func sameType(v any, text string) any {
	if _, raw := v.([]byte); raw {
		return []byte(text)
	}
	return text
}

func newTraceparent() string { return "00-" + randomHex(16) + "-" + randomHex(8) + "-01" }

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

// maker turns what was found into what is sent.
type maker struct {
	mapping Mapping
	policy  HeaderPolicy
	edit    func(*Outgoing) error
	kind    Kind // of the broker that it is sent to
}

func (r *Replay) maker() (maker, error) {
	m := maker{mapping: r.Target, policy: r.Policy, edit: r.Edit, kind: r.To.Info().Kind}
	switch {
	case (m.mapping.Kind == ToQueue || m.mapping.Kind == ToHome) && m.kind != RabbitMQ:
		return m, errors.New("Kafka has no queues\nName a topic to send to.")
	case m.mapping.Kind == ToOther && m.kind == Kafka && m.mapping.Topic == "":
		return m, errors.New("the topic to send to is missing")
	}
	return m, nil
}

func (k *maker) make(it *item) error {
	m := *it.found // nothing below changes what it points to
	if k.edit != nil {
		m = it.found.Clone()
	}
	target, err := k.target(&m)
	if err != nil {
		return err
	}
	k.policy.apply(&m)
	if m.Kind != k.kind {
		m = convert(&m, k.kind)
	}
	it.out = Outgoing{To: target, Message: &m}
	if k.edit == nil {
		return nil
	}
	return k.edit(&it.out)
}

func (k *maker) target(m *Message) (Target, error) {
	if k.kind == Kafka {
		return k.topic(m)
	}
	switch k.mapping.Kind {
	case ToOther:
		key := m.RoutingKey
		if m.Kind == Kafka {
			key = string(m.Key)
		}
		if k.mapping.RoutingKey != nil {
			key = *k.mapping.RoutingKey
		}
		return Target{Exchange: k.mapping.Exchange, RoutingKey: key}, nil
	case ToQueue, ToHome:
		queue := k.mapping.Queue
		if origin, dead := OriginOf(m); queue == "" && dead && k.mapping.Kind == ToQueue {
			queue = origin.Queue
		}
		if queue == "" {
			queue = m.Queue
		}
		if queue == "" {
			return Target{}, errors.New("nothing tells which queue it was in\nName the queue to send to.")
		}
		return Target{RoutingKey: queue}, nil
	}
	if m.Kind != RabbitMQ {
		return Target{}, errors.New("a Kafka record has no exchange\nName the exchange to send to.")
	}
	if k.mapping.Kind == ToOrigin {
		origin, dead := OriginOf(m)
		if !dead {
			return Target{}, errNoOrigin
		}
		return origin.Target, nil
	}
	return Target{Exchange: m.Exchange, RoutingKey: m.RoutingKey}, nil
}

var errNoOrigin = errors.New("it bears no header that tells where it died\nName the target to send to.")

func (k *maker) topic(m *Message) (Target, error) {
	t := Target{Topic: m.Topic, Partition: k.mapping.Partition, KeepTime: k.mapping.KeepTime}
	partition := m.Partition
	switch {
	case k.mapping.Kind == ToOther:
		t.Topic = k.mapping.Topic
	case m.Kind != Kafka:
		return t, errors.New("a RabbitMQ message has no topic\nName the topic to send to.")
	case k.mapping.Kind == ToOrigin:
		origin, dead := OriginOf(m)
		if !dead {
			return t, errNoOrigin
		}
		t.Topic = origin.Target.Topic
		if origin.Target.Partition != nil {
			partition = *origin.Target.Partition
		}
	}
	if t.Partition == nil && k.mapping.SamePartition && m.Kind == Kafka {
		t.Partition = &partition
	}
	return t, nil
}

// Headers that carry to RabbitMQ what it has no place for.
const (
	keyHeader       = "kafka.key"       // a record's key
	tombstoneHeader = "kafka.tombstone" // true: its value was null
)

// convert makes a message of one kind of broker into one of the other, as docs/messages.md states it.
func convert(m *Message, to Kind) Message {
	out := Message{Kind: to, Time: m.Time, TimeKind: m.TimeKind, Body: m.Body, Offset: -1, Deliveries: -1, Budget: -1}
	if to == Kafka {
		toKafka(m, &out)
	} else {
		toRabbitMQ(m, &out)
	}
	return out
}

func toKafka(m, out *Message) {
	if m.RoutingKey != "" {
		out.Key = []byte(m.RoutingKey)
	}
	for _, h := range m.Headers {
		switch h.Key {
		case keyHeader:
			out.Key = headerBytes(h.Value)
			continue
		case tombstoneHeader:
			out.Body = nil
			continue
		}
		out.Headers = append(out.Headers, Header{Key: h.Key, Value: headerBytes(h.Value)})
	}
	for _, c := range textProperties {
		if !c.carried || m.Properties.Has&c.bit == 0 {
			continue
		}
		if _, taken := m.Headers.Get(c.name); !taken {
			out.Headers = append(out.Headers, Header{Key: c.name, Value: []byte(*c.text(&m.Properties))})
		}
	}
}

// headerBytes is an AMQP value as the bytes of a Kafka header: texts and bytes as they are, numbers and truth values as
// JSON writes them, lists and tables in the form of message files.
func headerBytes(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	case []byte:
		return v
	case bool:
		return strconv.AppendBool(nil, v)
	case Headers, Array:
		b, err := json.Marshal(fieldOf(v, "string").Value)
		if err != nil {
			return nil
		}
		return b
	case Decimal:
		return fmt.Appendf(nil, "%de-%d", v.Value, v.Scale)
	}
	return fmt.Append(nil, v)
}

func toRabbitMQ(m, out *Message) {
	p := &out.Properties
	for _, h := range m.Headers {
		raw, _ := h.Value.([]byte)
		if !asProperty(p, h.Key, raw) {
			out.Headers = append(out.Headers, Header{Key: h.Key, Value: headerValue(raw)})
		}
	}
	if m.Key != nil {
		out.Headers = append(out.Headers, Header{Key: keyHeader, Value: headerValue(m.Key)})
	}
	if m.Body == nil {
		out.Headers = append(out.Headers, Header{Key: tombstoneHeader, Value: true})
		out.Body = []byte{}
	}
	if len(out.Headers) > 0 {
		p.Has |= wire.HasHeaders
	}
	p.Has |= wire.HasDeliveryMode // records are kept, so the message is persistent
	p.DeliveryMode = 2
}

// asProperty takes the first header of a carried name for the property, if it fits into one.
func asProperty(p *Properties, name string, raw []byte) bool {
	for _, c := range textProperties {
		if c.carried && c.name == name && p.Has&c.bit == 0 && raw != nil && len(raw) <= 255 && utf8.Valid(raw) {
			p.Has |= c.bit
			*c.text(p) = string(raw)
			return true
		}
	}
	return false
}

func headerValue(raw []byte) any {
	switch {
	case raw == nil:
		return nil
	case utf8.Valid(raw) && bytes.IndexByte(raw, 0) < 0:
		return string(raw)
	}
	return raw
}
