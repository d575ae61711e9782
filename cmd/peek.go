package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"msdev/brokers"
)

// rangeFlags say which part of a topic or stream is meant.
type rangeFlags struct {
	from, until string
	uncommitted bool
}

func (o *rangeFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.from, "from", "", "topics and streams: begin `here`: start, last:20 (of each partition), an offset, or a time (10m, 2026-01-31T12:00:00)")
	flags.StringVar(&o.until, "until", "", "topics and streams: end before `here`: an offset or a time")
	flags.BoolVar(&o.uncommitted, "uncommitted", false, "Kafka: also records of open and aborted transactions")
}

// read is what the flags, and the address, say of a reading.
func (o *rangeFlags) read(p place) (brokers.ReadOptions, error) {
	r := brokers.ReadOptions{Uncommitted: o.uncommitted}
	if p.from != nil {
		r.From = *p.from
	}
	var err error
	if o.from != "" {
		if r.From, err = parsePosition(o.from, time.Now()); err != nil {
			return r, err
		}
	}
	if o.until != "" {
		r.Until, err = parsePosition(o.until, time.Now())
	}
	return r, err
}

// peekOptions are the flags of `peek`.
type peekOptions struct {
	viewFlags
	brokerFlags
	rangeFlags
	limit int64
}

// The bounds of a peek: what is shown where nothing is said, and how many of a queue's messages are looked through for a filter.
// Each that is looked at is taken and put back.
const (
	peekLimit = 20
	peekScan  = 10_000
)

func newPeek(a *app) *cobra.Command {
	var o peekOptions
	c := &cobra.Command{
		Use:   "peek QUEUE|TOPIC",
		Short: "Print what is in a queue, or in a part of a topic",
		Long: `Print what is in a queue, from its head, or in a part of a topic or stream. A queue's messages are taken and put back; what
that leaves behind (redelivered, a delivery less in a quorum queue) is said.

` + addressHelp,
		Example: `  msdev peek shipping.dead --long
  msdev peek order-events --from last:5 --format jsonl | jq .offset`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, brokers.SourceQueue, brokers.SourceTopic),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error { return c.peek(ctx, o, args[0]) })
		},
	}
	flags := c.Flags()
	flags.Int64VarP(&o.limit, "limit", "n", -1, "at most this `number` of messages; 0: all (default: 20, or what --from last: says)")
	o.viewFlags.register(flags)
	o.rangeFlags.register(flags)
	o.brokerFlags.register(flags)
	return c
}

func (c *counter) peek(ctx context.Context, o peekOptions, text string) error {
	p, err := c.resolve(text, brokers.SourceQueue, brokers.SourceTopic)
	if err != nil {
		return err
	}
	read, err := o.read(p)
	if err != nil {
		return err
	}
	v, err := c.view(ctx, o.viewFlags, false)
	if err != nil {
		return err
	}
	queue := p.at.queue(p.source.Name)
	v.ids = p.source.Kind == brokers.SourceQueue && (queue == nil || queue.Type != brokers.StreamQueue)
	limit := o.bound(&read, v.ids)
	looked := int64(0)
	var failed error
	err = p.at.Read(ctx, p.source, read, func(b brokers.Batch) bool {
		v.flush()
		c.notes(b.Notes)
		for i := range b.Messages {
			looked++
			if !v.passes(&b.Messages[i]) {
				continue
			}
			if failed = v.show(ctx, p.at.info, &b.Messages[i]); failed != nil || limit > 0 && v.shown >= limit {
				return false
			}
		}
		v.flush()
		return true
	})
	if err := errors.Join(err, failed, v.close()); err != nil {
		return err
	}
	if v.shown == 0 && o.format == formatTable {
		printf(c.err, "%s\n", emptyText(p, looked, read))
	}
	if v.ids && looked == peekScan {
		c.warn(fmt.Sprintf("only the first %s of the queue were looked at", brokers.Number(peekScan, "message")))
	}
	return nil
}

// bound is how many messages are shown at most, 0 for all; read gets what that means for the reading.
func (o *peekOptions) bound(read *brokers.ReadOptions, queue bool) int64 {
	limit := o.limit
	if limit < 0 {
		limit = peekLimit
		if read.From.At == brokers.AtLast || o.save != "" {
			limit = 0
		}
	}
	read.Limit = int(limit)
	if o.filter != "" || limit == 0 { // the filter's matches are counted while they are shown
		read.Limit = 0
		if queue {
			read.Limit = peekScan
		}
	}
	return limit
}

// emptyText says why nothing was printed.
func emptyText(p place, looked int64, read brokers.ReadOptions) string {
	switch {
	case looked > 0:
		return fmt.Sprintf("None of %s passes the filter.", brokers.Number(looked, "message"))
	case read.From.At != "" || read.Until.At != "":
		return fmt.Sprintf("There is nothing in that part of %s.", p.source)
	}
	if q := p.at.queue(p.source.Name); q != nil && value(q.Unacked) > 0 {
		return fmt.Sprintf("Nothing is ready in %s: its consumers hold %s.", p.source, brokers.Number(*q.Unacked, "message"))
	}
	return fmt.Sprintf("There is nothing in %s.", p.source)
}
