// Package remote is a broker on the other side of a connection: what a client of a session has of the session's brokers. Serve
// answers for a broker, and New is one that asks. Each question has a connection of its own.
package remote

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"msdev/brokers"
)

// frame is what travels: one byte of kind, four of length, and so many bytes.
type frame byte

// The frames. Those of a question come from the client.
const (
	askFrame     frame = 'A' // JSON of a question; the first one
	nextFrame    frame = 'N' // the next held message, please
	settleFrame  frame = 'S' // JSON of a settlement
	sendFrame    frame = 'P' // a message to publish: a target in JSON, and the message
	endFrame     frame = 'Z' // publishing is over: nothing more will be sent
	messageFrame frame = 'M' // a message of the batch that is coming
	batchFrame   frame = 'B' // JSON of the rest of a batch; it is complete
	ticketFrame  frame = 'T' // a held message: its ticket, how many are behind it, and the message
	resultFrame  frame = 'D' // JSON of what became of a message that was sent
	membersFrame frame = 'G' // JSON of a group's members
	doneFrame    frame = 'R' // JSON of the answer; the last one of most questions
	failFrame    frame = 'E' // JSON of an error
)

// longest bounds a frame: no broker takes a larger message.
const longest = 512 << 20

// link carries frames both ways. Writes are gathered: whoever writes waits only where the other side is slow.
type link struct {
	conn net.Conn
	r    *bufio.Reader
	head [5]byte

	mu     sync.Mutex
	moved  sync.Cond // what changed: out, err
	out    []byte
	closed bool
	err    error
	done   chan struct{} // closed when nothing will be written any more
}

// enough is how many bytes wait to be written before a writer has to wait.
const enough = 1 << 20

func newLink(conn net.Conn, r *bufio.Reader) *link {
	l := &link{conn: conn, r: r, done: make(chan struct{})}
	l.moved.L = &l.mu
	go l.write()
	return l
}

// write writes what has gathered until the link is closed.
func (l *link) write() {
	defer close(l.done)
	var batch []byte
	for {
		l.mu.Lock()
		for len(l.out) == 0 && !l.closed && l.err == nil {
			l.moved.Wait()
		}
		if l.err != nil || len(l.out) == 0 {
			l.mu.Unlock()
			return
		}
		batch, l.out = l.out, batch[:0]
		l.moved.Broadcast()
		l.mu.Unlock()
		if _, err := l.conn.Write(batch); err != nil {
			l.fail(err)
			return
		}
		if cap(batch) > 4*enough {
			batch = nil
		}
	}
}

func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	l.moved.Broadcast()
}

// put writes a frame; fill appends what it holds.
func (l *link) put(kind frame, fill func([]byte) ([]byte, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.out) > enough && l.err == nil && !l.closed {
		l.moved.Wait()
	}
	if l.closed {
		return net.ErrClosed
	}
	if l.err != nil {
		return l.err
	}
	at := len(l.out)
	out, err := fill(append(l.out, byte(kind), 0, 0, 0, 0))
	if err != nil {
		l.out = l.out[:at]
		return err
	}
	binary.BigEndian.PutUint32(out[at+1:], uint32(len(out)-at-5))
	l.out = out
	l.moved.Broadcast()
	return nil
}

func (l *link) json(kind frame, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.put(kind, func(b []byte) ([]byte, error) { return append(b, data...), nil })
}

// read reads a frame. Its content is the caller's.
func (l *link) read() (frame, []byte, error) {
	if _, err := io.ReadFull(l.r, l.head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(l.head[1:])
	if n > longest {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too long", n)
	}
	data := make([]byte, n)
	_, err := io.ReadFull(l.r, data)
	return frame(l.head[0]), data, err
}

// close writes what is still to be written, and ends the link.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.moved.Broadcast()
	l.mu.Unlock()
	<-l.done
	_ = l.conn.Close()
}

// abort ends the link at once, from any goroutine; whoever reads or writes gets an error.
func (l *link) abort() {
	l.fail(net.ErrClosed)
	_ = l.conn.Close()
}

// failure is an error on its way. Kind names those that callers look for.
type failure struct {
	Kind   string           `json:"kind,omitempty"`
	Text   string           `json:"text"`
	Hint   string           `json:"hint,omitempty"`
	Group  string           `json:"group,omitempty"`
	State  string           `json:"state,omitempty"`
	Member []brokers.Member `json:"members,omitempty"`
}

func failureOf(err error) failure {
	var disturb *brokers.DisturbError
	var busy *brokers.BusyError
	switch {
	case errors.As(err, &disturb):
		return failure{Kind: "disturb", Text: disturb.Reason, Hint: disturb.Hint}
	case errors.As(err, &busy):
		return failure{Kind: "busy", Text: busy.Error(), Group: busy.Group, State: busy.State, Member: busy.Members}
	case errors.Is(err, io.EOF):
		return failure{Kind: "end", Text: err.Error()}
	}
	return failure{Text: err.Error()}
}

func (f failure) error() error {
	switch f.Kind {
	case "disturb":
		return &brokers.DisturbError{Reason: f.Text, Hint: f.Hint}
	case "busy":
		return &brokers.BusyError{Group: f.Group, State: f.State, Members: f.Member}
	case "end":
		return io.EOF
	}
	return errors.New(f.Text)
}

// question is what a client wants.
type question struct {
	Do       action                 `json:"do"`
	From     brokers.Source         `json:"from,omitzero"`
	Tap      brokers.TapOptions     `json:"tap,omitzero"`
	Read     brokers.ReadOptions    `json:"read,omitzero"`
	Until    brokers.Position       `json:"until,omitzero"`
	Queue    string                 `json:"queue,omitempty"`
	Change   brokers.Change         `json:"change,omitzero"`
	Reset    brokers.GroupReset     `json:"reset,omitzero"`
	Group    string                 `json:"group,omitempty"`
	Offsets  []brokers.OffsetChange `json:"offsets,omitempty"`
	OfTopics []string               `json:"ofTopics,omitempty"`
}

// action names what a question is about: a method of brokers.Broker or of one of its abilities.
type action string

const (
	doTopology  action = "topology"
	doTap       action = "tap"
	doRead      action = "read"
	doPublish   action = "publish"
	doPurge     action = "purge"
	doTake      action = "take"
	doApply     action = "apply"
	doPlanReset action = "plan reset"
	doCommit    action = "commit"
	doWaitEmpty action = "wait empty"
	doDelete    action = "delete group"
)

// rest is a batch without its messages, of a tap or a reading.
type rest struct {
	Lost   int64          `json:"lost,omitempty"`
	Gap    *brokers.Gap   `json:"gap,omitempty"`
	Notes  []brokers.Note `json:"notes,omitempty"`
	Caught bool           `json:"caught,omitempty"`
	Left   int64          `json:"left,omitempty"`
}

// found is what a broker holds, and what is known of it since it was asked.
type found struct {
	Topology *brokers.Topology `json:"topology"`
	Info     brokers.Info      `json:"info"`
}

// settlement is what is to become of held messages.
type settlement struct {
	How     brokers.Settlement `json:"how"`
	Tickets []uint64           `json:"tickets"`
}

// sent is what became of the nth message of a publisher.
type sent struct {
	N      uint64         `json:"n"`
	Result brokers.Result `json:"result"`
	Err    string         `json:"err,omitempty"`
	Not    bool           `json:"not,omitempty"` // it was not sent at all
}
