package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"msdev/session"
	"msdev/tui"
)

func newAttach(a *app) *cobra.Command {
	var flags printerFlags
	var noWatch bool
	c := &cobra.Command{
		Use:   "attach",
		Short: "Open the screen on a project that runs",
		Long: `Open the screen on a project that runs.

Where no session runs, as after "up -d", one is started that finds the project's containers; leaving the screen leaves them as they are.`,
		Example: `  msdev attach
  msdev -p shop attach   from any folder, while the session of shop runs`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.interactive() {
				return a.attach(noWatch)
			}
			return a.logs(logsOptions{printerFlags: flags, follow: true, tail: "0"}, nil)
		},
	}
	c.Flags().BoolVar(&flags.noColor, "no-color", false, "no colours in lines")
	c.Flags().BoolVar(&noWatch, "no-watch", false, "do not watch files, where nobody does yet")
	return c
}

func (a *app) attach(noWatch bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	c, err := a.dial(ctx)
	if errors.Is(err, session.ErrNoSession) {
		_, load, lerr := a.load(ctx)
		if lerr != nil {
			return lerr
		}
		c, err = session.Spawn(ctx, session.Config{Load: load, Runtime: a.runtime, History: history, Logs: true})
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Do(ctx, session.Command{Verb: session.VerbLogs}); err != nil {
		return err
	}
	if !noWatch {
		// Files that cannot be watched are told of on the screen.
		_, _ = c.Do(ctx, session.Command{Verb: session.VerbWatch, Watch: session.WatchOn})
	}
	st, err := c.State(ctx)
	if err != nil {
		return err
	}
	outcome, err := a.screen(ctx, c, st, nil, nil)
	switch {
	case err != nil:
		return err
	case outcome == tui.Detached:
		a.detached(st.Project)
		return nil
	case outcome == tui.Quit:
		return nil
	}
	return quit(ctx, c)
}
