package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A step brings one thing onto the machine.
type step struct {
	name string
	// needs are the names of the steps that come first.
	needs []string
	// lock: of the steps with one lock only one runs at a time. Empty means none.
	lock string
	// there reports whether the thing is there already, as wanted. Nil means never.
	there func(ctx context.Context) (bool, error)
	// do makes it so. What it writes to log is kept in a file and shown when it fails.
	do func(ctx context.Context, log io.Writer) error
}

// unavailable is the error of a step that this machine cannot take, with the reason. What needs the step is unavailable
// as well; the rest goes on.
type unavailable string

func (u unavailable) Error() string { return string(u) }

func isUnavailable(err error) bool {
	_, is := errors.AsType[unavailable](err)
	return is
}

// An outcome is what became of a step.
type outcome struct {
	name  string
	was   bool // it was there already
	left  bool // it was not tried, because what it needs is unavailable
	took  time.Duration
	err   error
	ended bool
}

// ok reports whether the step's thing is there now.
func (o outcome) ok() bool { return o.ended && o.err == nil }

// checkGraph reports steps that can never run: doubled names, unknown needs and cycles.
func checkGraph(steps []step) error {
	byName := map[string]step{}
	for _, s := range steps {
		if _, twice := byName[s.name]; twice {
			return fmt.Errorf("two steps are named %q", s.name)
		}
		byName[s.name] = s
	}
	const visiting, done = 1, 2
	marks := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		s, known := byName[name]
		switch {
		case !known:
			return fmt.Errorf("no step is named %q", name)
		case marks[name] == visiting:
			return fmt.Errorf("step %q needs itself", name)
		case marks[name] == done:
			return nil
		}
		marks[name] = visiting
		for _, need := range s.needs {
			if err := visit(need); err != nil {
				return fmt.Errorf("%w (needed by %q)", err, name)
			}
		}
		marks[name] = done
		return nil
	}
	for _, s := range steps {
		if err := visit(s.name); err != nil {
			return err
		}
	}
	return nil
}

// A schedule is a run of a graph under way. Only the goroutine in run touches it.
type schedule struct {
	steps    []step
	locks    map[string]chan struct{}
	logs     func(name string) io.WriteCloser
	started  map[string]bool
	running  int
	ends     chan outcome
	outcomes map[string]outcome
}

// runGraph runs the steps, each as soon as what it needs is there, and tells report about each that ended. A failed step
// ends the others; an unavailable one only those that need it. It returns the outcomes by name. logs gives the place for
// what a step writes.
func runGraph(ctx context.Context, steps []step, logs func(name string) io.WriteCloser, report func(outcome)) (map[string]outcome, error) {
	if err := checkGraph(steps); err != nil {
		return nil, err
	}
	s := &schedule{
		steps: steps, logs: logs, locks: map[string]chan struct{}{},
		started: map[string]bool{}, ends: make(chan outcome), outcomes: map[string]outcome{},
	}
	for _, step := range steps {
		if step.lock != "" && s.locks[step.lock] == nil {
			s.locks[step.lock] = make(chan struct{}, 1)
		}
	}
	return s.outcomes, s.run(ctx, report)
}

func (s *schedule) run(parent context.Context, report func(outcome)) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	var first error
	for s.start(ctx); s.running > 0; s.start(ctx) {
		end := <-s.ends
		s.running--
		s.outcomes[end.name] = end
		report(end)
		if first == nil && end.err != nil && !isUnavailable(end.err) {
			first = fmt.Errorf("%s: %w", end.name, end.err)
			cancel()
		}
	}
	if first == nil && parent.Err() != nil {
		first = parent.Err()
	}
	return first
}

// start starts every step that is ready.
func (s *schedule) start(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	for _, step := range s.steps {
		ready, reason := isReady(step, s.outcomes)
		if !ready || s.started[step.name] {
			continue
		}
		s.started[step.name] = true
		s.running++
		go func() {
			if reason != nil {
				s.ends <- outcome{name: step.name, left: true, err: reason, ended: true}
				return
			}
			s.ends <- runStep(ctx, step, s.locks[step.lock], s.logs)
		}()
	}
}

// isReady reports whether all that s needs has ended, and the reason where s is unavailable because of it.
func isReady(s step, outcomes map[string]outcome) (ready bool, reason error) {
	for _, need := range s.needs {
		switch o := outcomes[need]; {
		case isUnavailable(o.err):
			return true, o.err
		case !o.ok():
			return false, nil
		}
	}
	return true, nil
}

func runStep(ctx context.Context, s step, lock chan struct{}, logs func(name string) io.WriteCloser) (o outcome) {
	o = outcome{name: s.name, ended: true}
	if lock != nil {
		select {
		case lock <- struct{}{}:
			defer func() { <-lock }()
		case <-ctx.Done():
			o.err = ctx.Err()
			return o
		}
	}
	began := time.Now()
	defer func() { o.took = time.Since(began) }()
	if s.there != nil {
		if o.was, o.err = s.there(ctx); o.was || o.err != nil {
			return o
		}
	}
	log := logs(s.name)
	defer log.Close()
	if o.err = s.do(ctx, log); o.err != nil && ctx.Err() != nil {
		o.err = ctx.Err() // stopped, whatever it says about that
	}
	return o
}
