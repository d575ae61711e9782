package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
	"msdev/runner"
)

// servicesPage is the list of all services, and below it the logs of the selected one.
type servicesPage struct {
	*desk
	list    list
	sort    int // column that it is sorted by; -1: the graph's order
	filter  string
	columns []column
	rows    []runner.Status // as they show
	names   []string
	logs    *pane
	info    bool // details instead of logs
	infoTop int
	detail  bool // the detail has the focus
	zoom    bool
	split   split
}

// servicesName is the page's name in what is remembered.
const servicesName = "services"

func newServicesPage(d *desk) *servicesPage {
	p := &servicesPage{desk: d, columns: serviceColumns(d.signs), logs: newPane(d, journal.KindSet(journal.KindLog, journal.KindEvent))}
	kept := d.open.Memory.sorted(servicesName)
	p.sort = slices.IndexFunc(p.columns, func(c column) bool { return c.order != nil && c.title == kept })
	return p
}

// arrange brings the rows up to date: filtered and sorted.
func (p *servicesPage) arrange() {
	p.rows = p.rows[:0]
	for _, s := range p.state.Services {
		if p.filter == "" || contains(s.Service+" "+string(s.State)+" "+s.Detail+" "+s.Image, p.filter) {
			p.rows = append(p.rows, s)
		}
	}
	if p.sort >= 0 {
		order := p.columns[p.sort].order
		slices.SortStableFunc(p.rows, func(a, b runner.Status) int { return order(p.desk, &a, &b) })
	}
	p.names = p.names[:0]
	for _, s := range p.rows {
		p.names = append(p.names, s.Service)
	}
	p.list.settle(p.names)
	if p.list.name != "" {
		p.logs.show(p.list.name + "/")
	}
}

// contains is the plain filter of lists: all words, in any case.
func contains(text, words string) bool {
	text = strings.ToLower(text)
	for _, w := range strings.Fields(strings.ToLower(words)) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (p *servicesPage) view(w, h int) []string {
	p.arrange()
	wantH := len(p.rows) + 1
	p.split = splitPage(w, h, 96, wantH, p.zoom, p.detail)
	if len(p.rows) == 0 {
		p.split = splitPage(w, h, w, h, true, false)
	}
	if len(p.state.Services) == 0 {
		return blank(w, h, p.theme, p.signs, p.nothingYet())
	}
	if p.split.detail.h == 0 {
		p.detail = false
		p.logs.rows = 0
	}
	var top, bottom []string
	if p.split.list.h > 0 {
		top = p.table(p.split.list.w, p.split.list.h)
	}
	if p.split.detail.h > 0 {
		bottom = p.below(p.split.detail.w, p.split.detail.h)
	}
	return p.split.join(top, bottom, p.theme, p.signs)
}

func (p *servicesPage) nothingYet() []string {
	if !p.known {
		return []string{"waiting for the session " + p.signs.cut}
	}
	return []string{"No service is enabled in " + p.state.Project + ".",
		"Add one under services: in the compose file, or enable a profile: msdev up --profile NAME."}
}

func (p *servicesPage) table(w, h int) []string {
	lines := make([]string, 0, h)
	shown, widths := fit(p.desk, p.columns, p.state.Services, w)
	lines = append(lines, p.heading(w, shown, widths))
	if len(p.rows) == 0 {
		return append(lines, blank(w, h-1, p.theme, p.signs, []string{
			"No service matches \"" + p.filter + "\".", "esc shows all " + itoa(len(p.state.Services)) + " again."})...)
	}
	from, to := p.list.window(len(p.rows), h-1)
	for i := from; i < to; i++ {
		lines = append(lines, p.row(i, w, shown, widths))
	}
	for len(lines) < h {
		lines = append(lines, newLine(w, "", p.signs).String())
	}
	return lines
}

func (p *servicesPage) heading(w int, shown []column, widths []int) string {
	l := newLine(w, "", p.signs).gap(2)
	for i, c := range shown {
		title, st := c.title, p.theme.faint
		if p.sort >= 0 && p.columns[p.sort].title == c.title {
			title, st = c.title+p.signs.down, p.theme.accent
		}
		if i == 0 && p.filter != "" {
			title, st = "/"+p.filter, p.theme.accent
		}
		l.cell(st, title, widths[i], c.right).gap(2)
	}
	return l.String()
}

func (p *servicesPage) row(i, w int, shown []column, widths []int) string {
	s := &p.rows[i]
	var base style
	gutter := " "
	if i == p.list.index {
		base, gutter = p.theme.sel, p.signs.cursor
		if p.detail {
			base = p.theme.rest
		}
	}
	if p.marked[s.Service] {
		gutter = p.signs.mark
	}
	l := newLine(w, base, p.signs).cell(p.theme.accent, gutter, 2, false)
	at, spilled := 2, 0
	for c := range shown {
		at += widths[c] + 2
		end := at - 2
		if shown[c].cell == nil {
			p.lastCell(l.to(max(l.used, end-widths[c])), s, end-l.used)
			continue
		}
		text, st := shown[c].cell(p.desk, s)
		if text == "" && spilled >= end-widths[c] {
			continue
		}
		l.to(end - widths[c])
		room := widths[c]
		if shown[c].title == "STATE" {
			room = p.spill(s, shown[c+1:], widths[c:])
			room = max(min(room, width(text)), widths[c])
			spilled = l.used + room
		}
		l.cell(st, text, room, shown[c].right)
	}
	return l.String()
}

// spill is the room that a state has: its own column, and the empty cells behind it.
func (p *servicesPage) spill(s *runner.Status, behind []column, widths []int) int {
	room := widths[0]
	for i, c := range behind {
		if c.cell == nil {
			break
		}
		if text, _ := c.cell(p.desk, s); text != "" {
			break
		}
		room += widths[i+1] + 2
	}
	return room
}

// lastCell is what happened last to a service, and how long ago.
func (p *servicesPage) lastCell(l *line, s *runner.Status, w int) {
	if r := s.Reload; r != nil && len(r.Waiting) > 0 && w >= 8 {
		l.gap(8).cell(p.theme.accent, "changed: "+clean(r.Waiting[0])+" ("+p.keys.key(actBuild)+" reloads)", w-8, false)
		return
	}
	if s.Last == "" || w < 8 {
		return
	}
	st := p.theme.dim
	if s.State == runner.StateFailed {
		st = p.theme.bad
	}
	at := ""
	if !s.LastAt.IsZero() {
		at = p.clock(s.LastAt, 8)
		if !p.ages {
			at = age(p.now.Sub(s.LastAt))
		}
	}
	l.cell(p.theme.faint, at, 6, true).gap(2).cell(st, s.Last, w-8, false)
}

// editLast opens $EDITOR where the last thing that happened to the selected service names a file: the error of a build.
func (p *servicesPage) editLast() tea.Cmd {
	s, ok := p.service(p.list.name)
	if !ok {
		return nil
	}
	return p.edit(&journal.Record{Stream: runner.EventStream(s.Service), Kind: journal.KindEvent, Text: s.Last})
}

// below is the detail: a rule that names it, and the logs or the details of the selected service.
func (p *servicesPage) below(w, h int) []string {
	what, status := "logs", p.logs.status()
	if p.info {
		what, status = "details", ""
	}
	title := []piece{{p.theme.strong, clean(p.list.name)}, {p.theme.dim, " " + p.signs.dot + " " + what}}
	lines := []string{p.rule(w, p.detail, title, status)}
	if p.info {
		p.logs.rows = 0
		return append(lines, p.infoView(w, h-1)...)
	}
	return append(lines, p.logs.view(w, h-1, p.detail, p.quiet()...)...)
}

// quiet is why the selected service shows no log.
func (p *servicesPage) quiet() []string {
	s, ok := p.service(p.list.name)
	switch {
	case !ok:
		return nil
	case s.State == runner.StateWaiting:
		return []string{s.Service + " has not started: it " + stateText(&s) + "."}
	case s.Since.IsZero() && s.State == runner.StateStopped:
		return []string{s.Service + " does not run and has written nothing.", p.keys.key(actStartStop) + " starts it."}
	}
	return []string{s.Service + " has written nothing yet."}
}

func (p *servicesPage) refresh() tea.Cmd { return p.logs.refresh() }

func (p *servicesPage) do(a action) (tea.Cmd, bool) {
	if p.detail && p.split.detail.h > 0 {
		if done := p.inDetail(a); done {
			return nil, true
		}
	} else if p.list.do(a, p.names, p.split.list.h-1) {
		return nil, true
	}
	switch a {
	case actEnter:
		return showLogs(p.chosen(p.list.name)), true
	case actBack:
		return nil, p.back()
	case actPane:
		p.detail = !p.detail && (p.split.detail.h > 0 || p.zoom)
	case actZoom:
		p.zoom = !p.zoom
	case actMark:
		if p.list.name != "" {
			p.marked[p.list.name] = !p.marked[p.list.name]
			p.list.do(actDown, p.names, 0)
		}
	case actSortNext, actSortPrev:
		p.sortBy(a == actSortNext)
	case actFilter:
		return open(newFilterPrompt(p.desk, p.filter, func(s string) { p.filter = s })), true
	case actInfo:
		p.info, p.infoTop = !p.info, 0
	case actFollow:
		p.logs.do(a)
	case actEdit:
		return p.editLast(), true
	case actCopy:
		return p.copy(strings.Join(p.chosen(p.list.name), " ")), true
	case actLogs, actMessages, actRestart, actStartStop, actBuild, actManual, actKill, actShell, actBrowser:
		return p.act(a, p.chosen(p.list.name)), true
	default:
		return nil, false
	}
	return nil, true
}

// inDetail moves in the detail.
func (p *servicesPage) inDetail(a action) bool {
	if !p.info {
		return a != actMark && p.logs.do(a)
	}
	switch a {
	case actUp:
		p.infoTop--
	case actDown:
		p.infoTop++
	case actTop:
		p.infoTop = 0
	default:
		return false
	}
	return true
}

// back takes one thing back: the zoom, the focus on the detail, the filter, the marks.
func (p *servicesPage) back() bool {
	switch {
	case p.zoom:
		p.zoom = false
	case p.detail:
		p.detail = false
	case p.info:
		p.info = false
	case p.filter != "":
		p.filter = ""
	default:
		return false
	}
	return true
}

// sortBy goes to the next or the previous column that can be sorted by; before the first one is the graph's order.
func (p *servicesPage) sortBy(next bool) {
	step := 1
	if !next {
		step = -1
	}
	for {
		p.sort += step
		switch {
		case p.sort >= len(p.columns):
			p.sort = -1
		case p.sort < -1:
			p.sort = len(p.columns) - 1
		}
		if p.sort == -1 {
			p.open.Memory.sortBy(servicesName, "")
			p.say("sorted as the graph starts them")
			return
		}
		if p.columns[p.sort].order != nil {
			p.open.Memory.sortBy(servicesName, p.columns[p.sort].title)
			p.say("sorted by %s", p.columns[p.sort].title)
			return
		}
	}
}

func (p *servicesPage) mouse(m mouse) tea.Cmd {
	switch {
	case p.split.detail.holds(m.x, m.y):
		if m.wheel != 0 {
			if p.info {
				p.infoTop += m.wheel
			} else {
				p.logs.scroll(m.wheel)
			}
			return nil
		}
		p.detail = true
		if !p.info {
			p.logs.click(m.y - p.split.detail.y - 1)
		}
	case m.wheel != 0:
		p.list.pick(p.names, p.list.index+m.wheel/3)
	case m.y > 0 && p.list.top+m.y-1 < len(p.rows):
		p.detail = false
		i := p.list.top + m.y - 1
		if again := i == p.list.index; again {
			return showLogs([]string{p.list.name})
		}
		p.list.pick(p.names, i)
	}
	return nil
}

func (p *servicesPage) hints() []action {
	if len(p.rows) == 0 {
		return []action{actBack}
	}
	if p.gone {
		return []action{actEnter, actInfo}
	}
	hints := []action{actEnter, actRestart, actStartStop}
	if p.reloads(p.list.name) {
		hints = append(hints, actBuild)
	}
	hints = append(hints, actInfo)
	if s, ok := p.service(p.list.name); ok && !s.Since.IsZero() {
		if p.open.Shell != nil {
			hints = append(hints, actShell)
		}
		if len(published(&s)) > 0 {
			hints = append(hints, actBrowser)
		}
	}
	return append(hints, actMark, actDetach)
}

// label names the keys as they act on the selected service.
func (p *servicesPage) label(a action) string {
	switch {
	case a == actEnter:
		return "logs"
	case a == actInfo && p.info:
		return "logs below"
	case a == actBuild && p.reloads(p.list.name):
		return "reload"
	case a == actStartStop && !slices.ContainsFunc(p.chosen(p.list.name), p.runs):
		return "start"
	}
	return ""
}
