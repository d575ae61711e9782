package cmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"msdev/runner"
	"msdev/session"
)

func newRun(a *app) *cobra.Command {
	var attach string
	c := &cobra.Command{
		Use:   "run --attach SERVICE -- COMMAND [ARG...]",
		Short: "Run a command of your own in place of a service",
		Long: `Run a command of your own in place of a service: here, in your terminal and folder, with the service's environment and ports.

The session stops the service's own instance, takes your process for the service while it lives, so that all others reach it, and
starts its own again when yours has ended. So a service can be run by a debugger and still be part of the graph.`,
		Example: `  msdev run --attach orders -- dlv debug ./orders
  msdev run --attach payments -- env SLOW_FOR=5s go run ./payments`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.service,
		RunE: func(_ *cobra.Command, args []string) error {
			if attach == "" {
				return usageError("run needs --attach SERVICE: a service beside its own instances is not run yet", "`msdev exec SERVICE COMMAND` runs a command inside one that runs.")
			}
			return a.attachProcess(attach, args)
		},
	}
	flags := c.Flags()
	flags.SetInterspersed(false)
	flags.StringVar(&attach, "attach", "", "the `service` that the command is while it runs")
	return c
}

// attachProcess runs a command as a service, and ends with its exit code.
func (a *app) attachProcess(service string, argv []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	// The terminal sends its signals to the command as well, which decides what comes of them.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	at, err := c.Attach(ctx, service)
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	cmd.Env = slices.Concat(a.environ, at.Environment)
	if err := cmd.Start(); err != nil {
		return errors.Join(&runner.Error{Kind: runner.ErrFailed, Service: service, Msg: "the command cannot be started: " + err.Error(), Hint: "It is looked for in PATH, and runs in this folder.", Err: err}, at.Ended(notStarted))
	}
	told := at.Started(cmd.Process.Pid)
	code := a.await(cmd, at, signals)
	if err := at.Ended(code); errors.Join(told, err) != nil {
		a.warn(service + ": " + errors.Join(told, err).Error())
	}
	if code != 0 {
		return exitError(code)
	}
	return nil
}

// notStarted is the exit code that shells give to a command that cannot be started.
const notStarted = 127

// await waits for the end of a command and passes on to it what it is to be sent: by the session, or by somebody else than the
// terminal. Its exit code is what a shell would say.
func (a *app) await(cmd *exec.Cmd, at *session.Attached, signals <-chan os.Signal) int {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is in its state
	}()
	orders := at.Signals
	for {
		select {
		case <-ended:
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				return 128 + int(status.Signal())
			}
			return cmd.ProcessState.ExitCode()
		case sig, ok := <-orders:
			if !ok {
				orders = nil
				a.warn("the session has ended; the command goes on by itself")
				continue
			}
			_ = cmd.Process.Signal(sig) // it may have ended already
		case sig := <-signals:
			if sig == syscall.SIGTERM || sig == syscall.SIGHUP {
				_ = cmd.Process.Signal(sig)
			}
		}
	}
}
