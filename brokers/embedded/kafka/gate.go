package kafka

import (
	"errors"
	"net"
	"sync"
)

// gate is the one listener that the cluster sees, in front of all that there are. What comes in is looked at, request by
// request, before the cluster gets it.
type gate struct {
	broker    *Broker
	listeners []Listener
	arrived   chan net.Conn
	done      chan struct{}
	closing   sync.Once
	using     sync.WaitGroup // connections that the cluster has not let go of
}

func newGate(listeners []Listener, b *Broker) *gate {
	return &gate{broker: b, listeners: listeners, arrived: make(chan net.Conn), done: make(chan struct{})}
}

// open lets clients in.
func (g *gate) open(work *sync.WaitGroup) {
	for _, l := range g.listeners {
		g.broker.logger.Info("listening", "address", l.Addr().String(), "advertised", l.advertised())
		work.Go(func() { g.serve(l) })
	}
}

func (g *gate) serve(l Listener) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			g.broker.logger.Error("cannot accept connections any more", "address", l.Addr().String(), "error", err)
			return
		}
		g.using.Add(1)
		c := newConn(nc, g, l.advertised())
		select {
		case g.arrived <- c:
		case <-g.done:
			_ = c.Close()
			return
		}
	}
}

// Accept hands the cluster the next connection.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.arrived:
		return c, nil
	case <-g.done:
		return nil, net.ErrClosed
	}
}

// Close lets nobody in any more. Connections are the cluster's to end.
func (g *gate) Close() error {
	var errs []error
	g.closing.Do(func() {
		close(g.done)
		for _, l := range g.listeners {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	})
	return errors.Join(errs...)
}

// wait returns when the cluster has let go of every connection.
func (g *gate) wait() { g.using.Wait() }

// Addr is what the cluster advertises: where the first listener's clients are told to come back to.
func (g *gate) Addr() net.Addr { return address(g.listeners[0].advertised()) }

// address is an address by its text, which may have the name of a host.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func (l Listener) advertised() string {
	if l.Advertise != "" {
		return l.Advertise
	}
	return l.Addr().String()
}
