package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// Logs emits what a container wrote. With Follow it ends when the container's run ends, as `docker logs -f` does; who
// wants the next run calls again with the time of the last line as Since.
func (r *Runtime) Logs(ctx context.Context, instance string, opts runner.LogOptions, emit func(runner.LogLine)) error {
	about := subject{what: "container", name: instance[:min(12, len(instance))]}
	if t, ok := r.known.get(instance); ok {
		about = subject{service: t.instance.Service, what: "container", name: t.instance.Name}
	}
	tty, err := r.hasTTY(ctx, instance)
	if err != nil {
		return r.explain(err, about)
	}
	o := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: opts.Follow, Tail: "all"}
	if opts.Tail >= 0 {
		o.Tail = strconv.Itoa(opts.Tail)
	}
	if !opts.Since.IsZero() {
		o.Since = stampOf(opts.Since)
	}
	// Engines before 23 may end what is followed before the last lines are out, so these are read once more.
	lines := lineReader{since: opts.Since, emit: emit, resumes: opts.Follow && !r.atLeast("1.42")}
	err = r.readLogs(ctx, instance, o, tty, &lines)
	if err == nil && lines.resumes {
		o.Follow = false
		if !lines.last.IsZero() {
			o.Tail, o.Since = "all", stampOf(lines.last)
		}
		lines.again()
		if err = r.readLogs(ctx, instance, o, tty, &lines); errdefs.IsNotFound(err) {
			err = nil
		}
	}
	if beingRemoved(err) { // what it had still to say nobody can read
		err = nil
	}
	lines.flush()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.explain(err, about)
}

// stampOf is a moment as the engine takes it.
func stampOf(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// readLogs reads one stream of logs to its end.
func (r *Runtime) readLogs(ctx context.Context, id string, o client.ContainerLogsOptions, tty bool, lines *lineReader) error {
	body, err := r.api.ContainerLogs(ctx, id, o)
	if err != nil {
		return err
	}
	defer body.Close()
	lines.from = bufio.NewReaderSize(body, 64<<10)
	if tty {
		err = lines.raw()
	} else {
		err = lines.framed()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// hasTTY tells whether a container has a terminal, so that its output is one stream without frames.
func (r *Runtime) hasTTY(ctx context.Context, id string) (bool, error) {
	if t, ok := r.known.get(id); ok {
		if s, ours := r.project().Compose.Services[t.instance.Service]; ours && !t.instance.OneOff && t.instance.Hash == r.project().Hashes[s.Name] {
			return s.Tty, nil
		}
	}
	res, err := r.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		if errdefs.IsNotFound(err) {
			return false, &runner.Error{Kind: runner.ErrFailed, Err: err, Msg: fmt.Sprintf("container %s is gone.", id[:min(12, len(id))]), Hint: "`msdev ps -a` lists what is there."}
		}
		return false, err
	}
	return res.Container.Config != nil && res.Container.Config.Tty, nil
}

// The form of the engine's timestamps: RFC 3339 with nine digits, always UTC, then a blank.
const (
	stampLen  = len("2006-01-02T15:04:05.000000000Z")
	frameHead = 8
)

// lineReader turns the engine's log stream into lines.
type lineReader struct {
	from  *bufio.Reader
	since time.Time
	emit  func(runner.LogLine)
	parts [2]part // stdout, stderr: a line of which only a part came so far

	resumes bool // a second stream follows

	last time.Time // of the frame that was read last (with a terminal: the line)
	same int       // how many were of that moment
	skip int       // how many of that moment come once more
}

// again prepares for a second stream that begins where the first one was, and repeats what is of the same moment.
func (l *lineReader) again() { l.skip, l.resumes = l.same, false }

// fresh notes a frame's moment, and tells whether it was not read before.
func (l *lineReader) fresh(at time.Time) bool {
	switch {
	case l.skip > 0 && at.Before(l.last):
		return false
	case l.skip > 0 && at.Equal(l.last):
		l.skip--
		return false
	case at.Equal(l.last):
		l.same++
	default:
		l.last, l.same = at, 1
	}
	l.skip = 0
	return true
}

// part is the beginning of a line.
type part struct {
	at   time.Time
	text []byte
	open bool
}

// framed reads the stream of a container without a terminal: each frame is one line, or a part of a long one, with its
// own timestamp (moby/api/types/container, "stream format" of attach).
func (l *lineReader) framed() error {
	var payload []byte
	for {
		head, err := l.from.Peek(frameHead)
		if err != nil {
			return err
		}
		stderr, size := head[0] == 2, int(binary.BigEndian.Uint32(head[4:]))
		failed := head[0] == 3 // the engine's own error, after the stream began
		_, _ = l.from.Discard(frameHead)
		if cap(payload) < size {
			payload = make([]byte, size)
		}
		payload = payload[:size]
		if _, err := io.ReadFull(l.from, payload); err != nil {
			return err
		}
		if failed {
			return errors.New(string(payload))
		}
		l.take(stderr, payload)
	}
}

// take adds one frame to the line of its stream.
func (l *lineReader) take(stderr bool, b []byte) {
	p := &l.parts[0]
	if stderr {
		p = &l.parts[1]
	}
	at, text := cutStamp(b)
	if !l.fresh(at) {
		return
	}
	if !p.open {
		p.at, p.open = at, true
	}
	whole := len(text) > 0 && text[len(text)-1] == '\n'
	if whole {
		text = text[:len(text)-1]
	}
	for len(p.text)+len(text) > runner.MaxLine {
		n := runner.MaxLine - len(p.text)
		p.text, text = append(p.text, text[:n]...), text[n:]
		l.put(stderr, p.at, string(p.text), len(text) > 0)
		p.text = p.text[:0]
	}
	if !whole {
		p.text = append(p.text, text...)
		return
	}
	if len(p.text) > 0 {
		p.text = append(p.text, text...)
		l.put(stderr, p.at, string(p.text), l.more())
	} else {
		l.put(stderr, p.at, string(text), l.more())
	}
	p.text, p.open = p.text[:0], false
}

func (l *lineReader) put(stderr bool, at time.Time, text string, more bool) {
	if !l.since.IsZero() && !at.After(l.since) {
		return
	}
	l.emit(runner.LogLine{Time: at, Stderr: stderr, Text: text, More: more})
}

// more tells whether a whole frame with the end of a line is there already.
func (l *lineReader) more() bool {
	have := l.from.Buffered()
	if have < frameHead {
		return false
	}
	head, _ := l.from.Peek(frameHead)
	size := frameHead + int(binary.BigEndian.Uint32(head[4:]))
	if have < size {
		return false
	}
	frame, _ := l.from.Peek(size)
	return frame[size-1] == '\n'
}

// flush emits what is left of lines that were cut off by the end of the stream.
func (l *lineReader) flush() {
	for i := range l.parts {
		if p := &l.parts[i]; p.open && len(p.text) > 0 {
			l.put(i == 1, p.at, string(p.text), false)
			p.open = false
		}
	}
}

// enginePart is the length at which the engine cuts a long line; on a terminal's stream the timestamp of the next part
// follows in the middle of the line.
const enginePart = 16 << 10

// raw reads the stream of a container with a terminal. What is cut off by the end of the stream counts as a line.
func (l *lineReader) raw() error {
	for {
		b, err := l.from.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		}
		if p := &l.parts[0]; len(b) > 0 && !p.open {
			p.at, b = cutStamp(b)
			p.open = true
		}
		l.rawPart(b)
		if err != nil {
			if p := &l.parts[0]; l.resumes {
				p.text, p.open = p.text[:0], false // it comes once more, whole
			} else if p.open && len(p.text) > 0 {
				l.flushRaw(p, true)
			}
			return err
		}
	}
}

// rawPart adds a piece of a terminal's stream to its line.
func (l *lineReader) rawPart(b []byte) {
	p := &l.parts[0]
	p.text = append(p.text, b...)
	n := len(p.text)
	if n == 0 || p.text[n-1] != '\n' {
		if n > 2*runner.MaxLine {
			l.flushRaw(p, false)
		}
		return
	}
	p.text = bytes.TrimSuffix(p.text[:n-1], []byte{'\r'}) // the terminal put it there
	l.flushRaw(p, true)
}

func (l *lineReader) flushRaw(p *part, whole bool) {
	if !l.fresh(p.at) {
		p.text, p.open = p.text[:0], !whole
		return
	}
	text := dropStamps(p.text)
	for len(text) > runner.MaxLine {
		l.put(false, p.at, string(text[:runner.MaxLine]), true)
		text = text[runner.MaxLine:]
	}
	next, _ := l.from.Peek(l.from.Buffered())
	more := len(next) > 0 && next[len(next)-1] == '\n'
	l.put(false, p.at, string(text), more)
	p.text, p.open = p.text[:0], !whole
}

// dropStamps takes the timestamps out of a long line that the engine cut.
func dropStamps(b []byte) []byte {
	for at := enginePart; at+stampLen < len(b); at += enginePart {
		if t, _ := cutStamp(b[at:]); !t.IsZero() {
			b = append(b[:at], b[at+stampLen+1:]...)
		}
	}
	return b
}

// cutStamp takes the timestamp off a line; a line without one has the zero time.
func cutStamp(b []byte) (time.Time, []byte) {
	if len(b) <= stampLen || b[10] != 'T' || b[stampLen-1] != 'Z' || b[stampLen] != ' ' {
		return time.Time{}, b
	}
	n := func(from, to int) int {
		v := 0
		for _, c := range b[from:to] {
			if c < '0' || c > '9' {
				return -1
			}
			v = 10*v + int(c-'0')
		}
		return v
	}
	year, month, day := n(0, 4), n(5, 7), n(8, 10)
	hour, minute, second, nano := n(11, 13), n(14, 16), n(17, 19), n(20, 29)
	if year < 0 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0 || nano < 0 {
		return time.Time{}, b
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC), b[stampLen+1:]
}
