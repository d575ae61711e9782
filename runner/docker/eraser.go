package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// EraserVerb is what msdev is told to do in a container that removes files of another one.
const EraserVerb = "__erase"

// erased is what the program in that container says when all is removed.
const erased = "erased"

// Erase is that program: it reads paths from in and removes them in the file system of the first process, which is the other
// container's, as the two share their processes.
func Erase(in io.Reader, out io.Writer) error {
	var paths []string
	if err := json.NewDecoder(in).Decode(&paths); err != nil {
		return err
	}
	root, err := rootOf(1, "")
	if err != nil {
		return err
	}
	defer root.Close()
	if err := removeBelow(root, paths); err != nil {
		return err
	}
	_, err = io.WriteString(out, erased)
	return err
}

// removeByEraser removes paths in a container with a container of our own that lives for it alone. It needs nothing of the
// container's image.
func (r *Runtime) removeByEraser(ctx context.Context, id string, paths []string) error {
	image, err := r.relays.ready(ctx)
	if errors.Is(err, errNoRelay) {
		return &runner.Error{Kind: runner.ErrFailed, Err: err, Hint: "Rebuild the service to have it gone.",
			Msg: fmt.Sprintf("%s cannot be removed in the container: its image has no rm, and only an msdev on Linux with an engine of its own kind can do without.", some(paths))}
	}
	if err != nil {
		return err
	}
	made, err := r.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: image, Entrypoint: []string{"/" + relayProgram}, Cmd: []string{EraserVerb},
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
			Labels: map[string]string{labelProject: r.project().Name, labelOneOff: "True", labelVersion: composeVersion, labelRelay: EraserVerb},
		},
		HostConfig: &container.HostConfig{
			PidMode: container.PidMode("container:" + id), CapAdd: []string{"SYS_PTRACE"}, // to see the root of a process of another user
			NetworkMode: "none", AutoRemove: true, ReadonlyRootfs: true, LogConfig: container.LogConfig{Type: "none"},
		},
	})
	if err != nil {
		r.relays.forgetImage()
		return err
	}
	err = r.runEraser(ctx, made.ID, paths)
	return errors.Join(err, r.removeRelay(context.WithoutCancel(ctx), made.ID))
}

func (r *Runtime) runEraser(ctx context.Context, id string, paths []string) error {
	conn, err := r.hold(ctx, id)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Conn.Close() })
	defer stop()
	if _, err := r.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return err
	}
	if err := json.NewEncoder(conn).Encode(paths); err != nil {
		return errors.Join(err, conn.said())
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	said, err := io.ReadAll(conn)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.TrimSpace(string(said)) == erased:
		return nil
	case err != nil:
		return err
	}
	return &runner.Error{Kind: runner.ErrFailed, Hint: "Rebuild the service to have it gone.",
		Msg: fmt.Sprintf("%s cannot be removed in the container: %v", some(paths), conn.said())}
}
