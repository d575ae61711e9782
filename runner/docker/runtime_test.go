package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"msdev/runner"
	"msdev/runner/runtimetest"
	"msdev/testenv"
)

func TestRuntime(t *testing.T) {
	for _, e := range testenv.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			runtimetest.Run(t, runtimetest.Harness{
				Project:  func(t *testing.T) string { return testenv.ProjectName(t) },
				Service:  composeService,
				Restarts: true, Resources: true,
				Runtime: func(t *testing.T, p *runner.Project) runner.Runtime { return connect(t, p, e.Host) },
				Clean:   func(t *testing.T, p *runner.Project) { clean(t, p, e.Host) },
			})
		})
	}
}

// composeService is a service whose container runs the test program.
func composeService(s runtimetest.Service) string {
	var b strings.Builder
	list := func(words []string) string { j, _ := json.Marshal(words); return string(j) }
	fmt.Fprintf(&b, "image: msdev-test/app\ncommand: %s\n", list(s.Args))
	if s.Health {
		b.WriteString("healthcheck: {test: [CMD, /app, health], interval: 1s, timeout: 5s}\n")
	}
	if len(s.Env) > 0 {
		b.WriteString("environment:\n")
		for k, v := range s.Env {
			fmt.Fprintf(&b, "  %s: %q\n", k, v)
		}
	}
	b.WriteString(s.More)
	if s.More != "" {
		b.WriteString("\n")
	}
	return b.String()
}

func connect(t testing.TB, p *runner.Project, host string) *Runtime {
	t.Helper()
	r, err := New(context.WithoutCancel(t.Context()), p, Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// clean removes all that carries the project's label.
func clean(t testing.TB, p *runner.Project, host string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	r, err := New(ctx, p, Options{Host: host})
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	label := make(client.Filters).Add("label", labelProject+"="+p.Name)
	if list, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: label}); err == nil {
		for _, c := range list.Items {
			_, _ = r.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
	if list, err := r.api.NetworkList(ctx, client.NetworkListOptions{Filters: label}); err == nil {
		for _, n := range list.Items {
			_, _ = r.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		}
	}
	if list, err := r.api.VolumeList(ctx, client.VolumeListOptions{Filters: label}); err == nil {
		for _, v := range list.Items {
			_, _ = r.api.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
		}
	}
}

func connectForCleanup(t testing.TB, p *runner.Project, host string) *Runtime {
	t.Helper()
	r, err := New(context.WithoutCancel(t.Context()), p, Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func removeImages(t testing.TB, r *Runtime, names []string) {
	t.Helper()
	for _, name := range names {
		_, _ = r.api.ImageRemove(context.WithoutCancel(t.Context()), name, client.ImageRemoveOptions{Force: true, PruneChildren: true})
	}
}
