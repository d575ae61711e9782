package tui

import (
	"bytes"
	"regexp"
	"strings"

	"msdev/journal"
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
	if r.Kind == journal.KindEvent {
		return block{lines: k.lines(k.event(r))}
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

// event is what an event shows: a sign for its type, and its text.
func (k *look) event(r *journal.Record) []piece {
	sign, st := k.eventSign(r.Ref)
	return k.found(append([]piece{{st, sign + " "}}, k.tint(pieces(k.visible(r.Text)), k.eventText(r.Ref))...))
}

func (k *look) eventSign(kind string) (string, style) {
	switch kind {
	case "healthy", "ready", "completed":
		return k.signs.ready, k.theme.ok
	case "start", "create", "starting", "wait", "waiting", "pull", "build":
		return k.signs.busy, k.theme.busy
	case "problem", "unhealthy", "fail", "failed", "die", "oom":
		return k.signs.failed, k.theme.bad
	case "exit", "crash":
		return k.signs.failed, k.theme.bad
	case "reload", "reloaded", "restart":
		return k.signs.reloading, k.theme.info
	case "warning":
		return "!", k.theme.busy
	case "stop", "stopped", "remove", "removed", "kill", "pause", "unpause":
		return k.signs.stopped, k.theme.dim
	}
	return k.signs.dot, k.theme.dim
}

func (k *look) eventText(kind string) style {
	if _, st := k.eventSign(kind); st == k.theme.bad {
		return st
	}
	return k.theme.dim
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

// finder is the regular expression that highlights what a filter looks for, nil where it looks for no text. It follows
// journal.Filter: case counts only where the text holds an upper-case letter.
func finder(f journal.Filter) (*regexp.Regexp, error) {
	if f.Text == "" || f.Invert {
		return nil, nil
	}
	pattern := f.Text
	if !f.Regexp {
		pattern = regexp.QuoteMeta(pattern)
	}
	if !f.CaseSensitive && strings.ToLower(f.Text) == f.Text {
		pattern = "(?i)" + pattern
	}
	return regexp.Compile(pattern)
}
