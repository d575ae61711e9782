package rabbitmq

import (
	"strings"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// message makes a content a message. It was seen at that time, or only at the time that its producer says where seen is zero.
func (c *content) message(m *brokers.Message, seen time.Time) error {
	p, err := wire.ParseProperties(c.properties)
	if err != nil {
		return err
	}
	*m = brokers.Message{Kind: brokers.RabbitMQ, Exchange: c.exchange, RoutingKey: c.routingKey, Body: c.body, Headers: p.Headers,
		Redelivered: c.Redelivered, Offset: -1, Deliveries: -1, Budget: -1, Time: seen, TimeKind: brokers.TimeSeen}
	if m.Body == nil {
		m.Body = []byte{}
	}
	p.Headers = nil
	m.Properties = p
	if seen.IsZero() {
		m.TimeKind = brokers.TimeNone
		if p.Has&wire.HasTimestamp != 0 {
			m.Time, m.TimeKind = time.Unix(int64(min(p.Timestamp, 1<<40)), 0), brokers.TimeCreated
		}
	}
	if n, ok := integer(m.Headers, "x-delivery-count"); ok {
		m.Deliveries = n
	}
	if n, ok := integer(m.Headers, "x-stream-offset"); ok {
		m.Offset = n
	}
	return nil
}

// integer returns a header that is a whole number, of any width.
func integer(h brokers.Headers, name string) (int64, bool) {
	v, _ := h.Get(name)
	return wire.Integer(v)
}

// properties are the bytes of a message's properties as they go onto the wire.
func properties(b []byte, m *brokers.Message) []byte {
	p := m.Properties
	p.Headers = m.Headers
	if len(m.Headers) > 0 {
		p.Has |= wire.HasHeaders
	}
	return p.Append(b)
}

// traced makes a message of the firehose the message that it tells of: see RabbitMQ's rabbit_trace. routed is nil for a
// delivery.
func traced(m *brokers.Message) {
	h := m.Headers
	text := func(name string) string {
		v, _ := h.Get(name)
		s, _ := v.(string)
		return s
	}
	list := func(name string) []string {
		v, ok := h.Get(name)
		if !ok {
			return nil
		}
		all := []string{}
		array, _ := v.(brokers.Array)
		for _, e := range array {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	delivered, is := strings.CutPrefix(m.RoutingKey, "deliver.")
	m.Exchange, m.From, m.User, m.Routed = text("exchange_name"), text("connection"), text("user"), list("routed_queues")
	m.RoutingKey, m.Queue = "", ""
	if keys := list("routing_keys"); len(keys) > 0 {
		m.RoutingKey = keys[0]
	}
	if is {
		m.Event, m.Queue = brokers.EventDelivered, delivered
		redelivered, _ := integer(h, "redelivered")
		m.Redelivered = redelivered != 0
	}
	v, _ := h.Get("properties")
	table, _ := v.(brokers.Headers)
	m.Headers, m.Properties = untrace(table)
	m.Deliveries = -1
	if n, ok := integer(m.Headers, "x-delivery-count"); ok {
		m.Deliveries = n
	}
}

// untrace makes the firehose's table of properties properties again.
func untrace(t brokers.Headers) (brokers.Headers, brokers.Properties) {
	var p brokers.Properties
	var headers brokers.Headers
	for _, f := range t {
		if f.Key == "headers" {
			headers, _ = f.Value.(brokers.Headers)
			p.Has |= wire.HasHeaders
			continue
		}
		setProperty(&p, f.Key, f.Value)
	}
	return headers, p
}

func setProperty(p *brokers.Properties, name string, v any) {
	texts := map[string]struct {
		bit wire.Flags
		at  *string
	}{
		"content_type": {wire.HasContentType, &p.ContentType}, "content_encoding": {wire.HasContentEncoding, &p.ContentEncoding},
		"correlation_id": {wire.HasCorrelationID, &p.CorrelationID}, "reply_to": {wire.HasReplyTo, &p.ReplyTo},
		"expiration": {wire.HasExpiration, &p.Expiration}, "message_id": {wire.HasMessageID, &p.MessageID},
		"type": {wire.HasType, &p.Type}, "user_id": {wire.HasUserID, &p.UserID}, "app_id": {wire.HasAppID, &p.AppID},
		"cluster_id": {wire.HasClusterID, &p.ClusterID},
	}
	if to, ok := texts[name]; ok {
		if s, ok := v.(string); ok {
			*to.at = s
			p.Has |= to.bit
		}
		return
	}
	n, ok := wire.Integer(v)
	if at, is := v.(brokers.Timestamp); is {
		n, ok = int64(at), true
	}
	if !ok {
		return
	}
	switch name {
	case "delivery_mode":
		p.DeliveryMode, p.Has = uint8(n), p.Has|wire.HasDeliveryMode
	case "priority":
		p.Priority, p.Has = uint8(n), p.Has|wire.HasPriority
	case "timestamp":
		p.Timestamp, p.Has = uint64(n), p.Has|wire.HasTimestamp
	}
}
