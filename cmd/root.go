package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verbs is the table of all verbs, by group. Help, completion and the command line itself come from it.
func verbs() []group {
	return []group{
		{"graph", "The graph:", []func(*app) *cobra.Command{newUp, newAttach, newDown, newStart, newStop, newRestart, newKill, newPs, newGraph, newConfig, newInit, newEnv, newRun, newExec}},
		{"watch", "What it does:", []func(*app) *cobra.Command{newLogs, newEvents, newWatch}},
		{"brokers", "Brokers:", []func(*app) *cobra.Command{newBrokers, newQueues, newExchanges, newTopics, newGroups, newTap, newPeek, newPublish, newReplay, newRedrive, newMessage, newPurge, newReset, newBroker}},
		{"session", "Sessions and msdev itself:", []func(*app) *cobra.Command{newLs, newVersion}},
	}
}

type group struct {
	id, title string
	verbs     []func(*app) *cobra.Command
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "msdev",
		Short: "Launch the service graph of a compose file, and watch it",
		Long: `msdev launches the services of a compose file, keeps them running, and shows what they say.

It reads the same files as Docker Compose, and makes the same containers.`,
		Example: `  msdev up          bring everything up and open the screen
  msdev up -d       bring everything up and come back`,
		SilenceErrors:    true,
		SilenceUsage:     true,
		TraverseChildren: true,
		Args:             unknownVerb,
		RunE:             func(c *cobra.Command, _ []string) error { return c.Help() },
		Version:          version().Version,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("msdev {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError(err.Error(), fmt.Sprintf("`%s --help` shows all flags.", c.CommandPath()))
	})
	a.projectFlags(root.Flags())
	for _, g := range verbs() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, verb := range g.verbs {
			c := verb(a)
			c.GroupID = g.id
			a.projectFlags(c.Flags())
			c.Flags().SortFlags = false
			if args := c.Args; args != nil {
				c.Args = explainArgs(args)
			}
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("session")
	root.SetCompletionCommandGroupID("session")
	return root
}

// projectFlags adds the flags that say which project. Compose has them before the verb; here they may follow it as well, where
// the verb does not use the letter itself (`logs -f`).
func (a *app) projectFlags(flags *pflag.FlagSet) {
	short := func(letter string) string {
		if flags.ShorthandLookup(letter) != nil {
			return ""
		}
		return letter
	}
	o := &a.project
	flags.StringArrayVarP(&o.Files, "file", short("f"), nil, "compose `file`; may be given again, later files override earlier ones")
	flags.StringVarP(&o.Name, "project-name", short("p"), "", "`name` of the project (default: of the file, or of its folder)")
	flags.StringArrayVar(&o.Profiles, "profile", nil, "enable the services of a `profile`")
	flags.StringArrayVar(&o.EnvFiles, "env-file", nil, "read variables from `file` instead of .env")
	flags.StringVar(&o.Dir, "project-directory", "", "`folder` that paths in the compose file are relative to")
	flags.StringVar(&a.ansi, "ansi", "auto", "colours: `auto`, always or never")
	flags.StringVar(&a.runtime, "runtime", "auto", "where services run: `auto`, docker or process")
}

func unknownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "`msdev help` lists all verbs."
	if like := c.SuggestionsFor(args[0]); len(like) > 0 {
		hint = fmt.Sprintf("Did you mean %q?", like[0])
	}
	return usageError(fmt.Sprintf("there is no verb %q", args[0]), hint)
}

// explainArgs makes wrong arguments an error of use.
func explainArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError(err.Error(), "Usage: "+strings.TrimSpace(c.UseLine()))
		}
		return nil
	}
}
