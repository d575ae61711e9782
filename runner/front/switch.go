package front

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Switch is a front whose thing behind is replaced while it is in use, and no request fails for it. It looks at what a connection
// speaks: of HTTP/1 each request goes to what is behind when it begins; of HTTP/2 (gRPC) the caller is told to connect again
// (RFC 9113, 6.8) and its streams end where they began; any other connection stays where it is until that ends.
type Switch struct {
	*Front

	mu  sync.Mutex
	now *Version
}

// Version is one thing behind a Switch. It counts the requests that it has been given and not answered yet.
type Version struct {
	addr string

	mu      sync.Mutex
	active  int
	retired bool
	idle    chan struct{}      // closed once it is retired and without a request
	streams map[*streamed]bool // its connections of HTTP/2
}

// NewSwitch makes a switch with nothing behind it: until a To, callers see their connections closed.
func NewSwitch() *Switch {
	s := &Switch{}
	s.Front = New(func(ctx context.Context) (net.Conn, error) { return s.current().dial(ctx) })
	s.serve = s.pass
	return s
}

// To gives all that begins from now on to what answers at an address of TCP, and returns what was behind until now, nil at first.
func (s *Switch) To(addr string) *Version {
	next := &Version{addr: addr, idle: make(chan struct{}), streams: map[*streamed]bool{}}
	s.mu.Lock()
	old := s.now
	s.now = next
	s.mu.Unlock()
	if old != nil {
		old.retire()
	}
	return old
}

// Idle is closed when the last request of a version that was replaced is answered. Connections that are neither HTTP/1 nor
// HTTP/2, and those that a request has turned into something else (WebSocket), are not waited for.
func (v *Version) Idle() <-chan struct{} { return v.idle }

// begin counts a request that is the current version's from here on.
func (s *Switch) begin() *Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil {
		s.now.count(1)
	}
	return s.now
}

func (s *Switch) current() *Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (v *Version) count(n int) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.active += n
	v.settle()
}

// settle tells when nothing is left to wait for. v.mu is held.
func (v *Version) settle() {
	if v.retired && v.active == 0 {
		select {
		case <-v.idle:
		default:
			close(v.idle)
		}
	}
}

// retire takes what is new away from a version. Each connection of HTTP/2 counts as a request until its caller has heard of it.
func (v *Version) retire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.retired = true
	for c := range v.streams {
		v.active++
		close(c.leave)
	}
	v.settle()
}

// errNothing is why a caller of an empty switch is turned away.
var errNothing = errors.New("nothing is behind this address yet")

func (v *Version) dial(ctx context.Context) (net.Conn, error) {
	if v == nil {
		return nil, errNothing
	}
	return To(v.addr)(ctx)
}

// side is one end of a connection that passes a switch.
type side struct {
	net.Conn
	r *bufio.Reader
	w *bufio.Writer
}

func newSide(c net.Conn) *side {
	return &side{c, bufio.NewReaderSize(c, 16<<10), bufio.NewWriterSize(c, 16<<10)}
}

// CloseWrite ends the direction to this side.
func (s *side) CloseWrite() error {
	if t, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return t.CloseWrite()
	}
	return s.Conn.Close()
}

// pass finds out what a connection speaks, and passes it on. Whoever is behind may speak first, so it is connected to at once.
func (s *Switch) pass(ctx context.Context, conn net.Conn, end context.CancelFunc) {
	caller := newSide(conn)
	link := &link{front: s.Front, end: end}
	defer link.close()
	v := s.current()
	for link.connect(ctx, v) != nil { // where it has ended already, there is another one by now
		if now := s.current(); now != v {
			v = now
			continue
		}
		return
	}
	switch speaks := listen(caller, link.side); {
	case speaks == http1:
		s.passHTTP1(ctx, caller, link)
	case speaks == http2:
		if v = s.begin(); link.connect(ctx, v) == nil {
			s.passHTTP2(caller, link, v)
		}
		v.count(-1)
	default:
		joinSides(caller, link.side)
	}
}

// joinSides joins two connections that were looked at.
func joinSides(a, b *side) {
	for _, way := range []struct{ from, to *side }{{a, b}, {b, a}} {
		said, _ := way.from.r.Peek(way.from.r.Buffered())
		if _, err := way.to.Write(said); err != nil {
			return
		}
	}
	Join(a.Conn, b.Conn)
}

// link is the connection to what is behind a switch, on behalf of one caller.
type link struct {
	*side
	front   *Front
	end     context.CancelFunc
	version *Version
}

// connect connects to a version, unless it is connected to it already.
func (l *link) connect(ctx context.Context, v *Version) error {
	if l.side != nil && l.version == v && open(l.side) {
		return nil
	}
	l.close()
	conn, err := v.dial(ctx)
	if err != nil {
		return err
	}
	l.side, l.version = newSide(conn), v
	if !l.front.keep(conn, l.end) {
		return net.ErrClosed
	}
	return nil
}

func (l *link) close() {
	if l.side != nil {
		l.front.drop(l.Conn)
		l.side = nil
	}
}

// open tells whether a connection on which nothing is expected is still open at the other end.
func open(s *side) bool {
	sc, ok := s.Conn.(syscall.Conn)
	if !ok || s.r.Buffered() > 0 {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var n int
	var read error
	err = raw.Read(func(fd uintptr) bool {
		n, _, read = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && (n > 0 || errors.Is(read, syscall.EAGAIN))
}

// listen waits until either end says something, and tells what the caller speaks. What was said stays to be read.
func listen(caller, behind *side) protocol {
	spoke := make(chan struct{})
	go func() { // ends with the caller's first bytes, or with the connection
		defer close(spoke)
		if greets(behind.r) {
			_ = caller.SetReadDeadline(time.Unix(1, 0))
		}
	}()
	speaks := hear(caller.r)
	_ = behind.SetReadDeadline(time.Unix(1, 0))
	<-spoke
	_ = behind.SetReadDeadline(time.Time{})
	_ = caller.SetReadDeadline(time.Time{})
	return speaks
}

// hear reads on until what the caller speaks is clear.
func hear(r *bufio.Reader) protocol {
	for n := 1; ; n++ {
		if _, err := r.Peek(n); err != nil {
			return other
		}
		head, _ := r.Peek(r.Buffered())
		n = len(head)
		if p := classify(head); p != unclear {
			return p
		}
	}
}

// greets waits for the first bytes, and tells whether they begin a protocol in which the server speaks first. A server of HTTP/2
// may send its settings before it has heard anything.
func greets(r *bufio.Reader) bool {
	first, err := r.Peek(1)
	if err != nil || first[0] != 0 {
		return err == nil
	}
	const settings = 4
	head, err := r.Peek(len(header{}))
	return err == nil && !(head[3] == settings && header(head).stream() == 0)
}
