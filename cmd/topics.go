package cmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msdev/brokers"
)

// topicRow is one topic as `topics --format json` prints it.
type topicRow struct {
	Broker string `json:"broker"`
	brokers.Topic
	Messages *int64   `json:"messages,omitempty"` // offsets that it spans: compaction and transactions leave gaps
	Groups   []string `json:"groups,omitempty"`   // that have committed in it
	Problems []string `json:"problems,omitempty"`

	lags []brokers.Group
}

func newTopics(a *app) *cobra.Command {
	var o brokerFlags
	var format format
	var all bool
	c := &cobra.Command{
		Use:   "topics [NAME...]",
		Short: "List Kafka's topics: what is in them, and who reads them",
		Long:  "List Kafka's topics: what is in them, and who reads them. One that is named is shown with its partitions, settings and groups.",
		Example: `  msdev topics
  msdev topics order-events --format json`,
		ValidArgsFunction: a.completes(0, brokers.SourceTopic),
		RunE: func(_ *cobra.Command, names []string) error {
			return a.withBrokers(o, func(_ context.Context, c *counter) error { return c.topics(format, all, names) })
		},
	}
	format.register(c.Flags())
	c.Flags().BoolVarP(&all, "all", "a", false, "also the broker's own")
	o.register(c.Flags())
	return a.subverbs(c, newTopicCreate(a), newTopicAlter(a), newTopicDelete(a))
}

func (c *counter) topics(f format, all bool, names []string) error {
	if err := c.reachable(brokers.Kafka); err != nil {
		return err
	}
	var rows []topicRow
	for _, b := range c.all {
		if b.topology == nil || b.info.Kind != brokers.Kafka {
			continue
		}
		c.notes(b.topology.Unknown)
		for i := range b.topology.Topics {
			if x := &b.topology.Topics[i]; all || len(names) > 0 || !x.Internal {
				rows = append(rows, b.topicRow(x))
			}
		}
	}
	slices.SortStableFunc(rows, func(x, y topicRow) int { return cmp.Or(cmp.Compare(x.Broker, y.Broker), cmp.Compare(x.Name, y.Name)) })
	rows, err := pick("topic", rows, names, func(r topicRow) (string, string) { return r.Broker, r.Name })
	if err != nil {
		return err
	}
	several := c.several(brokers.Kafka)
	err = show(c.app, f, rows, []string{"TOPIC", "BROKER", "PARTITIONS", "MESSAGES", "SIZE", "KEEPS", "GROUPS", "PROBLEM"}, []int{2, 3, 4}, func(r topicRow) []string {
		broker := ""
		if several {
			broker = r.Broker
		}
		return []string{r.Name, broker, brokers.Thousands(int64(len(r.Partitions))), count(r.Messages), size(r.Bytes), keeps(&r.Topic), strings.Join(r.Groups, ", "), strings.Join(r.Problems, "; ")}
	})
	if f == formatTable && len(names) > 0 {
		for i := range rows {
			c.topicDetail(&rows[i])
		}
	}
	return err
}

func (b *knownBroker) topicRow(x *brokers.Topic) topicRow {
	r := topicRow{Broker: b.info.Name, Topic: *x, Messages: x.Records(), Problems: texts(brokers.TopicProblems(x))}
	for i := range b.topology.Groups {
		g := &b.topology.Groups[i]
		if slices.ContainsFunc(g.Offsets, func(o brokers.GroupOffset) bool { return o.Topic == x.Name }) {
			r.Groups = append(r.Groups, g.Name)
			r.lags = append(r.lags, *g)
		}
	}
	slices.Sort(r.Groups)
	return r
}

// keeps says how long a topic keeps what is in it.
func keeps(x *brokers.Topic) string {
	var parts []string
	if x.Compacted {
		parts = append(parts, "newest by key")
	}
	ms, err := strconv.ParseInt(x.Configs["retention.ms"], 10, 64)
	deletes := !x.Compacted || strings.Contains(x.Configs["cleanup.policy"], "delete")
	switch {
	case !deletes || err != nil:
	case ms < 0:
		parts = append(parts, "for ever")
	default:
		parts = append(parts, span(time.Duration(ms)*time.Millisecond))
	}
	if n, err := strconv.ParseInt(x.Configs["retention.bytes"], 10, 64); deletes && err == nil && n >= 0 {
		parts = append(parts, size(&n)+" a partition")
	}
	return strings.Join(parts, ", ")
}

// span writes a duration by its largest unit: 7d, 36h, 90s.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}

// topicDetail prints what a row has no place for.
func (c *counter) topicDetail(r *topicRow) {
	printf(c.out, "\n%s\n", r.Name)
	s := sheet{head: []string{"  PARTITION", "START", "END", "MESSAGES", "SIZE", "LEADER", "IN SYNC", "PROBLEM"}, numbers: []int{0, 1, 2, 3, 4, 5, 6}, paint: newPainter(c.colour(c.out))}
	for i := range r.Partitions {
		p := &r.Partitions[i]
		var n *int64
		if p.Start != nil && p.End != nil {
			n = new(*p.End - *p.Start)
		}
		leader := unmeasured
		if p.Leader >= 0 {
			leader = strconv.Itoa(int(p.Leader))
		}
		trouble := p.Trouble
		if open := value(p.End) - value(p.Stable); p.Stable != nil && p.End != nil && open > 0 && trouble == "" {
			trouble = fmt.Sprintf("a transaction is open from offset %d on", *p.Stable)
		}
		s.rows = append(s.rows, []string{strconv.Itoa(int(p.ID)), plain(p.Start), plain(p.End), count(n), size(p.Bytes), leader, fmt.Sprintf("%d of %d", len(p.InSync), len(p.Replicas)), trouble})
	}
	s.print(c.out)
	for _, name := range slices.Sorted(maps.Keys(r.Configs)) {
		printf(c.out, "  %s=%s\n", name, r.Configs[name])
	}
	for i := range r.lags {
		lag, known := int64(0), true
		for _, o := range r.lags[i].Offsets {
			if o.Topic == r.Name {
				lag, known = lag+value(o.Lag), known && o.Lag != nil
			}
		}
		text := brokers.Thousands(lag)
		if !known {
			text = unmeasured
		}
		printf(c.out, "  group %s: %s behind, %s\n", r.lags[i].Name, text, brokers.Number(int64(len(r.lags[i].Members)), "member"))
	}
}

// plain writes a number as it is typed again: an offset.
func plain(n *int64) string {
	if n == nil {
		return unmeasured
	}
	return strconv.FormatInt(*n, 10)
}

func newTopicCreate(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var t brokers.TopicSpec
	var configs []string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a topic",
		Example: `  msdev topics create invoices --partitions 3
  msdev topics create prices --config cleanup.policy=compact`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) (err error) {
				at, name, err := c.home(args[0], brokers.SourceTopic)
				if err != nil {
					return err
				}
				if t.Configs, err = brokers.ReadConfigs(configs); err != nil {
					return wrongUse(err)
				}
				t.Name = name
				return c.apply(ctx, agreed, at, brokers.Change{Kind: brokers.CreateTopic, Topic: t}, fmt.Sprintf("create topic %q", name), "", fmt.Sprintf("topic %q is there", name))
			})
		},
	}
	flags := c.Flags()
	flags.IntVar(&t.Partitions, "partitions", 0, "`number` of partitions (default: the broker's)")
	flags.IntVar(&t.Replicas, "replicas", 0, "`number` of replicas (default: the broker's)")
	flags.StringArrayVar(&configs, "config", nil, "a setting: `name=value`")
	agreed.register(flags, false)
	o.register(flags)
	return c
}

func newTopicAlter(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var t brokers.TopicSpec
	var configs []string
	c := &cobra.Command{
		Use:   "alter NAME",
		Short: "Change a topic's settings, or give it more partitions",
		Example: `  msdev topics alter order-events --config retention.ms=3600000
  msdev topics alter order-events --partitions 6 --config retention.ms=   more partitions, and the broker's own retention`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, brokers.SourceTopic),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error {
				p, err := c.resolve(args[0], brokers.SourceTopic)
				if err != nil {
					return err
				}
				if t.Configs, err = brokers.ReadConfigs(configs); err != nil {
					return wrongUse(err)
				}
				if t.Partitions == 0 && len(t.Configs) == 0 {
					return usageError("nothing is to be changed", "Say what: --partitions N, --config name=value.")
				}
				t.Name = p.source.Name
				return c.apply(ctx, agreed, p.at, brokers.Change{Kind: brokers.AlterTopic, Topic: t}, fmt.Sprintf("alter topic %q", t.Name), "", fmt.Sprintf("topic %q is altered", t.Name))
			})
		},
	}
	flags := c.Flags()
	flags.IntVar(&t.Partitions, "partitions", 0, "`number` of partitions that it is to have; keys then go to other partitions than before")
	flags.StringArrayVar(&configs, "config", nil, "a setting: `name=value`; without a value it is the broker's again")
	agreed.register(flags, false)
	o.register(flags)
	return c
}

func newTopicDelete(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a topic, with what is in it",
		Example: `  msdev topics delete invoices
  msdev topics delete invoices --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, brokers.SourceTopic),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error {
				p, err := c.resolve(args[0], brokers.SourceTopic)
				if err != nil {
					return err
				}
				name, lost := p.source.Name, "it and what is in it"
				if x := p.at.topic(name); x != nil {
					r := p.at.topicRow(x)
					lost = "it"
					if r.Messages != nil {
						lost += ", " + brokers.Number(*r.Messages, "message")
					}
					lost += " and the offsets of " + brokers.Number(int64(len(r.Groups)), "group")
				}
				change := brokers.Change{Kind: brokers.DeleteTopic, Topic: brokers.TopicSpec{Name: name}}
				return c.apply(ctx, agreed, p.at, change, fmt.Sprintf("delete topic %q", name), lost, fmt.Sprintf("topic %q is deleted", name))
			})
		},
	}
	agreed.register(c.Flags(), true)
	o.register(c.Flags())
	return c
}
