package cmd

import (
	"github.com/spf13/cobra"

	"msdev/session"
)

func newRestart(a *app) *cobra.Command {
	var timeout grace
	var noDeps, previous bool
	c := &cobra.Command{
		Use:   "restart [SERVICE...]",
		Short: "Stop and start containers",
		Example: `  msdev restart orders     restart one service, and what asks to be restarted with it
  msdev restart --previous orders   go back to the version from before its last reload`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			return a.command(session.Command{Verb: session.VerbRestart, Services: services, Timeout: timeout.duration(), NoDeps: noDeps, Previous: previous})
		},
	}
	c.Flags().BoolVar(&noDeps, "no-deps", false, "leave dependent services alone")
	c.Flags().BoolVar(&previous, "previous", false, "go back to what the services ran before their last reload")
	timeout.register(c.Flags())
	return c
}
