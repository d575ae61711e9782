package tui

import "slices"

// The directions in which a line leaves a cell.
const (
	lineUp    = 1
	lineDown  = 2
	lineLeft  = 4
	lineRight = 8
)

// canvas is a drawing of lines and words that may be larger than the screen.
type canvas struct {
	w, h  int
	cells []mark
}

// mark is one cell of a canvas.
type mark struct {
	dirs  uint8
	sign  string // instead of a line
	word  bool   // the sign belongs to a word; lines do not cross it
	st    style
	level int // what is drawn with a higher one wins
}

func newCanvas(w, h int) *canvas { return &canvas{w: w, h: h, cells: make([]mark, w*h)} }

func (c *canvas) at(x, y int) *mark {
	if x < 0 || y < 0 || x >= c.w || y >= c.h {
		return &mark{}
	}
	return &c.cells[y*c.w+x]
}

// draw adds directions to a cell. A vertical line that only crosses a horizontal one stays whole, so that a crossing
// and a junction look different.
func (c *canvas) draw(x, y int, dirs uint8, st style, level int, cross bool) {
	m := c.at(x, y)
	if m.word {
		return
	}
	if cross && m.dirs != 0 {
		if level > m.level && dirs&(lineUp|lineDown) != 0 {
			m.st, m.level = st, level
		}
		if dirs&(lineUp|lineDown) != 0 {
			m.dirs, m.sign = dirs, ""
		}
		return
	}
	m.dirs |= dirs
	if level >= m.level {
		m.st, m.level = st, level
	}
}

// write puts a word on the canvas.
func (c *canvas) write(x, y int, st style, s string) {
	for s != "" {
		first := cut(s, 1)
		if first == "" {
			first = cut(s, 2)
		}
		if first == "" {
			return
		}
		*c.at(x, y) = mark{sign: first, word: true, st: st}
		for n := 1; n < width(first); n++ {
			*c.at(x+n, y) = mark{word: true}
		}
		x += width(first)
		s = s[len(first):]
	}
}

// window is the part of the canvas from a place on, in lines of exactly w columns.
func (c *canvas) window(x, y, w, h int, sg *signs) []string {
	lines := make([]string, h)
	for i := range lines {
		l := newLine(w, "", sg)
		var st style
		var run []byte
		for col := x; col < x+w; col++ {
			m := *c.at(col, y+i)
			sign := m.sign
			switch {
			case sign == "" && m.word:
				continue
			case sign == "":
				sign = sg.lines[m.dirs&15]
			}
			if m.st != st {
				l.add(st, string(run))
				run, st = run[:0], m.st
			}
			run = append(run, sign...)
		}
		lines[i] = l.add(st, string(run)).String()
	}
	return lines
}

// lane is a vertical piece of a line between two layers: from the row of one knot to the rows of those that it leads to.
type lane struct {
	from *knot
	to   []*knot
}

func (l lane) span() (top, bottom int) {
	top, bottom = l.from.row, l.from.row
	for _, k := range l.to {
		top, bottom = min(top, k.row), max(bottom, k.row)
	}
	return top, bottom
}

// lanes are those of one layer, in the order from left to right in which their lines cross least.
func lanes(column []*knot) []lane {
	var ls []lane
	for _, k := range column {
		if len(k.after) > 0 && !(len(k.after) == 1 && k.after[0].row == k.row) {
			ls = append(ls, lane{k, k.after})
		}
	}
	if len(ls) > 6 {
		slices.SortStableFunc(ls, func(a, b lane) int { return b.from.row - a.from.row })
		return ls
	}
	best, least := slices.Clone(ls), 1<<30
	permute(ls, 0, func(try []lane) {
		if n := laneCrossings(try); n < least {
			best, least = slices.Clone(try), n
		}
	})
	return best
}

func permute(ls []lane, i int, f func([]lane)) {
	if i >= len(ls)-1 {
		f(ls)
		return
	}
	for j := i; j < len(ls); j++ {
		ls[i], ls[j] = ls[j], ls[i]
		permute(ls, i+1, f)
		ls[i], ls[j] = ls[j], ls[i]
	}
}

// laneCrossings counts where horizontal lines meet lanes that they do not belong to. Running over each other on one row
// counts most.
func laneCrossings(ls []lane) int {
	n := 0
	for i, l := range ls {
		for _, left := range ls[:i] {
			n += left.crossedBefore(l)
		}
		for _, right := range ls[i+1:] {
			n += right.crossedBehind(l)
		}
	}
	return n
}

// crossedBefore is what it costs that a line meets this lane on its way from its knot to its own lane.
func (l lane) crossedBefore(other lane) int {
	top, bottom := l.span()
	switch {
	case other.from.row < top || other.from.row > bottom:
		return 0
	case slices.ContainsFunc(l.to, func(k *knot) bool { return k.row == other.from.row }):
		return 11
	}
	return 1
}

// crossedBehind is what it costs that a line meets this lane on its way from its own lane to its targets.
func (l lane) crossedBehind(other lane) int {
	n := 0
	top, bottom := l.span()
	for _, k := range other.to {
		if k.row >= top && k.row <= bottom && !slices.Contains(l.to, k) {
			n++
		}
	}
	return n
}
