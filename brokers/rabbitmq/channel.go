package rabbitmq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"msdev/brokers/wire"
)

// mostAnswers is how many calls may be sent before the first answer is taken.
const mostAnswers = 256

// A channel is one AMQP channel. Its handlers are set before anything can arrive for them and are called by the goroutine
// that reads, so they must not wait for the broker.
type channel struct {
	c  *conn
	id uint16

	content  func(*content)                      // a whole message
	settled  func(tag uint64, multiple, ok bool) // a publisher's confirm
	canceled func()                              // the broker ended the consumer
	idle     func()                              // all that had arrived is handled
	lost     func(error)                         // the channel is over

	calling sync.Mutex
	answer  chan any
	over    chan struct{}
	err     error // once over

	now    content // what is being received
	body   uint64  // how much of its body is missing
	names  names
	memory slab
}

// content is a message as it arrived. Its bytes are the receiver's.
type content struct {
	wire.Deliver                     // without the names
	kind                 wire.ID     // how it came: delivered, got or returned
	exchange, routingKey string      //
	returned             wire.Method // why, when it came back
	left                 uint32      // basic.get-ok: how many the queue has behind it
	properties, body     []byte
}

// channel opens a channel. set names its handlers.
func (c *conn) channel(ctx context.Context, set func(*channel)) (*channel, error) {
	ch := &channel{c: c, answer: make(chan any, mostAnswers), over: make(chan struct{}), names: names{}}
	if set != nil {
		set(ch)
	}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, c.err
	}
	for ch.id = 1; c.channels[ch.id] != nil; ch.id++ {
	}
	c.channels[ch.id] = ch
	c.mu.Unlock()
	if _, err := call[*wire.ChannelOpenOk](ctx, ch, &wire.ChannelOpen{}); err != nil {
		return nil, err
	}
	return ch, nil
}

// call sends a method and waits for its answer. When ctx ends first, the channel is of no more use: the connection's owner
// closes that.
func call[M any](ctx context.Context, ch *channel, m wire.Method) (M, error) {
	var none M
	answer, err := ch.ask(ctx, m)
	if err != nil {
		return none, err
	}
	if is, ok := answer.(M); ok {
		return is, nil
	}
	return none, fmt.Errorf("the broker answered %T to %T", answer, m)
}

func (ch *channel) ask(ctx context.Context, m wire.Method) (any, error) {
	ch.calling.Lock()
	defer ch.calling.Unlock()
	if err := ch.send(m); err != nil {
		return nil, err
	}
	select {
	case answer := <-ch.answer:
		return answer, nil
	case <-ch.over:
		return nil, ch.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send sends a method that has no answer.
func (ch *channel) send(m wire.Method) error {
	select {
	case <-ch.over:
		return ch.err
	default:
	}
	return ch.c.post(wire.AppendMethod(nil, ch.id, m))
}

// fail ends the channel. Only the reading goroutine calls it.
func (ch *channel) fail(err error) {
	ch.err = err
	close(ch.over)
	if ch.lost != nil {
		ch.lost(err)
	}
}

var errOutOfTurn = errors.New("the broker sent frames out of turn")

// frame handles one frame.
func (ch *channel) frame(f wire.Frame) error {
	switch f.Type {
	case wire.FrameMethod:
		return ch.method(f.Payload)
	case wire.FrameHeader:
		h, err := wire.ParseContentHeader(f.Payload)
		if err != nil {
			return err
		}
		ch.now.properties = ch.memory.keep(h.Properties)
		ch.now.body = ch.memory.room(h.BodySize)
		ch.body = h.BodySize
	case wire.FrameBody:
		if uint64(len(f.Payload)) > ch.body {
			return errOutOfTurn
		}
		ch.now.body = append(ch.now.body, f.Payload...)
		ch.body -= uint64(len(f.Payload))
	}
	if ch.body == 0 && ch.now.kind != 0 {
		whole := ch.now
		ch.now = content{}
		if whole.kind == wire.IDBasicGetOk {
			return ch.answered(&whole)
		} else if ch.content != nil {
			ch.content(&whole)
		}
	}
	return nil
}

// method handles a method frame.
func (ch *channel) method(payload []byte) error {
	id, err := wire.ParseID(payload)
	if err != nil {
		return err
	}
	switch id {
	case wire.IDBasicDeliver:
		return ch.begin(id, payload, wire.ParseDeliver)
	case wire.IDBasicGetOk:
		return ch.begin(id, payload, wire.ParseGetOk)
	}
	m, err := wire.Parse(payload)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.BasicReturn:
		ch.now = content{kind: id, exchange: m.Exchange, routingKey: m.RoutingKey, returned: m}
		ch.body = 1 // until the header tells
	case *wire.BasicAck:
		ch.settle(m.DeliveryTag, m.Multiple, true)
	case *wire.BasicNack:
		ch.settle(m.DeliveryTag, m.Multiple, false)
	case *wire.BasicCancel:
		if ch.canceled != nil {
			ch.canceled()
		}
	case *wire.ChannelFlow:
		ch.c.postNow(wire.AppendMethod(nil, ch.id, &wire.ChannelFlowOk{Active: m.Active}))
	case *wire.ChannelClose:
		ch.c.mu.Lock()
		delete(ch.c.channels, ch.id)
		ch.c.mu.Unlock()
		ch.c.postNow(wire.AppendMethod(nil, ch.id, &wire.ChannelCloseOk{}))
		ch.fail(&brokerError{m.Code, m.Text})
		return nil
	default:
		return ch.answered(m)
	}
	return nil
}

func (ch *channel) answered(m any) error {
	select {
	case ch.answer <- m:
		return nil
	default:
		return errOutOfTurn
	}
}

func (ch *channel) settle(tag uint64, multiple, ok bool) {
	if ch.settled != nil {
		ch.settled(tag, multiple, ok)
	}
}

// begin starts a content.
func (ch *channel) begin(id wire.ID, payload []byte, parse func([]byte) (wire.Deliver, error)) error {
	d, err := parse(payload)
	if err != nil {
		return err
	}
	ch.now = content{kind: id, Deliver: d, exchange: ch.names.of(d.Exchange), routingKey: ch.names.of(d.RoutingKey)}
	ch.now.Exchange, ch.now.RoutingKey = nil, nil
	if id == wire.IDBasicGetOk {
		ch.now.left = binary.BigEndian.Uint32(payload[len(payload)-4:])
	}
	ch.body = 1 // until the header tells
	return nil
}

// names keeps strings that come again and again from being made each time.
type names map[string]string

const mostNames = 1024

func (n names) of(b []byte) string {
	if s, ok := n[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(n) >= mostNames { // such as routing keys with an id in them
		clear(n)
	}
	n[s] = s
	return s
}

// slab cuts messages out of larger pieces of memory. A piece is let go when the last message of it is.
type slab struct{ free []byte }

const slabSize = 128 << 10

// room returns an empty slice for size bytes. What the broker promises beyond a slab is believed as it arrives.
func (s *slab) room(size uint64) []byte {
	if size > slabSize/4 {
		return make([]byte, 0, min(size, 1<<20))
	}
	if uint64(len(s.free)) < size {
		s.free = make([]byte, slabSize)
	}
	b := s.free[:0:size]
	s.free = s.free[size:]
	return b
}

func (s *slab) keep(b []byte) []byte { return append(s.room(uint64(len(b))), b...) }
