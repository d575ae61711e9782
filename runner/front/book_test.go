package front_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"

	"msdev/runner/front"
)

// home is where the services of a test's project are now.
type home struct {
	mu sync.Mutex
	at map[string]string // address by SERVICE:PORT
}

func (h *home) set(service string, port int, addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at[service+":"+strconv.Itoa(port)] = addr
}

func (h *home) dial(ctx context.Context, service string, port int) (net.Conn, error) {
	h.mu.Lock()
	addr, ok := h.at[service+":"+strconv.Itoa(port)]
	h.mu.Unlock()
	if !ok {
		return nil, errors.New("nowhere")
	}
	return front.To(addr)(ctx)
}

func newBook(t *testing.T) (*front.Book, *home) {
	t.Helper()
	h := &home{at: map[string]string{}}
	b := front.NewBook("book", h.dial)
	t.Cleanup(func() { _ = b.Close() })
	return b, h
}

func TestAddressStaysWhileAServiceMoves(t *testing.T) {
	b, h := newBook(t)
	h.set("db", 5432, echo(t, "container"))
	addr, err := b.Open("db", 5432)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := say(t, addr, "x"); got != "container:x" || err != nil {
		t.Errorf("a container answered %q, %v", got, err)
	}
	// It moves to a process, which is told to listen at the address itself.
	b.Yield("db", 5432)
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(b.Port("db", 5432)))
	if err != nil {
		t.Fatalf("the address is not the service's own: %v", err)
	}
	if l.Addr().String() != addr {
		t.Errorf("its port is %s, callers were told %s", l.Addr(), addr)
	}
	if err := b.Opens("db"); err == nil {
		t.Error("a front listens where the process does")
	}
	// And back.
	_ = l.Close()
	if err := b.Opens("db"); err != nil {
		t.Fatal(err)
	}
	if got, err := say(t, addr, "y"); got != "container:y" || err != nil {
		t.Errorf("after two moves %q, %v", got, err)
	}
}

func TestFixedPort(t *testing.T) {
	b, h := newBook(t)
	b.Fix("web", 80, 12345)
	if got := b.Port("web", 80); got != 12345 {
		t.Errorf("a service that cannot be told is at %d", got)
	}
	told := b.Port("api", 8080)
	b.Fix("api", 8080, 8080)
	if got := b.Port("api", 8080); got != told {
		t.Errorf("what callers were told, %d, became %d", told, got)
	}
	h.set("api", 8080, echo(t, "fixed"))
	addr, err := b.Open("api", 8080)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := say(t, addr, "x"); got != "fixed:x" || err != nil {
		t.Errorf("the front answered %q, %v", got, err)
	}
}

func TestPorts(t *testing.T) {
	b, _ := newBook(t)
	seen := map[int]string{}
	for _, service := range []string{"a", "b", "c/2"} {
		for port := range 50 {
			n := b.Port(service, port)
			if other := seen[n]; other != "" {
				t.Fatalf("port %d stands for two ports of %s and %s", n, service, other)
			}
			seen[n] = service
			if n != b.Port(service, port) {
				t.Fatal("a port changed")
			}
		}
	}
	again, _ := newBook(t)
	if again.Port("a", 7) != b.Port("a", 7) {
		t.Error("the next book has another port")
	}
	// One that somebody has by then is passed over.
	first := b.Port("d", 1)
	if got := b.Renew("d", 1); got == first || got != b.Port("d", 1) {
		t.Errorf("in the place of %d came %d, then %d", first, got, b.Port("d", 1))
	}
}

func TestClosedBook(t *testing.T) {
	b, h := newBook(t)
	h.set("db", 1, echo(t, "db"))
	addr, err := b.Open("db", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("a front outlived its book")
	}
	if _, err := b.Open("db", 1); err == nil {
		t.Error("a closed book opened a front")
	}
}
