package front

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"sync"
)

// Book gives each port of each service of a project one address on loopback that stays for as long as the book does: callers are
// told it once, wherever the service runs then and whenever it moves. A service that can be told where to listen listens there
// itself; for any other one a front listens there.
type Book struct {
	project string
	dial    func(ctx context.Context, service string, port int) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	places map[place]*address
	taken  map[int]bool // ports of this machine that stand for something
}

// place is a port of a service, as its file has it.
type place struct {
	service string
	port    int
}

type address struct {
	port  int    // of loopback
	front *Front // nil unless one listens there
}

// NewBook makes the book of a project. dial connects to where a port of a service is now.
func NewBook(project string, dial func(ctx context.Context, service string, port int) (net.Conn, error)) *Book {
	return &Book{project: project, dial: dial, places: map[place]*address{}, taken: map[int]bool{}}
}

// The private ports lie below those that systems give to outgoing connections: a client that tries again and again to reach what
// does not run could otherwise be given that very port, and connect to itself.
const (
	privateFirst = 20000
	privateCount = 12000
)

const loopback = "127.0.0.1"

func onLoopback(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// Port is the loopback port that stands for a port of a service; the next book of the project has the same one, if it is free.
func (b *Book) Port(service string, port int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at(place{service, port}).port
}

// at finds a place's address or chooses one. b.mu is held.
func (b *Book) at(p place) *address {
	if a := b.places[p]; a != nil {
		return a
	}
	return b.put(p, b.choose(p))
}

func (b *Book) put(p place, port int) *address {
	a := &address{port: port}
	b.places[p], b.taken[port] = a, true
	return a
}

// choose finds a private port that nobody has.
func (b *Book) choose(p place) int {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s/%s/%d", b.project, p.service, p.port) // never fails
	start := int(h.Sum32() % privateCount)
	for i := range privateCount {
		port := privateFirst + (start+i)%privateCount
		if b.taken[port] {
			continue
		}
		if l, err := net.Listen("tcp", onLoopback(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	return privateFirst + start // who is to listen there says that it is taken
}

// Fix says that a service listens at a port whatever it is told. It stands for the service's port, unless callers were told
// another one before: that one is a front's from then on.
func (b *Book) Fix(service string, port, at int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := (place{service, port}); b.places[p] == nil {
		b.put(p, at)
	}
}

// Renew chooses another port in the place of one that somebody else has taken. Who asks from then on learns of it.
func (b *Book) Renew(service string, port int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := place{service, port}
	if a := b.places[p]; a != nil && a.front == nil {
		delete(b.places, p) // the port stays taken, as it is
	}
	return b.at(p).port
}

// Open has a front listen at the address of a service that does not listen there itself, and returns the address.
func (b *Book) Open(service string, port int) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.at(place{service, port})
	if a.front != nil {
		return onLoopback(a.port), nil
	}
	if b.closed {
		return "", net.ErrClosed
	}
	f := New(func(ctx context.Context) (net.Conn, error) { return b.dial(ctx, service, port) })
	if _, err := f.Listen(onLoopback(a.port)); err != nil {
		return "", err
	}
	a.front = f
	return onLoopback(a.port), nil
}

// Opens has fronts listen at all addresses of a service that were given out: it is about to answer elsewhere.
func (b *Book) Opens(service string) error {
	var err error
	for _, port := range b.ports(service) {
		_, e := b.Open(service, port)
		err = errors.Join(err, e)
	}
	return err
}

func (b *Book) ports(service string) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ports []int
	for p := range b.places {
		if p.service == service {
			ports = append(ports, p.port)
		}
	}
	return ports
}

// Yield gives a service the address of one of its ports, where it is about to listen itself. When it returns nobody does.
func (b *Book) Yield(service string, port int) {
	b.mu.Lock()
	var f *Front
	if a := b.places[place{service, port}]; a != nil {
		f, a.front = a.front, nil
	}
	b.mu.Unlock()
	if f != nil {
		_ = f.Close() // a listener that is gone already is what is wanted
	}
}

// Close ends all fronts.
func (b *Book) Close() error {
	b.mu.Lock()
	b.closed = true
	var fronts []*Front
	for _, a := range b.places {
		if a.front != nil {
			fronts = append(fronts, a.front)
			a.front = nil
		}
	}
	b.mu.Unlock()
	var err error
	for _, f := range fronts {
		err = errors.Join(err, f.Close())
	}
	return err
}
