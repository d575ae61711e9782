package wire

import (
	"encoding/binary"
	"errors"
)

// Properties are the 14 content properties of class basic. Has tells which are present: an absent one and an empty
// one are different things.
type Properties struct {
	Has             Flags
	ContentType     string
	ContentEncoding string
	Headers         Table
	DeliveryMode    uint8
	Priority        uint8
	CorrelationID   string
	ReplyTo         string
	Expiration      string
	MessageID       string
	Timestamp       uint64
	Type            string
	UserID          string
	AppID           string
	ClusterID       string
}

// Flags are the presence bits of Properties.
type Flags uint16

// The presence bit of each property.
const (
	HasContentType Flags = 1 << (15 - iota)
	HasContentEncoding
	HasHeaders
	HasDeliveryMode
	HasPriority
	HasCorrelationID
	HasReplyTo
	HasExpiration
	HasMessageID
	HasTimestamp
	HasType
	HasUserID
	HasAppID
	HasClusterID
)

var errProperties = errors.New("content properties are truncated")

// View is what a broker needs to know of encoded properties, found without decoding them all. The slices point into
// the encoded properties and are nil where a property is absent; Headers lacks its length prefix.
type View struct {
	Has          Flags
	DeliveryMode uint8
	Priority     uint8
	Headers      []byte
	ReplyTo      []byte
	Expiration   []byte
	UserID       []byte
}

// Scan walks over encoded properties and checks that they are whole.
func Scan(props []byte) (View, error) {
	c := codec{reading: true, in: props}
	var flags uint16
	c.short(&flags)
	if c.err != nil || flags&1 == 1 {
		return View{}, errProperties
	}
	v := View{Has: Flags(flags)}
	for bit := HasContentType; bit >= HasClusterID && c.err == nil; bit >>= 1 {
		if v.Has&bit != 0 {
			v.scan(&c, bit)
		}
	}
	if c.err != nil {
		return View{}, errProperties
	}
	return v, nil
}

func (v *View) scan(c *codec, bit Flags) {
	switch bit {
	case HasHeaders:
		v.Headers = c.sized()
	case HasDeliveryMode:
		c.octet(&v.DeliveryMode)
	case HasPriority:
		c.octet(&v.Priority)
	case HasTimestamp:
		c.take(8)
	case HasReplyTo:
		v.ReplyTo = c.shortBytes()
	case HasExpiration:
		v.Expiration = c.shortBytes()
	case HasUserID:
		v.UserID = c.shortBytes()
	default:
		c.shortBytes()
	}
}

// ParseProperties decodes encoded properties, flags first.
func ParseProperties(b []byte) (Properties, error) {
	c := codec{reading: true, in: b}
	var flags uint16
	c.short(&flags)
	if c.err != nil || flags&1 == 1 {
		return Properties{}, errProperties
	}
	p := Properties{Has: Flags(flags)}
	p.visit(&c)
	return p, c.err
}

// Append appends the encoded properties, flags first.
func (p *Properties) Append(b []byte) []byte {
	c := codec{out: binary.BigEndian.AppendUint16(b, uint16(p.Has))}
	p.visit(&c)
	return c.out
}

func (p *Properties) visit(c *codec) {
	p.str(c, HasContentType, &p.ContentType)
	p.str(c, HasContentEncoding, &p.ContentEncoding)
	if p.Has&HasHeaders != 0 {
		c.table(&p.Headers)
	}
	if p.Has&HasDeliveryMode != 0 {
		c.octet(&p.DeliveryMode)
	}
	if p.Has&HasPriority != 0 {
		c.octet(&p.Priority)
	}
	p.str(c, HasCorrelationID, &p.CorrelationID)
	p.str(c, HasReplyTo, &p.ReplyTo)
	p.str(c, HasExpiration, &p.Expiration)
	p.str(c, HasMessageID, &p.MessageID)
	if p.Has&HasTimestamp != 0 {
		c.longlong(&p.Timestamp)
	}
	p.str(c, HasType, &p.Type)
	p.str(c, HasUserID, &p.UserID)
	p.str(c, HasAppID, &p.AppID)
	p.str(c, HasClusterID, &p.ClusterID)
}

func (p *Properties) str(c *codec, bit Flags, v *string) {
	if p.Has&bit != 0 {
		c.shortstr(v)
	}
}

// SetHeaders replaces the headers; an empty table removes them.
func (p *Properties) SetHeaders(t Table) {
	p.Headers = t
	if len(t) > 0 {
		p.Has |= HasHeaders
	} else {
		p.Has &^= HasHeaders
	}
}
