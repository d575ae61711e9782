package front

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"sync"
)

// The frames of HTTP/2 that tell where a request begins and ends (RFC 9113, 6).
const (
	frameData    = 0x0
	frameHeaders = 0x1
	frameReset   = 0x3
	framePing    = 0x6
	frameGoAway  = 0x7

	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
)

// streamed is a connection of HTTP/2 whose frames pass as they are. When its version is replaced, the caller is told to connect
// again for what is new. An answer to a ping that goes out behind that word tells that the caller has heard it, so that from
// then on the connection ends with its last stream.
type streamed struct {
	version *Version
	caller  *side
	behind  *side
	leave   chan struct{} // closed when its version is replaced
	greeted chan struct{} // closed when the caller has the first frame, which is to be a SETTINGS of what is behind

	out  sync.Mutex // held while a frame, or a block of headers, goes to the caller
	mu   sync.Mutex
	open map[uint32]bool // streams without an end
	told bool            // the ping is out
	left bool            // the caller has heard it
	over bool
}

// heardPing marks the ping that is the switch's own.
var heardPing = [8]byte{'m', 's', 'd', 'e', 'v', 0xf0, 0x0d, 0x01}

// passHTTP2 passes a connection on until it has ended. The version counts it already.
func (s *Switch) passHTTP2(caller *side, to *link, v *Version) {
	c := &streamed{version: v, caller: caller, behind: to.side, leave: make(chan struct{}), greeted: make(chan struct{}), open: map[uint32]bool{}}
	v.mu.Lock()
	if v.retired { // in the meantime
		v.active++
		close(c.leave)
	}
	v.streams[c] = true
	v.mu.Unlock()
	var work sync.WaitGroup
	over := make(chan struct{})
	work.Go(func() {
		select {
		case <-c.leave:
		case <-over:
			return
		}
		select {
		case <-c.greeted:
			c.tell()
		case <-over:
		}
	})
	v.count(-1) // its streams count from here on
	work.Go(func() {
		c.answers()
		_ = c.caller.CloseWrite()
	})
	if err := c.requests(); errors.Is(err, io.EOF) {
		_ = c.behind.CloseWrite()
	} else {
		_ = c.behind.Close()
	}
	close(over)
	work.Wait()
	c.forget()
	v.count(1) // as it came
}

// forget takes the connection, and what was left of it, out of its version's count.
func (c *streamed) forget() {
	c.mu.Lock()
	n := len(c.open)
	c.over = true
	left := c.left
	c.mu.Unlock()
	c.version.mu.Lock()
	defer c.version.mu.Unlock()
	delete(c.version.streams, c)
	if c.version.retired && !left {
		n++
	}
	c.version.active -= n
	c.version.settle()
}

// tell has the caller connect again for new requests.
func (c *streamed) tell() {
	goAway := binary.BigEndian.AppendUint32(frame(8, frameGoAway, 0), math.MaxInt32) // all streams that are under way are taken
	goAway = binary.BigEndian.AppendUint32(goAway, 0)                                // no error
	ping := append(frame(8, framePing, 0), heardPing[:]...)
	c.mu.Lock()
	c.told = true
	c.mu.Unlock()
	c.out.Lock()
	defer c.out.Unlock()
	_, _ = c.caller.w.Write(append(goAway, ping...))
	_ = c.caller.w.Flush() // a caller that is gone is found out by who reads from it
}

func frame(length int, kind, flags byte) []byte {
	return []byte{byte(length >> 16), byte(length >> 8), byte(length), kind, flags, 0, 0, 0, 0}
}

// header is the head of a frame.
type header [9]byte

func (h header) length() int64  { return int64(h[0])<<16 | int64(h[1])<<8 | int64(h[2]) }
func (h header) stream() uint32 { return binary.BigEndian.Uint32(h[5:]) & math.MaxInt32 }
func (h header) has(flag byte) bool {
	return h[4]&flag != 0
}

func readHeader(r *bufio.Reader) (h header, err error) {
	_, err = io.ReadFull(r, h[:])
	return h, err
}

// requests passes the caller's frames on until the caller has ended. What nobody is there to take any more is read all the same:
// an end with something unread would take the last answers back (TCP resets).
func (c *streamed) requests() error {
	err := copyBytes(c.behind.w, c.caller.r, int64(len(preface)))
	for err == nil {
		err = c.request()
	}
	if c.behindIsGone(err) {
		_, err = io.Copy(io.Discard, c.caller.r)
	}
	return err
}

// errBehind is an error of the connection to what is behind.
type errBehind struct{ error }

func (c *streamed) behindIsGone(err error) bool {
	var gone errBehind
	return errors.As(err, &gone)
}

// request passes one frame of the caller on.
func (c *streamed) request() error {
	if err := flushBefore(c.behind.w, c.caller.r); err != nil {
		return errBehind{err}
	}
	h, err := readHeader(c.caller.r)
	if err != nil || c.heard(h) {
		return err
	}
	switch h[3] {
	case frameHeaders:
		c.begins(h.stream())
	case frameReset:
		c.ends(h.stream())
	}
	if err := c.forward(c.behind, c.caller, h); err != nil {
		return errBehind{err} // or the caller's, and then there is nothing to read any more
	}
	return nil
}

// answers passes on the frames of what is behind.
func (c *streamed) answers() {
	first := true
	for {
		if _, err := c.behind.r.Peek(1); err != nil {
			return
		}
		if !c.answer() {
			return
		}
		if first {
			close(c.greeted)
			first = false
		}
	}
}

// answer passes one frame on, with the frames that belong to the same block of headers.
func (c *streamed) answer() bool {
	c.out.Lock()
	defer c.out.Unlock()
	for inBlock := true; inBlock; {
		h, err := readHeader(c.behind.r)
		if err == nil {
			err = c.forward(c.caller, c.behind, h)
		}
		last := h[3] == frameReset || h.has(flagEndStream) && (h[3] == frameData || h[3] == frameHeaders)
		if last || c.behind.r.Buffered() == 0 {
			err = errors.Join(err, c.caller.w.Flush())
		}
		if err != nil {
			return false
		}
		if last {
			c.ends(h.stream())
		}
		inBlock = (h[3] == frameHeaders || h[3] == frameContinuation) && !h.has(flagEndHeaders)
	}
	return true
}

func (c *streamed) forward(to, from *side, h header) error {
	if _, err := to.w.Write(h[:]); err != nil {
		return err
	}
	return copyBytes(to.w, from.r, h.length())
}

func (c *streamed) begins(stream uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open[stream] && !c.over {
		c.open[stream] = true
		c.version.count(1)
	}
}

// ends notes the end of a stream: its answer is complete, or it was given up.
func (c *streamed) ends(stream uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open[stream] || c.over {
		return
	}
	delete(c.open, stream)
	c.version.count(-1)
	c.finish()
}

// heard takes the answer to the switch's own ping out of the caller's frames.
func (c *streamed) heard(h header) bool {
	if h[3] != framePing || !h.has(flagAck) || h.length() != int64(len(heardPing)) {
		return false
	}
	payload, err := c.caller.r.Peek(len(heardPing))
	if err != nil || !bytes.Equal(payload, heardPing[:]) {
		return false
	}
	_, _ = c.caller.r.Discard(len(heardPing)) // it is buffered
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told && !c.left && !c.over {
		c.left = true
		c.version.count(-1)
		c.finish()
	}
	return true
}

// finish ends a connection that its caller has left, with its last stream. c.mu is held.
func (c *streamed) finish() {
	if c.left && len(c.open) == 0 {
		_ = c.behind.CloseWrite() // its end comes back behind the last answer
	}
}
