package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"msdev/brokers"
)

// redriveOptions are the flags of `redrive`.
type redriveOptions struct {
	sendFlags
	journal string
}

func newRedrive(a *app) *cobra.Command {
	var o redriveOptions
	c := &cobra.Command{
		Use:   "redrive QUEUE|TOPIC",
		Short: "Bring dead letters back to where they came from",
		Long: `Bring dead letters back to where they came from, as their headers tell, or to a TARGET. A queue's message is removed only
after the broker has confirmed the copy; a topic's records stay, and those that went are remembered. So a redrive that was
interrupted, or killed, goes on where it was when it is run again; at most what was under way is then sent twice.

` + addressHelp,
		Example: `  msdev redrive shipping.dead --dry-run
  msdev redrive shipping.dead --to queue:shipping --rate 10`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, brokers.SourceQueue, brokers.SourceTopic),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error { return c.redrive(ctx, o, args[0]) })
		},
	}
	flags := c.Flags()
	o.sendFlags.register(flags)
	a.completesTo(c)
	flags.StringVar(&o.journal, "journal", "", "`file` that remembers what went (default: one of the project's, by the queue's name)")
	return c
}

func (c *counter) redrive(ctx context.Context, o redriveOptions, text string) error {
	p, err := c.resolve(text, brokers.SourceQueue, brokers.SourceTopic)
	if err != nil {
		return err
	}
	r, to, err := o.sendFlags.replay(ctx, c, p.at, brokers.ToOrigin)
	if err != nil {
		return err
	}
	if o.dryRun {
		r.From = brokers.FromBroker(p.at.Broker, p.source, brokers.ReadOptions{Limit: scanOf(p)})
		return c.rehearse(ctx, r)
	}
	for _, at := range []*knownBroker{p.at, to} {
		if err := c.permit(ctx, o.consent, at.info, "redrive "+p.String(), ""); err != nil {
			return err
		}
		if p.at == to {
			break
		}
	}
	if o.journal == "" {
		if o.journal, err = c.keptFile(ctx, p, ".redrive"); err != nil {
			return err
		}
	}
	out := results{app: c.app, at: to, format: o.format, paint: newPainter(c.colour(c.out))}
	d := brokers.Redrive{Replay: *r, Broker: p.at.Broker, Source: p.source, Journal: o.journal}
	progress, err := d.Run(ctx, new(brokers.Control), out.take)
	return c.sent(ctx, progress, p.at, "redriven", errors.Join(err, out.close()))
}

// scanOf bounds how many messages of a queue are looked at.
func scanOf(p place) int {
	if p.source.Kind == brokers.SourceQueue {
		return peekScan
	}
	return 0
}
