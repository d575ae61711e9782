package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"msdev/runner"
)

// errNotDir is what a path below a file is.
const errNotDir = syscall.ENOTDIR

// mostArguments is how many bytes of paths one command gets; systems allow 128 KiB at least.
const mostArguments = 64 << 10

var (
	errNoRm        = errors.New("the image has no rm")
	errNotFromHere = errors.New("the container's file system cannot be reached from here")
)

// removePaths removes paths in a container, with all that is in them. An image without a shell has no program for it; then the
// container's file system is reached through its first process, from here or from a container of our own.
func (r *Runtime) removePaths(ctx context.Context, id string, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	err := r.removeByCommand(ctx, id, paths)
	if !errors.Is(err, errNoRm) {
		return err
	}
	if err := r.removeFromHere(ctx, id, paths); !errors.Is(err, errNotFromHere) {
		return err
	}
	return r.removeByEraser(ctx, id, paths)
}

// some names the first of many paths.
func some(paths []string) string {
	if len(paths) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:3], ", "), len(paths)-3)
	}
	return strings.Join(paths, ", ")
}

// removeByCommand removes paths with the container's own rm, as root: a file that is synced keeps its owner, who need not be the
// user that the container runs as.
func (r *Runtime) removeByCommand(ctx context.Context, id string, paths []string) error {
	for len(paths) > 0 {
		n, size := 0, 0
		for n < len(paths) && (n == 0 || size+len(paths[n]) < mostArguments) {
			size += len(paths[n]) + 1
			n++
		}
		output := capped{most: maxProbeOutput}
		code, err := r.exec(ctx, id, runner.ExecSpec{
			Command: append([]string{"rm", "-rf", "--"}, paths[:n]...), User: "0", Stdout: &output, Stderr: &output,
		}, false)
		said := strings.TrimSpace(output.String())
		switch {
		case missing(said), err != nil && missing(err.Error()):
			return errNoRm
		case err != nil:
			return err
		case code != 0:
			return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("%s cannot be removed in the container: %s", some(paths[:n]), said),
				Hint: "Rebuild the service to have it gone."}
		}
		paths = paths[n:]
	}
	return nil
}

// missing tells whether an engine says that a program is not there.
func missing(text string) bool {
	return strings.Contains(text, "executable file not found") || strings.Contains(text, "no such file or directory") && strings.Contains(text, "exec")
}
