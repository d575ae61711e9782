package process

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msdev/runner"
	"msdev/runner/runtimetest"
	"msdev/testenv"
)

// testApp is the test program, built once for all tests of this package.
var testApp string

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(swapEnv) != "":
		swapper()
		return
	case os.Getenv(ownerEnv) != "":
		owner()
		return
	}
	os.Exit(withApp(m))
}

func withApp(m *testing.M) int {
	dir, err := os.MkdirTemp("", "msdev-process-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	testApp = filepath.Join(dir, "app")
	if out, err := exec.Command("go", "build", "-o", testApp, "msdev/testenv/app").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func TestRuntime(t *testing.T) {
	states := t.TempDir()
	runtimetest.Run(t, runtimetest.Harness{
		Project:  func(t *testing.T) string { return testenv.ProjectName(t) },
		Service:  nativeService,
		Restarts: true, Resources: true, Owns: true,
		Runtime: func(t *testing.T, p *runner.Project) runner.Runtime { return open(t, p, filepath.Join(states, p.Name)) },
		Clean: func(t *testing.T, p *runner.Project) {
			if left, _ := filepath.Glob(filepath.Join(states, p.Name, "processes*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		},
	})
}

func open(t testing.TB, p *runner.Project, state string) *Runtime {
	t.Helper()
	r, err := New(p, Options{StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// nativeService is a service whose process is the test program. Its port is declared, so that tests side by side get one each.
func nativeService(s runtimetest.Service) string {
	var b strings.Builder
	list := func(words []string) string { j, _ := json.Marshal(words); return string(j) }
	fmt.Fprintf(&b, "image: msdev-test/app\nentrypoint: [%s]\nx-msdev:\n  run: %s\n", testApp, list(append([]string{testApp}, s.Args...)))
	if s.Health {
		fmt.Fprintf(&b, "healthcheck: {test: [CMD, %s, health], interval: 1s, timeout: 5s}\n", testApp)
	}
	if len(s.Env) > 0 {
		b.WriteString("environment:\n")
		for _, k := range slices.Sorted(maps.Keys(s.Env)) {
			fmt.Fprintf(&b, "  %s: %q\n", k, s.Env[k])
		}
		if port := s.Env["PORT"]; port != "" {
			fmt.Fprintf(&b, "expose: [%q]\n", port)
		}
	}
	if s.More != "" {
		b.WriteString(s.More + "\n")
	}
	return b.String()
}

// project loads a project from the text of a compose file.
func project(t testing.TB, text string) *runner.Project {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := runner.Load(context.WithoutCancel(t.Context()), runner.LoadOptions{WorkDir: dir, Name: testenv.ProjectName(t)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
