package process

import (
	"context"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"

	"msdev/runner"
)

// Exec runs a command with an instance's environment and in its folder. It ends with the instance, as in a container.
func (r *Runtime) Exec(ctx context.Context, instance string, spec runner.ExecSpec) (int, error) {
	in, err := r.find(instance)
	if err != nil {
		return -1, err
	}
	r.mu.Lock()
	l, err := r.launch(in)
	running, name := in.run != nil, in.state.Name
	r.mu.Unlock()
	switch {
	case err != nil:
		return -1, err
	case !running:
		return -1, &runner.Error{Kind: runner.ErrFailed, Service: l.service, Msg: name + " does not run", Hint: "Start it: msdev start " + l.service}
	case spec.User != "":
		return -1, &runner.Error{Kind: runner.ErrUsage, Service: l.service, Msg: "a process runs as who runs msdev, and not as " + spec.User, Hint: "Leave the user out."}
	}
	l.env = append(l.env, spec.Env...)
	if spec.Dir != "" {
		l.dir = r.inside(spec.Dir)
	}
	cmd, err := l.command(spec.Command)
	if err != nil {
		return -1, err
	}
	if spec.TTY {
		return r.execTerminal(ctx, cmd, spec)
	}
	return r.execPipes(ctx, cmd, spec)
}

func (r *Runtime) inside(dir string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inProject(dir)
}

// execPipes runs a command with its streams apart.
func (r *Runtime) execPipes(ctx context.Context, cmd *exec.Cmd, spec runner.ExecSpec) (int, error) {
	var ours, theirs []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			_ = f.Close()
		}
	}
	defer func() { closeAll(ours) }()
	pipe := func() (reader, writer *os.File, err error) { return os.Pipe() }
	var input *os.File
	if spec.Stdin != nil {
		reader, writer, err := pipe()
		if err != nil {
			return -1, err
		}
		cmd.Stdin, input = reader, writer
		ours, theirs = append(ours, writer), append(theirs, reader)
	}
	var copies sync.WaitGroup
	var readers []*os.File
	for _, to := range []struct {
		writer io.Writer
		set    func(*os.File)
	}{{spec.Stdout, func(f *os.File) { cmd.Stdout = f }}, {spec.Stderr, func(f *os.File) { cmd.Stderr = f }}} {
		if to.writer == nil {
			continue
		}
		reader, writer, err := pipe()
		if err != nil {
			closeAll(theirs)
			return -1, err
		}
		to.set(writer)
		ours, theirs, readers = append(ours, reader), append(theirs, writer), append(readers, reader)
		copies.Go(func() { _, _ = io.Copy(to.writer, reader) })
	}
	err := r.spawner.start(cmd, "", nil)
	closeAll(theirs)
	if err != nil {
		copies.Wait()
		return -1, err
	}
	if input != nil {
		// It ends when the user's input or the command does; the input itself is the caller's.
		go func() {
			_, _ = io.Copy(input, spec.Stdin)
			_ = input.Close()
		}()
	}
	code, err := r.finish(ctx, cmd)
	for _, reader := range readers {
		_ = reader.SetReadDeadline(time.Now().Add(drain))
	}
	copies.Wait()
	return code, err
}

// execTerminal runs a command on a terminal of its own.
func (r *Runtime) execTerminal(ctx context.Context, cmd *exec.Cmd, spec runner.ExecSpec) (int, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return -1, err
	}
	defer master.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = r.spawner.start(cmd, "", nil)
	_ = slave.Close()
	if err != nil {
		return -1, err
	}
	sizing, stop := context.WithCancel(ctx)
	var copies, sizes sync.WaitGroup
	sizes.Go(func() { resize(sizing, master, spec.Resize) })
	if spec.Stdin != nil {
		// It ends when the user's input or the terminal does; the input itself is the caller's.
		go func() { _, _ = io.Copy(master, spec.Stdin) }()
	}
	to := spec.Stdout
	if to == nil {
		to = io.Discard
	}
	copies.Go(func() { _, _ = io.Copy(to, master) })
	code, err := r.finish(ctx, cmd)
	stop()
	sizes.Wait()
	_ = master.SetReadDeadline(time.Now().Add(drain))
	copies.Wait()
	return code, err
}

// resize passes on the sizes of the user's terminal.
func resize(ctx context.Context, terminal *os.File, sizes <-chan [2]int) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				return
			}
			_ = pty.Setsize(terminal, &pty.Winsize{Cols: uint16(size[0]), Rows: uint16(size[1])})
		}
	}
}
