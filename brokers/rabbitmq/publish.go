package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"msdev/brokers"
	"msdev/brokers/wire"
)

const (
	windowCount = 4096
	windowBytes = 32 << 20
)

// A publisher sends with confirms and mandatory, so that it knows of every message what became of it.
type publisher struct {
	b *Broker

	c     *conn
	ch    *channel
	props []byte
	frame []byte
	known map[string]error // exchanges that were asked for

	mu      sync.Mutex
	pending []sent // by tag, from first
	first   uint64
	bytes   int
	room    chan struct{} // closed when a message was settled
	waiting bool          // somebody waits for room
}

// sent is a message that is not settled yet.
type sent struct {
	m        *brokers.Outgoing
	done     func(brokers.Result) // nil once settled
	returned error
}

// Publisher opens a way in: see brokers.Broker.
func (b *Broker) Publisher(ctx context.Context) (brokers.Publisher, error) {
	p := &publisher{b: b, known: map[string]error{}, room: make(chan struct{}), first: 1}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// open opens the channel, and the connection where it was lost.
func (p *publisher) open(ctx context.Context) error {
	for fresh := p.c == nil; ; fresh = true {
		if fresh {
			c, err := p.b.connect(ctx, "publisher")
			if err != nil {
				return err
			}
			p.c = c
		}
		ch, err := p.c.channel(ctx, func(ch *channel) {
			ch.content, ch.settled, ch.lost = p.cameBack, p.settle, p.fail
		})
		if err == nil {
			_, err = call[*wire.ConfirmSelectOk](ctx, ch, &wire.ConfirmSelect{})
		}
		if err == nil {
			p.ch = ch
			p.mu.Lock()
			p.first, p.pending = 1, nil
			p.mu.Unlock()
			return nil
		}
		p.c.close()
		p.c = nil
		if fresh {
			return err
		}
	}
}

// Send sends one message: see brokers.Publisher.
func (p *publisher) Send(ctx context.Context, m *brokers.Outgoing, done func(brokers.Result)) error {
	if p.ch == nil || isOver(p.ch) {
		if err := p.open(ctx); err != nil {
			return err
		}
	}
	if err := p.check(ctx, m); err != nil {
		if isOver(p.ch) || ctx.Err() != nil {
			return err
		}
		done(brokers.Result{Status: brokers.StatusRefused, Err: err})
		return nil
	}
	size := len(m.Message.Body)
	if err := p.reserve(ctx, size); err != nil {
		return err
	}
	p.props = properties(p.props[:0], m.Message)
	p.frame = wire.AppendPublish(p.frame[:0], p.ch.id, m.To.Exchange, m.To.RoutingKey, true)
	p.frame = wire.AppendContent(p.frame, p.ch.id, p.props, m.Message.Body, p.c.frameMax)
	p.mu.Lock()
	p.pending = append(p.pending, sent{m: m, done: done})
	p.bytes += size
	p.mu.Unlock()
	// Once it is pending, done is what tells of it: a lost connection makes it unknown.
	_ = p.c.post(p.frame)
	if cap(p.frame) > 1<<20 {
		p.frame = nil
	}
	if isOver(p.ch) {
		p.fail(p.ch.err)
	}
	return nil
}

func isOver(ch *channel) bool {
	select {
	case <-ch.over:
		return true
	default:
		return false
	}
}

// check refuses what the broker would end the channel for, and with it the messages around it.
func (p *publisher) check(ctx context.Context, m *brokers.Outgoing) error {
	props := &m.Message.Properties
	switch {
	case len(m.To.Exchange) > 255 || len(m.To.RoutingKey) > 255:
		return errors.New("the names of exchanges and routing keys have at most 255 bytes")
	case props.Has&wire.HasUserID != 0 && props.UserID != p.b.at.user:
		return fmt.Errorf("its user_id is %q, and the broker takes only the user who sends it, %q\nRemove the property, or log in as that user.", props.UserID, p.b.at.user)
	case props.Has&wire.HasExpiration != 0 && (props.Expiration == "" || strings.Trim(props.Expiration, "0123456789") != ""):
		return fmt.Errorf("its expiration is %q, and the broker takes only a whole number of milliseconds", props.Expiration)
	case props.Has&wire.HasDeliveryMode != 0 && props.DeliveryMode != 1 && props.DeliveryMode != 2:
		return fmt.Errorf("its delivery_mode is %d, and the broker takes only 1 (transient) and 2 (persistent)", props.DeliveryMode)
	case props.Has&wire.HasReplyTo != 0 && props.ReplyTo == "amq.rabbitmq.reply-to":
		return errors.New("its reply-to is amq.rabbitmq.reply-to, which stands for a consumer of its first sender\nRemove the property, or name a queue.")
	}
	err, asked := p.known[m.To.Exchange]
	if !asked {
		err = exists(ctx, p.c, m.To.Exchange)
		if !isOver(p.ch) && ctx.Err() == nil {
			p.known[m.To.Exchange] = err
		}
	}
	return err
}

// reserve waits until the window has room.
func (p *publisher) reserve(ctx context.Context, size int) error {
	return p.wait(ctx, func() bool {
		return len(p.pending) < windowCount && (p.bytes == 0 || p.bytes+size <= windowBytes)
	})
}

// wait returns when ready holds, which settling makes true.
func (p *publisher) wait(ctx context.Context, ready func() bool) error {
	for {
		p.mu.Lock()
		if ready() {
			p.mu.Unlock()
			return nil
		}
		p.waiting = true
		room := p.room
		p.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Flush waits until all is settled.
func (p *publisher) Flush(ctx context.Context) error {
	return p.wait(ctx, func() bool { return len(p.pending) == 0 })
}

// Close ends the connection. What is not settled is unknown.
func (p *publisher) Close() error {
	if p.c != nil {
		p.c.close()
		p.c = nil
	}
	return nil
}

// settle takes the broker's word for one message, or for all up to it.
func (p *publisher) settle(tag uint64, multiple, ok bool) {
	p.mu.Lock()
	if tag < p.first || tag-p.first >= uint64(len(p.pending)) {
		p.mu.Unlock()
		return
	}
	last := int(tag - p.first)
	from := last
	if multiple {
		from = 0
	}
	var settled []sent
	for i := from; i <= last; i++ {
		if s := &p.pending[i]; s.done != nil {
			settled = append(settled, *s)
			p.bytes -= len(s.m.Message.Body)
			*s = sent{}
		}
	}
	n := 0
	for n < len(p.pending) && p.pending[n].done == nil {
		n++
	}
	p.pending = p.pending[n:]
	p.first += uint64(n)
	p.mu.Unlock()
	for i := range settled {
		settled[i].done(settled[i].result(ok))
	}
	p.makeRoom()
}

func (s *sent) result(ok bool) brokers.Result {
	switch {
	case !ok:
		return brokers.Result{Status: brokers.StatusRefused, Err: errors.New("the broker did not take it (basic.nack): a queue is full or failed")}
	case s.returned != nil:
		return brokers.Result{Status: brokers.StatusUnroutable, Err: s.returned}
	}
	return brokers.Result{Status: brokers.StatusConfirmed}
}

func (p *publisher) makeRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		close(p.room)
		p.room, p.waiting = make(chan struct{}), false
	}
}

// fail makes unknown what is not settled when the channel ends.
func (p *publisher) fail(err error) {
	p.mu.Lock()
	pending := p.pending
	p.pending, p.bytes = nil, 0
	p.mu.Unlock()
	for i := range pending {
		if pending[i].done != nil {
			pending[i].done(brokers.Result{Status: brokers.StatusUnknown, Err: err})
		}
	}
	p.makeRoom()
}

// cameBack handles a message that no queue took. The broker does not say which one it was, only what it looked like, and
// confirms it afterwards.
func (p *publisher) cameBack(c *content) {
	why, ok := c.returned.(*wire.BasicReturn)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.pending {
		s := &p.pending[i]
		if s.done == nil || s.returned != nil || s.m.To.Exchange != c.exchange || s.m.To.RoutingKey != c.routingKey ||
			!bytes.Equal(s.m.Message.Body, c.body) || !sameProperties(s.m.Message, c.properties) {
			continue
		}
		s.returned = fmt.Errorf("no queue took it: the broker says %d %s", why.Code, why.Text)
		return
	}
}

// sameProperties compares them; RabbitMQ 4 sorts headers.
func sameProperties(m *brokers.Message, raw []byte) bool {
	if bytes.Equal(properties(nil, m), raw) {
		return true
	}
	theirs, err := wire.ParseProperties(raw)
	if err != nil {
		return false
	}
	ours := m.Properties
	ours.Headers = m.Headers
	ours.Has, theirs.Has = ours.Has&^wire.HasHeaders, theirs.Has&^wire.HasHeaders
	sorted := func(h wire.Table) []byte {
		h = slices.Clone(h)
		slices.SortStableFunc(h, func(a, b wire.Field) int { return strings.Compare(a.Key, b.Key) })
		return wire.AppendTable(nil, h)
	}
	return bytes.Equal(ours.Append(nil), theirs.Append(nil)) && bytes.Equal(sorted(ours.Headers), sorted(theirs.Headers))
}
