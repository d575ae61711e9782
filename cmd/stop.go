package cmd

import (
	"github.com/spf13/cobra"

	"msdev/session"
)

func newStop(a *app) *cobra.Command {
	var timeout grace
	c := &cobra.Command{
		Use:   "stop [SERVICE...]",
		Short: "Stop containers, and keep them",
		Example: `  msdev stop                 stop everything
  msdev stop -t 1 payments   stop one service, killing it after a second`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			return a.command(session.Command{Verb: session.VerbStop, Services: services, Timeout: timeout.duration()})
		},
	}
	timeout.register(c.Flags())
	return c
}
