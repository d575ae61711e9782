package runner

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"msdev/journal"
)

// joinFor is how long the last line of a burst is held back, as a stack trace may go on.
const joinFor = 10 * time.Millisecond

// retryLogs is the pause before output is read again that an engine failed to give.
const retryLogs = 500 * time.Millisecond

// maxJoined bounds the further lines of one record, in bytes.
const maxJoined = 64 << 10

// follows reads the output of instances into the journal. It belongs to the supervisor's loop; the readers it starts only
// touch their own follow.
type follows struct {
	s       *Supervisor
	running map[string]*follow   // by instance
	since   map[string]time.Time // by instance: the time of the last line that was read
	ended   map[string]time.Time // by instance: the start of the run that was read to its end
	read    map[string]bool      // instances whose output from before was asked for
	waiters []caughtUp
}

// follow is one reader of one run of an instance.
type follow struct {
	started time.Time
	history bool // what was there before is in the journal
	failed  bool // the output cannot be read
	cancel  context.CancelFunc
}

type caughtUp struct {
	scope map[string]bool
	done  chan struct{}
}

func newFollows(s *Supervisor) *follows {
	return &follows{s: s, running: map[string]*follow{}, since: map[string]time.Time{}, ended: map[string]time.Time{}, read: map[string]bool{}}
}

// update starts a reader for each instance that has output to come, or that was found and not read yet.
func (f *follows) update(ctx context.Context) {
	if !f.s.options.Logs {
		return
	}
	for _, seen := range f.s.view.Seen {
		for id, in := range seen.Instances {
			if f.running[id] == nil && !in.OneOff && f.due(in) && f.s.lost[in.Runtime] == nil {
				f.start(ctx, in)
			}
		}
	}
	f.notify()
}

// due tells whether an instance has output that no reader has read: it runs and this run was not read to its end, or it
// ended before the session came.
func (f *follows) due(in Instance) bool {
	ended, read := f.ended[in.ID]
	if in.Alive() {
		return !read || !ended.Equal(in.StartedAt)
	}
	return in.State == InstanceExited && !f.read[in.ID]
}

func (f *follows) start(ctx context.Context, in Instance) {
	s := f.s
	fctx, cancel := context.WithCancel(ctx)
	fw := &follow{started: in.StartedAt, cancel: cancel, history: f.read[in.ID]}
	f.running[in.ID] = fw
	f.read[in.ID] = true
	rt, since, tail := s.runtimes[in.Runtime], f.since[in.ID], -1
	if !fw.history {
		tail = s.options.History
	}
	s.work.Go(func() {
		defer cancel()
		join := &joiner{journal: s.journal, service: in.Service, ref: in.Name, since: since, latest: since}
		var err error
		if !fw.history {
			err = rt.Logs(fctx, in.ID, LogOptions{Since: since, Tail: tail}, join.add)
			join.flush()
			s.do(ctx, func() { fw.history = true; f.notify() })
		}
		if err == nil {
			err = rt.Logs(fctx, in.ID, LogOptions{Since: join.last(), Tail: -1, Follow: true}, join.add)
		}
		join.flush()
		last := join.last()
		s.do(ctx, func() { f.end(ctx, in, fw, last, err) })
	})
}

// end takes in the end of a reader: the run has ended, or the output could not be read.
func (f *follows) end(ctx context.Context, in Instance, fw *follow, last time.Time, err error) {
	f.since[in.ID] = last
	_, there := f.s.view.Seen[in.Runtime].Instances[in.ID]
	switch {
	case !there:
		delete(f.running, in.ID)
		delete(f.since, in.ID)
		delete(f.ended, in.ID)
		delete(f.read, in.ID)
	case err == nil || ctx.Err() != nil:
		delete(f.running, in.ID)
		f.ended[in.ID] = fw.started
	default:
		fw.history, fw.failed = true, true
		f.retry(ctx, in, fw, err)
	}
}

// retry reads on after a moment where the engine failed; what cannot be read at all is said once and left alone.
func (f *follows) retry(ctx context.Context, in Instance, fw *follow, err error) {
	var e *Error
	if errors.As(err, &e) && e.Kind != ErrEngine {
		f.s.event(in.Service, Event{Type: EventWarning, Instance: in.Name, ID: in.ID, Text: e.Msg, Hint: e.Hint})
		return
	}
	f.s.work.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(retryLogs):
			f.s.do(ctx, func() {
				if f.running[in.ID] == fw {
					delete(f.running, in.ID)
				}
			})
		}
	})
}

// CaughtUp returns once the output that the instances of the services had written before, and all of those that have
// ended, is in the journal. From then on
// the output of every instance is followed, also where the session did not do so yet.
func (s *Supervisor) CaughtUp(ctx context.Context, services []string) error {
	w := caughtUp{scope: map[string]bool{}, done: make(chan struct{})}
	for _, name := range services {
		w.scope[name] = true
	}
	if !s.do(ctx, func() {
		s.options.Logs = true
		s.follows.waiters = append(s.follows.waiters, w)
	}) {
		return cmp.Or(ctx.Err(), context.Canceled)
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notify answers those who wait for output from before.
func (f *follows) notify() {
	kept := f.waiters[:0]
	for _, w := range f.waiters {
		if f.s.ready() && !f.behind(w.scope) {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	f.waiters = kept
}

func (f *follows) behind(scope map[string]bool) bool {
	for id, fw := range f.running {
		for _, seen := range f.s.view.Seen {
			in, ok := seen.Instances[id]
			reading := !fw.history || !in.Alive() && !fw.failed // what has ended is read to its end
			if ok && reading && (len(scope) == 0 || scope[in.Service]) {
				return true
			}
		}
	}
	return false
}

// joiner turns lines into records: a line that goes on a stack trace becomes part of the record that it belongs to, and
// a burst of lines becomes one append.
type joiner struct {
	journal *journal.Journal
	service string
	ref     string

	mu     sync.Mutex
	since  time.Time // lines up to here were read before
	latest time.Time
	held   [2]*journal.Record // the last record of stdout and of stderr, which may go on
	tail   [2]string          // its last line that is not blank
	batch  []journal.Record
	timer  *time.Timer
}

func (j *joiner) add(line LogLine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !line.Time.After(j.since) {
		return // read before: engines count lines of the very moment as since
	}
	at, name := 0, "/stdout"
	if line.Stderr {
		at, name = 1, "/stderr"
	}
	if held := j.held[at]; held != nil && len(held.Body) < maxJoined && journal.Continues(j.tail[at], line.Text) {
		if len(held.Body) > 0 {
			held.Body = append(held.Body, '\n')
		}
		held.Body = append(held.Body, line.Text...)
		if strings.TrimSpace(line.Text) != "" {
			j.tail[at] = line.Text
		}
	} else {
		j.release(at)
		j.held[at] = &journal.Record{Time: line.Time, Stream: j.service + name, Kind: journal.KindLog, Ref: j.ref,
			Trace: journal.TraceOf(line.Text), Text: line.Text}
		j.tail[at] = line.Text
	}
	j.latest = line.Time
	if !line.More {
		j.append()
		j.arm()
	}
}

// release moves a held record to the batch.
func (j *joiner) release(at int) {
	if r := j.held[at]; r != nil {
		j.batch = append(j.batch, *r)
		j.held[at] = nil
	}
}

func (j *joiner) append() {
	if len(j.batch) > 0 {
		j.journal.AppendAll(j.batch)
		clear(j.batch)
		j.batch = j.batch[:0]
	}
}

func (j *joiner) arm() {
	if j.timer == nil {
		j.timer = time.AfterFunc(joinFor, j.flush)
		return
	}
	j.timer.Reset(joinFor)
}

// flush appends what is held.
func (j *joiner) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	first := 0
	if j.held[0] != nil && j.held[1] != nil && j.held[1].Time.Before(j.held[0].Time) {
		first = 1
	}
	j.release(first)
	j.release(1 - first)
	j.append()
}

func (j *joiner) last() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.latest
}
