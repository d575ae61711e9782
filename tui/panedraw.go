package tui

import (
	"strings"

	"msdev/journal"
)

// view draws the pane in exactly h lines of w columns. empty is what it says where it has nothing to show.
func (p *pane) view(w, h int, focused bool, empty ...string) []string {
	p.rows = h
	p.prepare(w)
	if h <= 0 {
		return nil
	}
	if len(p.records) == 0 {
		return p.nothing(w, h, empty)
	}
	i, over := p.place(h)
	lines := make([]string, 0, h)
	for ; i < len(p.records) && len(lines) < h; i++ {
		for n := over; n < p.height(i) && len(lines) < h; n++ {
			lines = append(lines, p.line(i, n, w, focused))
		}
		over = 0
	}
	for len(lines) < h {
		lines = append(lines, strings.Repeat(" ", w))
	}
	return lines
}

// columns of what stands before the content.
type margins struct{ gutter, clock, name, level int }

func (m margins) total() int { return m.gutter + m.clock + m.name + m.level }

func (p *pane) margins(w int) margins {
	m := margins{gutter: 2, clock: 13, level: 6}
	switch {
	case w < 24:
		m = margins{gutter: 2}
	case w < 60:
		m = margins{gutter: 2, clock: 9, level: 2}
	}
	if p.desk.ages && m.clock > 0 {
		m.clock = 7
	}
	if p.what.Kinds == journal.KindSet(journal.KindEvent) || p.what.Kinds == journal.KindSet(journal.KindMessage) {
		m.level = 0
	}
	if p.names && w >= 24 {
		longest := 6
		for _, s := range p.desk.state.Services {
			longest = max(longest, len(s.Service))
		}
		m.name = min(longest, max(8, w/8), 24) + 1
	}
	return m
}

// prepare forgets layouts that no longer hold.
func (p *pane) prepare(w int) {
	content := max(1, w-p.margins(w).total())
	k := look{width: content, wrap: p.wrap, raw: p.raw, folded: p.folded, shift: p.shift,
		theme: p.desk.theme, signs: p.desk.signs, find: p.find}
	if content >= 72 {
		k.align = 28
	}
	if k.glances = p.glances; k.glances != nil {
		k.glanced = k.glances.version
	}
	if k != p.look || len(p.blocks) > 2*maxWindow {
		p.look = k
		clear(p.blocks)
	}
}

func (p *pane) block(i int) block {
	r := &p.records[i]
	b, ok := p.blocks[r.Seq]
	if !ok {
		b = p.look.lay(r)
		p.blocks[r.Seq] = b
	}
	return b
}

// height is the number of lines of a record, with the line that tells of lost ones before it.
func (p *pane) height(i int) int {
	n := len(p.block(i).lines)
	if p.lost[p.records[i].Seq] > 0 {
		n++
	}
	return n
}

// place returns the record and the line of it that stand at the top, so that the selected record shows.
func (p *pane) place(h int) (index, over int) {
	if p.follow {
		index, over = p.upFrom(len(p.records)-1, h)
		p.top, p.over = p.records[index].Seq, over
		return index, over
	}
	at := min(p.index(p.at), len(p.records)-1)
	p.at = p.records[at].Seq
	index = min(p.index(p.top), len(p.records)-1)
	over = 0
	if p.records[index].Seq == p.top {
		over = min(p.over, p.height(index)-1)
	}
	switch first, cut := p.upFrom(at, h); {
	case at < index || at == index && over > 0:
		index, over = at, 0
	case first > index || first == index && cut > over:
		index, over = first, cut
		if first == at { // taller than the pane: its beginning matters
			over = 0
		}
	}
	p.top, p.over = p.records[index].Seq, over
	return index, over
}

// upFrom returns what stands at the top of h lines whose last one is the end of record i.
func (p *pane) upFrom(i, h int) (index, over int) {
	for left := h; ; i-- {
		n := p.height(i)
		if n >= left {
			return i, n - left
		}
		if i == 0 {
			return 0, 0
		}
		left -= n
	}
}

// line draws one line of a record.
func (p *pane) line(i, n, w int, focused bool) string {
	r, b := &p.records[i], p.block(i)
	t, sg := p.desk.theme, p.desk.signs
	if lost := p.lost[r.Seq]; lost > 0 {
		if n == 0 {
			return newLine(w, "", sg).gap(2).add(t.busy, plural(lost, p.shelf.unit)+" lost here: the journal had no more room").String()
		}
		n--
	}
	var base style
	gutter := "  "
	selected := r.Seq == p.at
	if p.marked[r.Seq] {
		gutter = sg.mark + " "
	}
	if selected && focused {
		base = t.sel
		if gutter == "  " {
			gutter = sg.cursor + " "
		}
	}
	l := newLine(w, base, sg)
	m := p.margins(w)
	if n > 0 {
		return addAll(l.gap(m.total()), b.lines[n]).String()
	}
	l.cell(t.accent, gutter, m.gutter, false)
	if m.clock > 0 {
		l.cell(t.faint, p.desk.clock(r.Time, m.clock-1), m.clock-1, p.desk.ages).gap(1)
	}
	if m.name > 0 {
		l.cell(p.desk.nameStyle(serviceOf(r)), p.nameOf(r), m.name-1, false).gap(1)
	}
	if m.level > 0 {
		word, st := levelWord(b.level, t)
		if m.level == 2 {
			word = head(word, 1)
		}
		l.cell(st, word, m.level-1, false).gap(1)
	}
	return addAll(l, b.lines[0]).String()
}

func addAll(l *line, ps []piece) *line {
	for _, p := range ps {
		l.add(p.st, p.s)
	}
	return l
}

// nameOf is the service of a record, with the number of its instance where there are several.
func (p *pane) nameOf(r *journal.Record) string {
	name := serviceOf(r)
	s, ok := p.desk.service(name)
	if !ok || len(s.Instances) < 2 || r.Kind != journal.KindLog {
		return name
	}
	for _, i := range s.Instances {
		if i.ID == r.Ref || i.Name == r.Ref {
			return name + "-" + itoa(i.Number)
		}
	}
	return name
}

func levelWord(l journal.Level, t *theme) (string, style) {
	switch l {
	case journal.LevelTrace:
		return "TRACE", t.faint
	case journal.LevelDebug:
		return "DEBUG", t.faint
	case journal.LevelInfo:
		return "INFO", t.dim
	case journal.LevelWarn:
		return "WARN", t.busy
	case journal.LevelError:
		return "ERROR", t.bad
	case journal.LevelFatal:
		return "FATAL", t.bad
	}
	return "", ""
}

// nothing is the pane without a record to show.
func (p *pane) nothing(w, h int, empty []string) []string {
	t := p.desk.theme
	texts := empty
	switch {
	case p.err != nil:
		texts = strings.SplitN(p.err.Error(), "\n", 2)
	case !p.loaded && p.visited > 0 || p.loaded && !p.atStart:
		texts = []string{"searching " + p.desk.signs.cut + " " + plural(p.visited, p.shelf.unit) + " looked at"}
	case !p.loaded:
		texts = nil
	}
	return blank(w, h, t, p.desk.signs, texts)
}

// blank is an area that says in its upper part why it is empty, and on the next line the way out.
func blank(w, h int, t *theme, sg *signs, texts []string) []string {
	lines := make([]string, 0, h)
	if h > len(texts)+1 {
		lines = append(lines, newLine(w, "", sg).String())
	}
	for i, text := range texts {
		st := t.dim
		if i > 0 {
			st = t.faint
		}
		ls, _ := wrap([]piece{{st, clean(text)}}, max(1, w-4), h)
		for _, ps := range ls {
			lines = append(lines, addAll(newLine(w, "", sg).gap(2), ps).String())
		}
	}
	for len(lines) < h {
		lines = append(lines, newLine(w, "", sg).String())
	}
	return lines[:h]
}

// status is what the pane's title says of it: whether it follows, and what it is busy with.
func (p *pane) status() string {
	switch {
	case p.hunt != nil || p.visited > 0:
		return "searching " + p.desk.signs.cut + " " + plural(p.visited, p.shelf.unit)
	case p.shelf.whole:
		return ""
	case p.desk.paused:
		return "paused"
	case p.follow:
		return "follow"
	case p.newer < p.shelf.last() || len(p.records) > 0 && p.at != p.records[len(p.records)-1].Seq:
		return "stands still, more below"
	}
	return "stands still"
}

// do carries out what every pane of lines can do.
func (p *pane) do(a action) bool {
	switch a {
	case actFollow:
		p.followNow(!p.follow)
	case actBottom:
		p.followNow(true)
	case actTop:
		p.goTo(jump{cursor: 0})
	case actUp:
		p.move(-1)
	case actDown:
		p.move(1)
	case actHalfUp:
		p.move(-max(1, p.rows/2))
	case actHalfDown:
		p.move(max(1, p.rows/2))
	case actPageUp:
		p.move(-max(1, p.rows-1))
	case actPageDown:
		p.move(max(1, p.rows-1))
	case actLeft:
		p.shift = max(0, p.shift-16)
	case actRight:
		if !p.wrap {
			p.shift += 16
		}
	case actMark:
		if r, ok := p.selected(); ok {
			p.marked[r.Seq] = !p.marked[r.Seq]
			p.move(1)
		}
	default:
		return false
	}
	return true
}

// followNow follows the newest lines, or stands still where the pane is.
func (p *pane) followNow(on bool) {
	if on && !p.follow && p.newer < p.shelf.last() {
		p.reset()
	}
	p.follow = on
	if n := len(p.records); on && n > 0 {
		p.at = p.records[n-1].Seq
	}
}

// move moves the cursor. Going down from the last line follows again.
func (p *pane) move(d int) {
	if len(p.records) == 0 {
		return
	}
	i := min(p.index(p.at), len(p.records)-1)
	to := max(0, min(i+d, len(p.records)-1))
	if p.follow && d > 0 {
		return
	}
	if d > 0 && to == i && p.newer >= p.shelf.last() {
		p.followNow(true)
		return
	}
	p.follow = false
	p.at = p.records[to].Seq
}

// scroll moves the view by lines; the cursor stays on the screen.
func (p *pane) scroll(d int) {
	if len(p.records) == 0 || p.rows == 0 || p.follow && d > 0 {
		return
	}
	p.follow = false
	i, over := min(p.index(p.top), len(p.records)-1), p.over+d
	for over < 0 && i > 0 {
		i--
		over += p.height(i)
	}
	for i < len(p.records)-1 && over >= p.height(i) {
		over -= p.height(i)
		i++
	}
	over = max(0, min(over, p.height(i)-1))
	if last, lastOver := p.upFrom(len(p.records)-1, p.rows); i > last || i == last && over >= lastOver {
		i, over = last, lastOver
		if d > 0 && p.newer >= p.shelf.last() {
			p.followNow(true)
			return
		}
	}
	p.top, p.over = p.records[i].Seq, over
	first := i
	if over > 0 && first < len(p.records)-1 {
		first++
	}
	last, left := i, p.rows+over
	for last < len(p.records)-1 && left-p.height(last) > p.height(last+1)-1 {
		left -= p.height(last)
		last++
	}
	at := min(p.index(p.at), len(p.records)-1)
	p.at = p.records[max(first, min(at, max(first, last)))].Seq
}

// click selects the record at a line of the pane.
func (p *pane) click(y int) bool {
	i := min(p.index(p.top), len(p.records)-1)
	if i < 0 {
		return false
	}
	for y += p.over; i < len(p.records); i++ {
		if y -= p.height(i); y < 0 {
			p.at, p.follow = p.records[i].Seq, false
			return true
		}
	}
	return false
}
