package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"msdev/runner"
	"msdev/testenv"
)

// TestMain lets the test's own program be the one in the container that removes files.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == EraserVerb {
		if err := Erase(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// synced is a service that runs, and a folder to sync from.
type synced struct {
	t   *testing.T
	r   *Runtime
	ids []string
	dir string
}

func startSynced(t *testing.T, e testenv.Engine, service string, instances int) *synced {
	t.Helper()
	s := &synced{t: t, r: project(t, e, "services:\n  web:\n    network_mode: none\n"+service, nil), dir: t.TempDir()}
	for key := range s.r.project().Compose.Volumes {
		if _, err := s.r.Do(t.Context(), runner.Action{Op: runner.OpCreateVolume, Key: key}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for n := range instances {
		in := do(t, s.r, runner.Action{Op: runner.OpCreate, Service: "web", Number: n + 1})
		do(t, s.r, runner.Action{Op: runner.OpStart, Service: "web", Instance: in.ID})
		s.ids = append(s.ids, in.ID)
	}
	return s
}

func (s *synced) write(name, content string, mode os.FileMode) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *synced) sync(names ...string) error {
	var files []runner.SyncFile
	for _, name := range names {
		files = append(files, runner.SyncFile{Source: filepath.Join(s.dir, name), Target: "/src/" + name})
	}
	return s.r.Sync(s.t.Context(), s.ids, files)
}

func (s *synced) must(names ...string) {
	s.t.Helper()
	if err := s.sync(names...); err != nil {
		s.t.Fatal(err)
	}
}

// list tells what is below a folder of each instance: kind and mode, owner, size of files or target of links, path. It uses the archive
// endpoint, which works in any image.
func (s *synced) list(dir string) string {
	s.t.Helper()
	var first string
	for i, id := range s.ids {
		res, err := s.r.api.CopyFromContainer(s.t.Context(), id, client.CopyFromContainerOptions{SourcePath: dir})
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := listArchive(res.Content)
		if err != nil {
			s.t.Fatal(err)
		}
		if i == 0 {
			first = text
		} else if text != first {
			s.t.Errorf("instance %d has\n%s\nand instance 1 has\n%s", i+1, text, first)
		}
	}
	return first
}

const busyboxService = "    image: busybox\n    command: [sleep, \"600\"]\n    stop_signal: SIGKILL\n"

func TestSync(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		for _, image := range []struct{ name, service string }{
			{"with a shell", busyboxService},
			{"from scratch", "    image: msdev-test/app\n    command: [sleep]\n"},
		} {
			t.Run(image.name, func(t *testing.T) {
				s := startSynced(t, e, image.service, 2)
				s.write("a.txt", "one", 0o644)
				s.write("bin/run", "#!", 0o755)
				s.write("deep/er/file", "deep", 0o600)
				if err := os.Mkdir(filepath.Join(s.dir, "empty"), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("a.txt", filepath.Join(s.dir, "link")); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("nowhere", filepath.Join(s.dir, "broken")); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(filepath.Join(s.dir, "a.txt"), 1234, 2345); err != nil && os.Getuid() == 0 {
					t.Fatal(err)
				}
				s.must("a.txt", "bin", "bin/run", "deep", "deep/er", "deep/er/file", "empty", "link", "broken")
				owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
				special := owner
				if os.Getuid() == 0 {
					special = "1234:2345"
				}
				s.expect("",
					"a.txt 644 "+special+" one", "bin/ 755 "+owner, "bin/run 755 "+owner+" #!", "broken → nowhere", "deep/ 755 "+owner,
					"deep/er/ 755 "+owner, "deep/er/file 600 "+owner+" deep", "empty/ 750 "+owner, "link → a.txt")

				// Edited, removed, and each kind in the place of another.
				s.write("bin/run", "#!two", 0o755)
				for _, name := range []string{"a.txt", "deep", "link"} {
					if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
						t.Fatal(err)
					}
				}
				s.write("a.txt/now/a-folder", "x", 0o644)
				s.write("link", "a file", 0o644)
				s.write("empty/inner", "y", 0o644)
				s.must("bin/run", "a.txt", "a.txt/now", "a.txt/now/a-folder", "deep", "deep/er", "deep/er/file", "link", "empty/inner", "never-was")
				s.expect("",
					"a.txt/ 755 "+owner, "a.txt/now/ 755 "+owner, "a.txt/now/a-folder 644 "+owner+" x", "bin/ 755 "+owner, "bin/run 755 "+owner+" #!two",
					"broken → nowhere", "empty/ 750 "+owner, "empty/inner 644 "+owner+" y", "link 644 "+owner+" a file")

				if err := os.RemoveAll(filepath.Join(s.dir, "a.txt")); err != nil {
					t.Fatal(err)
				}
				s.write("a.txt", "a file again", 0o644)
				s.must("a.txt", "a.txt/now", "a.txt/now/a-folder")
				s.expect("a.txt", "a.txt 644 "+owner+" a file again")
			})
		}
	})
}

// expect compares what is in the instances below /src, but for the folder itself, whose mode is nobody's wish.
func (s *synced) expect(below string, want ...string) {
	s.t.Helper()
	var got []string
	for line := range strings.Lines(s.list("/src")) {
		line = strings.TrimSpace(line)
		if line, ok := strings.CutPrefix(line, "src/"); ok && line != "" && !strings.HasPrefix(line, " ") && strings.HasPrefix(line, below) {
			got = append(got, line)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("there is\n  %s\nwanted\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// TestErase removes files in a container whose image has nothing but its program, which runs as another user, from an engine that
// is elsewhere.
func TestErase(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		s := startSynced(t, e, "    image: msdev-test/app\n    command: [sleep]\n    user: \"7000\"\n    volumes: [data:/src/data]\nvolumes: {data: {}}\n", 1)
		s.r.local = false
		s.write("a/b/c", "c", 0o600)
		s.write("data/x", "x", 0o600)
		s.write("kept", "k", 0o600)
		if err := os.Symlink("/src/a", filepath.Join(s.dir, "out")); err != nil {
			t.Fatal(err)
		}
		s.must("a", "a/b", "a/b/c", "data/x", "kept", "out")
		for _, name := range []string{"a/b/c", "data/x", "out"} {
			if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		s.must("out/b/c", "data/x", "never-was", "kept/below", "a/b/no/such")
		const owner = "7000:0" // who the container runs as, whom neither the image nor the engine knows
		s.expect("a", "a/ 755 "+owner, "a/b/ 755 "+owner)
		s.expect("k", "kept 600 "+owner+" k")
		s.expect("data/x")
		s.must("out", "a/b/c")
		s.expect("out")
		left := make(client.Filters).Add("label", labelProject+"="+s.r.project().Name, labelRelay)
		if list, err := s.r.api.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: left}); err != nil || len(list.Items) > 0 {
			t.Errorf("containers are left behind: %v, %v", list.Items, err)
		}
	})
}

func TestSyncThroughLink(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		s := startSynced(t, e, "    image: busybox\n    command: [sh, -c, \"mkdir -p /data/app /src && ln -s /data/app /src/sub && touch /src/ready && exec sleep 600\"]\n    stop_signal: SIGKILL\n", 1)
		waitFor(t, s.r, s.ids[0], "/src/ready")
		s.write("sub/file", "through", 0o644)
		s.must("sub", "sub/file")
		s.expect("sub", "sub → /data/app")
		if out := s.list("/data/app"); !strings.Contains(out, "app/file 644") {
			t.Errorf("it is not where the link leads: %s", out)
		}
		if err := os.Remove(filepath.Join(s.dir, "sub/file")); err != nil {
			t.Fatal(err)
		}
		s.must("sub/file")
		if out := s.list("/data/app"); strings.Contains(out, "app/file") {
			t.Errorf("it is still where the link leads: %s", out)
		}
	})
}

// waitFor returns when a path is there in a container.
func waitFor(t *testing.T, r *Runtime, id, path string) {
	t.Helper()
	for ctx, pause := t.Context(), 10*time.Millisecond; ; pause *= 2 {
		_, err := r.api.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: path})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(pause):
		}
	}
}

// TestSyncOwner gives files to the user that the container runs as, be it one that only its image knows.
func TestSyncOwner(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		for user, want := range map[string]string{"shop": "4321:1234", "4321:99": "4321:99", "7000": "7000:0"} {
			t.Run(user, func(t *testing.T) {
				s := startSynced(t, e, busyboxService+"    user: \""+user+"\"\n", 0)
				in := do(t, s.r, runner.Action{Op: runner.OpCreate, Service: "web", Number: 1})
				s.ids = []string{in.ID}
				s.write("passwd", "root:x:0:0::/:/bin/sh\nshop:x:4321:1234::/:/bin/sh\n", 0o644)
				passwd := runner.SyncFile{Source: filepath.Join(s.dir, "passwd"), Target: "/etc/passwd"}
				if err := s.r.put(t.Context(), in.ID, owned(mustItems(t, passwd), &owner{}), client.CopyToContainerOptions{DestinationPath: "/"}); err != nil {
					t.Fatal(err)
				}
				do(t, s.r, runner.Action{Op: runner.OpStart, Service: "web", Instance: in.ID})
				s.write("f", "f", 0o640)
				s.must("f")
				s.expect("", "f 640 "+want+" f")
			})
		}
	})
}

func mustItems(t *testing.T, files ...runner.SyncFile) []item {
	t.Helper()
	load, err := newCargo(files)
	if err != nil {
		t.Fatal(err)
	}
	return load.items
}

func TestSyncBig(t *testing.T) {
	e := testenv.Engines(t)[0]
	s := startSynced(t, e, busyboxService, 1)
	s.write("big", strings.Repeat("0123456789abcdef", 1<<20), 0o644) // 16 MiB: not read as a whole
	s.must("big")
	if out := s.list("/src/big"); !strings.Contains(out, "16777216 bytes") {
		t.Errorf("there is %s", out)
	}
}

func TestSyncFailures(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		t.Run("disk full", func(t *testing.T) {
			s := startSynced(t, e, busyboxService+"    volumes: [small:/src]\nvolumes:\n  small: {driver_opts: {type: tmpfs, device: tmpfs, o: \"size=1m\"}}\n", 1)
			s.write("small", "fits", 0o644)
			s.write("too-big", strings.Repeat("x", 3<<20), 0o644)
			s.must("small")
			wantFailure(t, s.sync("too-big"), `service "web": there is no room for /src/too-big in its container `)
		})
		t.Run("read-only", func(t *testing.T) {
			s := startSynced(t, e, busyboxService+"    read_only: true\n", 1)
			s.write("a", "a", 0o644)
			wantFailure(t, s.sync("a"), `service "web": nothing can be synced into its container `)
		})
		t.Run("unreadable", func(t *testing.T) {
			s := startSynced(t, e, busyboxService, 1)
			s.write("file", "a", 0o644)
			err := s.sync("file", "file/below") // is not there, as its folder is a file
			if err != nil {
				t.Errorf("a path below a file is a path that is not there: %v", err)
			}
		})
		t.Run("killed in the middle", func(t *testing.T) {
			s := startSynced(t, e, busyboxService, 2)
			s.write("big", strings.Repeat("x", 32<<20), 0o644)
			done := make(chan error)
			go func() { done <- s.sync("big", "gone") }()
			if _, err := s.r.api.ContainerRemove(context.WithoutCancel(t.Context()), s.ids[0], client.ContainerRemoveOptions{Force: true}); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil && !strings.Contains(err.Error(), "because it does not run") {
				t.Errorf("one that is gone is no failure: %v", err)
			}
			s.ids = s.ids[1:]
			if out := s.list("/src/big"); !strings.Contains(out, "33554432 bytes") {
				t.Errorf("the other one has %s", out)
			}
		})
		t.Run("called off", func(t *testing.T) {
			s := startSynced(t, e, busyboxService, 1)
			s.write("a", "a", 0o644)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.r.Sync(ctx, s.ids, []runner.SyncFile{{Source: filepath.Join(s.dir, "a"), Target: "/src/a"}}); !errors.Is(err, context.Canceled) {
				t.Errorf("returned %v", err)
			}
		})
	})
}

func wantFailure(t *testing.T, err error, begin string) {
	t.Helper()
	var e *runner.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Msg, begin) || e.Hint == "" || e.Service != "web" {
		t.Errorf("returned %#v", err)
	}
}
