package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// pair is both sides in one process, with the service that answers behind msdev's.
type pair struct {
	host  *Host
	ports []int
	ended chan struct{} // closed when the program has ended
}

func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// start connects a program with a host. The service answers with the port, and then with what it was sent.
func start(t *testing.T, doors []string, key Key, pass Pass) *pair {
	t.Helper()
	p := &pair{ports: freePorts(t, 2), ended: make(chan struct{})}
	in, toProgram := io.Pipe()
	fromProgram, out := io.Pipe()
	go func() {
		defer close(p.ended)
		_ = Program(t.Context(), in, out) // its end is that of its input
		_ = in.Close()
	}()
	host, err := Greet(duplex{fromProgram, toProgram}, p.ports, doors, key, pass)
	if err != nil {
		t.Fatal(err)
	}
	p.host = host
	t.Cleanup(func() {
		_ = host.Close()
		_ = fromProgram.Close()
		<-p.ended
	})
	return p
}

// nothingLeft waits until no stream is left.
func (p *pair) nothingLeft(t *testing.T) {
	t.Helper()
	tooLate := time.After(10 * time.Second)
	for {
		p.host.mu.Lock()
		n := len(p.host.streams)
		p.host.mu.Unlock()
		if n += p.host.mux.NumStreams() - 1; n == 0 { // but for that of the messages
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-tooLate:
			t.Errorf("%d streams are left", n)
			return
		}
	}
}

// answer is a service: it says its port, repeats what it gets, and ends after its caller does.
func answer(port int, conn net.Conn) {
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "%d:", port)
	_, _ = io.Copy(conn, conn)
}

// talk calls a port and returns all that comes back after the caller ends its direction.
func talk(t *testing.T, port int, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var back sync.WaitGroup
	defer back.Wait()
	back.Go(func() {
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
	})
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(all)
}

func door(t *testing.T) *Door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDoor(l)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestBothPaths(t *testing.T) {
	for _, path := range []string{"multiplexed", "door"} {
		t.Run(path, func(t *testing.T) {
			d, key := door(t), NewKey()
			var doors []string
			if path == "door" {
				doors = []string{"127.0.0.1:1", d.Addr()}
				d.Admit(key, answer)
			}
			p := start(t, doors, key, answer)
			if want := map[string]string{"door": d.Addr()}[path]; p.host.Door() != want {
				t.Errorf("the relay goes by %q, not %q", p.host.Door(), want)
			}
			var calls sync.WaitGroup
			for i := range 20 {
				text := strings.Repeat(fmt.Sprint(i), 300_000)
				port := p.ports[i%2]
				calls.Go(func() {
					if got, want := talk(t, port, text), fmt.Sprintf("%d:%s", port, text); got != want {
						t.Errorf("%d bytes came back of %d", len(got), len(want))
					}
				})
			}
			calls.Wait()
			p.nothingLeft(t)
		})
	}
}

// A door that somebody else has opened at the address is not msdev's.
func TestStrangersDoor(t *testing.T) {
	stranger := door(t)
	key, other := NewKey(), NewKey()
	other.Knock = key.Knock // even with the right knock
	stranger.Admit(other, answer)
	shut := door(t) // does not know the relay
	p := start(t, []string{stranger.Addr(), shut.Addr()}, key, answer)
	if p.host.Door() != "" {
		t.Errorf("the relay goes by a stranger's door")
	}
	conn, err := net.Dial("tcp", shut.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write(NewKey().knock(80))
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("who has no key was let in")
	}
}

// A door that is shut later costs no connection.
func TestShutDoor(t *testing.T) {
	d, key := door(t), NewKey()
	d.Admit(key, answer)
	p := start(t, []string{d.Addr()}, key, answer)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := talk(t, p.ports[0], "x"), fmt.Sprintf("%d:x", p.ports[0]); got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestDial(t *testing.T) {
	p := start(t, nil, NewKey(), answer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(7, conn)
		}
	}()
	conn, err := p.host.Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "hello")
	_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	if all, err := io.ReadAll(conn); string(all) != "7:hello" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
	_ = conn.Close()
	if _, err := p.host.Dial(t.Context(), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("where nothing listens: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.host.Dial(ctx, l.Addr().String()); !errors.Is(err, context.Canceled) {
		t.Errorf("a dial that was called off: %v", err)
	}
}

// A caller that breaks off, while much is on its way and nobody reads, breaks the other side too, and leaves nothing behind.
func TestBrokenOff(t *testing.T) {
	broken := make(chan error, 1)
	p := start(t, nil, NewKey(), func(_ int, conn net.Conn) {
		defer conn.Close()
		_, err := io.Copy(conn, endless{})
		broken <- err
	})
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	select {
	case err := <-broken:
		if err == nil {
			t.Error("an endless answer ended well")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the service never heard that its caller is gone")
	}
	p.nothingLeft(t)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	in, toProgram := io.Pipe()
	fromProgram, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Program(t.Context(), in, out) }()
	if _, err := Greet(duplex{fromProgram, toProgram}, []int{l.Addr().(*net.TCPAddr).Port}, nil, NewKey(), answer); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the program goes on without its port")
	}
}

// The program ends with its input, as when msdev was killed.
func TestEndOfInput(t *testing.T) {
	in, toProgram := io.Pipe()
	fromProgram, out := io.Pipe()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = Program(t.Context(), in, out) }()
	host, err := Greet(duplex{fromProgram, toProgram}, nil, nil, NewKey(), answer)
	if err != nil {
		t.Fatal(err)
	}
	_ = toProgram.Close()
	<-ended
	_ = fromProgram.Close()
	<-host.Done()
	_ = host.Close()
}

func FuzzDoor(f *testing.F) {
	key := NewKey()
	f.Add(key.knock(80))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, knock []byte) {
		d := NewDoor(&one{conns: make(chan net.Conn)})
		defer d.Close()
		passed := make(chan int, 1)
		d.Admit(key, func(port int, conn net.Conn) { passed <- port; _ = conn.Close() })
		ours, theirs := net.Pipe()
		d.listener.(*one).conns <- theirs
		go func() { _, _ = ours.Write(knock); _ = ours.Close() }()
		_, _ = io.ReadAll(ours)
		select {
		case port := <-passed:
			if len(knock) < knockLen || string(knock[:16]) != string(key.Knock[:]) || port == 0 {
				t.Errorf("%x was let in", knock)
			}
		default:
		}
	})
}

// one is a listener for a fuzzer.
type one struct {
	conns chan net.Conn
	once  sync.Once
}

func (o *one) Accept() (net.Conn, error) {
	conn, ok := <-o.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (o *one) Close() error   { o.once.Do(func() { close(o.conns) }); return nil }
func (o *one) Addr() net.Addr { return &net.TCPAddr{} }
