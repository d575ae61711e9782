package kafka

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"msdev/brokers"
)

// survey is what was asked for a topology, all at a time.
type survey struct {
	meta               kadm.Metadata
	start, end, stable kadm.ListedOffsets
	configs            kadm.ResourceConfigs
	dirs               kadm.DescribedAllLogDirs
	groups             groups

	mu      sync.Mutex
	unknown []brokers.Note
}

// miss notes what could not be learned. What a broker that is away does not say is an error instead.
func (s *survey) miss(what string, err error) error {
	if err == nil || isDown(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown = append(s.unknown, brokers.Note{Text: what + " cannot be listed: " + err.Error()})
	return nil
}

// Topology tells what the cluster holds: see brokers.Broker.
func (b *Broker) Topology(ctx context.Context) (*brokers.Topology, error) {
	var s survey
	var version string
	err := b.ask(ctx, func(ctx context.Context, admin *kadm.Client) error {
		meta, err := admin.Metadata(ctx)
		if err != nil {
			return err
		}
		s.meta = meta
		g, ctx := errgroup.WithContext(ctx)
		names := slices.Sorted(maps.Keys(meta.Topics))
		if len(names) > 0 {
			g.Go(func() (err error) {
				s.start, err = admin.ListStartOffsets(ctx, names...)
				return s.miss("First offsets", err)
			})
			g.Go(func() (err error) {
				s.end, err = admin.ListEndOffsets(ctx, names...)
				return s.miss("Last offsets", err)
			})
			g.Go(func() (err error) {
				s.stable, err = admin.ListCommittedOffsets(ctx, names...)
				return s.miss("Stable offsets", err)
			})
			g.Go(func() (err error) {
				s.configs, err = admin.DescribeTopicConfigs(ctx, names...)
				return s.miss("Configs", err)
			})
			g.Go(func() (err error) { s.dirs, err = admin.DescribeAllLogDirs(ctx, nil); return s.miss("Sizes", err) })
		}
		g.Go(func() (err error) { s.groups, err = askGroups(ctx, admin); return s.miss("Groups", err) })
		g.Go(func() error { version = guess(ctx, admin); return nil })
		return g.Wait()
	})
	if err != nil {
		return nil, err
	}
	b.remember(func(i *brokers.Info) { i.Version, i.Trouble = version, "" })
	return s.topology(version), nil
}

// guess tells the version from what the brokers can do; Kafka itself does not say it.
func guess(ctx context.Context, admin *kadm.Client) string {
	versions, err := admin.ApiVersions(ctx)
	if err != nil {
		return ""
	}
	for _, v := range versions {
		if v.Err == nil {
			return plainVersion(v.VersionGuess())
		}
	}
	return ""
}

// plainVersion is a guess as people write versions: "4.1", "at least 4.1". One that lies between versions says no more than
// what is the least here.
func plainVersion(guess string) string {
	if at, ok := strings.CutPrefix(guess, "at least v"); ok {
		return "at least " + at
	}
	version, ok := strings.CutPrefix(guess, "v")
	if !ok || strings.Contains(version, " ") {
		return "2.8 or newer"
	}
	return version
}

func (s *survey) topology(version string) *brokers.Topology {
	t := &brokers.Topology{At: time.Now(), Version: version, Unknown: s.unknown}
	for _, n := range s.meta.Brokers {
		t.Nodes = append(t.Nodes, brokers.Node{ID: n.NodeID, Address: net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))), Controller: n.NodeID == s.meta.Controller})
	}
	for _, name := range slices.Sorted(maps.Keys(s.meta.Topics)) {
		t.Topics = append(t.Topics, s.topic(s.meta.Topics[name]))
	}
	for _, g := range s.groups.sorted() {
		t.Groups = append(t.Groups, s.groups.group(g, s.end))
	}
	return t
}

func (s *survey) topic(d kadm.TopicDetail) brokers.Topic {
	t := brokers.Topic{Name: d.Topic, Internal: d.IsInternal}
	if d.Err != nil {
		t.Trouble = d.Err.Error()
	}
	var bytes int64
	known := s.dirs != nil
	for _, p := range d.Partitions.Sorted() {
		out := brokers.Partition{ID: p.Partition, Leader: p.Leader, Replicas: p.Replicas, InSync: p.ISR,
			Start: offset(s.start, p), End: offset(s.end, p), Stable: offset(s.stable, p)}
		if p.Err != nil {
			out.Trouble = p.Err.Error()
		}
		t.Replicas = max(t.Replicas, len(p.Replicas))
		if size, ok := s.size(p); ok {
			out.Bytes = &size
			bytes += size
		} else {
			known = false
		}
		t.Partitions = append(t.Partitions, out)
	}
	if known {
		t.Bytes = &bytes
	}
	s.config(&t)
	return t
}

func offset(of kadm.ListedOffsets, p kadm.PartitionDetail) *int64 {
	o, ok := of.Lookup(p.Topic, p.Partition)
	if !ok || o.Err != nil {
		return nil
	}
	return &o.Offset
}

// size is what the leader's replica takes on disk.
func (s *survey) size(p kadm.PartitionDetail) (int64, bool) {
	for _, dir := range s.dirs[p.Leader] {
		if of, ok := dir.Topics.Lookup(p.Topic, p.Partition); ok && !of.IsFuture {
			return of.Size, true
		}
	}
	return 0, false
}

// config keeps what was set for the topic itself, and what decides how long records stay.
func (s *survey) config(t *brokers.Topic) {
	at := slices.IndexFunc(s.configs, func(c kadm.ResourceConfig) bool { return c.Name == t.Name })
	if at < 0 {
		return
	}
	t.Configs = map[string]string{}
	for _, c := range s.configs[at].Configs {
		switch c.Key {
		case "cleanup.policy":
			t.Compacted = value(c) == "compact" || value(c) == "compact,delete" || value(c) == "delete,compact"
		case "retention.ms", "retention.bytes", "max.message.bytes":
		default:
			if c.Source != kmsg.ConfigSourceDynamicTopicConfig {
				continue
			}
		}
		t.Configs[c.Key] = value(c)
	}
}

// groups are what was asked about consumer groups.
type groups struct {
	listed    kadm.ListedGroups
	described kadm.DescribedGroups
	modern    kadm.DescribedConsumerGroups // KIP-848's
	offsets   kadm.FetchOffsetsResponses
}

func askGroups(ctx context.Context, admin *kadm.Client) (groups, error) {
	var g groups
	var err error
	if g.listed, err = admin.ListGroups(ctx); err != nil || len(g.listed) == 0 {
		return g, err
	}
	names := g.listed.Groups()
	if g.described, err = admin.DescribeGroups(ctx, names...); err != nil {
		return g, err
	}
	var modern []string
	for _, d := range g.described {
		// A group of the new protocol is unknown to the old question.
		if errors.Is(d.Err, kerr.GroupIDNotFound) || d.State == "Dead" {
			modern = append(modern, d.Group)
		}
	}
	if len(modern) > 0 {
		g.modern, _ = admin.DescribeConsumerGroups(ctx, modern...) // older brokers have none
	}
	g.offsets = admin.FetchManyOffsets(ctx, names...)
	return g, nil
}

func (g *groups) sorted() []string { return slices.Sorted(maps.Keys(g.listed)) }

// group puts together what is known of one group.
func (g *groups) group(name string, ends kadm.ListedOffsets) brokers.Group {
	out := brokers.Group{Name: name, State: g.listed[name].State, Protocol: g.described[name].Protocol}
	if m, ok := g.modern[name]; ok && m.Err == nil {
		out.State, out.Type, out.Protocol = m.State, "consumer", m.AssignorName
		for _, member := range m.Members {
			out.Members = append(out.Members, brokers.Member{ID: member.MemberID, Client: member.ClientID, Instance: deref(member.InstanceID),
				Host: bareHost(member.ClientHost), Assigned: partitions(member.Assignment)})
		}
	} else {
		d := g.described[name]
		out.Type = "classic"
		if d.State != "" {
			out.State = d.State
		}
		if d.Err != nil {
			out.Trouble = d.Err.Error()
		}
		for _, member := range d.Members {
			m := brokers.Member{ID: member.MemberID, Client: member.ClientID, Instance: deref(member.InstanceID), Host: bareHost(member.ClientHost)}
			if a, ok := member.Assigned.AsConsumer(); ok {
				m.Assigned = map[string][]int32{}
				for _, t := range a.Topics {
					m.Assigned[t.Topic] = t.Partitions
				}
			}
			out.Members = append(out.Members, m)
		}
	}
	g.lag(&out, ends)
	return out
}

// lag adds where the group is in each partition that it has committed or that is assigned to it.
func (g *groups) lag(out *brokers.Group, ends kadm.ListedOffsets) {
	fetched := g.offsets[out.Name]
	if fetched.Err != nil {
		out.Trouble = fetched.Err.Error()
	}
	seen := map[logID]brokers.GroupOffset{}
	fetched.Fetched.Each(func(o kadm.OffsetResponse) {
		at := brokers.GroupOffset{Topic: o.Topic, Partition: o.Partition, Metadata: o.Metadata}
		if o.Err == nil && o.At >= 0 {
			at.Committed = &o.At
		}
		seen[logID{o.Topic, o.Partition}] = at
	})
	for _, m := range out.Members {
		for topic, list := range m.Assigned {
			for _, p := range list {
				at := seen[logID{topic, p}]
				at.Topic, at.Partition, at.Member = topic, p, m.ID
				seen[logID{topic, p}] = at
			}
		}
	}
	var total int64
	known := len(seen) > 0
	for _, at := range seen {
		if o, ok := ends.Lookup(at.Topic, at.Partition); ok && o.Err == nil {
			at.End = &o.Offset
		}
		if at.End != nil && at.Committed != nil {
			at.Lag = new(max(*at.End-*at.Committed, 0))
			total += *at.Lag
		} else {
			known = false
		}
		out.Offsets = append(out.Offsets, at)
	}
	slices.SortFunc(out.Offsets, byPartition)
	if known {
		out.Lag = &total
	}
}

func partitions(s kadm.TopicsSet) map[string][]int32 {
	out := map[string][]int32{}
	for topic, set := range s {
		out[topic] = slices.Sorted(maps.Keys(set))
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// bareHost takes away the slash that Java puts before an address.
func bareHost(s string) string {
	if len(s) > 0 && s[0] == '/' {
		return s[1:]
	}
	return s
}
