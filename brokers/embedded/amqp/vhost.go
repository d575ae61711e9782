package amqp

import (
	"strings"
	"sync"
	"sync/atomic"

	"msdev/brokers/wire"
)

const traceExchange = "amq.rabbitmq.trace"

// internalUser is who declared what the broker itself declared.
const internalUser = "rmq-internal"

// vhost is a namespace of exchanges and queues.
type vhost struct {
	broker  *Broker
	name    string
	version atomic.Uint64 // changes with every change of the topology; cached routes compare it
	tracing atomic.Bool

	mu          sync.RWMutex
	description string
	tags        []string
	queueType   string // of queues declared without x-queue-type
	exchanges   map[string]*exchange
	queues      map[string]*queue
}

func newVhost(b *Broker, name string) *vhost {
	v := &vhost{broker: b, name: name, queueType: classicQueue, exchanges: map[string]*exchange{}, queues: map[string]*queue{}}
	for _, x := range []struct{ name, kind string }{{"", direct}, {"amq.direct", direct}, {"amq.fanout", fanout},
		{"amq.topic", topic}, {"amq.headers", headersType}, {"amq.match", headersType}, {traceExchange, topic}} {
		e := newExchange(x.name, x.kind)
		e.durable, e.internal, e.creator = true, x.name == traceExchange, internalUser
		v.exchanges[x.name] = e
	}
	return v
}

func (v *vhost) title(kind, name string) string { return named(kind, name, v.name) }

func (v *vhost) missing(kind, name string) *Error {
	return fail(codeNotFound, "no %s", v.title(kind, name))
}

func (v *vhost) exchange(name string) (*exchange, *Error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if x := v.exchanges[name]; x != nil {
		return x, nil
	}
	return nil, v.missing("exchange", name)
}

// queue finds a queue that the connection may use; c is nil for the management API.
func (v *vhost) queue(name string, c *conn) (*queue, *Error) {
	v.mu.RLock()
	q := v.queues[name]
	v.mu.RUnlock()
	if q == nil {
		return nil, v.missing("queue", name)
	}
	return q, q.access(c)
}

// access fails when the queue is exclusive to another connection.
func (q *declared) access(c *conn) *Error {
	if q.owner == nil || q.owner == c {
		return nil
	}
	return fail(codeResourceLocked, "cannot obtain exclusive access to locked %s. It could be originally declared on "+
		"another connection or the exclusive property value does not match that of the original declaration.", q.title())
}

// declareExchange creates an exchange, or checks that the one there is the same.
func (v *vhost) declareExchange(m *wire.ExchangeDeclare, creator string) *Error {
	if newMatcher(m.Type) == nil {
		return fail(codeCommandInvalid, "unknown exchange type '%s'", m.Type)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if x := v.exchanges[m.Exchange]; x != nil {
		return x.same(v.title("exchange", x.name), m)
	}
	if strings.HasPrefix(m.Exchange, "amq.") {
		return fail(codeAccessRefused, "exchange name '%s' contains reserved prefix 'amq.*'", m.Exchange)
	}
	x := newExchange(m.Exchange, m.Type)
	x.durable, x.autoDelete, x.internal, x.args = m.Durable, m.AutoDelete, m.Internal, m.Arguments
	x.creator = creator
	if a, ok := m.Arguments.Get("alternate-exchange"); ok {
		name, isString := a.(string)
		if !isString {
			return preconditionFailed("invalid type '%s' for arg 'alternate-exchange' in %s", typeName(a), v.title("exchange", x.name))
		}
		x.alternate = name
	}
	v.exchanges[x.name] = x
	v.version.Add(1)
	if x.durable {
		v.broker.save(exchangeRow(v, x))
	}
	return nil
}

func (x *exchange) same(name string, m *wire.ExchangeDeclare) *Error {
	for _, err := range []*Error{
		sameName(name, "type", x.kind, m.Type),
		sameFlag(name, "durable", x.durable, m.Durable),
		sameFlag(name, "auto_delete", x.autoDelete, m.AutoDelete),
		sameFlag(name, "internal", x.internal, m.Internal),
		sameArguments(name, []string{"alternate-exchange"}, x.args, m.Arguments),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteExchange deletes an exchange; one that does not exist is no error, as in RabbitMQ.
func (v *vhost) deleteExchange(name string, ifUnused bool) *Error {
	if name == "" {
		return errDefaultExchange()
	}
	if strings.HasPrefix(name, "amq.") {
		return fail(codeAccessRefused, "deletion of system %s not allowed", v.title("exchange", name))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	x := v.exchanges[name]
	if x == nil {
		return nil
	}
	if ifUnused && len(x.bindings) > 0 {
		return preconditionFailed("%s in use", v.title("exchange", name))
	}
	v.dropExchange(x)
	return nil
}

func errDefaultExchange() *Error {
	return fail(codeAccessRefused, "operation not permitted on the default exchange")
}

// dropExchange removes an exchange with its bindings in both directions; v.mu is held.
func (v *vhost) dropExchange(x *exchange) {
	if v.exchanges[x.name] != x {
		return
	}
	delete(v.exchanges, x.name)
	v.version.Add(1)
	for _, b := range x.bindings {
		v.forgetBinding(b)
	}
	x.bindings = map[bindingKey]*binding{}
	v.dropBindingsTo(func(b *binding) bool { return b.target == x })
	if x.durable {
		v.broker.unsave(exchangeKey(v, x.name))
	}
}

// dropBindingsTo removes bindings by destination, and auto-delete exchanges that lose their last; v.mu is held.
func (v *vhost) dropBindingsTo(gone func(*binding) bool) {
	for _, x := range v.exchanges {
		for _, b := range x.bindings {
			if gone(b) {
				v.dropBinding(b)
			}
		}
	}
}

func (v *vhost) dropBinding(b *binding) {
	x := b.source
	delete(x.bindings, b.id())
	x.matcher.remove(b)
	v.version.Add(1)
	v.forgetBinding(b)
	if x.autoDelete && len(x.bindings) == 0 {
		v.dropExchange(x)
	}
}

func (v *vhost) forgetBinding(b *binding) {
	if b.durable() {
		v.broker.unsave(bindingTableKey(v, b))
	}
}

// bindRequest is a queue.bind, exchange.bind or their opposite.
type bindRequest struct {
	source, kind, destination, key string
	args                           wire.Table
	owner                          *conn
}

// resolve finds both ends of a binding; v.mu is held.
func (v *vhost) resolve(r bindRequest) (*binding, *Error) {
	if r.source == "" || r.kind == "exchange" && r.destination == "" {
		return nil, errDefaultExchange()
	}
	b := &binding{source: v.exchanges[r.source], key: r.key, args: r.args}
	if r.kind == "queue" {
		b.queue = v.queues[r.destination]
	} else {
		b.target = v.exchanges[r.destination]
	}
	switch {
	case b.queue == nil && b.target == nil:
		return nil, v.missing(r.kind, r.destination)
	case b.source == nil:
		return nil, v.missing("exchange", r.source)
	case b.queue != nil:
		if err := b.queue.access(r.owner); err != nil {
			return nil, err
		}
	}
	if b.source.kind == headersType {
		return b, checkMatch(r.args)
	}
	return b, nil
}

func (v *vhost) bind(r bindRequest) *Error {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, err := v.resolve(r)
	if err != nil {
		return err
	}
	v.addBinding(b)
	if b.durable() {
		v.broker.save(bindingRow(v, b))
	}
	return nil
}

func (v *vhost) addBinding(b *binding) {
	id := b.id()
	if b.source.bindings[id] != nil {
		return
	}
	b.source.bindings[id] = b
	b.source.matcher.add(b)
	v.version.Add(1)
}

// unbind removes a binding; one that does not exist is no error, as in RabbitMQ.
func (v *vhost) unbind(r bindRequest) *Error {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, err := v.resolve(r)
	if err != nil {
		if err.Code == codeNotFound {
			return nil
		}
		return err
	}
	if old := b.source.bindings[b.id()]; old != nil {
		v.dropBinding(old)
	}
	return nil
}
