package session

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Local runs a session inside this process, behind the same door as a remote one: what verbs use when no session runs,
// and what tests use. It ends with Close; what runs on an engine goes on.
func Local(ctx context.Context, cfg Config, wire Wire) (*Client, error) {
	s, err := Open(ctx, cfg, wire)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	pipe := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := newServer(s.Handler(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(pipe) })
	wg.Go(func() {
		_ = s.Run(ctx)
		shut(server)
	})
	c := newClient(pipe.dial)
	c.done = sync.OnceValue(func() error {
		cancel()
		wg.Wait()
		return nil
	})
	return c, nil
}

// shut ends a server once the answers under way are out.
func shut(server *http.Server) {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}

func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
}

// pipeListener hands each dial the other end of an in-memory pipe.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

var errPipeClosed = errors.New("the session has ended")

func (p *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, errPipeClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, errPipeClosed
	}
}

func (p *pipeListener) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "session" }
