package tui

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"msdev/journal"
	"msdev/runner"
)

// look is how a pane draws its records. Panes with equal looks lay a record out alike, so that a layout can be kept.
type look struct {
	width  int // columns for the content, without time, level and name
	wrap   bool
	raw    bool // as written, not taken apart
	folded bool // stack traces
	shift  int  // columns that are scrolled out at the left
	align  int  // column of the first field; 0: right after the message
	theme  *theme
	signs  *signs
	find   *regexp.Regexp // what to highlight

	glances *glances
	glanced int // version of the glances that it was laid out with
}

// block is a record laid out: its level and the lines of its content.
type block struct {
	level journal.Level
	lines [][]piece
}

const (
	maxWrapped = 12 // lines that a single line of text may take in a list; the detail shows all
	maxBody    = 6  // further lines (of a stack trace) that show in a list
)

// lay lays out a record.
func (k *look) lay(r *journal.Record) block {
	switch r.Kind {
	case journal.KindEvent:
		return k.event(r)
	case journal.KindMessage:
		return k.message(r)
	}
	line := journal.ParseLine(r.Text)
	b := block{level: line.Level}
	content, further := k.content(r, line)
	body := append(further, bodyLines(r.Body)...)
	if k.folded && len(body) > 0 {
		content = append(content, piece{k.theme.dim, "  " + k.signs.folded + " " + plural(len(body), "line")})
		body = nil
	}
	b.lines = k.lines(content)
	for i, text := range body {
		if i == maxBody && len(body) > maxBody+1 {
			b.lines = append(b.lines, []piece{{k.theme.faint, "  " + k.signs.cut + " " + plural(len(body)-i, "more line") + ": enter"}})
			break
		}
		ps := append([]piece{{"", "  "}}, k.tint(pieces(head(text, 16*k.width+64)), k.theme.dim)...)
		b.lines = append(b.lines, k.found(ps))
	}
	return b
}

// content is what the first line of a log record shows, and the further lines that hide in its fields.
func (k *look) content(r *journal.Record, line journal.Line) (ps []piece, further []string) {
	if plain := line.Format == journal.FormatPlain; k.raw || plain && (line.Message == "" || strings.Contains(r.Text, "\x1b")) {
		return k.found(pieces(k.visible(r.Text))), nil
	}
	ps = pieces(k.visible(line.Message))
	if fields := k.fields(line); len(fields) > 0 {
		ps = append(ps, piece{"", strings.Repeat(" ", max(2, k.align-span(ps)))})
		ps = append(ps, fields...)
	}
	for _, f := range line.Fields {
		if strings.Contains(f.Value, "\n") {
			further = append(further, f.Key+":")
			further = append(further, strings.Split(strings.TrimRight(f.Value, "\n"), "\n")...)
		}
	}
	return k.found(ps), further
}

func (k *look) fields(line journal.Line) []piece {
	var ps []piece
	add := func(key, value string) {
		if len(ps) > 0 {
			ps = append(ps, piece{"", "  "})
		}
		ps = append(ps, piece{k.theme.faint, clean(key) + "="}, piece{k.theme.dim, clean(k.visible(value))})
	}
	for _, f := range line.Fields {
		if !strings.Contains(f.Value, "\n") {
			add(f.Key, f.Value)
		}
	}
	if line.Trace != "" {
		add("trace", head(line.Trace, 8))
	}
	return ps
}

// event lays out an event: a sign for its type, its text, and where something went wrong the way out.
func (k *look) event(r *journal.Record) block {
	e := runner.Event{Type: runner.EventType(r.Ref)}
	if len(r.Body) > 0 && json.Unmarshal(r.Body, &e) != nil {
		e = runner.Event{Type: runner.EventType(r.Ref)} // of another make; its text says enough
	}
	sign, st := k.eventSign(&e)
	text := k.theme.dim
	if st == k.theme.bad {
		text = st
	}
	b := block{lines: k.lines(k.found(append([]piece{{st, sign + " "}}, k.tint(pieces(k.visible(r.Text)), text)...)))}
	if e.Hint != "" {
		b.lines = append(b.lines, []piece{{st, "  " + k.signs.to + " "}, {"", clean(e.Hint)}})
	}
	return b
}

func (k *look) eventSign(e *runner.Event) (string, style) {
	switch e.Type {
	case runner.EventHealthy, runner.EventBack, runner.EventFound:
		return k.signs.ready, k.theme.ok
	case runner.EventStart, runner.EventWait, runner.EventPull, runner.EventBuild:
		return k.signs.busy, k.theme.busy
	case runner.EventUnhealthy, runner.EventFail, runner.EventLost:
		return k.signs.failed, k.theme.bad
	case runner.EventExit:
		if e.ExitCode == nil || *e.ExitCode != 0 {
			return k.signs.failed, k.theme.bad
		}
		return k.signs.stopped, k.theme.dim
	case runner.EventStop, runner.EventRemove, runner.EventPause:
		return k.signs.stopped, k.theme.dim
	case runner.EventWarning:
		return "!", k.theme.busy
	}
	return k.signs.dot, k.theme.dim
}

// lines breaks or cuts content.
func (k *look) lines(ps []piece) [][]piece {
	if !k.wrap {
		return [][]piece{skip(ps, k.shift)}
	}
	lines, more := wrap(ps, k.width, maxWrapped)
	if more {
		last := len(lines) - 1
		lines[last] = append(lines[last], piece{k.theme.faint, k.signs.cut})
	}
	return lines
}

// visible bounds the work that a very long text makes: it returns the start of it, which is all that can show.
func (k *look) visible(s string) string {
	columns := k.shift + k.width
	if k.wrap {
		columns = (maxWrapped + 1) * k.width
	}
	return head(s, 4*columns+1024)
}

// tint gives a style to the pieces that have none.
func (k *look) tint(ps []piece, st style) []piece {
	for i := range ps {
		if ps[i].st == "" {
			ps[i].st = st
		}
	}
	return ps
}

// found highlights what the search found.
func (k *look) found(ps []piece) []piece {
	if k.find == nil {
		return ps
	}
	var text strings.Builder
	for _, p := range ps {
		text.WriteString(p.s)
	}
	hits := k.find.FindAllStringIndex(text.String(), 100)
	if len(hits) == 0 {
		return ps
	}
	var out []piece
	start := 0 // of the piece in the text
	for _, p := range ps {
		done := 0
		for _, h := range hits {
			from, to := max(h[0]-start, done), min(h[1]-start, len(p.s))
			if from >= to {
				continue
			}
			if from > done {
				out = append(out, piece{p.st, p.s[done:from]})
			}
			out = append(out, piece{p.st.and(k.theme.match), p.s[from:to]})
			done = to
		}
		if done < len(p.s) {
			out = append(out, piece{p.st, p.s[done:]})
		}
		start += len(p.s)
	}
	return out
}

// bodyLines are the further lines of a record.
func bodyLines(body []byte) []string {
	body = bytes.TrimRight(body, "\n")
	if len(body) == 0 {
		return nil
	}
	return strings.Split(string(body), "\n")
}
