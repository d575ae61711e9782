package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"msdev/runner"
	"msdev/runner/watch"
	"msdev/testenv"
)

const watchedCompose = `
services:
  web:
    image: busybox
    build: {context: ., dockerfile_inline: "FROM busybox"}
    network_mode: none
    stop_signal: SIGKILL
    command: [sh, -c, "mkdir -p /app/pre /there && echo old >/app/pre/file && ln -s /there /app/lnk && touch /ready && exec sleep 600"]
    develop:
      watch:
        - {action: sync, path: ./src, target: /app, ignore: [skip/, "*.tmp"]}
        - {action: sync, path: ./inc, target: /inc, include: ["*.js", lib]}
        - {action: sync+exec, path: ./conf, target: /conf, exec: {command: [sh, -c, "cat /conf/a >/conf/seen"]}}
        - {action: sync, path: ./one.txt, target: /one.txt}
`

// side is a project whose files one of two programs brings into its container.
type side struct {
	t   *testing.T
	r   *Runtime
	id  string
	dir string
}

func startSide(t *testing.T, e testenv.Engine, compose string) *side {
	t.Helper()
	r := project(t, e, compose, map[string]string{
		".dockerignore": "src/left-out\n**/*.o\n", "src/a": "1", "src/b/c": "1", "src/b/d": "1", "src/old": "1", "src/skip/x": "1", "src/Dockerfile": "1", "src/x.tmp": "1", "inc/x.js": "1", "conf/a": "1", "one.txt": "1",
	})
	in := do(t, r, runner.Action{Op: runner.OpCreate, Service: "web", Number: 1})
	do(t, r, runner.Action{Op: runner.OpStart, Service: "web", Instance: in.ID})
	waitFor(t, r, in.ID, "/ready")
	return &side{t: t, r: r, id: in.ID, dir: r.project().Dir}
}

// compose has Docker Compose watch.
func (s *side) compose(e testenv.Engine) {
	s.t.Helper()
	said, err := os.Create(filepath.Join(s.t.TempDir(), "said"))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	cmd := exec.CommandContext(ctx, testenv.Compose(s.t), "-p", s.r.project().Name, "watch", "--no-up")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, said, said
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host, "DOCKER_CONFIG="+testenv.DockerConfig(s.t))
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if s.t.Failed() {
			text, _ := os.ReadFile(said.Name())
			s.t.Logf("Compose said: %s", text)
		}
	})
	s.until("that Compose watches", func() bool {
		text, err := os.ReadFile(said.Name())
		return err == nil && strings.Contains(string(text), "Watch enabled")
	})
}

// ours watches as msdev does.
func (s *side) ours() {
	s.t.Helper()
	develop, err := s.r.project().Develop()
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := watch.New(develop.Trees(), watch.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if files := develop.Initial("web", w.Snapshot); len(files) > 0 {
		if err := s.r.Sync(s.t.Context(), []string{s.id}, files); err != nil {
			s.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	done := make(chan error)
	go func() {
		done <- w.Run(ctx, func(b watch.Batch) {
			for _, reaction := range develop.React(b.Changes) {
				s.react(ctx, reaction)
			}
		})
	}()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			s.t.Errorf("Run returned %v", err)
		}
	})
}

// react does what is to be done after a change.
func (s *side) react(ctx context.Context, reaction runner.Reaction) {
	if err := s.r.Sync(ctx, []string{s.id}, reaction.Sync); err != nil {
		s.t.Errorf("sync: %v", err)
	}
	for _, hook := range reaction.Exec {
		if _, err := s.r.Exec(ctx, s.id, runner.ExecSpec{Command: hook.Command}); err != nil {
			s.t.Errorf("exec: %v", err)
		}
	}
}

func (s *side) until(what string, met func() bool) {
	s.t.Helper()
	for began := time.Now(); !met(); <-time.After(50 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			s.t.Fatalf("waited a minute for it: %s", what)
		}
	}
}

// files lists all that was synced, with kinds, permissions, owners and contents.
func (s *side) files() string {
	s.t.Helper()
	var all []string
	for _, dir := range []string{"/app", "/inc", "/conf", "/one.txt", "/there"} {
		res, err := s.r.api.CopyFromContainer(s.t.Context(), s.id, client.CopyFromContainerOptions{SourcePath: dir})
		if err != nil {
			all = append(all, dir+" is not there")
			continue
		}
		text, err := listArchive(res.Content)
		if err != nil {
			return fmt.Sprintf("%s: %s is being written to", s.dir, dir)
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

// TestWatchLikeCompose does the same to the files of two projects, one watched by Docker Compose and one by msdev, and compares
// what is in their containers.
//
// What Compose fails to do is left out: a folder in the place of a file, a link that leads nowhere or to a folder.
func TestWatchLikeCompose(t *testing.T) {
	steps := []struct {
		name string
		do   func(f files)
	}{
		{"an edit, and a program", func(f files) { f.write("src/a", "2"); f.write("src/run", "#!"); f.chmod("src/run", 0o755) }},
		{"new folders", func(f files) { f.write("src/n/e/w", "1"); f.mkdir("src/empty"); f.chmod("src/n/e/w", 0o600) }},
		{"a file and a folder go", func(f files) { f.remove("src/a"); f.remove("src/b") }},
		{"a file and a folder are renamed", func(f files) { f.rename("src/old", "src/new"); f.rename("src/n", "src/m") }},
		{"permissions alone", func(f files) { f.chmod("src/run", 0o700) }},
		{"links to files", func(f files) {
			f.link("new", "src/link")
			f.link("run", "src/again")
			f.remove("src/again")
			f.link("new", "src/again")
		}},
		{"Vim saves", func(f files) {
			f.write("src/.new.swp", "x")
			f.write("src/4913", "")
			f.remove("src/4913")
			f.rename("src/new", "src/new~")
			f.write("src/new", "edited")
			f.remove("src/new~")
		}},
		{"JetBrains saves", func(f files) {
			f.write("src/new___jb_tmp___", "again")
			f.rename("src/new", "src/new___jb_old___")
			f.rename("src/new___jb_tmp___", "src/new")
			f.remove("src/new___jb_old___")
		}},
		{"what is ignored", func(f files) {
			f.write("src/skip/x", "1")
			f.write("src/x.tmp", "1")
			f.write("src/deep/y.tmp", "1")
			f.write("src/left-out", "1")
			f.write("src/m/z.o", "1")
		}},
		{"what is included", func(f files) {
			f.write("inc/x.js", "2")
			f.write("inc/y.ts", "2")
			f.write("inc/lib/any", "2")
			f.write("inc/deep/z.js", "2")
		}},
		{"a command after it", func(f files) { f.write("conf/a", "two") }},
		{"a single file, in all ways", func(f files) { f.write("one.txt", "2"); f.write("tmp", "3"); f.rename("tmp", "one.txt") }},
		{"over what the container has", func(f files) { f.write("src/pre/file", "new") }},
		{"through a link of the container", func(f files) { f.write("src/lnk/file", "through") }},
		{"many files", func(f files) {
			for n := range 500 {
				f.write(fmt.Sprintf("src/many/%d/%d", n%10, n), fmt.Sprint(n))
			}
		}},
		{"many files go", func(f files) { f.remove("src/many") }},
		{"all goes", func(f files) { f.remove("src/m"); f.remove("inc/lib"); f.remove("one.txt") }},
	}
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		theirs, ours := startSide(t, e, watchedCompose), startSide(t, e, watchedCompose)
		theirs.compose(e)
		ours.ours()
		for n, step := range steps {
			t.Run(step.name, func(t *testing.T) {
				for _, s := range []*side{theirs, ours} {
					f := files{t, s.dir}
					step.do(f)
					f.write("src/step", fmt.Sprint(n))
				}
				for _, s := range []*side{theirs, ours} {
					s.until("the step's file", func() bool { return strings.Contains(s.files(), fmt.Sprintf("app/step 644 %s %d", me(), n)) })
				}
				alike(t, theirs, ours)
			})
		}
	})
}

// TestInitialSyncLikeCompose compares what is in two containers when watching has begun.
func TestInitialSyncLikeCompose(t *testing.T) {
	initial := strings.Replace(watchedCompose, "\"*.tmp\"]}", "\"*.tmp\"], initial_sync: true}", 1)
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		theirs, ours := startSide(t, e, initial), startSide(t, e, initial)
		theirs.compose(e)
		ours.ours()
		if got := ours.files(); !strings.Contains(got, "app/b/c 644 "+me()+" 1") || strings.Contains(got, "Dockerfile") {
			t.Errorf("there is %s", got)
		}
		alike(t, theirs, ours)
	})
}

// alike waits until both containers hold the same: the last file of a step need not be the last that arrives.
func alike(t *testing.T, theirs, ours *side) {
	t.Helper()
	var there, here string
	for range 100 {
		if there, here = theirs.files(), ours.files(); there == here {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Errorf("with Compose alone:\n  %s\nwith msdev alone:\n  %s", without(there, here), without(here, there))
}

func me() string { return fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()) }

// without are the lines of one text that the other has not.
func without(a, b string) string {
	lines := strings.Split(b, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(a, "\n"), func(line string) bool { return slices.Contains(lines, line) }), "\n  ")
}

// files is what is done to the files below a folder.
type files struct {
	t   *testing.T
	dir string
}

func (f files) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f files) write(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	f.must(os.MkdirAll(filepath.Dir(path), 0o755))
	f.must(os.WriteFile(path, []byte(content), 0o644))
}

func (f files) mkdir(name string) { f.must(os.MkdirAll(filepath.Join(f.dir, name), 0o755)) }

func (f files) chmod(name string, mode os.FileMode) {
	f.must(os.Chmod(filepath.Join(f.dir, name), mode))
}

func (f files) remove(name string) { f.must(os.RemoveAll(filepath.Join(f.dir, name))) }

func (f files) rename(from, to string) {
	f.must(os.Rename(filepath.Join(f.dir, from), filepath.Join(f.dir, to)))
}

func (f files) link(target, name string) { f.must(os.Symlink(target, filepath.Join(f.dir, name))) }
