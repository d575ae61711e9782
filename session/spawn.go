package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"msdev/runner"
)

// ServeVerb is the hidden verb whose body is Serve.
const ServeVerb = "__session"

// started is what a session's process tells once: that it listens, or why it does not.
type started struct {
	Project string     `json:"project,omitempty"`
	Error   *wireError `json:"error,omitempty"`
}

// Spawn starts a session in a process of its own (this program with the argument `__session`, in its own session and
// process group, so that no terminal's signal reaches it) and connects to it. Errors of its start are the session's own.
func Spawn(ctx context.Context, cfg Config) (*Client, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, ServeVerb)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the session: %w", err)
	}
	defer func() {
		go func() { _ = cmd.Wait() }() // reaps it if it ends before this process; not sooner, as that closes what is read from
	}()
	_, err = in.Write(config)
	if err := errors.Join(err, in.Close()); err != nil {
		return nil, fmt.Errorf("cannot start the session: %w", err)
	}
	var st started
	if err := json.NewDecoder(out).Decode(&st); err != nil {
		return nil, &runner.Error{Kind: runner.ErrFailed, Msg: "the session ended before it was ready", Hint: "Its log may say why: " + logPathHint(cfg), Err: err}
	}
	if st.Error != nil {
		return nil, st.Error.error()
	}
	return Dial(ctx, st.Project)
}

func logPathHint(cfg Config) string {
	dir, err := StateDir(cfg.Load.Name)
	if err != nil || cfg.Load.Name == "" {
		return "session.log in the project's folder under ~/.local/state/msdev"
	}
	return filepath.Join(dir, "session.log")
}

// Serve is the body of the session's process: it reads its Config from in, takes the project's control socket, tells
// readiness or its error on out, and returns when the session has ended.
func Serve(ctx context.Context, in io.Reader, out io.WriteCloser, wire Wire) error {
	err := serve(ctx, in, out, wire)
	if err != nil {
		we := newWireError(err)
		_ = json.NewEncoder(out).Encode(started{Error: &we})
	}
	return err
}

func serve(ctx context.Context, in io.Reader, out io.WriteCloser, wire Wire) error {
	var cfg Config
	if err := json.NewDecoder(in).Decode(&cfg); err != nil {
		return &runner.Error{Kind: runner.ErrUsage, Msg: "the session's settings cannot be read: " + err.Error(), Hint: "`msdev up` starts a session; the verb " + ServeVerb + " is its own."}
	}
	s, err := Open(ctx, cfg, wire)
	if err != nil {
		return err
	}
	l, lock, err := listen(s.project.Name)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := logToFile(s.project.Name); err != nil {
		_ = l.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := newServer(s.Handler(ctx))
	go func() { _ = server.Serve(l) }()
	if err := json.NewEncoder(out).Encode(started{Project: s.project.Name}); err != nil {
		_ = server.Close()
		return nil // the one who asked is gone already
	}
	_ = out.Close()
	go func() { // ends with the session
		select {
		case <-s.quit: // who comes now finds no session, instead of one that is ending
			_ = l.Close()
		case <-ctx.Done():
		}
	}()
	err = s.Run(ctx)
	shut(server)
	return err
}

// logToFile has panics and whatever libraries write go to the session's log, as the session has no terminal.
func logToFile(project string) error {
	dir, err := StateDir(project)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "session.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	os.Stderr = f
	return debug.SetCrashOutput(f, debug.CrashOptions{})
}
