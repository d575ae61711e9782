package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"msdev/session"
)

func newKill(a *app) *cobra.Command {
	var signal string
	c := &cobra.Command{
		Use:   "kill [SERVICE...]",
		Short: "End containers at once, or send them a signal",
		Example: `  msdev kill                      kill everything
  msdev kill -s SIGHUP payments   send one service a signal`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			cmd := session.Command{Verb: session.VerbSignal, Services: services, Signal: signal}
			if name := strings.TrimPrefix(strings.ToUpper(signal), "SIG"); name == "KILL" || name == "9" {
				cmd = session.Command{Verb: session.VerbKill, Services: services}
			}
			return a.command(cmd)
		},
	}
	c.Flags().StringVarP(&signal, "signal", "s", "SIGKILL", "the `signal`, by name or number; what comes of any other than SIGKILL is the service's business")
	return c
}
