package cmd

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// watchOptions are the flags of `watch`.
type watchOptions struct {
	noUp  bool
	quiet bool
	json  bool
	prune bool
}

func newWatch(a *app) *cobra.Command {
	var o watchOptions
	c := &cobra.Command{
		Use:   "watch [SERVICE...]",
		Short: "Bring what is saved into what runs, and print what happens",
		Long: `Bring what is saved into what runs, and print what happens.

What is watched is develop.watch of the compose file and, of services that run as processes, the folders that they are built from
(or x-msdev.watch). Ctrl-C ends the watching; services run on. ` + "`msdev up` watches as well, with the screen." + ``,
		Example: `  msdev watch                     bring everything up, and reload what changes
  msdev watch --no-up orders      one service of a project that runs`,
		ValidArgsFunction: a.services,
		RunE:              func(_ *cobra.Command, services []string) error { return a.watch(o, services) },
	}
	c.Flags().BoolVar(&o.noUp, "no-up", false, "start nothing")
	c.Flags().BoolVar(&o.quiet, "quiet", false, "do not print what builds write")
	c.Flags().BoolVar(&o.prune, "prune", true, "remove images that rebuilds have taken the place of, but for the one before")
	c.Flags().BoolVar(&o.json, "json", false, "one JSON object for each thing that happens")
	return c
}

func (a *app) watch(o watchOptions, services []string) error {
	ctx, stop := interruptible(context.Background())
	defer stop()
	p, load, err := a.load(ctx)
	if err != nil {
		return err
	}
	if p, err = p.Enable(services); err != nil {
		return err
	}
	r := &run{app: a, project: p, config: session.Config{Load: load, Runtime: a.runtime, Logs: true}}
	c, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	before, err := c.State(ctx)
	if err != nil {
		return err
	}
	if !o.noUp {
		progress := a.progress(c)
		_, err := c.Do(ctx, session.Command{Verb: session.VerbUp, Services: services, Up: session.UpOptions{Wait: true}, Load: &load})
		progress.stop()
		if err != nil {
			return err
		}
	}
	from, err := end(ctx, c)
	if err != nil {
		return err
	}
	if _, err := c.Do(ctx, session.Command{Verb: session.VerbWatch, Watch: session.WatchOn, Prune: o.prune, Services: services}); err != nil {
		return err
	}
	printf(a.err, "Watching; Ctrl-C ends it.\n")
	lines := watchPrinter{eventPrinter: eventPrinter{app: a, json: o.json, services: services}, quiet: o.quiet}
	follow := reader{client: c, query: session.RecordQuery{Cursor: from, Kinds: journal.KindSet(journal.KindEvent, journal.KindLog)}}
	err = follow.follow(ctx, lines.take)
	if !before.Watch.On {
		// Watching began with this verb, and ends with it; a session that is gone watches nothing.
		_, _ = c.Do(context.WithoutCancel(ctx), session.Command{Verb: session.VerbWatch, Watch: session.WatchOff})
	}
	if ctx.Err() != nil {
		return exitError(exitInterrupted)
	}
	return errors.Join(err)
}

// watchPrinter prints reloads, and what builds write.
type watchPrinter struct {
	eventPrinter
	quiet bool
}

// telling are the events that tell of reloads; what they consist of (an instance that starts, one that ends) is left to `events`.
var telling = []runner.EventType{runner.EventReload, runner.EventBuild, runner.EventWarning, runner.EventFail}

func (p *watchPrinter) take(records []journal.Record, _ uint64) error {
	for _, r := range records {
		service := serviceOf(r.Stream)
		if len(p.services) > 0 && service != "" && !slices.Contains(p.services, service) {
			continue
		}
		if r.Kind == journal.KindLog {
			if !p.quiet && !p.json && r.Stream == service+"/build" {
				printf(p.app.out, "%s | %s\n", service, r.Text)
			}
			continue
		}
		row := eventRow{Time: r.Time.Local(), Event: eventOf(r)}
		if !slices.Contains(telling, row.Type) {
			continue
		}
		if err := p.print(row); err != nil {
			return err
		}
	}
	return nil
}
