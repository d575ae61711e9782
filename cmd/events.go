package cmd

import (
	"context"
	"encoding/json"
	"fmt"
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
	now := time.Now()
	since, until := now, time.Time{}
	var err error
	if o.since != "" {
		if since, err = moment(o.since, now); err != nil {
			return err
		}
	}
	if o.until != "" {
		if until, err = moment(o.until, now); err != nil {
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
		if o.since == "" {
			if r.query.Cursor, err = end(ctx, c); err != nil {
				return err
			}
		}
		print := func(records []journal.Record, _ uint64) error {
			for _, rec := range records {
				row := eventRow{Time: rec.Time.Local(), Event: eventOf(rec)}
				if rec.Time.Before(since) && o.since != "" || !until.IsZero() && rec.Time.After(until) || len(services) > 0 && !slices.Contains(services, row.Service) {
					continue
				}
				if err := a.printEvent(o, row); err != nil {
					return err
				}
			}
			return nil
		}
		if !until.IsZero() && !until.After(now) {
			return r.drain(ctx, print)
		}
		if !until.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, until)
			defer cancel()
		}
		return r.follow(ctx, print)
	})
}

func (a *app) printEvent(o eventsOptions, row eventRow) error {
	if o.json {
		out, err := json.Marshal(row)
		printf(a.out, "%s\n", out)
		return err
	}
	service := row.Service
	if service == "" {
		service = "–"
	}
	printf(a.out, "%s  %-16s %-10s %s\n", row.Time.Format("2006-01-02 15:04:05.000"), service, row.Type, row.Text)
	if row.Hint != "" {
		printf(a.out, "%s\n", fmt.Sprintf("%54s%s", "", row.Hint))
	}
	return nil
}
