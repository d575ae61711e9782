package watch_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"msdev/runner/watch"
)

const insideVariable = "MSDEV_TEST_FEW_WATCHES"

// TestLimit watches more folders than the system allows: it says so, and all changes are told nevertheless. A limit of our own
// needs a user namespace, so the test runs itself in one.
func TestLimit(t *testing.T) {
	if os.Getenv(insideVariable) != "" {
		limited(t)
		return
	}
	inside := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLimit$", "-test.v")
	inside.Env = append(os.Environ(), insideVariable+"=1")
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := inside.CombinedOutput()
	var failed *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &failed), strings.Contains(string(out), "--- SKIP"):
		t.Skipf("this machine gives no user namespace with a limit of its own: %v %s", err, out)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
}

func limited(t *testing.T) {
	if err := os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("20"), 0o644); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for n := range 40 {
		write(t, dir, fmt.Sprintf("d%02d/f", n), "1")
	}
	var warned []error
	w := start(t, watch.Options{Warn: func(err error) { warned = append(warned, err) }}, watch.Tree{Name: "tree", Root: dir})
	if len(warned) != 1 || !strings.Contains(warned[0].Error(), "(fs.inotify.max_user_watches): 20 are watched here, and 21 more are looked at every 1s instead.\nAllow more: sudo sysctl") {
		t.Errorf("warned %q", warned)
	}
	for _, name := range []string{"d00/f", "d39/f"} {
		write(t, dir, name, time.Now().String())
		w.until(dir, "modified "+name)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "d00"))) // there is room for one more
	w.until(dir, "deleted d00/", "deleted d00/f")
	write(t, dir, "new/f", "1")
	w.until(dir, "created new/", "created new/f")
	write(t, dir, "new/f", "2")
	w.until(dir, "modified new/f")
}
