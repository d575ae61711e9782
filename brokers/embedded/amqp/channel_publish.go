package amqp

import (
	"strings"

	"msdev/brokers/wire"
)

// maxMessage is the largest body, as in RabbitMQ's default configuration.
const maxMessage = 128 << 20

// content is a message that arrives in frames.
type content struct {
	stage     contentStage
	exchange  string
	key       string
	mandatory bool
	bodySize  uint64
	data      []byte // properties, then body
	props     int
}

type contentStage int

const (
	idleContent contentStage = iota
	wantHeader
	wantBody
)

// begin handles the method of a publish.
func (ch publishing) begin(payload []byte) *Error {
	p, err := wire.ParsePublish(payload)
	if err != nil {
		return parseError(payload, err)
	}
	c := &ch.content
	if string(p.Exchange) != c.exchange { // mostly it is the last one's
		c.exchange = string(p.Exchange)
	}
	if string(p.RoutingKey) != c.key {
		c.key = string(p.RoutingKey)
	}
	if p.Immediate {
		return fail(codeNotImplemented, "immediate=true")
	}
	c.mandatory, c.stage = p.Mandatory, wantHeader
	return nil
}

func (ch publishing) header(payload []byte) *Error {
	c := &ch.content
	if c.stage != wantHeader {
		if c.stage == wantBody {
			return fail(codeUnexpectedFrame, "expected content body, got non content body frame instead")
		}
		return fail(codeUnexpectedFrame, "expected method frame, got non method frame instead")
	}
	h, err := wire.ParseContentHeader(payload)
	if err != nil {
		return fail(codeSyntaxError, "%s", err)
	}
	if h.Class != 60 {
		return fail(codeUnexpectedFrame, "expected content header for class 60, got one for class %d instead", h.Class)
	}
	if h.BodySize > maxMessage {
		c.stage = idleContent
		return preconditionFailed("message size %d is larger than max size %d", h.BodySize, maxMessage)
	}
	c.stage, c.bodySize, c.props = wantBody, h.BodySize, len(h.Properties)
	// No more than one frame is promised memory before it arrives.
	c.data = append(make([]byte, 0, len(h.Properties)+int(min(h.BodySize, offerFrameMax))), h.Properties...)
	if h.BodySize == 0 {
		return ch.complete()
	}
	return nil
}

func (ch publishing) body(payload []byte) *Error {
	c := &ch.content
	switch c.stage {
	case idleContent:
		return fail(codeUnexpectedFrame, "expected method frame, got non method frame instead")
	case wantHeader:
		return fail(codeUnexpectedFrame, "expected content header for class 60, got non content header frame instead")
	}
	c.data = append(c.data, payload...)
	got := uint64(len(c.data) - c.props)
	if got > c.bodySize {
		return fail(codeFrameError, "content of %d octets is longer than the %d its header announced", got, c.bodySize)
	}
	if got < c.bodySize {
		return nil
	}
	return ch.complete()
}

// complete publishes the message that has arrived.
func (ch publishing) complete() *Error {
	c := &ch.content
	c.stage = idleContent
	data := c.data
	c.data = nil
	p, err := ch.prepare(data)
	if err != nil {
		return err
	}
	if ch.confirm.Load() {
		p.token = ch.confirms.begin()
	}
	if ch.tx != nil {
		ch.tx.published = append(ch.tx.published, p)
		ch.unsent.Add(1)
		return nil
	}
	ch.publish(p)
	ch.conn.breathe(p.fed())
	return nil
}

// fed tells whether the message went to a queue with consumers and a backlog that has no end of its own: who bounds a queue, and has it
// drop, wants nobody to wait for its consumers.
func (p *publication) fed() bool {
	for _, q := range p.queues {
		if q.depth.Load() > pageDepth && q.watched.Load() && !q.set.drops() {
			return true
		}
	}
	return false
}

// publication is a message on its way to its queues.
type publication struct {
	msg       *message
	queues    []*queue
	mandatory bool
	token     uint64   // the number of its confirm, or 0
	reply     *channel // it goes to this channel's direct reply consumer
	lost      bool     // a direct reply that nobody waits for
}

// prepare checks a message and finds its queues.
func (ch publishing) prepare(data []byte) (publication, *Error) {
	c := &ch.content
	p := publication{mandatory: c.mandatory}
	v, u := ch.conn.vhost, ch.conn.user
	if err := u.may(toWrite, v, "exchange", c.exchange); err != nil {
		return p, err
	}
	x, wrong := ch.writable(c.exchange)
	if wrong != nil {
		return p, wrong
	}
	view, err := wire.Scan(data[:c.props])
	if err != nil {
		return p, fail(codeSyntaxError, "%s", err)
	}
	if view.UserID != nil && string(view.UserID) != u.name && !u.is("impersonator") {
		return p, preconditionFailed("user_id property set to '%s' but authenticated user was '%s'", view.UserID, u.name)
	}
	props := c.props
	if string(view.ReplyTo) == directReplyTo {
		if data, props, err = ch.stampReply(data, props); err != nil {
			return p, preconditionFailed("%s", err)
		}
	}
	var keys, hidden []string
	if hasKeys(view.Headers) {
		var e *Error
		if data, props, keys, hidden, e = readKeys(data, props); e != nil {
			return p, e
		}
	}
	m, e := newMessage(c.exchange, c.key, data, props, view)
	if e != nil {
		return p, e
	}
	m.hidden = hidden
	p.msg = m
	if c.exchange == "" && strings.HasPrefix(c.key, directReplyTo+".") {
		p.reply = ch.conn.broker.replyChannel(c.key)
		p.lost = p.reply == nil
		return p, nil
	}
	p.queues = ch.queues(m, append(keys, hidden...))
	if x != nil {
		x.out.Add(uint64(len(p.queues)))
	}
	return p, nil
}

// writable is the exchange of a name, nil for the default one; it fails when there is none, or clients may not publish to it.
func (ch publishing) writable(name string) (*exchange, *Error) {
	if name == "" {
		return nil, nil
	}
	v := ch.conn.vhost
	x := ch.routes.exchange(v, name)
	if x == nil {
		return nil, v.missing("exchange", name)
	}
	if x.internal {
		return nil, fail(codeAccessRefused, "cannot publish to internal %s", v.title("exchange", name))
	}
	x.in.Add(1)
	return x, nil
}

// readKeys takes the further routing keys from CC and BCC, and BCC out of the headers.
func readKeys(data []byte, props int) (_ []byte, _ int, keys, hidden []string, _ *Error) {
	p, err := wire.ParseProperties(data[:props])
	if err != nil {
		return nil, 0, nil, nil, fail(codeSyntaxError, "%s", err)
	}
	for _, name := range []string{"CC", "BCC"} {
		if v, ok := p.Headers.Get(name); ok {
			if _, isArray := v.(wire.Array); !isArray {
				return nil, 0, nil, nil, preconditionFailed("invalid message: {unacceptable_type_in_header,<<\"%s\">>,%s}", name, typeName(v))
			}
		}
	}
	keys, hidden = copies(p.Headers, "CC"), copies(p.Headers, "BCC")
	if _, ok := p.Headers.Get("BCC"); !ok {
		return data, props, keys, nil, nil
	}
	p.SetHeaders(p.Headers.Without("BCC"))
	out := p.Append(make([]byte, 0, len(data)))
	return append(out, data[props:]...), len(out), keys, hidden, nil
}

// publish sends a message to its queues, and answers the publisher.
func (ch publishing) publish(p publication) {
	w := &ch.conn.wakes
	ch.mu.Lock()
	ch.counts.publish++
	ch.mu.Unlock()
	if ch.conn.vhost.tracing.Load() {
		ch.tracePublish(p)
	}
	accepted, waits := true, false
	switch {
	case p.reply != nil:
		p.lost = !p.reply.directReply(p.msg, w)
	case len(p.queues) > 0:
		accepted, waits = ch.conn.broker.enqueue(p.msg, p.queues, ch.ifConfirming(p), p.token, w)
	}
	if p.mandatory && len(p.queues) == 0 && (p.reply == nil || p.lost) {
		ch.giveBackUnrouted(p)
	}
	if p.token != 0 && (!waits || !accepted) {
		ch.answer(p.token, accepted)
	}
}

func (ch publishing) ifConfirming(p publication) *channel {
	if p.token == 0 {
		return nil
	}
	return ch.channel
}

// giveBackUnrouted is basic.return.
func (ch publishing) giveBackUnrouted(p publication) {
	m := p.msg
	ch.mu.Lock()
	ch.counts.returned++
	ch.mu.Unlock()
	ch.conn.out.append(&ch.conn.wakes, func(b []byte) []byte {
		b = wire.AppendMethod(b, ch.id, &wire.BasicReturn{Code: codeNoRoute, Text: "NO_ROUTE", Exchange: m.exchange, RoutingKey: m.key})
		return wire.AppendContent(b, ch.id, m.data[:m.props], m.data[m.props:], ch.conn.frameMax)
	})
}

// routes remembers where a channel's messages went, until the topology changes.
type routes struct {
	version   uint64
	exchanges map[string]*exchange
	queues    map[routeKey][]*queue
}

type routeKey struct{ exchange, key string }

const routesKept = 4096

func (r *routes) fresh(v *vhost) {
	if version := v.version.Load(); r.exchanges == nil || r.version != version || len(r.queues) > routesKept {
		*r = routes{version: version, exchanges: map[string]*exchange{}, queues: map[routeKey][]*queue{}}
	}
}

func (r *routes) exchange(v *vhost, name string) *exchange {
	r.fresh(v)
	x := r.exchanges[name]
	if x == nil {
		if x, _ = v.exchange(name); x != nil {
			r.exchanges[name] = x
		}
	}
	return x
}

// queues finds a message's queues; keys are further routing keys.
func (ch publishing) queues(m *message, keys []string) []*queue {
	v := ch.conn.vhost
	headers := func() wire.Table { return m.headers(nil) }
	if len(keys) > 0 {
		queues, _ := v.find(m.exchange, append([]string{m.key}, keys...), headers)
		return queues
	}
	ch.routes.fresh(v)
	k := routeKey{m.exchange, m.key}
	if queues, ok := ch.routes.queues[k]; ok {
		return queues
	}
	queues, byName := v.find(m.exchange, []string{m.key}, headers)
	if byName {
		ch.routes.queues[k] = queues
	}
	return queues
}
