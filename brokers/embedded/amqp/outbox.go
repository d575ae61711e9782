package amqp

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"msdev/brokers/wire"
)

const (
	deliverLimit = 64 << 10 // octets that wait to be sent above which a connection takes no more deliveries
	replyLimit   = 4 << 20  // octets above which its reader waits too
	keepBuffer   = 64 << 10 // largest buffer that is kept when idle
	eagerWake    = 32 << 10 // octets above which the writer is woken at once
)

// outbox is what a connection still has to send. Frames are encoded straight into its buffer; one writer sends all of
// it at once. So the slower the client, the larger the writes.
type outbox struct {
	mu         sync.Mutex
	buf        []byte
	waiting    []*consumer // to resume when there is room
	confirming []*channel  // with confirms to send
	closed     bool
	room       *sync.Cond

	wake    chan struct{}
	flagged atomic.Bool // in a wakes list
	sent    atomic.Uint64
}

func newOutbox() *outbox {
	o := &outbox{wake: make(chan struct{}, 1)}
	o.room = sync.NewCond(&o.mu)
	return o
}

// wakes collects the outboxes to be sent, so that a burst of messages wakes each writer once.
type wakes struct{ list []*outbox }

func (w *wakes) add(o *outbox) {
	if o.flagged.CompareAndSwap(false, true) {
		w.list = append(w.list, o)
	}
}

func (w *wakes) flush() {
	for i, o := range w.list {
		o.flagged.Store(false)
		o.signal()
		w.list[i] = nil
	}
	w.list = w.list[:0]
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// append adds what encode appends.
func (o *outbox) append(w *wakes, encode func([]byte) []byte) {
	o.mu.Lock()
	if !o.closed {
		o.buf = encode(o.buf)
	}
	o.note(w)
}

// note ends an addition: it unlocks, and sees to it that the writer learns of it.
func (o *outbox) note(w *wakes) {
	eager := w == nil || len(o.buf) > eagerWake
	o.mu.Unlock()
	if eager {
		o.signal()
	} else {
		w.add(o)
	}
}

func (o *outbox) method(w *wakes, channel uint16, m wire.Method) {
	o.append(w, func(b []byte) []byte { return wire.AppendMethod(b, channel, m) })
}

// confirm notes that a channel has confirms to send. They are encoded as late as possible, so that one multiple ack
// stands for many.
func (o *outbox) confirm(ch *channel, w *wakes) {
	o.mu.Lock()
	o.confirming = append(o.confirming, ch)
	o.note(w)
}

// waitRoom holds up a connection's reader while too much waits to be sent.
func (o *outbox) waitRoom() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) > replyLimit && !o.closed {
		o.room.Wait()
	}
}

// close makes the outbox drop what comes; what is in it is still sent.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.waiting, o.confirming = nil, nil
	o.room.Broadcast()
	o.mu.Unlock()
	o.signal()
}

// swap takes what is to be sent, giving spare for what comes.
func (o *outbox) swap(spare []byte) (out []byte, resume []*consumer, closed bool) {
	o.mu.Lock()
	out, o.buf = o.buf, spare[:0]
	confirming := o.confirming
	resume, o.waiting, o.confirming = o.waiting, nil, nil
	closed = o.closed
	o.room.Broadcast()
	o.mu.Unlock()
	for _, ch := range confirming {
		out = ch.appendConfirms(out)
	}
	return out, resume, closed
}

// run sends until the outbox is closed or the connection breaks. After half a heartbeat without anything to send, it
// sends a heartbeat.
func (o *outbox) run(nc net.Conn, heartbeat func() time.Duration) {
	var spare []byte
	var idle *time.Timer
	var beat <-chan time.Time
	for {
		if d := heartbeat(); d > 0 && idle == nil {
			idle = time.NewTimer(d / 2)
			defer idle.Stop()
			beat = idle.C
		} else if d > 0 {
			idle.Reset(d / 2)
		}
		select {
		case <-o.wake:
		case <-beat:
			o.append(nil, wire.AppendHeartbeat)
		}
		out, resume, closed := o.swap(spare)
		for len(out) > 0 || len(resume) > 0 {
			if _, err := nc.Write(out); err != nil {
				o.close()
				_ = nc.Close()
				return
			}
			o.sent.Add(uint64(len(out)))
			if spare = out; cap(spare) > keepBuffer && len(spare) < keepBuffer {
				spare = nil
			}
			resumeAll(resume)
			out, resume, closed = o.swap(spare)
		}
		spare = out
		if closed {
			return
		}
	}
}

// resumeAll lets consumers go on that waited for room.
func resumeAll(list []*consumer) {
	var w wakes
	for _, c := range list {
		c.q.resume(c, &w)
	}
	w.flush()
}
