package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"msdev/brokers"
	"msdev/runner"
)

func newMessage(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "message move|copy|delete",
		Short: "Move, copy or delete one message",
		Long: `Move, copy or delete one message of a queue, which is named by the id that peek shows, or by its message-id; or copy a record
of a topic, which is named by its place: order-events/2@118. To reach a message in a queue those before it are taken and put
back; what that leaves behind is said.`,
		Example: `  msdev message move shipping.dead 779a406b --to queue:shipping
  msdev message copy order-events/2@118 --to queue:shipping.dead`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	return a.subverbs(c, newMessageSend(a, "move"), newMessageSend(a, "copy"), newMessageDelete(a))
}

func newMessageSend(a *app, verb string) *cobra.Command {
	var o sendFlags
	c := &cobra.Command{
		Use: verb + " QUEUE ID | TOPIC/PARTITION@OFFSET",
		Short: map[string]string{"move": "Send a message elsewhere, and remove it here once that is confirmed",
			"copy": "Send a message elsewhere as well"}[verb],
		Example: fmt.Sprintf(`  msdev message %s shipping.dead 779a406b --to queue:shipping
  msdev message %s shipping.dead 779a406b --to exchange:orders/orders.placed`, verb, verb),
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completes(1, brokers.SourceQueue, brokers.SourceTopic),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error { return c.sendOne(ctx, o, verb, args) })
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.to, "to", "", "send it to this `TARGET`")
	a.completesTo(c)
	flags.StringArrayVar(&o.strip, "strip", nil, "leave out a `header`; * stands for the rest of a name")
	flags.BoolVar(&o.keep, "keep-broker-headers", false, "keep x-death and its like, which are left out otherwise")
	o.trace = "keep"
	o.format.register(flags)
	o.consent.register(flags, false)
	o.brokerFlags.register(flags)
	return c
}

func (c *counter) sendOne(ctx context.Context, o sendFlags, verb string, args []string) error {
	if o.to == "" {
		return usageError("where to is not said", "Give a target: --to queue:NAME.")
	}
	p, err := c.resolve(args[0], brokers.SourceQueue, brokers.SourceTopic)
	if err != nil {
		return err
	}
	r, to, err := o.replay(ctx, c, p.at, brokers.ToSame)
	if err != nil {
		return err
	}
	for _, at := range []*knownBroker{p.at, to} {
		if verb == "copy" && at == p.at && at != to {
			continue
		}
		if err := c.permit(ctx, o.consent, at.info, fmt.Sprintf("%s a message of %s", verb, p.source), ""); err != nil {
			return err
		}
	}
	if p.source.Kind == brokers.SourceTopic {
		return c.copyRecord(ctx, r, to, o.format, p, verb, args)
	}
	if len(args) < 2 {
		return usageError("which message is not said", fmt.Sprintf("Give its id, as `msdev peek %s` shows it.", args[0]))
	}
	out := results{app: c.app, at: to, format: o.format, paint: newPainter(c.colour(c.out))}
	move := brokers.Move(*r)
	err = c.pickOne(ctx, p, args[1], o.allowRemote, func(ctx context.Context, m *brokers.Message) (brokers.Settlement, error) {
		how, err := move(ctx, m)
		if err == nil {
			out.take(brokers.Outcome{N: 1, Sent: brokers.Outgoing{To: p.sentTo(r, m)}, Result: brokers.Result{Status: brokers.StatusConfirmed, Offset: -1}})
		}
		if verb == "copy" && err == nil {
			how = brokers.GiveBack
		}
		return how, err
	})
	if err == nil {
		c.note(ctx, p.at, fmt.Sprintf("1 message of %s: %s to %s", p.source, verb, o.to))
	}
	return err
}

// sentTo is where a message of the place goes in a replay to one target.
func (p place) sentTo(r *brokers.Replay, m *brokers.Message) brokers.Target {
	t := brokers.Target{Exchange: r.Target.Exchange, RoutingKey: m.RoutingKey, Topic: r.Target.Topic, Partition: r.Target.Partition}
	switch {
	case r.Target.Kind == brokers.ToHome:
		t = brokers.Target{RoutingKey: r.Target.Queue}
	case r.Target.RoutingKey != nil:
		t.RoutingKey = *r.Target.RoutingKey
	}
	return t
}

// copyRecord copies the one record that an address names.
func (c *counter) copyRecord(ctx context.Context, r *brokers.Replay, to *knownBroker, f format, p place, verb string, args []string) error {
	if verb == "move" {
		return usageError("a record cannot be moved: a topic keeps what it has until its time is over", "`msdev message copy` copies it.")
	}
	if p.from == nil || p.from.At != brokers.AtOffset || len(p.source.Partitions) != 1 || len(args) > 1 {
		return usageError(args[0]+" names no single record", "Write TOPIC/PARTITION@OFFSET, as peek shows it.")
	}
	r.From = brokers.FromBroker(p.at.Broker, p.source, brokers.ReadOptions{From: *p.from, Until: brokers.Position{At: brokers.AtOffset, Offset: p.from.Offset + 1}, Limit: 1})
	return c.send(ctx, r, to, f, "copied")
}

func newMessageDelete(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	c := &cobra.Command{
		Use:   "delete QUEUE ID",
		Short: "Remove one message from a queue",
		Example: `  msdev message delete shipping.dead 779a406b
  msdev message delete shipping.dead evt_rftsuct2oc --yes`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completes(1, brokers.SourceQueue),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error {
				p, err := c.resolve(args[0], brokers.SourceQueue)
				if err != nil {
					return err
				}
				if err := c.permit(ctx, agreed, p.at.info, "delete a message of "+p.source.String(), "message "+args[1]+", for good"); err != nil {
					return err
				}
				if err := c.pickOne(ctx, p, args[1], agreed.allowRemote, brokers.Delete); err != nil {
					return err
				}
				printf(c.err, "message %s is deleted\n", args[1])
				c.note(ctx, p.at, fmt.Sprintf("1 message of %s: deleted", p.source))
				return nil
			})
		},
	}
	agreed.register(c.Flags(), true)
	o.register(c.Flags())
	return c
}

// pickOne does something with the message of a queue that an id names.
func (c *counter) pickOne(ctx context.Context, p place, id string, allowRemote bool, do func(context.Context, *brokers.Message) (brokers.Settlement, error)) error {
	pick := brokers.Pick{From: p.at.Broker, Queue: p.source.Name, Do: do, AllowRemote: allowRemote, Most: peekScan,
		Want: func(m *brokers.Message) bool {
			return m.Properties.MessageID == id || len(id) >= 4 && strings.HasPrefix(messageID(m), id)
		}}
	picked, err := pick.Run(ctx)
	if err != nil {
		return err
	}
	if picked.Disturbed > 0 {
		text := fmt.Sprintf("%s before it were taken and put back: they are marked as redelivered", brokers.Number(int64(picked.Disturbed), "message"))
		if picked.Budget >= 0 {
			text += fmt.Sprintf(", and one of them has %d deliveries left", picked.Budget)
		}
		printf(c.err, "%s\n", text)
	}
	if !picked.Found {
		return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("no message %q is ready in %s", id, p.source), Hint: fmt.Sprintf("`msdev peek %s` shows their ids.", p.source.Name)}
	}
	return nil
}
