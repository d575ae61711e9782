package relay

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"msdev/runner/front"
)

// Program is the side in the container. It ends with its input, or when ctx does.
func Program(ctx context.Context, in io.Reader, out io.WriteCloser) error {
	mux, err := yamux.Server(duplex{in, out}, configuration())
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = mux.Close() })
	defer stop()
	defer mux.Close()
	control, err := mux.AcceptStream()
	if err != nil {
		return err
	}
	messages := json.NewDecoder(control)
	var first message
	if err := greet(control, func() error { return messages.Decode(&first) }); err != nil {
		return err
	}
	if first.Hello == nil {
		return fmt.Errorf("msdev did not say hello")
	}
	p := &program{link: newLink(mux, control), hello: *first.Hello}
	return p.run(ctx, messages)
}

// duplex is two directions as one connection.
type duplex struct {
	io.Reader
	io.WriteCloser
}

// program is the program once it knows what to do.
type program struct {
	*link
	hello hello
	door  string // where msdev is reached directly; empty: only over the multiplexed connection
}

func (p *program) run(ctx context.Context, messages *json.Decoder) error {
	fronts, err := p.listen()
	defer func() {
		for _, f := range fronts {
			_ = f.Close()
		}
	}()
	if err != nil {
		_ = p.tell(message{Ready: &ready{Error: err.Error()}})
		return err
	}
	p.door = p.reachable(ctx)
	if err := p.tell(message{Ready: &ready{Door: p.door}}); err != nil {
		return err
	}
	for _, f := range fronts {
		if err := f.Serve(f.listener); err != nil {
			return err
		}
	}
	var work sync.WaitGroup
	defer work.Wait()
	defer p.mux.Close()
	work.Go(func() {
		for {
			s, err := p.mux.AcceptStream()
			if err != nil {
				return
			}
			work.Go(func() { p.dialled(ctx, p.wrap(s)) })
		}
	})
	return p.heed(messages)
}

// port is a front whose listener waits until msdev is known.
type port struct {
	*front.Front
	listener net.Listener
}

// listen takes the ports of the service.
func (p *program) listen() ([]port, error) {
	var ports []port
	for _, number := range p.hello.Ports {
		f := front.New(func(ctx context.Context) (net.Conn, error) { return p.toHost(ctx, number) })
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("", strconv.Itoa(number)))
		if err != nil {
			return ports, err
		}
		ports = append(ports, port{f, l})
	}
	return ports, nil
}

// doorPatience is how long a door may take to answer; it is on this machine or not at all.
const doorPatience = time.Second

// reachable finds the door that is msdev's.
func (p *program) reachable(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, doorPatience)
	defer cancel()
	for _, door := range p.hello.Doors {
		if p.answers(ctx, door) {
			return door
		}
	}
	return ""
}

func (p *program) answers(ctx context.Context, door string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", door)
	if err != nil {
		return false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var answer secret
	if _, err := conn.Write(p.hello.Key.knock(0)); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, answer[:])
	return err == nil && answer == p.hello.Key.Answer
}

// toHost connects to where the service is, for a connection that came in at its port: at the door, and where that does not open
// (any more), over the multiplexed connection.
func (p *program) toHost(ctx context.Context, number int) (net.Conn, error) {
	if p.door != "" {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.door)
		if err == nil {
			if _, err = conn.Write(p.hello.Key.knock(number)); err == nil {
				return conn, nil
			}
			_ = conn.Close()
		}
	}
	s, err := p.mux.OpenStream()
	if err != nil {
		return nil, err
	}
	w := p.wrap(s)
	if _, err := w.Write(binary.BigEndian.AppendUint16(nil, uint16(number))); err != nil {
		_ = w.Close()
		return nil, err
	}
	return w, nil
}

// dialled connects a stream that msdev has opened with the address in this network that it asks for.
func (p *program) dialled(ctx context.Context, s *stream) {
	defer s.Close()
	var addr string
	if err := greet(s, func() (err error) { addr, err = readText(s); return err }); err != nil {
		return
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		if writeText(s, err.Error()) == nil {
			_ = s.CloseWrite()
		}
		return
	}
	if writeText(s, "") != nil {
		_ = conn.Close()
		return
	}
	front.Join(s, conn)
}
