package tui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"msdev/journal"
)

// piece is text in one style. Its text holds no control characters once it went through clean or pieces.
type piece struct {
	st style
	s  string
}

// plain tells whether every byte is a printable ASCII character, so that bytes are columns.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

// width is the number of columns that s takes on the screen.
func width(s string) int {
	if plain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// cut returns the longest start of s that takes at most n columns. It looks at no more of s than it needs.
func cut(s string, n int) string {
	if n <= 0 {
		return ""
	}
	s = head(s, n*16+64)
	if plain(s) {
		return s[:min(n, len(s))]
	}
	return ansi.Truncate(s, n, "")
}

// head returns at most the first n bytes of s, whole characters only.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// clean makes one line of printable text out of anything: no colours, no control characters, no line breaks.
func clean(s string) string {
	if plain(s) {
		return s
	}
	if strings.ContainsAny(s, "\r\n") {
		s = strings.Join(strings.Fields(s), " ")
	}
	return ansi.Strip(journal.Sanitize(s))
}

// pieces turns a line that may hold SGR colours into pieces of those colours.
func pieces(s string) []piece {
	if plain(s) {
		return []piece{{s: s}}
	}
	s = journal.Sanitize(s)
	var out []piece
	var st style
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			break
		}
		end := strings.IndexByte(s[i:], 'm')
		if end < 0 {
			break
		}
		if i > 0 {
			out = append(out, piece{st, s[:i]})
		}
		st = sgr(st, s[i+2:i+end])
		s = s[i+end+1:]
	}
	if s != "" || len(out) == 0 {
		out = append(out, piece{st, strings.ReplaceAll(s, "\x1b", "")})
	}
	return out
}

// sgr is the style after a sequence with these parameters.
func sgr(st style, params string) style {
	if params == "" || params == "0" {
		return ""
	}
	if rest, reset := strings.CutPrefix(params, "0;"); reset {
		st, params = "", rest
	}
	if len(st) > 64 {
		st = "" // a line that sets colours without end; the last one is what shows
	}
	return st.and(style(params))
}

// line builds one line of the screen with a fixed number of columns. What does not fit is cut, and the cut is shown.
type line struct {
	b     strings.Builder
	width int
	used  int
	base  style // under everything: the selection's background
	cut   string
}

func newLine(width int, base style, sg *signs) *line {
	return &line{width: max(width, 0), base: base, cut: sg.cut}
}

// left is the number of columns that are still free.
func (l *line) left() int { return l.width - l.used }

// add appends text.
func (l *line) add(st style, s string) *line {
	if s == "" || l.left() <= 0 {
		return l
	}
	if len(s) > 16*l.left()+64 || width(s) > l.left() {
		s = cut(clean(head(s, 16*l.left()+64)), l.left()-1) + l.cut
		s = cut(s, l.left())
	} else if !plain(s) {
		s = clean(s)
	}
	l.used += width(s)
	l.b.WriteString(l.base.and(st).paint(s))
	return l
}

// cell appends text in a column of w columns: cut where it is longer, filled with spaces where it is shorter.
func (l *line) cell(st style, s string, w int, right bool) *line {
	w = min(w, l.left())
	if w <= 0 {
		return l
	}
	s = clean(s)
	if width(s) > w {
		s = cut(cut(s, w-1)+l.cut, w)
	}
	pad := w - width(s)
	if right {
		return l.gap(pad).add(st, s)
	}
	return l.add(st, s).gap(pad)
}

// gap appends n spaces.
func (l *line) gap(n int) *line {
	n = min(n, l.left())
	if n > 0 {
		l.used += n
		l.b.WriteString(l.base.paint(strings.Repeat(" ", n)))
	}
	return l
}

// to appends spaces up to a column.
func (l *line) to(column int) *line { return l.gap(column - l.used) }

// raw appends text that is styled already, of at most as many columns as are left.
func (l *line) raw(s string) *line {
	s = ansi.Truncate(s, l.left(), "")
	l.used += ansi.StringWidth(s)
	l.b.WriteString(s)
	return l
}

// right puts pieces at the right end, where they fit; the line is full then.
func (l *line) right(ps ...piece) *line {
	w := 0
	for _, p := range ps {
		w += width(p.s)
	}
	if w > l.left() {
		return l
	}
	l.to(l.width - w)
	for _, p := range ps {
		l.add(p.st, p.s)
	}
	return l
}

// String is the line, filled to its width.
func (l *line) String() string {
	l.to(l.width)
	return l.b.String()
}

// span is the width of pieces.
func span(ps []piece) int {
	n := 0
	for _, p := range ps {
		n += width(p.s)
	}
	return n
}

// skip drops the first n columns of pieces.
func skip(ps []piece, n int) []piece {
	for len(ps) > 0 && n > 0 {
		w := width(ps[0].s)
		if w > n {
			rest := ps[0].s[len(cut(ps[0].s, n)):]
			return append([]piece{{ps[0].st, rest}}, ps[1:]...)
		}
		n -= w
		ps = ps[1:]
	}
	return ps
}

// wrap breaks pieces into lines of at most w columns, at spaces where there are some, and at most limit lines. cut tells
// whether something is left over.
func wrap(ps []piece, w, limit int) (lines [][]piece, cut bool) {
	if w <= 0 {
		return [][]piece{ps}, false
	}
	for len(ps) > 0 {
		if len(lines) == limit {
			return lines, true
		}
		var first []piece
		first, ps = breakLine(ps, w)
		lines = append(lines, first)
		for len(ps) > 0 && strings.Trim(ps[0].s, " ") == "" {
			ps = ps[1:]
		}
	}
	if len(lines) == 0 {
		lines = [][]piece{nil}
	}
	return lines, false
}

// breakLine takes one line of at most w columns off the pieces.
func breakLine(ps []piece, w int) (first, rest []piece) {
	left := w
	for i, p := range ps {
		part := cut(p.s, left)
		if len(part) == len(p.s) {
			left -= width(part)
			continue
		}
		short := len(p.s) <= 4*w && width(p.s) <= w
		if short && i > 0 && strings.HasSuffix(ps[i-1].s, " ") && left < w/2 && !strings.Contains(part, " ") {
			return ps[:i], ps[i:] // the next line has room for all of it
		}
		if sp := strings.LastIndexByte(part, ' '); sp > 0 && (left-width(part[:sp])) < w/2 {
			part = part[:sp+1]
		}
		if part == "" && i == 0 { // a character that is wider than the line
			_, n := utf8.DecodeRuneInString(p.s)
			return nil, append([]piece{{p.st, p.s[n:]}}, ps[1:]...)
		}
		first = append(first, ps[:i]...)
		if part != "" {
			first = append(first, piece{p.st, part})
		}
		return first, append([]piece{{p.st, strings.TrimPrefix(p.s[len(part):], " ")}}, ps[i+1:]...)
	}
	return ps, nil
}
