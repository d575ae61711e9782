package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"msdev/session"
)

func newExec(a *app) *cobra.Command {
	var req session.ExecRequest
	var noTTY, detached bool
	c := &cobra.Command{
		Use:   "exec [flags] SERVICE COMMAND [ARG...]",
		Short: "Run a command inside a running container",
		Example: `  msdev exec rabbitmq rabbitmqctl list_queues
  msdev exec -T -e LANG=C kafka sh -c 'ls /opt' | wc -l`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.service,
		RunE: func(_ *cobra.Command, args []string) error {
			if detached {
				return usageError("exec has no --detach: a command ends with the one who watches it", "Run it as a service of its own.")
			}
			req.Service, req.Command = args[0], args[1:]
			req.TTY = !noTTY && isTerminal(a.in) && isTerminal(a.out)
			return a.exec(req)
		},
	}
	flags := c.Flags()
	flags.SetInterspersed(false)
	flags.BoolVarP(&noTTY, "no-tty", "T", false, "no terminal (default: one where there is one)")
	flags.StringVarP(&req.User, "user", "u", "", "run as this `user`")
	flags.StringVarP(&req.Dir, "workdir", "w", "", "run in this `folder` of the container")
	flags.StringArrayVarP(&req.Env, "env", "e", nil, "set a variable: `NAME=value`")
	flags.IntVar(&req.Index, "index", 0, "`number` of the instance (default: the first that runs)")
	flags.BoolVarP(&detached, "detach", "d", false, "")
	_ = flags.MarkHidden("detach")
	return c
}

// exec runs a command and ends with its exit code.
func (a *app) exec(req session.ExecRequest) (err error) {
	ctx := context.Background()
	c, _, err := a.connect(ctx, session.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var resize chan [2]int
	if req.TTY {
		req.Columns, req.Rows, err = term.GetSize(int(a.out.Fd()))
		if err != nil {
			return err
		}
		if os.Getenv("TERM") != "" {
			req.Env = append([]string{"TERM=" + a.env("TERM")}, req.Env...)
		}
		state, err := term.MakeRaw(int(a.in.Fd()))
		if err != nil {
			return err
		}
		defer func() { _ = term.Restore(int(a.in.Fd()), state) }()
		var stop func()
		resize, stop = a.resizes()
		defer stop()
	} else { // an interrupt ends the client; the command sees its input and output close
		var stop context.CancelFunc
		ctx, stop = interruptible(ctx)
		defer stop()
	}
	var out, errOut io.Writer = a.out, a.err
	code, err := c.Exec(ctx, req, a.in, out, errOut, resize)
	if err == nil && code != 0 {
		return exitError(code)
	}
	return err
}

// resizes tells the terminal's size whenever it changes, until stop.
func (a *app) resizes() (sizes chan [2]int, stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	sizes = make(chan [2]int, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			if columns, rows, err := term.GetSize(int(a.out.Fd())); err == nil {
				select {
				case sizes <- [2]int{columns, rows}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return sizes, func() {
		signal.Stop(changed)
		cancel()
		<-done
	}
}
