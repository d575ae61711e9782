// Package relay lets the containers of a network and what runs outside reach each other, on every engine. One side is a small
// program in a container of its own, which carries the names of services that run elsewhere and listens on their ports; the other
// one is msdev. Between them is one multiplexed connection over the container's standard input and output (dialling goes both
// ways), and, where the program can reach it, msdev's door on the network's gateway address, which is far quicker.
package relay

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// patience bounds each step of a greeting.
const patience = 10 * time.Second

// message is what one side tells the other on their first stream, one JSON value each. Exactly one field is set.
type message struct {
	Hello *hello `json:"hello,omitempty"` // msdev's first
	Ready *ready `json:"ready,omitempty"` // the program's answer
	Abort uint32 `json:"abort,omitempty"` // a stream that is broken: the multiplexer itself can only end one direction
}

// hello says what the program is to do.
type hello struct {
	Ports []int    `json:"ports"` // to listen on
	Doors []string `json:"doors"` // where msdev may be reached directly, as host:port
	Key   Key      `json:"key"`
}

// ready says what the program has found.
type ready struct {
	Door  string `json:"door,omitempty"`  // the one that it can reach
	Error string `json:"error,omitempty"` // why it cannot listen
}

// Key is the secret between one relay and msdev: a door may be reached by others too.
type Key struct {
	Knock  secret `json:"knock"`  // begins each connection to a door
	Answer secret `json:"answer"` // proves that the door is msdev's
}

type secret [16]byte

// MarshalText writes a secret in hexadecimal.
func (s secret) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(s[:])), nil }

// UnmarshalText reads it.
func (s *secret) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(s) {
		return errors.New("a secret of the wrong length")
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// A connection to a door begins with the knock and the port that it is for; port 0 only asks for the answer.
const knockLen = len(secret{}) + 2

func (k Key) knock(port int) []byte { return binary.BigEndian.AppendUint16(k.Knock[:], uint16(port)) }

func configuration() *yamux.Config {
	c := yamux.DefaultConfig()
	c.StreamCloseTimeout = 0        // half of a connection may stay open for as long as it likes
	c.MaxStreamWindowSize = 1 << 20 // a round trip takes about a millisecond
	c.LogOutput = io.Discard
	return c
}

// link is a side's end of the multiplexed connection.
type link struct {
	mux     *yamux.Session
	control *yamux.Stream

	writing sync.Mutex // one message at a time

	mu      sync.Mutex
	streams map[uint32]*stream
}

func newLink(mux *yamux.Session, control *yamux.Stream) *link {
	return &link{mux: mux, control: control, streams: map[uint32]*stream{}}
}

func (l *link) tell(m message) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return json.NewEncoder(l.control).Encode(m)
}

// heed does what the other side's messages say, until the connection ends.
func (l *link) heed(from *json.Decoder) error {
	for {
		var m message
		if err := from.Decode(&m); err != nil {
			return err
		}
		l.mu.Lock()
		s := l.streams[m.Abort]
		l.mu.Unlock()
		if s != nil {
			s.abort()
		}
	}
}

// wrap makes a stream one that can be broken.
func (l *link) wrap(s *yamux.Stream) *stream {
	w := &stream{Stream: s, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[s.StreamID()] = w
	return w
}

// stream is one connection on the multiplexed one.
type stream struct {
	*yamux.Stream
	link *link

	mu     sync.Mutex
	read   bool // its end was read
	ended  bool // its end was written
	closed bool
}

// Read reads, and notes the end.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b)
	if errors.Is(err, io.EOF) {
		s.mu.Lock()
		s.read = true
		s.mu.Unlock()
	}
	return n, err
}

// CloseWrite ends what is written; reading goes on.
func (s *stream) CloseWrite() error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	return s.Stream.Close()
}

// Close ends both directions. Where that cuts something off, the other side is told.
func (s *stream) Close() error {
	s.mu.Lock()
	first, broken := !s.closed, !s.read || !s.ended
	s.closed = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	s.link.mu.Lock()
	delete(s.link.streams, s.StreamID())
	s.link.mu.Unlock()
	_ = s.SetDeadline(time.Unix(1, 0)) // who reads or writes is woken; it fails on no stream
	if broken {
		_ = s.link.tell(message{Abort: s.StreamID()}) // a connection that is gone breaks all its streams
	}
	return s.Stream.Close()
}

// abort breaks the stream off, as its other side asks.
func (s *stream) abort() {
	s.mu.Lock()
	s.read, s.ended = true, true
	s.mu.Unlock()
	_ = s.SetDeadline(time.Unix(1, 0))
	_ = s.Stream.Close()
}

// writeText writes a text with its length before it. A stream that msdev opens begins with the address to dial; the program answers
// with why it cannot, or with no text at all. A stream that the program opens begins with the port (2 bytes) that it is for.
func writeText(w io.Writer, text string) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...))
	return err
}

func readText(r io.Reader) (string, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return "", err
	}
	text := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, text)
	return string(text), err
}

// greet runs one step of a greeting within its time.
func greet(conn net.Conn, step func() error) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := step(); err != nil {
		return fmt.Errorf("the other side of the relay does not answer: %w", err)
	}
	return conn.SetDeadline(time.Time{})
}
