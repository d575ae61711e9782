package amqp

import (
	"msdev/brokers/wire"
)

// The firehose: while a vhost is traced, each message that is published or delivered goes to amq.rabbitmq.trace too,
// with what is known about it in the headers. Trace messages are not traced.

// tracePublish sends publish.<exchange>.
func (ch publishing) tracePublish(p publication) {
	if p.msg.exchange == traceExchange {
		return
	}
	routed := wire.Array{}
	for _, q := range p.queues {
		routed = append(routed, q.name)
	}
	t := ch.trace(p.msg, "publish."+p.msg.exchange, p.msg.data[:p.msg.props], p.msg.data[p.msg.props:],
		wire.Field{Key: "routed_queues", Value: routed})
	publishTrace(ch.conn.vhost, t, &ch.conn.wakes)
}

// traceDelivery puts off deliver.<queue> until the queue's mutex is free.
func (q *queue) traceDelivery(ch *channel, e *entry) {
	t := traceOfDelivery(ch, q, e)
	q.later(func(w *wakes) { publishTrace(q.vhost, t, w) })
}

func publishTrace(v *vhost, t *message, w *wakes) {
	if t != nil {
		v.broker.enqueue(t, v.route(t), nil, 0, w)
	}
}

func traceOfDelivery(ch *channel, q *queue, e *entry) *message {
	if e.msg.exchange == traceExchange {
		return nil
	}
	props, body, err := e.content(q)
	if err != nil {
		return nil
	}
	redelivered := int32(0)
	if e.redelivered {
		redelivered = 1
	}
	return ch.trace(e.msg, "deliver."+q.name, props, body, wire.Field{Key: "redelivered", Value: redelivered})
}

// trace makes a trace message.
func (ch *channel) trace(m *message, key string, props, body []byte, extra wire.Field) *message {
	p, err := wire.ParseProperties(props)
	if err != nil {
		return nil
	}
	keys := wire.Array{m.key}
	for _, k := range copies(p.Headers, "CC") {
		keys = append(keys, k)
	}
	headers := wire.Table{
		{Key: "exchange_name", Value: m.exchange},
		{Key: "routing_keys", Value: keys},
		{Key: "properties", Value: propertyTable(p)},
		{Key: "node", Value: ch.conn.broker.node},
		{Key: "vhost", Value: ch.conn.vhost.name},
		{Key: "connection", Value: ch.conn.name},
		{Key: "channel", Value: int32(ch.id)},
		{Key: "user", Value: ch.conn.user.name},
		extra,
	}
	own := wire.Properties{}
	own.SetHeaders(headers)
	data := own.Append(nil)
	n := len(data)
	data = append(data, body...)
	return &message{exchange: traceExchange, key: key, data: data, props: n, size: len(data), ttl: -1}
}

// propertyTable lists the properties that are there.
func propertyTable(p wire.Properties) wire.Table {
	t := wire.Table{}
	for _, f := range []struct {
		has   wire.Flags
		key   string
		value any
	}{
		{wire.HasContentType, "content_type", p.ContentType}, {wire.HasContentEncoding, "content_encoding", p.ContentEncoding},
		{wire.HasHeaders, "headers", p.Headers}, {wire.HasDeliveryMode, "delivery_mode", int32(p.DeliveryMode)},
		{wire.HasPriority, "priority", int32(p.Priority)}, {wire.HasCorrelationID, "correlation_id", p.CorrelationID},
		{wire.HasReplyTo, "reply_to", p.ReplyTo}, {wire.HasExpiration, "expiration", p.Expiration},
		{wire.HasMessageID, "message_id", p.MessageID}, {wire.HasTimestamp, "timestamp", int64(p.Timestamp)},
		{wire.HasType, "type", p.Type}, {wire.HasUserID, "user_id", p.UserID}, {wire.HasAppID, "app_id", p.AppID},
		{wire.HasClusterID, "cluster_id", p.ClusterID},
	} {
		if p.Has&f.has != 0 {
			t = append(t, wire.Field{Key: f.key, Value: f.value})
		}
	}
	return t
}
