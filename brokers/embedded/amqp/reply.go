package amqp

import (
	"errors"
	"strings"

	"msdev/brokers/wire"
)

// directReplyTo is the pseudo-queue of direct replies: a client consumes from it, publishes requests with it as
// reply-to, and gets the replies without a queue.
const directReplyTo = "amq.rabbitmq.reply-to"

// declareReply answers a declaration of the pseudo-queue, which clients use to see whether somebody waits.
func (ch declaring) declareReply(m *wire.QueueDeclare) *Error {
	if m.Queue != directReplyTo && ch.conn.broker.replyChannel(m.Queue) == nil {
		return ch.conn.vhost.missing("queue", m.Queue)
	}
	ch.replyTo(m.NoWait, &wire.QueueDeclareOk{Queue: m.Queue, ConsumerCount: 1})
	return nil
}

func (ch consuming) consumeReplies(m *wire.BasicConsume) *Error {
	if !m.NoAck {
		return preconditionFailed("reply consumer cannot acknowledge")
	}
	ch.mu.Lock()
	if ch.reply != nil {
		ch.mu.Unlock()
		return preconditionFailed("reply consumer already set")
	}
	r := &replyConsumer{tag: m.ConsumerTag, token: randomName("")}
	ch.reply = r
	ch.mu.Unlock()
	b := ch.conn.broker
	b.mu.Lock()
	b.replies[r.token] = ch.channel
	b.mu.Unlock()
	ch.replyTo(m.NoWait, &wire.BasicConsumeOk{ConsumerTag: r.tag})
	return nil
}

func (b *Broker) endReplies(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.replies, token)
}

// replyChannel finds who waits for replies under a routing key.
func (b *Broker) replyChannel(key string) *channel {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.replies[strings.TrimPrefix(key, directReplyTo+".")]
}

// stampReply replaces the pseudo-queue in a request's reply-to by the channel's own address.
func (ch publishing) stampReply(data []byte, props int) ([]byte, int, error) {
	ch.mu.Lock()
	r := ch.reply
	ch.mu.Unlock()
	if r == nil {
		return nil, 0, errors.New("fast reply consumer does not exist")
	}
	p, err := wire.ParseProperties(data[:props])
	if err != nil {
		return nil, 0, err
	}
	p.ReplyTo = directReplyTo + "." + r.token
	out := p.Append(make([]byte, 0, len(data)+32))
	n := len(out)
	return append(out, data[props:]...), n, nil
}

// directReply delivers a reply; false when its consumer is gone.
func (ch *channel) directReply(m *message, w *wakes) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.reply == nil || ch.shutDown {
		return false
	}
	ch.tag++
	tag, consumer := ch.tag, ch.reply.tag
	ch.conn.out.append(w, func(b []byte) []byte {
		b = wire.AppendDeliver(b, ch.id, consumer, tag, false, m.exchange, m.key)
		return wire.AppendContent(b, ch.id, m.data[:m.props], m.data[m.props:], ch.conn.frameMax)
	})
	return true
}
