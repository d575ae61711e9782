package decode

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"time"
)

func (a *attempt) msgpack(reason string) (Result, bool) {
	p := packed{in: a.Body}
	out, err := p.value(nil, 0)
	if err != nil || len(p.in) > 0 {
		return Result{}, false
	}
	return a.structured(MsgPack, "", reason, out), true
}

// packed reads MessagePack (github.com/msgpack/msgpack/blob/master/spec.md) and writes JSON, keeping the order of
// maps. Every element takes at least one byte of input, so output stays proportional to it.
type packed struct{ in []byte }

func (p *packed) take(n uint64) ([]byte, error) {
	if n > uint64(len(p.in)) {
		return nil, errTorn
	}
	b := p.in[:n]
	p.in = p.in[n:]
	return b, nil
}

// uint reads a big-endian number of 1, 2, 4 or 8 bytes.
func (p *packed) uint(size int) (uint64, error) {
	b, err := p.take(uint64(size))
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[8-size:], b)
	return binary.BigEndian.Uint64(wide[:]), nil
}

func (p *packed) value(out []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	first, err := p.uint(1)
	if err != nil {
		return nil, err
	}
	switch c := byte(first); {
	case c <= 0x7f:
		return strconv.AppendUint(out, uint64(c), 10), nil
	case c >= 0xe0:
		return strconv.AppendInt(out, int64(int8(c)), 10), nil
	case c <= 0x8f:
		return p.mapping(out, uint64(c&0x0f), depth)
	case c <= 0x9f:
		return p.list(out, uint64(c&0x0f), depth)
	case c <= 0xbf:
		return p.str(out, uint64(c&0x1f))
	default:
		return p.typed(out, c, depth)
	}
}

// typed reads a value whose first byte only names its type.
func (p *packed) typed(out []byte, c byte, depth int) ([]byte, error) {
	switch {
	case c == 0xc0:
		return append(out, "null"...), nil
	case c == 0xc2 || c == 0xc3:
		return strconv.AppendBool(out, c == 0xc3), nil
	case c >= 0xd4 && c <= 0xd8:
		return p.ext(out, 1<<(c-0xd4))
	case c == 0xc1:
		return nil, errors.New("0xc1 starts no MessagePack value")
	}
	kind := kindOf[c-0xc4]
	n, err := p.uint(kind.size)
	if err != nil {
		return nil, err
	}
	switch kind.kind {
	case 'b':
		b, err := p.take(n)
		return bytesValue(out, b), err
	case 'e':
		return p.ext(out, n)
	case 'f':
		if kind.size == 4 {
			return floatValue(out, float64(math.Float32frombits(uint32(n))), 32), nil
		}
		return floatValue(out, math.Float64frombits(n), 64), nil
	case 'u':
		return strconv.AppendUint(out, n, 10), nil
	case 'i':
		shift := 64 - 8*kind.size
		return strconv.AppendInt(out, int64(n)<<shift>>shift, 10), nil
	case 's':
		return p.str(out, n)
	case 'a':
		return p.list(out, n, depth)
	}
	return p.mapping(out, n, depth)
}

// kindOf tells, for the first bytes 0xc4 to 0xdf, what follows: a kind, and how many bytes its number or length has.
var kindOf = [...]struct {
	kind byte
	size int
}{
	{'b', 1}, {'b', 2}, {'b', 4}, {'e', 1}, {'e', 2}, {'e', 4}, {'f', 4}, {'f', 8},
	{'u', 1}, {'u', 2}, {'u', 4}, {'u', 8}, {'i', 1}, {'i', 2}, {'i', 4}, {'i', 8},
	{}, {}, {}, {}, {}, // 0xd4 to 0xd8: extensions of a fixed length
	{'s', 1}, {'s', 2}, {'s', 4}, {'a', 2}, {'a', 4}, {'m', 2}, {'m', 4},
}

func (p *packed) str(out []byte, n uint64) ([]byte, error) {
	b, err := p.take(n)
	if err != nil {
		return nil, err
	}
	return quote(out, string(b)), nil
}

func (p *packed) list(out []byte, n uint64, depth int) ([]byte, error) {
	out = append(out, '[')
	var err error
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = p.value(out, depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func (p *packed) mapping(out []byte, n uint64, depth int) ([]byte, error) {
	out = append(out, '{')
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := p.value(nil, depth+1)
		if err != nil {
			return nil, err
		}
		if out, err = p.value(member(out, name), depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// ext reads an extension: the timestamp that the specification defines, or a type and its bytes.
func (p *packed) ext(out []byte, n uint64) ([]byte, error) {
	kind, err := p.uint(1)
	if err != nil {
		return nil, err
	}
	b, err := p.take(n)
	if err != nil {
		return nil, err
	}
	if t, ok := packedTime(b); ok && int8(kind) == -1 {
		return quote(out, t.UTC().Format(time.RFC3339Nano)), nil
	}
	out = append(out, `{"$ext":`...)
	out = strconv.AppendInt(out, int64(int8(kind)), 10)
	return append(bytesValue(append(out, `,"data":`...), b), '}'), nil
}

func packedTime(b []byte) (time.Time, bool) {
	switch len(b) {
	case 4:
		return time.Unix(int64(binary.BigEndian.Uint32(b)), 0), true
	case 8:
		n := binary.BigEndian.Uint64(b)
		return time.Unix(int64(n&(1<<34-1)), int64(n>>34)), true
	case 12:
		return time.Unix(int64(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint32(b))), true
	}
	return time.Time{}, false
}
