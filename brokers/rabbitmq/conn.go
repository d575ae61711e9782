package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"msdev/brokers/wire"
)

// A conn is one AMQP 0-9-1 connection. It is a client of our own because libraries decode headers into maps, which forget
// their order, duplicates and several types. Two goroutines belong to it and end with it: one reads frames and gives them to
// their channel, the other writes what gathered.
type conn struct {
	nc        net.Conn
	reader    *wire.Reader
	frameMax  uint32
	heartbeat time.Duration
	product   string
	version   string

	mu       sync.Mutex
	out      []byte        // what is to be written
	room     chan struct{} // closed when out was taken
	channels map[uint16]*channel
	err      error // why it ended

	wake   chan struct{} // the writer has work
	done   chan struct{} // it has ended
	alive  atomic.Bool   // a frame came since the last heartbeat
	closed chan struct{} // the broker agreed to the end
	work   sync.WaitGroup
}

// place is where and as whom to connect.
type place struct {
	address, user, password, vhost string
	tls                            *tls.Config
	dial                           func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	connectTimeout = 15 * time.Second
	closeTimeout   = 2 * time.Second
	mostBuffered   = 256 << 10 // a sender waits when so many bytes wait to be written
	wantHeartbeat  = 10        // s
)

var errGone = errors.New("the broker closed the connection")

// brokerError is what the broker says when it closes a channel or a connection.
type brokerError struct {
	code uint16
	text string
}

func (e *brokerError) Error() string { return fmt.Sprintf("the broker says %d: %s", e.code, e.text) }

// saidCode tells whether err is the broker's with that reply code.
func saidCode(err error, code uint16) bool {
	var said *brokerError
	return errors.As(err, &said) && said.code == code
}

// connect opens a connection. ctx bounds the opening alone.
func connect(ctx context.Context, at place, name string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := at.dial(ctx, "tcp", at.address)
	if err != nil {
		return nil, err
	}
	if at.tls != nil {
		nc = tls.Client(nc, at.tls)
	}
	c := &conn{nc: nc, reader: wire.NewReader(nc, 0), channels: map[uint16]*channel{},
		wake: make(chan struct{}, 1), done: make(chan struct{}), closed: make(chan struct{}), room: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = c.open(at, name)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, errors.Join(err, nc.Close())
	}
	c.work.Go(c.read)
	c.work.Go(c.write)
	return c, nil
}

// open shakes hands.
func (c *conn) open(at place, name string) error {
	if _, err := c.nc.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	start, err := expect[*wire.ConnectionStart](c)
	if err != nil {
		return fmt.Errorf("no AMQP 0-9-1 broker answers: %w", err)
	}
	if v, ok := start.ServerProperties.Get("product"); ok {
		c.product, _ = v.(string)
	}
	if v, ok := start.ServerProperties.Get("version"); ok {
		c.version, _ = v.(string)
	}
	mechanism, response := "PLAIN", "\x00"+at.user+"\x00"+at.password
	if at.user == "" && at.tls != nil {
		mechanism, response = "EXTERNAL", ""
	}
	err = c.tell(&wire.ConnectionStartOk{Mechanism: mechanism, Response: response, Locale: "en_US", ClientProperties: wire.Table{
		{Key: "product", Value: product}, {Key: "connection_name", Value: name},
		{Key: "capabilities", Value: wire.Table{
			{Key: "publisher_confirms", Value: true}, {Key: "basic.nack", Value: true}, {Key: "consumer_cancel_notify", Value: true},
			{Key: "exchange_exchange_bindings", Value: true}, {Key: "connection.blocked", Value: true},
			{Key: "authentication_failure_close", Value: true},
		}},
	}})
	if err != nil {
		return err
	}
	tune, err := expect[*wire.ConnectionTune](c)
	if err != nil {
		return err
	}
	c.frameMax = tune.FrameMax
	beat := min(tune.Heartbeat, wantHeartbeat)
	c.heartbeat = time.Duration(beat) * time.Second
	c.reader.SetMax(tune.FrameMax)
	if err := c.tell(&wire.ConnectionTuneOk{ChannelMax: tune.ChannelMax, FrameMax: tune.FrameMax, Heartbeat: beat}); err != nil {
		return err
	}
	if err := c.tell(&wire.ConnectionOpen{VirtualHost: at.vhost}); err != nil {
		return err
	}
	_, err = expect[*wire.ConnectionOpenOk](c)
	return err
}

// tell writes a method of the handshake.
func (c *conn) tell(m wire.Method) error {
	_, err := c.nc.Write(wire.AppendMethod(nil, 0, m))
	return err
}

// expect reads the next method of the handshake.
func expect[M wire.Method](c *conn) (M, error) {
	var none M
	for {
		f, err := c.reader.Next()
		if errors.Is(err, io.EOF) {
			err = errGone
		}
		if err != nil {
			return none, err
		}
		if f.Type != wire.FrameMethod {
			continue
		}
		m, err := wire.Parse(f.Payload)
		if err != nil {
			return none, err
		}
		switch m := m.(type) {
		case M:
			return m, nil
		case *wire.ConnectionClose:
			return none, &brokerError{m.Code, m.Text}
		default:
			return none, fmt.Errorf("the broker sent %T during the handshake", m)
		}
	}
}

// read takes frames until the connection ends.
func (c *conn) read() {
	err := c.readFrames()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = errGone
	}
	c.end(err)
}

func (c *conn) readFrames() error {
	for {
		f, err := c.reader.Next()
		if err != nil {
			return err
		}
		c.alive.Store(true)
		switch {
		case f.Type == wire.FrameHeartbeat:
			continue
		case f.Channel == 0:
			if err := c.control(f); err != nil {
				return err
			}
			continue
		}
		c.mu.Lock()
		ch := c.channels[f.Channel]
		c.mu.Unlock()
		if ch == nil {
			continue // of a channel that was just closed
		}
		if err := ch.frame(f); err != nil {
			return err
		}
		if !c.reader.Buffered() && ch.idle != nil {
			ch.idle()
		}
	}
}

// control handles what the broker says of the connection.
func (c *conn) control(f wire.Frame) error {
	m, err := wire.Parse(f.Payload)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.ConnectionClose:
		_, _ = c.nc.Write(wire.AppendMethod(nil, 0, &wire.ConnectionCloseOk{}))
		return &brokerError{m.Code, m.Text}
	case *wire.ConnectionCloseOk:
		close(c.closed)
		return io.EOF
	}
	return nil // connection.blocked: TCP holds publishers back anyway
}

// post has bytes written, once what waits is not too much.
func (c *conn) post(b []byte) error {
	c.mu.Lock()
	for len(c.out) > mostBuffered {
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-c.done:
		}
		c.mu.Lock()
		if c.err != nil {
			break
		}
	}
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.out = append(c.out, b...)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// postNow has bytes written without waiting, for the goroutine that reads.
func (c *conn) postNow(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, b...)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends what gathers, and heartbeats where nothing does.
func (c *conn) write() {
	var beat <-chan time.Time
	if c.heartbeat > 0 {
		tick := time.NewTicker(c.heartbeat / 2)
		defer tick.Stop()
		beat = tick.C
	}
	var spare []byte
	silent := 0
	for {
		select {
		case <-c.done:
			return
		case <-beat:
			if silent++; c.alive.Swap(false) {
				silent = 0
			}
			if silent > 5 { // two and a half heartbeats
				_ = c.nc.Close()
				return
			}
			spare = wire.AppendHeartbeat(spare[:0])
			if _, err := c.nc.Write(spare); err != nil {
				_ = c.nc.Close()
				return
			}
			continue
		case <-c.wake:
		}
		c.mu.Lock()
		b := c.out
		c.out = spare[:0]
		close(c.room)
		c.room = make(chan struct{})
		c.mu.Unlock()
		if _, err := c.nc.Write(b); err != nil {
			_ = c.nc.Close()
			return
		}
		if spare = b; cap(spare) > 4*mostBuffered {
			spare = nil
		}
	}
}

// end tells all channels that the connection is over.
func (c *conn) end(err error) {
	c.mu.Lock()
	c.err = err
	channels := c.channels
	c.channels = map[uint16]*channel{}
	c.mu.Unlock()
	_ = c.nc.Close()
	close(c.done)
	for _, ch := range channels {
		ch.fail(err)
	}
}

// close ends the connection as AMQP wants it, and returns when it has ended.
func (c *conn) close() {
	if c.post(wire.AppendMethod(nil, 0, &wire.ConnectionClose{Code: 200, Text: "bye"})) == nil {
		timer := time.NewTimer(closeTimeout)
		defer timer.Stop()
		select {
		case <-c.done:
		case <-c.closed:
		case <-timer.C:
		}
	}
	_ = c.nc.Close()
	c.work.Wait()
}

// drop forgets a channel that was closed.
func (c *conn) drop(ch *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.channels, ch.id)
}
