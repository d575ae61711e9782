// Package runtimetest is the suite that every runner.Runtime passes. It knows a runtime by the interface alone; what a
// service runs is always the test program (testenv/app), and the Harness says how a compose file names it.
package runtimetest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msdev/runner"
)

// Harness is what the suite needs to know about one runtime.
type Harness struct {
	// Runtime returns a runtime for a project; the suite may ask for several of one project. It is closed with the test.
	Runtime func(t *testing.T, p *runner.Project) runner.Runtime
	// Project is a name that nothing else uses.
	Project func(t *testing.T) string
	// Service returns the attributes of a service that runs the test program, as lines of YAML without indentation.
	Service func(s Service) string
	// Clean removes all that is left of a project.
	Clean func(t *testing.T, p *runner.Project)
	// Restarts tells that the runtime itself follows `restart:`, and does not leave it to the supervisor.
	Restarts bool
	// Resources tells that the runtime has networks and volumes.
	Resources bool
	// Owns tells that what the runtime runs ends with it: a second one of the project is refused while it lives.
	Owns bool
}

// Service is what a test wants to run.
type Service struct {
	Args   []string          // of the test program
	Env    map[string]string // its settings
	Health bool              // `app health` is its health test
	More   string            // further lines of YAML, understood by every runtime
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"Lifecycle", lifecycle},
		{"Twice", twice},
		{"Watch", watch},
		{"Numbers", numbers},
		{"ExitCode", exitCode},
		{"StopSignal", stopSignal},
		{"GracePeriod", gracePeriod},
		{"Kill", kill},
		{"Restart", restart},
		{"Replace", replace},
		{"Probe", probe},
		{"ProbeWithout", probeWithout},
		{"LogsOrder", logsOrder},
		{"LogsTailSince", logsTailSince},
		{"LogsFollow", logsFollow},
		{"LogsLongLines", logsLongLines},
		{"LogsCancel", logsCancel},
		{"Exec", exec},
		{"Stats", stats},
		{"Adopt", adopt},
		{"Resources", resources},
		{"Errors", failures},
		{"Describe", describe},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, &fixture{Harness: h, t: t})
		})
	}
}

// patience is how long a test waits for what must come; a machine under load needs it.
const patience = 60 * time.Second

// fixture is one test's project and what was seen of it.
type fixture struct {
	Harness
	t       *testing.T
	project *runner.Project
	rt      runner.Runtime
}

// load makes a project of the given services, by name, and a runtime for it.
func (f *fixture) load(services map[string]Service) *fixture {
	f.t.Helper()
	var b strings.Builder
	b.WriteString("services:\n")
	for _, name := range slices.Sorted(maps.Keys(services)) {
		fmt.Fprintf(&b, "  %s:\n", name)
		for line := range strings.Lines(f.Service(services[name])) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	return f.loadText(b.String())
}

func (f *fixture) loadText(text string) *fixture {
	f.t.Helper()
	dir := f.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	p, err := runner.Load(f.t.Context(), runner.LoadOptions{WorkDir: dir, Name: f.Project(f.t)})
	if err != nil {
		f.t.Fatalf("load: %v\n%s", err, text)
	}
	f.project = p
	f.t.Cleanup(func() { f.Clean(f.t, p) })
	f.rt = f.Runtime(f.t, p)
	return f
}

// do carries out an action that must succeed.
func (f *fixture) do(a runner.Action) []runner.Observation {
	f.t.Helper()
	a.Runtime = f.rt.Name()
	seen, err := f.rt.Do(f.t.Context(), a, nil)
	if err != nil {
		f.t.Fatalf("%s: %v", a, err)
	}
	return seen
}

// make creates what instances need and then one instance of a service.
func (f *fixture) make(service string, number int) runner.Instance {
	f.t.Helper()
	f.prepare()
	for _, o := range f.do(runner.Action{Op: runner.OpCreate, Service: service, Number: number}) {
		if o.Instance != nil {
			return *o.Instance
		}
	}
	f.t.Fatalf("create of %s told of no instance", service)
	return runner.Instance{}
}

func (f *fixture) prepare() {
	f.t.Helper()
	if !f.Resources {
		return
	}
	for key, n := range f.project.Compose.Networks {
		if !bool(n.External) {
			f.do(runner.Action{Op: runner.OpCreateNetwork, Key: key})
		}
	}
	for key := range f.project.Compose.Volumes {
		f.do(runner.Action{Op: runner.OpCreateVolume, Key: key})
	}
}

// up makes and starts one instance of a service.
func (f *fixture) up(service string) runner.Instance {
	f.t.Helper()
	in := f.make(service, 1)
	return f.on(runner.OpStart, in)
}

// on carries out an action on an instance and returns what it is afterwards.
func (f *fixture) on(op runner.Op, in runner.Instance) runner.Instance {
	f.t.Helper()
	for _, o := range f.do(runner.Action{Op: op, Service: in.Service, Number: in.Number, Instance: in.ID, Name: in.Name}) {
		if o.Instance != nil && o.Instance.ID == in.ID {
			return *o.Instance
		}
	}
	return in
}

// view is what a watch has told so far.
type view struct {
	f       *fixture
	seen    runner.Observed
	changes chan runner.Observation
	history []runner.Observation
}

// watch begins to watch; the watch ends with the test.
func (f *fixture) watch() *view {
	f.t.Helper()
	return f.watchWith(f.rt)
}

func (f *fixture) watchWith(rt runner.Runtime) *view {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	v := &view{f: f, changes: make(chan runner.Observation, 1024)}
	done := make(chan error, 1)
	go func() {
		done <- rt.Watch(ctx, func(o runner.Observation) {
			select {
			case v.changes <- o:
			case <-ctx.Done():
			}
		})
	}()
	f.t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil && ctx.Err() == nil {
				f.t.Errorf("watch ended: %v", err)
			}
		case <-time.After(patience):
			f.t.Error("watch did not end with its context")
		}
	})
	v.until("the first snapshot", func() bool { return v.seen.Instances != nil })
	return v
}

// until takes in changes until a condition holds.
func (v *view) until(what string, holds func() bool) {
	v.f.t.Helper()
	limit := time.After(patience)
	for !holds() {
		select {
		case o := <-v.changes:
			v.take(o)
		case <-limit:
			v.f.t.Fatalf("not seen in %s: %s\nknown: %+v\nhistory: %s", patience, what, v.seen, v)
		}
	}
}

// instance waits until a condition holds for an instance.
func (v *view) instance(id, what string, is func(runner.Instance) bool) runner.Instance {
	v.f.t.Helper()
	v.until(what, func() bool { in, ok := v.seen.Instances[id]; return ok && is(in) })
	return v.seen.Instances[id]
}

func (v *view) take(o runner.Observation) {
	v.f.t.Helper()
	v.history = append(v.history, o)
	set := 0
	for _, is := range []bool{o.Snapshot != nil, o.Instance != nil, o.Gone != "", o.Resource != nil, o.Lost != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		v.f.t.Fatalf("an observation with %d fields set: %+v", set, o)
	}
	switch {
	case o.Snapshot != nil:
		v.seen = *o.Snapshot
		v.seen.Instances = maps.Clone(o.Snapshot.Instances)
		if v.seen.Instances == nil {
			v.seen.Instances = map[string]runner.Instance{}
		}
		v.seen.Networks, v.seen.Volumes, v.seen.Images = filled(o.Snapshot.Networks), filled(o.Snapshot.Volumes), filled(o.Snapshot.Images)
	case o.Instance != nil:
		if old, ok := v.seen.Instances[o.Instance.ID]; ok && old.Seen >= o.Instance.Seen {
			v.f.t.Errorf("an older observation of %s after a newer one (%d after %d)", o.Instance.Name, o.Instance.Seen, old.Seen)
		}
		v.seen.Instances[o.Instance.ID] = *o.Instance
	case o.Gone != "":
		delete(v.seen.Instances, o.Gone)
	case o.Resource != nil:
		v.resource(*o.Resource)
	}
}

func filled(m map[string]runner.Resource) map[string]runner.Resource {
	if m == nil {
		return map[string]runner.Resource{}
	}
	return maps.Clone(m)
}

func (v *view) resource(c runner.ResourceChange) {
	to := map[runner.ResourceKind]map[string]runner.Resource{
		runner.ResourceNetwork: v.seen.Networks, runner.ResourceVolume: v.seen.Volumes, runner.ResourceImage: v.seen.Images,
	}[c.Kind]
	if c.Gone {
		delete(to, c.Resource.Key)
	} else {
		to[c.Resource.Key] = c.Resource
	}
}

// String is the history, for a test that failed.
func (v *view) String() string {
	var b strings.Builder
	for _, o := range v.history {
		switch {
		case o.Snapshot != nil:
			fmt.Fprintf(&b, "\n  snapshot of %d", len(o.Snapshot.Instances))
		case o.Instance != nil:
			fmt.Fprintf(&b, "\n  %s %s health=%q exit=%d", o.Instance.Name, o.Instance.State, o.Instance.Health, o.Instance.ExitCode)
		case o.Gone != "":
			fmt.Fprintf(&b, "\n  %.12s gone", o.Gone)
		case o.Resource != nil:
			fmt.Fprintf(&b, "\n  %+v", *o.Resource)
		default:
			fmt.Fprintf(&b, "\n  lost: %v", o.Lost)
		}
	}
	return b.String()
}

// Conditions that tests wait for.
func running(in runner.Instance) bool { return in.State == runner.InstanceRunning }
func exited(in runner.Instance) bool  { return in.State == runner.InstanceExited }
