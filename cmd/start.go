package cmd

import (
	"github.com/spf13/cobra"

	"msdev/session"
)

func newStart(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "start [SERVICE...]",
		Short: "Start containers that are stopped",
		Example: `  msdev start            start everything that was stopped
  msdev start payments   start one service`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			return a.command(session.Command{Verb: session.VerbStart, Services: services})
		},
	}
}
