package embedded

import (
	"context"
	"strings"
	"sync"
	"time"

	"msdev/runner"
)

// watcher is one Watch: what it has still to be told.
type watcher struct {
	mu    sync.Mutex
	queue []told
	more  chan struct{} // holds one token when the queue may have grown
}

// told is one observation, and who waits for it to be emitted.
type told struct {
	runner.Observation
	done chan struct{}
}

// add tells the watcher something. The channel is closed when it was emitted.
func (w *watcher) add(o runner.Observation) chan struct{} {
	done := make(chan struct{})
	w.mu.Lock()
	w.queue = append(w.queue, told{o, done})
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	return done
}

func (w *watcher) take() []told {
	w.mu.Lock()
	defer w.mu.Unlock()
	queue := w.queue
	w.queue = nil
	return queue
}

// tell tells all watchers. r.mu is held.
func (r *Runtime) tell(o runner.Observation) {
	for w := range r.watchers {
		w.add(o)
	}
}

// Watch emits all that there is, then every change.
func (r *Runtime) Watch(ctx context.Context, emit func(runner.Observation)) error {
	w := &watcher{more: make(chan struct{}, 1)}
	r.mu.Lock()
	r.watchers[w] = true
	w.add(r.snapshot())
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.watchers, w)
		r.mu.Unlock()
		for _, t := range w.take() {
			close(t.done)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.more:
			for _, t := range w.take() {
				emit(t.Observation)
				close(t.done)
			}
		}
	}
}

// keptLines is how many lines of a program's output are kept for those who come later. The session's journal keeps more.
const keptLines = 5000

// output is what a program wrote, across its runs.
type output struct {
	mu    sync.Mutex
	moved *sync.Cond
	lines []runner.LogLine
	first int // how many lines were dropped before lines[0]
	ended bool
}

func newOutput() *output {
	o := &output{ended: true}
	o.moved = sync.NewCond(&o.mu)
	return o
}

// add appends a line. Times grow from line to line, so that a time names a place.
func (o *output) add(text string, stderr bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := time.Now()
	if n := len(o.lines); n > 0 && !at.After(o.lines[n-1].Time) {
		at = o.lines[n-1].Time.Add(time.Nanosecond)
	}
	o.lines = append(o.lines, runner.LogLine{Time: at, Text: text, Stderr: stderr})
	if len(o.lines) > 2*keptLines {
		o.lines, o.first = append([]runner.LogLine(nil), o.lines[keptLines:]...), o.first+keptLines
	}
	o.moved.Broadcast()
}

// set says whether more may come before the next start.
func (o *output) set(ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = ended
	o.moved.Broadcast()
}

// lineWriter is the output of a logger, which writes one line at a time.
type lineWriter struct{ to *output }

// Write takes in one line.
func (w lineWriter) Write(b []byte) (int, error) {
	for line := range strings.SplitSeq(strings.TrimRight(string(b), "\n"), "\n") {
		w.to.add(line, false)
	}
	return len(b), nil
}

// Logs emits what a program wrote, and goes on with what it writes.
func (r *Runtime) Logs(ctx context.Context, id string, opts runner.LogOptions, emit func(runner.LogLine)) error {
	in, err := r.found(id)
	if err != nil {
		return err
	}
	o := in.output
	defer context.AfterFunc(ctx, func() {
		o.mu.Lock() // so that nobody is between looking at ctx and waiting
		defer o.mu.Unlock()
		o.moved.Broadcast()
	})()
	for next := o.from(opts); ; {
		batch, after, ended := o.wait(ctx, next, opts.Follow)
		for i, l := range batch {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.More = i < len(batch)-1
			emit(l)
		}
		next = after
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ended {
			return nil
		}
	}
}

// from is the number of the first line that is asked for.
func (o *output) from(opts runner.LogOptions) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := 0
	for at < len(o.lines) && !o.lines[at].Time.After(opts.Since) {
		at++
	}
	if opts.Tail >= 0 {
		at = max(at, len(o.lines)-opts.Tail)
	}
	return o.first + at
}

// wait returns the lines from a number on, the number after them, and whether none will follow.
func (o *output) wait(ctx context.Context, next int, follow bool) ([]runner.LogLine, int, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for follow && !o.ended && next >= o.first+len(o.lines) && ctx.Err() == nil {
		o.moved.Wait()
	}
	batch := append([]runner.LogLine(nil), o.lines[max(0, next-o.first):]...)
	return batch, o.first + len(o.lines), !follow || o.ended
}
