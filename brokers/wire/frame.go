// Package wire is the AMQP 0-9-1 codec: frames, methods, content properties and field tables, as the specification's
// chapter 4 and RabbitMQ's errata describe them. It knows nothing of queues or connections.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The frame types.
const (
	FrameMethod    = 1
	FrameHeader    = 2
	FrameBody      = 3
	FrameHeartbeat = 8
)

// FrameOverhead is what a frame adds to its payload: seven octets before and the end octet.
const FrameOverhead = 8

const frameEnd = 0xCE

// readBuffer is the size of a Reader's buffer. Larger frames go through a scratch buffer of their own size.
const readBuffer = 16 << 10

// Frame is one frame. Payload is valid until the next call of Reader.Next.
type Frame struct {
	Type    uint8
	Channel uint16
	Payload []byte
}

// FrameError is a frame that breaks the framing, after which the stream cannot be trusted.
type FrameError struct {
	Frame  Frame
	Reason string
}

func (e *FrameError) Error() string {
	what, b := "all", e.Frame.Payload
	if len(b) > 16 {
		what, b = "first 16", b[:16]
	}
	return fmt.Sprintf("type %d, %s octets = %s: %s", e.Frame.Type, what, Binary(b), e.Reason)
}

// Binary renders octets the way RabbitMQ's error texts do: <<1,2,3>>.
func Binary(b []byte) string {
	out := []byte("<<")
	for i, c := range b {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, "%d", c)
	}
	return string(append(out, ">>"...))
}

// Reader reads frames from a connection.
type Reader struct {
	br      *bufio.Reader
	max     uint32
	scratch []byte
	held    int
}

// NewReader reads frames of at most max octets, overhead included; 0 is no limit but 128 MiB.
func NewReader(r io.Reader, max uint32) *Reader {
	rd := &Reader{br: bufio.NewReaderSize(r, readBuffer)}
	rd.SetMax(max)
	return rd
}

// SetMax changes the largest frame that is accepted, as negotiated.
func (r *Reader) SetMax(max uint32) {
	if max == 0 || max > 128<<20 {
		max = 128 << 20
	}
	r.max = max
}

// Protocol reads the eight octets with which a client opens the connection.
func (r *Reader) Protocol() ([8]byte, error) {
	var h [8]byte
	_, err := io.ReadFull(r.br, h[:])
	return h, err
}

// Buffered tells whether more input has already arrived. When it has not, Next may block.
func (r *Reader) Buffered() bool { return r.br.Buffered()-r.held >= FrameOverhead }

// Next returns the next frame. Its error is io.EOF at a clean end, a *FrameError for broken framing, or what the
// connection reported.
func (r *Reader) Next() (Frame, error) {
	if r.held > 0 {
		_, _ = r.br.Discard(r.held)
		r.held = 0
	}
	h, err := r.br.Peek(7)
	if err != nil {
		if len(h) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	f := Frame{Type: h[0], Channel: binary.BigEndian.Uint16(h[1:])}
	size := binary.BigEndian.Uint32(h[3:])
	// RabbitMQ lets clients exceed the frame size by one empty frame, since quite a few get it wrong.
	if size > r.max {
		return f, &FrameError{f, fmt.Sprintf("{frame_too_large,%d,%d}", size, r.max-FrameOverhead)}
	}
	b, err := r.payload(int(size))
	if err != nil {
		return f, err
	}
	f.Payload = b[:size]
	if b[size] != frameEnd {
		return f, &FrameError{f, fmt.Sprintf("{invalid_frame_end_marker,%d}", b[size])}
	}
	return f, nil
}

// payload returns size octets and the frame's end octet.
func (r *Reader) payload(size int) ([]byte, error) {
	if whole := 7 + size + 1; whole <= readBuffer {
		b, err := r.br.Peek(whole)
		if err != nil {
			return nil, noEOF(err)
		}
		r.held = whole
		return b[7:], nil
	}
	_, _ = r.br.Discard(7)
	if cap(r.scratch) < size+1 {
		r.scratch = nil
	}
	// Grown as the octets arrive, so that a header alone cannot make us allocate what it promises.
	b := r.scratch[:0]
	for len(b) < size+1 {
		n := min(size+1-len(b), max(64<<10, cap(b)-len(b)))
		at := len(b)
		b = append(b, make([]byte, n)...)
		if _, err := io.ReadFull(r.br, b[at:]); err != nil {
			return nil, noEOF(err)
		}
	}
	if cap(b) <= 256<<10 {
		r.scratch = b
	}
	return b, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// beginFrame appends a frame's head and returns where its payload starts; endFrame completes it.
func beginFrame(b []byte, kind uint8, channel uint16) ([]byte, int) {
	b = append(b, kind, byte(channel>>8), byte(channel), 0, 0, 0, 0)
	return b, len(b)
}

func endFrame(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at-4:], uint32(len(b)-at))
	return append(b, frameEnd)
}

// AppendHeartbeat appends a heartbeat frame.
func AppendHeartbeat(b []byte) []byte {
	return append(b, FrameHeartbeat, 0, 0, 0, 0, 0, 0, frameEnd)
}

// AppendContent appends the header frame and the body frames of a content of class basic. props are the encoded
// properties, flags first; no frame exceeds frameMax octets, overhead included (0 is no limit).
func AppendContent(b []byte, channel uint16, props, body []byte, frameMax uint32) []byte {
	b, at := beginFrame(b, FrameHeader, channel)
	b = append(b, 0, 60, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(len(body)))
	b = endFrame(append(b, props...), at)
	chunk := len(body)
	if frameMax > 0 {
		chunk = min(chunk, int(frameMax)-FrameOverhead)
	}
	for len(body) > 0 {
		n := min(chunk, len(body))
		b, at = beginFrame(b, FrameBody, channel)
		b = endFrame(append(b, body[:n]...), at)
		body = body[n:]
	}
	return b
}

// AppendDeliver appends a basic.deliver method frame: the broker's most frequent one, without an allocation.
func AppendDeliver(b []byte, channel uint16, consumerTag string, tag uint64, redelivered bool, exchange, key string) []byte {
	b, at := beginFrame(b, FrameMethod, channel)
	b = append(b, 0, 60, 0, 60)
	b = appendShortStr(b, consumerTag)
	b = binary.BigEndian.AppendUint64(b, tag)
	b = append(b, boolOctet(redelivered))
	b = appendShortStr(b, exchange)
	b = appendShortStr(b, key)
	return endFrame(b, at)
}

// Publish is a basic.publish whose names still point into the frame.
type Publish struct {
	Exchange, RoutingKey []byte
	Mandatory, Immediate bool
}

// ParsePublish decodes the payload of a basic.publish frame without an allocation.
func ParsePublish(payload []byte) (Publish, error) {
	c := codec{reading: true, in: payload}
	c.take(6)
	var p Publish
	p.Exchange = c.shortBytes()
	p.RoutingKey = c.shortBytes()
	c.bits(&p.Mandatory, &p.Immediate)
	return p, c.err
}

func (c *codec) shortBytes() []byte {
	n := c.take(1)
	if n == nil {
		return nil
	}
	return c.take(int(n[0]))
}

// ContentHeader is the payload of a content header frame.
type ContentHeader struct {
	Class      uint16
	BodySize   uint64
	Properties []byte // encoded, flags first
}

// ParseContentHeader decodes the payload of a header frame; Properties points into it.
func ParseContentHeader(payload []byte) (ContentHeader, error) {
	if len(payload) < 14 {
		return ContentHeader{}, errShort
	}
	return ContentHeader{
		Class:      binary.BigEndian.Uint16(payload),
		BodySize:   binary.BigEndian.Uint64(payload[4:]),
		Properties: payload[12:],
	}, nil
}

// Deliver is a basic.deliver or basic.get-ok whose names still point into the frame.
type Deliver struct {
	Tag                  uint64
	Redelivered          bool
	Exchange, RoutingKey []byte
}

// ParseDeliver decodes the payload of a basic.deliver frame without an allocation.
func ParseDeliver(payload []byte) (Deliver, error) {
	c := codec{reading: true, in: payload}
	c.take(4)
	c.shortBytes() // the consumer's tag
	return c.deliver()
}

// ParseGetOk decodes the payload of a basic.get-ok frame without an allocation.
func ParseGetOk(payload []byte) (Deliver, error) {
	c := codec{reading: true, in: payload}
	c.take(4)
	return c.deliver()
}

func (c *codec) deliver() (Deliver, error) {
	var d Deliver
	c.longlong(&d.Tag)
	c.bits(&d.Redelivered)
	d.Exchange = c.shortBytes()
	d.RoutingKey = c.shortBytes()
	return d, c.err
}

// AppendPublish appends a basic.publish method frame: a publisher's most frequent one, without an allocation.
func AppendPublish(b []byte, channel uint16, exchange, key string, mandatory bool) []byte {
	b, at := beginFrame(b, FrameMethod, channel)
	b = append(b, 0, 60, 0, 40, 0, 0)
	b = appendShortStr(b, exchange)
	b = appendShortStr(b, key)
	return endFrame(append(b, boolOctet(mandatory)), at)
}

// The methods that clients and brokers handle by their number, before they decode them.
const (
	IDBasicReturn  ID = 60<<16 | 50
	IDBasicDeliver ID = 60<<16 | 60
	IDBasicGetOk   ID = 60<<16 | 71
	IDBasicAck     ID = 60<<16 | 80
	IDBasicNack    ID = 60<<16 | 120
)
