package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"msdev/brokers"
)

// Kafka tells nobody of members that leave.
const memberPoll = 250 * time.Millisecond

func byPartition(a, b brokers.GroupOffset) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// one describes one group.
func one(ctx context.Context, admin *kadm.Client, name string) (brokers.Group, error) {
	g := groups{listed: kadm.ListedGroups{name: {Group: name}}}
	var err error
	if g.described, err = admin.DescribeGroups(ctx, name); err != nil {
		return brokers.Group{}, err
	}
	d := g.described[name]
	if isElecting(d.Err) { // it is not known to be empty
		return brokers.Group{}, d.Err
	}
	if d.Err != nil || d.State == "Dead" {
		g.modern, _ = admin.DescribeConsumerGroups(ctx, name) // older brokers have none
	}
	return g.group(name, nil), nil
}

// empty tells whether a group can be changed from outside.
func empty(g *brokers.Group) bool {
	return len(g.Members) == 0 && (g.State == "Empty" || g.State == "Dead" || g.State == "")
}

// PlanReset tells what a reset would commit: see brokers.GroupAdmin.
func (b *Broker) PlanReset(ctx context.Context, r brokers.GroupReset) ([]brokers.OffsetChange, error) {
	var out []brokers.OffsetChange
	err := b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		committed, err := admin.FetchOffsets(ctx, r.Group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // a new one
			return err
		}
		other := committed
		if r.CopyOf != "" {
			if other, err = admin.FetchOffsets(ctx, r.CopyOf); err != nil {
				return err
			}
		}
		topics := slices.Sorted(maps.Keys(r.Topics))
		if len(topics) == 0 {
			topics = slices.Sorted(maps.Keys(other))
		}
		if len(topics) == 0 {
			return fmt.Errorf("group %q has committed nothing\nName the topics.", cmp.Or(r.CopyOf, r.Group))
		}
		edges, err := edgesOf(ctx, admin, true, topics...)
		if err != nil {
			return err
		}
		to, err := edges.resolve(ctx, admin, r.To, false)
		if err != nil {
			return err
		}
		out = changes(r, edges, committed, other, to)
		return nil
	})
	return out, err
}

// at is where a group is in a partition, nil where it has committed nothing.
func at(of kadm.OffsetResponses, topic string, partition int32) *int64 {
	o, ok := of.Lookup(topic, partition)
	if !ok || o.Err != nil || o.At < 0 {
		return nil
	}
	return &o.At
}

// changes tells the new place in each partition. other is the group that says where: the group itself, or the one to copy.
func changes(r brokers.GroupReset, e *edges, committed, other kadm.OffsetResponses, to places) []brokers.OffsetChange {
	var out []brokers.OffsetChange
	for topic, partitions := range to {
		for partition, offset := range partitions {
			if only := r.Topics[topic]; len(only) > 0 && !slices.Contains(only, partition) {
				continue
			}
			c := brokers.OffsetChange{Topic: topic, Partition: partition, To: offset, From: at(committed, topic, partition)}
			switch of := at(other, topic, partition); {
			case r.CopyOf == "" && r.Shift == 0:
			case of == nil:
				continue
			case r.CopyOf != "":
				c.To = *of
			default:
				c.To = max(e.start[topic][partition], min(*of+r.Shift, e.end[topic][partition]))
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b brokers.OffsetChange) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

// Commit sets a group's offsets: see brokers.GroupAdmin.
func (b *Broker) Commit(ctx context.Context, group string, offsets []brokers.OffsetChange) error {
	return b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		if err := mustBeEmpty(ctx, admin, group); err != nil {
			return err
		}
		var to kadm.Offsets
		for _, c := range offsets {
			to.AddOffset(c.Topic, c.Partition, c.To, -1)
		}
		return b.busy(ctx, admin, group, admin.CommitAllOffsets(ctx, group, to))
	})
}

func mustBeEmpty(ctx context.Context, admin *kadm.Client, group string) error {
	g, err := one(ctx, admin, group)
	if err != nil {
		return err
	}
	if !empty(&g) {
		return &brokers.BusyError{Group: group, State: g.State, Members: g.Members}
	}
	return nil
}

// busy makes the broker's refusals because of members a *BusyError: one may have joined meanwhile.
func (b *Broker) busy(ctx context.Context, admin *kadm.Client, group string, err error) error {
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.NonEmptyGroup) || errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.GroupSubscribedToTopic) {
		if now := mustBeEmpty(ctx, admin, group); now != nil {
			return now
		}
	}
	return err
}

// WaitEmpty waits until the group has no members: see brokers.GroupAdmin.
func (b *Broker) WaitEmpty(ctx context.Context, group string, left func([]brokers.Member)) error {
	tick := time.NewTicker(memberPoll)
	defer tick.Stop()
	last := -1
	for {
		var g brokers.Group
		err := b.ask(ctx, func(ctx context.Context, admin *kadm.Client) (err error) {
			g, err = one(ctx, admin, group)
			return err
		})
		if err != nil {
			return err
		}
		if empty(&g) {
			return nil
		}
		if n := len(g.Members); n != last && left != nil {
			last = n
			left(g.Members)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// DeleteGroup forgets a group, or its offsets of topics: see brokers.GroupAdmin.
func (b *Broker) DeleteGroup(ctx context.Context, group string, topics ...string) error {
	return b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		if len(topics) == 0 {
			r, err := admin.DeleteGroup(ctx, group)
			if err == nil {
				err = r.Err
			}
			return b.busy(ctx, admin, group, err)
		}
		committed, err := admin.FetchOffsetsForTopics(ctx, group, topics...)
		if err != nil {
			return err
		}
		committed.KeepFunc(func(o kadm.OffsetResponse) bool { return o.At >= 0 })
		deleted, err := admin.DeleteOffsets(ctx, group, committed.Partitions())
		if err == nil {
			err = deleted.Error()
		}
		return b.busy(ctx, admin, group, err)
	})
}
