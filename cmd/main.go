// Package cmd is the command line: one file a verb. Each verb is a client of a session, either of the one that runs for the
// project or of one inside this process.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"msdev/runner"
	"msdev/session"
)

// The exit codes of every verb. exec and up --exit-code-from give the service's own.
const (
	exitDone        = 0
	exitFailed      = 1   // the asked-for thing failed
	exitUsage       = 2   // wrong use or a wrong file
	exitEngine      = 3   // no engine, broker or session to talk to
	exitInterrupted = 130 // by a signal
)

// app is one run of the program: its streams, its environment, and the flags that all verbs share.
type app struct {
	in      *os.File
	out     *os.File // data
	err     *os.File // talk
	environ []string
	project runner.LoadOptions
	ansi    string
	runtime string
}

// Main runs the program and returns its exit code.
func Main() int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	ctx := context.Background()
	if len(os.Args) == 2 && os.Args[1] == session.ServeVerb {
		return a.serve(ctx)
	}
	if len(os.Args) == 2 && os.Args[1] == relayVerb {
		return a.relay(ctx)
	}
	if len(os.Args) == 2 && os.Args[1] == eraserVerb {
		return a.erase()
	}
	root := newRoot(a)
	root.SetArgs(os.Args[1:])
	return a.exit(root.ExecuteContext(ctx))
}

// serve is the body of a session's own process. Its settings come by standard input, and it has no terminal.
func (a *app) serve(ctx context.Context) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := session.Serve(ctx, a.in, a.out, wire); err != nil && ctx.Err() == nil {
		return exitFailed
	}
	return exitDone
}

// exitError ends the program with a code and without a word.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is wrong use of a verb, as cobra and the verbs find it.
func usageError(msg, hint string) error {
	return &runner.Error{Kind: runner.ErrUsage, Msg: msg, Hint: hint}
}

// exit prints an error, the sentence and under it the way out, and returns its exit code.
func (a *app) exit(err error) int {
	var code exitError
	var e *runner.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, session.ErrNoSession):
		err = &runner.Error{Kind: runner.ErrEngine, Msg: err.Error(), Hint: "`msdev up` starts one."}
	}
	if !errors.As(err, &e) {
		e = &runner.Error{Kind: runner.ErrFailed, Msg: err.Error()}
	}
	paint := newPainter(a.colour(a.err))
	fmt.Fprintln(a.err, paint.red("error:")+" "+e.Msg)
	if e.Hint != "" {
		fmt.Fprintln(a.err, paint.dim(e.Hint))
	}
	switch e.Kind {
	case runner.ErrUsage:
		return exitUsage
	case runner.ErrEngine:
		return exitEngine
	default:
		return exitFailed
	}
}

// warn prints what the user should know, once each.
func (a *app) warn(texts ...string) {
	paint := newPainter(a.colour(a.err))
	seen := map[string]bool{}
	for _, text := range texts {
		if !seen[text] {
			fmt.Fprintln(a.err, paint.yellow("warning:")+" "+text)
		}
		seen[text] = true
	}
}

// env returns a variable of the user's environment.
func (a *app) env(name string) string {
	for i := len(a.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(a.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// interruptible returns a context that ends with the first interrupt; the second one ends the program as it would without us.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// printf writes data. A reader that has gone away ends the program by SIGPIPE, so what is left of errors is a full disk, which
// the verb's own result does not depend on.
func printf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
