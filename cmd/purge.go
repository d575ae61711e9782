package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"msdev/brokers"
	"msdev/session"
)

// purgeOptions are the flags of `purge`.
type purgeOptions struct {
	brokerFlags
	consent
	limit    int64
	backup   string
	noBackup bool
	undo     string
	format   format
}

func newPurge(a *app) *cobra.Command {
	var o purgeOptions
	c := &cobra.Command{
		Use:   "purge QUEUE|TOPIC",
		Short: "Empty a queue or topic, saving what was in it first",
		Long: `Empty a queue or topic. What is removed is saved to a file first, and comes back by purge --undo FILE: into its queue alone,
or to its topic and partition, behind what arrived since.

` + addressHelp,
		Example: `  msdev purge shipping.dead -n 10 --backup dead.jsonl
  msdev purge --undo dead.jsonl`,
		Args: func(c *cobra.Command, args []string) error {
			if o.undo != "" {
				return cobra.MaximumNArgs(1)(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		ValidArgsFunction: a.completes(1, brokers.SourceQueue, brokers.SourceTopic),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error {
				if o.undo != "" {
					return c.unpurge(ctx, o, args)
				}
				return c.purge(ctx, o, args[0])
			})
		},
	}
	flags := c.Flags()
	flags.Int64VarP(&o.limit, "limit", "n", 0, "queues: remove only this `number`, from the head")
	flags.StringVar(&o.backup, "backup", "", "save to this `file`, which must not exist (default: one of the project's, which is told)")
	flags.BoolVar(&o.noBackup, "no-backup", false, "save nothing: there is no way back")
	flags.StringVar(&o.undo, "undo", "", "put back what a purge saved to this `file`; with a BROKER as argument where there are several")
	o.format.register(flags)
	o.consent.register(flags, true)
	o.brokerFlags.register(flags)
	return c
}

func (c *counter) purge(ctx context.Context, o purgeOptions, text string) error {
	p, err := c.resolve(text, brokers.SourceQueue, brokers.SourceTopic)
	if err != nil {
		return err
	}
	lost := p.holding()
	switch {
	case o.noBackup && o.backup != "":
		return usageError("--backup and --no-backup say different things", "Leave out one of them.")
	case o.noBackup:
		lost += ", for good: there is no backup"
	case o.backup == "":
		st, err := c.client.State(ctx)
		if err == nil {
			o.backup, err = session.BackupFile(st.Project, p.at.info.Name, p.source, time.Now())
		}
		if err != nil {
			return err
		}
	}
	if o.limit > 0 {
		lost = brokers.Number(o.limit, "message") + " of " + lost
	}
	if err := c.permit(ctx, o.consent, p.at.info, "purge "+p.source.String(), lost); err != nil {
		return err
	}
	job := brokers.Purge{From: p.at.Broker, Source: p.source, N: o.limit, Backup: o.backup, AllowRemote: o.allowRemote}
	n, err := job.Run(ctx)
	if n != 0 || err == nil {
		what := brokers.Number(n, "message")
		if n < 0 {
			what = "all messages"
		}
		printf(c.err, "%s removed from %s\n", what, p.source)
		c.note(ctx, p.at, fmt.Sprintf("%s removed from %s", what, p.source))
	}
	if o.backup == "" {
		return err
	}
	if n == 0 {
		_ = os.Remove(o.backup) // it is empty, or was never made
		return err
	}
	printf(c.err, "They are saved: msdev purge --undo %s\n", o.backup)
	return err
}

// holding says what is in a place.
func (p place) holding() string {
	if q := p.at.queue(p.source.Name); q != nil && p.source.Kind == brokers.SourceQueue && q.Ready != nil {
		return brokers.Number(*q.Ready, "message")
	}
	if t := p.at.topic(p.source.Name); t != nil && p.source.Kind == brokers.SourceTopic {
		if n := t.Records(); n != nil {
			return brokers.Number(*n, "message")
		}
	}
	return "what is in it"
}

// unpurge sends what was saved back to where it was.
func (c *counter) unpurge(ctx context.Context, o purgeOptions, args []string) error {
	files, err := brokers.OpenMessages(o.undo)
	if err != nil {
		return wrongUse(err)
	}
	first, err := files.Read()
	if err := errors.Join(err, files.Close()); err != nil {
		return wrongUse(fmt.Errorf("%s holds no messages: %w", o.undo, err))
	}
	at, err := c.owner(first.Kind, args)
	if err != nil {
		return err
	}
	if err := c.permit(ctx, o.consent, at.info, "put back what "+o.undo+" holds", ""); err != nil {
		return err
	}
	if files, err = brokers.OpenMessages(o.undo); err != nil {
		return wrongUse(err)
	}
	r := brokers.Undo(at.Broker, brokers.FromFile(files))
	r.AllowRemote = o.allowRemote
	err = c.send(ctx, &r, at, o.format, "put back")
	return errors.Join(err, files.Close())
}

// owner is the broker of a kind that messages of a file come from: the one named, or the only one.
func (c *counter) owner(kind brokers.Kind, args []string) (*knownBroker, error) {
	var can []*knownBroker
	var names []string
	for _, b := range c.all {
		if b.info.Kind == kind {
			names = append(names, b.info.Name)
			if len(args) == 0 || args[0] == b.info.Name {
				can = append(can, b)
			}
		}
	}
	switch {
	case len(can) == 1:
		return can[0], c.silent(can[0].info.Name)
	case len(can) == 0 && len(args) > 0:
		return nil, noSuch("broker", args[0], names)
	case len(can) == 0:
		return nil, usageError(fmt.Sprintf("the messages are of the kind %s, and the project has no such broker", kind), "`msdev replay FILE --to TARGET` sends them to another one.")
	}
	return nil, usageError(fmt.Sprintf("there are %d brokers of the kind %s", len(can), kind), "Name one of them: msdev purge --undo FILE BROKER.")
}
