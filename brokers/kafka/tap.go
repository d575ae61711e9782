package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
)

const (
	// Kafka tells nobody of new topics and partitions.
	lookEvery = 2 * time.Second
	// How long records of an open transaction are held back, so that they can be told as committed or aborted.
	holdBack    = time.Second
	fetchBytes  = 4 << 20 // compressed: it may be twenty times as much afterwards
	fetchEach   = 1 << 20
	longestWait = 250 * time.Millisecond // of a fetch at the end of a topic
)

// places are offsets by topic and partition.
type places map[string]map[int32]int64

func (p places) set(topic string, partition int32, offset int64) {
	if p[topic] == nil {
		p[topic] = map[int32]int64{}
	}
	p[topic][partition] = offset
}

func (p places) has(topic string, partition int32) bool {
	_, ok := p[topic][partition]
	return ok
}

func (p places) assignment() map[string]map[int32]kgo.Offset {
	out := map[string]map[int32]kgo.Offset{}
	for topic, partitions := range p {
		out[topic] = map[int32]kgo.Offset{}
		for partition, offset := range partitions {
			out[topic][partition] = kgo.NewOffset().At(offset)
		}
	}
	return out
}

// tap is one Tap call.
type tap struct {
	b    *Broker
	from brokers.Source
	o    brokers.TapOptions
	emit func(brokers.TapBatch)

	next   places // where each partition goes on
	maker  maker
	undone *undecided // nil unless uncommitted records are shown
	health health
}

// Tap hands on what comes from now on: see brokers.Broker. Kafka is read by offset, so nothing is missed while the connection
// is lost; a receiver that is slower than the topic's retention loses what went, and is told how much.
func (b *Broker) Tap(ctx context.Context, from brokers.Source, o brokers.TapOptions, emit func(brokers.TapBatch)) error {
	if from.Kind != brokers.SourceTopic && from.Kind != brokers.SourceAll {
		return fmt.Errorf("Kafka has no %s to tap\nName a topic.", from)
	}
	t := &tap{b: b, from: from, o: o, emit: emit, next: places{}}
	if o.Uncommitted {
		t.undone = newUndecided()
	}
	ends, err := b.ends(ctx, from, true)
	if err != nil {
		if ctx.Err() != nil {
			err = nil // it was ended before it began
		}
		return err
	}
	t.next = ends
	client, err := b.client(append(reading(o.Uncommitted), kgo.ConsumePartitions(ends.assignment()), kgo.WithHooks(&t.health))...)
	if err != nil {
		return err
	}
	defer client.Close()
	emit(brokers.TapBatch{Notes: t.notes()})
	return t.run(ctx, client)
}

func (t *tap) notes() []brokers.Note {
	if len(t.next) == 0 {
		return []brokers.Note{{Text: "There is no topic yet."}}
	}
	if t.o.Uncommitted {
		return []brokers.Note{{Text: fmt.Sprintf("Records of open transactions show when they end, or after %v.", holdBack)}}
	}
	return nil
}

// reading are the options of a client that consumes.
func reading(uncommitted bool) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchEach), kgo.FetchMaxWait(longestWait),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(), kgo.MetadataMaxAge(10 * time.Second),
	}
	if uncommitted {
		return append(opts, kgo.FetchIsolationLevel(kgo.ReadUncommitted()))
	}
	return append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
}

// run polls until ctx ends. New partitions are looked for beside it, and the last of the two ends the other.
func (t *tap) run(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan places)
	var work sync.WaitGroup
	work.Go(func() { t.look(ctx, found) })
	defer work.Wait()
	defer cancel()
	for {
		poll, done := context.WithTimeout(ctx, holdBack)
		fetches := client.PollFetches(poll)
		done()
		if ctx.Err() != nil {
			return nil
		}
		select {
		case added := <-found:
			t.add(client, added)
		default:
		}
		if err := t.pass(fetches); err != nil {
			return err
		}
	}
}

// look asks for partitions that are new, which are read from their start.
func (t *tap) look(ctx context.Context, found chan<- places) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		starts, err := t.b.ends(ctx, t.from, false)
		if err != nil {
			continue // the tap itself tells of lost connections
		}
		select {
		case found <- starts:
		case <-ctx.Done():
			return
		}
	}
}

func (t *tap) add(client *kgo.Client, starts places) {
	added := places{}
	for topic, partitions := range starts {
		for partition, offset := range partitions {
			if !t.next.has(topic, partition) {
				added.set(topic, partition, offset)
				t.next.set(topic, partition, offset)
			}
		}
	}
	if len(added) > 0 {
		client.AddConsumePartitions(added.assignment())
	}
}

// pass hands on what was fetched.
func (t *tap) pass(fetches kgo.Fetches) error {
	t.maker.reset()
	batch := brokers.TapBatch{Gap: t.health.gap(), Caught: true}
	var failed error
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if p.Err != nil && !errors.Is(p.Err, context.DeadlineExceeded) && !errors.Is(p.Err, context.Canceled) {
			failed = p.Err
		}
		if next, ok := t.next[p.Topic][p.Partition]; ok && p.LogStartOffset > next {
			batch.Lost += p.LogStartOffset - next
			t.next.set(p.Topic, p.Partition, p.LogStartOffset)
		}
		for _, r := range p.Records {
			t.record(r)
		}
		if n := len(p.Records); n > 0 {
			end := p.Records[n-1].Offset + 1
			t.next.set(p.Topic, p.Partition, end)
			batch.Caught = batch.Caught && end >= p.HighWatermark
		}
	})
	if t.undone != nil {
		t.undone.expire(time.Now().Add(-holdBack), &t.maker)
	}
	if batch.Messages = t.maker.messages; len(batch.Messages) > 0 || batch.Lost > 0 || batch.Gap != nil {
		t.emit(batch)
	}
	return t.explain(failed)
}

func (t *tap) record(r *kgo.Record) {
	switch {
	case t.undone != nil:
		t.undone.add(r, &t.maker)
	case !r.Attrs.IsControl():
		t.maker.add(r)
	}
}

// explain ends the tap for what does not go away by itself.
func (t *tap) explain(err error) error {
	var lost *kgo.ErrDataLoss
	switch {
	case err == nil || errors.As(err, &lost):
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("the topic is gone: %w", err)
	case kerr.IsRetriable(err), isDown(err):
		return nil
	}
	return err
}

// ends are the ends of a source's partitions, or else their starts.
func (b *Broker) ends(ctx context.Context, from brokers.Source, end bool) (places, error) {
	out := places{}
	err := b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		topics, err := b.topics(ctx, admin, from)
		if err != nil || len(topics) == 0 {
			return err
		}
		list := admin.ListStartOffsets
		if end {
			list = admin.ListEndOffsets
		}
		listed, err := list(ctx, topics...)
		if err != nil {
			return err
		}
		if from.Kind == brokers.SourceTopic && listed.Error() != nil {
			return noTopic(from.Name, listed.Error())
		}
		listed.Each(func(o kadm.ListedOffset) {
			if o.Err == nil && wants(from, o.Partition) {
				out.set(o.Topic, o.Partition, o.Offset)
			}
		})
		return nil
	})
	return out, err
}

func noTopic(name string, err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("there is no topic %q\nIts name is case-sensitive; `msdev topics` lists what there is.", name)
	}
	return fmt.Errorf("topic %q: %w", name, err)
}

func wants(from brokers.Source, partition int32) bool {
	return len(from.Partitions) == 0 || slices.Contains(from.Partitions, partition)
}

// topics are the names of a source's topics.
func (b *Broker) topics(ctx context.Context, admin *kadm.Client, from brokers.Source) ([]string, error) {
	if from.Kind == brokers.SourceTopic {
		return []string{from.Name}, nil
	}
	all, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// health notices a cluster that went away and came back. Idle connections that are closed are no trouble: only a failed
// attempt to connect is.
type health struct {
	mu     sync.Mutex
	lost   time.Time // of the last connection's end
	reason error
	over   *brokers.Gap
}

// OnBrokerDisconnect is kgo's hook.
func (h *health) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == nil {
		h.lost = time.Now()
	}
}

// OnBrokerConnect is kgo's hook.
func (h *health) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil && h.reason == nil:
		h.reason = err
		if h.lost.IsZero() {
			h.lost = time.Now()
		}
	case err == nil && h.reason != nil:
		h.over = &brokers.Gap{From: h.lost, To: time.Now(), Reason: h.reason.Error(), Resumed: true}
		h.reason, h.lost = nil, time.Time{}
	}
}

// gap returns what was noticed since the last time.
func (h *health) gap() *brokers.Gap {
	h.mu.Lock()
	defer h.mu.Unlock()
	gap := h.over
	h.over = nil
	return gap
}
