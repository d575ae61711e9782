package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

// test is how the health of an instance is tested, with the engine's times.
type test struct {
	ask           func(ctx context.Context) (output string, err error)
	line          *regexp.Regexp // instead of ask: a line of output that tells
	eager         time.Duration  // the first pause between the tests of a process that was not healthy yet
	interval      time.Duration
	timeout       time.Duration
	startPeriod   time.Duration
	startInterval time.Duration
	retries       int
}

// The engine's defaults, and how patient msdev is with a service that has no test of its own.
const (
	testInterval  = 30 * time.Second
	testTimeout   = 30 * time.Second
	startInterval = 5 * time.Second
	readyInterval = 10 * time.Second
	readyTimeout  = 5 * time.Second
	readyPeriod   = time.Minute
	testRetries   = 3
)

// testOf is the health test of an instance: its x-msdev.ready; or its healthcheck, unless its program exists only in the
// image; or whether the ports that it declares take connections. nil is an instance that is ready when it runs. r.mu is held.
func (r *Runtime) testOf(in *instance, t templates) (*test, error) {
	s, ready := r.project.Compose.Services[t.service], r.project.Services[t.service].Ready
	made := &test{interval: readyInterval, timeout: readyTimeout, startPeriod: readyPeriod, startInterval: time.Second, retries: testRetries, eager: eagerFirst}
	if h := s.HealthCheck; h != nil && !h.Disable && !none(h) {
		made.engineTimes(h)
	}
	switch argv, ask := r.containerTest(s.HealthCheck), r.probeOf(in, t, ready); {
	case ask != nil:
		made.ask = ask
		if len(ready.Exec) > 0 {
			made.eager = eagerCommand
		}
	case ready.Log != "":
		line, err := regexp.Compile(ready.Log)
		if err != nil {
			return nil, &runner.Error{Kind: runner.ErrUsage, Service: t.service, Err: err,
				Msg:  fmt.Sprintf("%s: service %q: %q is no regular expression: %v", r.project.Place("services", t.service, "x-msdev", "ready", "log"), t.service, ready.Log, err),
				Hint: "It is matched against each line of output, in Go's syntax."}
		}
		made.line = line
	case s.HealthCheck != nil && (s.HealthCheck.Disable || none(s.HealthCheck)):
		return nil, nil //nolint:nilnil // no test is no error
	case argv != nil:
		made.ask, made.eager = r.asking(in, argv), eagerCommand
	default:
		if made.ask = allOpen(in.ports); made.ask == nil {
			return nil, nil //nolint:nilnil // no test is no error
		}
	}
	return made, nil
}

func none(h *types.HealthCheckConfig) bool { return len(h.Test) > 0 && h.Test[0] == "NONE" }

func (t *test) engineTimes(h *types.HealthCheckConfig) {
	or := func(d *types.Duration, otherwise time.Duration) time.Duration {
		if d == nil || *d == 0 {
			return otherwise
		}
		return time.Duration(*d)
	}
	t.interval, t.timeout = or(h.Interval, testInterval), or(h.Timeout, testTimeout)
	t.startPeriod, t.startInterval = or(h.StartPeriod, 0), or(h.StartInterval, startInterval)
	if h.Retries != nil && *h.Retries > 0 {
		t.retries = int(*h.Retries)
	}
}

// containerTest is the command of a healthcheck, or nil where it cannot run on this machine.
func (r *Runtime) containerTest(h *types.HealthCheckConfig) []string {
	if h == nil || len(h.Test) < 2 {
		return nil
	}
	switch h.Test[0] {
	case "CMD-SHELL":
		return []string{"/bin/sh", "-c", h.Test[1]}
	case "CMD":
		if program := h.Test[1]; filepath.IsAbs(program) {
			if _, err := os.Stat(program); err != nil {
				return nil
			}
		}
		return h.Test[1:]
	}
	return nil
}

// asking runs a command as the service would, and is content with exit code 0.
func (r *Runtime) asking(in *instance, argv []string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		r.mu.Lock()
		l, err := r.launch(in)
		r.mu.Unlock()
		if err != nil {
			return "", err
		}
		cmd, err := l.command(argv)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		code, err := r.piped(ctx, cmd, func(text string, _ bool) {
			if out.Len()+len(text) < maxTestOutput {
				out.WriteString(text + "\n")
			}
		})
		if err == nil && code != 0 {
			err = fmt.Errorf("the health test ended with exit code %d", code)
		}
		return out.String(), err
	}
}

// maxTestOutput is how much of a test's output is kept, as by the engine.
const maxTestOutput = 4 << 10

// try runs a test once, within its timeout.
func (t *test) try(ctx context.Context, c *child) (string, error) {
	if t.line != nil {
		select {
		case <-c.matched:
			return "", nil
		default:
			return "", fmt.Errorf("no line of its output matches %s yet", t.line)
		}
	}
	limited, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	text, err := t.ask(limited)
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("the health test took longer than %s", t.timeout)
	}
	return text, err
}

// Probe runs the health test of an instance once. One that succeeds makes a starting instance healthy.
func (r *Runtime) Probe(ctx context.Context, instance string) (string, error) {
	in, err := r.find(instance)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	c := (*child)(nil)
	if in.run != nil {
		c = in.run.child
	}
	name, service := in.state.Name, in.state.Service
	r.mu.Unlock()
	switch {
	case c == nil:
		return "", &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: name + " does not run", Hint: "Start it: msdev start " + service}
	case c.test == nil:
		return "", &runner.Error{Kind: runner.ErrUsage, Service: service, Msg: fmt.Sprintf("service %q has no health test", service),
			Hint: "Give it one: x-msdev: {ready: {tcp: PORT}}."}
	}
	text, err := c.test.try(ctx, c)
	if err == nil {
		r.healthy(in, c, runner.HealthHealthy, text)
	}
	return text, err
}

// healthy notes what a test of a process says, if it is still the instance's.
func (r *Runtime) healthy(in *instance, c *child, health runner.Health, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.run == nil || in.run.child != c || in.state.Health == health {
		return
	}
	r.change(in, func(i *runner.Instance) { i.Health, i.HealthLog = health, text })
}

// watchHealth tests a process until ctx ends: as the engine does, and often at first, so that it is known as healthy when it is.
func (r *Runtime) watchHealth(ctx context.Context, in *instance, c *child) {
	t, failures, once := c.test, 0, false
	for eager := t.eager; ; {
		text, err := t.try(ctx, c)
		if ctx.Err() != nil {
			return
		}
		starting := !once && time.Since(c.began) < t.startPeriod
		switch {
		case err == nil:
			failures, once = 0, true
			r.healthy(in, c, runner.HealthHealthy, text)
		case !starting && (once || time.Since(c.began) >= time.Duration(failures+1)*t.interval):
			if failures++; failures >= t.retries {
				r.healthy(in, c, runner.HealthUnhealthy, strings.TrimSpace(text+"\n"+err.Error()))
			}
		}
		pause := t.interval
		if !once {
			pause = min(eager, t.startInterval, t.interval)
			eager = min(eager*3/2, eagerMost)
		}
		var line <-chan struct{}
		if t.line != nil && !once {
			line = c.matched
		}
		select {
		case <-ctx.Done():
			return
		case <-line:
		case <-time.After(pause):
		}
	}
}

// The pauses between the tests of a process that was not healthy yet: each is half as long again as the one before. A question that
// nobody answers yet costs next to nothing, a command takes time from the one that starts.
const (
	eagerFirst   = 4 * time.Millisecond
	eagerCommand = 40 * time.Millisecond
	eagerMost    = time.Second
)

// portIn reads the port of PORT/path.
func portIn(text string) (port int, path string) {
	number, path, _ := strings.Cut(text, "/")
	port, _ = strconv.Atoi(number)
	return port, "/" + path
}
