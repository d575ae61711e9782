package session_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"msdev/journal"
	"msdev/runner"
	"msdev/runner/docker"
	"msdev/runner/process"
	"msdev/session"
	"msdev/testenv"
)

// desk is a project that sessions come and go for, as they do when msdev is killed and started again.
type desk struct {
	t    *testing.T
	load runner.LoadOptions
	wire session.Wire
	c    *session.Client
}

// atDesk makes a project of files, and takes what is left of it away when the test ends.
func atDesk(t *testing.T, files map[string]string) *desk {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	d := &desk{t: t, load: project(t, files["compose.yaml"]), wire: onDocker(testenv.Engines(t)[0].Host)}
	for name, text := range files {
		d.write(name, text)
	}
	t.Cleanup(func() {
		if d.c == nil {
			d.open()
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := d.c.Do(ctx, session.Command{Verb: session.VerbDown, Down: session.DownOptions{Volumes: true, Images: "local"}}); err != nil {
			t.Errorf("down: %v", err)
		}
		d.close()
	})
	d.open()
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.load.WorkDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) remove(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.load.WorkDir, name)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) open() {
	d.t.Helper()
	c, err := session.Local(context.WithoutCancel(d.t.Context()), session.Config{Load: d.load, Logs: true, Linger: true}, d.wire)
	if err != nil {
		d.t.Fatal(err)
	}
	d.c = c
}

// close ends the session; containers go on.
func (d *desk) close() {
	d.t.Helper()
	if err := d.c.Close(); err != nil {
		d.t.Error(err)
	}
	d.c = nil
}

func (d *desk) do(cmd session.Command) {
	d.t.Helper()
	if _, err := d.c.Do(d.t.Context(), cmd); err != nil {
		d.t.Fatalf("%s: %v", cmd.Verb, err)
	}
}

func (d *desk) up(o session.UpOptions, services ...string) {
	d.t.Helper()
	o.Watch, o.Wait = true, true
	d.do(session.Command{Verb: session.VerbUp, Up: o, Services: services})
}

// in runs a command in a service's container, and returns what it wrote.
func (d *desk) in(service string, command ...string) string {
	d.t.Helper()
	var out bytes.Buffer
	if _, err := d.c.Exec(d.t.Context(), session.ExecRequest{Service: service, Command: command}, nil, &out, &out, nil); err != nil {
		return err.Error() // it may be about to start
	}
	return strings.TrimSpace(out.String())
}

// until waits until a command in a container writes what is wanted.
func (d *desk) until(want, service string, command ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		got := d.in(service, command...)
		if got == want {
			return
		}
		select {
		case <-ctx.Done():
			d.t.Fatalf("%s in %s writes %q, wanted %q\n%s", command, service, got, want, d.said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// said is what the events tell.
func (d *desk) said() string {
	page, err := d.c.Records(context.WithoutCancel(d.t.Context()), session.RecordQuery{Kinds: 1 << 4, Limit: 500})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, r := range page.Records {
		b.WriteString(r.Time.Format("05.000 ") + r.Stream + " " + r.Ref + " " + r.Text + "\n")
	}
	return b.String()
}

func (d *desk) instance(service string) runner.Instance {
	d.t.Helper()
	st, err := d.c.State(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, s := range st.Services {
		if s.Service == service && len(s.Instances) == 1 {
			return s.Instances[0]
		}
	}
	d.t.Fatalf("there is not one instance of %s", service)
	return runner.Instance{}
}

const missedCompose = `
services:
  synced:
    build: {context: ., dockerfile_inline: "FROM busybox\nCOPY src /data"}
    command: sleep 1000
    stop_signal: SIGKILL
    develop: {watch: [{action: sync, path: src, target: /data}]}
  restarted:
    image: busybox
    command: [sh, -c, "cat /conf/conf >/seen; exec sleep 1000"]
    stop_signal: SIGKILL
    develop: {watch: [{action: sync+restart, path: conf, target: /conf, initial_sync: true}]}
  built:
    build: built
    command: sleep 1000
    stop_signal: SIGKILL
    develop: {watch: [{action: rebuild, path: built}]}
`

// TestWhatWasMissedIsBroughtIn changes files while their services, or msdev itself, are not there.
func TestWhatWasMissedIsBroughtIn(t *testing.T) {
	d := atDesk(t, map[string]string{"compose.yaml": missedCompose, "src/a": "one", "src/b": "one", "conf/conf": "one",
		"built/version": "one", "built/Dockerfile": "FROM busybox\nCOPY version /version\n"})
	d.up(session.UpOptions{})
	d.until("one", "restarted", "cat", "/seen") // it was there before the start
	built := d.instance("built")

	// While services are stopped: the files are there when they start.
	d.do(session.Command{Verb: session.VerbStop, Services: []string{"synced", "restarted"}})
	d.write("src/a", "two")
	d.remove("src/b")
	d.write("conf/conf", "two")
	d.do(session.Command{Verb: session.VerbStart, Services: []string{"synced", "restarted"}})
	d.until("two", "synced", "cat", "/data/a")
	d.until("a", "synced", "ls", "/data")
	d.until("two", "restarted", "cat", "/seen")

	// While nobody watches.
	d.close()
	d.write("src/a", "three")
	d.write("src/new/c", "three")
	d.write("conf/conf", "three")
	d.write("built/version", "two")
	d.open()
	d.up(session.UpOptions{})
	d.until("three", "synced", "cat", "/data/a")
	d.until("three", "synced", "cat", "/data/new/c")
	d.until("three", "restarted", "cat", "/seen")
	d.until("two", "built", "cat", "/version")
	if now := d.instance("built"); now.ImageID == built.ImageID {
		t.Error("it was not built again")
	}

	// A container that is made anew of its image has lost what was brought in since.
	before := d.instance("synced")
	d.up(session.UpOptions{ForceRecreate: true}, "synced")
	if now := d.instance("synced"); now.ID == before.ID {
		t.Error("it is the same container")
	}
	if got := d.in("synced", "cat", "/data/a", "/data/new/c"); got != "threethree" {
		t.Errorf("a container that was made anew has %q", got)
	}

	// Nothing is done twice.
	d.close()
	ids := d.instanceIDs()
	d.open()
	d.up(session.UpOptions{})
	d.write("src/a", "four")
	d.until("four", "synced", "cat", "/data/a")
	for _, service := range []string{"restarted", "built"} {
		if now := d.instance(service); now.ID != ids[service].ID || !now.StartedAt.Equal(ids[service].StartedAt) {
			t.Errorf("%s was not left alone\n%s", service, d.said())
		}
	}
}

func (d *desk) instanceIDs() map[string]runner.Instance {
	d.t.Helper()
	d.open()
	defer d.close()
	st, err := d.c.State(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	all := map[string]runner.Instance{}
	for _, s := range st.Services {
		for _, in := range s.Instances {
			all[s.Service] = in
		}
	}
	return all
}

// told waits for an event that comes after a cursor, and returns the cursor behind it.
func (d *desk) told(after uint64, part string) uint64 {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		page, err := d.c.Records(ctx, session.RecordQuery{Kinds: journal.KindSet(journal.KindEvent), Cursor: after, Limit: 1})
		if err == nil && len(page.Records) == 0 {
			_, err = d.c.Wait(ctx, page.Next)
		}
		if err != nil {
			d.t.Fatalf("nobody said %q: %v\n%s", part, err, d.said())
		}
		after = page.Next
		if len(page.Records) == 1 && strings.Contains(page.Records[0].Text, part) {
			return after
		}
	}
}

// TestSyncIntoAFullDisk has no room for one file: the others arrive all the same, and it does when there is.
func TestSyncIntoAFullDisk(t *testing.T) {
	d := atDesk(t, map[string]string{"src/a": "one", "compose.yaml": `
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: ["small:/data"]
    develop: {watch: [{action: sync, path: src, target: /data}]}
volumes:
  small: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m"}}
`})
	d.up(session.UpOptions{})
	d.write("src/big", strings.Repeat("x", 3<<20))
	const full = `not reloaded: service "web": there is no room for /data/big in its container `
	at := d.told(0, full)
	d.in("web", "rm", "-f", "/data/big") // what there was room for
	d.write("src/a", "two")
	d.until("two", "web", "cat", "/data/a")
	d.told(at, full) // it was tried again
	d.in("web", "rm", "-f", "/data/big")
	d.write("src/big", "fits")
	d.until("fits", "web", "cat", "/data/big")
}

// TestKilledWhileFilesAreCopied kills containers in the middle of a sync: what starts in their place has the file.
func TestKilledWhileFilesAreCopied(t *testing.T) {
	d := atDesk(t, map[string]string{"again/a": "one", "once/a": "one", "compose.yaml": `
services:
  again:
    image: busybox
    command: [sh, -c, "sleep 1000; exit 1"]
    stop_signal: SIGKILL
    restart: always
    develop: {watch: [{action: sync, path: again, target: /data}]}
  once:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    develop: {watch: [{action: sync, path: once, target: /data}]}
`})
	d.up(session.UpOptions{})
	engine := d.engine()
	t.Run("and started again by the engine", func(t *testing.T) {
		size := d.caughtCopying(t, "again")
		_ = d.in("again", "killall", "-9", "sleep") // one that is killed through the engine is not started again by it
		d.until(size+" /data/big", "again", "wc", "-c", "/data/big")
	})
	t.Run("and started by the next up", func(t *testing.T) {
		size := d.caughtCopying(t, "once")
		if _, err := engine.Do(t.Context(), runner.Action{Op: runner.OpKill, Service: "once", Instance: d.instance("once").ID}, nil); err != nil {
			t.Fatal(err)
		}
		d.up(session.UpOptions{})
		d.until(size+" /data/big", "once", "wc", "-c", "/data/big")
	})
}

// caughtCopying returns while a big file is copied into a service, and tells its size. A copy that is over before it was seen is none.
func (d *desk) caughtCopying(t *testing.T, service string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for size := int64(64 << 20); ; size++ {
		d.write(service+"/big", "")
		if err := os.Truncate(filepath.Join(d.load.WorkDir, service, "big"), size); err != nil { // it takes no room here
			t.Fatal(err)
		}
		began, caught, seen := time.Now(), false, errors.New("seen")
		err := d.c.Watch(ctx, func(st session.State) error {
			for _, s := range st.Services {
				if s.Service != service {
					continue
				}
				caught = strings.HasPrefix(s.Detail, "copying files")
				if caught || s.Reload != nil && len(s.Reload.History) > 0 && s.Reload.History[0].At.After(began) && s.State == runner.StateReady {
					return seen
				}
			}
			return nil
		})
		if !errors.Is(err, seen) {
			t.Fatalf("nothing was copied: %v\n%s", err, d.said())
		}
		if caught {
			return strconv.FormatInt(size, 10)
		}
	}
}

// engine is what containers run on, beside the session.
func (d *desk) engine() *docker.Runtime {
	d.t.Helper()
	p, err := runner.Load(d.t.Context(), d.load)
	if err != nil {
		d.t.Fatal(err)
	}
	engine, err := docker.New(d.t.Context(), p, docker.Options{Host: testenv.Engines(d.t)[0].Host})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// TestWatchPrunes removes images that rebuilds have taken the place of, but for the one before; and what is not watched is told.
func TestWatchPrunes(t *testing.T) {
	d := atDesk(t, map[string]string{"built/version": "one", "built/Dockerfile": "FROM busybox\nCOPY version /version\n", "compose.yaml": `
services:
  built:
    build: built
    command: sleep 1000
    stop_signal: SIGKILL
    tmpfs: [/run]
    develop: {watch: [{action: rebuild, path: built}, {action: sync, path: run, target: /run/it}]}
`})
	d.up(session.UpOptions{})
	engine, images := d.engine(), []string{d.instance("built").ImageID}
	d.do(session.Command{Verb: session.VerbWatch, Watch: session.WatchOn, Prune: true})
	d.told(0, "compose.yaml:8: a tmpfs is mounted at /run/it in built, into which engines copy no files")
	for _, version := range []string{"two", "three"} {
		d.write("built/version", version)
		d.until(version, "built", "cat", "/version")
		images = append(images, d.instance("built").ImageID)
	}
	for limit := time.After(2 * time.Minute); ; {
		if _, err := engine.Dated(t.Context(), images[0]); err != nil {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			t.Fatalf("the first image is still there\n%s", d.said())
		}
	}
	for _, image := range images[1:] {
		if _, err := engine.Dated(t.Context(), image); err != nil {
			t.Errorf("%s is gone: %v", image, err)
		}
	}
	d.do(session.Command{Verb: session.VerbRestart, Services: []string{"built"}, Previous: true})
	if got := d.in("built", "cat", "/version"); got != "two" {
		t.Errorf("the version before is %q", got)
	}
}

// TestAProcessIsBuiltAtItsStart changes what a process is built of while it is stopped, and nothing is watched.
func TestAProcessIsBuiltAtItsStart(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	d := &desk{t: t, load: project(t, "services:\n  web:\n    x-msdev: {build: cp version built, run: sleep 1000}\n")}
	d.write("version", "one")
	state := t.TempDir()
	d.wire = func(_ context.Context, p *runner.Project, _ string) (session.Launch, error) {
		rt, err := process.New(p, process.Options{StateDir: state})
		return session.Launch{Runtimes: []runner.Runtime{rt}, Of: func(string) string { return runner.Native }}, err
	}
	d.open()
	defer d.close() // what runs ends with it
	d.do(session.Command{Verb: session.VerbUp})
	d.do(session.Command{Verb: session.VerbStop})
	d.write("version", "two")
	d.do(session.Command{Verb: session.VerbStart})
	if built, err := os.ReadFile(filepath.Join(d.load.WorkDir, "built")); string(built) != "two" {
		t.Errorf("it is built of %q, %v", built, err)
	}
	if in := d.instance("web"); in.State != runner.InstanceRunning {
		t.Errorf("it is %s", in.State)
	}
	d.do(session.Command{Verb: session.VerbStop})
	d.remove("version")
	if _, err := d.c.Do(t.Context(), session.Command{Verb: session.VerbStart}); err == nil || !strings.Contains(err.Error(), `service "web": its build`) {
		t.Errorf("a build that fails is told as %v", err)
	}
}
