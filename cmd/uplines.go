package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// lines is an `up` that prints what services write until they have ended, an interrupt stops them, or one of them ends that
// must not.
func (r *run) lines(ctx context.Context) error {
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	c, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	l := &liveUp{run: r, client: c, signals: signals, did: make(chan outcome, 4), ended: make(chan error, 1), exits: make(chan runner.Event, 64), code: -1}
	if !r.ours {
		printf(r.app.err, "A session of project %q runs already; this up goes through it.\n", r.project.Name)
		if _, err := c.Do(ctx, session.Command{Verb: session.VerbLogs}); err != nil {
			return err
		}
	}
	return l.loop(ctx)
}

// outcome is what a command of a live up came to.
type outcome struct {
	verb session.Verb
	err  error
}

// liveUp is an `up` while it prints. One loop decides; what it waits for comes by channels.
type liveUp struct {
	*run
	client  *session.Client
	signals chan os.Signal
	did     chan outcome
	ended   chan error        // nil: every service has ended by itself; otherwise the session has, and they go on
	exits   chan runner.Event // instances that have ended
	printer *printer
	reader  reader

	up          bool // the up itself is done
	stopping    bool
	interrupted int
	code        int // exit code that was asked for; -1: none yet
	failure     error
}

func (l *liveUp) loop(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from, err := end(ctx, l.client)
	if err != nil {
		return err
	}
	l.printer = l.app.printer(l.expected(), l.options.printerFlags)
	l.printer.since = time.Now()
	l.reader = reader{client: l.client, query: session.RecordQuery{Cursor: from, Kinds: journal.KindSet(journal.KindLog, journal.KindEvent)}}
	printing, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var printed error
	wg.Go(func() { printed = l.reader.follow(printing, l.take) })
	l.do(ctx, l.command)
	watching := false
	for done := false; !done; {
		if l.up && !watching && !l.stopping {
			watching = true
			wg.Go(func() { l.watch(printing) })
		}
		done = l.next(ctx)
	}
	l.catchUp(ctx)
	stop()
	wg.Wait()
	l.failed(printed)
	_ = l.reader.drain(ctx, l.take)
	return l.leave(ctx)
}

// catchUp waits until the last lines of what has ended are in the journal.
func (l *liveUp) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _ = l.client.Do(ctx, session.Command{Verb: session.VerbLogs, Services: l.scope}) // without it the output may lack its end; nothing depends on it
}

// next waits for one thing to happen and tells whether that was the last.
func (l *liveUp) next(ctx context.Context) bool {
	select {
	case <-l.signals:
		l.interrupt(ctx)
		return l.interrupted > 2
	case o := <-l.did:
		return l.settled(ctx, o)
	case e := <-l.exits:
		l.exited(ctx, e)
		return false
	case err := <-l.ended:
		if l.stopping && err == nil {
			return false
		}
		if errors.Is(err, io.EOF) {
			err = &runner.Error{Kind: runner.ErrEngine, Msg: "the session has ended without being asked to", Hint: "The services go on; `msdev up` takes them over.", Err: err}
		}
		l.failed(err)
		return true
	}
}

func (l *liveUp) interrupt(ctx context.Context) {
	l.interrupted++
	switch l.interrupted {
	case 1:
		l.printer.note(l.app.err, "Stopping; press Ctrl-C again to kill.")
		l.stop(ctx, session.VerbStop)
	case 2:
		l.stop(ctx, session.VerbKill)
	}
}

func (l *liveUp) stop(ctx context.Context, verb session.Verb) {
	l.stopping = true
	l.do(ctx, session.Command{Verb: verb, Services: l.scope, Timeout: l.command.Timeout})
}

// do sends a command; its outcome comes back to the loop.
func (l *liveUp) do(ctx context.Context, cmd session.Command) {
	go func() { // ends with the command, or with ctx
		_, err := l.client.Do(ctx, cmd)
		l.did <- outcome{cmd.Verb, err}
	}()
}

// settled takes in the outcome of a command and tells whether the up is over.
func (l *liveUp) settled(ctx context.Context, o outcome) bool {
	if o.verb != session.VerbUp {
		l.failed(o.err)
		return !(o.verb == session.VerbStop && l.interrupted > 1) // the kill that overtook the stop is still to come
	}
	l.up = true
	l.warn(ctx, l.client)
	if l.stopping { // called off
		return false
	}
	l.failed(o.err)
	return o.err != nil
}

// exited takes in that an instance has ended.
func (l *liveUp) exited(ctx context.Context, e runner.Event) {
	if l.stopping || !slices.Contains(l.scope, e.Service) {
		return
	}
	code := *e.ExitCode
	if l.options.abort || l.options.abortFailure && code != 0 {
		l.code = code
		l.printer.note(l.app.err, "Stopping, as "+e.Instance+" has ended.")
		l.stop(ctx, session.VerbStop)
	}
}

// failed keeps the first failure; that another command came before one was done is none.
func (l *liveUp) failed(err error) {
	if l.failure == nil && !errors.Is(err, context.Canceled) {
		l.failure = err
	}
}

// watch waits until no service is left that runs, or is about to.
func (l *liveUp) watch(ctx context.Context) {
	err := l.client.Watch(ctx, func(st session.State) error {
		if st.Problem == "" && !slices.ContainsFunc(st.Services, l.lives) {
			return errAllEnded
		}
		return nil
	})
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, errAllEnded) {
		err = nil
	}
	l.ended <- err
}

var errAllEnded = errors.New("everything has ended")

func (l *liveUp) lives(s runner.Status) bool {
	if !slices.Contains(l.scope, s.Service) {
		return false
	}
	busy := s.State == runner.StateStarting || s.State == runner.StateWaiting || s.State == runner.StateReloading
	return busy || slices.ContainsFunc(s.Instances, runner.Instance.Alive)
}

// take prints output and events in the order in which they came.
func (l *liveUp) take(records []journal.Record, lost uint64) error {
	for i := range records {
		r := &records[i]
		if r.Kind == journal.KindEvent {
			l.event(eventOf(*r))
			continue
		}
		if l.prints(serviceOf(r.Stream)) {
			l.printer.record(r)
		}
	}
	return l.printer.take(nil, lost)
}

func (l *liveUp) event(e runner.Event) {
	line := newPainter(l.app.colour(l.app.err)).event(e)
	if e.Type == runner.EventFail && l.up {
		line = " " + e.Text
	}
	if line != "" {
		l.printer.note(l.app.err, line)
	}
	if e.Type == runner.EventExit && e.ExitCode != nil {
		select {
		case l.exits <- e:
		default: // the loop has more than it needs
		}
	}
}

// prints tells whether the output of a service was asked for.
func (l *liveUp) prints(service string) bool {
	if slices.Contains(l.options.noAttach, service) {
		return false
	}
	if len(l.options.attach) > 0 {
		return slices.Contains(l.options.attach, service)
	}
	config, err := l.project.Service(service)
	return slices.Contains(l.scope, service) && err == nil && (config.Attach == nil || *config.Attach)
}

// expected is the state that the project will have, for the width and colours of the lines.
func (r *run) expected() session.State {
	st := session.State{Project: r.project.Name, Dir: r.project.Dir, Files: r.project.Files, Phase: session.PhaseStarting, Warnings: r.project.Warnings}
	for _, name := range r.project.Order {
		st.Services = append(st.Services, runner.Status{Service: name, State: runner.StateStopped, DependsOn: r.project.Dependencies(name)})
	}
	return st
}

// leave ends the session that this up has started, unless something still runs, and tells the exit code.
func (l *liveUp) leave(ctx context.Context) error {
	if l.options.exitFrom != "" && l.failure == nil {
		l.code = l.exitCode(ctx, l.options.exitFrom)
	}
	if l.ours {
		if err := quit(ctx, l.client); l.failure == nil {
			l.failure = err
		}
	}
	switch {
	case l.interrupted > 0:
		return exitError(exitInterrupted)
	case l.failure != nil:
		return l.failure
	case l.code > 0:
		return exitError(l.code)
	}
	return nil
}

func (l *liveUp) exitCode(ctx context.Context, service string) int {
	st, err := l.client.State(ctx)
	if err != nil {
		return l.code
	}
	for _, s := range st.Services {
		if s.Service == service && len(s.Instances) > 0 {
			return s.Instances[0].ExitCode
		}
	}
	return l.code
}

// quit ends a session that nothing needs any more. One whose services still run goes on.
func quit(ctx context.Context, c *session.Client) error {
	st, err := c.State(ctx)
	if err != nil {
		return gone(ctx, err)
	}
	for _, s := range st.Services {
		if slices.ContainsFunc(s.Instances, runner.Instance.Alive) {
			return nil
		}
	}
	_, err = c.Do(ctx, session.Command{Verb: session.VerbQuit})
	return gone(ctx, err)
}
