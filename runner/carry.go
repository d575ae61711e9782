package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// errUnderWay is why an action is not begun: the plan does the same already.
var errUnderWay = errors.New("it is under way already")

// Carry carries out one action beside the plan, and returns when it has ended. A failure is the caller's to deal with: the
// service goes on as it is. When ctx ends the action is called off.
func (s *Supervisor) Carry(ctx context.Context, a Action) error {
	done := make(chan error, 1)
	if !s.do(ctx, func() {
		if s.view.Busy[a.ID()] {
			done <- errUnderWay
			return
		}
		s.carry(ctx, a, func(seen []Observation, err error, took time.Duration) {
			s.land(ctx, a, seen)
			var e *Error
			switch {
			case err == nil:
				s.done(a, seen, took)
			case errors.As(err, &e) && e.Kind == ErrEngine && ctx.Err() == nil:
				s.engineTrouble(ctx, a.Runtime, e)
			case e == nil:
				err = &Error{Kind: ErrFailed, Service: a.Service, Msg: s.sentence(a, err), Err: err}
			}
			done <- err
		})
	}) {
		return cmp.Or(ctx.Err(), context.Canceled)
	}
	select {
	case err := <-done:
		return err
	case <-s.over:
		return context.Canceled
	}
}

// sight is what the loop knows of one service at a moment.
type sight struct {
	runtime   Runtime
	spec      Spec
	goal      Goal
	failure   *Error
	instances []Instance // by number
	image     string     // the id of what its next instance runs; "" where it is not known
}

// see tells what is known of a service, and has the plan leave what runs as it is: whoever asks is about to replace it.
func (s *Supervisor) see(ctx context.Context, service string) (sight, error) {
	reply := make(chan sight, 1)
	if !s.do(ctx, func() {
		if s.specs[service] != nil {
			s.hold([]string{service})
		}
		reply <- s.sightOf(service)
	}) {
		return sight{}, cmp.Or(ctx.Err(), context.Canceled)
	}
	seen := <-reply
	if seen.spec.Name == "" {
		return seen, &Error{Kind: ErrUsage, Service: service, Msg: fmt.Sprintf("there is no service %q any more", service)}
	}
	return seen, nil
}

// sightOf is what is known of a service; without a spec where there is none of that name. It runs on the loop.
func (s *Supervisor) sightOf(service string) sight {
	spec := s.specs[service]
	if spec == nil {
		return sight{}
	}
	return sight{spec: *spec, runtime: s.runtimes[spec.Runtime], goal: s.view.Goals[service], failure: s.view.Memories[service].Failure, instances: s.instancesOf(service),
		image: s.view.Seen[spec.Runtime].Images[service].ID}
}

// glance tells what is known of a service, and changes nothing.
func (s *Supervisor) glance(ctx context.Context, service string) sight {
	reply := make(chan sight, 1)
	if !s.ask(ctx, func() { reply <- s.sightOf(service) }) {
		return sight{}
	}
	return <-reply
}

// broken are the services that are to run and cannot, with their goals.
func (s *Supervisor) broken(ctx context.Context) map[string]Goal {
	reply := make(chan map[string]Goal, 1)
	if !s.do(ctx, func() {
		goals := map[string]Goal{}
		for name, mem := range s.view.Memories {
			if goal := s.view.Goals[name]; mem.Failure != nil && goal.Want == WantRunning {
				goals[name] = goal
			}
		}
		reply <- goals
	}) {
		return nil
	}
	return <-reply
}

// Tell appends an event from outside of the loop.
func (s *Supervisor) Tell(ctx context.Context, service string, e Event) {
	s.do(context.WithoutCancel(ctx), func() { s.event(service, e) })
}

// Still keeps the plan from beginning anything until the function that it returns is called: while runtimes take another project in,
// what they tell does not fit the services that are planned for.
func (s *Supervisor) Still(ctx context.Context) (goOn func()) {
	if !s.do(ctx, func() { s.still++ }) {
		return func() {}
	}
	return func() { s.do(context.WithoutCancel(ctx), func() { s.still-- }) }
}
