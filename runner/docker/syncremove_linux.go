package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// rootOf opens the file system of a process, after asking its control group whether it is the container's: an engine in a machine
// or container of its own counts processes otherwise. An empty id takes any process.
func rootOf(pid int, id string) (*os.File, error) {
	process, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(process)
	if id != "" {
		groups, err := readAt(process, "cgroup")
		if err != nil {
			return nil, err
		}
		if !strings.Contains(groups, id) {
			return nil, fmt.Errorf("process %d is not the container's", pid)
		}
	}
	root, err := unix.Openat(process, "root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(root), "root"), nil
}

// readAt reads a file in a folder. What the kernel says is of the process that the folder was opened for, or of none.
func readAt(dir int, name string) (string, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// removeBelow removes paths of another file system with all that is in them. Symbolic links on the way lead where they lead in
// there, and never out.
func removeBelow(root *os.File, paths []string) error {
	for _, p := range paths {
		if err := removeOne(root, path.Clean(p)); err != nil && !gone(err) {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

func removeOne(root *os.File, name string) error {
	if name == "/" || name == "." {
		return errors.New("that is the whole file system")
	}
	dir, err := unix.Openat2(int(root.Fd()), path.Dir(name), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	folder, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(dir))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.RemoveAll(path.Base(name))
}

// removeFromHere removes paths in a container through this machine's view of its first process, where the engine is local and the
// user may.
func (r *Runtime) removeFromHere(ctx context.Context, id string, paths []string) error {
	if !r.local {
		return errNotFromHere
	}
	res, err := r.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if res.Container.State == nil || res.Container.State.Pid == 0 {
		return errNotFromHere
	}
	root, err := rootOf(res.Container.State.Pid, id)
	if err != nil {
		return errNotFromHere
	}
	defer root.Close()
	return removeBelow(root, paths)
}
