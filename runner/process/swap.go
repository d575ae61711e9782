package process

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"msdev/runner"
	"msdev/runner/front"
)

// hide puts the process of an instance behind switches, where its service can be told all ports that it listens on: a version
// that takes its place can then start beside it. r.mu is held.
func (r *Runtime) hide(in *instance, service string) {
	if r.project.Services[service].Reload == "restart" || !handedOver(in.ports) {
		return
	}
	in.slot = r.freeSlot(service)
	for i := range in.ports {
		e := &in.ports[i]
		e.inner = r.ports.book.Port(service+" "+in.slot, e.target)
		if !free(loopback, e.inner, e.protocol) {
			e.inner = r.ports.book.Renew(service+" "+in.slot, e.target)
		}
	}
}

// handedOver tells whether a process listens on nothing but TCP ports that it is told.
func handedOver(list []endpoint) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(e endpoint) bool { return !e.given || e.protocol != "tcp" })
}

// freeSlot names a set of inner ports that no instance of a service has. r.mu is held.
func (r *Runtime) freeSlot(service string) string {
	taken := map[string]bool{}
	for _, all := range []map[string]*instance{r.instances, r.draining} {
		for _, in := range all {
			if in.state.Service == service {
				taken[in.slot] = true
			}
		}
	}
	for n := 1; ; n++ {
		if slot := fmt.Sprintf("behind %d", n); !taken[slot] {
			return slot
		}
	}
}

// swappable tells whether a new version can start beside an instance: it runs, behind switches that the new one would have, too.
func (r *Runtime) swappable(old *instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	service := old.state.Service
	if old.run == nil || old.run.attached != nil || old.state.State != runner.InstanceRunning || r.project.Services[service].Reload == "restart" {
		return false
	}
	next := r.ports.of(service, old.state.Number)
	return handedOver(next) && slices.EqualFunc(next, old.ports, func(a, b endpoint) bool {
		return b.inner > 0 && a.target == b.target && a.actual == b.actual && slices.Equal(a.publish, b.publish)
	})
}

// swap starts a new version of an instance beside it, waits until that is ready, and gives it the traffic. The old one answers
// what it has been asked and ends. A new version that does not become ready ends, and the old one goes on.
func (r *Runtime) swap(ctx context.Context, a runner.Action, old *instance) ([]runner.Observation, error) {
	in, _, err := r.make(a, true)
	if err != nil {
		return nil, err
	}
	if err = r.save(); err == nil { // whoever comes after a kill finds both
		in.starting.Lock()
		err = r.begin(in, fronts{})
		in.starting.Unlock()
	}
	if err == nil {
		err = r.untilReady(ctx, in)
	}
	if err != nil {
		seen, failed := r.remove(context.WithoutCancel(ctx), in)
		return append(seen, r.rollBack(old, in)...), cmp.Or(failed, err)
	}
	versions := r.move(old, in)
	if versions == nil { // the old one has ended by itself: the new one takes its addresses
		return r.inherit(ctx, old, in)
	}
	r.work.Go(func() { r.drain(old, versions, a.Timeout) })
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := in.look()
	return []runner.Observation{{Gone: old.state.ID}, {Instance: &seen}}, nil
}

// untilReady waits until an instance that has just started is ready.
func (r *Runtime) untilReady(ctx context.Context, in *instance) error {
	w := &watcher{wake: make(chan struct{}, 1)}
	r.mu.Lock()
	r.watchers[w] = true
	untested := in.run != nil && in.run.child != nil && in.run.child.test == nil
	r.mu.Unlock()
	defer r.unwatch(w)
	if untested {
		return r.untilOpen(ctx, in)
	}
	for {
		r.mu.Lock()
		seen := in.look()
		w.queue = nil
		r.mu.Unlock()
		switch {
		case seen.Health == runner.HealthHealthy:
			return nil
		case seen.State != runner.InstanceRunning:
			return r.notReady(in, fmt.Sprintf("ended with exit code %d", seen.ExitCode))
		case seen.Health == runner.HealthUnhealthy:
			return r.notReady(in, "is not ready: "+firstLine(seen.HealthLog))
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// untilOpen waits until an instance without a test takes connections at all its ports.
func (r *Runtime) untilOpen(ctx context.Context, in *instance) error {
	limited, cancel := context.WithTimeout(ctx, readyPeriod)
	defer cancel()
	for open, pause := allOpen(in.ports), eagerFirst; ; pause = min(pause*3/2, eagerCommand) {
		text, err := open(limited)
		if err == nil {
			return nil
		}
		r.mu.Lock()
		running := in.state.State == runner.InstanceRunning
		r.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-limited.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return r.notReady(in, "is not ready: "+firstLine(text+err.Error()))
		}
		if !running {
			return r.notReady(in, "ended")
		}
	}
}

// lastWords is how many lines of a version that came to nothing are told.
const lastWords = 4

func (r *Runtime) notReady(in *instance, what string) error {
	r.mu.Lock()
	service := in.state.Service
	r.mu.Unlock()
	e := &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: fmt.Sprintf("the new version of service %q %s", service, what),
		Hint: "The version from before goes on."}
	if said := in.output.tail(lastWords); len(said) > 0 {
		e.Msg += ": " + strings.Join(said, " / ")
	}
	return e
}

// move gives the traffic of an instance to another one; nil tells that there is none to give, as the instance has ended.
func (r *Runtime) move(old, in *instance) []*front.Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old.run == nil || in.run == nil || len(old.run.fronts.switches) == 0 {
		return nil
	}
	in.run.fronts, old.run.fronts = old.run.fronts, fronts{}
	var versions []*front.Version
	for _, e := range in.ports {
		if s := in.run.fronts.switches[e.target]; s != nil {
			versions = append(versions, s.To(net.JoinHostPort(loopback, strconv.Itoa(e.inner))))
		}
	}
	delete(r.instances, old.state.ID)
	r.draining[old.state.ID] = old
	old.output.into(in.output)
	r.tell(runner.Observation{Gone: old.state.ID})
	return versions
}

// inherit opens the addresses of an instance that has ended for the one that was to take its place.
func (r *Runtime) inherit(ctx context.Context, old, in *instance) ([]runner.Observation, error) {
	seen, err := r.remove(ctx, old)
	if err != nil {
		return seen, err
	}
	opened, err := r.open(in)
	if err != nil {
		return seen, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.run == nil { // it has ended, too
		go opened.close() // ends at once
		return seen, nil
	}
	in.run.fronts = opened
	now := in.look()
	return append(seen, runner.Observation{Instance: &now}), nil
}

// drain lets a version that was replaced answer what it has been asked, for no longer than its grace period, and stops it.
func (r *Runtime) drain(old *instance, versions []*front.Version, timeout *time.Duration) {
	over := time.After(r.patience(old, timeout))
	for _, v := range versions {
		select {
		case <-v.Idle():
		case <-over:
			over = nil
		case <-r.ending(old):
		}
		if over == nil {
			break
		}
	}
	_ = r.stop(context.Background(), old, timeout)
	r.mu.Lock()
	delete(r.draining, old.state.ID)
	r.mu.Unlock()
	_ = r.save() // a record too many is harmless
}

// ending is closed when the run of an instance is to end, or has.
func (r *Runtime) ending(in *instance) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.run != nil {
		return in.run.quit
	}
	ended := make(chan struct{})
	close(ended)
	return ended
}

// stopDrained ends at once, by a signal, what is left of versions of a service that were replaced, and waits for their end.
func (r *Runtime) stopDrained(ctx context.Context, service string, sig syscall.Signal) {
	r.mu.Lock()
	var left []*run
	for _, in := range r.draining {
		if in.state.Service == service && in.run != nil {
			in.run.quits(sig)
			left = append(left, in.run)
		}
	}
	r.mu.Unlock()
	for _, run := range left {
		select {
		case <-run.done:
		case <-ctx.Done():
		}
	}
}
