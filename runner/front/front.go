// Package front keeps an address of this machine that stays, while what answers behind it comes, goes and moves.
package front

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Dial connects to where the thing behind a front is now. It is asked anew for every connection.
type Dial func(ctx context.Context) (net.Conn, error)

// Front passes each connection that it gets on to where its Dial leads. Where nothing answers, the caller sees its connection closed.
type Front struct {
	dial Dial
	done chan struct{} // closed with the front
	work sync.WaitGroup

	// serve passes a connection on instead of a plain dial and Join; nil: those.
	serve func(ctx context.Context, conn net.Conn, end context.CancelFunc)

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	open      map[net.Conn]context.CancelFunc // each connection, and what ends a dial on its behalf
}

// New makes a front that listens nowhere yet. It ends with Close.
func New(dial Dial) *Front {
	return &Front{dial: dial, done: make(chan struct{}), open: map[net.Conn]context.CancelFunc{}}
}

// To is a Dial to one address of TCP.
func To(addr string) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
}

// Listen takes one more address, HOST:PORT. With port 0 the address is told by what it returns.
func (f *Front) Listen(addr string) (net.Addr, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return l.Addr(), f.Serve(l)
}

// Serve takes the connections of a listener, which is the front's from here on.
func (f *Front) Serve(l net.Listener) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		_ = l.Close()
		return net.ErrClosed
	}
	f.listeners = append(f.listeners, l)
	f.work.Go(func() { f.accept(l) })
	return nil
}

// Close gives the addresses back and ends the connections. It returns when nothing of the front is left.
func (f *Front) Close() error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.done)
	}
	var err error
	for _, l := range f.listeners {
		err = errors.Join(err, l.Close())
	}
	f.listeners = nil
	for conn, end := range f.open {
		end()
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.work.Wait()
	return err
}

// accept takes connections until the listener is closed. A machine without a free descriptor gets one back in a moment.
func (f *Front) accept(l net.Listener) {
	const pause = 20 * time.Millisecond
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			f.work.Go(func() { f.Pass(conn) })
		case errors.Is(err, net.ErrClosed):
			return
		default:
			select {
			case <-f.done:
				return
			case <-time.After(pause):
			}
		}
	}
}

// Pass joins a connection that came in elsewhere with one to behind the front. It returns when both are closed.
func (f *Front) Pass(conn net.Conn) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	defer f.drop(conn)
	if !f.keep(conn, end) {
		return
	}
	if f.serve != nil {
		f.serve(ctx, conn, end)
		return
	}
	to, err := f.dial(ctx)
	if err != nil {
		return
	}
	defer f.drop(to)
	if f.keep(to, end) {
		Join(conn, to)
	}
}

// keep notes a connection that is to be closed with the front; false tells that the front is closed already.
func (f *Front) keep(conn net.Conn, end context.CancelFunc) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.open[conn] = end
	}
	return !f.closed
}

func (f *Front) drop(conn net.Conn) {
	_ = conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, conn)
}
