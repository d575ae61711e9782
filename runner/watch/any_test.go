package watch_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"msdev/runner/watch"
)

// TestAny does whatever can be done to files, and holds what the batches told against what is there in the end.
func TestAny(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d/a", "d/b", "d/e/a", "d/e/f/g", "x.log", "node_modules/p", "B"})
	content := rapid.SampledFrom([]string{"", "1", "2", "three"})
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		rules := []watch.Rules{{Dir: dir, Patterns: []string{"**/*.log", "node_modules"}}}
		do := map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				path := filepath.Join(dir, name.Draw(rt, "path"))
				_ = os.MkdirAll(filepath.Dir(path), 0o755)
				_ = os.WriteFile(path, []byte(content.Draw(rt, "content")), 0o644)
			},
			"mkdir":  func(rt *rapid.T) { _ = os.MkdirAll(filepath.Join(dir, name.Draw(rt, "path")), 0o755) },
			"remove": func(rt *rapid.T) { _ = os.RemoveAll(filepath.Join(dir, name.Draw(rt, "path"))) },
			"rename": func(rt *rapid.T) {
				_ = os.Rename(filepath.Join(dir, name.Draw(rt, "from")), filepath.Join(dir, name.Draw(rt, "to")))
			},
			"link":  func(rt *rapid.T) { _ = os.Symlink(content.Draw(rt, "to"), filepath.Join(dir, name.Draw(rt, "path"))) },
			"chmod": func(rt *rapid.T) { _ = os.Chmod(filepath.Join(dir, name.Draw(rt, "path")), 0o755) },
		}
		for range rapid.IntRange(0, 6).Draw(rt, "files") {
			do["write"](rt)
		}
		w, err := watch.New([]watch.Tree{{Name: "tree", Root: dir, Ignore: rules}}, watch.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		before := scan(t, dir)
		batches := make(chan watch.Batch, 1000)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx, func(b watch.Batch) { batches <- b }) }()
		defer func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				rt.Errorf("Run returned %v", err)
			}
		}()
		do["look"] = func(*rapid.T) { w.Snapshot("tree") }
		rt.Repeat(do)
		if err := os.WriteFile(filepath.Join(dir, "last-of-all"), []byte("x"), 0o644); err != nil {
			rt.Fatal(err)
		}
		there := map[string]bool{}
		for path := range before {
			there[path] = true
		}
		told := map[string]bool{}
		for ended := false; !ended; {
			select {
			case b := <-batches:
				for _, c := range b.Changes {
					rel, _ := filepath.Rel(dir, c.Path)
					if there[rel] == (c.Op == watch.Created) {
						rt.Fatalf("told %s %s, and it was there: %t", c.Op, rel, there[rel])
					}
					there[rel], told[rel] = c.Op != watch.Deleted, true
					ended = ended || rel == "last-of-all"
				}
			case <-time.After(10 * time.Second):
				rt.Fatal("not all was told")
			}
		}
		after := scan(t, dir)
		for path := range after {
			if !there[path] {
				rt.Errorf("%s is there, and was not told", path)
			}
			if before[path] != "" && before[path] != after[path] && !told[path] {
				rt.Errorf("%s was %s, is %s, and was not told", path, before[path], after[path])
			}
		}
		for path, is := range there {
			if is && after[path] == "" {
				rt.Errorf("%s is not there, and was not told", path)
			}
		}
	})
}

// scan is what is in a folder, by path: what it is, its permissions, and its content.
func scan(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if rel == "node_modules" && d.IsDir() {
			return fs.SkipDir
		}
		if rel == "node_modules" || strings.HasSuffix(rel, ".log") {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(b)
		case info.Mode()&fs.ModeSymlink != 0:
			if content, err = os.Readlink(path); err != nil {
				return err
			}
		}
		all[rel] = fmt.Sprintf("%s %q", info.Mode(), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
