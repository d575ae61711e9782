package amqp

import (
	"msdev/brokers/wire"
)

func (ch consuming) basicMethod(m wire.Method) *Error {
	switch m := m.(type) {
	case *wire.BasicQos:
		return ch.qos(m)
	case *wire.BasicConsume:
		return ch.consume(m)
	case *wire.BasicCancel:
		ch.cancel(m.ConsumerTag)
		ch.replyTo(m.NoWait, &wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
		return nil
	case *wire.BasicCancelOk:
		ch.cancel(m.ConsumerTag)
		return nil
	case *wire.BasicGet:
		return ch.get(m)
	}
	return ch.settleMethod(m)
}

func (ch consuming) settleMethod(m wire.Method) *Error {
	switch m := m.(type) {
	case *wire.BasicAck:
		return ch.acknowledge(m.DeliveryTag, m.Multiple, acked)
	case *wire.BasicNack:
		return ch.acknowledge(m.DeliveryTag, m.Multiple, rejectedOr(m.Requeue))
	case *wire.BasicReject:
		return ch.acknowledge(m.DeliveryTag, false, rejectedOr(m.Requeue))
	case *wire.BasicRecoverAsync:
		return ch.recover(m.Requeue, nil)
	case *wire.BasicRecover:
		return ch.recover(m.Requeue, &wire.BasicRecoverOk{})
	}
	return unimplemented()
}

func rejectedOr(requeue bool) outcome {
	if requeue {
		return requeued
	}
	return rejected
}

func (ch consuming) qos(m *wire.BasicQos) *Error {
	if m.PrefetchSize != 0 {
		return fail(codeNotImplemented, "prefetch_size!=0 (%d)", m.PrefetchSize)
	}
	if m.Global {
		ch.mu.Lock()
		ch.globalLimit = int(m.PrefetchCount)
		ch.mu.Unlock()
		ch.unstall(&ch.conn.wakes)
	} else {
		ch.prefetch.Store(int32(m.PrefetchCount))
	}
	ch.send(&wire.BasicQosOk{})
	return nil
}

func (ch consuming) consume(m *wire.BasicConsume) *Error {
	ch.mu.Lock()
	_, taken := ch.consumers[m.ConsumerTag]
	taken = taken || ch.reply != nil && ch.reply.tag == m.ConsumerTag
	ch.mu.Unlock()
	if taken {
		return fail(codeNotAllowed, "attempt to reuse consumer tag '%s'", m.ConsumerTag)
	}
	if m.ConsumerTag == "" {
		m.ConsumerTag = randomName("amq.ctag-")
	}
	if m.Queue == directReplyTo {
		return ch.consumeReplies(m)
	}
	q, err := ch.readable(m.Queue)
	if err != nil {
		return err
	}
	c := &consumer{ch: ch.channel, q: q, tag: m.ConsumerTag, noAck: m.NoAck, exclusive: m.Exclusive, prefetch: int(ch.prefetch.Load()), args: m.Arguments}
	if err := ch.checkConsume(c); err != nil {
		return err
	}
	err = q.subscribe(c, func() {
		ch.mu.Lock()
		ch.consumers[c.tag] = c
		ch.mu.Unlock()
		ch.replyTo(m.NoWait, &wire.BasicConsumeOk{ConsumerTag: c.tag})
	}, &ch.conn.wakes)
	return err
}

// checkConsume checks what the queue's type asks of a consumer.
func (ch consuming) checkConsume(c *consumer) *Error {
	q := c.q
	if v, ok := c.args.Get("x-priority"); ok {
		n, isInt := wire.Integer(v)
		if !isInt {
			return preconditionFailed("invalid arg 'x-priority' for %s: \"expected integer, got %s\"", q.title(), typeName(v))
		}
		c.priority = n
	}
	if q.set.kind != classicQueue && ch.globalLimit > 0 {
		return fail(codeNotImplemented, "%s does not support global qos", q.title())
	}
	if q.stream == nil {
		return nil
	}
	if c.noAck {
		return fail(codeNotImplemented, "automatic acknowledgement not supported by stream queues %s", q.title())
	}
	if c.prefetch == 0 {
		return preconditionFailed("consumer prefetch count is not set for stream %s", q.title())
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stream.seek(q, c)
}

// cancel ends a consumer. A tag that is not known is no error.
func (ch consuming) cancel(tag string) {
	ch.mu.Lock()
	c := ch.consumers[tag]
	delete(ch.consumers, tag)
	reply := ch.reply
	if reply != nil && reply.tag == tag {
		ch.reply = nil
	} else {
		reply = nil
	}
	ch.mu.Unlock()
	if reply != nil {
		ch.conn.broker.endReplies(reply.token)
	}
	if c != nil {
		ch.endConsumer(c, &ch.conn.wakes)
	}
}

func (ch consuming) get(m *wire.BasicGet) *Error {
	q, err := ch.readable(m.Queue)
	if err != nil {
		return err
	}
	if q.stream != nil {
		return fail(codeNotImplemented, "basic.get not supported by stream queues %s", q.title())
	}
	if q.set.singleConsumer {
		return fail(codeResourceLocked, "cannot obtain access to locked %s. basic.get operations are not supported by %s queues with single active consumer", q.title(), q.set.kind)
	}
	e, left := q.take(m.NoAck, &ch.conn.wakes)
	if e == nil {
		ch.send(&wire.BasicGetEmpty{})
		return nil
	}
	props, body, readErr := e.content(q)
	if readErr != nil {
		return fail(codeInternalError, "Cannot get a message from %s: %s", q.title(), readErr)
	}
	ch.mu.Lock()
	ch.tag++
	ch.counts.get++
	tag := ch.tag
	if !m.NoAck {
		ch.unacked.push(delivery{tag: tag, entry: e, q: q})
	}
	ch.mu.Unlock()
	ok := &wire.BasicGetOk{DeliveryTag: tag, Redelivered: e.redelivered, Exchange: e.msg.exchange,
		RoutingKey: e.msg.key, MessageCount: uint32(left)}
	ch.conn.out.append(&ch.conn.wakes, func(b []byte) []byte {
		return wire.AppendContent(wire.AppendMethod(b, ch.id, ok), ch.id, props, body, ch.conn.frameMax)
	})
	if q.vhost.tracing.Load() {
		publishTrace(q.vhost, traceOfDelivery(ch.channel, q, e), &ch.conn.wakes)
	}
	if m.NoAck {
		q.mu.Lock()
		q.forget(e)
		q.unlock(&ch.conn.wakes)
	}
	return nil
}

// recover gives back everything the channel did not acknowledge. The answer, if any, goes out before what is delivered
// again.
func (ch consuming) recover(requeue bool, answer wire.Method) *Error {
	if !requeue {
		return fail(codeNotImplemented, "requeue=false")
	}
	ch.mu.Lock()
	list := ch.unacked.all()
	ch.mu.Unlock()
	if answer != nil {
		ch.send(answer)
	}
	ch.settle(list, requeued, &ch.conn.wakes)
	return nil
}
