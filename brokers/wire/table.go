package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Table is an AMQP field table. The order of the fields and duplicate keys are kept, because a message's headers
// must leave the broker as they came.
type Table []Field

// Field is one named value of a Table. The Go type of Value fixes the type on the wire:
//
//	bool t · int8 b · uint8 B · int16 s · uint16 u · int32 I · uint32 i · int64 l · uint64 L · float32 f · float64 d
//	Decimal D · string S · []byte x · Array A · Timestamp T · Table F · nil V
type Field struct {
	Key   string
	Value any
}

// Array is an AMQP field array.
type Array []any

// Timestamp is an AMQP timestamp: seconds since 1970.
type Timestamp uint64

// Decimal is an AMQP decimal: Value divided by ten to the power of Scale.
type Decimal struct {
	Scale uint8
	Value uint32
}

// maxDepth bounds how deeply tables and arrays may nest, so that a hostile frame cannot exhaust the stack.
const maxDepth = 64

// UnknownField is the error of a field whose type octet AMQP 0-9-1 does not know.
type UnknownField struct{ Type byte }

func (e UnknownField) Error() string { return fmt.Sprintf("unknown field type %q", e.Type) }

var errTruncated = errors.New("field table is truncated")

// Get returns the value of the first field with the given key.
func (t Table) Get(key string) (any, bool) {
	for i := range t {
		if t[i].Key == key {
			return t[i].Value, true
		}
	}
	return nil, false
}

// With returns a table where key has the value, replacing the first such field or appending one.
// The receiver is not changed.
func (t Table) With(key string, value any) Table {
	out := make(Table, len(t), len(t)+1)
	copy(out, t)
	for i := range out {
		if out[i].Key == key {
			out[i].Value = value
			return out
		}
	}
	return append(out, Field{key, value})
}

// Without returns a table that lacks every field with the given key. The receiver is not changed.
func (t Table) Without(key string) Table {
	out := make(Table, 0, len(t))
	for _, f := range t {
		if f.Key != key {
			out = append(out, f)
		}
	}
	return out
}

// Integer returns a field's value as a whole number, where it is one of any width. What is more than an int64 holds is the most that
// one does.
func Integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int8:
		return int64(n), true
	case uint8:
		return int64(n), true
	case int16:
		return int64(n), true
	case uint16:
		return int64(n), true
	case int32:
		return int64(n), true
	case uint32:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(min(n, math.MaxInt64)), true
	}
	return 0, false
}

// ParseTable decodes the fields of a table, without its length prefix.
func ParseTable(b []byte) (Table, error) { return parseTable(b, 0) }

func parseTable(b []byte, depth int) (Table, error) {
	if depth > maxDepth {
		return nil, errors.New("field table is nested too deeply")
	}
	t := Table{}
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < 2+n {
			return nil, errTruncated
		}
		key := string(b[1 : 1+n])
		v, rest, err := parseValue(b[1+n:], depth)
		if err != nil {
			return nil, err
		}
		t = append(t, Field{key, v})
		b = rest
	}
	return t, nil
}

func parseArray(b []byte, depth int) (Array, error) {
	if depth > maxDepth {
		return nil, errors.New("field array is nested too deeply")
	}
	a := Array{}
	for len(b) > 0 {
		v, rest, err := parseValue(b, depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
		b = rest
	}
	return a, nil
}

// fixedSize tells how many octets follow the type octet of a value of fixed length, or -1.
func fixedSize(kind byte) int {
	switch kind {
	case 'V':
		return 0
	case 't', 'b', 'B':
		return 1
	case 's', 'u':
		return 2
	case 'I', 'i', 'f':
		return 4
	case 'D':
		return 5
	case 'l', 'L', 'd', 'T':
		return 8
	}
	return -1
}

func parseValue(b []byte, depth int) (any, []byte, error) {
	if len(b) == 0 {
		return nil, nil, errTruncated
	}
	kind, b := b[0], b[1:]
	if n := fixedSize(kind); n >= 0 {
		if len(b) < n {
			return nil, nil, errTruncated
		}
		return parseFixed(kind, b[:n]), b[n:], nil
	}
	if len(b) < 4 {
		return nil, nil, errTruncated
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, errTruncated
	}
	v, err := parseSized(kind, b[:n], depth)
	return v, b[n:], err
}

func parseFixed(kind byte, b []byte) any {
	switch kind {
	case 't':
		return b[0] != 0
	case 'b':
		return int8(b[0])
	case 'B':
		return b[0]
	case 's':
		return int16(binary.BigEndian.Uint16(b))
	case 'u':
		return binary.BigEndian.Uint16(b)
	case 'I':
		return int32(binary.BigEndian.Uint32(b))
	case 'i':
		return binary.BigEndian.Uint32(b)
	case 'l':
		return int64(binary.BigEndian.Uint64(b))
	case 'L':
		return binary.BigEndian.Uint64(b)
	case 'f':
		return math.Float32frombits(binary.BigEndian.Uint32(b))
	case 'd':
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	case 'D':
		return Decimal{b[0], binary.BigEndian.Uint32(b[1:])}
	case 'T':
		return Timestamp(binary.BigEndian.Uint64(b))
	}
	return nil
}

func parseSized(kind byte, b []byte, depth int) (any, error) {
	switch kind {
	case 'S':
		return string(b), nil
	case 'x':
		return append([]byte{}, b...), nil
	case 'F':
		return parseTable(b, depth+1)
	case 'A':
		return parseArray(b, depth+1)
	}
	return nil, UnknownField{kind}
}

// AppendTable appends the table with its length prefix.
func AppendTable(b []byte, t Table) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, f := range t {
		b = appendShortStr(b, f.Key)
		b = appendValue(b, f.Value)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendArray(b []byte, a Array) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, v := range a {
		b = appendValue(b, v)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendValue(b []byte, v any) []byte {
	be := binary.BigEndian
	switch v := v.(type) {
	case bool:
		return append(b, 't', boolOctet(v))
	case int8:
		return append(b, 'b', byte(v))
	case uint8:
		return append(b, 'B', v)
	case int16:
		return be.AppendUint16(append(b, 's'), uint16(v))
	case uint16:
		return be.AppendUint16(append(b, 'u'), v)
	case int32:
		return be.AppendUint32(append(b, 'I'), uint32(v))
	case uint32:
		return be.AppendUint32(append(b, 'i'), v)
	case int64:
		return be.AppendUint64(append(b, 'l'), uint64(v))
	case uint64:
		return be.AppendUint64(append(b, 'L'), v)
	case float32:
		return be.AppendUint32(append(b, 'f'), math.Float32bits(v))
	case float64:
		return be.AppendUint64(append(b, 'd'), math.Float64bits(v))
	}
	return appendLongValue(b, v)
}

func appendLongValue(b []byte, v any) []byte {
	be := binary.BigEndian
	switch v := v.(type) {
	case string:
		return append(be.AppendUint32(append(b, 'S'), uint32(len(v))), v...)
	case []byte:
		return append(be.AppendUint32(append(b, 'x'), uint32(len(v))), v...)
	case Decimal:
		return be.AppendUint32(append(b, 'D', v.Scale), v.Value)
	case Timestamp:
		return be.AppendUint64(append(b, 'T'), uint64(v))
	case Table:
		return AppendTable(append(b, 'F'), v)
	case Array:
		return appendArray(append(b, 'A'), v)
	}
	return append(b, 'V')
}

func boolOctet(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func appendShortStr(b []byte, s string) []byte {
	if len(s) > 255 {
		s = s[:255]
	}
	return append(append(b, byte(len(s))), s...)
}
