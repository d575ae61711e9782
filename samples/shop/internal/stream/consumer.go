package stream

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"shop/internal/backoff"
	"shop/internal/event"
	"shop/internal/trace"
)

// Consumer reads the topic as a member of a group.
type Consumer struct {
	Brokers []string
	Group   string
	Handle  func(context.Context, event.Event)
	Ready   func(bool) // told when the group gives this member a part to read, and when that is lost
	Log     *slog.Logger
}

// Run consumes until ctx ends, then commits what it handled and leaves the group. It comes back by
// itself after the broker went away.
func (c *Consumer) Run(ctx context.Context) error {
	pace := backoff.Broker()
	for {
		consumed, err := c.session(ctx)
		c.Ready(false)
		if ctx.Err() != nil {
			return nil
		}
		if consumed {
			pace.Reset()
		}
		pause := pace.Next()
		c.Log.Warn("reading failed, trying again", "broker", "kafka", "error", err.Error(), "in", pause.String())
		if backoff.Wait(ctx, pause) != nil {
			return nil
		}
	}
}

// session consumes until the client reports an error, and tells whether it came to read anything.
func (c *Consumer) session(ctx context.Context) (consumed bool, err error) {
	client, err := open(ctx, c.Brokers,
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
		return false, err
	}
	defer client.Close()
	defer c.commit(client)
	for {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			c.deliver(context.WithoutCancel(ctx), r)
			client.MarkCommitRecords(r)
			consumed = true
		})
		if err := fetches.Err(); err != nil { // ctx's own, too
			return consumed, err
		}
	}
}

func (c *Consumer) commit(client *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		c.Log.Warn("offsets not committed, some records will be read again", "error", err.Error())
	}
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
