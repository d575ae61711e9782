package cmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msdev/brokers"
)

// exchangeRow is one exchange as `exchanges --format json` prints it.
type exchangeRow struct {
	Broker string `json:"broker"`
	brokers.Exchange
	Bindings []brokers.Binding `json:"bindings,omitempty"`
	Problems []string          `json:"problems,omitempty"`
}

func newExchanges(a *app) *cobra.Command {
	var o brokerFlags
	var format format
	var all bool
	c := &cobra.Command{
		Use:   "exchanges [NAME...]",
		Short: "List RabbitMQ's exchanges, and what is bound to them",
		Example: `  msdev exchanges
  msdev exchanges orders   with its bindings`,
		ValidArgsFunction: a.completes(0, brokers.SourceExchange),
		RunE: func(_ *cobra.Command, names []string) error {
			return a.withBrokers(o, func(_ context.Context, c *counter) error { return c.exchanges(format, all, names) })
		},
	}
	format.register(c.Flags())
	c.Flags().BoolVarP(&all, "all", "a", false, "also those that every broker has and nobody uses")
	o.register(c.Flags())
	return a.subverbs(c, newExchangeCreate(a), newExchangeDelete(a), newBind(a, brokers.SourceExchange, brokers.Bind), newBind(a, brokers.SourceExchange, brokers.Unbind))
}

func (c *counter) exchanges(f format, all bool, names []string) error {
	if err := c.reachable(brokers.RabbitMQ); err != nil {
		return err
	}
	rows := c.exchangeRows(all || len(names) > 0)
	slices.SortStableFunc(rows, func(x, y exchangeRow) int {
		return cmp.Or(cmp.Compare(x.Broker, y.Broker), cmp.Compare(x.Name, y.Name))
	})
	rows, err := pick("exchange", rows, names, func(r exchangeRow) (string, string) { return r.Broker, r.Name })
	if err != nil {
		return err
	}
	several := c.several(brokers.RabbitMQ)
	err = show(c.app, f, rows, []string{"EXCHANGE", "BROKER", "TYPE", "BINDINGS", "IN/S", "OUT/S", "ALTERNATE", "PROBLEM"}, []int{3, 4, 5}, func(r exchangeRow) []string {
		broker := ""
		if several {
			broker = r.Broker
		}
		return []string{cmp.Or(r.Name, "(default)"), broker, r.Type, brokers.Thousands(int64(len(r.Bindings))), perSecond(r.In), perSecond(r.Out), r.Alternate, strings.Join(r.Problems, "; ")}
	})
	if f == formatTable && len(names) > 0 {
		for i := range rows {
			c.exchangeDetail(&rows[i])
		}
	}
	return err
}

// exchangeRows are all exchanges; without all, those that every broker has only where something is bound to them.
func (c *counter) exchangeRows(all bool) []exchangeRow {
	var rows []exchangeRow
	for _, b := range c.all {
		if b.topology == nil {
			continue
		}
		for i := range b.topology.Exchanges {
			x := &b.topology.Exchanges[i]
			r := exchangeRow{Broker: b.info.Name, Exchange: *x, Problems: texts(brokers.ExchangeProblems(b.topology, x))}
			for _, binding := range b.topology.Bindings {
				if binding.Source == x.Name {
					r.Bindings = append(r.Bindings, binding)
				}
			}
			builtIn := x.Name == "" || strings.HasPrefix(x.Name, "amq.")
			if all || !builtIn || x.Name != "" && len(r.Bindings) > 0 {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// exchangeDetail prints what is bound to an exchange.
func (c *counter) exchangeDetail(r *exchangeRow) {
	printf(c.out, "\n%s\n", cmp.Or(r.Name, "(default)"))
	for _, b := range r.Bindings {
		printf(c.out, "  %-24s → %s %s\n", strings.TrimSpace(b.RoutingKey+" "+arguments(b.Arguments)), b.Kind, b.To)
	}
	if len(r.Bindings) == 0 {
		printf(c.out, "  nothing is bound to it\n")
	}
}

func newExchangeCreate(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var x brokers.Exchange
	var transient bool
	var args []string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an exchange",
		Example: `  msdev exchanges create billing --type topic
  msdev exchanges create audit --type fanout --transient`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, names []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) (err error) {
				at, name, err := c.home(names[0], brokers.SourceExchange)
				if err != nil {
					return err
				}
				if x.Arguments, err = brokers.ReadArguments(args); err != nil {
					return wrongUse(err)
				}
				x.Name, x.Durable = name, !transient
				return c.apply(ctx, agreed, at, brokers.Change{Kind: brokers.CreateExchange, Exchange: x}, fmt.Sprintf("create exchange %q", name), "", fmt.Sprintf("exchange %q is there", name))
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&x.Type, "type", "topic", "`type`: topic, direct, fanout, headers, or one of a plugin")
	flags.BoolVar(&transient, "transient", false, "it goes when the broker restarts")
	flags.BoolVar(&x.AutoDelete, "auto-delete", false, "it goes with its last binding")
	flags.BoolVar(&x.Internal, "internal", false, "nobody publishes to it; other exchanges do")
	flags.StringVar(&x.Alternate, "alternate", "", "the `exchange` that gets what it cannot route")
	flags.StringArrayVar(&args, "argument", nil, "one more argument: `name=value`; true, false and whole numbers are such")
	agreed.register(flags, false)
	o.register(flags)
	return c
}

func newExchangeDelete(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var unused bool
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete an exchange, with its bindings",
		Example: `  msdev exchanges delete audit --if-unused
  msdev exchanges delete audit --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, brokers.SourceExchange),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error {
				p, err := c.resolve(args[0], brokers.SourceExchange)
				if err != nil {
					return err
				}
				name, lost := p.source.Name, "it"
				if p.at.topology != nil {
					lost += " and " + brokers.Number(int64(bindings(p.at.topology, name)), "binding")
				}
				change := brokers.Change{Kind: brokers.DeleteExchange, Exchange: brokers.Exchange{Name: name}, Unused: unused}
				return c.apply(ctx, agreed, p.at, change, fmt.Sprintf("delete exchange %q", name), lost, fmt.Sprintf("exchange %q is deleted", name))
			})
		},
	}
	c.Flags().BoolVar(&unused, "if-unused", false, "only if nothing is bound to it")
	agreed.register(c.Flags(), true)
	o.register(c.Flags())
	return c
}

// newBind is `queues bind`, `queues unbind` and the same of exchanges.
func newBind(a *app, kind brokers.SourceKind, what brokers.ChangeKind) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var args []string
	name := map[brokers.SourceKind]string{brokers.SourceQueue: "shipping", brokers.SourceExchange: "audit"}[kind]
	c := &cobra.Command{
		Use:   fmt.Sprintf("%s NAME EXCHANGE [KEY]", what),
		Short: map[brokers.ChangeKind]string{brokers.Bind: "Have it get what an exchange gets", brokers.Unbind: "Have it get no more of an exchange"}[what],
		Example: fmt.Sprintf(`  msdev %ss %s %s orders 'orders.#'
  msdev %ss %s %s amq.headers --argument x-match=all --argument tenant=acme`, kind, what, name, kind, what, name),
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: a.bindable(kind),
		RunE: func(_ *cobra.Command, words []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error {
				return c.bind(ctx, agreed, kind, what, words, args)
			})
		},
	}
	c.Flags().StringArrayVar(&args, "argument", nil, "an argument of the binding: `name=value`; true, false and whole numbers are such")
	agreed.register(c.Flags(), what == brokers.Unbind)
	o.register(c.Flags())
	return c
}

func (c *counter) bind(ctx context.Context, agreed consent, kind brokers.SourceKind, what brokers.ChangeKind, words, args []string) error {
	to, err := c.resolve(words[0], kind)
	if err != nil {
		return err
	}
	from, err := c.resolve(to.at.info.Name+"/exchange:"+strings.TrimPrefix(strings.TrimPrefix(words[1], to.at.info.Name+"/"), "exchange:"), brokers.SourceExchange)
	if err != nil {
		return err
	}
	b := brokers.Binding{Source: from.source.Name, Kind: kind, To: to.source.Name}
	if from.key != nil {
		b.RoutingKey = *from.key
	}
	if len(words) == 3 {
		b.RoutingKey = words[2]
	}
	if b.Arguments, err = brokers.ReadArguments(args); err != nil {
		return wrongUse(err)
	}
	link := fmt.Sprintf("%s %q and exchange %q, key %q", kind, b.To, b.Source, b.RoutingKey)
	if what == brokers.Bind {
		return c.apply(ctx, agreed, to.at, brokers.Change{Kind: what, Binding: b}, "bind "+link, "", "bound: "+link)
	}
	return c.apply(ctx, agreed, to.at, brokers.Change{Kind: what, Binding: b}, "unbind "+link, "what would come by it from now on", "unbound: "+link)
}
