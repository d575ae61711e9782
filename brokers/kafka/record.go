package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
)

// A maker makes records messages. What it made is good until it is reset.
type maker struct {
	messages []brokers.Message
	headers  brokers.Headers
}

func (k *maker) reset() {
	clear(k.messages)
	clear(k.headers)
	k.messages, k.headers = k.messages[:0], k.headers[:0]
}

// add appends a record as a message and returns it.
func (k *maker) add(r *kgo.Record) *brokers.Message {
	k.messages = append(k.messages, brokers.Message{})
	m := &k.messages[len(k.messages)-1]
	*m = brokers.Message{Kind: brokers.Kafka, Time: r.Timestamp, TimeKind: brokers.TimeCreated, Key: r.Key, Body: r.Value,
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Deliveries: -1, Budget: -1,
		Transactional: r.Attrs.IsTransactional()}
	if r.Attrs.TimestampType() == 1 {
		m.TimeKind = brokers.TimeAppended
	}
	if len(r.Headers) > 0 {
		from := len(k.headers)
		for _, h := range r.Headers {
			k.headers = append(k.headers, brokers.Header{Key: h.Key, Value: h.Value})
		}
		m.Headers = k.headers[from:len(k.headers):len(k.headers)]
	}
	return m
}
