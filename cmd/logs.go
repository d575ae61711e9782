package cmd

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// logsOptions are the flags of `logs`.
type logsOptions struct {
	printerFlags
	follow       bool
	tail         string
	since, until string
}

func newLogs(a *app) *cobra.Command {
	var o logsOptions
	c := &cobra.Command{
		Use:   "logs [SERVICE...]",
		Short: "Print what services write",
		Example: `  msdev logs -f --tail 20 orders payments   the last 20 lines of each, and what follows
  msdev logs --since 10m -t                 everything of the last ten minutes, with times`,
		ValidArgsFunction: a.services,
		RunE:              func(_ *cobra.Command, services []string) error { return a.logs(o, services) },
	}
	flags := c.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with new lines")
	flags.StringVarP(&o.tail, "tail", "n", "all", "only the last `lines` of each instance, or all")
	flags.StringVar(&o.since, "since", "", "only lines after a `time`: 10m, 2026-01-31T12:00:00")
	flags.StringVar(&o.until, "until", "", "only lines before a `time`")
	flags.BoolVarP(&o.timestamps, "timestamps", "t", false, "print the time of each line")
	flags.BoolVar(&o.noPrefix, "no-log-prefix", false, "do not print the instance before each line")
	flags.BoolVar(&o.noColor, "no-color", false, "no colours")
	return c
}

func (a *app) logs(o logsOptions, services []string) error {
	tail := -1
	if o.tail != "all" {
		n, err := strconv.Atoi(o.tail)
		if err != nil {
			return usageError(fmt.Sprintf("--tail %q is neither a number nor all", o.tail), "")
		}
		tail = n
	}
	var since, until time.Time
	var err error
	if o.since != "" {
		if since, err = moment(o.since, time.Now()); err != nil {
			return err
		}
	}
	if o.until != "" {
		if until, err = moment(o.until, time.Now()); err != nil {
			return err
		}
	}
	return a.with(session.Config{Logs: true, History: tail}, func(ctx context.Context, c *session.Client) error {
		// Output from before is read into the journal, whichever session it is; then the journal has it all.
		if _, err := c.Do(ctx, session.Command{Verb: session.VerbLogs, Services: services}); err != nil {
			return err
		}
		st, err := c.State(ctx)
		if err != nil {
			return err
		}
		if services, err = chosen(st, services); err != nil {
			return err
		}
		p := a.printer(st, o.printerFlags)
		p.since, p.until = since, until
		from, err := end(ctx, c)
		if err != nil {
			return err
		}
		if err := printHistory(ctx, c, p, services, tail, from); err != nil || !o.follow {
			return err
		}
		r := reader{client: c, query: session.RecordQuery{Cursor: from, Streams: outputOf(services)}}
		return r.follow(ctx, p.take)
	})
}

// chosen checks the names of services, which may be of orphans too; none stands for all of them.
func chosen(st session.State, names []string) ([]string, error) {
	var all []string
	for _, s := range st.Services {
		all = append(all, s.Service)
	}
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, runner.NoSuchService(name, all)
		}
	}
	return names, nil
}

// printHistory prints what services wrote up to a cursor, merged by time: each service's records are in order already, those
// of different ones need not be, as they were read one beside the other.
func printHistory(ctx context.Context, c *session.Client, p *printer, services []string, tail int, to uint64) error {
	var merge []*backlog
	for _, s := range services {
		b := &backlog{reader: reader{client: c, query: session.RecordQuery{Streams: outputOf([]string{s})}}, to: to}
		if tail >= 0 {
			if err := b.last(ctx, tail); err != nil {
				return err
			}
		}
		merge = append(merge, b)
	}
	for {
		var next *backlog
		for _, b := range merge {
			if err := b.fill(ctx); err != nil {
				return err
			}
			if len(b.records) > 0 && (next == nil || b.records[0].Time.Before(next.records[0].Time)) {
				next = b
			}
		}
		if next == nil {
			return p.out.Flush()
		}
		p.record(&next.records[0])
		next.records = next.records[1:]
	}
}

// backlog is what is left to print of one service's output from before.
type backlog struct {
	reader  reader
	to      uint64
	records []journal.Record
	done    bool
}

// fill gets the next page when the last one is used up.
func (b *backlog) fill(ctx context.Context) error {
	for len(b.records) == 0 && !b.done {
		b.reader.query.Limit = pageSize
		page, err := b.reader.client.Records(ctx, b.reader.query)
		if err != nil {
			return err
		}
		b.reader.query.Cursor = page.Next
		b.records, b.done = page.Records, !page.More
		if n := len(b.records); n > 0 && b.records[n-1].Seq >= b.to {
			b.records = slices.DeleteFunc(b.records, func(r journal.Record) bool { return r.Seq > b.to })
			b.done = true
		}
	}
	return nil
}

// last reads everything and keeps the last n lines of each instance.
func (b *backlog) last(ctx context.Context, n int) error {
	kept := map[string][]journal.Record{}
	var all []journal.Record
	for {
		if err := b.fill(ctx); err != nil {
			return err
		}
		if len(b.records) == 0 {
			break
		}
		for _, r := range b.records {
			if kept[r.Ref] = append(kept[r.Ref], r); len(kept[r.Ref]) > n {
				kept[r.Ref] = kept[r.Ref][1:]
			}
		}
		b.records = nil
	}
	for _, records := range kept {
		all = append(all, records...)
	}
	slices.SortStableFunc(all, func(x, y journal.Record) int { return x.Time.Compare(y.Time) })
	b.records = all
	return nil
}
