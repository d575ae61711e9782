package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"msdev/brokers"
	"msdev/brokers/filter"
	"msdev/journal"
)

// sendFlags say how messages are sent again: by replay and by redrive.
type sendFlags struct {
	brokerFlags
	consent
	filter  string
	to      string
	limit   int64
	rate    float64
	dryRun  bool
	strip   []string
	keep    bool
	newIDs  bool
	trace   string
	noUser  bool
	marker  string
	sameP   bool
	keepT   bool
	queueOf bool
	format  format
}

func (o *sendFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.to, "to", "", "send to this `TARGET` instead; another broker, also of the other kind, is one as well")
	flags.BoolVar(&o.queueOf, "to-queue-only", false, "RabbitMQ: only to the queue in which each message was or died, and not to others that are bound as well")
	flags.StringVar(&o.filter, "filter", "", "only messages that pass an `expression`, as of tap")
	flags.Int64VarP(&o.limit, "limit", "n", 0, "send at most this `number` of messages")
	flags.Float64Var(&o.rate, "rate", 0, "send at most this `number` of messages a second")
	flags.BoolVar(&o.dryRun, "dry-run", false, "send nothing; tell how many would go where, and what to know before")
	flags.StringArrayVar(&o.strip, "strip", nil, "leave out a `header`; * stands for the rest of a name")
	flags.BoolVar(&o.keep, "keep-broker-headers", false, "keep x-death and its like, which are left out otherwise")
	flags.StringVar(&o.trace, "trace", "keep", "`keep` the trace id, or new")
	flags.BoolVar(&o.newIDs, "new-ids", false, "RabbitMQ: give each a new message-id")
	flags.BoolVar(&o.noUser, "drop-user", false, "RabbitMQ: leave out user-id, which the broker compares with who sends")
	flags.StringVar(&o.marker, "marker", "", "add a `header` of this name that says that it is a replay")
	flags.BoolVar(&o.sameP, "same-partition", false, "Kafka: into the partition that each came from, instead of its key's")
	flags.BoolVar(&o.keepT, "keep-time", false, "Kafka: with each one's own time; retention may remove it at once")
	o.format.register(flags)
	o.consent.register(flags, false)
	o.brokerFlags.register(flags)
}

// replay makes the replay that the flags describe, of what is found at a broker (nil: in a file), with where it goes.
func (o *sendFlags) replay(ctx context.Context, c *counter, found *knownBroker, kind brokers.MappingKind) (*brokers.Replay, *knownBroker, error) {
	schemas, err := c.client.Schemas(ctx)
	if err != nil {
		return nil, nil, err
	}
	f, err := filter.Compile(o.filter, schemas.Decoder(ctx).Values)
	if err != nil {
		return nil, nil, wrongUse(err)
	}
	r := &brokers.Replay{Filter: f.Match, Limit: o.limit, AllowRemote: o.allowRemote, Pace: brokers.Pace{Rate: o.rate}, Target: brokers.Mapping{Kind: kind}}
	r.Policy = brokers.HeaderPolicy{KeepBroker: o.keep, RenewID: o.newIDs, DropUser: o.noUser, Drop: o.strip, Marker: o.marker, Run: strconv.Itoa(os.Getpid())}
	switch o.trace {
	case "keep":
	case "new":
		r.Policy.RenewTrace = true
	default:
		return nil, nil, usageError(fmt.Sprintf("--trace cannot be %q", o.trace), "It is keep or new.")
	}
	to := found
	switch {
	case o.to != "" && o.queueOf:
		return nil, nil, usageError("--to and --to-queue-only say different things", "Leave out one of them.")
	case o.to != "":
		p, err := c.resolve(o.to)
		if err != nil {
			return nil, nil, err
		}
		if to = p.at; p.source.Kind != brokers.SourceAll { // a broker alone: the same names there
			r.Target = mapping(p)
		}
	case o.queueOf:
		r.Target.Kind = brokers.ToQueue
	}
	if to == nil {
		return nil, nil, usageError("messages of a file may go to any broker", "Say where: --to TARGET, or --to BROKER for the places that they came from.")
	}
	r.Target.SamePartition, r.Target.KeepTime = o.sameP, o.keepT
	r.To = to.Broker
	return r, to, nil
}

// replayOptions are the flags of `replay`.
type replayOptions struct {
	sendFlags
	rangeFlags
	speed float64
	step  bool
	edit  bool
}

func newReplay(a *app) *cobra.Command {
	var o replayOptions
	c := &cobra.Command{
		Use:   "replay SOURCE",
		Short: "Send messages again: of a queue, a part of a topic, or a file",
		Long: `Send messages again, byte for byte or edited: of a queue, a part of a topic or stream, or a file. What they are read from
keeps them. Without --to they go where they were published. What brokers wrote into their headers is left out.

SOURCE is a file or folder of messages, - for lines on standard input, or a place. ` + addressHelp,
		Example: `  msdev replay order-events --from 10m --filter 'type:orders.placed' --dry-run
  msdev replay shipping.dead --limit 1 --edit --to queue:shipping`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.sourcesOrFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error { return c.replay(ctx, o, args[0]) })
		},
	}
	flags := c.Flags()
	o.sendFlags.register(flags)
	a.completesTo(c)
	o.rangeFlags.register(flags)
	flags.Float64Var(&o.speed, "speed", 0, "in the messages' own timing, so many `times` as fast")
	flags.BoolVar(&o.step, "step", false, "ask before each message")
	flags.BoolVar(&o.edit, "edit", false, "change each in $EDITOR; the difference is shown before it is sent")
	return c
}

func (c *counter) replay(ctx context.Context, o replayOptions, source string) error {
	if o.speed < 0 || o.rate < 0 || o.speed > 0 && o.rate > 0 {
		return usageError("--rate and --speed are one or the other, and not below 0", "Leave out one of them.")
	}
	if (o.step || o.edit) && (!isTerminal(c.in) || !isTerminal(c.err)) && !o.dryRun {
		return usageError("--step and --edit ask before they send, and there is no terminal to ask at", "Change lines of messages in a file instead: peek --format jsonl, then replay it.")
	}
	from, found, done, err := c.replaySource(o, source)
	if err != nil {
		return err
	}
	defer done()
	r, to, err := o.sendFlags.replay(ctx, c, found, brokers.ToSame)
	if err != nil {
		return err
	}
	r.From, r.Pace.Factor = from, o.speed
	switch {
	case o.dryRun:
		return c.rehearse(ctx, r)
	case o.edit, o.step:
		return c.oneByOne(ctx, r, to, o)
	}
	if err := c.permit(ctx, o.consent, to.info, "replay "+source, ""); err != nil {
		return err
	}
	return c.send(ctx, r, to, o.format, "sent again")
}

// replaySource opens a file, standard input or a place. found is nil for what is no broker's.
func (c *counter) replaySource(o replayOptions, source string) (from brokers.Messages, found *knownBroker, done func(), err error) {
	done = func() {}
	if source == "-" {
		return brokers.FromFile(brokers.NewMessageReader(c.in, "standard input")), nil, done, nil
	}
	p, err := c.resolve(source, brokers.SourceQueue, brokers.SourceTopic)
	if _, statErr := os.Stat(source); err != nil && (statErr == nil || strings.Contains(source, ".jsonl") && errors.Is(statErr, fs.ErrNotExist)) {
		files, err := brokers.OpenMessages(source)
		if err != nil {
			return nil, nil, done, wrongUse(err)
		}
		return brokers.FromFile(files), nil, func() { _ = files.Close() }, nil
	}
	if err != nil {
		return nil, nil, done, err
	}
	read, err := o.read(p)
	if err != nil {
		return nil, nil, done, err
	}
	if p.source.Kind == brokers.SourceQueue {
		read.Limit = peekScan
		if o.filter == "" && o.limit > 0 {
			read.Limit = int(o.limit)
		}
	}
	return brokers.FromBroker(p.at.Broker, p.source, read), p.at, done, nil
}

// rehearse tells what a replay would do.
func (c *counter) rehearse(ctx context.Context, r *brokers.Replay) error {
	const sample = 3
	h, err := r.Rehearse(ctx, sample)
	if err != nil {
		return err
	}
	printf(c.out, "%s of %s would be sent, %s of bodies\n", brokers.Thousands(h.Count), brokers.Number(h.Read, "message"), size(&h.Bytes))
	for _, target := range slices.Sorted(maps.Keys(h.Targets)) {
		printf(c.out, "  %8s  to %s\n", brokers.Thousands(h.Targets[target]), target)
	}
	if h.Failed > 0 {
		printf(c.out, "  %8s  cannot be sent\n", brokers.Thousands(h.Failed))
	}
	if h.Unjudged > 0 {
		printf(c.out, "  %8s  could not be judged by the filter\n", brokers.Thousands(h.Unjudged))
	}
	for _, o := range h.Sample {
		what := oneLine(string(o.Found.Body[:min(len(o.Found.Body), 200)]))
		if o.Result.Err != nil {
			what = oneLine(o.Result.Err.Error())
		}
		printf(c.out, "  e.g. %s  %s\n", where(o.Found), cut(what, 100))
	}
	c.notes(h.Notes)
	return nil
}

// replayEdits is how many messages are gone through one by one.
const replayEdits = 1000

// oneByOne shows each message before it is sent, after a change in the editor where that was asked for.
func (c *counter) oneByOne(ctx context.Context, r *brokers.Replay, to *knownBroker, o replayOptions) error {
	if err := c.permit(ctx, o.consent, to.info, "replay messages", ""); err != nil {
		return err
	}
	h, err := r.Rehearse(ctx, replayEdits)
	if err != nil {
		return err
	}
	c.notes(h.Notes)
	pub, err := to.Publisher(ctx)
	if err != nil {
		return err
	}
	out := results{app: c.app, at: to, format: o.format, paint: newPainter(c.colour(c.out))}
	var p brokers.Progress
	err = errors.Join(c.steps(ctx, pub, h.Sample, o.edit, &out, &p), pub.Close(), out.close())
	return c.sent(ctx, p, to, "sent again", err)
}

func (c *counter) steps(ctx context.Context, pub brokers.Publisher, all []brokers.Outcome, edit bool, out *results, p *brokers.Progress) error {
	for i := range all {
		o := &all[i]
		if o.Result.Err != nil {
			p.Refused++
			out.take(*o)
			continue
		}
		sent, answer, err := c.step(ctx, o, edit, len(all))
		if err != nil || answer == "q" {
			return err
		}
		if answer != "y" {
			continue
		}
		got, err := brokers.PublishAll(ctx, pub, []brokers.Outgoing{sent})
		if err != nil && ctx.Err() != nil {
			return err
		}
		o.Sent, o.Result = sent, got[0]
		p.Sent++
		switch got[0].Status {
		case brokers.StatusConfirmed:
			p.Confirmed++
		case brokers.StatusUnroutable:
			p.Unroutable++
		case brokers.StatusRefused:
			p.Refused++
		default:
			p.Unknown++
		}
		out.take(*o)
	}
	return nil
}

// step has one message edited and agreed to.
func (c *counter) step(ctx context.Context, o *brokers.Outcome, edit bool, of int) (brokers.Outgoing, string, error) {
	sent := o.Sent
	for {
		if edit {
			var err error
			if sent, err = c.edited(ctx, &sent, &o.Sent); err != nil {
				return sent, "", err
			}
		}
		printf(c.err, "%d of %d  %s → %s\n", o.N, of, where(o.Found), targetText(sent.To))
		c.difference(&o.Sent, &sent, edit)
		answer, err := c.prompt(ctx, "Send it? [y]es [n]o [e]dit [q]uit ")
		if err != nil {
			return sent, "", err
		}
		switch answer = strings.ToLower(answer + " ")[:1]; answer {
		case "y", "n", "q":
			return sent, answer, nil
		}
		edit = answer == "e"
	}
}

// edited is a message as the user changed it; what cannot be read is told, and changes nothing.
func (c *counter) edited(ctx context.Context, now, original *brokers.Outgoing) (brokers.Outgoing, error) {
	text, err := brokers.EditText(now)
	if err != nil {
		return *now, err
	}
	changed, err := c.editor(ctx, text)
	if err != nil {
		return *now, err
	}
	next, err := brokers.ParseEdit(changed, original)
	if err != nil {
		printf(c.err, "%s\n", newPainter(c.colour(c.err)).red(err.Error()))
		return *now, nil
	}
	return next, nil
}

// difference shows what an edit has changed.
func (c *counter) difference(before, after *brokers.Outgoing, edited bool) {
	paint := newPainter(c.colour(c.err))
	lines, same := brokers.Diff(before, after)
	for _, l := range lines {
		text := string(l.Op) + " " + journal.Sanitize(l.Text)
		switch l.Op {
		case '-':
			text = paint.red(text)
		case '+':
			text = paint.green(text)
		}
		printf(c.err, "  %s\n", text)
	}
	if same && edited {
		printf(c.err, "  unchanged, byte for byte\n")
	}
}
