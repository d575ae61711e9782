package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

const (
	peekLimit = 100
	peekBatch = 64 // how many basic.get are on their way at a time
	// A stream does not tell its end over AMQP 0-9-1: this silence is taken for it.
	streamSilence = 500 * time.Millisecond
	// The delivery limit of quorum queues that name none, since RabbitMQ 4.0.
	defaultDeliveryLimit = 20
)

// queueNow tells what a queue is. Without management or rabbitmqctl it is errNoWiring, unless the queue is not there.
func (b *Broker) queueNow(ctx context.Context, name string) (brokers.Queue, error) {
	if b.api != nil {
		var q apiQueue
		err := b.api.get(ctx, b.api.path("queues", "%v", name), &q)
		if err == nil {
			return q.queue(b.Info().Version), nil
		}
		if answered(err, 404) {
			return brokers.Queue{}, noQueue(name)
		}
	}
	if b.o.Ctl == nil {
		return brokers.Queue{}, errNoWiring
	}
	all, err := b.ctlQueues(ctx)
	if err != nil {
		return brokers.Queue{}, err
	}
	i := slices.IndexFunc(all, func(q brokers.Queue) bool { return q.Name == name })
	if i < 0 {
		return brokers.Queue{}, noQueue(name)
	}
	return all[i], nil
}

func noQueue(name string) error {
	return fmt.Errorf("there is no queue %q\nIts name is case-sensitive; `msdev queues` lists what there is.", name)
}

// Read looks at what is in a queue or stream: see brokers.Broker.
func (b *Broker) Read(ctx context.Context, from brokers.Source, o brokers.ReadOptions, emit func(brokers.Batch) bool) error {
	if from.Kind != brokers.SourceQueue {
		return fmt.Errorf("%s holds no messages to read\nName a queue.", from)
	}
	return b.within(ctx, "reader", func(c *conn) error {
		q, err := b.queueNow(ctx, from.Name)
		if errors.Is(err, errNoWiring) {
			q, err = b.inspectQueue(ctx, c, from.Name)
		}
		if err != nil {
			return err
		}
		if q.Type == brokers.StreamQueue {
			return b.readStream(ctx, c, from.Name, o, emit)
		}
		return b.peek(ctx, c, from.Name, o, emit)
	})
}

// peek fetches from the head of a queue and gives everything back.
func (b *Broker) peek(ctx context.Context, c *conn, queue string, o brokers.ReadOptions, emit func(brokers.Batch) bool) error {
	limit := o.Limit
	if limit <= 0 {
		limit = peekLimit
	}
	h, err := b.hold(ctx, c, queue)
	if err != nil {
		return err
	}
	notes := h.notes()
	for more := true; more && limit > 0; {
		var batch brokers.Batch
		batch.Messages, batch.Left, err = h.fetch(ctx, min(limit, peekBatch))
		more = err == nil && len(batch.Messages) > 0
		limit -= len(batch.Messages)
		if more || notes != nil {
			batch.Notes, notes = notes, nil
			more = emit(batch) && more
		}
	}
	rescued, backErr := h.backAll(context.WithoutCancel(ctx))
	if rescued > 0 && backErr == nil {
		emit(brokers.Batch{Notes: []brokers.Note{rescueNote(rescued)}})
	}
	return errors.Join(err, backErr)
}

func rescueNote(n int) brokers.Note {
	return brokers.Note{Warn: true, Text: fmt.Sprintf("%d messages had used up their deliveries: they went back as copies at the end of the queue, so that the broker does not dead-letter or drop them.", n)}
}

// readStream reads a stream from a place to its end.
func (b *Broker) readStream(ctx context.Context, c *conn, queue string, o brokers.ReadOptions, emit func(brokers.Batch) bool) error {
	var start any = "first"
	switch o.From.At {
	case brokers.AtEnd:
		return nil
	case brokers.AtOffset:
		start = o.From.Offset
	case brokers.AtTime:
		start = wire.Timestamp(max(o.From.Time.Unix(), 0))
	case brokers.AtLast:
		end, err := b.streamEnd(ctx, c, queue)
		if err != nil || end < 0 {
			return err
		}
		start = max(end+1-o.From.Offset, 0)
	}
	left := o.Limit
	return b.consumed(ctx, c, queue, start, func(messages []brokers.Message) bool {
		done := false
		if i := slices.IndexFunc(messages, func(m brokers.Message) bool { return isBehind(&m, o.Until) }); i >= 0 {
			messages, done = messages[:i], true
		}
		if o.Limit > 0 {
			messages = messages[:min(left, len(messages))]
			left -= len(messages)
			done = done || left == 0
		}
		return (len(messages) == 0 || emit(brokers.Batch{Messages: messages, Left: -1})) && !done
	})
}

func isBehind(m *brokers.Message, until brokers.Position) bool {
	switch until.At {
	case brokers.AtOffset:
		return m.Offset >= until.Offset
	case brokers.AtTime:
		return m.TimeKind != brokers.TimeNone && !m.Time.Before(until.Time)
	}
	return false
}

// streamEnd returns the newest offset of a stream, -1 for an empty one.
func (b *Broker) streamEnd(ctx context.Context, c *conn, queue string) (int64, error) {
	end := int64(-1)
	err := b.consumed(ctx, c, queue, "last", func(messages []brokers.Message) bool {
		end = max(end, messages[len(messages)-1].Offset)
		return true
	})
	return end, err
}

// consumed hands on what a stream holds from start on, until f answers false or the stream is silent.
func (b *Broker) consumed(ctx context.Context, c *conn, queue string, start any, f func([]brokers.Message) bool) error {
	buf := newBuffer(math.MaxInt) // what is unacknowledged is bounded by the prefetch, and nothing of it may be dropped
	ch, err := c.channel(ctx, func(ch *channel) { ch.content, ch.idle = buf.add, buf.arrived })
	if err != nil {
		return err
	}
	if err := consumeStream(ctx, ch, queue, start); err != nil {
		return err
	}
	defer func() {
		if _, err := call[*wire.ChannelCloseOk](ctx, ch, &wire.ChannelClose{Code: 200}); err == nil {
			c.drop(ch)
		}
	}()
	var got taken
	silence := time.NewTimer(streamSilence)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ch.over:
			return ch.err
		case <-silence.C:
			return nil
		case <-buf.wake:
		}
		buf.take(&got)
		if len(got.items) == 0 {
			continue
		}
		if messages := streamed(got.items, queue, start); len(messages) > 0 && !f(messages) {
			return nil
		}
		if err := ch.send(&wire.BasicAck{DeliveryTag: got.items[len(got.items)-1].Tag, Multiple: true}); err != nil {
			return err
		}
		silence.Reset(streamSilence)
	}
}

// streamed are the messages from start on: a stream comes in chunks, which may begin before it.
func streamed(items []content, queue string, start any) []brokers.Message {
	messages := make([]brokers.Message, 0, len(items))
	from, exact := start.(int64)
	for i := range items {
		var m brokers.Message
		if items[i].message(&m, time.Time{}) == nil && (!exact || m.Offset >= from) {
			m.Queue = queue
			messages = append(messages, m)
		}
	}
	return messages
}
