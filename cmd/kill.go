package cmd

import (
	"github.com/spf13/cobra"

	"msdev/session"
)

func newKill(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "kill [SERVICE...]",
		Short: "End containers at once",
		Example: `  msdev kill            kill everything
  msdev kill payments   kill one service`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			return a.command(session.Command{Verb: session.VerbKill, Services: services})
		},
	}
}
