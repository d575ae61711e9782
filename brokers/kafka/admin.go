package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"msdev/brokers"
)

// Purge deletes the records of a topic below a position: see brokers.Purger.
func (b *Broker) Purge(ctx context.Context, from brokers.Source, until brokers.Position) (n int64, err error) {
	if from.Kind != brokers.SourceTopic {
		return 0, fmt.Errorf("%s cannot be purged\nName a topic.", from)
	}
	err = b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		edges, err := edgesOf(ctx, admin, true, from.Name)
		if err != nil {
			return err
		}
		to, err := edges.resolve(ctx, admin, until, true)
		if err != nil {
			return err
		}
		var cut kadm.Offsets
		for partition, offset := range to[from.Name] {
			if wants(from, partition) {
				cut.AddOffset(from.Name, partition, offset, -1)
				n += offset - edges.start[from.Name][partition]
			}
		}
		deleted, err := admin.DeleteRecords(ctx, cut)
		if err == nil {
			err = deleted.Error()
		}
		if errors.Is(err, kerr.PolicyViolation) {
			return fmt.Errorf("topic %q is compacted only, so its records cannot be deleted by offset\nGive it cleanup.policy=compact,delete first, or send tombstones.", from.Name)
		}
		return err
	})
	return n, err
}

// Apply changes topics: see brokers.Admin.
func (b *Broker) Apply(ctx context.Context, c brokers.Change) error {
	return b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		switch c.Kind {
		case brokers.CreateTopic:
			return createTopic(ctx, admin, &c.Topic)
		case brokers.AlterTopic:
			return alterTopic(ctx, admin, &c.Topic)
		case brokers.DeleteTopic:
			r, err := admin.DeleteTopic(ctx, c.Topic.Name)
			if err == nil {
				err = r.Err
			}
			if err != nil {
				err = noTopic(c.Topic.Name, err)
			}
			return err
		}
		return fmt.Errorf("Kafka cannot do this: %s", c.Kind)
	})
}

func createTopic(ctx context.Context, admin *kadm.Client, t *brokers.TopicSpec) error {
	partitions, replicas := int32(t.Partitions), int16(t.Replicas)
	if partitions == 0 {
		partitions = -1
	}
	if replicas == 0 {
		replicas = -1
	}
	r, err := admin.CreateTopic(ctx, partitions, replicas, t.Configs, t.Name)
	if err == nil {
		err = r.Err
	}
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("topic %q is there already\nTo change it, alter it.", t.Name)
	}
	if err != nil {
		return err
	}
	return settled(ctx, admin, t.Name, t.Partitions)
}

// How often is asked whether what was made can be used: the cluster answers before its brokers know of it.
const settlePoll = 50 * time.Millisecond

// settled returns when a topic has its partitions, each with a leader.
func settled(ctx context.Context, admin *kadm.Client, topic string, partitions int) error {
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for {
		listed, err := admin.ListEndOffsets(ctx, topic)
		if err == nil && listed.Error() == nil && len(listed[topic]) >= max(partitions, 1) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, listed.Error(), ctx.Err())
		case <-tick.C:
		}
	}
}

func alterTopic(ctx context.Context, admin *kadm.Client, t *brokers.TopicSpec) error {
	if t.Partitions > 0 {
		grown, err := admin.UpdatePartitions(ctx, t.Partitions, t.Name)
		if err == nil {
			err = grown.Error()
		}
		if err != nil {
			return fmt.Errorf("topic %q cannot have %d partitions: %w", t.Name, t.Partitions, err)
		}
		if err := settled(ctx, admin, t.Name, t.Partitions); err != nil {
			return err
		}
	}
	if len(t.Configs) == 0 {
		return nil
	}
	var changes []kadm.AlterConfig
	for name, value := range t.Configs {
		op := kadm.SetConfig
		if value == nil {
			op = kadm.DeleteConfig
		}
		changes = append(changes, kadm.AlterConfig{Op: op, Name: name, Value: value})
	}
	altered, err := admin.AlterTopicConfigs(ctx, changes, t.Name)
	if err != nil {
		return err
	}
	for _, r := range altered {
		if r.Err != nil {
			return fmt.Errorf("topic %q: %w", t.Name, errors.Join(r.Err, errorText(r.ErrMessage)))
		}
	}
	return nil
}

func errorText(s string) error {
	if s == "" {
		return nil
	}
	return errors.New(s)
}
