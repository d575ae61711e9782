package watch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msdev/runner/watch"
)

// watched runs a Watcher and holds what it told.
type watched struct {
	*watch.Watcher
	t       *testing.T
	batches chan watch.Batch
}

func start(t *testing.T, o watch.Options, trees ...watch.Tree) *watched {
	t.Helper()
	if o.Warn == nil {
		o.Warn = func(err error) { t.Errorf("warned: %v", err) }
	}
	w, err := watch.New(trees, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &watched{Watcher: w, t: t, batches: make(chan watch.Batch, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx, func(b watch.Batch) { s.batches <- b }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	return s
}

// next returns the next batch, as "op path" with paths below dir.
func (s *watched) next(dir string) []string {
	s.t.Helper()
	select {
	case b := <-s.batches:
		if b.First.IsZero() || time.Since(b.First) > 10*time.Second {
			s.t.Errorf("the batch says it began at %v", b.First)
		}
		return words(dir, b.Changes)
	case <-time.After(10 * time.Second):
		s.t.Fatal("no batch")
		return nil
	}
}

// until collects changes until all that are wanted were told, the last of each path, and fails for any other.
func (s *watched) until(dir string, want ...string) {
	s.t.Helper()
	last := map[string]string{}
	defer func() {
		if s.t.Failed() {
			s.t.Logf("told until then: %v", last)
		}
	}()
	for {
		for _, line := range s.next(dir) {
			_, path, _ := strings.Cut(line, " ")
			last[path] = line
		}
		var got []string
		for _, line := range last {
			got = append(got, line)
		}
		slices.Sort(got)
		slices.Sort(want)
		if slices.Equal(got, want) {
			return
		}
		if len(got) >= len(want) {
			s.t.Fatalf("told:\n  %s\nwanted:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// nothing writes a file that is heard of, and fails if anything else is told before it.
func (s *watched) nothing(dir string) {
	s.t.Helper()
	write(s.t, dir, "last-of-all", time.Now().String())
	got := s.next(dir)
	if len(got) != 1 || !strings.HasSuffix(got[0], " last-of-all") {
		s.t.Fatalf("told: %s and %d more", got[:min(5, len(got))], max(0, len(got)-5))
	}
}

func words(dir string, changes []watch.Change) []string {
	var lines []string
	for _, c := range changes {
		rel, err := filepath.Rel(dir, c.Path)
		if err != nil {
			rel = c.Path
		}
		if c.Dir {
			rel += "/"
		}
		lines = append(lines, string(c.Op)+" "+rel)
	}
	return lines
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	tests := []struct {
		name  string
		setup func(t *testing.T, dir string)
		tree  watch.Tree
		do    func(t *testing.T, dir string)
		want  []string
	}{
		{
			name: "edit", want: []string{"modified a.go"},
			do: func(t *testing.T, dir string) { write(t, dir, "a.go", "two") },
		},
		{
			name: "permissions", want: []string{"modified a.go"},
			do: func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "a.go"), 0o755)) },
		},
		{
			name: "delete", want: []string{"deleted a.go"},
			do: func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "a.go"))) },
		},
		{
			name: "rename", want: []string{"deleted a.go", "created b.go"},
			do: func(t *testing.T, dir string) {
				must(t, os.Rename(filepath.Join(dir, "a.go"), filepath.Join(dir, "b.go")))
			},
		},
		{
			name: "another case", want: []string{"deleted a.go", "created A.go"},
			do: func(t *testing.T, dir string) {
				must(t, os.Rename(filepath.Join(dir, "a.go"), filepath.Join(dir, "A.go")))
			},
		},
		{
			name: "new folders with contents", want: []string{"created x/", "created x/y/", "created x/y/z.go", "created x/one.go"},
			do: func(t *testing.T, dir string) {
				write(t, dir, "x/y/z.go", "z")
				write(t, dir, "x/one.go", "1")
			},
		},
		{
			name: "a folder that was made elsewhere is moved in", want: []string{"created in/", "created in/deep/", "created in/deep/f"},
			do: func(t *testing.T, dir string) {
				out := t.TempDir()
				write(t, out, "in/deep/f", "f")
				must(t, os.Rename(filepath.Join(out, "in"), filepath.Join(dir, "in")))
			},
		},
		{
			name: "a folder goes", want: []string{"deleted sub/", "deleted sub/deep/", "deleted sub/deep/f.go", "deleted sub/s.go"},
			do: func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, "sub"))) },
		},
		{
			name: "a folder is renamed", want: []string{"deleted sub/", "deleted sub/deep/", "deleted sub/deep/f.go", "deleted sub/s.go",
				"created bus/", "created bus/deep/", "created bus/deep/f.go", "created bus/s.go"},
			do: func(t *testing.T, dir string) {
				must(t, os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "bus")))
			},
		},
		{
			name: "a file takes the place of a folder", want: []string{"modified sub", "deleted sub/deep/", "deleted sub/deep/f.go", "deleted sub/s.go"},
			do: func(t *testing.T, dir string) {
				must(t, os.RemoveAll(filepath.Join(dir, "sub")))
				write(t, dir, "sub", "a file now")
			},
		},
		{
			name: "a folder takes the place of a file", want: []string{"modified a.go/", "created a.go/inner"},
			do: func(t *testing.T, dir string) {
				must(t, os.Remove(filepath.Join(dir, "a.go")))
				write(t, dir, "a.go/inner", "x")
			},
		},
		{
			name: "a link points elsewhere", want: []string{"modified link"},
			do: func(t *testing.T, dir string) {
				must(t, os.Symlink("sub/s.go", filepath.Join(dir, "link.new")))
				must(t, os.Rename(filepath.Join(dir, "link.new"), filepath.Join(dir, "link")))
			},
		},
		{
			name: "Vim saves", want: []string{"modified a.go"},
			do: func(t *testing.T, dir string) {
				write(t, dir, ".a.go.swp", "swap")
				write(t, dir, "4913", "")
				must(t, os.Remove(filepath.Join(dir, "4913")))
				must(t, os.Rename(filepath.Join(dir, "a.go"), filepath.Join(dir, "a.go~")))
				write(t, dir, "a.go", "edited")
				must(t, os.Remove(filepath.Join(dir, "a.go~")))
			},
		},
		{
			name: "JetBrains saves", want: []string{"modified a.go"},
			do: func(t *testing.T, dir string) {
				write(t, dir, "a.go___jb_tmp___", "edited")
				must(t, os.Rename(filepath.Join(dir, "a.go"), filepath.Join(dir, "a.go___jb_old___")))
				must(t, os.Rename(filepath.Join(dir, "a.go___jb_tmp___"), filepath.Join(dir, "a.go")))
				must(t, os.Remove(filepath.Join(dir, "a.go___jb_old___")))
			},
		},
		{
			name: "VS Code saves", want: []string{"modified a.go"},
			do: func(t *testing.T, dir string) {
				f, err := os.OpenFile(filepath.Join(dir, "a.go"), os.O_WRONLY|os.O_TRUNC, 0)
				must(t, err)
				_, err = f.WriteString("edited")
				must(t, err)
				must(t, f.Close())
			},
		},
		{
			name: "a program's atomic save", want: []string{"modified a.go"},
			do: func(t *testing.T, dir string) {
				write(t, dir, "tmp123", "edited")
				must(t, os.Rename(filepath.Join(dir, "tmp123"), filepath.Join(dir, "a.go")))
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "a.go", "one")
			write(t, dir, "sub/s.go", "s")
			write(t, dir, "sub/deep/f.go", "f")
			must(t, os.Symlink("a.go", filepath.Join(dir, "link")))
			w := start(t, watch.Options{Quiet: 50 * time.Millisecond}, watch.Tree{Name: "tree", Root: dir, Ignore: []watch.Rules{watch.EditorFiles(dir)}})
			tt.do(t, dir)
			w.until(dir, tt.want...)
			w.nothing(dir)
		})
	}
}

func TestNoChange(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.go", "one")
	write(t, dir, "log/access.log", "1")
	write(t, dir, "node_modules/p/index.js", "1")
	write(t, dir, "web/index.html", "1")
	long := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, "a.go"), long, long))
	w := start(t, watch.Options{}, watch.Tree{Name: "tree", Root: dir,
		Ignore: []watch.Rules{watch.EditorFiles(dir), watch.Clutter(dir), {Dir: dir, Patterns: []string{"*.tmp", "log"}}}})
	write(t, dir, "a.go", "two") // its content is known from here on
	w.until(dir, "modified a.go")
	for name, do := range map[string]func(){
		"touch":                     func() { must(t, os.Chtimes(filepath.Join(dir, "a.go"), time.Now(), time.Now())) },
		"save without a change":     func() { write(t, dir, "a.go", "two") },
		"ignored file":              func() { write(t, dir, "x.tmp", "x") },
		"file in an ignored folder": func() { write(t, dir, "log/access.log", "2") },
		"packages":                  func() { write(t, dir, "node_modules/p/index.js", "2") },
		"a new ignored folder": func() {
			write(t, dir, "web/node_modules/q/index.js", "2")
			must(t, os.RemoveAll(filepath.Join(dir, "web/node_modules")))
		},
		"made and removed": func() { write(t, dir, "b.go", "b"); must(t, os.Remove(filepath.Join(dir, "b.go"))) },
	} {
		t.Run(name, func(t *testing.T) {
			do()
			w.nothing(dir)
		})
	}
}
