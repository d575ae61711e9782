package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"msdev/brokers"
	"msdev/runner"
	"msdev/session"
)

// exitPipe is what a shell tells of a program that wrote to a pipe whose reader had gone.
const exitPipe = 141

// brokerFlags are the flags of every verb that talks to brokers.
type brokerFlags struct{ extra []string }

func (f *brokerFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.extra, "broker", nil, "one more broker: `NAME=URL` (amqp://user:password@host/vhost, amqps, kafka://host:9092, kafkas)")
}

// counter is the place of a verb between the user and the brokers: the session that leads to them, and what they hold.
type counter struct {
	*app
	client *session.Client
	*brokerSet
}

// withBrokers runs f with the brokers of the project and those that the flags add. A verb that changes something on the way
// (a tap, tracing) undoes it before the program ends, also when it is interrupted or the reader of its output goes away.
func (a *app) withBrokers(o brokerFlags, f func(ctx context.Context, c *counter) error) error {
	interrupted, stop := interruptible(context.Background())
	defer stop()
	ctx, done := signal.NotifyContext(interrupted, syscall.SIGPIPE)
	defer done()
	client, _, err := a.connect(interrupted, session.Config{})
	if err != nil {
		return err
	}
	err = errors.Join(explained(a.atBrokers(ctx, client, o, f)), client.Close())
	switch {
	case interrupted.Err() != nil:
		return exitError(exitInterrupted)
	case ctx.Err() != nil:
		return exitError(exitPipe)
	}
	return err
}

func (a *app) atBrokers(ctx context.Context, client *session.Client, o brokerFlags, f func(context.Context, *counter) error) error {
	for _, extra := range o.extra {
		name, address, ok := strings.Cut(extra, "=")
		if !ok || name == "" || strings.Contains(name, "/") {
			return usageError(fmt.Sprintf("--broker %q names no broker", extra), "Write --broker NAME=URL, e.g. --broker staging=amqps://host/vhost.")
		}
		if _, err := client.AddBroker(ctx, name, address); err != nil {
			return err
		}
	}
	infos, err := client.Brokers(ctx)
	if err != nil {
		return err
	}
	var all []brokers.Broker
	for _, info := range infos {
		all = append(all, client.Broker(info))
	}
	set, err := ask(ctx, all)
	if err != nil {
		return err
	}
	return f(ctx, &counter{app: a, client: client, brokerSet: set})
}

// brokerRow is one broker as `brokers --format json` prints it.
type brokerRow struct {
	brokers.Info
	Holds    map[string]int `json:"holds,omitempty"` // how many of each kind of thing
	Unknown  []brokers.Note `json:"unknown,omitempty"`
	Problems []string       `json:"problems,omitempty"`
}

func newBrokers(a *app) *cobra.Command {
	var o brokerFlags
	var format format
	c := &cobra.Command{
		Use:   "brokers",
		Short: "List the brokers of the project, and whether they answer",
		Example: `  msdev brokers
  msdev brokers --broker staging=amqps://user@staging.example/shop   with one that is not part of the project`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.withBrokers(o, func(_ context.Context, c *counter) error { return c.listBrokers(format) })
		},
	}
	format.register(c.Flags())
	o.register(c.Flags())
	return c
}

func (c *counter) listBrokers(f format) error {
	var rows []brokerRow
	for _, b := range c.all {
		rows = append(rows, rowOf(b))
	}
	if f == formatTable {
		for _, r := range rows {
			c.notes(r.Unknown)
		}
		if len(rows) == 0 {
			return c.silent("")
		}
	}
	return show(c.app, f, rows, []string{"NAME", "KIND", "VERSION", "ADDRESS", "VHOST", "HOLDS", "PROBLEM"}, nil, func(r brokerRow) []string {
		return []string{r.Name, string(r.Kind), cmp.Or(r.Version, unmeasured), r.Address, r.Vhost, holds(r.Holds), strings.Join(r.Problems, "; ")}
	})
}

func rowOf(b *knownBroker) brokerRow {
	r := brokerRow{Info: b.info, Holds: map[string]int{}}
	if b.err != nil {
		first, _, _ := strings.Cut(b.err.Error(), "\n")
		r.Problems = append(r.Problems, first)
		return r
	}
	t := b.topology
	r.Unknown = t.Unknown
	r.Version = cmp.Or(t.Version, r.Version)
	for what, n := range map[string]int{"exchange": len(t.Exchanges), "queue": len(t.Queues), "topic": len(t.Topics), "group": len(t.Groups)} {
		if n > 0 {
			r.Holds[what] = n
		}
	}
	troubled := 0
	for i := range t.Queues {
		troubled += min(1, len(brokers.QueueProblems(t, &t.Queues[i], brokers.Past{})))
	}
	for i := range t.Topics {
		troubled += min(1, len(brokers.TopicProblems(&t.Topics[i])))
	}
	for i := range t.Groups {
		troubled += min(1, len(brokers.GroupProblems(&t.Groups[i], brokers.Past{})))
	}
	if troubled > 0 {
		r.Problems = append(r.Problems, brokers.Number(int64(troubled), "problem")+map[brokers.Kind]string{brokers.RabbitMQ: " (queues)", brokers.Kafka: " (topics, groups)"}[r.Kind])
	}
	return r
}

// holds writes "4 exchanges, 12 queues".
func holds(of map[string]int) string {
	var texts []string
	for what, n := range of {
		texts = append(texts, brokers.Number(int64(n), what))
	}
	slices.SortFunc(texts, func(a, b string) int {
		return strings.Compare(a[strings.IndexByte(a, ' '):], b[strings.IndexByte(b, ' '):])
	})
	return strings.Join(texts, ", ")
}

// show prints rows: as objects, or as a sheet made by cells, whose last one is what stands out.
func show[T any](a *app, f format, rows []T, head []string, numbers []int, cells func(T) []string) error {
	if f != formatTable {
		return list(a.out, f, rows, nil, nil)
	}
	s := sheet{head: head, numbers: numbers, paint: newPainter(a.colour(a.out))}
	for _, row := range rows {
		s.rows = append(s.rows, cells(row))
	}
	s.print(a.out)
	return nil
}

// notes says what a broker has to say about what was asked of it.
func (a *app) notes(notes []brokers.Note) {
	paint := newPainter(a.colour(a.err))
	for _, n := range notes {
		text := n.Text
		if n.Warn {
			text = paint.yellow("warning:") + " " + text
		}
		printf(a.err, "%s\n", text)
		if n.Hint != "" {
			printf(a.err, "%s\n", paint.dim(n.Hint))
		}
	}
}

// reachable reports brokers that did not answer while others did; where none did that is the error.
func (c *counter) reachable(kind brokers.Kind) error {
	answered, there := 0, 0
	var failed error
	for _, b := range c.all {
		if b.info.Kind != kind {
			continue
		}
		there++
		if b.err == nil {
			answered++
			continue
		}
		failed = unreachable(b)
	}
	switch {
	case len(c.all) == 0:
		return c.silent("")
	case there == 0:
		return usageError(fmt.Sprintf("the project has no broker of the kind %s", kind), "`msdev brokers` shows those that there are.")
	case answered == 0:
		return failed
	case failed != nil:
		c.warn(strings.ReplaceAll(failed.Error(), "\n", " "))
	}
	return nil
}

// pick chooses the rows that were named; a name that nothing bears is an error with the nearest one.
func pick[T any](what string, rows []T, names []string, name func(T) (broker, name string)) ([]T, error) {
	if len(names) == 0 {
		return rows, nil
	}
	var there []string
	for _, r := range rows {
		_, n := name(r)
		there = append(there, n)
	}
	var chosen []T
	for _, want := range names {
		plain := strings.TrimPrefix(want, what+":")
		before := len(chosen)
		for _, r := range rows {
			if broker, n := name(r); n == plain || broker+"/"+n == plain || broker+"/"+what+":"+n == want {
				chosen = append(chosen, r)
			}
		}
		if len(chosen) == before {
			return nil, noSuch(what, plain, there)
		}
	}
	return chosen, nil
}

// subverbs adds verbs below a verb, with the flags that all verbs share.
func (a *app) subverbs(parent *cobra.Command, children ...*cobra.Command) *cobra.Command {
	for _, c := range children {
		a.projectFlags(c.Flags())
		c.Flags().SortFlags = false
		if args := c.Args; args != nil {
			c.Args = explainArgs(args)
		}
		parent.AddCommand(c)
	}
	return parent
}

// home finds the broker where a new thing is to be, from BROKER/NAME or NAME where only one broker can have it.
func (c *counter) home(text string, kind brokers.SourceKind) (*knownBroker, string, error) {
	name := strings.TrimPrefix(text, string(kind)+":")
	var can []*knownBroker
	for _, b := range c.all {
		if !b.has(kind) {
			continue
		}
		if rest, ok := strings.CutPrefix(text, b.info.Name+"/"); ok {
			return b, strings.TrimPrefix(rest, string(kind)+":"), c.silent(b.info.Name)
		}
		can = append(can, b)
	}
	switch len(can) {
	case 0:
		return nil, "", cmp.Or(c.silent(""), usageError(fmt.Sprintf("no broker of the project has a %s", kind), "`msdev brokers` shows those that there are."))
	case 1:
		return can[0], name, c.silent(can[0].info.Name)
	}
	var choice []string
	for _, b := range can {
		choice = append(choice, b.info.Name+"/"+name)
	}
	return nil, "", usageError(fmt.Sprintf("%s may be at %d brokers", text, len(can)), "Write "+strings.Join(choice, " or ")+".")
}

// apply makes a change, once it is permitted, and says that it was made.
func (c *counter) apply(ctx context.Context, agreed consent, at *knownBroker, change brokers.Change, doing, lost, done string) error {
	admin, ok := at.Broker.(brokers.Admin)
	if !ok {
		return usageError(fmt.Sprintf("broker %q cannot be changed from here", at.info.Name), "")
	}
	if err := c.permit(ctx, agreed, at.info, doing, lost); err != nil {
		return err
	}
	if err := admin.Apply(ctx, change); err != nil {
		return err
	}
	printf(c.err, "%s\n", done)
	return nil
}

// explained makes what a broker says, a sentence and under it the way out, an error of both.
func explained(err error) error {
	var e *runner.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	msg, hint, two := strings.Cut(err.Error(), "\n")
	if !two || strings.Contains(hint, "\n") {
		return err
	}
	return &runner.Error{Kind: runner.ErrFailed, Msg: msg, Hint: hint, Err: err}
}
