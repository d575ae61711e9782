package front_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"msdev/runner/front"
)

// echo answers each line of bytes with the same, behind a name, until its caller is done; then it says so.
func echo(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				all, err := io.ReadAll(conn)
				if err == nil {
					_, _ = conn.Write(append([]byte(name+":"), all...))
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	return l.Addr().String()
}

// say sends a text, ends its direction, and returns all that comes back.
func say(t *testing.T, addr, text string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	all, err := io.ReadAll(conn)
	return string(all), err
}

func listen(t *testing.T, f *front.Front) string {
	t.Helper()
	t.Cleanup(func() { _ = f.Close() })
	addr, err := f.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

func TestEachConnectionGoesWhereTheThingIsNow(t *testing.T) {
	var mu sync.Mutex
	now := echo(t, "first")
	f := front.New(func(ctx context.Context) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		return front.To(now)(ctx)
	})
	at, other := listen(t, f), listen(t, f)
	for _, addr := range []string{at, other} {
		// The answer comes after the caller's end: half a connection stays open.
		if got, err := say(t, addr, "hello"); got != "first:hello" || err != nil {
			t.Errorf("through %s came %q, %v", addr, got, err)
		}
	}
	mu.Lock()
	now = echo(t, "second")
	mu.Unlock()
	if got, err := say(t, at, "hello"); got != "second:hello" || err != nil {
		t.Errorf("after the move came %q, %v", got, err)
	}
}

func TestNothingBehind(t *testing.T) {
	f := front.New(func(context.Context) (net.Conn, error) { return nil, errors.New("gone") })
	if got, _ := say(t, listen(t, f), ""); got != "" {
		t.Errorf("a front without anything behind answered %q", got)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	behind, reached := echo(t, "echo"), make(chan bool, 1)
	f := front.New(func(ctx context.Context) (net.Conn, error) {
		reached <- true
		return front.To(behind)(ctx)
	})
	at := listen(t, f)
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-reached
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("a connection outlived its front")
	}
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("a closed front listens")
	}
	if _, err := f.Listen("127.0.0.1:0"); err == nil {
		t.Error("a closed front took one more address")
	}
}

func TestCloseEndsADial(t *testing.T) {
	reached := make(chan bool, 1)
	f := front.New(func(ctx context.Context) (net.Conn, error) {
		reached <- true
		<-ctx.Done()
		return nil, ctx.Err()
	})
	conn, err := net.Dial("tcp", listen(t, f))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-reached
	_ = f.Close() // would never return
}

// A connection that breaks on one side breaks on the other one, also when nobody is about to send.
func TestABrokenSideEndsTheOther(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := listen(t, front.New(front.To(l.Addr().String())))
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	behind, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = behind.(*net.TCPConn).SetLinger(0) // a reset, not an end
	_ = behind.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the caller read on from a broken connection")
	}
	if _, err := io.Copy(conn, neverEnding{}); err == nil {
		t.Error("the caller wrote on to a broken connection")
	}
}

// neverEnding is a reader without an end.
type neverEnding struct{}

func (neverEnding) Read(b []byte) (int, error) { return len(b), nil }
