package wire

import (
	"encoding/binary"
	"errors"
)

// codec walks over the arguments of one method, either reading them from in or appending them to out. A method
// names its arguments once, in visit, and the codec knows the direction.
type codec struct {
	reading bool
	in      []byte
	out     []byte
	err     error
}

var errShort = errors.New("method arguments are truncated")

// take returns the next n octets while reading, or nil once anything was missing.
func (c *codec) take(n int) []byte {
	if c.err != nil || len(c.in) < n {
		c.err = errShort
		return nil
	}
	b := c.in[:n]
	c.in = c.in[n:]
	return b
}

func (c *codec) octet(v *uint8) {
	if !c.reading {
		c.out = append(c.out, *v)
	} else if b := c.take(1); b != nil {
		*v = b[0]
	}
}

func (c *codec) short(v *uint16) {
	if !c.reading {
		c.out = binary.BigEndian.AppendUint16(c.out, *v)
	} else if b := c.take(2); b != nil {
		*v = binary.BigEndian.Uint16(b)
	}
}

func (c *codec) long(v *uint32) {
	if !c.reading {
		c.out = binary.BigEndian.AppendUint32(c.out, *v)
	} else if b := c.take(4); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

func (c *codec) longlong(v *uint64) {
	if !c.reading {
		c.out = binary.BigEndian.AppendUint64(c.out, *v)
	} else if b := c.take(8); b != nil {
		*v = binary.BigEndian.Uint64(b)
	}
}

func (c *codec) shortstr(v *string) {
	if !c.reading {
		c.out = appendShortStr(c.out, *v)
	} else if n := c.take(1); n != nil {
		*v = string(c.take(int(n[0])))
	}
}

func (c *codec) longstr(v *string) {
	if !c.reading {
		c.out = binary.BigEndian.AppendUint32(c.out, uint32(len(*v)))
		c.out = append(c.out, *v...)
	} else {
		*v = string(c.sized())
	}
}

func (c *codec) table(v *Table) {
	if !c.reading {
		c.out = AppendTable(c.out, *v)
		return
	}
	b := c.sized()
	if c.err == nil {
		*v, c.err = ParseTable(b)
	}
}

// sized reads a long string's octets.
func (c *codec) sized() []byte {
	n := c.take(4)
	if n == nil {
		return nil
	}
	size := binary.BigEndian.Uint32(n)
	if uint64(size) > uint64(len(c.in)) {
		c.err = errShort
		return nil
	}
	return c.take(int(size))
}

// bits packs up to eight flags into one octet, the first in the lowest bit.
func (c *codec) bits(flags ...*bool) {
	if c.reading {
		if b := c.take(1); b != nil {
			for i, f := range flags {
				*f = b[0]>>i&1 == 1
			}
		}
		return
	}
	var b byte
	for i, f := range flags {
		b |= boolOctet(*f) << i
	}
	c.out = append(c.out, b)
}

// Reserved arguments: read and ignored, written as zero.
func (c *codec) reservedShort()  { var v uint16; c.short(&v) }
func (c *codec) reservedString() { var v string; c.shortstr(&v) }
func (c *codec) reservedLong()   { var v string; c.longstr(&v) }
