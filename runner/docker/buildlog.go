package docker

import (
	"fmt"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"msdev/journal"
	"msdev/runner"
)

// keptLines is how many of the last lines of a failed step its error shows.
const keptLines = 12

// buildLog turns what a builder tells into progress lines, and keeps what the error of a failed build needs.
type buildLog struct {
	report func(runner.Progress)
	failed string // the name of the step that failed
	steps  map[digest.Digest]*buildStep
	last   []string // the last lines of the classic builder
	ends   []string // the last lines of the failed step
	done   int64
}

// buildStep is one step of BuildKit.
type buildStep struct {
	number  int
	begun   bool
	ended   bool
	partial string // a line without its end
	last    []string
}

func (l *buildLog) line(text string) {
	l.report(runner.Progress{Text: text, Current: l.done, Total: int64(len(l.steps))})
}

// status takes in what BuildKit tells of its steps.
func (l *buildLog) status(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		l.vertex(v)
	}
	for _, out := range s.Logs {
		l.output(l.step(out.Vertex), string(out.Data))
	}
}

func (l *buildLog) step(id digest.Digest) *buildStep {
	if l.steps == nil {
		l.steps = map[digest.Digest]*buildStep{}
	}
	s := l.steps[id]
	if s == nil {
		s = &buildStep{number: len(l.steps) + 1}
		l.steps[id] = s
	}
	return s
}

func (l *buildLog) vertex(v *client.Vertex) {
	s := l.step(v.Digest)
	if v.Started != nil && !s.begun {
		s.begun = true
		l.line(fmt.Sprintf("#%d %s", s.number, v.Name))
	}
	if v.Completed == nil || s.ended {
		return
	}
	s.ended = true
	l.done++
	switch {
	case v.Error != "":
		if strings.Contains(v.Error, "context canceled") {
			l.line(fmt.Sprintf("#%d CANCELED", s.number))
			return
		}
		l.line(fmt.Sprintf("#%d ERROR: %s", s.number, v.Error))
		if l.failed == "" {
			l.failed = v.Name
			l.ends = append(s.last, nonEmpty(s.partial)...)
		}
	case v.Cached:
		l.line(fmt.Sprintf("#%d CACHED", s.number))
	case v.Started != nil:
		l.line(fmt.Sprintf("#%d DONE %.1fs", s.number, v.Completed.Sub(*v.Started).Round(100*time.Millisecond).Seconds()))
	}
}

// output takes in what a step writes, which comes in pieces.
func (l *buildLog) output(s *buildStep, text string) {
	text = s.partial + text
	for {
		line, rest, whole := strings.Cut(text, "\n")
		if !whole {
			break
		}
		line = strings.TrimRight(line, "\r")
		l.line(fmt.Sprintf("#%d %s", s.number, line))
		s.last = keep(s.last, line)
		text = rest
	}
	s.partial = text
}

// classic takes in what the classic builder writes.
func (l *buildLog) classic(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if line = strings.TrimRight(line, "\r"); line == "" {
			continue
		}
		if _, step, ok := strings.Cut(line, " : "); ok && strings.HasPrefix(line, "Step ") {
			l.failed, l.last = step, nil
		} else {
			l.last = keep(l.last, line)
		}
		l.line(line)
	}
}

// tail is what the failed step wrote last, indented.
func (l *buildLog) tail() string {
	lines := l.ends
	if len(lines) == 0 {
		lines = l.last
	}
	if len(lines) == 0 {
		return ""
	}
	return journal.StripANSI("  " + strings.Join(lines, "\n  "))
}

func keep(lines []string, line string) []string {
	if len(lines) == keptLines {
		lines = append(lines[:0:0], lines[1:]...)
	}
	return append(lines, line)
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
