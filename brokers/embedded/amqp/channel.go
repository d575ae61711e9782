package amqp

import (
	"sync"
	"sync/atomic"

	"msdev/brokers/wire"
)

// channel is one channel of a connection. Its methods run on the connection's reader; deliveries come from whoever
// publishes.
type channel struct {
	conn *conn
	id   uint16

	// Only the reader uses these.
	state     channelState
	lastQueue string // the most recently declared queue, which an empty name stands for
	tx        *transaction
	content   content
	routes    routes

	// The management API reads these too.
	prefetch   atomic.Int32 // of consumers to come
	confirm    atomic.Bool
	transacted atomic.Bool
	unsent     atomic.Int32 // messages of the open transaction
	unsettled  atomic.Int32 // and acknowledgements

	confirms confirms

	mu          sync.Mutex
	shutDown    bool
	tag         uint64 // the last delivery's
	unacked     unacked
	globalLimit int // prefetch of the whole channel; 0 is none
	stalled     []*consumer
	consumers   map[string]*consumer
	reply       *replyConsumer
	counts      channelCounts
}

type channelState int

const (
	channelStarting channelState = iota
	channelOpen
	channelClosing // a channel.close was sent: everything but its answer is ignored
)

// channelCounts are what a channel did.
type channelCounts struct {
	publish, returned, deliver, get, ack uint64
}

// replyConsumer is the consumer of amq.rabbitmq.reply-to.
type replyConsumer struct {
	tag, token string
}

func newChannel(c *conn, id uint16) *channel {
	return &channel{conn: c, id: id, consumers: map[string]*consumer{}}
}

// frame handles one frame. A soft error closes the channel; a hard one is returned.
func (ch *channel) frame(f wire.Frame) *Error {
	var err *Error
	switch {
	case ch.state == channelClosing:
		ch.ignore(f)
	case f.Type == wire.FrameMethod:
		err = ch.method(f.Payload)
	case f.Type == wire.FrameHeader:
		err = publishing{ch}.header(f.Payload)
	default:
		err = publishing{ch}.body(f.Payload)
	}
	if err == nil {
		return nil
	}
	if err.Method == 0 && f.Type == wire.FrameMethod {
		err.Method, _ = wire.ParseID(f.Payload)
	} else if err.Method == 0 {
		err.Method = (*wire.BasicPublish)(nil).ID()
	}
	if err.hard() {
		return err
	}
	ch.fail(err)
	return nil
}

// ignore drops what a client sends before it learns that its channel was closed.
func (ch *channel) ignore(f wire.Frame) {
	if f.Type != wire.FrameMethod {
		return
	}
	switch id, _ := wire.ParseID(f.Payload); id {
	case (*wire.ChannelCloseOk)(nil).ID():
		ch.conn.drop(ch)
	case (*wire.ChannelClose)(nil).ID(): // both sides closed at once: the client still answers ours
		ch.send(&wire.ChannelCloseOk{})
	}
}

// fail closes the channel with an exception.
func (ch *channel) fail(e *Error) {
	ch.conn.broker.logger.Info("closing a channel", "conn", ch.conn.name, "channel", ch.id, "err", e)
	ch.shut(&ch.conn.wakes)
	ch.state = channelClosing
	ch.send(&wire.ChannelClose{Code: e.Code, Text: e.reply(), ClassID: e.Method.Class(), MethodID: e.Method.Number()})
}

// shut ends the channel's consumers and gives back what it did not acknowledge.
func (ch *channel) shut(w *wakes) {
	ch.mu.Lock()
	if ch.shutDown {
		ch.mu.Unlock()
		return
	}
	ch.shutDown = true
	consumers := ch.consumers
	ch.consumers = nil
	ch.stalled = nil
	reply := ch.reply
	ch.reply = nil
	left := ch.unacked.all()
	ch.mu.Unlock()
	if ch.tx != nil {
		left = ch.tx.giveBack(left)
	}
	if reply != nil {
		ch.conn.broker.endReplies(reply.token)
	}
	for _, c := range consumers {
		ch.endConsumer(c, w)
	}
	ch.settle(left, requeuedByClose, w)
	ch.content = content{}
}

// endConsumer takes a consumer from its queue, and an auto-delete queue with the last one.
func (ch *channel) endConsumer(c *consumer, w *wakes) {
	if c.q.unsubscribe(c, w) {
		c.q.vhost.removeQueue(c.q, w)
	}
}

func (ch *channel) send(m wire.Method) { ch.conn.out.method(&ch.conn.wakes, ch.id, m) }

// reply sends a method unless the client asked for silence.
func (ch *channel) replyTo(noWait bool, m wire.Method) {
	if !noWait {
		ch.send(m)
	}
}

// Stored hears from the log that a message is safe, or could not be written.
func (ch *channel) Stored(token uint64, ok bool) {
	if ch.confirms.resolve(token, ok) {
		ch.conn.out.confirm(ch, nil)
	}
}

// answer confirms a message, or tells that a queue rejected it.
func (ch *channel) answer(token uint64, ok bool) {
	if ch.confirms.resolve(token, ok) {
		ch.conn.out.confirm(ch, &ch.conn.wakes)
	}
}

// appendConfirms encodes the confirms that wait; the connection's writer calls it.
func (ch *channel) appendConfirms(b []byte) []byte {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.shutDown {
		return b
	}
	return ch.confirms.append(b, ch.id)
}

// cancelled tells the client that the broker ended a consumer: its queue is gone.
func (ch *channel) cancelled(c *consumer, w *wakes) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.consumers[c.tag] != c {
		return
	}
	delete(ch.consumers, c.tag)
	if ch.conn.cancels {
		ch.conn.out.method(w, ch.id, &wire.BasicCancel{ConsumerTag: c.tag, NoWait: true})
	}
}
