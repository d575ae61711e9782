package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// Exec runs a command in a container, with its streams attached, and returns its exit code.
func (r *Runtime) Exec(ctx context.Context, instance string, spec runner.ExecSpec) (int, error) {
	code, err := r.exec(ctx, instance, spec, false)
	if err != nil && ctx.Err() == nil {
		about := subject{what: "container", name: instance[:min(12, len(instance))]}
		if t, ok := r.known.get(instance); ok {
			about = subject{service: t.instance.Service, what: "container", name: t.instance.Name}
		}
		return code, r.explain(err, about)
	}
	return code, err
}

func (r *Runtime) exec(ctx context.Context, id string, spec runner.ExecSpec, privileged bool) (int, error) {
	made, err := r.api.ExecCreate(ctx, id, client.ExecCreateOptions{
		Cmd: spec.Command, Env: spec.Env, User: spec.User, WorkingDir: spec.Dir, TTY: spec.TTY, Privileged: privileged,
		AttachStdin: spec.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return -1, err
	}
	conn, err := r.api.ExecAttach(ctx, made.ID, client.ExecAttachOptions{TTY: spec.TTY})
	if err != nil {
		return -1, err
	}
	stop := context.AfterFunc(ctx, conn.Close)
	defer conn.Close()
	defer stop()
	resizing, stopResizing := context.WithCancel(ctx)
	resized := make(chan struct{})
	go func() {
		defer close(resized)
		r.resize(resizing, made.ID, spec.Resize)
	}()
	defer func() { stopResizing(); <-resized }()
	if spec.Stdin != nil {
		// It ends when the user's input or the connection does; the input itself is the caller's.
		go func() {
			_, _ = io.Copy(conn.Conn, spec.Stdin)
			_ = conn.CloseWrite()
		}()
	}
	if err := copyOutput(conn.Reader, spec); err != nil && ctx.Err() == nil {
		return -1, err
	}
	if ctx.Err() != nil {
		return -1, ctx.Err()
	}
	return r.exitCode(ctx, made.ID)
}

func copyOutput(from io.Reader, spec runner.ExecSpec) error {
	stdout, stderr := spec.Stdout, spec.Stderr
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	var err error
	if spec.TTY {
		_, err = io.Copy(stdout, from)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, from)
	}
	return err
}

// resize passes on the sizes of the user's terminal.
func (r *Runtime) resize(ctx context.Context, exec string, sizes <-chan [2]int) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				return
			}
			_, _ = r.api.ExecResize(ctx, exec, client.ExecResizeOptions{Width: uint(size[0]), Height: uint(size[1])})
		}
	}
}

// exitCode reads the exit code of a command whose output has ended. The engine has noted the end by then, but for a
// command that closed its output while it still ran.
func (r *Runtime) exitCode(ctx context.Context, exec string) (int, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		res, err := r.api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		if err != nil || !res.Running {
			return res.ExitCode, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return -1, ctx.Err()
		}
	}
}

// maxProbeOutput is how much of a health test's output is kept, as by the engine.
const maxProbeOutput = 4 << 10

// Probe runs the health test of a container: the one of the file, else the one of its image.
func (r *Runtime) Probe(ctx context.Context, instance string) (string, error) {
	t, err := r.of(ctx, instance)
	if err != nil {
		return "", r.explain(err, subject{what: "container", name: instance[:min(12, len(instance))]})
	}
	about := subject{service: t.instance.Service, what: "container", name: t.instance.Name}
	if len(t.test.command) == 0 {
		return "", &runner.Error{Kind: runner.ErrUsage, Service: about.service,
			Msg: fmt.Sprintf("%s has no health test.", about), Hint: "Give it a `healthcheck`."}
	}
	limited, cancel := context.WithTimeout(ctx, t.test.timeout)
	defer cancel()
	output := capped{most: maxProbeOutput}
	code, err := r.exec(limited, instance, runner.ExecSpec{Command: t.test.command, Stdout: &output, Stderr: &output}, false)
	text := strings.TrimRight(output.String(), "\r\n")
	switch {
	case ctx.Err() != nil:
		return text, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return text, fmt.Errorf("the health test took longer than %s", t.test.timeout)
	case err != nil:
		return text, r.explain(err, about)
	case code != 0:
		return text, fmt.Errorf("the health test ended with exit code %d", code)
	}
	return text, nil
}

// capped keeps the beginning of what is written to it.
type capped struct {
	bytes.Buffer
	most int
}

func (c *capped) Write(b []byte) (int, error) {
	if room := c.most - c.Len(); room > 0 {
		c.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// hooks runs the post_start or pre_stop commands of a service, one after the other.
func (r *Runtime) hooks(ctx context.Context, id string, hooks []types.ServiceHook) error {
	for _, h := range hooks {
		output := capped{most: maxProbeOutput}
		code, err := r.exec(ctx, id, runner.ExecSpec{
			Command: h.Command, User: h.User, Dir: h.WorkingDir, Env: environmentOf(h.Environment), Stdout: &output, Stderr: &output,
		}, h.Privileged)
		if err != nil {
			return err
		}
		if code != 0 {
			return &runner.Error{Kind: runner.ErrFailed,
				Msg:  fmt.Sprintf("the hook `%s` ended with exit code %d.", strings.Join(h.Command, " "), code),
				Hint: "It wrote: " + strings.TrimSpace(output.String())}
		}
	}
	return nil
}
