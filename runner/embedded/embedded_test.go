package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"msdev/runner"
)

const patience = 30 * time.Second

// diary is a program that answers with what its folder holds, after adding a line to it. With the environment FAIL=open it does not
// start, and with FAIL=run it ends at the first request.
func diary(c Config) (func(context.Context) error, error) {
	if c.Environment["FAIL"] == "open" {
		for _, l := range c.Listeners {
			_ = l.Close()
		}
		return nil, errors.New("its data is damaged")
	}
	failed := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if c.Environment["FAIL"] == "run" {
			failed <- errors.New("it had enough")
			return
		}
		f, err := os.OpenFile(filepath.Join(c.Dir, "diary"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
		if err == nil {
			_, err = fmt.Fprint(f, "x")
		}
		all, _ := os.ReadFile(filepath.Join(c.Dir, "diary"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		_ = f.Close()
		_, _ = w.Write(all)
	})
	server := &http.Server{Handler: h}
	return func(ctx context.Context) error {
		var work sync.WaitGroup
		defer work.Wait()
		for _, l := range c.Listeners {
			c.Logger.Info("listening", "port", l.Port)
			work.Go(func() { _ = server.Serve(l) })
		}
		defer func() { _ = server.Close() }()
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		}
	}, nil
}

type fixture struct {
	*testing.T
	dir, state string
	project    *runner.Project
	rt         *Runtime
}

func load(t *testing.T, compose string) *fixture {
	t.Helper()
	f := &fixture{T: t, dir: t.TempDir(), state: t.TempDir()}
	f.read(compose)
	f.again()
	return f
}

func (f *fixture) read(compose string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, "compose.yaml"), []byte(compose), 0o600); err != nil {
		f.Fatal(err)
	}
	p, err := runner.Load(f.Context(), runner.LoadOptions{WorkDir: f.dir, Name: "embedded"})
	if err != nil {
		f.Fatal(err)
	}
	f.project = p
}

// again makes another runtime of the same folder, as the next session does.
func (f *fixture) again() {
	f.Helper()
	of := func(service string) string {
		return map[bool]string{true: "diary"}[f.project.Compose.Services[service].Image == "diary"]
	}
	rt, err := New(f.project, Options{StateDir: f.state, Of: of, Kinds: map[string]Kind{"diary": {Ports: []int{80}, Serves: func(port int) bool { return port < 9000 }, Open: diary}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = rt.Close() })
	f.rt = rt
}

func (f *fixture) do(a runner.Action) []runner.Observation {
	f.Helper()
	a.Runtime = Name
	o, err := f.rt.Do(f.Context(), a, nil)
	if err != nil {
		f.Fatalf("%s: %v", a, err)
	}
	return o
}

func (f *fixture) on(op runner.Op, in runner.Instance) runner.Instance {
	f.Helper()
	for _, o := range f.do(runner.Action{Op: op, Service: in.Service, Instance: in.ID}) {
		if o.Instance != nil {
			return *o.Instance
		}
	}
	return runner.Instance{}
}

func (f *fixture) up(service string) runner.Instance {
	f.Helper()
	return f.on(runner.OpStart, *f.do(runner.Action{Op: runner.OpCreate, Service: service, Number: 1})[0].Instance)
}

// watch follows a runtime; until waits for what is to come.
func (f *fixture) watch() (until func(what string, is func(runner.Observation) bool) runner.Observation) {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	seen, done := make(chan runner.Observation, 100), make(chan error, 1)
	rt := f.rt
	go func() { done <- rt.Watch(ctx, func(o runner.Observation) { seen <- o }) }()
	f.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			f.Error(err)
		}
	})
	return func(what string, is func(runner.Observation) bool) runner.Observation {
		f.Helper()
		for {
			select {
			case o := <-seen:
				if is(o) {
					return o
				}
			case <-time.After(patience):
				f.Fatalf("waited in vain for %s", what)
			}
		}
	}
}

func (f *fixture) get(addr string) (string, error) {
	resp, err := http.Get("http://" + addr)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func (f *fixture) read1(service string, port int, want string) {
	f.Helper()
	addr, ok := f.rt.Address(service, port)
	if !ok {
		f.Fatalf("%s:%d has no address", service, port)
	}
	if got, err := f.get(addr); err != nil || got != want {
		f.Errorf("%s at %s says %q, %v, not %q", service, addr, got, err, want)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestLife(t *testing.T) {
	f := load(t, "services:\n  mq: {image: diary}\n")
	until := f.watch()
	first := until("a snapshot", func(o runner.Observation) bool { return o.Snapshot != nil }).Snapshot
	if len(first.Instances) != 0 || first.Images["mq"].ID == "" || first.Networks["default"].Hash == "" {
		t.Errorf("at first there is %+v", first)
	}
	made := *f.do(runner.Action{Op: runner.OpCreate, Service: "mq", Number: 1})[0].Instance
	if made.State != runner.InstanceCreated || made.Name != "embedded-mq-1" || made.Hash == "" || made.ImageID != first.Images["mq"].ID {
		t.Errorf("created %+v", made)
	}
	if again := f.do(runner.Action{Op: runner.OpCreate, Service: "mq", Number: 1})[0].Instance; again.ID != made.ID {
		t.Error("created twice")
	}
	if _, err := f.rt.Probe(t.Context(), made.ID); err == nil {
		t.Error("what does not run is healthy")
	}
	addr, _ := f.rt.Address("mq", 80)
	for range 2 {
		if in := f.on(runner.OpStart, made); !in.Alive() || in.Health != runner.HealthHealthy || len(in.Ports) != 1 || in.Ports[0].Target != 80 {
			t.Errorf("started %+v", in)
		}
	}
	until("running", func(o runner.Observation) bool { return o.Instance != nil && o.Instance.Alive() })
	f.read1("mq", 80, "x")
	if out, err := f.rt.Probe(t.Context(), made.ID); err != nil || !strings.Contains(out, addr) {
		t.Errorf("probed %q, %v", out, err)
	}
	for range 2 {
		if in := f.on(runner.OpStop, made); in.State != runner.InstanceExited || in.ExitCode != 0 || in.FinishedAt.IsZero() || len(in.Ports) != 0 {
			t.Errorf("stopped %+v", in)
		}
	}
	if _, err := f.get(addr); err == nil {
		t.Error("it still answers")
	}
	f.on(runner.OpStart, made)
	f.read1("mq", 80, "xx")
	if now, _ := f.rt.Address("mq", 80); now != addr {
		t.Errorf("it moved from %s to %s", addr, now)
	}
	for range 2 {
		if o := f.do(runner.Action{Op: runner.OpRemove, Service: "mq", Instance: made.ID}); o[0].Gone != made.ID {
			t.Errorf("removed %+v", o)
		}
	}
	f.up("mq")
	f.read1("mq", 80, "xxx")
}

// Data outlives replacement and a plain removal; it goes with the volumes.
func TestData(t *testing.T) {
	f := load(t, "services:\n  mq: {image: diary}\n  named: {image: diary, volumes: ['data:/data']}\nvolumes: {data: {}}\n")
	mq, named := f.up("mq"), f.up("named")
	f.read1("mq", 80, "x")
	f.read1("named", 80, "x")
	o := f.do(runner.Action{Op: runner.OpCreate, Service: "mq", Number: 1, Replaces: mq.ID})
	if len(o) != 2 || o[0].Gone != mq.ID || o[1].Instance.ID == mq.ID {
		t.Errorf("replaced: %+v", o)
	}
	mq = f.on(runner.OpStart, *o[1].Instance)
	f.read1("mq", 80, "xx")
	f.do(runner.Action{Op: runner.OpRemove, Service: "mq", Instance: mq.ID, Volumes: true})
	mq = f.up("mq")
	f.read1("mq", 80, "x")
	o = f.do(runner.Action{Op: runner.OpCreate, Service: "mq", Number: 1, Replaces: mq.ID, Volumes: true})
	f.on(runner.OpStart, *o[1].Instance)
	f.read1("mq", 80, "x")

	if _, err := f.rt.Do(t.Context(), runner.Action{Op: runner.OpRemoveVolume, Key: "data"}, nil); err == nil {
		t.Error("a volume in use was removed")
	}
	f.do(runner.Action{Op: runner.OpRemove, Service: "named", Instance: named.ID})
	until := f.watch()
	until("a snapshot", func(o runner.Observation) bool { return o.Snapshot != nil })
	f.do(runner.Action{Op: runner.OpRemoveVolume, Key: "data"})
	until("the volume is gone", func(o runner.Observation) bool {
		return o.Resource != nil && o.Resource.Gone && o.Resource.Resource.Key == "data" && o.Resource.Kind == runner.ResourceVolume
	})
	f.up("named")
	f.read1("named", 80, "x")
}

// The next session finds what there is, stopped, with its data and at the same address.
func TestNextSession(t *testing.T) {
	f := load(t, "services:\n  mq: {image: diary}\n")
	in := f.up("mq")
	f.read1("mq", 80, "x")
	addr, _ := f.rt.Address("mq", 80)
	if err := f.rt.Close(); err != nil {
		t.Fatal(err)
	}
	f.again()
	found := f.watch()("a snapshot", func(o runner.Observation) bool { return o.Snapshot != nil }).Snapshot.Instances[in.ID]
	if found.State != runner.InstanceExited || found.ExitCode != 0 || found.Hash != in.Hash {
		t.Errorf("found %+v", found)
	}
	f.on(runner.OpStart, found)
	f.read1("mq", 80, "xx")
	if now, _ := f.rt.Address("mq", 80); now != addr {
		t.Errorf("it moved from %s to %s", addr, now)
	}
	killed := f.rt // goes on, as far as the next one knows it was killed
	f.again()
	if found = f.rt.instances[in.ID].state; found.State != runner.InstanceExited || found.ExitCode != 137 {
		t.Errorf("after a kill: %+v", found)
	}
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPorts(t *testing.T) {
	public, other := freePort(t), freePort(t)
	f := load(t, fmt.Sprintf(`services:
  mq: {image: diary, expose: ["81", "9999"], ports: ["%d:80", "127.0.0.1:%d:82"]}
  two: {image: diary}
`, public, other))
	in := f.up("mq")
	want := map[int]int{80: public, 82: other}
	for _, p := range in.Ports {
		if p.HostIP != "127.0.0.1" || p.Protocol != "tcp" || want[p.Target] != 0 && want[p.Target] != p.Host {
			t.Errorf("port %+v", p)
		}
	}
	if len(in.Ports) != 3 {
		t.Errorf("ports %+v", in.Ports)
	}
	for _, port := range []int{public, other} {
		if _, err := f.get(loopback(port)); err != nil {
			t.Error(err)
		}
	}
	for _, port := range []int{80, 81, 82} {
		if addr, ok := f.rt.Address("mq", port); !ok {
			t.Errorf("port %d has no address", port)
		} else if _, err := f.get(addr); err != nil {
			t.Error(err)
		}
	}
	if addr, ok := f.rt.Address("mq", 9999); ok {
		t.Errorf("what is not served is at %s", addr)
	}
	a, _ := f.rt.Address("mq", 80)
	if b, _ := f.rt.Address("two", 80); a == b {
		t.Error("two services have one address")
	}
	var lines bytes.Buffer
	if err := f.rt.Logs(t.Context(), in.ID, runner.LogOptions{Tail: -1}, func(l runner.LogLine) { fmt.Fprintln(&lines, l.Text) }); err != nil {
		t.Fatal(err)
	}
	if text := lines.String(); !strings.Contains(text, "port 9999") || !strings.Contains(text, "listening port=81") {
		t.Errorf("it says %s", text)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f.read(fmt.Sprintf("services:\n  two: {image: diary, ports: ['%d:80']}\n", taken.Addr().(*net.TCPAddr).Port))
	if err := f.rt.Use(t.Context(), f.project); err != nil {
		t.Fatal(err)
	}
	made := f.do(runner.Action{Op: runner.OpCreate, Service: "two", Number: 1})[0].Instance
	var e *runner.Error
	if _, err := f.rt.Do(t.Context(), runner.Action{Op: runner.OpStart, Service: "two", Instance: made.ID}, nil); !errors.As(err, &e) || e.Service != "two" || e.Hint == "" {
		t.Errorf("a port that is taken: %v", err)
	}
	if addr, _ := f.rt.Address("two", 80); addr != "" {
		if _, err := f.get(addr); err == nil {
			t.Error("what did not start answers")
		}
	}
}

// A private port that somebody took meanwhile is replaced by another one.
func TestTakenMeanwhile(t *testing.T) {
	f := load(t, "services:\n  mq: {image: diary}\n")
	before, _ := f.rt.Address("mq", 80)
	l, err := net.Listen("tcp", before)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.up("mq")
	if now, _ := f.rt.Address("mq", 80); now == before {
		t.Errorf("it is still at %s", before)
	}
	f.read1("mq", 80, "x")
}

func TestLogs(t *testing.T) {
	f := load(t, "services:\n  mq: {image: diary}\n")
	in := f.up("mq")
	lines, done := make(chan runner.LogLine, 10), make(chan error, 1)
	go func() {
		done <- f.rt.Logs(t.Context(), in.ID, runner.LogOptions{Tail: -1, Follow: true}, func(l runner.LogLine) { lines <- l })
	}()
	if l := <-lines; l.Text != "level=INFO msg=listening port=80" || l.Time.IsZero() || l.Stderr {
		t.Errorf("line %+v", l)
	}
	f.on(runner.OpStop, in)
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.on(runner.OpStart, in)
	go func() {
		done <- f.rt.Logs(ctx, in.ID, runner.LogOptions{Follow: true}, func(runner.LogLine) { t.Error("a line from before") })
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestFailures(t *testing.T) {
	f := load(t, `services:
  open: {image: diary, environment: {FAIL: open}}
  run: {image: diary, environment: {FAIL: run}}
  other: {image: postgres}
`)
	fails := func(a runner.Action, words ...string) {
		t.Helper()
		_, err := f.rt.Do(t.Context(), a, nil)
		var e *runner.Error
		if !errors.As(err, &e) || e.Hint == "" {
			t.Fatalf("%s: %v", a, err)
		}
		for _, w := range words {
			if !strings.Contains(e.Error(), w) {
				t.Errorf("%s: %q says nothing of %q", a, e, w)
			}
		}
	}
	fails(runner.Action{Op: runner.OpCreate, Service: "nobody", Number: 1}, "nobody")
	fails(runner.Action{Op: runner.OpCreate, Service: "run", Number: 2}, "of which there is one")
	fails(runner.Action{Op: runner.OpStart, Service: "run", Instance: "none"}, "none")
	fails(runner.Action{Op: runner.OpPause, Service: "run"}, "run")
	in := f.do(runner.Action{Op: runner.OpCreate, Service: "open", Number: 1})[0].Instance
	fails(runner.Action{Op: runner.OpStart, Service: "open", Instance: in.ID}, "open", "damaged")

	until := f.watch()
	until("a snapshot", func(o runner.Observation) bool { return o.Snapshot != nil })
	run := f.up("run")
	addr, _ := f.rt.Address("run", 80)
	_, _ = f.get(addr) // it ends before it answers, or after
	ended := until("its end", func(o runner.Observation) bool {
		return o.Instance != nil && o.Instance.ID == run.ID && o.Instance.State == runner.InstanceExited
	}).Instance
	if ended.ExitCode != 1 || ended.Error != "it had enough" {
		t.Errorf("ended as %+v", ended)
	}
	f.on(runner.OpStart, run)
}
