package docker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msdev/runner"
	"msdev/testenv"
)

// eachEngine runs a test on every engine.
func eachEngine(t *testing.T, test func(t *testing.T, e testenv.Engine)) {
	for _, e := range testenv.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// project loads a compose file with the files beside it that it needs, and a runtime for it.
func project(t testing.TB, e testenv.Engine, compose string, files map[string]string, environ ...string) *Runtime {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(compose), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := runner.Load(t.Context(), runner.LoadOptions{WorkDir: dir, Name: testenv.ProjectName(t), Environ: append(os.Environ(), environ...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clean(t, p, e.Host) })
	r, err := New(t.Context(), p, Options{Host: e.Host, Environ: append(os.Environ(), environ...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// do carries out actions that must succeed, and returns the last instance that they told of.
func do(t *testing.T, r *Runtime, actions ...runner.Action) runner.Instance {
	t.Helper()
	var in runner.Instance
	for _, a := range actions {
		if a.Instance == "" && (a.Op == runner.OpStart || a.Op == runner.OpStop || a.Op == runner.OpRemove) {
			a.Instance = in.ID
		}
		seen, err := r.Do(t.Context(), a, nil)
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		for _, o := range seen {
			if o.Instance != nil {
				in = *o.Instance
			}
		}
	}
	return in
}

// output runs an instance of a service to its end and returns what it wrote.
func output(t *testing.T, r *Runtime, service string) string {
	t.Helper()
	in := do(t, r,
		runner.Action{Op: runner.OpCreate, Service: service, Number: 1},
		runner.Action{Op: runner.OpStart, Service: service})
	var b strings.Builder
	if err := r.Logs(t.Context(), in.ID, runner.LogOptions{Tail: -1, Follow: true}, func(l runner.LogLine) { b.WriteString(l.Text + "\n") }); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const buildCompose = `
services:
  app:
    network_mode: none
    build:
      context: ctx
      args: {COLOUR: blue, FROM_ENV: }
      target: final
      labels: {own: label}
      tags: ["${COMPOSE_PROJECT_NAME}-extra:one"]
      secrets: [token]
    command: [cat, /out]
  inline:
    network_mode: none
    build:
      context: ctx
      dockerfile_inline: |
        FROM busybox
        COPY kept.txt /out
    command: [cat, /out]
  outside:
    network_mode: none
    build: {context: ctx, dockerfile: ../Outside}
    command: [cat, /out]
  broken:
    network_mode: none
    build:
      context: ctx
      dockerfile_inline: |
        FROM busybox
        RUN echo about to fail && ls /nowhere
secrets:
  token: {environment: TOKEN}
`

var buildFiles = map[string]string{
	"ctx/.dockerignore": "ignored.txt\n",
	"ctx/kept.txt":      "kept\n",
	"ctx/ignored.txt":   "ignored\n",
	"Outside":           "FROM busybox\nCOPY kept.txt /out\n",
	"ctx/Dockerfile": `FROM busybox AS base
ARG COLOUR
ARG FROM_ENV
COPY . /src
RUN ls /src >/out && echo "$COLOUR $FROM_ENV" >>/out
RUN --mount=type=secret,id=token cat /run/secrets/token >>/out
FROM base AS final
FROM base AS never
RUN false
`,
}

func TestBuild(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		r := project(t, e, buildCompose, buildFiles, "TOKEN=hush", "FROM_ENV=sky")
		extra := r.project().Name + "-extra:one"
		cleanImages(t, r, extra)
		var lines []string
		seen, err := r.Do(t.Context(), runner.Action{Op: runner.OpBuild, Service: "app"}, func(p runner.Progress) { lines = append(lines, p.Text) })
		if err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
		}
		if len(seen) != 1 || seen[0].Resource == nil || seen[0].Resource.Resource.Key != "app" || seen[0].Resource.Resource.ID == "" {
			t.Errorf("told: %+v", seen)
		}
		if all := strings.Join(lines, "\n"); !strings.Contains(all, "RUN ls /src") {
			t.Errorf("the progress does not name the step:\n%s", all)
		}
		if out := output(t, r, "app"); out != "Dockerfile\nkept.txt\nblue sky\nhush\n" {
			t.Errorf("built with %q", out)
		}
		res, err := r.api.ImageInspect(t.Context(), extra)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"own": "label", labelProject: r.project().Name, labelService: "app", labelVersion: composeVersion} {
			if res.Config.Labels[k] != v {
				t.Errorf("label %s is %q, not %q", k, res.Config.Labels[k], v)
			}
		}
		for _, service := range []string{"inline", "outside"} {
			do(t, r, runner.Action{Op: runner.OpBuild, Service: service})
			if out := output(t, r, service); out != "kept\n" {
				t.Errorf("%s was built with %q", service, out)
			}
		}
		failedBuild(t, r)
	})
}

func TestBuildClassic(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		files := map[string]string{}
		for k, v := range buildFiles {
			files[k] = strings.Replace(v, "RUN --mount=type=secret,id=token cat /run/secrets/token >>/out\n", "", 1)
		}
		compose := strings.Replace(buildCompose, "      secrets: [token]\n", "", 1)
		r := project(t, e, compose, files, "FROM_ENV=sky", "TOKEN=", "DOCKER_BUILDKIT=0")
		cleanImages(t, r, r.project().Name+"-extra:one")
		do(t, r, runner.Action{Op: runner.OpBuild, Service: "app"})
		if out := output(t, r, "app"); out != ".dockerignore\nDockerfile\nkept.txt\nblue sky\n" && out != "Dockerfile\nkept.txt\nblue sky\n" {
			t.Errorf("built with %q", out)
		}
		for _, service := range []string{"inline", "outside"} {
			do(t, r, runner.Action{Op: runner.OpBuild, Service: service})
			if out := output(t, r, service); out != "kept\n" {
				t.Errorf("%s was built with %q", service, out)
			}
		}
		failedBuild(t, r)
	})
}

// failedBuild builds what fails: the error names the service, the step and what it wrote.
func failedBuild(t *testing.T, r *Runtime) {
	t.Helper()
	_, err := r.Do(t.Context(), runner.Action{Op: runner.OpBuild, Service: "broken"}, nil)
	var e *runner.Error
	if !errors.As(err, &e) {
		t.Fatalf("a failed build: %v", err)
	}
	for _, want := range []string{`"broken"`, "RUN echo about to fail", "\n  about to fail\n", "/nowhere: No such file"} {
		if !strings.Contains(e.Msg+"\n", want) { // the engine may tell the two streams in either order
			t.Errorf("the error does not say %q:\n%s", want, e.Msg)
		}
	}
	if e.Kind != runner.ErrFailed || e.Service != "broken" || e.Hint == "" {
		t.Errorf("%+v", e)
	}
}

// cleanImages removes what the project built, and further names, at the end of the test.
func cleanImages(t *testing.T, r *Runtime, more ...string) {
	t.Helper()
	host := strings.TrimSpace(r.address)
	p := r.project()
	t.Cleanup(func() {
		clean(t, p, host)
		last := connectForCleanup(t, p, host)
		defer last.Close()
		for _, s := range p.Compose.Services {
			more = append(more, imageName(p.Name, s))
		}
		removeImages(t, last, more)
	})
}
