package process

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
)

// front is a published port: it passes connections on to where the process listens. It stays while the process is restarted.
type front struct {
	listener net.Listener
	to       string
	work     sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool
}

// open opens the fronts of an instance. A port that the process itself listens on needs none.
func (r *Runtime) open(in *instance) ([]*front, error) {
	var fronts []*front
	for _, e := range in.ports {
		for _, pub := range e.publish {
			if e.protocol != "tcp" || pub.port == e.actual {
				continue
			}
			l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(pub.ip, strconv.Itoa(pub.port)))
			if err != nil {
				closeFronts(fronts)
				return nil, r.taken(in.state.Service, pub.port) // the service's name never changes
			}
			f := &front{listener: l, to: net.JoinHostPort(loopback, strconv.Itoa(e.actual)), open: map[net.Conn]bool{}}
			f.work.Go(f.accept)
			fronts = append(fronts, f)
		}
	}
	return fronts, nil
}

func closeFronts(fronts []*front) {
	for _, f := range fronts {
		_ = f.listener.Close()
		f.mu.Lock()
		for conn := range f.open {
			_ = conn.Close()
		}
		f.open = nil
		f.mu.Unlock()
		f.work.Wait()
	}
}

func (f *front) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.work.Go(func() { f.pass(conn) })
	}
}

// pass joins a connection with one to the process. Where the process does not listen, the caller sees its connection closed.
func (f *front) pass(conn net.Conn) {
	defer conn.Close()
	to, err := net.Dial("tcp", f.to)
	if err != nil {
		return
	}
	defer to.Close()
	if !f.keep(conn, to) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { half(conn, to) })
	half(to, conn)
	back.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, conn)
	delete(f.open, to)
}

// keep notes connections that are to be closed with the front; false tells that it is closed already.
func (f *front) keep(conns ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return false
	}
	for _, c := range conns {
		f.open[c] = true
	}
	return true
}

// half copies one direction and passes its end on.
func half(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if t, ok := to.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}
