package cmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"msdev/session"
)

// grace is the flag --timeout: seconds, as Compose has it; unset is each service's own.
type grace struct{ seconds int }

func (g *grace) register(flags *pflag.FlagSet) {
	flags.IntVarP(&g.seconds, "timeout", "t", -1, "`seconds` to wait for a graceful stop (default: each service's own)")
}

func (g *grace) duration() *time.Duration {
	if g.seconds < 0 {
		return nil
	}
	d := time.Duration(g.seconds) * time.Second
	return &d
}

func newDown(a *app) *cobra.Command {
	var o session.DownOptions
	var timeout grace
	c := &cobra.Command{
		Use:   "down [SERVICE...]",
		Short: "Stop and remove containers and networks",
		Example: `  msdev down                  stop and remove everything; volumes stay
  msdev down -v --rmi local   remove the volumes and the built images as well`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			if !slices.Contains([]string{"", "local", "all"}, o.Images) {
				return usageError(fmt.Sprintf("--rmi %q is not one of local, all", o.Images), "")
			}
			o.Stay = true
			return a.with(session.Config{}, func(ctx context.Context, c *session.Client) error {
				p := a.progress(c)
				_, err := c.Do(ctx, session.Command{Verb: session.VerbDown, Services: services, Down: o, Timeout: timeout.duration()})
				p.stop()
				if err == nil && len(services) == 0 {
					_, err = c.Do(ctx, session.Command{Verb: session.VerbQuit})
				}
				return gone(ctx, err)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&o.Volumes, "volumes", "v", false, "remove named and anonymous volumes too: their data is lost")
	flags.StringVar(&o.Images, "rmi", "", "remove images: `local` (those without a name of their own) or all")
	flags.BoolVar(&o.RemoveOrphans, "remove-orphans", false, "remove containers of services that are no more in the file")
	timeout.register(flags)
	return c
}

// command carries out a command of the session and prints what happens on the way. Where no session runs, one is started for what
// is to run on, as processes and brokers do not outlive theirs.
func (a *app) command(cmd session.Command) error {
	starts := cmd.Verb == session.VerbStart || cmd.Verb == session.VerbRestart
	return a.withSession(session.Config{}, starts, func(ctx context.Context, c *session.Client) error {
		p := a.progress(c)
		defer p.stop()
		_, err := c.Do(ctx, cmd)
		return err
	})
}
