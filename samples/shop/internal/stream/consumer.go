package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
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
	pace.Keep(ctx, func() (bool, error) {
		defer c.Ready(false)
		return c.session(ctx)
	}, func(err error, pause time.Duration) {
		c.Log.Warn("reading failed, trying again", "broker", "kafka", "error", err.Error(), "in", pause.String())
	})
	return nil
}

// session consumes until ctx ends or the topic is replaced, and tells whether it came to read anything.
func (c *Consumer) session(ctx context.Context) (consumed bool, err error) {
	client, err := open(ctx, c.Brokers,
		kgo.ConsumerGroup(c.Group),
		kgo.SessionTimeout(10*time.Second), // how long the group waits for a member that was killed
		kgo.ConsumeTopics(Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			c.Log.Info("partitions assigned", "topic", Topic, "partitions", parts[Topic])
			c.Ready(true)
		}),
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) {
			c.Ready(false)
		}))
	if err != nil {
		return false, err
	}
	defer c.leave(client)
	for {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			c.deliver(context.WithoutCancel(ctx), r)
			client.MarkCommitRecords(r)
			consumed = true
		})
		err := fetches.Err()
		switch {
		case ctx.Err() != nil:
			return consumed, ctx.Err()
		case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.UnknownTopicOrPartition):
			return consumed, err
		case err != nil: // the client goes back by itself, as the same member of the group
			c.Log.Warn("broker unavailable, trying again", "broker", "kafka", "error", err.Error())
		}
	}
}

// leave commits what was handled and gives the connections back, without waiting long for a broker
// that is gone or a group that is making up its mind.
func (c *Consumer) leave(client *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		c.Log.Warn("offsets not committed, some records will be read again", "error", err.Error())
	}
	if err := client.LeaveGroupContext(ctx); err != nil {
		c.Log.Warn("left the group without its knowing", "error", err.Error())
	}
	client.Close()
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
