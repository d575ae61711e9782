package decode

import (
	"errors"
	"math"
	"math/big"
	"strconv"
)

func (a *attempt) cbor(reason string) (Result, bool) {
	c := concise{packed{in: a.Body}}
	out, err := c.value(nil, 0)
	if err != nil || len(c.in) > 0 {
		return Result{}, false
	}
	return a.structured(CBOR, "", reason, out), true
}

// concise reads CBOR (RFC 8949) and writes JSON, keeping the order of maps. Tags are dropped, but for big numbers.
type concise struct{ packed }

// The major types of RFC 8949, section 3.1.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

const cborBreak = 0xff

var errCBOR = errors.New("not CBOR")

// head reads the first byte and its argument. endless tells of an indefinite length.
func (c *concise) head() (major byte, arg uint64, info byte, err error) {
	first, err := c.uint(1)
	if err != nil {
		return 0, 0, 0, err
	}
	major, info = byte(first)>>5, byte(first)&0x1f
	switch {
	case info < 24:
		return major, uint64(info), info, nil
	case info < 28:
		arg, err = c.uint(1 << (info - 24))
		return major, arg, info, err
	case info == endless && major >= cborBytes && major <= cborMap:
		return major, math.MaxUint64, info, nil
	}
	return 0, 0, 0, errCBOR
}

// endless is the additional information of a value that ends with a break.
const endless = 31

func (c *concise) value(out []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	major, arg, info, err := c.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case cborUint:
		return strconv.AppendUint(out, arg, 10), nil
	case cborNegative:
		n := new(big.Int).SetUint64(arg)
		return n.Not(n).Append(out, 10), nil
	case cborBytes, cborText:
		b, err := c.chunks(major, arg, info)
		if err != nil {
			return nil, err
		}
		if major == cborText {
			return quote(out, string(b)), nil
		}
		return bytesValue(out, b), nil
	case cborArray:
		return c.list(out, arg, info, depth)
	case cborMap:
		return c.mapping(out, arg, info, depth)
	case cborTag:
		return c.tagged(out, arg, depth)
	}
	return c.simple(out, arg, info)
}

// chunks reads a string of known length, or the pieces of one that ends with a break.
func (c *concise) chunks(major byte, n uint64, info byte) ([]byte, error) {
	if info != endless {
		return c.take(n)
	}
	var all []byte
	for !c.ended() {
		m, n, info, err := c.head()
		if err != nil || m != major || info == endless {
			return nil, errCBOR
		}
		b, err := c.take(n)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

// ended takes the break that ends a value of unknown length, if it is next.
func (c *concise) ended() bool {
	if len(c.in) > 0 && c.in[0] == cborBreak {
		c.in = c.in[1:]
		return true
	}
	return false
}

func (c *concise) list(out []byte, n uint64, info byte, depth int) ([]byte, error) {
	out = append(out, '[')
	var err error
	for i := uint64(0); i < n && (info != endless || !c.ended()); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = c.value(out, depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func (c *concise) mapping(out []byte, n uint64, info byte, depth int) ([]byte, error) {
	out = append(out, '{')
	for i := uint64(0); i < n && (info != endless || !c.ended()); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := c.value(nil, depth+1)
		if err != nil {
			return nil, err
		}
		if out, err = c.value(member(out, name), depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// tagged shows a tag's content. Tags 2 and 3 are whole numbers of any size.
func (c *concise) tagged(out []byte, tag uint64, depth int) ([]byte, error) {
	if tag != 2 && tag != 3 || len(c.in) == 0 || c.in[0]>>5 != cborBytes {
		return c.value(out, depth+1)
	}
	_, n, info, err := c.head()
	if err != nil {
		return nil, err
	}
	b, err := c.chunks(cborBytes, n, info)
	if err != nil {
		return nil, err
	}
	if len(b) > 128 { // digits of a longer one help nobody, and take time squared to find
		return bytesValue(out, b), nil
	}
	big := new(big.Int).SetBytes(b)
	if tag == 3 {
		big.Not(big)
	}
	return big.Append(out, 10), nil
}

func (c *concise) simple(out []byte, arg uint64, info byte) ([]byte, error) {
	switch info {
	case 20, 21:
		return strconv.AppendBool(out, info == 21), nil
	case 22, 23: // null and undefined
		return append(out, "null"...), nil
	case 25:
		return floatValue(out, halfFloat(uint16(arg)), 32), nil
	case 26:
		return floatValue(out, float64(math.Float32frombits(uint32(arg))), 32), nil
	case 27:
		return floatValue(out, math.Float64frombits(arg), 64), nil
	}
	return quote(out, "simple("+strconv.FormatUint(arg, 10)+")"), nil
}

// halfFloat widens a binary16 number (RFC 8949, appendix D).
func halfFloat(h uint16) float64 {
	exp, mant := int(h>>10)&0x1f, float64(h&0x3ff)
	f := math.Ldexp(mant+1024, exp-25)
	switch {
	case exp == 0:
		f = math.Ldexp(mant, -24)
	case exp == 31 && mant == 0:
		f = math.Inf(1)
	case exp == 31:
		f = math.NaN()
	}
	if h&0x8000 != 0 {
		f = -f
	}
	return f
}
