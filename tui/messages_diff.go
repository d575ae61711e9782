package tui

import (
	"errors"

	"msdev/brokers"
)

// messageDiff is a comparison of two messages.
type messageDiff struct {
	lines       []brokers.DiffLine
	left, right string
}

// compare shows how the two marked messages differ.
func (p *messagesPage) compare() {
	if p.countMarked() != 2 {
		p.fail("", errors.New("two messages can be compared, and "+itoa(p.countMarked())+" are marked\nMark them with "+p.keys.key(actMark)+"."))
		return
	}
	all := p.chosenMessages()
	if len(all) != 2 {
		return
	}
	d := &messageDiff{left: p.clock(all[0].Time, 12), right: p.clock(all[1].Time, 12)}
	var same bool
	if d.lines, same = brokers.DiffMessages(&all[0], &all[1]); same {
		p.say("the two are equal, byte for byte")
	}
	p.diff = d
	p.openDetail()
	p.onDetail = true
}

// sidesFrom are the columns from which a difference stands side by side.
const sidesFrom = 96

// drawDiff draws a difference: side by side where there is room, else line by line. Long runs of equal lines are folded
// where all of them take more than so many lines.
func (d *desk) drawDiff(lines []brokers.DiffLine, w, room int, left, right string) []string {
	if len(lines) >= room {
		lines = foldEqual(lines, 4)
	}
	if w < sidesFrom {
		out := []string{d.diffHead(w, left, right)}
		for _, l := range lines {
			out = append(out, d.diffLine(l, w))
		}
		return out
	}
	half := (w - 3) / 2
	out := []string{newLine(w, "", d.signs).gap(3).cell(d.theme.dim, left, half-3, false).gap(6).cell(d.theme.dim, right, half-3, false).String()}
	both := func(a, b brokers.DiffLine) {
		out = append(out, d.diffLine(a, half)+d.theme.faint.paint(" "+d.signs.bar+" ")+d.diffLine(b, w-half-3))
	}
	for i := 0; i < len(lines); {
		if lines[i].Op != '-' && lines[i].Op != '+' {
			both(lines[i], lines[i])
			i++
			continue
		}
		minus := runOf(lines[i:], '-')
		plus := runOf(lines[i+len(minus):], '+')
		i += len(minus) + len(plus)
		for j := range max(len(minus), len(plus)) {
			both(lineAt(minus, j), lineAt(plus, j))
		}
	}
	return out
}

// runOf are the lines with this Op that come first.
func runOf(lines []brokers.DiffLine, op byte) []brokers.DiffLine {
	n := 0
	for n < len(lines) && lines[n].Op == op {
		n++
	}
	return lines[:n]
}

// lineAt is a line of one side, or an empty one where that side has no more.
func lineAt(lines []brokers.DiffLine, i int) brokers.DiffLine {
	if i < len(lines) {
		return lines[i]
	}
	return brokers.DiffLine{Op: ' '}
}

func (d *desk) diffHead(w int, left, right string) string {
	return newLine(w, "", d.signs).gap(1).add(d.theme.bad, "- ").add(d.theme.dim, left).gap(2).add(d.theme.ok, "+ ").add(d.theme.dim, right).String()
}

func (d *desk) diffLine(l brokers.DiffLine, w int) string {
	st, sign := d.theme.dim, " "
	switch l.Op {
	case '-':
		st, sign = d.theme.bad, "-"
	case '+':
		st, sign = d.theme.ok, "+"
	case folded:
		return newLine(w, "", d.signs).gap(1).add(d.theme.faint, l.Text).String()
	}
	return newLine(w, "", d.signs).gap(1).add(st, sign+" ").add(st, head(l.Text, 16*w+64)).String()
}

// folded is the Op of a line that stands for equal ones.
const folded = '~'

// foldEqual leaves out equal lines but so many around each difference; where nothing differs all stay.
func foldEqual(lines []brokers.DiffLine, around int) []brokers.DiffLine {
	near := make([]bool, len(lines))
	differs := false
	for i, l := range lines {
		if l.Op == ' ' {
			continue
		}
		differs = true
		for j := max(0, i-around); j <= min(len(lines)-1, i+around); j++ {
			near[j] = true
		}
	}
	if !differs {
		return lines
	}
	var out []brokers.DiffLine
	for i := 0; i < len(lines); {
		if near[i] {
			out = append(out, lines[i])
			i++
			continue
		}
		from := i
		for i < len(lines) && !near[i] {
			i++
		}
		if i-from <= 2 {
			out = append(out, lines[from:i]...)
		} else {
			out = append(out, brokers.DiffLine{Op: folded, Text: plural(i-from, "equal line")})
		}
	}
	return out
}
