package amqp

import (
	"strings"

	"msdev/brokers/wire"
)

func (ch declaring) exchangeMethod(m wire.Method) *Error {
	v := ch.conn.vhost
	switch m := m.(type) {
	case *wire.ExchangeDeclare:
		m.Exchange = stripLines(m.Exchange)
		if err := ch.declareExchange(m); err != nil {
			return err
		}
		ch.replyTo(m.NoWait, &wire.ExchangeDeclareOk{})
	case *wire.ExchangeDelete:
		m.Exchange = stripLines(m.Exchange)
		if err := first(ch.may(toConfigure, "exchange", m.Exchange), v.deleteExchange(m.Exchange, m.IfUnused)); err != nil {
			return err
		}
		ch.replyTo(m.NoWait, &wire.ExchangeDeleteOk{})
	case *wire.ExchangeBind:
		r := bindRequest{m.Source, "exchange", m.Destination, m.RoutingKey, m.Arguments, ch.conn}
		if err := ch.bind(r, v.bind); err != nil {
			return err
		}
		ch.replyTo(m.NoWait, &wire.ExchangeBindOk{})
	case *wire.ExchangeUnbind:
		r := bindRequest{m.Source, "exchange", m.Destination, m.RoutingKey, m.Arguments, ch.conn}
		if err := ch.bind(r, v.unbind); err != nil {
			return err
		}
		ch.replyTo(m.NoWait, &wire.ExchangeUnbindOk{})
	default:
		return unimplemented()
	}
	return nil
}

// stripLines removes line breaks from a name, as RabbitMQ does.
func stripLines(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(s)
}

func (ch declaring) declareExchange(m *wire.ExchangeDeclare) *Error {
	v := ch.conn.vhost
	if m.Exchange == "" {
		return errDefaultExchange()
	}
	if m.Passive {
		_, err := v.exchange(m.Exchange)
		return err
	}
	if err := ch.may(toConfigure, "exchange", m.Exchange); err != nil {
		return err
	}
	if a, ok := m.Arguments.Get("alternate-exchange"); ok {
		name, _ := a.(string)
		if err := first(ch.may(toRead, "exchange", m.Exchange), ch.may(toWrite, "exchange", name)); err != nil {
			return err
		}
	}
	return v.declareExchange(m, ch.conn.user.name)
}

// bind checks permissions for a binding in either direction.
func (ch declaring) bind(r bindRequest, do func(bindRequest) *Error) *Error {
	r.source, r.destination = stripLines(r.source), stripLines(r.destination)
	if r.kind == "queue" && strings.HasPrefix(r.destination, directReplyTo) {
		return fail(codeAccessRefused, "cannot bind or unbind to a volatile (direct reply-to) queue")
	}
	if r.source == "" {
		return errDefaultExchange()
	}
	if err := first(ch.may(toWrite, r.kind, r.destination), ch.may(toRead, "exchange", r.source)); err != nil {
		return err
	}
	return do(r)
}

func (ch declaring) queueMethod(m wire.Method) *Error {
	switch m := m.(type) {
	case *wire.QueueDeclare:
		return ch.declareQueue(m)
	case *wire.QueueBind:
		return ch.bindQueue(m)
	case *wire.QueueUnbind:
		return ch.unbindQueue(m)
	case *wire.QueuePurge:
		return ch.purgeQueue(m)
	case *wire.QueueDelete:
		return ch.deleteQueue(m)
	}
	return unimplemented()
}

// queueName resolves the empty name, which stands for the last declared queue.
func (ch *channel) queueName(name string) (string, *Error) {
	if name = stripLines(name); name != "" {
		return name, nil
	}
	if ch.lastQueue == "" {
		return "", fail(codeNotFound, "no previously declared queue")
	}
	return ch.lastQueue, nil
}

func (ch declaring) declareQueue(m *wire.QueueDeclare) *Error {
	m.Queue = stripLines(m.Queue)
	if strings.HasPrefix(m.Queue, directReplyTo) {
		return ch.declareReply(m)
	}
	v := ch.conn.vhost
	var q *queue
	var err *Error
	if m.Passive {
		q, err = v.queue(m.Queue, ch.conn)
	} else if err = ch.mayDeclare(m); err == nil {
		m.Durable = m.Durable && !m.Exclusive
		q, err = v.declareQueue(m, ch.conn)
	}
	if err != nil {
		return err
	}
	q.clock.use()
	ch.lastQueue = q.name
	messages, consumers := q.stats()
	ch.replyTo(m.NoWait, &wire.QueueDeclareOk{Queue: q.name, MessageCount: uint32(messages), ConsumerCount: uint32(consumers)})
	return nil
}

func (ch declaring) mayDeclare(m *wire.QueueDeclare) *Error {
	if err := ch.may(toConfigure, "queue", m.Queue); err != nil {
		return err
	}
	x, ok := m.Arguments.Get("x-dead-letter-exchange")
	if !ok {
		return nil
	}
	name, isString := x.(string)
	if !isString {
		return preconditionFailed("invalid type '%s' for arg 'x-dead-letter-exchange' in %s", typeName(x), ch.conn.vhost.title("queue", m.Queue))
	}
	return first(ch.may(toRead, "queue", m.Queue), ch.may(toWrite, "exchange", name))
}

func (ch declaring) bindQueue(m *wire.QueueBind) *Error {
	name, err := ch.queueName(m.Queue)
	if err != nil {
		return err
	}
	if m.Queue == "" && m.RoutingKey == "" {
		m.RoutingKey = name
	}
	if err := ch.bind(bindRequest{m.Exchange, "queue", name, m.RoutingKey, m.Arguments, ch.conn}, ch.conn.vhost.bind); err != nil {
		return err
	}
	ch.replyTo(m.NoWait, &wire.QueueBindOk{})
	return nil
}

func (ch declaring) unbindQueue(m *wire.QueueUnbind) *Error {
	name, err := ch.queueName(m.Queue)
	if err != nil {
		return err
	}
	if m.Queue == "" && m.RoutingKey == "" {
		m.RoutingKey = name
	}
	if err := ch.bind(bindRequest{m.Exchange, "queue", name, m.RoutingKey, m.Arguments, ch.conn}, ch.conn.vhost.unbind); err != nil {
		return err
	}
	ch.send(&wire.QueueUnbindOk{})
	return nil
}

// readable finds a queue that the user may read.
func (ch *channel) readable(name string) (*queue, *Error) {
	name, err := ch.queueName(name)
	if err != nil {
		return nil, err
	}
	if err := ch.may(toRead, "queue", name); err != nil {
		return nil, err
	}
	return ch.conn.vhost.queue(name, ch.conn)
}

func (ch declaring) purgeQueue(m *wire.QueuePurge) *Error {
	q, err := ch.readable(m.Queue)
	if err != nil {
		return err
	}
	if q.stream != nil {
		return fail(codeNotImplemented, "queue.purge not supported by stream queues %s", q.title())
	}
	n := q.purge(&ch.conn.wakes)
	ch.replyTo(m.NoWait, &wire.QueuePurgeOk{MessageCount: uint32(n)})
	return nil
}

func (ch declaring) deleteQueue(m *wire.QueueDelete) *Error {
	name, err := ch.queueName(m.Queue)
	if err != nil {
		return err
	}
	if err := ch.may(toConfigure, "queue", name); err != nil {
		return err
	}
	n, err := ch.conn.vhost.deleteQueue(name, ch.conn, m.IfUnused, m.IfEmpty, &ch.conn.wakes)
	if err != nil {
		return err
	}
	ch.replyTo(m.NoWait, &wire.QueueDeleteOk{MessageCount: uint32(n)})
	return nil
}
