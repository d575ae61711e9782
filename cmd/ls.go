package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msdev/runner"
	"msdev/session"
)

// lsRow is one project, with the keys that `docker compose ls --format json` has.
type lsRow struct {
	Name        string
	Status      string
	ConfigFiles string
}

func newLs(a *app) *cobra.Command {
	var format format
	var quiet bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the projects whose sessions run",
		Example: `  msdev ls
  msdev ls --format json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := interruptible(context.Background())
			defer stop()
			rows, err := sessions(ctx)
			if err != nil {
				return err
			}
			if quiet {
				for _, r := range rows {
					printf(a.out, "%s\n", r.Name)
				}
				return nil
			}
			return list(a.out, format, rows, []string{"NAME", "STATUS", "CONFIG FILES"}, func(r lsRow) []string {
				return []string{r.Name, r.Status, r.ConfigFiles}
			})
		},
	}
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "only names")
	format.register(c.Flags())
	return c
}

// sessions asks each session that runs what it is.
func sessions(ctx context.Context) ([]lsRow, error) {
	names, err := session.List(ctx)
	if err != nil {
		return nil, err
	}
	rows := []lsRow{}
	for _, name := range names {
		c, err := session.Dial(ctx, name)
		if err != nil {
			continue // it has just ended
		}
		st, err := c.State(ctx)
		if err == nil {
			rows = append(rows, lsRow{Name: name, Status: counts(st), ConfigFiles: strings.Join(st.Files, ",")})
		}
		_ = c.Close()
	}
	return rows, nil
}

// counts is how many instances are in which state: "exited(1), running(3)".
func counts(st session.State) string {
	n := map[runner.InstanceState]int{}
	for _, s := range st.Services {
		for _, in := range s.Instances {
			n[in.State]++
		}
	}
	var parts []string
	for state, count := range n {
		parts = append(parts, fmt.Sprintf("%s(%d)", state, count))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
