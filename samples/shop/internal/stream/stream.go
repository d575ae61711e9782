// Package stream is the shop's way to Kafka: the log of everything that happened to orders.
package stream

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"shop/internal/event"
	"shop/internal/trace"
)

// Topic has one record an event, keyed by order, so that the events of an order stay in order.
const Topic = "order-events"

// connect returns a client that reaches for the brokers when first used and goes back to them, with
// growing pauses, whenever they go away.
func connect(brokers []string, log *slog.Logger, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts,
		kgo.SeedBrokers(brokers...),
		kgo.AllowAutoTopicCreation(),
		kgo.MetadataMinAge(250*time.Millisecond), // a topic made a moment ago is found at once
		kgo.WithHooks(dialHook{log}),
	)...)
}

// dialHook logs each failed attempt to reach a broker.
type dialHook struct{ log *slog.Logger }

func (h dialHook) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		h.log.Warn("broker unavailable, trying again", "broker", "kafka", "host", meta.Host, "error", err.Error())
	}
}

// Producer appends events to the topic.
type Producer struct{ client *kgo.Client }

// NewProducer returns a producer; an error means that brokers cannot be read.
func NewProducer(brokers []string, log *slog.Logger) (*Producer, error) {
	client, err := connect(brokers, log)
	return &Producer{client}, err
}

// Publish returns when the topic has e, or ctx ends.
func (p *Producer) Publish(ctx context.Context, e event.Event) error {
	body, err := e.Encode()
	if err != nil {
		return err
	}
	r := &kgo.Record{Topic: Topic, Key: []byte(e.OrderID), Value: body, Timestamp: e.At,
		Headers: []kgo.RecordHeader{{Key: "type", Value: []byte(e.Type)}}}
	trace.Inject(ctx, func(header, value string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: header, Value: []byte(value)})
	})
	return p.client.ProduceSync(ctx, r).FirstErr()
}

// Close gives the connections back.
func (p *Producer) Close() { p.client.Close() }

// Consumer reads the topic as a member of a group.
type Consumer struct {
	Brokers []string
	Group   string
	Handle  func(context.Context, event.Event)
	Ready   func(bool) // told when the group gives this member a part to read, and when that is lost
	Log     *slog.Logger
}

// Run consumes until ctx ends, then commits what it handled and leaves the group.
func (c *Consumer) Run(ctx context.Context) error {
	client, err := connect(c.Brokers, c.Log,
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			c.Log.Info("partitions assigned", "topic", Topic, "partitions", parts[Topic])
			c.Ready(true)
		}),
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) {
			c.Log.Warn("partitions lost", "topic", Topic)
			c.Ready(false)
		}))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			c.Log.Warn("reading failed, trying again", "topic", topic, "partition", partition, "error", err.Error())
		})
		fetches.EachRecord(func(r *kgo.Record) {
			c.deliver(ctx, r)
			client.MarkCommitRecords(r)
		})
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := client.CommitMarkedOffsets(late); err != nil {
		c.Log.Warn("offsets not committed, some records will be read again", "error", err.Error())
	}
	return nil
}

// deliver handles r; a record that is no event is named and passed over, as the log cannot be mended.
func (c *Consumer) deliver(ctx context.Context, r *kgo.Record) {
	ctx = trace.Continue(ctx, func(header string) string {
		for _, h := range r.Headers {
			if h.Key == header {
				return string(h.Value)
			}
		}
		return ""
	})
	e, err := event.Decode(r.Value)
	if err != nil {
		c.Log.ErrorContext(ctx, "record skipped", "partition", r.Partition, "offset", r.Offset, "error", err.Error())
		return
	}
	c.Handle(ctx, e)
}
