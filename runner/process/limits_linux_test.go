package process

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"msdev/runner"
)

// outcome starts a project's service "web", waits until it has ended, and returns what it wrote and how it ended.
func outcome(t *testing.T, text string) (string, runner.Instance) {
	t.Helper()
	r := open(t, project(t, text), t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen, err := r.Do(ctx, runner.Action{Op: runner.OpCreate, Service: "web", Number: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := seen[0].Instance.ID
	if _, err := r.Do(ctx, runner.Action{Op: runner.OpStart, Instance: id}, nil); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := r.Logs(ctx, id, runner.LogOptions{Tail: -1, Follow: true}, func(l runner.LogLine) { out.WriteString(l.Text + "\n") }); err != nil {
		t.Fatal(err)
	}
	in, err := r.find(id)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return out.String(), in.look()
}

func TestUlimits(t *testing.T) {
	out, _ := outcome(t, `
services:
  web:
    ulimits: {nofile: 300, core: {soft: 0, hard: 4096}}
    x-msdev: {run: "sleep 0.3; ulimit -n; ulimit -c; ulimit -Hn"}
`)
	if out != "300\n0\n300\n" {
		t.Errorf("the process has the limits %q", out)
	}
}

func TestLimitsOfAll(t *testing.T) {
	if err := cageable(); err != nil {
		if os.Geteuid() != 0 {
			t.Skipf("this user cannot limit processes: %v", err)
		}
		t.Fatal(err)
	}
	t.Run("memory", func(t *testing.T) {
		_, in := outcome(t, `
services:
  web:
    mem_limit: 32m
    x-msdev: {run: [sh, -c, "head -c 300000000 /dev/zero | tail -c 299999999 >/dev/null"]}
`)
		if in.ExitCode != 137 || !in.OOMKilled {
			t.Errorf("it ended with %d, for want of memory: %v", in.ExitCode, in.OOMKilled)
		}
	})
	t.Run("every process is inside", func(t *testing.T) {
		out, in := outcome(t, `
services:
  web:
    deploy: {resources: {limits: {cpus: "0.5", memory: 64M, pids: 20}}}
    x-msdev: {run: "cat /proc/self/cgroup"}
`)
		if n := strings.Count(out, "msdev-"+in.ID); n != 3 && n != 1 {
			t.Errorf("it is in\n%s", out)
		}
		p, err := findPlaces()
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range p.dirs {
			names, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(names, func(e os.DirEntry) bool { return e.Name() == "msdev-"+in.ID }) {
				t.Errorf("%s has kept its group", dir)
			}
		}
	})
}

func TestLimitsOf(t *testing.T) {
	p := project(t, `
services:
  old: {x-msdev: {run: "true"}, cpus: 1.5, mem_limit: 1g, pids_limit: 7, ulimits: {nofile: 10, strange: 5}}
  new: {x-msdev: {run: "true"}, deploy: {resources: {limits: {cpus: "2", memory: 5M}}}}
  none: {x-msdev: {run: "true"}}
`)
	l := limitsOf(p.Compose.Services["old"])
	if l.cpus != 1.5 || l.memory != 1<<30 || l.pids != 7 || l.each["nofile"] != [2]int{10, 10} || !slices.Equal(l.unknown(), []string{"strange"}) {
		t.Errorf("%+v", l)
	}
	if l := limitsOf(p.Compose.Services["new"]); l.cpus != 2 || l.memory != 5<<20 {
		t.Errorf("%+v", l)
	}
	if l := limitsOf(p.Compose.Services["none"]); l.together() || l.each != nil {
		t.Errorf("%+v", l)
	}
}
