// Command app is the program inside the image msdev-test/app: one static binary that behaves, or misbehaves, the way a
// test asks it to. It needs no shell and nothing else in its image.
//
//	app [serve]              serve HTTP on $PORT (8080) until a stop signal comes
//	app health               exit 0 when the server on $PORT says it is healthy, else 1
//	app crash CODE [AFTER]   exit with CODE after AFTER (a duration; at once without it)
//	app log [flags]          write log lines; see log.go
//	app sleep [DURATION]     do nothing, until a stop signal comes or the time is over
//	app env [NAME...]        print the environment, or the values of the names
//	app wait ADDRESS [LIMIT] exit 0 as soon as a TCP connection to host:port succeeds, 1 when LIMIT (30s) is over
//
// Settings from the environment, for serve, crash, log and sleep:
//
//	IGNORE_SIGTERM=1   SIGTERM and SIGINT are noted and not obeyed
//	STOP_DELAY=2s      a stop signal is obeyed this much later
//	STOP_CODE=3        the exit code after a stop signal (0)
//	EXIT_AFTER=5s      exit by itself, with EXIT_CODE (0)
//
// and for serve:
//
//	HEALTHY_AFTER=2s   /health answers 503 for this long after the start
//	UNHEALTHY=1        /health always answers 503
//	START_DELAY=2s     nothing listens for this long
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	name := "serve"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	life := newLife()
	defer life.leave()
	var err error
	switch name {
	case "serve":
		life.begin(stderr)
		err = serve(life, stdout)
	case "health":
		return health(stderr)
	case "crash":
		life.begin(stderr)
		err = crash(life, args, stderr)
	case "log":
		life.begin(stderr)
		err = writeLog(life, args, stdout, stderr)
	case "sleep":
		life.begin(stderr)
		err = sleep(life, args)
	case "env":
		printEnv(args, stdout)
	case "wait":
		err = wait(args)
	default:
		fmt.Fprintf(stderr, "app: unknown subcommand %q\n", name)
		return 2
	}
	if code, is := errors.AsType[exitCode](err); is {
		return int(code)
	}
	if err != nil {
		fmt.Fprintln(stderr, "app:", err)
		return 1
	}
	select {
	case <-life.over:
		return life.code
	default:
		return 0
	}
}

// life ends when a stop signal is obeyed or EXIT_AFTER is over; code is then what to exit with.
type life struct {
	over chan struct{}
	code int

	left chan struct{} // closed by leave
	done sync.WaitGroup
}

func newLife() *life {
	return &life{over: make(chan struct{}), left: make(chan struct{})}
}

// begin starts to listen for stop signals, until leave.
func (l *life) begin(stderr io.Writer) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	var exit <-chan time.Time
	if d := duration("EXIT_AFTER"); d > 0 {
		exit = time.After(d)
	}
	l.done.Go(func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-l.left:
				return
			case <-exit:
				l.end(number("EXIT_CODE"))
				return
			case s := <-signals:
				if os.Getenv("IGNORE_SIGTERM") != "" {
					fmt.Fprintf(stderr, "ignored: %v\n", s)
					continue
				}
				fmt.Fprintf(stderr, "stopping: %v\n", s)
				time.Sleep(duration("STOP_DELAY"))
				l.end(number("STOP_CODE"))
				return
			}
		}
	})
}

func (l *life) end(code int) {
	l.code = code
	close(l.over)
}

// leave ends what begin started.
func (l *life) leave() {
	close(l.left)
	l.done.Wait()
}

func duration(name string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(name))
	return d
}

func number(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

func crash(l *life, args []string, stderr io.Writer) error {
	code, after := 1, time.Duration(0)
	var err error
	if len(args) > 0 {
		if code, err = strconv.Atoi(args[0]); err != nil {
			return err
		}
	}
	if len(args) > 1 {
		if after, err = time.ParseDuration(args[1]); err != nil {
			return err
		}
	}
	select {
	case <-l.over:
		return nil
	case <-time.After(after):
	}
	fmt.Fprintf(stderr, "crashing with %d\n", code)
	return exitCode(code)
}

// exitCode is the error of a program that is told how to exit, and has said why.
type exitCode int

func (c exitCode) Error() string { return "exit code " + strconv.Itoa(int(c)) }

func sleep(l *life, args []string) error {
	var over <-chan time.Time
	if len(args) > 0 {
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		over = time.After(d)
	}
	select {
	case <-over:
	case <-l.over:
	}
	return nil
}

func printEnv(names []string, stdout io.Writer) {
	if len(names) > 0 {
		for _, name := range names {
			fmt.Fprintln(stdout, os.Getenv(name))
		}
		return
	}
	for _, pair := range slices.Sorted(slices.Values(os.Environ())) {
		fmt.Fprintln(stdout, pair)
	}
}

func wait(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("wait needs an address, as in: app wait db:5432")
	}
	limit := 30 * time.Second
	if len(args) > 1 {
		var err error
		if limit, err = time.ParseDuration(args[1]); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", args[0])
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", args[0], err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
