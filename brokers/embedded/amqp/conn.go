package amqp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"msdev/brokers/wire"
)

// What the broker offers in connection.tune.
const (
	offerChannelMax = 2047
	offerFrameMax   = 131072
	offerHeartbeat  = 60
	minFrameMax     = 4096
)

const (
	handshakeTimeout = 10 * time.Second
	closeTimeout     = 3 * time.Second // for the client's answer to connection.close
)

// conn is one client's connection. Its reader, the goroutine of serve, runs the methods of all its channels; its
// writer sends the outbox.
type conn struct {
	broker *Broker
	nc     net.Conn
	name   string
	rd     *wire.Reader
	out    *outbox
	wakes  wakes // of the reader
	since  time.Time
	done   chan struct{}

	user       *user
	mechanism  string
	vhost      *vhost
	properties wire.Table // the client's
	channelMax uint16
	frameMax   uint32
	cancels    bool         // the client understands consumer_cancel_notify
	blockable  bool         // and connection.blocked
	refusable  bool         // and authentication_failure_close
	heartbeat  atomic.Int64 // nanoseconds
	received   atomic.Uint64
	opened     atomic.Bool
	forced     atomic.Pointer[Error]
	publishes  uint64 // of the reader

	mu       sync.Mutex
	channels map[uint16]*channel
	owned    map[*queue]struct{} // exclusive queues
}

func newConn(b *Broker, nc net.Conn) *conn {
	c := &conn{broker: b, nc: nc, out: newOutbox(), since: time.Now(), done: make(chan struct{}),
		name:       fmt.Sprintf("%s -> %s", nc.RemoteAddr(), nc.LocalAddr()),
		channelMax: offerChannelMax, frameMax: offerFrameMax,
		channels: map[uint16]*channel{}, owned: map[*queue]struct{}{}}
	c.rd = wire.NewReader((*deadlineReader)(c), offerFrameMax)
	return c
}

// deadlineReader reads from the connection. It gives up after two heartbeats of silence.
type deadlineReader conn

func (r *deadlineReader) Read(p []byte) (int, error) {
	c := (*conn)(r)
	if hb := time.Duration(c.heartbeat.Load()); hb > 0 {
		_ = c.nc.SetReadDeadline(time.Now().Add(2*hb + hb/2))
		if c.heartbeat.Load() == 0 { // forced to end meanwhile
			_ = c.nc.SetReadDeadline(time.Now())
		}
	}
	n, err := c.nc.Read(p)
	c.received.Add(uint64(n))
	return n, err
}

// serve runs the connection to its end.
func (c *conn) serve() {
	var writer sync.WaitGroup
	writer.Go(func() { c.out.run(c.nc, func() time.Duration { return time.Duration(c.heartbeat.Load()) }) })
	err := c.handshake()
	if err == nil {
		c.opened.Store(true)
		err = c.loop()
	}
	c.cleanup()
	c.end(err)
	c.out.close()
	_ = c.nc.SetWriteDeadline(time.Now().Add(closeTimeout))
	writer.Wait()
	_ = c.nc.Close()
	close(c.done)
}

// loop reads frames until the connection ends. Between bursts of input it lets the writers go.
func (c *conn) loop() error {
	for {
		if !c.rd.Buffered() {
			c.wakes.flush()
			if c.forced.Load() != nil {
				return c.forced.Load()
			}
		}
		c.out.waitRoom()
		f, err := c.rd.Next()
		if err != nil {
			return c.readError(err)
		}
		if done, err := c.frame(f); err != nil || done {
			c.wakes.flush()
			return err
		}
	}
}

// readError tells broken framing and a forced end from a connection that is just gone.
func (c *conn) readError(err error) error {
	var broken *wire.FrameError
	if errors.As(err, &broken) {
		return fail(codeFrameError, "%s", broken.Error())
	}
	if forced := c.forced.Load(); forced != nil {
		return forced
	}
	return err
}

// frame handles one frame; done after the client closed the connection.
func (c *conn) frame(f wire.Frame) (done bool, err error) {
	switch f.Type {
	case wire.FrameHeartbeat:
		if f.Channel != 0 {
			return false, unexpectedFrame(f)
		}
		return false, nil
	case wire.FrameMethod, wire.FrameHeader, wire.FrameBody:
	default:
		return false, fail(codeFrameError, "%s", (&wire.FrameError{Frame: f, Reason: "unknown_frame"}).Error())
	}
	if f.Channel == 0 {
		if f.Type != wire.FrameMethod {
			return false, unexpectedFrame(f)
		}
		return c.control(f.Payload)
	}
	ch, e := c.channel(f.Channel)
	if e == nil {
		e = ch.frame(f)
	}
	if e != nil {
		return false, e
	}
	return false, nil
}

func unexpectedFrame(f wire.Frame) *Error {
	what, b := "all", f.Payload
	if len(b) > 16 {
		what, b = "first 16", b[:16]
	}
	return fail(codeUnexpectedFrame, "type %d, %s octets = %s", f.Type, what, wire.Binary(b))
}

// channel finds a channel, or makes one that expects channel.open.
func (c *conn) channel(id uint16) (*channel, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.channels[id]; ch != nil {
		return ch, nil
	}
	if c.channelMax > 0 && len(c.channels) >= int(c.channelMax) || c.channelMax > 0 && id > c.channelMax {
		return nil, fail(codeNotAllowed, "number of channels opened (%d) has reached the negotiated channel_max (%d)",
			len(c.channels), c.channelMax)
	}
	ch := newChannel(c, id)
	c.channels[id] = ch
	return ch, nil
}

// control handles a method of channel 0 on an open connection.
func (c *conn) control(payload []byte) (done bool, err error) {
	m, e := wire.Parse(payload)
	if e != nil {
		return false, parseError(payload, e)
	}
	switch m := m.(type) {
	case *wire.ConnectionClose:
		c.cleanup()
		c.out.method(&c.wakes, 0, &wire.ConnectionCloseOk{})
		return true, nil
	case *wire.ConnectionUpdateSecret:
		if c.user.check(m.NewSecret) {
			c.out.method(&c.wakes, 0, &wire.ConnectionUpdateSecretOk{})
			return false, nil
		}
		return false, fail(codeNotAllowed, "New secret was refused by one of the backends")
	case *wire.ConnectionBlocked, *wire.ConnectionUnblocked:
		return false, nil
	}
	return false, fail(codeChannelError, "unexpected method in connection state running")
}

// parseError turns a method that cannot be decoded into an exception.
func parseError(payload []byte, err error) *Error {
	id, _ := wire.ParseID(payload)
	var unknown wire.UnknownMethod
	var field wire.UnknownField
	if errors.As(err, &unknown) {
		return &Error{Code: codeCommandInvalid, Text: unknown.Error(), Method: id}
	}
	if errors.As(err, &field) {
		return &Error{Code: codeSyntaxError, Text: field.Error(), Method: id}
	}
	return &Error{Code: codeFrameError, Text: err.Error(), Method: id}
}

// force ends the connection from outside.
func (c *conn) force(why string) {
	c.forced.CompareAndSwap(nil, fail(codeConnectionForced, "%s", why))
	c.heartbeat.Store(0)
	_ = c.nc.SetReadDeadline(time.Now())
}

// end says why the connection ends, if that is the broker's doing, and waits for the client's answer.
func (c *conn) end(err error) {
	var e *Error
	if !errors.As(err, &e) {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			c.broker.logger.Debug("a connection ended", "conn", c.name, "err", err)
		}
		return
	}
	c.broker.logger.Info("closing a connection", "conn", c.name, "err", e)
	c.out.method(nil, 0, &wire.ConnectionClose{Code: e.Code, Text: e.reply(), ClassID: e.Method.Class(), MethodID: e.Method.Number()})
	c.heartbeat.Store(0)
	_ = c.nc.SetReadDeadline(time.Now().Add(closeTimeout))
	_ = c.nc.SetWriteDeadline(time.Now().Add(closeTimeout))
	if e.Code == codeFrameError {
		_, _ = io.Copy(io.Discard, c.nc) // the stream is out of step: wait for the client to hang up
		return
	}
	for {
		f, err := c.rd.Next()
		if err != nil {
			return
		}
		if f.Type != wire.FrameMethod || f.Channel != 0 {
			continue
		}
		m, err := wire.Parse(f.Payload)
		if err != nil {
			continue
		}
		switch m.(type) {
		case *wire.ConnectionCloseOk:
			return
		case *wire.ConnectionClose:
			c.out.method(nil, 0, &wire.ConnectionCloseOk{})
			return
		}
	}
}

// cleanup ends the channels and deletes the exclusive queues.
func (c *conn) cleanup() {
	c.mu.Lock()
	channels := c.channels
	c.channels = map[uint16]*channel{}
	c.mu.Unlock()
	for _, ch := range channels {
		ch.shut(&c.wakes)
	}
	c.mu.Lock()
	owned := make([]*queue, 0, len(c.owned))
	for q := range c.owned {
		owned = append(owned, q)
	}
	c.mu.Unlock()
	for _, q := range owned {
		q.vhost.removeQueue(q, &c.wakes)
	}
	c.wakes.flush()
}

func (c *conn) own(q *queue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owned[q] = struct{}{}
}

func (c *conn) disown(q *queue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.owned, q)
}

func (c *conn) drop(ch *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels[ch.id] == ch {
		delete(c.channels, ch.id)
	}
}

// announce tells a client that publishes are held up, or not any more.
func (c *conn) announce(blocked bool) {
	if !c.opened.Load() || !c.blockable {
		return
	}
	if blocked {
		c.out.method(nil, 0, &wire.ConnectionBlocked{Reason: "low on memory"})
	} else {
		c.out.method(nil, 0, &wire.ConnectionUnblocked{})
	}
}

// breathe holds the reader up while messages take too much memory: until there is enough again at the limit, and for
// a moment before, when the queues have consumers that cannot keep up.
func (c *conn) breathe(fed bool) {
	b := c.broker
	if b.pressed.Load() {
		c.wakes.flush()
		c.awaitRelief()
		return
	}
	over := b.memory.Load() - slowAbove
	if c.publishes++; over < 0 || !fed || c.publishes%slowEvery != 0 {
		return
	}
	c.wakes.flush()
	time.Sleep(min(slowMost, time.Millisecond<<(over/slowStep)))
}

func (c *conn) awaitRelief() {
	for c.forced.Load() == nil && !c.broker.isClosed() {
		relief := c.broker.relieved()
		if relief == nil {
			return
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-relief:
		case <-timer.C: // look whether the connection was forced to end
		}
		timer.Stop()
	}
}
