package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msdev/runner/watch"
)

func TestSingleFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "compose.yaml", "one")
	write(t, dir, "other", "one")
	w := start(t, watch.Options{}, watch.Tree{Name: "file", Root: filepath.Join(dir, "compose.yaml")}, watch.Tree{Name: "env", Root: filepath.Join(dir, "later", ".env")},
		watch.Tree{Name: "last", Root: filepath.Join(dir, "last-of-all")})
	write(t, dir, "other", "two")
	write(t, dir, "compose.yaml", "two")
	w.until(dir, "modified compose.yaml")
	write(t, dir, "new", "three")
	must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "compose.yaml")))
	w.until(dir, "modified compose.yaml")
	write(t, dir, "later/.env", "A=1")
	w.until(dir, "created later/.env")
	must(t, os.RemoveAll(filepath.Join(dir, "later")))
	w.until(dir, "deleted later/.env")
	write(t, dir, "later/.env", "A=2")
	w.until(dir, "created later/.env")
	w.nothing(dir)
}

func TestRootComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "a", "b", "src")
	w := start(t, watch.Options{}, watch.Tree{Name: "tree", Root: root}, watch.Tree{Name: "last", Root: filepath.Join(dir, "last-of-all")})
	write(t, dir, "a/x", "not heard of")
	write(t, root, "f", "1")
	w.until(dir, "created a/b/src/", "created a/b/src/f")
	write(t, root, "f", "2")
	w.until(dir, "modified a/b/src/f")
	must(t, os.Rename(root, filepath.Join(dir, "away")))
	w.until(dir, "deleted a/b/src/", "deleted a/b/src/f")
	write(t, dir, "away/f", "3")
	w.nothing(dir)
	must(t, os.RemoveAll(filepath.Join(dir, "a")))
	must(t, os.MkdirAll(filepath.Dir(root), 0o755))
	must(t, os.Rename(filepath.Join(dir, "away"), root))
	w.until(dir, "created a/b/src/", "created a/b/src/f")
	write(t, root, "f", "4")
	w.until(dir, "modified a/b/src/f")
	must(t, os.Chmod(root, 0o700))
	w.nothing(dir)
}

// TestRootReplaced takes the root away and puts another one in its place at once.
func TestRootReplaced(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "src")
	write(t, root, "old", "1")
	write(t, root, "both", "1")
	write(t, dir, "other/both", "2")
	write(t, dir, "other/deep/new", "2")
	w := start(t, watch.Options{Quiet: 50 * time.Millisecond}, watch.Tree{Name: "tree", Root: root})
	must(t, os.Rename(root, filepath.Join(dir, "away")))
	must(t, os.Rename(filepath.Join(dir, "other"), root))
	w.until(root, "deleted old", "modified both", "created deep/", "created deep/new")
	write(t, root, "deep/new", "3")
	w.until(root, "modified deep/new")
}

func TestLinkedRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one/f", "1")
	write(t, dir, "one/only", "1")
	write(t, dir, "two/f", "2")
	link := filepath.Join(dir, "current")
	must(t, os.Symlink("one", link))
	w := start(t, watch.Options{}, watch.Tree{Name: "linked", Root: link}, watch.Tree{Name: "plain", Root: filepath.Join(dir, "one")},
		watch.Tree{Name: "ignoring", Root: link, Ignore: []watch.Rules{{Dir: link, Patterns: []string{"f"}}}})
	write(t, dir, "one/f", "edited")
	b := <-w.batches
	want := []watch.Change{
		{Path: filepath.Join(dir, "current/f"), Op: watch.Modified, Trees: []string{"linked"}},
		{Path: filepath.Join(dir, "one/f"), Op: watch.Modified, Trees: []string{"plain"}},
	}
	if fmt.Sprint(b.Changes) != fmt.Sprint(want) {
		t.Fatalf("told %v\nwanted %v", b.Changes, want)
	}
	must(t, os.Symlink("two", link+".new"))
	must(t, os.Rename(link+".new", link))
	w.until(dir, "modified current/f", "deleted current/only")
	write(t, dir, "two/f", "3")
	w.until(dir, "modified current/f")
}

func TestTreesOfAChange(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "shared/lib.go", "1")
	write(t, dir, "api/main.go", "1")
	w := start(t, watch.Options{}, watch.Tree{Name: "web", Root: filepath.Join(dir, "shared")}, watch.Tree{Name: "api", Root: filepath.Join(dir, "shared")},
		watch.Tree{Name: "api", Root: filepath.Join(dir, "api")}, watch.Tree{Name: "all", Root: dir, Ignore: []watch.Rules{{Dir: dir, Patterns: []string{"**/*.md"}}}})
	write(t, dir, "shared/lib.go", "2")
	b := <-w.batches
	if len(b.Changes) != 1 || !slices.Equal(b.Changes[0].Trees, []string{"all", "api", "web"}) || len(b.In("web")) != 1 || len(b.In("none")) != 0 {
		t.Errorf("told %v", b.Changes)
	}
	write(t, dir, "api/README.md", "2")
	if b = <-w.batches; len(b.Changes) != 1 || !slices.Equal(b.Changes[0].Trees, []string{"api"}) {
		t.Errorf("told %v", b.Changes)
	}
}

func TestSet(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a/f", "1")
	write(t, dir, "b/f", "1")
	a, b := watch.Tree{Name: "a", Root: filepath.Join(dir, "a")}, watch.Tree{Name: "b", Root: filepath.Join(dir, "b")}
	w := start(t, watch.Options{}, a)
	must(t, w.Set([]watch.Tree{a, b, {Name: "last", Root: filepath.Join(dir, "last-of-all")}}))
	w.nothing(dir) // what is there is not new
	write(t, dir, "b/f", "2")
	w.until(dir, "modified b/f")
	write(t, dir, "a/f", "2") // is not lost, though Set looks before Run does
	must(t, w.Set([]watch.Tree{a, {Name: "last", Root: filepath.Join(dir, "last-of-all")}}))
	w.until(dir, "modified a/f")
	write(t, dir, "b/f", "3")
	w.nothing(dir)
	if err := w.Set([]watch.Tree{{Name: "wrong", Root: "relative"}}); err == nil {
		t.Error("a relative root was taken")
	}
	write(t, dir, "a/f", "3")
	w.until(dir, "modified a/f")
}

func TestIgnoreFilesChange(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
	write(t, dir, "app/f.log", "1")
	write(t, dir, "app/f.tmp", "1")
	write(t, dir, "app/sub/f.tmp", "1")
	app := filepath.Join(dir, "app")
	w := start(t, watch.Options{Quiet: 50 * time.Millisecond}, watch.Tree{Name: "tree", Root: app, GitIgnore: true, Ignore: []watch.Rules{watch.EditorFiles(app), watch.DockerIgnore(dir, "")}})
	write(t, dir, ".gitignore", "*.log\n") // above the root
	write(t, app, "f.log", "2")
	w.nothing(app)
	write(t, dir, ".dockerignore", "**/*.tmp\n")
	write(t, app, "sub/f.tmp", "2")
	w.nothing(app)
	write(t, app, "sub/.gitignore", "!*.log\n")
	write(t, app, "sub/f.log", "1")
	w.until(app, "created sub/.gitignore", "created sub/f.log")
	must(t, os.Remove(filepath.Join(dir, ".dockerignore")))
	w.until(app, "created f.tmp", "created sub/f.tmp") // heard of for the first time by these rules
	write(t, app, "f.tmp", "3")
	w.until(app, "modified f.tmp")
}

func TestBrokenRulesAreTold(t *testing.T) {
	dir := t.TempDir()
	warned := make(chan error, 10)
	w := start(t, watch.Options{Warn: func(err error) { warned <- err }}, watch.Tree{Name: "tree", Root: dir, Ignore: []watch.Rules{watch.DockerIgnore(dir, "")}})
	write(t, dir, ".dockerignore", "[broken\n")
	w.until(dir, "created .dockerignore")
	select {
	case err := <-warned:
		if !strings.Contains(err.Error(), filepath.Join(dir, ".dockerignore")) {
			t.Errorf("warned: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("not told")
	}
}

func TestSince(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "same", "1")
	write(t, dir, "edited", "1")
	write(t, dir, "gone/f", "1")
	tree := watch.Tree{Name: "tree", Root: dir}
	w := start(t, watch.Options{}, tree)
	then := w.Snapshot("tree")
	if changes := w.Since("tree", then); len(changes) > 0 {
		t.Errorf("nothing happened, and told: %v", changes)
	}
	write(t, dir, "edited", "2")
	write(t, dir, "new", "1")
	must(t, os.RemoveAll(filepath.Join(dir, "gone")))
	want := []string{"modified edited", "deleted gone/", "deleted gone/f", "created new"} // by path
	got := words(dir, w.Since("tree", then))                                              // at once: what the system has not told yet is looked for
	if !slices.Equal(got, want) {
		t.Errorf("since then: %q\nwanted: %q", got, want)
	}
	w.until(dir, slices.Clone(want)...)

	// Another session compares with what this one kept.
	kept, err := json.Marshal(then)
	must(t, err)
	var read watch.Snapshot
	must(t, json.Unmarshal(kept, &read))
	other := start(t, watch.Options{}, tree)
	if got := words(dir, other.Since("tree", read)); !slices.Equal(got, want) {
		t.Errorf("since then: %q\nwanted: %q", got, want)
	}
}

func TestPoll(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "f", "1")
	write(t, dir, "sub/g", "1")
	w := start(t, watch.Options{Poll: 20 * time.Millisecond}, watch.Tree{Name: "tree", Root: dir}, watch.Tree{Name: "file", Root: filepath.Join(dir, "later", "x")})
	write(t, dir, "f", "2")
	w.until(dir, "modified f")
	write(t, dir, "sub/deep/h", "1")
	must(t, os.Remove(filepath.Join(dir, "sub", "g")))
	w.until(dir, "created sub/deep/", "created sub/deep/h", "deleted sub/g")
	w.nothing(dir)
}

// TestStorm edits a file while others are written without end, of which no one wants to hear, and then of which one does.
func TestStorm(t *testing.T) {
	for _, tt := range []struct{ name, noise string }{
		{"in an ignored folder", "log/%d"}, {"ignored files beside it", "src/%d.log"}, {"files of interest", "src/%d.go"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "src/main.go", "1")
			write(t, dir, fmt.Sprintf(tt.noise, 0), "1")
			w := start(t, watch.Options{}, watch.Tree{Name: "tree", Root: dir, Ignore: []watch.Rules{{Dir: dir, Patterns: []string{"log", "**/*.log"}}}})
			ctx, cancel := context.WithCancel(t.Context())
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				for n := 0; ctx.Err() == nil; n++ {
					_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf(tt.noise, n%200)), fmt.Append(nil, n), 0o644)
				}
			}()
			for range 5 {
				write(t, dir, "src/main.go", time.Now().String())
				for !slices.Contains(w.next(dir), "modified src/main.go") { // next fails after a while
				}
			}
			cancel()
			<-stopped
		})
	}
}

// TestCheckout switches between branches: git's own lock makes one batch of it, however long it takes.
func TestCheckout(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skipf("git is to switch branches, and is not here: %v", err)
	}
	const files = 500
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		c := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@t", "-c", "gc.auto=0", "-c", "maintenance.auto=false"}, args...)...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %s", args, out)
		}
	}
	fill := func(text string) {
		for n := range files {
			write(t, dir, fmt.Sprintf("d%d/f%d", n%100, n), text+fmt.Sprint(n))
		}
	}
	git("init", "-q", "-b", "one")
	fill("one ")
	git("add", "-A")
	git("commit", "-q", "-m", "one")
	git("checkout", "-q", "-b", "two")
	fill("two ")
	write(t, dir, "new/only-here", "x")
	git("add", "-A")
	git("commit", "-q", "-m", "two")
	w := start(t, watch.Options{}, watch.Tree{Name: "tree", Root: dir, GitIgnore: true, Ignore: []watch.Rules{watch.EditorFiles(dir)}})
	for _, branch := range []string{"one", "two"} {
		git("checkout", "-q", branch)
		b := <-w.batches
		if want := files + 2; len(b.Changes) != want {
			t.Errorf("the switch to %s is told in a batch of %d changes, wanted %d", branch, len(b.Changes), want)
		}
		w.nothing(dir)
	}
}
