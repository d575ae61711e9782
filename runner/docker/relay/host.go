package relay

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// Pass takes a connection that a container has made to a port of a service. It returns when the connection is closed, or somebody
// else's.
type Pass func(port int, conn net.Conn)

// Host is msdev's side of one relay.
type Host struct {
	*link
	pass Pass
	door string
	work sync.WaitGroup
}

// NewKey makes the secret of one relay.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k.Knock[:]) // it never fails
	_, _ = rand.Read(k.Answer[:])
	return k
}

// Greet begins as msdev's side, over a connection to the program's standard input and output. When it returns, the ports are
// listened on. doors are where msdev may be reached directly.
func Greet(conn io.ReadWriteCloser, ports []int, doors []string, key Key, pass Pass) (*Host, error) {
	mux, err := yamux.Client(conn, configuration())
	if err != nil {
		return nil, err
	}
	control, err := mux.OpenStream()
	if err != nil {
		_ = mux.Close()
		return nil, err
	}
	h := &Host{link: newLink(mux, control), pass: pass}
	messages := json.NewDecoder(control)
	var answer message
	err = greet(control, func() error {
		told := h.tell(message{Hello: &hello{Ports: ports, Doors: doors, Key: key}})
		if err := messages.Decode(&answer); err != nil { // who cannot listen answers, and is gone before it is clear that it was told
			return errors.Join(told, err)
		}
		return nil
	})
	switch {
	case err != nil:
	case answer.Ready == nil:
		err = errors.New("the relay did not say that it is ready")
	case answer.Ready.Error != "":
		err = errors.New(answer.Ready.Error)
	}
	if err != nil {
		_ = mux.Close()
		return nil, err
	}
	h.door = answer.Ready.Door
	h.work.Go(func() { _ = h.heed(messages) }) // its end is the connection's
	h.work.Go(h.accept)
	return h, nil
}

// Door is where the relay reaches msdev directly; empty where it does not.
func (h *Host) Door() string { return h.door }

// Done is closed when the connection has ended.
func (h *Host) Done() <-chan struct{} { return h.mux.CloseChan() }

// Close ends the connection and all that goes through it; the program ends with it.
func (h *Host) Close() error {
	err := h.mux.Close()
	h.work.Wait()
	return err
}

func (h *Host) accept() {
	for {
		s, err := h.mux.AcceptStream()
		if err != nil {
			return
		}
		h.work.Go(func() {
			w := h.wrap(s)
			var port [2]byte
			if err := greet(w, func() error { _, err := io.ReadFull(w, port[:]); return err }); err != nil {
				_ = w.Close()
				return
			}
			h.pass(int(binary.BigEndian.Uint16(port[:])), w)
		})
	}
}

// Dial connects to an address of the relay's networks.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	s, err := h.mux.OpenStream()
	if err != nil {
		return nil, err
	}
	w := h.wrap(s)
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	var failure string
	err = writeText(w, addr)
	if err == nil {
		failure, err = readText(w)
	}
	if !stop() {
		return nil, ctx.Err()
	}
	if err == nil && failure != "" {
		err = errors.New(failure)
	}
	if err != nil {
		_ = w.Close()
		return nil, err
	}
	return w, nil
}

// Door is a listener on the gateway address of a network, by which relays reach msdev directly. It is shut to who has no key.
type Door struct {
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	known map[secret]guest
	open  map[net.Conn]bool
}

type guest struct {
	answer secret
	pass   Pass
}

// NewDoor opens a door; it owns the listener.
func NewDoor(l net.Listener) *Door {
	d := &Door{listener: l, known: map[secret]guest{}, open: map[net.Conn]bool{}}
	d.work.Go(d.accept)
	return d
}

// Addr is the door's address.
func (d *Door) Addr() string { return d.listener.Addr().String() }

// Admit lets a relay in, until Forget.
func (d *Door) Admit(k Key, pass Pass) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[k.Knock] = guest{k.Answer, pass}
}

// Forget lets it in no more.
func (d *Door) Forget(k Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, k.Knock)
}

// Close shuts the door, and ends what came through it and was not passed on.
func (d *Door) Close() error {
	err := d.listener.Close()
	d.mu.Lock()
	for conn := range d.open {
		_ = conn.Close()
	}
	d.mu.Unlock()
	d.work.Wait()
	return err
}

func (d *Door) accept() {
	for {
		conn, err := d.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no free descriptor: the relay comes over the multiplexed connection then
			continue
		}
		d.mu.Lock()
		d.open[conn] = true
		d.mu.Unlock()
		d.work.Go(func() { d.enter(conn) })
	}
}

// enter finds out whose a connection is.
func (d *Door) enter(conn net.Conn) {
	var knock [knockLen]byte
	_ = conn.SetDeadline(time.Now().Add(patience)) // it fails on no connection
	_, err := io.ReadFull(conn, knock[:])
	var who secret
	copy(who[:], knock[:])
	port := int(binary.BigEndian.Uint16(knock[len(who):]))
	d.mu.Lock()
	g, known := d.known[who]
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.open, conn)
	}()
	switch {
	case err != nil || !known:
		_ = conn.Close()
	case port == 0:
		_, _ = conn.Write(g.answer[:])
		_ = conn.Close()
	default:
		_ = conn.SetDeadline(time.Time{})
		g.pass(port, conn)
	}
}
