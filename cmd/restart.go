package cmd

import (
	"github.com/spf13/cobra"

	"msdev/session"
)

func newRestart(a *app) *cobra.Command {
	var timeout grace
	var noDeps bool
	c := &cobra.Command{
		Use:   "restart [SERVICE...]",
		Short: "Stop and start containers",
		Example: `  msdev restart orders     restart one service, and what asks to be restarted with it
  msdev restart --no-deps orders`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			return a.command(session.Command{Verb: session.VerbRestart, Services: services, Timeout: timeout.duration(), NoDeps: noDeps})
		},
	}
	c.Flags().BoolVar(&noDeps, "no-deps", false, "leave dependent services alone")
	timeout.register(c.Flags())
	return c
}
