package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
)

// A topic's last offsets may hold no record that is ever handed out (of aborted transactions, or compacted away). When nothing
// came for so long, a partition is taken to be read.
const readSilence = 2 * time.Second

// span is what of a partition is to be read: from its offset up to, but not including, end.
type span struct{ from, end int64 }

// read is one Read call.
type read struct {
	o      brokers.ReadOptions
	emit   func(brokers.Batch) bool
	spans  map[logID]span
	maker  maker
	undone *undecided
	count  int
	done   bool
}

// Read hands on what is in a topic: see brokers.Broker.
func (b *Broker) Read(ctx context.Context, from brokers.Source, o brokers.ReadOptions, emit func(brokers.Batch) bool) error {
	if from.Kind != brokers.SourceTopic {
		return fmt.Errorf("%s holds no messages to read\nName a topic.", from)
	}
	spans, err := b.spans(ctx, from, o)
	if err != nil || len(spans) == 0 {
		return err
	}
	r := &read{o: o, emit: emit, spans: spans}
	if o.Uncommitted {
		r.undone = newUndecided()
	}
	starts := places{}
	for id, s := range spans {
		starts.set(id.topic, id.partition, s.from)
	}
	client, err := b.client(append(reading(o.Uncommitted), kgo.ConsumePartitions(starts.assignment()))...)
	if err != nil {
		return err
	}
	defer client.Close()
	return r.run(ctx, client)
}

// run polls until all spans are read.
func (r *read) run(ctx context.Context, client *kgo.Client) error {
	for !r.done && len(r.spans) > 0 {
		poll, cancel := context.WithTimeout(ctx, readSilence)
		fetches := client.PollFetches(poll)
		silent := poll.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if silent && fetches.NumRecords() == 0 {
			break
		}
		if err := r.pass(fetches); err != nil {
			return err
		}
	}
	if r.undone != nil && !r.done {
		r.maker.reset()
		r.undone.expire(time.Now().Add(time.Hour), &r.maker)
		r.give()
	}
	return nil
}

// pass hands on what was fetched.
func (r *read) pass(fetches kgo.Fetches) error {
	r.maker.reset()
	var failed error
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		var lost *kgo.ErrDataLoss
		if p.Err != nil && !errors.As(p.Err, &lost) && !kerr.IsRetriable(p.Err) && !isDown(p.Err) {
			failed = fmt.Errorf("topic %q, partition %d: %w", p.Topic, p.Partition, p.Err)
		}
		id := logID{p.Topic, p.Partition}
		s, wanted := r.spans[id]
		for _, record := range p.Records {
			if !wanted || record.Offset >= s.end {
				break
			}
			r.record(record)
		}
		if n := len(p.Records); n > 0 && p.Records[n-1].Offset >= s.end-1 {
			delete(r.spans, id)
		}
	})
	r.give()
	return failed
}

func (r *read) record(record *kgo.Record) {
	switch {
	case r.undone != nil:
		r.undone.add(record, &r.maker)
	case !record.Attrs.IsControl():
		r.maker.add(record)
	}
}

// give hands on what was made, within the limit.
func (r *read) give() {
	messages := r.maker.messages
	if r.o.Limit > 0 {
		messages = messages[:min(len(messages), r.o.Limit-r.count)]
	}
	r.count += len(messages)
	if len(messages) > 0 && !r.emit(brokers.Batch{Messages: messages, Left: -1}) {
		r.done = true
	}
	if r.o.Limit > 0 && r.count >= r.o.Limit {
		r.done = true
	}
}

// spans tells what is to be read of each partition.
func (b *Broker) spans(ctx context.Context, from brokers.Source, o brokers.ReadOptions) (map[logID]span, error) {
	spans := map[logID]span{}
	err := b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		edges, err := edgesOf(ctx, admin, o.Uncommitted, from.Name)
		if err != nil {
			return err
		}
		first, err := edges.resolve(ctx, admin, o.From, false)
		if err != nil {
			return err
		}
		last, err := edges.resolve(ctx, admin, o.Until, true)
		if err != nil {
			return err
		}
		for partition, start := range first[from.Name] {
			if s := (span{start, last[from.Name][partition]}); s.from < s.end && wants(from, partition) {
				spans[logID{from.Name, partition}] = s
			}
		}
		return nil
	})
	return spans, err
}

// edges are the first and last offsets of topics.
type edges struct {
	topics     []string
	start, end places
}

// edgesOf asks for the edges of topics; the end is the last stable offset unless uncommitted records count.
func edgesOf(ctx context.Context, admin *kadm.Client, uncommitted bool, topics ...string) (*edges, error) {
	e := &edges{topics: topics, start: places{}, end: places{}}
	ends := admin.ListCommittedOffsets
	if uncommitted {
		ends = admin.ListEndOffsets
	}
	for _, ask := range []struct {
		list func(context.Context, ...string) (kadm.ListedOffsets, error)
		into places
	}{{admin.ListStartOffsets, e.start}, {ends, e.end}} {
		listed, err := ask.list(ctx, topics...)
		if err != nil {
			return nil, err
		}
		if err := fill(ask.into, listed); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func fill(into places, listed kadm.ListedOffsets) error {
	var failed error
	listed.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			failed = noTopic(o.Topic, o.Err)
			return
		}
		into.set(o.Topic, o.Partition, o.Offset)
	})
	return failed
}

// resolve makes a position offsets, within what there is. The zero position is the end for until, and else the start.
func (e *edges) resolve(ctx context.Context, admin *kadm.Client, at brokers.Position, until bool) (places, error) {
	var times kadm.ListedOffsets
	if at.At == brokers.AtTime {
		var err error
		if times, err = admin.ListOffsetsAfterMilli(ctx, at.Time.UnixMilli(), e.topics...); err != nil {
			return nil, err
		}
	}
	out := places{}
	for topic, partitions := range e.start {
		for partition, start := range partitions {
			end := e.end[topic][partition]
			offset := end
			switch at.At {
			case brokers.AtTime:
				if o, ok := times.Lookup(topic, partition); ok && o.Err == nil && o.Offset >= 0 {
					offset = o.Offset
				}
			default:
				offset = placed(at, partition, start, end, until)
			}
			out.set(topic, partition, max(start, min(offset, end)))
		}
	}
	return out, nil
}

// placed is the offset of a position that is no time.
func placed(at brokers.Position, partition int32, start, end int64, until bool) int64 {
	switch at.At {
	case brokers.AtStart:
		return start
	case brokers.AtEnd:
		return end
	case brokers.AtLast:
		return end - at.Offset
	case brokers.AtOffset:
		if of, ok := at.Offsets[partition]; ok {
			return of
		}
		return at.Offset
	}
	if until {
		return end
	}
	return start
}
