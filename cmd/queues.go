package cmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msdev/brokers"
)

// queueRow is one queue as `queues --format json` prints it.
type queueRow struct {
	Broker string `json:"broker"`
	brokers.Queue
	Bindings []brokers.Binding `json:"bindings,omitempty"`
	Problems []string          `json:"problems,omitempty"`

	clients []brokers.Client
}

func newQueues(a *app) *cobra.Command {
	var o brokerFlags
	var format format
	c := &cobra.Command{
		Use:   "queues [NAME...]",
		Short: "List RabbitMQ's queues: what waits in them, who consumes, where dead letters go",
		Long: `List RabbitMQ's queues: what waits in them, who consumes, where dead letters go. One that is named is shown with its
bindings, arguments and consumers.`,
		Example: `  msdev queues
  msdev queues shipping --format json`,
		ValidArgsFunction: a.completes(0, brokers.SourceQueue),
		RunE: func(_ *cobra.Command, names []string) error {
			return a.withBrokers(o, func(_ context.Context, c *counter) error { return c.queues(format, names) })
		},
	}
	format.register(c.Flags())
	o.register(c.Flags())
	return a.subverbs(c, newQueueCreate(a), newQueueDelete(a), newBind(a, brokers.SourceQueue, brokers.Bind), newBind(a, brokers.SourceQueue, brokers.Unbind))
}

func (c *counter) queues(f format, names []string) error {
	if err := c.reachable(brokers.RabbitMQ); err != nil {
		return err
	}
	var rows []queueRow
	for _, b := range c.all {
		if b.topology == nil || b.info.Kind != brokers.RabbitMQ {
			continue
		}
		c.notes(b.topology.Unknown)
		for i := range b.topology.Queues {
			rows = append(rows, b.queueRow(&b.topology.Queues[i]))
		}
	}
	slices.SortStableFunc(rows, func(x, y queueRow) int { return cmp.Or(cmp.Compare(x.Broker, y.Broker), cmp.Compare(x.Name, y.Name)) })
	rows, err := pick("queue", rows, names, func(r queueRow) (string, string) { return r.Broker, r.Name })
	if err != nil {
		return err
	}
	several := c.several(brokers.RabbitMQ)
	head := []string{"QUEUE", "BROKER", "TYPE", "READY", "UNACKED", "CONSUMERS", "IN/S", "OUT/S", "DEAD LETTERS TO", "PROBLEM"}
	err = show(c.app, f, rows, head, []int{3, 4, 5, 6, 7}, func(r queueRow) []string {
		broker := ""
		if several {
			broker = r.Broker
		}
		return []string{r.Name, broker, string(r.Type), count(r.Ready), count(r.Unacked), count(r.Consumers), perSecond(r.In), perSecond(r.Delivered), deadTo(&r.Queue), strings.Join(r.Problems, "; ")}
	})
	if f == formatTable && len(names) > 0 {
		for i := range rows {
			c.queueDetail(&rows[i])
		}
	}
	return err
}

func (b *knownBroker) queueRow(q *brokers.Queue) queueRow {
	r := queueRow{Broker: b.info.Name, Queue: *q, Problems: texts(brokers.QueueProblems(b.topology, q, brokers.Past{})), clients: b.topology.Clients}
	for _, x := range b.topology.Bindings {
		if x.Kind == brokers.SourceQueue && x.To == q.Name {
			r.Bindings = append(r.Bindings, x)
		}
	}
	return r
}

// deadTo is where a queue's dead letters go, as an address.
func deadTo(q *brokers.Queue) string {
	switch {
	case q.DeadExchange == nil:
		return ""
	case *q.DeadExchange == "" && q.DeadKey != nil:
		return *q.DeadKey
	case q.DeadKey != nil:
		return "exchange:" + *q.DeadExchange + "/" + *q.DeadKey
	}
	return "exchange:" + *q.DeadExchange
}

// queueDetail prints what a row has no place for.
func (c *counter) queueDetail(q *queueRow) {
	printf(c.out, "\n%s\n", q.Name)
	field := func(name, value string) {
		if value != "" {
			printf(c.out, "  %-12s %s\n", name, value)
		}
	}
	var is []string
	for what, so := range map[string]bool{"durable": q.Durable, "auto-delete": q.AutoDelete, "exclusive": q.Exclusive} {
		if so {
			is = append(is, what)
		}
	}
	slices.Sort(is)
	field("is", strings.Join(is, ", "))
	field("holds", strings.Join(slices.DeleteFunc([]string{bodies(q.Bytes)}, func(s string) bool { return s == "" }), ", "))
	field("policy", q.Policy)
	field("arguments", arguments(q.Arguments))
	if q.MessageTTL != nil {
		field("lives", (time.Duration(*q.MessageTTL)*time.Millisecond).String()+" at most")
	}
	for _, b := range q.Bindings {
		from := b.Source
		if from == "" {
			from = "the default exchange"
		}
		text := "from " + from
		if b.RoutingKey != "" {
			text += ", key " + b.RoutingKey
		}
		if args := arguments(b.Arguments); args != "" {
			text += ", " + args
		}
		field("bound", text)
	}
	for _, consumer := range q.ConsumersNamed {
		text := clientText(q.clients, consumer.Client)
		if consumer.Prefetch > 0 {
			text += fmt.Sprintf(", prefetch %d", consumer.Prefetch)
		}
		if consumer.AutoAck {
			text += ", acknowledges nothing"
		}
		field("consumer", text)
	}
}

func bodies(n *int64) string {
	if n == nil {
		return ""
	}
	return size(n) + " of bodies"
}

// clientText names a connection as it names itself, and where it comes from.
func clientText(clients []brokers.Client, name string) string {
	for i := range clients {
		if c := &clients[i]; c.Name == name && c.Given != "" {
			return c.Given + " (" + name + ")"
		}
	}
	return name
}

// arguments writes "x-max-length=100, x-queue-type=quorum".
func arguments(args brokers.Arguments) string {
	var texts []string
	for name, value := range args {
		texts = append(texts, fmt.Sprintf("%s=%v", name, value))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// queueCreate are the flags of `queues create`.
type queueCreate struct {
	kind, dead           string
	transient            bool
	ttl                  time.Duration
	maxLength, mostTries int64
	arguments            []string
}

func newQueueCreate(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var q queueCreate
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a queue",
		Example: `  msdev queues create invoices --type quorum --dead-letter invoices.dead
  msdev queues create audit --ttl 1h --max-length 10000`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error { return c.createQueue(ctx, agreed, q, args[0]) })
		},
	}
	flags := c.Flags()
	flags.StringVar(&q.kind, "type", "", "`type`: classic, quorum or stream (default: the broker's)")
	flags.BoolVar(&q.transient, "transient", false, "it goes when the broker restarts")
	flags.StringVar(&q.dead, "dead-letter", "", "where dead letters go: a `queue`, or exchange:NAME[/KEY]")
	flags.DurationVar(&q.ttl, "ttl", 0, "how long messages live in it, as a `duration`")
	flags.Int64Var(&q.maxLength, "max-length", -1, "at most this `number` of messages")
	flags.Int64Var(&q.mostTries, "delivery-limit", -1, "quorum: how often a message is handed out, as a `number`")
	flags.StringArrayVar(&q.arguments, "argument", nil, "one more argument: `name=value`; true, false and whole numbers are such")
	agreed.register(flags, false)
	o.register(flags)
	return c
}

func (c *counter) createQueue(ctx context.Context, agreed consent, o queueCreate, text string) error {
	at, name, err := c.home(text, brokers.SourceQueue)
	if err != nil {
		return err
	}
	q := brokers.Queue{Name: name, Type: brokers.QueueType(o.kind), Durable: !o.transient}
	if q.Arguments, err = brokers.ReadArguments(o.arguments); err != nil {
		return wrongUse(err)
	}
	if o.ttl > 0 {
		q.MessageTTL = new(o.ttl.Milliseconds())
	}
	if o.maxLength >= 0 {
		q.MaxLength = &o.maxLength
	}
	if o.mostTries >= 0 {
		q.DeliveryLimit = &o.mostTries
	}
	if o.dead != "" {
		q.DieTo(o.dead)
	}
	return c.apply(ctx, agreed, at, brokers.Change{Kind: brokers.CreateQueue, Queue: q}, fmt.Sprintf("create queue %q", name), "", fmt.Sprintf("queue %q is there", name))
}

func newQueueDelete(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var empty, unused bool
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a queue, with what is in it",
		Example: `  msdev queues delete audit --if-empty
  msdev queues delete audit --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, brokers.SourceQueue),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error {
				p, err := c.resolve(args[0], brokers.SourceQueue)
				if err != nil {
					return err
				}
				name := p.source.Name
				change := brokers.Change{Kind: brokers.DeleteQueue, Queue: brokers.Queue{Name: name}, Empty: empty, Unused: unused}
				lost := "it, its bindings"
				if q := p.at.queue(name); q != nil && q.Ready != nil {
					lost += " and " + brokers.Number(*q.Ready+value(q.Unacked), "message")
				}
				return c.apply(ctx, agreed, p.at, change, fmt.Sprintf("delete queue %q", name), lost, fmt.Sprintf("queue %q is deleted", name))
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&empty, "if-empty", false, "only if nothing is in it")
	flags.BoolVar(&unused, "if-unused", false, "only if nobody consumes from it")
	agreed.register(flags, true)
	o.register(flags)
	return c
}
