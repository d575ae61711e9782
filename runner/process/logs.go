package process

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"msdev/runner"
)

// keptOutput is how much of an instance's output is kept, in bytes. The session's journal keeps more; this is what it reads from.
const keptOutput = 4 << 20

// output is what an instance wrote, across its runs.
type output struct {
	mu    sync.Mutex
	moved *sync.Cond
	lines []line
	first int // the number of lines that were dropped before lines[0]
	size  int
	last  time.Time
	ended bool    // nothing comes before the next start
	next  *output // what comes from now on goes there
}

type line struct {
	at     time.Time
	text   string
	stderr bool
	cut    bool // the rest of it follows as the next line
}

func newOutput() *output {
	o := &output{ended: true}
	o.moved = sync.NewCond(&o.mu)
	return o
}

// add appends a line. Times grow from line to line, so that a time names a place.
func (o *output) add(l line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next != nil {
		o.next.add(l)
		return
	}
	l.at = time.Now()
	if !l.at.After(o.last) {
		l.at = o.last.Add(time.Nanosecond)
	}
	o.last = l.at
	o.lines = append(o.lines, l)
	o.size += len(l.text) + 64
	drop := 0
	for o.size > keptOutput {
		o.size -= len(o.lines[drop].text) + 64
		o.lines[drop] = line{}
		drop++
	}
	o.lines, o.first = o.lines[drop:], o.first+drop
	o.moved.Broadcast()
}

// into has what comes from now on go to another output: that of the version which took this one's place.
func (o *output) into(next *output) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next, o.ended = next, true
	o.moved.Broadcast()
}

// tail returns the last lines.
func (o *output) tail(n int) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var texts []string
	for _, l := range o.lines[max(0, len(o.lines)-n):] {
		texts = append(texts, l.text)
	}
	return texts
}

// set says whether output may come.
func (o *output) set(ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = ended
	o.moved.Broadcast()
}

// Logs emits what an instance wrote, and goes on with what it writes.
func (r *Runtime) Logs(ctx context.Context, instance string, opts runner.LogOptions, emit func(runner.LogLine)) error {
	in, err := r.find(instance)
	if err != nil {
		return err
	}
	o := in.output
	defer context.AfterFunc(ctx, o.moved.Broadcast)()
	next := o.from(opts)
	for {
		batch, after, ended := o.wait(ctx, next, opts.Follow)
		for i, l := range batch {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			emit(runner.LogLine{Time: l.at, Stderr: l.stderr, Text: l.text, More: l.cut || i < len(batch)-1})
		}
		next = after
		if err := ctx.Err(); err != nil {
			return err
		}
		if ended {
			return nil
		}
	}
}

// from returns the number of the first line that is asked for.
func (o *output) from(opts runner.LogOptions) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := 0
	for at < len(o.lines) && !o.lines[at].at.After(opts.Since) {
		at++
	}
	if opts.Tail >= 0 {
		at = max(at, len(o.lines)-opts.Tail)
	}
	return o.first + at
}

// wait returns the lines from number next on, the number after them, and whether there is nothing to wait for any more.
func (o *output) wait(ctx context.Context, next int, follow bool) ([]line, int, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for follow && !o.ended && next >= o.first+len(o.lines) && ctx.Err() == nil {
		o.moved.Wait()
	}
	from := max(0, next-o.first)
	batch := append([]line(nil), o.lines[from:]...)
	return batch, o.first + len(o.lines), !follow || o.ended
}

// splitter cuts a stream into lines. What is longer than runner.MaxLine comes in several.
type splitter struct {
	held []byte
	emit func(text string, cut bool)
}

// write takes in a piece of the stream.
func (s *splitter) write(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		piece := b
		if end >= 0 {
			piece = b[:end]
		}
		for len(s.held)+len(piece) > runner.MaxLine {
			room := runner.MaxLine - len(s.held)
			s.emit(string(append(s.held, piece[:room]...)), true)
			s.held, piece = s.held[:0], piece[room:]
		}
		s.held = append(s.held, piece...)
		if end < 0 {
			return
		}
		s.flush()
		b = b[end+1:]
	}
}

// flush ends the line that is held.
func (s *splitter) flush() {
	s.emit(string(bytes.TrimSuffix(s.held, []byte{'\r'})), false)
	s.held = s.held[:0]
}

// lines reads a stream to its end, line by line.
func lines(from io.Reader, emit func(text string, cut bool)) {
	s := splitter{emit: emit}
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		s.write(buffer[:n])
		if err != nil {
			if len(s.held) > 0 {
				s.flush()
			}
			return
		}
	}
}
