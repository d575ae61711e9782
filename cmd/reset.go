package cmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msdev/brokers"
	"msdev/runner"
	"msdev/session"
)

// resetOptions are the flags of `reset`.
type resetOptions struct {
	brokerFlags
	consent
	to       string
	shift    int64
	copyOf   string
	topics   []string
	services []string
	keep     bool
	dryRun   bool
	timeout  time.Duration
	format   format
}

func newReset(a *app) *cobra.Command {
	var o resetOptions
	c := &cobra.Command{
		Use:   "reset GROUP",
		Short: "Move a consumer group to other offsets: stop its services, wait, set, start them again",
		Long: `Move a consumer group to other offsets. Kafka takes them from outside only while the group has no members, so the services
that are its members are stopped before, and started again afterwards, whatever happened.`,
		Example: `  msdev reset analytics --to 10m
  msdev reset analytics --to earliest --topic order-events/0 --dry-run`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, sourceGroup),
		RunE: func(c *cobra.Command, args []string) error {
			ways := 0
			for _, name := range []string{"to", "shift", "copy-of"} {
				if c.Flags().Changed(name) {
					ways++
				}
			}
			if ways != 1 {
				return usageError("where to is not said, or said more than once", "Give one of --to, --shift, --copy-of.")
			}
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error { return c.reset(ctx, o, args[0]) })
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.to, "to", "", "`where`: earliest, latest, an offset, or a time (10m, 2026-01-31T12:00:00)")
	flags.Int64Var(&o.shift, "shift", 0, "by so many messages: back (`-100`) or ahead")
	flags.StringVar(&o.copyOf, "copy-of", "", "where another `group` is")
	flags.StringArrayVar(&o.topics, "topic", nil, "only in a `topic`, or TOPIC/PARTITION (default: where the group has committed)")
	flags.StringArrayVar(&o.services, "service", nil, "the `service` that consumes with the group, where msdev cannot tell")
	flags.BoolVar(&o.keep, "no-stop", false, "stop and start nothing; wait until the group is empty")
	flags.BoolVar(&o.dryRun, "dry-run", false, "tell the new offsets, and change nothing")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long to wait for the last member to leave, as a `duration`")
	o.format.register(flags)
	o.consent.register(flags, true)
	o.brokerFlags.register(flags)
	return c
}

// resetRow is one partition of a reset as it is printed.
type resetRow struct {
	Group string `json:"group"`
	brokers.OffsetChange
}

func (c *counter) reset(ctx context.Context, o resetOptions, text string) error {
	at, g, err := c.group(text)
	if err != nil && len(o.topics) > 0 { // a group comes to be by its offsets
		if b, name, homeErr := c.home(text, brokers.SourceTopic); homeErr == nil {
			at, g, err = b, &brokers.Group{Name: name}, nil
		}
	}
	if err != nil {
		return err
	}
	where := brokers.GroupReset{Group: g.Name, Shift: o.shift, CopyOf: o.copyOf}
	if o.to != "" {
		if where.To, err = parsePosition(o.to, time.Now()); err != nil {
			return err
		}
	}
	if where.Topics, err = c.partitions(at, o.topics); err != nil {
		return err
	}
	admin, ok := at.Broker.(brokers.GroupAdmin)
	if !ok {
		return usageError(fmt.Sprintf("broker %q has no consumer groups", at.info.Name), "")
	}
	plan, err := admin.PlanReset(ctx, where)
	if err != nil {
		return err
	}
	if o.dryRun {
		return c.showReset(o.format, g.Name, plan)
	}
	services, err := c.stops(ctx, o, g)
	if err != nil {
		return err
	}
	lost := fmt.Sprintf("where it is now in %s", brokers.Number(int64(len(plan)), "partition"))
	if len(services) > 0 {
		lost += "; " + strings.Join(services, ", ") + " stops meanwhile"
	}
	if err := c.permit(ctx, o.consent, at.info, fmt.Sprintf("reset group %q", g.Name), lost); err != nil {
		return err
	}
	job := brokers.Reset{On: at.Broker, Group: where, AllowRemote: o.allowRemote, Watch: c.resetStep(g.Name, services)}
	if len(services) > 0 {
		job.Stop = c.doing(session.VerbStop, services)
		job.Start = c.doing(session.VerbStart, services)
	}
	limited, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("group %q still has members after %s\nEnd what consumes with it, or wait longer with --timeout.", g.Name, o.timeout))
	defer cancel()
	plan, err = job.Run(limited)
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			err = context.Cause(limited)
		}
		return busy(err)
	}
	c.note(ctx, at, fmt.Sprintf("group %q is reset in %s", g.Name, brokers.Number(int64(len(plan)), "partition")))
	return c.showReset(o.format, g.Name, plan)
}

// partitions reads TOPIC and TOPIC/PARTITION.
func (c *counter) partitions(at *knownBroker, texts []string) (map[string][]int32, error) {
	topics := map[string][]int32{}
	for _, text := range texts {
		p, err := c.resolve(at.info.Name+"/topic:"+strings.TrimPrefix(text, "topic:"), brokers.SourceTopic)
		if err != nil {
			return nil, err
		}
		before, named := topics[p.source.Name]
		switch {
		case len(p.source.Partitions) == 0 || named && len(before) == 0: // all of it
			topics[p.source.Name] = nil
		default:
			topics[p.source.Name] = append(before, p.source.Partitions...)
		}
	}
	return topics, nil
}

// stops are the services to stop: those named, or those that the members of the group are.
func (c *counter) stops(ctx context.Context, o resetOptions, g *brokers.Group) ([]string, error) {
	if o.keep {
		return nil, nil
	}
	st, err := c.client.State(ctx)
	if err != nil {
		return nil, err
	}
	if len(o.services) > 0 {
		return chosen(st, o.services)
	}
	services := consumers(st.Services, g)
	if len(services) == 0 && len(g.Members) > 0 {
		var who []string
		for i := range g.Members {
			who = append(who, memberText(g, g.Members[i].ID))
		}
		return nil, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("msdev cannot tell which service consumes with group %q: %s", g.Name, strings.Join(who, ", ")),
			Hint: "Name it by --service, or end it yourself and add --no-stop."}
	}
	return services, nil
}

func (c *counter) doing(verb session.Verb, services []string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.client.Do(ctx, session.Command{Verb: verb, Services: services, NoDeps: true})
		return err
	}
}

// resetStep says where a reset stands.
func (c *counter) resetStep(group string, services []string) func(brokers.ResetStep, string) {
	names := strings.Join(services, ", ")
	texts := map[brokers.ResetStep]string{
		brokers.ResetStop: "stopping " + names, brokers.ResetWait: "waiting until group " + strconv.Quote(group) + " is empty",
		brokers.ResetCommit: "setting offsets", brokers.ResetStart: "starting " + names,
	}
	return func(step brokers.ResetStep, detail string) {
		text := texts[step]
		if text == "" {
			return
		}
		if detail != "" {
			text += ": " + detail
		}
		printf(c.err, "%s\n", text)
	}
}

func (c *counter) showReset(f format, group string, plan []brokers.OffsetChange) error {
	var rows []resetRow
	for _, p := range plan {
		rows = append(rows, resetRow{group, p})
	}
	return show(c.app, f, rows, []string{"TOPIC", "PARTITION", "FROM", "TO", "BY", ""}, []int{1, 2, 3, 4}, func(r resetRow) []string {
		by := unmeasured
		if r.From != nil {
			by = fmt.Sprintf("%+d", r.To-*r.From)
		}
		return []string{r.Topic, strconv.Itoa(int(r.Partition)), plain(r.From), strconv.FormatInt(r.To, 10), by, ""}
	})
}
