package process

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"msdev/runner"
)

// attachment is an instance whose process somebody else has started, and waits for.
type attachment struct {
	runtime *Runtime
	in      *instance
	run     *run
	env     []string
	signals chan syscall.Signal
	tests   sync.WaitGroup
	untest  context.CancelFunc
}

// signalsAhead is how many signals wait for the one who passes them on: more than a stop and a kill are never sent.
const signalsAhead = 4

// Attach stops the first instance of a service, which is made where there is none, and keeps its place.
func (r *Runtime) Attach(ctx context.Context, service string) (runner.Attachment, error) {
	if err := r.own(); err != nil {
		return nil, err
	}
	if _, _, err := r.make(runner.Action{Service: service}, false); err != nil {
		return nil, err
	}
	in := r.firstOf(service)
	for in != nil {
		if err := r.unattached(in); err != nil {
			return nil, err
		}
		if err := r.stop(ctx, in, nil); err != nil {
			return nil, err
		}
		if err := r.expose(ctx, in); err != nil {
			return nil, err
		}
		if at, err := r.hold(in); at != nil || err != nil {
			return at, err
		}
	}
	return nil, errClosed
}

func (r *Runtime) firstOf(service string) *instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.instances {
		if in.state.Service == service && in.state.Number == 1 {
			return in
		}
	}
	return nil
}

func (r *Runtime) unattached(in *instance) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.run == nil || in.run.attached == nil {
		return nil
	}
	return &runner.Error{Kind: runner.ErrFailed, Service: in.state.Service, Msg: fmt.Sprintf("service %q is attached already, by the process %d", in.state.Service, in.state.Attached),
		Hint: "End that one first."}
}

// hold keeps the place of an instance that does not run; nil where it runs again.
func (r *Runtime) hold(in *instance) (*attachment, error) {
	in.starting.Lock()
	defer in.starting.Unlock()
	r.mu.Lock()
	running, closed, service := in.run != nil, r.closed, in.state.Service
	env, err := r.given(service, in.ports)
	r.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case running || err != nil:
		return nil, err
	}
	fronts, err := r.open(in)
	if err != nil {
		return nil, err
	}
	a := &attachment{runtime: r, in: in, env: env, signals: make(chan syscall.Signal, signalsAhead), untest: func() {}}
	a.run = &run{quit: make(chan struct{}), done: make(chan struct{}), fronts: fronts, attached: a}
	r.mu.Lock()
	in.run = a.run
	r.mu.Unlock()
	return a, nil
}

func (a *attachment) Environment() []string { return a.env }

func (a *attachment) Signals() <-chan syscall.Signal { return a.signals }

// Started makes the process the instance's, and tests whether it is ready. Its output is where its user is: a line that would
// tell that it is ready is taken as read.
func (a *attachment) Started(pid int) {
	r := a.runtime
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &child{pid: pid, start: startOf(pid), began: time.Now(), matched: make(chan struct{})}
	close(c.matched)
	test, err := r.testOf(a.in, templates{service: a.in.state.Service, ports: a.in.ports, volume: r.volume})
	if err == nil { // what is wrong with it was told when the service was started
		c.test = test
	}
	a.run.child = c
	r.change(a.in, func(i *runner.Instance) {
		i.Attached, i.Restarts, i.FinishedAt = pid, 0, time.Time{}
		c.begun(i)
	})
	if c.test != nil {
		var ctx context.Context
		ctx, a.untest = context.WithCancel(context.Background())
		a.tests.Go(func() { r.watchHealth(ctx, a.in, c) })
	}
}

// signal has the process signalled by the one who has started it. r.mu is held.
func (a *attachment) signal(sig syscall.Signal) {
	select {
	case a.signals <- sig:
	default: // it has been told often enough
	}
}

func (a *attachment) Ended(code int) {
	a.untest()
	a.tests.Wait()
	a.run.fronts.close()
	r := a.runtime
	r.mu.Lock()
	defer r.mu.Unlock()
	a.in.run = nil
	r.change(a.in, func(i *runner.Instance) {
		if i.Attached != 0 {
			i.ExitCode, i.FinishedAt = code, time.Now()
		}
		i.Attached, i.State, i.Health = 0, runner.InstanceExited, runner.HealthNone
	})
	close(a.run.done)
}

func (a *attachment) Abandoned() {
	r := a.runtime
	r.mu.Lock()
	if c := a.run.child; c != nil && c.start != "" && startOf(c.pid) == c.start {
		_ = syscall.Kill(c.pid, syscall.SIGKILL)
	}
	r.mu.Unlock()
	a.Ended(128 + int(syscall.SIGKILL))
}
