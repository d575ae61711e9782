package cmd

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// eventRow is one event as `events --json` prints it.
type eventRow struct {
	Time time.Time `json:"time"`
	runner.Event
}

// eventsOptions are the flags of `events`.
type eventsOptions struct {
	json         bool
	since, until string
}

func newEvents(a *app) *cobra.Command {
	var o eventsOptions
	c := &cobra.Command{
		Use:   "events [SERVICE...]",
		Short: "Print what happens to services: what starts, fails, becomes healthy, and why",
		Example: `  msdev events --since 10m        the last ten minutes, and what follows
  msdev events --json orders | jq -r .text`,
		ValidArgsFunction: a.services,
		RunE:              func(_ *cobra.Command, services []string) error { return a.events(o, services) },
	}
	c.Flags().BoolVar(&o.json, "json", false, "one JSON object a line")
	c.Flags().StringVar(&o.since, "since", "", "also events from before, from this `time` on: 10m, 2026-01-31T12:00:00")
	c.Flags().StringVar(&o.until, "until", "", "only events before this `time`; then end")
	return c
}

func (a *app) events(o eventsOptions, services []string) error {
	p := eventPrinter{app: a, json: o.json, services: services}
	now := time.Now()
	var err error
	if o.since != "" {
		if p.since, err = moment(o.since, now); err != nil {
			return err
		}
	}
	if o.until != "" {
		if p.until, err = moment(o.until, now); err != nil {
			return err
		}
	}
	return a.with(session.Config{}, func(ctx context.Context, c *session.Client) error {
		st, err := c.State(ctx)
		if err != nil {
			return err
		}
		if _, err := chosen(st, services); err != nil {
			return err
		}
		r := reader{client: c, query: session.RecordQuery{Kinds: journal.KindSet(journal.KindEvent)}}
		if p.since.IsZero() {
			if r.query.Cursor, err = end(ctx, c); err != nil {
				return err
			}
		}
		if p.until.IsZero() {
			return r.follow(ctx, p.take)
		}
		if !p.until.After(now) {
			return r.drain(ctx, p.take)
		}
		ctx, cancel := context.WithDeadline(ctx, p.until)
		defer cancel()
		return r.follow(ctx, p.take)
	})
}

// eventPrinter prints the events that were asked for.
type eventPrinter struct {
	app          *app
	json         bool
	services     []string  // none: all, and those of no service
	since, until time.Time // zero: no bound
}

func (p *eventPrinter) take(records []journal.Record, _ uint64) error {
	for _, rec := range records {
		row := eventRow{Time: rec.Time.Local(), Event: eventOf(rec)}
		late := !p.until.IsZero() && rec.Time.After(p.until)
		if rec.Time.Before(p.since) || late || len(p.services) > 0 && !slices.Contains(p.services, row.Service) {
			continue
		}
		if err := p.print(row); err != nil {
			return err
		}
	}
	return nil
}

func (p *eventPrinter) print(row eventRow) error {
	if p.json {
		out, err := json.Marshal(row)
		printf(p.app.out, "%s\n", out)
		return err
	}
	service := row.Service
	if service == "" {
		service = "–"
	}
	printf(p.app.out, "%s  %-16s %-10s %s\n", row.Time.Format("2006-01-02 15:04:05.000"), service, row.Type, row.Text)
	if row.Hint != "" {
		printf(p.app.out, "%54s%s\n", "", row.Hint)
	}
	return nil
}
