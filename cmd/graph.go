package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msdev/runner"
	"msdev/session"
)

func newGraph(a *app) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "graph [SERVICE...]",
		Short: "Draw what depends on what, with the state of each service",
		Example: `  msdev graph
  msdev graph --format mermaid orders`,
		ValidArgsFunction: a.services,
		RunE: func(_ *cobra.Command, services []string) error {
			draw, ok := map[string]func(*app, []runner.Status) error{"tree": drawTree, "dot": drawDot, "mermaid": drawMermaid, "json": drawJSON}[format]
			if !ok {
				return usageError(fmt.Sprintf("--format %q is not one of tree, dot, mermaid, json", format), "")
			}
			ctx, stop := interruptible(context.Background())
			defer stop()
			statuses, err := a.statuses(ctx, services)
			if err != nil {
				return err
			}
			return draw(a, statuses)
		},
	}
	c.Flags().StringVar(&format, "format", "tree", "`tree`, dot, mermaid or json")
	return c
}

// statuses are the services asked for and what they depend on; their states only where a session or the engine knows them.
func (a *app) statuses(ctx context.Context, services []string) ([]runner.Status, error) {
	p, _, err := a.load(ctx)
	if err != nil {
		return nil, err
	}
	if p, err = p.Enable(services); err != nil {
		return nil, err
	}
	if p, err = p.Select(services, false); err != nil {
		return nil, err
	}
	known := map[string]runner.Status{}
	if c, _, err := a.connect(ctx, session.Config{}); err == nil {
		if st, err := c.State(ctx); err == nil {
			for _, s := range st.Services {
				known[s.Service] = s
			}
		}
		_ = c.Close()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var out []runner.Status
	for _, name := range p.Order {
		s := known[name]
		s.Service, s.DependsOn = name, p.Dependencies(name)
		out = append(out, s)
	}
	return out, nil
}

// conditions are the words for what a dependency waits for.
func condition(d runner.Dependency) string {
	word := map[string]string{runner.ConditionHealthy: "healthy", runner.ConditionCompleted: "completed"}[d.Condition]
	if word == "" {
		word = "started"
	}
	if !d.Required {
		word += ", optional"
	}
	return word
}

// sign is the mark of a state.
func sign(p painter, s runner.ServiceState) string {
	switch s {
	case runner.StateReady:
		return p.green("●")
	case runner.StateStarting, runner.StateWaiting:
		return p.yellow("◐")
	case runner.StateFailed:
		return p.red("✖")
	case runner.StateReloading:
		return p.yellow("⟳")
	case runner.StateStopped:
		return "○"
	}
	return "·"
}

// drawTree draws each service that nothing depends on, and below it what it depends on. A service's own dependencies are drawn
// where it comes first.
func drawTree(a *app, statuses []runner.Status) error {
	t := tree{app: a, paint: newPainter(a.colour(a.out)), of: map[string]runner.Status{}, drawn: map[string]bool{}}
	needed := map[string]bool{}
	for _, s := range statuses {
		t.of[s.Service] = s
		for _, d := range s.DependsOn {
			needed[d.Service] = true
		}
	}
	for _, s := range slices.Backward(statuses) {
		if !needed[s.Service] {
			t.draw(s.Service, "", "", "")
		}
	}
	return nil
}

type tree struct {
	app   *app
	paint painter
	of    map[string]runner.Status
	drawn map[string]bool
}

func (t *tree) draw(name, note, first, rest string) {
	s := t.of[name]
	line := first + sign(t.paint, s.State) + " " + name
	if note != "" {
		line += t.paint.dim(" (" + note + ")")
	}
	if s.Detail != "" {
		line += "  " + t.paint.dim(s.Detail)
	}
	again := t.drawn[name] && len(s.DependsOn) > 0
	if again {
		line += t.paint.dim(" …")
	}
	printf(t.app.out, "%s\n", line)
	if again {
		return
	}
	t.drawn[name] = true
	for i, d := range s.DependsOn {
		branch, below := "├─ ", "│  "
		if i == len(s.DependsOn)-1 {
			branch, below = "└─ ", "   "
		}
		t.draw(d.Service, condition(d), rest+branch, rest+below)
	}
}

func drawDot(a *app, statuses []runner.Status) error {
	colours := map[runner.ServiceState]string{runner.StateReady: "green", runner.StateStarting: "orange", runner.StateWaiting: "orange", runner.StateReloading: "orange", runner.StateFailed: "red"}
	printf(a.out, "digraph services {\n  rankdir=LR; node [shape=box];\n")
	for _, s := range statuses {
		attr := ""
		if c := colours[s.State]; c != "" {
			attr = " [color=" + c + "]"
		}
		printf(a.out, "  %q%s;\n", s.Service, attr)
		for _, d := range s.DependsOn {
			printf(a.out, "  %q -> %q [label=%q];\n", s.Service, d.Service, condition(d))
		}
	}
	printf(a.out, "}\n")
	return nil
}

func drawMermaid(a *app, statuses []runner.Status) error {
	id := func(name string) string { return strings.NewReplacer("-", "_", ".", "_").Replace(name) }
	printf(a.out, "graph LR\n")
	for _, s := range statuses {
		printf(a.out, "  %s[%q]\n", id(s.Service), s.Service)
		for _, d := range s.DependsOn {
			printf(a.out, "  %s -->|%s| %s\n", id(s.Service), condition(d), id(d.Service))
		}
	}
	return nil
}

func drawJSON(a *app, statuses []runner.Status) error {
	type node struct {
		Service   string              `json:"service"`
		State     runner.ServiceState `json:"state,omitempty"`
		Detail    string              `json:"detail,omitempty"`
		DependsOn []runner.Dependency `json:"dependsOn"`
	}
	nodes := []node{}
	for _, s := range statuses {
		nodes = append(nodes, node{s.Service, s.State, s.Detail, append([]runner.Dependency{}, s.DependsOn...)})
	}
	out, err := json.MarshalIndent(nodes, "", "  ")
	printf(a.out, "%s\n", out)
	return err
}
