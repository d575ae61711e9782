package cmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
	"msdev/tui"
)

// screen is an `up` on a terminal. The screen is drawn before the session has started.
func (r *run) screen(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	src := &source{ready: make(chan struct{})}
	upped, failed := make(chan error, 1), make(chan error, 1)
	go func() { // ends with ctx
		src.client, src.err = r.connect(ctx)
		close(src.ready)
		if src.err != nil {
			cancel()
			return
		}
		_, err := src.client.Do(ctx, r.command)
		upped <- err
		if err != nil && ctx.Err() == nil && !errors.Is(err, runner.ErrSuperseded) {
			failed <- err
		}
	}()
	outcome, err := r.app.screen(ctx, src, r.expected(), r.command.Timeout, failed)
	if err == nil && outcome == tui.Detached {
		r.app.detached(r.project.Name)
		return nil
	}
	if _, broken := src.wait(context.WithoutCancel(ctx)); broken != nil {
		return broken
	}
	defer src.client.Close()
	if err == nil && (outcome == tui.Stopped || outcome == tui.Killed) {
		err = quit(ctx, src.client)
	}
	select {
	case failure := <-upped: // what the screen has shown is said once more, as the screen is gone
		var e *runner.Error
		if err == nil && errors.As(failure, &e) && e.Kind != runner.ErrEngine {
			err = failure
		}
	default:
	}
	return err
}

// screen shows a session until the person leaves it.
func (a *app) screen(ctx context.Context, src tui.Source, st session.State, timeout *time.Duration, failed <-chan error) (tui.Outcome, error) {
	path, err := tui.SettingsFile()
	if err != nil {
		return tui.Quit, err
	}
	settings, err := tui.LoadSettings(path)
	if err != nil {
		return tui.Quit, err
	}
	memory, err := session.StateDir("") // of all projects
	if err != nil {
		return tui.Quit, err
	}
	outcome, err := tui.Run(ctx, tui.Options{Source: src, State: st, Timeout: timeout, Failed: failed, Input: a.in, Output: a.out, Environ: a.environ, Settings: settings,
		Memory: tui.LoadMemory(filepath.Join(memory, "screen.json")), Shell: shell(st.Project)})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return outcome, err
}

// detached says how to come back.
func (a *app) detached(project string) {
	printf(a.err, "%s goes on. `msdev attach` opens its screen again, `msdev down` ends it.\n", project)
}

// shell opens a shell in an instance of a service: the best one that its image has.
func shell(project string) func(service string) *exec.Cmd {
	return func(service string) *exec.Cmd {
		exe, err := os.Executable()
		if err != nil {
			exe = os.Args[0]
		}
		return exec.Command(exe, "--project-name", project, "exec", service, "sh", "-c", "command -v bash >/dev/null && exec bash || exec sh")
	}
}

// source is a session that is still being started: whoever asks waits for it.
type source struct {
	ready  chan struct{} // closed when client or err is set
	client *session.Client
	err    error
}

func (s *source) wait(ctx context.Context) (*session.Client, error) {
	select {
	case <-s.ready:
		return s.client, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Watch is the client's.
func (s *source) Watch(ctx context.Context, fn func(session.State) error) error {
	c, err := s.wait(ctx)
	if err != nil {
		return err
	}
	return c.Watch(ctx, fn)
}

// Do is the client's.
func (s *source) Do(ctx context.Context, cmd session.Command) (session.Result, error) {
	c, err := s.wait(ctx)
	if err != nil {
		return session.Result{}, err
	}
	return c.Do(ctx, cmd)
}

// Records is the client's.
func (s *source) Records(ctx context.Context, q session.RecordQuery) (journal.Page, error) {
	c, err := s.wait(ctx)
	if err != nil {
		return journal.Page{}, err
	}
	return c.Records(ctx, q)
}

// Wait is the client's.
func (s *source) Wait(ctx context.Context, after uint64) (uint64, error) {
	c, err := s.wait(ctx)
	if err != nil {
		return 0, err
	}
	return c.Wait(ctx, after)
}
