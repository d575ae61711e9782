package decode

import (
	"bytes"
	"context"
	"encoding/json"

	"msdev/brokers"
)

// Of is the Input of a message's body: what it says of itself stands in RabbitMQ's properties, or in headers of the names
// that are common in Kafka.
func Of(m *brokers.Message) Input {
	in := Input{Body: m.Body, ContentType: m.Properties.ContentType, ContentEncoding: m.Properties.ContentEncoding, Type: m.Properties.Type}
	for _, at := range []struct {
		text  *string
		names []string
	}{
		{&in.ContentType, []string{"content-type", "contentType", "Content-Type"}},
		{&in.ContentEncoding, []string{"content-encoding", "Content-Encoding"}},
		{&in.Type, []string{"type", "message-type", "messageType", "proto"}},
	} {
		for _, name := range at.names {
			if *at.text == "" {
				*at.text = m.HeaderText(name)
			}
		}
	}
	for _, name := range []string{m.Topic, m.Queue, m.Exchange, m.RoutingKey} {
		if name != "" {
			in.Names = append(in.Names, name)
		}
	}
	return in
}

// KeyOf is the Input of a record's key, which may be in Confluent's wire format as well.
func KeyOf(m *brokers.Message) Input { return Input{Body: m.Key} }

// Typed tells whether the project says which Protobuf message a message carries, so that even a body that looks like text
// is none.
func (d *Decoder) Typed(m *brokers.Message) bool {
	if d.Protos == nil || len(d.Types) == 0 {
		return false
	}
	for _, name := range []string{m.Topic, m.Queue, m.Exchange, m.RoutingKey} {
		if _, ok := d.Types[name]; ok && name != "" {
			return true
		}
	}
	return false
}

// valueLimit bounds the text of a body that a filter looks into.
const valueLimit = 32 << 20

// Values gives a message's body as the JSON value that filters look into: filter.Values. JSON itself takes the short way.
func (d *Decoder) Values(m *brokers.Message) (any, bool) {
	text := m.Body
	if len(text) == 0 || text[0] != '{' && text[0] != '[' || !json.Valid(text) {
		all := *d
		all.Limit = valueLimit
		r := all.Decode(context.Background(), Of(m))
		if !r.Structured() {
			return nil, false
		}
		text = []byte(r.Text)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err == nil
}
