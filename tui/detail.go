package tui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
)

// recordDetail shows one record with all that it holds.
type recordDetail struct {
	*desk
	draw  func(*journal.Record, int) []string
	top   int
	rows  int
	seq   uint64
	width int
	lines []string
	drawn *theme
}

func newRecordDetail(d *desk) *recordDetail {
	return &recordDetail{desk: d, draw: func(r *journal.Record, w int) []string { return d.drawFacts(d.recordFacts(r), w) }}
}

func (p *recordDetail) view(r journal.Record, w, h int) []string {
	p.rows = h
	if r.Seq != p.seq || w != p.width || p.drawn != p.theme || p.ages {
		if r.Seq != p.seq {
			p.top = 0
		}
		p.lines = p.draw(&r, w)
		p.seq, p.width, p.drawn = r.Seq, w, p.theme
	}
	p.top = max(0, min(p.top, len(p.lines)-h))
	lines := append([]string(nil), p.lines[p.top:min(len(p.lines), p.top+h)]...)
	for len(lines) < h {
		lines = append(lines, newLine(w, "", p.signs).String())
	}
	return lines
}

func (p *recordDetail) do(a action) bool {
	switch a {
	case actUp:
		p.top--
	case actDown:
		p.top++
	case actHalfUp:
		p.top -= max(1, p.rows/2)
	case actHalfDown:
		p.top += max(1, p.rows/2)
	case actPageUp:
		p.top -= max(1, p.rows-1)
	case actPageDown:
		p.top += max(1, p.rows-1)
	case actTop:
		p.top = 0
	case actBottom:
		p.top = len(p.lines)
	default:
		return false
	}
	return true
}

// recordFacts are all that a record says: what every record has, then its fields, then its further lines.
func (d *desk) recordFacts(r *journal.Record) []fact {
	if r.Seq == 0 {
		return nil
	}
	t := d.theme
	at := r.Time.In(d.zone)
	facts := []fact{{"time", []piece{{"", at.Format("2006-01-02 15:04:05.000000 MST")}, {t.faint, "  " + ago(d.now.Sub(at)) + " ago"}}}}
	add := func(name string, st style, value string) {
		if value == "" {
			return
		}
		for i, l := range strings.Split(strings.TrimRight(value, "\n"), "\n") {
			facts = append(facts, fact{either(i == 0, name, ""), d.styled(l, st)})
		}
	}
	add("stream", "", r.Stream)
	if r.Kind == journal.KindEvent {
		add("event", "", r.Ref)
		add("text", "", r.Text)
		add("data", t.dim, indented(r.Body))
		return facts
	}
	line := journal.ParseLine(r.Text)
	add("instance", t.dim, r.Ref)
	if word, st := levelWord(line.Level, t); word != "" {
		add("level", st, word)
	}
	add("message", t.strong, line.Message)
	for _, f := range line.Fields {
		add(clean(f.Key), "", indented([]byte(f.Value)))
	}
	add("trace", "", line.Trace)
	add("span", "", line.Span)
	add("caller", t.dim, line.Caller)
	add("lines", t.dim, string(r.Body))
	if line.Format != journal.FormatPlain {
		add("written", t.faint, r.Text)
	}
	return facts
}

// styled is a line in a style, with the colours that it brings itself.
func (d *desk) styled(s string, st style) []piece {
	ps := pieces(s)
	for i := range ps {
		if ps[i].st == "" {
			ps[i].st = st
		}
	}
	return ps
}

// indented is JSON with line breaks; anything else stays as it is.
func indented(b []byte) string {
	if trimmed := bytes.TrimSpace(b); len(trimmed) > 1 && (trimmed[0] == '{' || trimmed[0] == '[') {
		var out bytes.Buffer
		if json.Indent(&out, trimmed, "", "  ") == nil {
			return out.String()
		}
	}
	return string(b)
}

var sourceLine = regexp.MustCompile(`([\w@./+-]*[\w-]\.[A-Za-z]\w{0,5}):(\d+)`)

// edit opens $EDITOR where the record names a file and a line of the project.
func (d *desk) edit(r *journal.Record) tea.Cmd {
	file, line, ok := d.sourceOf(r)
	if !ok {
		d.fail("", errors.New("this line names no file of the project\nA name with a line is needed: main.go:42."))
		return nil
	}
	c := editor(os.Getenv, file, line)
	return tea.ExecProcess(c, func(err error) tea.Msg {
		return doneMsg{text: c.Args[0], err: err}
	})
}

// sourceOf finds the first file and line in a record's text that exist in the project. A path inside a container is
// matched by its end.
func (d *desk) sourceOf(r *journal.Record) (file, line string, ok bool) {
	text := r.Text + "\n" + string(r.Body)
	for _, m := range sourceLine.FindAllStringSubmatch(head(text, 1<<20), 100) {
		rel := strings.Split(filepath.ToSlash(filepath.Clean(m[1])), "/")
		candidates := []string{}
		if filepath.IsAbs(m[1]) {
			candidates = append(candidates, m[1])
		}
		for i := range rel {
			end := filepath.Join(rel[i:]...)
			candidates = append(candidates, filepath.Join(d.state.Dir, end), filepath.Join(d.state.Dir, serviceOf(r), end))
		}
		for _, c := range candidates {
			if info, err := os.Stat(c); err == nil && info.Mode().IsRegular() {
				return c, m[2], true
			}
		}
	}
	return "", "", false
}

// editor is the command that opens a file at a line.
func editor(getenv func(string) string, file, line string) *exec.Cmd {
	program := strings.Fields(getenv("VISUAL"))
	if len(program) == 0 {
		program = strings.Fields(getenv("EDITOR"))
	}
	if len(program) == 0 {
		program = []string{"vi"}
	}
	args := []string{"+" + line, file}
	switch filepath.Base(program[0]) {
	case "code", "codium", "cursor":
		args = []string{"--goto", fmt.Sprintf("%s:%s", file, line)}
	case "hx", "subl", "zed":
		args = []string{fmt.Sprintf("%s:%s", file, line)}
	}
	return exec.Command(program[0], append(program[1:], args...)...)
}
