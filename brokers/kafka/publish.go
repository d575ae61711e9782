package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
)

const (
	// With pauses of up to two seconds, this outlasts the restart of a broker.
	sendRetries    = 40
	bufferedBytes  = 64 << 20
	defaultMessage = 1 << 20 // Kafka's max.message.bytes, about
	noPartition    = -1      // let the key choose
)

// publisher sends records, idempotently: what is sent again after a lost connection is not doubled.
type publisher struct {
	b      *Broker
	client *kgo.Client
	limits sync.Map // topic to the size of its largest batch
	asked  map[string]topicFacts
}

// topicFacts are what was learned of a topic when the first record was sent to it.
type topicFacts struct {
	partitions int
	err        error // there is none
}

// Publisher opens a way in: see brokers.Broker.
func (b *Broker) Publisher(ctx context.Context) (brokers.Publisher, error) {
	if err := b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.BrokerMetadata(ctx)
		return err
	}); err != nil {
		return nil, err
	}
	p := &publisher{b: b, asked: map[string]topicFacts{}}
	client, err := b.client(
		kgo.RecordPartitioner(partitioner{kgo.StickyKeyPartitioner(nil)}), kgo.RecordRetries(sendRetries),
		kgo.MaxBufferedBytes(bufferedBytes), kgo.ProducerBatchMaxBytesFn(p.limit), kgo.UnknownTopicRetries(2))
	if err != nil {
		return nil, err
	}
	p.client = client
	return p, nil
}

// limit is the largest batch that a topic takes.
func (p *publisher) limit(topic string) int32 {
	if n, ok := p.limits.Load(topic); ok {
		return n.(int32)
	}
	return defaultMessage
}

// know asks once for each topic whether it is there, how many partitions it has, and how large its batches may be.
func (p *publisher) know(ctx context.Context, topic string) (topicFacts, error) {
	if facts, known := p.asked[topic]; known {
		return facts, nil
	}
	var facts topicFacts
	err := p.b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		meta, err := admin.Metadata(ctx, topic)
		if err != nil {
			return err
		}
		of := meta.Topics[topic]
		if facts.partitions = len(of.Partitions); of.Err != nil {
			facts.err = noTopic(topic, of.Err)
		}
		return nil
	})
	if err != nil || facts.err != nil {
		return facts, err
	}
	p.asked[topic] = facts
	return facts, p.learnLimit(ctx, topic)
}

// learnLimit asks how large a topic's batches may be. Who may not see that may still send.
func (p *publisher) learnLimit(ctx context.Context, topic string) error {
	return p.b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		about, err := admin.DescribeTopicConfigs(ctx, topic)
		if isDown(err) {
			return err
		}
		for _, of := range about {
			for _, setting := range of.Configs {
				if n, bad := strconv.ParseInt(value(setting), 10, 32); bad == nil && setting.Key == "max.message.bytes" {
					p.limits.Store(topic, int32(n))
				}
			}
		}
		return nil
	})
}

func value(c kadm.Config) string {
	if c.Value == nil {
		return ""
	}
	return *c.Value
}

// Send sends one record: see brokers.Publisher.
func (p *publisher) Send(ctx context.Context, m *brokers.Outgoing, done func(brokers.Result)) error {
	facts, err := p.know(ctx, m.To.Topic)
	if err != nil {
		return err
	}
	headers, refusal := headers(m.Message.Headers)
	switch {
	case facts.err != nil:
		refusal = facts.err
	case m.To.Partition != nil && (*m.To.Partition < 0 || int(*m.To.Partition) >= facts.partitions):
		refusal = fmt.Errorf("topic %q has %d partitions, and none with the number %d", m.To.Topic, facts.partitions, *m.To.Partition)
	}
	if refusal != nil {
		done(brokers.Result{Status: brokers.StatusRefused, Err: refusal})
		return nil //nolint:nilerr // done was told
	}
	r := &kgo.Record{Topic: m.To.Topic, Key: m.Message.Key, Value: m.Message.Body, Headers: headers, Partition: noPartition}
	if m.To.Partition != nil {
		r.Partition = *m.To.Partition
	}
	if m.To.KeepTime {
		r.Timestamp = m.Message.Time
	}
	p.client.Produce(ctx, r, func(r *kgo.Record, err error) { done(result(r, err)) })
	return nil
}

// headers makes headers Kafka's, which know bytes alone.
func headers(all brokers.Headers) ([]kgo.RecordHeader, error) {
	if len(all) == 0 {
		return nil, nil
	}
	out := make([]kgo.RecordHeader, len(all))
	for i, h := range all {
		out[i].Key = h.Key
		switch v := h.Value.(type) {
		case []byte:
			out[i].Value = v
		case string:
			out[i].Value = []byte(v)
		case nil:
		default:
			return nil, fmt.Errorf("its header %q is a %T, and Kafka's headers are bytes\nWrite it as text.", h.Key, v)
		}
	}
	return out, nil
}

func result(r *kgo.Record, err error) brokers.Result {
	var said *kerr.Error
	switch {
	case err == nil:
		return brokers.Result{Status: brokers.StatusConfirmed, Partition: r.Partition, Offset: r.Offset}
	case errors.As(err, &said) && !said.Retriable, errors.Is(err, kerr.UnknownTopicOrPartition):
		return brokers.Result{Status: brokers.StatusRefused, Err: err}
	}
	return brokers.Result{Status: brokers.StatusUnknown, Err: err}
}

// Flush waits until all is settled.
func (p *publisher) Flush(ctx context.Context) error { return p.client.Flush(ctx) }

// Close ends it. What is not settled is unknown.
func (p *publisher) Close() error {
	p.client.Close()
	return nil
}

// partitioner sends a record to the partition that it names, or else to the one that its key chooses.
type partitioner struct{ inner kgo.Partitioner }

// ForTopic is kgo's interface.
func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{p.inner.ForTopic(topic)}
}

type topicPartitioner struct{ kgo.TopicPartitioner }

// RequiresConsistency is kgo's interface.
func (p topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition != noPartition || p.TopicPartitioner.RequiresConsistency(r)
}

// Partition is kgo's interface.
func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition != noPartition {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

// OnNewBatch is kgo's interface.
func (p topicPartitioner) OnNewBatch() {
	if on, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		on.OnNewBatch()
	}
}
