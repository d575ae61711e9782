package tui

import (
	"slices"
	"strings"

	"msdev/runner"
)

// drawing is the dependency graph laid out: it changes only with the graph.
type drawing struct {
	key     string // of the graph that it is of
	columns [][]*knot
	lanes   [][]lane
	knots   map[string]*knot
	edges   []edge
}

// edgesOf are the dependencies of services, from what has to be there first to what waits for it.
func edgesOf(services []runner.Status) []edge {
	var edges []edge
	for _, s := range services {
		for _, dep := range s.DependsOn {
			edges = append(edges, edge{dep.Service, s.Service, condition(dep.Condition)})
		}
	}
	return edges
}

// layOut makes the drawing of the services' graph, each in so many rows, or returns the old one where it still holds.
func layOut(old *drawing, names []string, edges []edge, rows int) *drawing {
	var key strings.Builder
	key.WriteString(itoa(rows) + "\n")
	for _, n := range names {
		key.WriteString(n + "\n")
	}
	for _, e := range edges {
		key.WriteString(e.from + " " + e.to + " " + e.condition + "\n")
	}
	if old != nil && old.key == key.String() {
		return old
	}
	d := &drawing{key: key.String(), edges: edges, knots: map[string]*knot{}}
	if len(names) == 0 {
		return d
	}
	d.columns = layers(names, edges, rows)
	for _, c := range d.columns {
		d.lanes = append(d.lanes, lanes(c))
		for _, k := range c {
			if !k.bend {
				d.knots[k.name] = k
			}
		}
	}
	return d
}

// sketch is where everything stands: columns of the screen, and the size of it all.
type sketch struct {
	left, right []int // of each layer's services
	w, h        int
	fit         int // columns that it needs
}

// detailed is how much the drawing tells, by the room that there is.
type detailed int

const (
	withLabels  detailed = iota // the conditions in words on the lines
	withReasons                 // below each service why it waits
	namesOnly                   // that, only as wide as its name
)

// place measures the drawing, for w columns. What the last services wait for takes what room there is.
func (d *drawing) place(desk *desk, w int, how detailed) sketch {
	var s sketch
	x := 2
	for i, c := range d.columns {
		if i > 0 {
			x += 2*len(d.lanes[i-1]) + 3
			if how == withLabels {
				x += d.labelWidth(i) + 1
			}
		}
		s.left = append(s.left, x)
		wide := 0
		for _, k := range c {
			s.h = max(s.h, k.row+2)
			if !k.bend {
				wide = max(wide, width(k.name)+2)
				if i < len(d.columns)-1 && how != namesOnly {
					wide = max(wide, min(width(desk.why(k.name))+2, whyWidth+2))
				}
			}
		}
		x += wide + 1
		s.right = append(s.right, x)
	}
	s.fit = x + 1
	s.w = max(s.fit, w)
	return s
}

// reason is the room below the services of a layer for what they wait for.
func (s *sketch) reason(layer int) int {
	if layer == len(s.left)-1 {
		return min(whyWidth, s.w-s.left[layer]-2)
	}
	return min(whyWidth, s.right[layer]-s.left[layer]-3)
}

// labelWidth is the room that the conditions before a layer take.
func (d *drawing) labelWidth(layer int) int {
	n := 0
	for _, k := range d.columns[layer] {
		if !k.bend {
			n = max(n, width(d.conditionOf(k.name)))
		}
	}
	return n
}

// conditionOf is what a service waits for of all that it needs; "mixed" where that differs.
func (d *drawing) conditionOf(name string) string {
	all := ""
	for _, e := range d.edges {
		switch {
		case e.to != name || all == e.condition:
		case all == "":
			all = e.condition
		default:
			return "mixed"
		}
	}
	return all
}

// whyWidth is the room for what a service waits for, below its name.
const whyWidth = 28

// why is what a service that is not ready says of itself.
func (d *desk) why(name string) string {
	s, ok := d.service(name)
	if !ok || s.State == runner.StateReady || s.Detail == "" {
		return ""
	}
	return stateText(&s)
}

// The ranks of lines: the selected service's own lie over the others.
const (
	levelFaint = iota
	levelWaits
	levelOwn
)

// paint draws the graph on a canvas.
func (d *drawing) paint(desk *desk, s sketch, selected string, labels bool) *canvas {
	c := newCanvas(s.w, s.h)
	for i := range d.columns {
		d.paintLines(c, desk, s, i, selected, labels)
	}
	for i, column := range d.columns {
		for _, k := range column {
			if k.bend {
				continue
			}
			status, _ := desk.service(k.name)
			sign, st := desk.sign(status.State)
			name := desk.theme.strong
			if k.name == selected {
				c.write(s.left[i]-2, k.row, desk.theme.accent, desk.signs.cursor)
				name = desk.theme.sel.and(desk.theme.strong)
			}
			c.write(s.left[i], k.row, st, sign)
			c.write(s.left[i]+2, k.row, name, clean(k.name))
			if why := desk.why(k.name); why != "" {
				c.write(s.left[i]+2, k.row+1, st, cutTo(why, s.reason(i), desk.signs))
			}
		}
	}
	return c
}

// cutTo cuts a text to n columns, and shows that it did.
func cutTo(s string, n int, sg *signs) string {
	if width(s) <= n {
		return s
	}
	return cut(s, n-width(sg.cut)) + sg.cut
}

// look of a line from one service to another.
func (d *drawing) lineLook(desk *desk, from *knot, targets []*knot, selected string) (style, int) {
	for _, t := range targets {
		for _, e := range d.edges {
			if e.from == from.name && (e.to == selected && d.leadsTo(t, selected) || e.from == selected) {
				return desk.theme.accent, levelOwn
			}
		}
	}
	source, _ := desk.service(from.name)
	for _, t := range targets {
		if to, ok := desk.service(t.name); ok && !t.bend && to.State == runner.StateWaiting && !holds(&source, d.conditionName(from.name, t.name)) {
			return desk.theme.busy, levelWaits
		}
	}
	return desk.theme.faint, levelFaint
}

// leadsTo tells whether a line through this knot ends at the service.
func (d *drawing) leadsTo(k *knot, name string) bool {
	if !k.bend {
		return k.name == name
	}
	return slices.ContainsFunc(k.after, func(next *knot) bool { return d.leadsTo(next, name) })
}

func (d *drawing) conditionName(from, to string) string {
	for _, e := range d.edges {
		if e.from == from && e.to == to {
			return map[string]string{"healthy": "service_healthy", "completed": "service_completed_successfully"}[e.condition]
		}
	}
	return ""
}

// paintLines draws what lies between a layer and the next one.
func (d *drawing) paintLines(c *canvas, desk *desk, s sketch, i int, selected string, labels bool) {
	for _, k := range d.columns[i] {
		if k.bend {
			st, level := d.lineLook(desk, k, k.after, selected)
			for x := s.left[i] - 2; x < s.right[i]; x++ {
				c.draw(x, k.row, lineLeft|lineRight, st, level, false)
			}
		}
		if len(k.after) == 1 && k.after[0].row == k.row {
			st, level := d.lineLook(desk, k, k.after, selected)
			d.run(c, d.tail(s, i, k), s.left[i+1]-2, k.row, st, level)
			d.finish(c, desk, s, i, k.after[0], st, labels)
		}
	}
	for n, l := range d.lanes[i] {
		d.paintLane(c, desk, s, i, n, l, selected, labels)
	}
}

// tail is the column after a knot's word, from where its line starts.
func (d *drawing) tail(s sketch, i int, k *knot) int {
	if k.bend {
		return s.right[i]
	}
	return s.left[i] + 2 + width(k.name) + 1
}

// run draws a horizontal line over whatever lies there; lanes that it only crosses stay whole.
func (d *drawing) run(c *canvas, from, to, row int, st style, level int) {
	for x := from; x < to; x++ {
		cross := c.at(x, row).dirs&(lineUp|lineDown) != 0
		c.draw(x, row, lineLeft|lineRight, st, level, cross)
	}
}

// paintLane draws one lane: from its knot to the lane, along it, and to each of its targets.
func (d *drawing) paintLane(c *canvas, desk *desk, s sketch, i, n int, l lane, selected string, labels bool) {
	x := s.right[i] + 2*n + 1
	st, level := d.lineLook(desk, l.from, l.to, selected)
	d.run(c, d.tail(s, i, l.from), x, l.from.row, st, level)
	for _, k := range l.to {
		kst, klevel := d.lineLook(desk, l.from, []*knot{k}, selected)
		d.vertical(c, x, l.from.row, k.row, kst, klevel)
		dirs := uint8(lineRight)
		switch {
		case k.row > l.from.row:
			dirs |= lineUp
		case k.row < l.from.row:
			dirs |= lineDown
		default:
			dirs |= lineLeft
		}
		c.draw(x, k.row, dirs, kst, klevel, false)
		d.toTarget(c, x+1, s.left[i+1]-2, i, n, k, kst, klevel, s)
		d.finish(c, desk, s, i, k, kst, labels)
	}
}

// vertical draws the way along a lane between two rows, and the corner where it starts.
func (d *drawing) vertical(c *canvas, x, from, to int, st style, level int) {
	if from == to {
		return
	}
	step, dirs := 1, uint8(lineDown)
	if to < from {
		step, dirs = -1, lineUp
	}
	c.draw(x, from, lineLeft|dirs, st, level, false)
	for row := from + step; row != to; row += step {
		m := c.at(x, row)
		cross := m.dirs != 0 && m.dirs&(lineUp|lineDown) == 0
		c.draw(x, row, lineUp|lineDown, st, level, cross)
	}
}

// toTarget draws the way from a lane to a service. Lanes that lead to the same service are joined, others crossed.
func (d *drawing) toTarget(c *canvas, from, to, i, n int, k *knot, st style, level int, s sketch) {
	for x := from; x < to; x++ {
		cross := c.at(x, k.row).dirs&(lineUp|lineDown) != 0
		if at := x - s.right[i] - 1; at > 0 && at%2 == 0 && at/2 < len(d.lanes[i]) && at/2 > n {
			cross = cross && !slices.Contains(d.lanes[i][at/2].to, k)
		}
		c.draw(x, k.row, lineLeft|lineRight, st, level, cross)
	}
}

// finish draws the end of a line before a service: its condition, in words or as the kind of line, and the arrow.
func (d *drawing) finish(c *canvas, desk *desk, s sketch, i int, k *knot, st style, labels bool) {
	if k.bend {
		return
	}
	x := s.left[i+1]
	cond := d.conditionOf(k.name)
	sign := map[string]string{"started": desk.signs.dashed, "completed": desk.signs.double}[cond]
	if old := c.at(x-2, k.row); old.sign == desk.signs.head && old.st == desk.theme.accent {
		st = old.st
	}
	if labels {
		c.write(x-2-width(cond)-1, k.row, desk.theme.dim, cond)
	} else if sign != "" {
		*c.at(x-3, k.row) = mark{sign: sign, st: st, word: true}
	}
	*c.at(x-2, k.row) = mark{sign: desk.signs.head, st: st, word: true}
}
