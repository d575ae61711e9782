package front_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"msdev/runner/front"
)

// version is a server of HTTP/1 or gRPC. It is ended without any grace, so that a request that it still has fails.
type version struct {
	addr string
	end  func()
}

// web answers with its name, after it has read the whole request; a path of /slow takes a while, in pieces.
func web(t *testing.T, name string) version {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		sum, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s %d", name, sum)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		for i := range 5 {
			fmt.Fprintf(w, "%s %d\n", name, i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(20 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
		w.Header().Set(http.TrailerPrefix+"Done", "yes")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }() // ends with the server
	t.Cleanup(func() { _ = server.Close() })
	return version{l.Addr().String(), func() { _ = server.Close() }}
}

// rpc answers calls of /v/unary and /v/chat with its name.
func rpc(t *testing.T, name string) version {
	t.Helper()
	say := func(in *wrapperspb.StringValue) *wrapperspb.StringValue {
		return wrapperspb.String(name + ":" + in.Value)
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "v", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "unary", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.StringValue)
			return say(in), errors.Join(dec(in))
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "chat", ServerStreams: true, ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			defer s.SetTrailer(metadata.Pairs("version", name))
			for {
				in := new(wrapperspb.StringValue)
				if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				if err := s.SendMsg(say(in)); err != nil {
					return err
				}
			}
		}}},
	}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }() // ends with the server
	t.Cleanup(server.Stop)
	return version{l.Addr().String(), server.Stop}
}

// change puts new versions behind a switch, and ends each old one when it is idle.
func change(t *testing.T, s *front.Switch, start func(*testing.T, string) version, times int, between func(now int)) {
	t.Helper()
	var ends sync.WaitGroup
	now := start(t, "v0")
	s.To(now.addr)
	between(0)
	for i := 1; i <= times; i++ {
		next := start(t, fmt.Sprintf("v%d", i))
		old, before := s.To(next.addr), now
		ends.Go(func() {
			select {
			case <-old.Idle():
			case <-time.After(20 * time.Second):
				t.Errorf("v%d is never idle", i-1)
			}
			before.end()
		})
		now = next
		between(i)
	}
	ends.Wait()
}

func TestNoRequestOfHTTP1Fails(t *testing.T) {
	s := front.NewSwitch()
	at := listen(t, s.Front)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var done atomic.Int64
	ask := func(c *http.Client, method, path, body string) (string, error) {
		var reader io.Reader = strings.NewReader(body)
		if len(body) > 100 {
			reader = io.MultiReader(reader) // of no known length: chunks
		}
		req, err := http.NewRequest(method, "http://"+at+path, reader)
		if err != nil {
			return "", err
		}
		resp, err := c.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if path == "/slow" && err == nil && resp.Trailer.Get("Done") != "yes" {
			err = errors.New("no trailer")
		}
		done.Add(1)
		return string(text), err
	}
	load := func() {
		for i, kind := range []struct{ method, path, body string }{{"GET", "/", ""}, {"POST", "/", "x"}, {"POST", "/", strings.Repeat("y", 100_000)}, {"GET", "/slow", ""}, {"HEAD", "/", ""}} {
			work.Go(func() {
				c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableKeepAlives: i == 1}}
				defer c.CloseIdleConnections()
				for ctx.Err() == nil {
					text, err := ask(c, kind.method, kind.path, kind.body)
					if err != nil || kind.path == "/" && kind.method != "HEAD" && !strings.HasSuffix(text, fmt.Sprint(" ", len(kind.body))) {
						t.Errorf("%s %s: %q, %v", kind.method, kind.path, text, err)
						return
					}
				}
			})
		}
	}
	one := &http.Client{Transport: &http.Transport{}} // one connection through all changes
	defer one.CloseIdleConnections()
	change(t, s, web, 50, func(now int) {
		if now == 0 {
			load()
		}
		for want := done.Load() + 20; done.Load() < want && !t.Failed(); {
			text, err := ask(one, "GET", "/", "")
			if err != nil || !strings.HasPrefix(text, fmt.Sprintf("v%d ", now)) {
				t.Errorf("behind v%d: %q, %v", now, text, err)
			}
		}
		if now == 50 {
			cancel()
		}
	})
	cancel()
	work.Wait()
	t.Logf("%d requests", done.Load())
}

func TestNoCallOfGRPCFails(t *testing.T) {
	s := front.NewSwitch()
	at := listen(t, s.Front)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var done atomic.Int64
	client := func() *grpc.ClientConn {
		conn, err := grpc.NewClient("passthrough:///"+at, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	unary := func(conn *grpc.ClientConn) (string, error) {
		out := new(wrapperspb.StringValue)
		err := conn.Invoke(context.Background(), "/v/unary", wrapperspb.String(strings.Repeat("z", 1000)), out)
		done.Add(1)
		return out.Value, err
	}
	chat := func(conn *grpc.ClientConn) error {
		c, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/v/chat")
		if err != nil {
			return err
		}
		first := ""
		for i := range 30 {
			out := new(wrapperspb.StringValue)
			if err := errors.Join(c.SendMsg(wrapperspb.String(fmt.Sprint(i))), c.RecvMsg(out)); err != nil {
				return err
			}
			name, said, _ := strings.Cut(out.Value, ":")
			if first == "" {
				first = name
			}
			if said != fmt.Sprint(i) || name != first {
				return fmt.Errorf("%s said %q", name, out.Value)
			}
		}
		if err := c.CloseSend(); err != nil {
			return err
		}
		if err := c.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
			return err
		}
		done.Add(1)
		if got := c.Trailer().Get("version"); len(got) != 1 || got[0] != first {
			return fmt.Errorf("the trailer is %v, not %s", got, first)
		}
		return nil
	}
	load := func() {
		for i := range 4 {
			work.Go(func() {
				conn := client()
				defer conn.Close()
				for ctx.Err() == nil {
					var err error
					if i%2 == 0 {
						_, err = unary(conn)
					} else {
						err = chat(conn)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	one := client()
	defer one.Close()
	change(t, s, rpc, 50, func(now int) {
		if now == 0 {
			load()
		}
		name := ""
		for want := done.Load() + 20; (done.Load() < want || name != fmt.Sprintf("v%d", now)) && !t.Failed(); {
			text, err := unary(one)
			if name, _, _ = strings.Cut(text, ":"); err != nil {
				t.Error(err)
			}
		}
		if now == 50 {
			cancel()
		}
	})
	cancel()
	work.Wait()
	t.Logf("%d calls", done.Load())
}

// Where the other end speaks first, or speaks nothing that is known, a connection is passed on as it is and stays where it is.
func TestOtherProtocolsStayWhereTheyAre(t *testing.T) {
	greets := func(greeting string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() { // ends with the listener
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() { // ends with the connection
					defer conn.Close()
					_, _ = io.WriteString(conn, greeting)
					_, _ = io.Copy(conn, conn)
				}()
			}
		}()
		return l.Addr().String()
	}
	s := front.NewSwitch()
	at := listen(t, s.Front)
	s.To(greets("hello\n"))
	first := talk(t, at)
	first.hears("hello")
	old := s.To(greets(""))
	first.says("still here")
	first.hears("still here")
	second := talk(t, at)
	second.says("GET lost") // begins like HTTP/1 and is not
	second.hears("GET lost")
	second.says("*1\r\n$4\r\nPING")
	second.hears("*1")
	<-old.Idle() // nothing waits for such connections
}

// talk is a connection that a test speaks on, line by line.
type conversation struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func talk(t *testing.T, addr string) conversation {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conversation{t, conn, bufio.NewReader(conn)}
}

func (c conversation) says(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c conversation) hears(want string) {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if strings.TrimSpace(line) != want || err != nil {
		c.t.Fatalf("heard %q, %v; want %q", line, err, want)
	}
}

func TestUpgradedConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buf.ReadString('\n')
		_, _ = io.WriteString(conn, line)
	})}
	go func() { _ = server.Serve(l) }() // ends with the server
	defer server.Close()
	s := front.NewSwitch()
	at := listen(t, s.Front)
	s.To(l.Addr().String())
	c := talk(t, at)
	c.says("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r")
	for _, line := range []string{"HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: echo", ""} {
		c.hears(line)
	}
	c.says("over to you")
	c.hears("over to you")
}

// A caller that waits in silence keeps no version from becoming idle, and its request goes to the one that is there then.
func TestACallerThatWaits(t *testing.T) {
	s := front.NewSwitch()
	at := listen(t, s.Front)
	one := web(t, "one")
	s.To(one.addr)
	c := talk(t, at)
	old := s.To(web(t, "two").addr)
	<-old.Idle()
	one.end()
	c.says("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); !bytes.Equal(text, []byte("two 3")) {
		t.Errorf("got %q", text)
	}
}
