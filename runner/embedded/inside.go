package embedded

import (
	"net"
	"strconv"
	"sync"
)

type place struct {
	service string
	port    int
}

// inside is the way in for connections that others have accepted: those of containers, who know the service by its name.
type inside struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// enter makes the way in to a port of a service that starts.
func (r *Runtime) enter(service string, port int) Listener {
	way := &inside{addr: named(net.JoinHostPort(service, strconv.Itoa(port))), conns: make(chan net.Conn), done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside[place{service, port}] = way
	return Listener{Listener: way, Port: port}
}

// Pass hands a connection that came from a container to a service. Where the service does not run, it is closed.
func (r *Runtime) Pass(service string, port int, conn net.Conn) {
	r.mu.Lock()
	way := r.inside[place{service, port}]
	r.mu.Unlock()
	if way != nil {
		select {
		case way.conns <- conn:
			return
		case <-way.done:
		}
	}
	_ = conn.Close()
}

// Accept returns the next connection that was passed.
func (w *inside) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

// Close ends the way in.
func (w *inside) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

// Addr is the service's name and port.
func (w *inside) Addr() net.Addr { return w.addr }

// named is an address by a service's name.
type named string

// Network is that of the connections.
func (named) Network() string { return "tcp" }

func (n named) String() string { return string(n) }
