package brokers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unsafe"

	"msdev/brokers/wire"
)

// binaryVersion begins a message in binary form.
const binaryVersion = 1

// The bits of a message in binary form.
const (
	bitRedelivered = 1 << iota
	bitAborted
	bitOpen
	bitTransactional
	bitRouted // Routed is not nil
)

// AppendBinary appends the message in a compact form that loses nothing, for the journal and for other processes of msdev of the
// same version. Files have a form of their own, which stays.
func (m *Message) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, binaryVersion)
	b = appendText(b, string(m.Kind))
	stamp := int64(math.MinInt64)
	if !m.Time.IsZero() {
		stamp = m.Time.UnixNano()
	}
	b = binary.AppendVarint(b, stamp)
	b = append(b, byte(m.TimeKind), byte(m.Event), m.bits())
	b = appendBytes(b, m.Key)
	b = appendBytes(b, m.Body)
	if m.Kind == Kafka {
		b = binary.AppendUvarint(b, uint64(len(m.Headers)))
		for i := range m.Headers {
			value, ok := m.Headers[i].Value.([]byte)
			if !ok {
				return nil, fmt.Errorf("the header %q of a Kafka record is no bytes, but %T", m.Headers[i].Key, m.Headers[i].Value)
			}
			b = appendText(b, m.Headers[i].Key)
			b = appendBytes(b, value)
		}
	} else {
		p := m.Properties
		p.Headers = nil // they follow
		b = appendSized(b, p.Append)
		b = appendSized(b, func(b []byte) []byte { return wire.AppendTable(b, m.Headers) })
	}
	for _, text := range []string{m.Exchange, m.RoutingKey, m.Queue, m.Topic, m.From, m.User} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Routed)))
	for _, queue := range m.Routed {
		b = appendText(b, queue)
	}
	for _, n := range []int64{int64(m.Partition), m.Offset, m.Deliveries, m.Budget} {
		b = binary.AppendVarint(b, n)
	}
	return b, nil
}

func (m *Message) bits() byte {
	var bits byte
	for i, set := range []bool{m.Redelivered, m.Aborted, m.Open, m.Transactional, m.Routed != nil} {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

// UnmarshalBinary reads what AppendBinary has made. The message shares no bytes with data.
func (m *Message) UnmarshalBinary(data []byte) error { return m.read(binaryReader{rest: data}) }

// ViewBinary is UnmarshalBinary for a look: the message is good for as long as nobody changes data, and no longer.
func (m *Message) ViewBinary(data []byte) error { return m.read(binaryReader{rest: data, view: true}) }

func (m *Message) read(r binaryReader) error {
	if v := r.octet(); v != binaryVersion {
		return fmt.Errorf("a message of version %d is of another msdev", v)
	}
	*m = Message{Kind: Kind(r.text())}
	if stamp := r.number(); stamp != math.MinInt64 {
		m.Time = time.Unix(0, stamp)
	}
	m.TimeKind, m.Event = TimeKind(r.octet()), Event(r.octet())
	bits := r.octet()
	m.Redelivered, m.Aborted = bits&bitRedelivered != 0, bits&bitAborted != 0
	m.Open, m.Transactional = bits&bitOpen != 0, bits&bitTransactional != 0
	m.Key, m.Body = r.bytes(), r.bytes()
	if m.Kind == Kafka {
		r.records(m)
	} else {
		r.properties(m)
	}
	for _, text := range []*string{&m.Exchange, &m.RoutingKey, &m.Queue, &m.Topic, &m.From, &m.User} {
		*text = r.text()
	}
	count := r.count()
	if bits&bitRouted != 0 {
		m.Routed = make([]string, 0, count)
	}
	for range count {
		m.Routed = append(m.Routed, r.text())
	}
	m.Partition, m.Offset = int32(r.number()), r.number()
	m.Deliveries, m.Budget = r.number(), r.number()
	return r.err
}

// records reads the headers of a Kafka record.
func (r *binaryReader) records(m *Message) {
	if n := r.count(); n > 0 {
		m.Headers = make(Headers, 0, n)
		for range n {
			key := r.text()
			m.Headers = append(m.Headers, Header{Key: key, Value: r.bytes()})
		}
	}
}

// properties reads what RabbitMQ's messages have. The table stands apart, as it may be there and empty.
func (r *binaryReader) properties(m *Message) {
	p, table := r.bytes(), r.bytes()
	if r.err != nil {
		return
	}
	if m.Properties, r.err = wire.ParseProperties(p); r.err != nil {
		return
	}
	m.Properties.Headers = nil
	if len(table) < 4 {
		r.err = errBinary
		return
	}
	m.Headers, r.err = wire.ParseTable(table[4:])
	if len(m.Headers) == 0 {
		m.Headers = nil
	}
}

var errBinary = errors.New("a message in binary form is cut off")

// appendBytes appends nil and empty bytes as what they are.
func appendBytes(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(v))+1)
	return append(b, v...)
}

// appendSized is appendBytes of what add appends, which is never nil.
func appendSized(b []byte, add func([]byte) []byte) []byte {
	at := len(b)
	b = add(append(b, 0))
	size := uint64(len(b) - at)
	if size < 0x80 {
		b[at] = byte(size)
		return b
	}
	var head [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(head[:], size)
	b = append(b, head[1:n]...) // room
	copy(b[at+n:], b[at+1:len(b)-n+1])
	copy(b[at:], head[:n])
	return b
}

func appendText(b []byte, v string) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// binaryReader reads until its first error.
type binaryReader struct {
	rest []byte
	view bool // what is read lies in rest
	err  error
}

func (r *binaryReader) octet() byte {
	if len(r.rest) == 0 {
		r.err = errBinary
		return 0
	}
	v := r.rest[0]
	r.rest = r.rest[1:]
	return v
}

func (r *binaryReader) number() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.err, r.rest = errBinary, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads how many of something follow: never more than there are bytes.
func (r *binaryReader) count() int {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > uint64(len(r.rest)) {
		r.err, r.rest = errBinary, nil
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}

func (r *binaryReader) bytes() []byte {
	n := r.count()
	if n == 0 {
		return nil
	}
	if n-1 > len(r.rest) {
		r.err, r.rest = errBinary, nil
		return nil
	}
	v := r.rest[: n-1 : n-1]
	if !r.view {
		v = append(make([]byte, 0, n-1), v...)
	}
	r.rest = r.rest[n-1:]
	return v
}

func (r *binaryReader) text() string {
	n := r.count()
	if n > len(r.rest) {
		r.err, r.rest = errBinary, nil
		return ""
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	if r.view {
		return unsafe.String(unsafe.SliceData(b), n) // as long as b stays as it is, it is a string
	}
	return string(b)
}
