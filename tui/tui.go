// Package tui is the terminal screen: it draws what a session holds and turns keys into session commands. It holds
// nothing but what it shows; a screen that vanishes changes nothing.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"msdev/brokers"
	"msdev/journal"
	"msdev/session"
)

// Source is the session as the screen needs it; *session.Client is one.
type Source interface {
	// Watch calls fn with the whole state, and again at each change, until ctx ends or the session is gone.
	Watch(ctx context.Context, fn func(session.State) error) error
	// Do carries out a command and returns once it has settled.
	Do(ctx context.Context, cmd session.Command) (session.Result, error)
	// Records returns one page of the journal.
	Records(ctx context.Context, q session.RecordQuery) (journal.Page, error)
	// Wait returns the journal's last sequence number once it is greater than after.
	Wait(ctx context.Context, after uint64) (uint64, error)
}

// Outcome is how the person left the screen.
type Outcome string

// The ways to leave the screen.
const (
	Detached Outcome = "detached" // everything goes on
	Stopped  Outcome = "stopped"  // every service was stopped
	Killed   Outcome = "killed"   // every service was killed, or the person did not wait for it
	Quit     Outcome = "quit"     // the session had ended already
)

// Options are what a screen needs beside its session. Only Source is required.
type Options struct {
	Source  Source
	State   session.State  // drawn at once, before the source has answered: the project and its services
	Timeout *time.Duration // grace period of the stop that ctrl-c asks for; nil is each service's own
	Failed  <-chan error   // the one failure of the command that the screen was opened by; it is shown. nil: there is none
	Input   io.Reader      // nil: the terminal
	Output  io.Writer      // nil: the terminal
	Environ []string       // nil: the process's own
	// Settings are the person's own; see LoadSettings.
	Settings Settings
	// Memory keeps how the screen was left; nil: it begins as new each time.
	Memory *Memory
	// Shell returns the command that opens a shell in a service; nil: there is no such key.
	Shell func(service string) *exec.Cmd
	// OpenURL shows an address in the browser; nil: the desktop's own way (xdg-open, open).
	OpenURL func(ctx context.Context, url string) error
}

// Run shows the screen until the person leaves it or ctx ends; then the terminal is as it was before, and the error is
// ctx's own.
func Run(ctx context.Context, o Options) (Outcome, error) {
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.OpenURL == nil {
		o.OpenURL = openURL
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, err := newApp(ctx, o)
	if err != nil {
		return Quit, err
	}
	opts := []tea.ProgramOption{
		tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond), tea.WithEnvironment(o.Environ),
	}
	if o.Input != nil {
		opts = append(opts, tea.WithInput(o.Input))
	}
	if o.Output != nil {
		opts = append(opts, tea.WithOutput(o.Output))
	}
	if f, ok := outputOf(o).(term.File); ok {
		if w, h, err := term.GetSize(f.Fd()); err == nil {
			a.resize(w, h) // so that the very first frame is the right one
		}
	}
	program := tea.NewProgram(a, opts...)
	feeding := feed(ctx, o.Source, a.book.wishes, program.Send)
	go func() { // ends with ctx
		select {
		case err := <-o.Failed:
			program.Send(doneMsg{err: err})
		case <-ctx.Done():
		}
	}()
	_, err = program.Run()
	cancel()
	feeding()
	if err != nil && a.outcome == "" {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, tea.ErrProgramKilled) && !errors.Is(err, tea.ErrProgramPanic) {
			return Detached, cause
		}
		return Detached, fmt.Errorf("the screen failed: %w", err)
	}
	return a.outcome, nil
}

func outputOf(o Options) io.Writer {
	if o.Output != nil {
		return o.Output
	}
	return os.Stdout
}

const (
	// framesPerSecond bounds how often the terminal is written to and the journal is asked.
	framesPerSecond = 30
	frame           = time.Second / framesPerSecond
)

// What the feeders tell the app.
type (
	stateMsg struct {
		state session.State
		at    time.Time
	}
	newsMsg struct{ last uint64 } // the journal's last sequence number
	goneMsg struct{ err error }   // the source answers no more
	tickMsg time.Time             // a second has passed
	tapMsg  struct{ err error }   // no more messages come in
)

// feed starts what brings news to the app: the session's state, the journal's growth, the clock. All of it ends with
// ctx; the function that it returns waits for that.
func feed(ctx context.Context, src Source, firehose <-chan bool, send func(tea.Msg)) (wait func()) {
	var all sync.WaitGroup
	all.Go(func() {
		err := src.Watch(ctx, func(s session.State) error {
			send(stateMsg{s, time.Now()})
			return ctx.Err()
		})
		if ctx.Err() == nil {
			send(goneMsg{err})
		}
	})
	all.Go(func() {
		var last uint64
		for ctx.Err() == nil {
			next, err := src.Wait(ctx, last)
			if err != nil {
				return // Watch tells why
			}
			last = next
			send(newsMsg{last})
			pause(ctx, frame)
		}
	})
	all.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-t.C:
				send(tickMsg(now))
			}
		}
	})
	if b, ok := src.(BrokerSource); ok {
		all.Go(func() {
			if err := b.Tap(ctx, brokers.TapOptions{}); err != nil && ctx.Err() == nil {
				send(tapMsg{err})
			}
		})
		all.Go(func() { feedFirehose(ctx, b, firehose, send) })
	}
	return all.Wait
}

// feedFirehose taps all that there is while the person wishes it, until ctx ends.
func feedFirehose(ctx context.Context, b BrokerSource, wishes <-chan bool, send func(tea.Msg)) {
	var tap sync.WaitGroup
	defer tap.Wait()
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return
		case on := <-wishes:
			stop()
			if !on {
				continue
			}
			open, end := context.WithCancel(ctx)
			stop = end
			tap.Go(func() {
				if err := b.Tap(open, brokers.TapOptions{Firehose: true}); err != nil && open.Err() == nil {
					send(tapMsg{err})
				}
			})
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
