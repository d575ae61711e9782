package tui

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/session"
)

// replayRun is a replay that is under way, or has ended.
type replayRun struct {
	control  brokers.Control
	cancel   context.CancelFunc
	mu       sync.Mutex
	outcomes []brokers.Outcome // the last of them
	news     chan struct{}     // holds one token when there is something new
	progress brokers.Progress
	shown    []brokers.Outcome // as the screen has them
	done     bool
	err      error
}

// outcomesKept is how many results the panel keeps to show.
const outcomesKept = 500

// send begins, with a guard for brokers that are not the project's own.
func (r *replayPanel) send() tea.Cmd {
	switch {
	case r.run != nil && !r.run.done:
		return nil
	case !r.checked:
		r.say("one moment: it is rehearsed first")
		return nil
	case r.err != nil || r.once.Count == 0:
		r.fail("", errors.New("there is nothing that could be sent\nChoose another target with "+r.keys.key(actTarget)+" or "+r.keys.key(actOther)+"."))
		return nil
	}
	if remote := slices.IndexFunc([]*booked{r.to, r.from}, func(o *booked) bool { return !o.info.Own }); remote >= 0 && (remote == 0 || r.source != nil) {
		one := []*booked{r.to, r.from}[remote]
		return open(r.page.book.typed(one, func() tea.Cmd { return r.start(true) }))
	}
	return r.start(false)
}

// sentMsg ends a replay, newsMsg of it tells that there is more to show.
type (
	sentMsg struct {
		panel *replayPanel
		run   *replayRun
		err   error
	}
	sendingMsg struct {
		panel *replayPanel
		run   *replayRun
	}
)

func (r *replayPanel) start(remote bool) tea.Cmd {
	aborted, abort := context.WithCancel(context.Background())
	run := &replayRun{news: make(chan struct{}, 1), cancel: abort}
	r.run, r.top = run, 0
	job := r.job()
	job.AllowRemote = remote
	work, what := job.Run, plural(len(r.messages), "message")
	if r.source != nil {
		notes, err := session.KeptFile(r.state.Project, r.from.info.Name, *r.source, ".redrive")
		if err != nil {
			r.fail("redrive", err)
			abort()
			r.run = nil
			return nil
		}
		job.From = nil
		redrive := brokers.Redrive{Replay: job, Broker: r.from.broker, Source: *r.source, Journal: notes}
		work, what = redrive.Run, "the dead letters of "+r.source.Name
	}
	target, source, to := r.targets[r.target].words, r.page.book.source, r.to.info.Name
	return tea.Batch(r.ask(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer abort()
		defer context.AfterFunc(aborted, cancel)()
		noted := source.Note(ctx, to, "replays "+what+" to "+target)
		p, err := work(ctx, &run.control, run.outcome)
		noted = errors.Join(noted, source.Note(context.WithoutCancel(ctx), to, "replayed "+what+": "+progressText(&p)))
		close(run.news)
		return sentMsg{r, run, errors.Join(err, noted)}
	}), r.watch(run))
}

// outcome is told of each message by the replay.
func (run *replayRun) outcome(o brokers.Outcome) {
	run.mu.Lock()
	if len(run.outcomes) >= 2*outcomesKept {
		run.outcomes = slices.Clone(run.outcomes[outcomesKept:])
	}
	run.outcomes = append(run.outcomes, o)
	run.mu.Unlock()
	select {
	case run.news <- struct{}{}:
	default:
	}
}

// watch waits for something new of a replay, at most ten times a second.
func (r *replayPanel) watch(run *replayRun) tea.Cmd {
	return r.ask(func(ctx context.Context) tea.Msg {
		select {
		case <-ctx.Done():
			return nil
		case _, more := <-run.news:
			if !more {
				return nil
			}
		}
		pause(ctx, 100*time.Millisecond)
		return sendingMsg{r, run}
	})
}

func (m sendingMsg) take() tea.Cmd {
	m.run.look()
	if m.run.done {
		return nil
	}
	return m.panel.watch(m.run)
}

func (m sentMsg) take() tea.Cmd {
	m.run.look()
	m.run.done, m.run.err = true, m.err
	m.panel.page.book.expire()
	if m.err != nil && !errors.Is(m.err, context.Canceled) {
		m.panel.fail("replay", m.err)
	}
	return nil
}

// look takes over what became known.
func (run *replayRun) look() {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.shown = run.outcomes[max(0, len(run.outcomes)-outcomesKept):]
	run.progress = run.control.Progress()
}

func progressText(p *brokers.Progress) string {
	text := plural(p.Confirmed, "message") + " confirmed"
	for _, part := range []struct {
		n    int64
		word string
	}{{p.Unroutable, "unroutable"}, {p.Refused, "refused"}, {p.Unknown, "unknown"}, {p.Skipped, "sent earlier"}, {p.Again, "perhaps twice"}} {
		if part.n > 0 {
			text += ", " + commas(part.n) + " " + part.word
		}
	}
	return text
}
