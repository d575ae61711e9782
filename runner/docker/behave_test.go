package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"msdev/runner"
	"msdev/testenv"
)

// TestFiles copies secrets and configs that are no files into a container, and runs hooks in it.
func TestFiles(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		r := project(t, e, `
services:
  reads:
    image: busybox
    network_mode: none
    command: ["sh", "-c", "cat /run/secrets/token /run/secrets/other /etc/app.conf /inline; stat -c '%a %u' /etc/app.conf"]
    secrets: [token, {source: token, target: other}]
    configs:
      - {source: env, target: /etc/app.conf, mode: 0400, uid: "12"}
      - inline
  hooked:
    image: busybox
    network_mode: none
    command: ["sh", "-c", "while ! [ -e /done ]; do sleep 0.1; done; cat /done"]
    post_start: [{command: ["sh", "-c", "echo hooked $$WHO >/done"], environment: [WHO=you]}]
  failing:
    image: busybox
    network_mode: none
    command: [sleep, "60"]
    post_start: [{command: ["sh", "-c", "echo why; exit 3"]}]
  readonly:
    image: busybox
    network_mode: none
    read_only: true
    configs: [inline]
secrets:
  token: {environment: TOKEN}
configs:
  env: {environment: CONF}
  inline: {content: "inline $${X}\n"}
`, nil, "TOKEN=hush\n", "CONF=conf\n")
		if out, want := output(t, r, "reads"), "hush\nhush\nconf\ninline ${X}\n400 12\n"; out != want {
			t.Errorf("read %q, not %q", out, want)
		}
		if out := output(t, r, "hooked"); out != "hooked you\n" {
			t.Errorf("the hook left %q", out)
		}
		in := do(t, r, runner.Action{Op: runner.OpCreate, Service: "failing", Number: 1})
		failure(t, r, runner.ErrFailed, runner.Action{Op: runner.OpStart, Service: "failing", Instance: in.ID}, "exit code 3", "why")
		in = do(t, r, runner.Action{Op: runner.OpCreate, Service: "readonly", Number: 1})
		failure(t, r, runner.ErrUsage, runner.Action{Op: runner.OpStart, Service: "readonly", Instance: in.ID}, "read-only", `"inline"`)
	})
}

// TestAnonymousVolumes replaces an instance: its anonymous volumes go over, unless new ones are asked for.
func TestAnonymousVolumes(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		r := project(t, e, `
services:
  db:
    image: busybox
    network_mode: none
    command: ["sh", "-c", "echo run >>/data/runs; wc -l </data/runs"]
    volumes: [/data]
`, nil)
		if out := output(t, r, "db"); out != "1\n" {
			t.Fatalf("first run: %q", out)
		}
		old := do(t, r, runner.Action{Op: runner.OpCreate, Service: "db", Number: 1})
		for _, step := range []struct {
			renew bool
			want  string
		}{{false, "2\n"}, {true, "1\n"}} {
			made := do(t, r, runner.Action{Op: runner.OpCreate, Service: "db", Number: 1, Replaces: old.ID, Volumes: step.renew},
				runner.Action{Op: runner.OpStart, Service: "db"})
			if made.Name != old.Name || made.ID == old.ID {
				t.Errorf("%s became %s", old.Name, made.Name)
			}
			var out strings.Builder
			if err := r.Logs(t.Context(), made.ID, runner.LogOptions{Tail: -1, Follow: true}, func(l runner.LogLine) { out.WriteString(l.Text + "\n") }); err != nil {
				t.Fatal(err)
			}
			if out.String() != step.want {
				t.Errorf("with renew=%t the run wrote %q, not %q", step.renew, out.String(), step.want)
			}
			old = made
		}
	})
}

// TestTTY reads the output of a container with a terminal, which has no frames.
func TestTTY(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		r := project(t, e, `
services:
  tty:
    image: busybox
    network_mode: none
    tty: true
    command: ["sh", "-c", "echo one; head -c 40000 /dev/zero | tr '\\0' x; echo; printf last"]
`, nil)
		lines := strings.Split(strings.TrimRight(output(t, r, "tty"), "\n"), "\n")
		if len(lines) != 3 || lines[0] != "one" || lines[1] != strings.Repeat("x", 40000) || lines[2] != "last" {
			for _, l := range lines {
				t.Errorf("%d bytes: %.60q", len(l), l)
			}
		}
	})
}

// TestShared makes services that share namespaces and volumes.
func TestShared(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		r := project(t, e, `
services:
  base: {image: busybox, network_mode: none, command: [sleep, "60"], volumes: [/data], ipc: shareable}
  joins: {image: busybox, network_mode: "service:base", ipc: "service:base", pid: "service:base", volumes_from: [base], command: ["sh", "-c", "ls -d /data; ps | grep -c 'sleep 60'"]}
`, nil)
		do(t, r, runner.Action{Op: runner.OpCreate, Service: "base", Number: 1}, runner.Action{Op: runner.OpStart, Service: "base"})
		if out := output(t, r, "joins"); !strings.HasPrefix(out, "/data\n") || strings.HasSuffix(out, "\n0\n") {
			t.Errorf("it saw %q", out)
		}
	})
}

// cutter is a way to an engine that can be cut, and mended.
type cutter struct {
	to    string
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (c *cutter) serve(l net.Listener, work *sync.WaitGroup) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("unix", c.to)
		c.mu.Lock()
		if c.cut || err != nil {
			_ = from.Close()
			if err == nil {
				_ = to.Close()
			}
			c.mu.Unlock()
			continue
		}
		c.conns = append(c.conns, from, to)
		c.mu.Unlock()
		for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
			work.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				_ = way[0].Close()
			})
		}
	}
}

func (c *cutter) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.conns = nil
	}
}

// TestLost loses the engine while it is watched: what changed meanwhile is in the snapshot that follows.
func TestLost(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		direct := project(t, e, "services:\n  web: {image: msdev-test/app, command: [sleep], network_mode: none}\n", nil)
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		way := &cutter{to: strings.TrimPrefix(e.Host, "unix://")}
		var work sync.WaitGroup
		work.Go(func() { way.serve(l, &work) })
		defer func() { _ = l.Close(); way.set(true); work.Wait() }()

		watched := connect(t, direct.project(), "unix://"+socket)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		seen := make(chan runner.Observation, 100)
		done := make(chan error, 1)
		go func() { done <- watched.Watch(ctx, func(o runner.Observation) { seen <- o }) }()
		defer func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		next := func(what string, is func(runner.Observation) bool) {
			t.Helper()
			for {
				select {
				case o := <-seen:
					if is(o) {
						return
					}
				case <-ctx.Done():
					t.Fatalf("never seen: %s", what)
				}
			}
		}
		next("a snapshot", func(o runner.Observation) bool { return o.Snapshot != nil })
		in := do(t, direct, runner.Action{Op: runner.OpCreate, Service: "web", Number: 1}, runner.Action{Op: runner.OpStart, Service: "web"})
		next("running", func(o runner.Observation) bool {
			return o.Instance != nil && o.Instance.State == runner.InstanceRunning
		})

		way.set(true)
		next("the loss", func(o runner.Observation) bool {
			var lost *runner.Error
			return errors.As(o.Lost, &lost) && lost.Kind == runner.ErrEngine && strings.Contains(lost.Msg, socket)
		})
		if _, err := watched.Do(ctx, runner.Action{Op: runner.OpStop, Service: "web", Instance: in.ID}, nil); !isEngineError(err) {
			t.Errorf("an action without an engine: %v", err)
		}
		do(t, direct, runner.Action{Op: runner.OpKill, Service: "web", Instance: in.ID})
		way.set(false)
		next("a fresh snapshot that tells of the end", func(o runner.Observation) bool {
			return o.Snapshot != nil && o.Snapshot.Instances[in.ID].State == runner.InstanceExited
		})
		do(t, direct, runner.Action{Op: runner.OpRemove, Service: "web", Instance: in.ID})
		next("the removal", func(o runner.Observation) bool { return o.Gone == in.ID })
	})
}

func isEngineError(err error) bool {
	var e *runner.Error
	return errors.As(err, &e) && e.Kind == runner.ErrEngine
}

// TestImageChanges watches an image of the project get another content, and go.
func TestImageChanges(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		r := project(t, e, "services:\n  a: {image: \"msdev-test/${COMPOSE_PROJECT_NAME}:one\"}\n  b: {image: \"msdev-test/${COMPOSE_PROJECT_NAME}:one\"}\n", nil)
		ref := r.project().Compose.Services["a"].Image
		t.Cleanup(func() { removeImages(t, connect(t, r.project(), e.Host), []string{ref}) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		seen := make(chan runner.Observation, 100)
		done := make(chan error, 1)
		go func() { done <- r.Watch(ctx, func(o runner.Observation) { seen <- o }) }()
		defer func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		if o := <-seen; o.Snapshot == nil || len(o.Snapshot.Images) != 0 {
			t.Fatalf("first came %+v", o)
		}
		expect := func(from string, gone bool) {
			t.Helper()
			services := map[string]string{}
			for len(services) < 2 {
				select {
				case o := <-seen:
					if c := o.Resource; c != nil && c.Kind == runner.ResourceImage && c.Gone == gone {
						services[c.Resource.Key] = c.Resource.ID
					}
				case <-ctx.Done():
					t.Fatalf("told of %v only", services)
				}
			}
			if gone {
				return
			}
			res, err := r.api.ImageInspect(ctx, from)
			if err != nil || services["a"] != res.ID || services["b"] != res.ID {
				t.Errorf("told %v, and it is %s (%v)", services, res.ID, err)
			}
		}
		for _, from := range []string{"busybox", "msdev-test/app"} {
			if _, err := r.api.ImageTag(ctx, client.ImageTagOptions{Source: from, Target: ref}); err != nil {
				t.Fatal(err)
			}
			expect(from, false)
		}
		if _, err := r.Do(ctx, runner.Action{Op: runner.OpRemoveImage, Service: "a"}, nil); err != nil {
			t.Fatal(err)
		}
		expect("", true)
	})
}
