package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"msdev/runner"
)

// graphPage draws who waits for whom: what starts first stands left. Where there is no room for that, it is a tree.
type graphPage struct {
	*desk
	drawing  *drawing
	name     string // of the selected service
	list     list   // of the tree's lines
	branches []branch
	wantTree bool
	tree     bool // what shows now is the tree
	x, y     int  // the part of the drawing that shows
	sketch   sketch
	split    split
}

func newGraphPage(d *desk) *graphPage { return &graphPage{desk: d} }

func (p *graphPage) view(w, h int) []string {
	names := p.names()
	if len(names) == 0 {
		return blank(w, h, p.theme, p.signs, []string{"There is no service to draw yet."})
	}
	if !slices.Contains(names, p.name) {
		p.name = names[0]
	}
	labels := p.arrange(names, w, h)
	lines := []string{p.rule(w, false, []piece{{p.theme.strong, "graph"}, {p.theme.dim, " " + p.signs.dot + " what starts first stands left"}}, "")}
	if p.tree {
		lines[0] = p.rule(w, false, []piece{{p.theme.strong, "graph"}, {p.theme.dim, " " + p.signs.dot + " below each what it needs"}}, "")
	} else if !labels {
		lines[0] = p.rule(w, false, []piece{{p.theme.strong, "graph"}, {p.theme.dim, " " + p.signs.dot + " what starts first stands left"}}, p.legend())
	}
	var top, bottom []string
	if b := p.split.list; p.tree {
		top = p.treeView(b.w, b.h)
	} else {
		p.follow(b.w, b.h)
		top = p.drawing.paint(p.desk, p.sketch, p.name, labels).window(p.x, p.y, b.w, b.h, p.signs)
	}
	if b := p.split.detail; b.h > 0 {
		bottom = p.below(b.w, b.h)
	}
	return append(lines, p.split.join(top, bottom, p.theme, p.signs)...)[:h]
}

// arrange lays the graph out for w columns and h lines: with room between the services and words on the lines where
// they fit.
func (p *graphPage) arrange(names []string, w, h int) (labels bool) {
	h = max(h-1, 0)
	edges := edgesOf(p.state.Services)
	for _, rows := range []int{3, 2} {
		p.drawing = layOut(p.drawing, names, edges, rows)
		p.sketch = p.drawing.place(p.desk, w, withLabels)
		if p.sketch.h+8 <= h {
			break
		}
	}
	p.split = splitPage(min(w, besideFrom-1), h, w, p.sketch.h+1, false, false)
	p.split.list.w, p.split.detail.w = w, w
	if w >= besideFrom && p.sketch.fit <= w*6/10 {
		p.split = splitPage(w, h, p.sketch.fit, h, false, false)
	}
	for _, d := range []detailed{withLabels, withReasons, namesOnly} {
		p.sketch = p.drawing.place(p.desk, p.split.list.w, d)
		labels = d == withLabels
		if p.sketch.fit <= p.split.list.w {
			break
		}
	}
	p.tree = p.wantTree || w < 60 || p.sketch.fit > 2*p.split.list.w
	if p.tree && !p.split.beside && p.split.detail.h > 0 {
		p.branches = treeOf(names, edges, p.signs)
		p.split = splitPage(min(w, besideFrom-1), h, w, len(p.branches), false, false)
		p.split.list.w, p.split.detail.w = w, w
	}
	return labels
}

// legend tells the kinds of lines apart.
func (p *graphPage) legend() string {
	sg := p.signs
	return sg.rule + sg.head + " healthy " + sg.dashed + sg.head + " started " + sg.double + sg.head + " completed"
}

// follow moves the window so that the selected service shows.
func (p *graphPage) follow(w, h int) {
	k := p.drawing.knots[p.name]
	left, right := p.sketch.left[k.layer]-2, p.sketch.right[k.layer]+1
	if right > p.x+w {
		p.x = right - w
	}
	p.x = max(0, min(p.x, left, max(0, p.sketch.w-w)))
	if k.row+2 > p.y+h {
		p.y = k.row + 2 - h
	}
	p.y = max(0, min(p.y, k.row, max(0, p.sketch.h-h)))
}

// below is the detail of the selected service: why it is as it is, what it needs, and who needs it.
func (p *graphPage) below(w, h int) []string {
	s, _ := p.service(p.name)
	lines := []string{p.rule(w, false, []piece{{p.theme.strong, clean(p.name)}, {p.theme.dim, " " + p.signs.dot + " dependencies"}}, "")}
	facts := p.facts(&s)
	keep := []fact{}
	for _, f := range facts {
		if f.name == "state" || f.name == "needs" || f.name == "needed by" || f.name == "last" || f.name == "" && len(keep) > 0 && keep[len(keep)-1].name != "needed by" {
			keep = append(keep, f)
		}
	}
	if len(s.DependsOn) == 0 {
		keep = append(keep, fact{"needs", []piece{{p.theme.dim, "nothing"}}})
	}
	lines = append(lines, p.drawFacts(keep, w)...)
	for len(lines) < h {
		lines = append(lines, newLine(w, "", p.signs).String())
	}
	return lines[:h]
}

func (p *graphPage) treeView(w, h int) []string {
	p.branches = treeOf(p.names(), p.drawing.edges, p.signs)
	keys := p.treeKeys()
	if b := p.list.index; b >= len(p.branches) || p.branches[max(0, b)].name != p.name {
		p.list.pick(keys, slices.IndexFunc(p.branches, func(b branch) bool { return b.name == p.name }))
	}
	from, to := p.list.window(len(p.branches), h)
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, p.treeLine(i, w))
	}
	for len(lines) < h {
		lines = append(lines, newLine(w, "", p.signs).String())
	}
	return lines
}

func (p *graphPage) treeLine(i, w int) string {
	b := p.branches[i]
	s, _ := p.service(b.name)
	var base style
	gutter := " "
	if i == p.list.index {
		base, gutter = p.theme.sel, p.signs.cursor
	}
	if p.marked[b.name] {
		gutter = p.signs.mark
	}
	sign, st := p.sign(s.State)
	l := newLine(w, base, p.signs).cell(p.theme.accent, gutter, 2, false)
	l.add(p.theme.faint, b.lead).add(st, sign+" ").add("", clean(b.name))
	if b.before {
		return l.add(p.theme.faint, "  "+p.signs.up+" above").String()
	}
	if s.State != runner.StateReady {
		l.gap(2).add(st, stateText(&s))
	}
	if b.cond != "" {
		l.right(piece{p.theme.faint, "  " + b.cond + " "})
	}
	return l.String()
}

// treeKeys name the tree's lines: a service may stand in it several times.
func (p *graphPage) treeKeys() []string {
	keys := make([]string, len(p.branches))
	for i, b := range p.branches {
		keys[i] = b.name + " " + itoa(i)
	}
	return keys
}

func (p *graphPage) refresh() tea.Cmd { return nil }

func (p *graphPage) do(a action) (tea.Cmd, bool) {
	if p.drawing == nil || p.name == "" {
		return nil, false
	}
	if p.tree && a != actLeft && a != actRight && p.list.do(a, p.treeKeys(), p.split.list.h) {
		p.name = p.branches[p.list.index].name
		return nil, true
	}
	switch a {
	case actLeft, actRight, actUp, actDown:
		p.walk(a)
	case actTop, actBottom:
		names := p.names()
		p.name = names[0]
		if a == actBottom {
			p.name = names[len(names)-1]
		}
	case actGraphTree:
		p.wantTree = !p.wantTree
	case actMark:
		p.marked[p.name] = !p.marked[p.name]
	case actEnter, actLogs:
		return showLogs(p.chosen(p.name)), true
	case actCopy:
		return p.copy(p.name), true
	case actMessages, actRestart, actStartStop, actBuild, actKill, actShell, actBrowser:
		return p.act(a, p.chosen(p.name)), true
	default:
		return nil, false
	}
	return nil, true
}

// walk goes along a line to the left or to the right, or to the neighbour above or below.
func (p *graphPage) walk(a action) {
	at := p.drawing.knots[p.name]
	to := p.above(at, a)
	if a == actLeft || a == actRight {
		to = p.along(a)
	}
	var best *knot
	for _, k := range to {
		if best == nil || p.far(at, k) < p.far(at, best) {
			best = k
		}
	}
	if best != nil {
		p.name = best.name
		p.list.index = -1
	}
}

// along are the services at the other ends of the selected one's lines.
func (p *graphPage) along(a action) []*knot {
	var to []*knot
	for _, e := range p.drawing.edges {
		other := ""
		switch {
		case a == actLeft && e.to == p.name:
			other = e.from
		case a == actRight && e.from == p.name:
			other = e.to
		}
		if k := p.drawing.knots[other]; k != nil {
			to = append(to, k)
		}
	}
	return to
}

// above are the services of the same layer above or below a place.
func (p *graphPage) above(at *knot, a action) []*knot {
	var to []*knot
	for _, k := range p.drawing.columns[at.layer] {
		if !k.bend && (a == actUp && k.row < at.row || a == actDown && k.row > at.row) {
			to = append(to, k)
		}
	}
	return to
}

func (p *graphPage) far(a, b *knot) int {
	rows, layers := a.row-b.row, a.layer-b.layer
	return max(rows, -rows) + 3*max(layers, -layers)
}

func (p *graphPage) mouse(m mouse) tea.Cmd {
	if m.y--; m.y < 0 {
		return nil
	}
	switch {
	case p.tree && m.wheel != 0:
		p.list.pick(p.treeKeys(), p.list.index+m.wheel/3)
		p.name = p.branches[p.list.index].name
	case p.tree && m.y < p.split.list.h && p.list.top+m.y < len(p.branches):
		p.list.pick(p.treeKeys(), p.list.top+m.y)
		p.name = p.branches[p.list.index].name
	case m.wheel != 0:
		p.walk(either(m.wheel > 0, actDown, actUp))
	case p.drawing != nil && p.split.list.holds(m.x, m.y):
		for name, k := range p.drawing.knots {
			left := p.sketch.left[k.layer] - p.x
			if k.row == m.y+p.y && m.x >= left-2 && m.x < left+2+width(name) {
				p.name = name
			}
		}
	}
	return nil
}

func (p *graphPage) hints() []action {
	if p.name == "" {
		return nil
	}
	return []action{actEnter, actRestart, actStartStop, actGraphTree, actMark}
}

func (p *graphPage) label(a action) string {
	switch {
	case a == actEnter:
		return "logs"
	case a == actGraphTree && p.tree:
		return "graph"
	case a == actStartStop && !slices.ContainsFunc(p.chosen(p.name), p.runs):
		return "start"
	}
	return ""
}
