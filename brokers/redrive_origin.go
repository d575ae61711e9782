package brokers

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Origin is where a dead letter came from, as its headers tell.
type Origin struct {
	Target Target `json:"target"`           // where it was published first
	Queue  string `json:"queue,omitempty"`  // RabbitMQ: the queue in which it died first
	Reason string `json:"reason,omitempty"` // rejected, expired, maxlen, delivery_limit; the exception for Kafka
	Count  int64  `json:"count,omitempty"`  // how often it died there
	By     string `json:"by"`               // which header says so
}

// OriginOf reads where a dead letter died first: from x-death (and x-first-death-queue, which says which of its entries is
// the first), or from the headers that Spring, its cloud streams and Kafka Connect write.
func OriginOf(m *Message) (Origin, bool) {
	if m.Kind == RabbitMQ {
		return rabbitOrigin(m)
	}
	return kafkaOrigin(m)
}

func rabbitOrigin(m *Message) (Origin, bool) {
	v, _ := m.Header("x-death")
	deaths, _ := v.(Array)
	if len(deaths) == 0 {
		return Origin{}, false
	}
	queue, reason := m.HeaderText("x-first-death-queue"), m.HeaderText("x-first-death-reason")
	death, _ := deaths[len(deaths)-1].(Headers)
	for _, d := range deaths {
		if t, ok := d.(Headers); ok && text(t, "queue") == queue && (reason == "" || text(t, "reason") == reason) {
			death = t
			break
		}
	}
	o := Origin{Queue: text(death, "queue"), Reason: text(death, "reason"), By: "x-death"}
	o.Target.Exchange = text(death, "exchange")
	if v, _ := death.Get("routing-keys"); v != nil {
		if keys, _ := v.(Array); len(keys) > 0 {
			o.Target.RoutingKey, _ = keys[0].(string)
		}
	}
	if n, _ := death.Get("count"); n != nil {
		o.Count, _ = n.(int64)
	}
	return o, o.Queue != ""
}

func text(t Headers, name string) string {
	v, _ := t.Get(name)
	s, _ := v.(string)
	return s
}

// letterHeaders are the names under which dead-letter publishers of Kafka keep the origin.
var letterHeaders = []struct{ topic, partition, reason string }{
	{"kafka_dlt-original-topic", "kafka_dlt-original-partition", "kafka_dlt-exception-message"},
	{"kafka_original-topic", "kafka_original-partition", "kafka_exception-message"},
	{"x-original-topic", "x-original-partition", "x-exception-message"},
	{"__connect.errors.topic", "__connect.errors.partition", "__connect.errors.exception.message"},
	{"original-topic", "original-partition", "error"},
	{"original_topic", "original_partition", "error"},
}

// letterSuffixes end the names of dead-letter topics.
var letterSuffixes = []string{".dlt", "-dlt", "_dlt", ".dlq", "-dlq", "_dlq", ".dead-letter", "-dead-letter", ".deadletter", ".dead"}

func kafkaOrigin(m *Message) (Origin, bool) {
	for _, names := range letterHeaders {
		topic := m.HeaderText(names.topic)
		if topic == "" {
			continue
		}
		o := Origin{Target: Target{Topic: topic}, Reason: m.HeaderText(names.reason), By: names.topic}
		if v, ok := m.Header(names.partition); ok {
			o.Target.Partition = partitionIn(v)
		}
		return o, true
	}
	lower := strings.ToLower(m.Topic)
	for _, suffix := range letterSuffixes {
		if strings.HasSuffix(lower, suffix) && len(m.Topic) > len(suffix) {
			return Origin{Target: Target{Topic: m.Topic[:len(m.Topic)-len(suffix)]}, By: "the topic's name"}, true
		}
	}
	return Origin{}, false
}

// partitionIn reads a partition as text, or in Java's four or eight bytes.
func partitionIn(v any) *int32 {
	b, _ := v.([]byte)
	n, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil {
		switch len(b) {
		case 4:
			n = int64(binary.BigEndian.Uint32(b))
		case 8:
			n = int64(binary.BigEndian.Uint64(b))
		default:
			return nil
		}
	}
	if n < 0 || n > 1<<20 {
		return nil
	}
	p := int32(n)
	return &p
}
