package cmd

import (
	"context"
	"fmt"
	"maps"
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

// lsOptions are the flags of `ls`.
type lsOptions struct {
	all    bool
	quiet  bool
	filter string
	format format
}

func newLs(a *app) *cobra.Command {
	var o lsOptions
	c := &cobra.Command{
		Use:   "ls",
		Short: "List projects: those whose sessions run, and those that the engine has containers of",
		Example: `  msdev ls         what runs
  msdev ls -a -q   the names of all projects, also of those that are stopped`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.ls(o) },
	}
	flags := c.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "also projects of which nothing runs")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "only names")
	flags.StringVar(&o.filter, "filter", "", "only projects whose name has a text in it: `name=TEXT`")
	o.format.register(flags)
	return c
}

func (a *app) ls(o lsOptions) error {
	ctx, stop := interruptible(context.Background())
	defer stop()
	key, text, _ := strings.Cut(o.filter, "=")
	if o.filter != "" && key != "name" {
		return usageError(fmt.Sprintf("--filter %q is not known", o.filter), "There is: name=TEXT.")
	}
	byName, err := sessions(ctx)
	if err != nil {
		return err
	}
	onEngine, err := remains(ctx)
	if err != nil && len(byName) == 0 && a.runtime != runner.Native {
		printf(a.err, "Sessions only: %s\n", err)
	}
	for _, p := range onEngine {
		alive := p.States[runner.InstanceRunning]+p.States[runner.InstancePaused]+p.States[runner.InstanceRestarting] > 0
		if _, known := byName[p.Name]; !known && (alive || o.all) {
			byName[p.Name] = lsRow{Name: p.Name, Status: counts(p.States), ConfigFiles: p.Files}
		}
	}
	rows := []lsRow{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if strings.Contains(name, text) {
			rows = append(rows, byName[name])
		}
	}
	if o.quiet {
		for _, r := range rows {
			printf(a.out, "%s\n", r.Name)
		}
		return nil
	}
	return list(a.out, o.format, rows, []string{"NAME", "STATUS", "CONFIG FILES"}, func(r lsRow) []string {
		return []string{r.Name, r.Status, r.ConfigFiles}
	})
}

// sessions asks each session that runs what it is.
func sessions(ctx context.Context) (map[string]lsRow, error) {
	names, err := session.List(ctx)
	if err != nil {
		return nil, err
	}
	rows := map[string]lsRow{}
	for _, name := range names {
		c, err := session.Dial(ctx, name)
		if err != nil {
			continue // it has just ended
		}
		if st, err := c.State(ctx); err == nil {
			n := map[runner.InstanceState]int{}
			for _, s := range st.Services {
				for _, in := range s.Instances {
					n[in.State]++
				}
			}
			rows[name] = lsRow{Name: name, Status: counts(n), ConfigFiles: strings.Join(st.Files, ",")}
		}
		_ = c.Close()
	}
	return rows, nil
}

// counts is how many instances are in which state: "exited(1), running(3)".
func counts(n map[runner.InstanceState]int) string {
	var parts []string
	for state, count := range n {
		parts = append(parts, fmt.Sprintf("%s(%d)", state, count))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
