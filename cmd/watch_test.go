package cmd_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msdev/testenv"
)

// watchedProject asks for every action of develop.watch.
const watchedProject = `
services:
  plain:
    image: busybox
    command: [sleep, "1000"]
    network_mode: none
    stop_signal: SIGKILL
    develop:
      watch:
        - {action: sync, path: ./src, target: /src, ignore: ["*.tmp", skip/], initial_sync: true}
        - {action: sync, path: ./inc, target: /inc, include: ["*.js"]}
        - {action: sync+exec, path: ./hook, target: /hook, exec: {command: [sh, -c, "cat /hook/a >/hook/seen"]}}
  again:
    image: busybox
    command: [sleep, "1000"]
    network_mode: none
    stop_signal: SIGKILL
    develop: {watch: [{action: sync+restart, path: ./conf, target: /conf}, {action: restart, path: ./flags}]}
  follower:
    image: busybox
    command: [sleep, "1000"]
    network_mode: none
    stop_signal: SIGKILL
    depends_on: {again: {condition: service_started, restart: true}}
  built:
    build: ./built
    command: [sleep, "1000"]
    network_mode: none
    stop_signal: SIGKILL
    develop: {watch: [{action: rebuild, path: ./built, ignore: [notes/]}]}
`

// What becomes of a container.
const (
	restarted = "is restarted"
	recreated = "is made anew"
)

// TestWatchProgramsLikeCompose has `msdev watch` and `docker compose watch` each watch a project of its own, does the same to the
// files of both, and compares what becomes of the containers and what is in them.
func TestWatchProgramsLikeCompose(t *testing.T) {
	engine := testenv.Engines(t)[0]
	ours, theirs := newWatched(t, engine), newWatched(t, engine)
	ours.watch("Watching;", "msdev")
	theirs.watch("Watch enabled", testenv.Compose(t), "-p", theirs.project)
	both := []*watched{theirs, ours}
	for _, w := range both {
		w.untilWatched()
	}
	steps := []struct {
		name  string
		do    func(d folder)
		fates map[string]string // of the containers that do not just go on
	}{
		{"edits, of which some are ignored", func(d folder) {
			d.write("src/a", "2")
			d.write("src/x.tmp", "1")
			d.write("src/skip/x", "2")
			d.write("inc/x.js", "2")
			d.write("inc/x.ts", "2")
		}, nil},
		{"an edit by another name, a new folder with a program", func(d folder) {
			d.write("src/.a.swp", "3")
			d.rename("src/.a.swp", "src/a")
			d.write("src/n/e/w", "1")
			d.chmod("src/n/e/w", 0o755)
		}, nil},
		{"a file and a folder go", func(d folder) { d.remove("src/b/c"); d.remove("src/n") }, nil},
		{"a command after it", func(d folder) { d.write("hook/a", "2") }, nil},
		{"a file for a restart", func(d folder) { d.write("conf/a", "2") }, map[string]string{"again": restarted, "follower": restarted}},
		{"a restart alone", func(d folder) { d.write("flags/a", "2") }, map[string]string{"again": restarted, "follower": restarted}},
		{"a file goes, and a restart", func(d folder) { d.remove("conf/b") }, map[string]string{"again": restarted, "follower": restarted}},
		{"a new image", func(d folder) { d.write("built/version", "2") }, map[string]string{"built": recreated}},
		{"what no image is built of", func(d folder) { d.write("built/notes/x", "2") }, nil},
	}
	alike(t, "at first", theirs, ours)
	for n, step := range steps {
		before := map[*watched]map[string]container{theirs: theirs.containers(), ours: ours.containers()}
		for _, w := range both {
			d := folder{t, w.dir}
			step.do(d)
			d.write("src/step", fmt.Sprint(n))
		}
		for _, w := range both {
			w.until(step.name+": the step's file", func() bool {
				return strings.Contains(w.files("plain", "/src"), fmt.Sprintf("src/step 644 %d:%d %d", os.Getuid(), os.Getgid(), n))
			})
			w.until(fmt.Sprintf("%s: becomes %v, and no other", step.name, step.fates), func() bool { return maps.Equal(fates(before[w], w.containers()), step.fates) })
		}
		alike(t, step.name, theirs, ours)
	}
}

// watched is a project that a program watches.
type watched struct {
	t            *testing.T
	dir, project string
	env          []string
	engine       http.Client
	program      string
	ready        string // what it says when it watches
}

// container is what tells a run of a container from another one.
type container struct{ id, started string }

func newWatched(t *testing.T, engine testenv.Engine) *watched {
	dir, err := os.MkdirTemp("", "watched") //nolint:usetesting // short, as a socket's path has its limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &watched{t: t, dir: filepath.Join(dir, "project"), project: testenv.ProjectName(t)}
	network, address, _ := strings.Cut(engine.Host, "://")
	w.engine.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(w.engine.CloseIdleConnections)
	w.env = append(os.Environ(), "DOCKER_HOST="+engine.Host, "DOCKER_CONFIG="+testenv.DockerConfig(t), "COMPOSE_PROJECT_NAME="+w.project,
		"XDG_RUNTIME_DIR="+filepath.Join(dir, "run"), "XDG_STATE_HOME="+filepath.Join(dir, "state"))
	d := folder{t, w.dir}
	d.must(os.Mkdir(filepath.Join(dir, "run"), 0o700))
	for name, content := range map[string]string{
		"compose.yaml": watchedProject, "src/a": "1", "src/b/c": "1", "src/b/d": "1", "src/skip/x": "1", "src/Dockerfile": "1", "inc/x.js": "1", "hook/a": "1",
		"conf/a": "1", "conf/b": "1", "flags/a": "1", "built/version": "1", "built/notes/x": "1",
		"built/Dockerfile": "FROM busybox\nCOPY version /version\n",
	} {
		d.write(name, content)
	}
	return w
}

// watch starts a program that watches, and ends it with the test.
func (w *watched) watch(ready, program string, args ...string) {
	w.t.Helper()
	w.ready, w.program = ready, program
	said, err := os.Create(w.dir + ".said")
	if err != nil {
		w.t.Fatal(err)
	}
	defer said.Close()
	w.t.Cleanup(func() { w.run("down", "-v", "-t", "0") })
	c := exec.Command(program, append(args, "watch")...)
	c.Dir, c.Env, c.Stdout, c.Stderr = w.dir, w.env, said, said
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
		if w.t.Failed() {
			w.t.Logf("%s said:\n%s", w.program, w.said())
		}
	})
}

func (w *watched) said() string {
	text, _ := os.ReadFile(w.dir + ".said")
	return string(text)
}

func (w *watched) run(args ...string) {
	c := exec.Command(w.program, args...)
	c.Dir, c.Env = w.dir, w.env
	if out, err := c.CombinedOutput(); err != nil {
		w.t.Logf("%s %s: %v\n%s", w.program, args, err, out)
	}
}

// untilWatched waits until the program watches and what is to be there at first is there.
func (w *watched) untilWatched() {
	w.t.Helper()
	w.until("that it watches", func() bool { return strings.Contains(w.said(), w.ready) })
	w.until("the initial sync", func() bool { return strings.Contains(w.files("plain", "/src"), "src/b/d 644") })
}

func (w *watched) until(what string, met func() bool) {
	w.t.Helper()
	for began := time.Now(); !met(); <-time.After(50 * time.Millisecond) {
		if time.Since(began) > patience {
			w.t.Fatalf("%s: waited in vain for it: %s", filepath.Base(w.program), what)
		}
	}
}

// ask asks the engine.
func (w *watched) ask(path string, query url.Values) (io.ReadCloser, error) {
	answer, err := w.engine.Get("http://engine" + path + "?" + query.Encode())
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return answer.Body, nil
}

// containers are those that run, by service.
func (w *watched) containers() map[string]container {
	all := map[string]container{}
	body, err := w.ask("/containers/json", url.Values{"filters": {fmt.Sprintf(`{"label":["com.docker.compose.project=%s"]}`, w.project)}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer body.Close()
	var list []struct {
		ID     string `json:"Id"`
		Labels map[string]string
	}
	if err := json.NewDecoder(body).Decode(&list); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range list {
		body, err := w.ask("/containers/"+c.ID+"/json", nil)
		if err != nil {
			continue // it went meanwhile
		}
		var in struct{ State struct{ StartedAt string } }
		err = json.NewDecoder(body).Decode(&in)
		_ = body.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		all[c.Labels["com.docker.compose.service"]] = container{c.ID, in.State.StartedAt}
	}
	return all
}

// fates are what became of those containers that do not just go on.
func fates(before, now map[string]container) map[string]string {
	became := map[string]string{}
	for service, was := range before {
		switch is := now[service]; {
		case is == was:
		case is.id == "":
			became[service] = "does not run"
		case is.id == was.id:
			became[service] = restarted
		default:
			became[service] = recreated
		}
	}
	return became
}

// files lists what is below a path in the container of a service, with kinds, permissions, owners and contents.
func (w *watched) files(service, path string) string {
	body, err := w.ask("/containers/"+w.containers()[service].id+"/archive", url.Values{"path": {path}})
	if err != nil {
		return path + " is not there"
	}
	defer body.Close()
	var lines []string
	for r := tar.NewReader(body); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		content, failed := io.ReadAll(r)
		if err := errors.Join(err, failed); err != nil {
			return path + " is being written to"
		}
		lines = append(lines, fmt.Sprintf("%s %o %d:%d %s%s", h.Name, h.Mode&0o7777, h.Uid, h.Gid, content, h.Linkname))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// everything lists all that may have come into the containers.
func (w *watched) everything() string {
	var all []string
	for _, at := range [][2]string{{"plain", "/src"}, {"plain", "/inc"}, {"plain", "/hook"}, {"again", "/conf"}, {"again", "/flags"}, {"built", "/version"}} {
		all = append(all, at[0]+": "+w.files(at[0], at[1]))
	}
	return strings.Join(all, "\n")
}

// alike waits until the containers of both hold the same: the last file of a step need not be the last that arrives.
func alike(t *testing.T, when string, theirs, ours *watched) {
	t.Helper()
	var there, here string
	for began := time.Now(); time.Since(began) < patience; <-time.After(100 * time.Millisecond) {
		if there, here = theirs.everything(), ours.everything(); there == here {
			return
		}
	}
	t.Errorf("%s: with Compose:\n%s\nwith msdev:\n%s", when, there, here)
}

// folder is where a step does its work.
type folder struct {
	t   *testing.T
	dir string
}

func (d folder) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d folder) write(name, content string) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	d.must(os.MkdirAll(filepath.Dir(path), 0o755))
	d.must(os.WriteFile(path, []byte(content), 0o644))
}

func (d folder) chmod(name string, mode os.FileMode) {
	d.t.Helper()
	d.must(os.Chmod(filepath.Join(d.dir, name), mode))
}

func (d folder) remove(name string) {
	d.t.Helper()
	d.must(os.RemoveAll(filepath.Join(d.dir, name)))
}

func (d folder) rename(from, to string) {
	d.t.Helper()
	d.must(os.Rename(filepath.Join(d.dir, from), filepath.Join(d.dir, to)))
}
