package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
)

// queuesWidth are the columns that the list wants with all its columns.
const queuesWidth = 130

// queuesPage lists what the brokers hold: RabbitMQ's queues and exchanges, Kafka's topics and groups; below it the details
// of the selected one.
type queuesPage struct {
	*desk
	book    *book
	columns []queueColumn
	rows    []queueRow // as they show
	names   []string   // their ids
	list    list
	moved   bool // the person has done something here: the row stays
	sort    int  // column; -1: as the broker's things belong together
	filter  string
	hidden  bool // what brokers make for themselves shows, too
	detail  bool // the detail has the focus
	top     int  // its first line
	zoom    bool
	split   split
	peek    *messagesPage // a look into a queue or topic, in the page's place
}

func newQueuesPage(d *desk, b *book) *queuesPage {
	return &queuesPage{desk: d, book: b, columns: queueColumns(), sort: -1}
}

// arrange brings the rows up to date: filtered and, within each broker, sorted.
func (p *queuesPage) arrange() {
	p.rows = p.rows[:0]
	for _, o := range p.book.brokers {
		rows := p.book.rowsOf(o, p.hidden)
		things := slices.DeleteFunc(rows[1:], func(r queueRow) bool {
			return p.filter != "" && !contains(r.name+" "+r.typ+" "+r.note, p.filter)
		})
		if p.filter != "" && len(things) == 0 {
			continue
		}
		if p.sort >= 0 {
			order := p.columns[p.sort].order
			slices.SortStableFunc(things, func(a, b queueRow) int { return order(&a, &b) })
		}
		p.rows = append(append(p.rows, rows[0]), things...)
	}
	p.names = p.names[:0]
	for i := range p.rows {
		p.names = append(p.names, p.rows[i].id)
	}
	before := p.list.name
	p.list.settle(p.names)
	if !p.moved { // the first thing that there is, not its broker
		p.list.pick(p.names, max(0, slices.IndexFunc(p.rows, func(r queueRow) bool { return r.kind != rowBroker })))
	}
	if p.list.name != before {
		p.top = 0
	}
}

// selected is the row under the cursor; nil where there is none.
func (p *queuesPage) selected() *queueRow {
	if p.list.index < len(p.rows) && p.list.name != "" {
		return &p.rows[p.list.index]
	}
	return nil
}

func (p *queuesPage) view(w, h int) []string {
	if p.peek != nil {
		return p.peek.view(w, h)
	}
	p.arrange()
	if len(p.rows) == 0 {
		return blank(w, h, p.theme, p.signs, p.nothingYet())
	}
	p.split = splitPage(w, h, queuesWidth, len(p.rows)+1, p.zoom, p.detail)
	if p.split.beside && w*6/10 < queuesWidth { // the columns say more than a detail beside them
		p.split = splitPage(besideFrom-1, h, w, len(p.rows)+1, p.zoom, p.detail)
		p.split.w, p.split.list.w, p.split.detail.w = w, w, w
	}
	if p.split.detail.h == 0 {
		p.detail = false
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

func (p *queuesPage) nothingYet() []string {
	if p.filter != "" {
		return []string{"Nothing matches \"" + p.filter + "\".", p.keys.key(actBack) + " shows all again."}
	}
	if lines := p.book.nothing(); lines != nil {
		return lines
	}
	return []string{"The brokers have not answered yet."}
}

func (p *queuesPage) table(w, h int) []string {
	shown := fitQueues(p.columns, p.rows, w)
	lines := append(make([]string, 0, h), p.heading(w, shown))
	from, to := p.list.window(len(p.rows), h-1)
	for i := from; i < to; i++ {
		lines = append(lines, p.row(i, w, shown))
	}
	for len(lines) < h {
		lines = append(lines, newLine(w, "", p.signs).String())
	}
	return lines
}

func (p *queuesPage) heading(w int, shown []queueColumn) string {
	l := newLine(w, "", p.signs).gap(2)
	for i, c := range shown {
		title, st := c.title, p.theme.faint
		if p.sort >= 0 && p.columns[p.sort].title == c.title {
			title, st = c.title+p.signs.down, p.theme.accent
		}
		if i == 0 && p.filter != "" {
			title, st = "/"+p.filter, p.theme.accent
		}
		l.cell(st, title, c.width, c.right).gap(2)
	}
	return l.String()
}

func (p *queuesPage) row(i, w int, shown []queueColumn) string {
	r := &p.rows[i]
	var base style
	gutter := " "
	if i == p.list.index {
		base, gutter = p.theme.sel, p.signs.cursor
		if p.detail {
			base = p.theme.rest
		}
	}
	l := newLine(w, base, p.signs).cell(p.theme.accent, gutter, 2, false)
	if r.kind == rowBroker {
		return p.brokerLine(l, r, w)
	}
	for _, c := range shown {
		if c.cell == nil {
			p.noteCell(l, r)
			break
		}
		text, st := c.cell(p, r)
		if p.noted(r) && len(shown) == 1 {
			st = p.theme.bad
		}
		l.cell(st, text, c.width, c.right).gap(2)
	}
	return l.String()
}

// brokerLine heads what belongs to a broker.
func (p *queuesPage) brokerLine(l *line, r *queueRow, w int) string {
	sign, st := p.signs.ready, p.theme.ok
	switch {
	case r.level == noteBad:
		sign, st = p.signs.failed, p.theme.bad
	case !r.brokerOK:
		sign, st = p.signs.busy, p.theme.busy
	}
	l.add(st, sign).gap(1).add(p.theme.strong, clean(r.name)).gap(2)
	if w >= 40 || r.note == "" {
		l.add(p.theme.dim, clean(r.typ)).gap(2)
	}
	if !r.one.info.Own && w >= 60 {
		l.add(p.theme.busy, "not of this project").gap(2)
	}
	if l.left() > 8 {
		l.add(either(r.level == noteBad, p.theme.bad, p.theme.faint), clean(r.note))
	}
	return l.String()
}

func (p *queuesPage) noted(r *queueRow) bool { return r.level == noteBad }

// noteCell is a row's problem, or else what it is connected with.
func (p *queuesPage) noteCell(l *line, r *queueRow) {
	switch r.level {
	case noteBad:
		l.add(p.theme.bad, p.signs.failed+" "+clean(r.note))
	case noteWarn:
		l.add(p.theme.busy, "! "+clean(r.note))
	default:
		l.add(p.theme.dim, clean(r.note))
	}
}

// below is the detail of the selected row.
func (p *queuesPage) below(w, h int) []string {
	r := p.selected()
	title := []piece{{p.theme.strong, clean(r.name)}, {p.theme.dim, " " + p.signs.dot + " " + r.kindWord()}}
	lines := p.drawFacts(p.rowFacts(r), w)
	p.top = max(0, min(p.top, len(lines)-h+1))
	out := []string{p.rule(w, p.detail, title, either(len(lines) > h-1, "line "+itoa(p.top+1)+" of "+itoa(len(lines)), ""))}
	out = append(out, lines[p.top:min(len(lines), p.top+h-1)]...)
	for len(out) < h {
		out = append(out, newLine(w, "", p.signs).String())
	}
	return out
}

func (r *queueRow) kindWord() string {
	return [...]string{"broker", "exchange", "queue", "topic", "consumer group"}[r.kind]
}

func (p *queuesPage) refresh() tea.Cmd {
	if p.peek != nil {
		return p.peek.refresh()
	}
	return p.book.refresh()
}

func (p *queuesPage) scopes() []scope {
	if p.peek != nil {
		return p.peek.scopes()
	}
	return []scope{onQueues}
}

func (p *queuesPage) do(a action) (tea.Cmd, bool) {
	if p.peek != nil {
		cmd, ok := p.peek.do(a)
		if !ok && a == actBack {
			p.peek, ok = nil, true
		}
		return cmd, ok
	}
	p.moved = true
	if p.detail && p.scrollDetail(a) || !p.detail && p.list.do(a, p.names, p.split.list.h-1) {
		return nil, true
	}
	switch a {
	case actEnter:
		p.detail = p.selected() != nil
		p.zoom = p.zoom || p.split.detail.h == 0
	case actBack:
		return nil, p.back()
	case actPane:
		p.detail = !p.detail && (p.split.detail.h > 0 || p.zoom)
	case actZoom:
		p.zoom = !p.zoom
	case actSortNext, actSortPrev:
		p.sortBy(either(a == actSortNext, 1, -1))
	case actFilter:
		return open(newFilterPrompt(p.desk, p.filter, func(s string) { p.filter = s })), true
	case actHidden:
		p.hidden = !p.hidden
		p.say("%s", either(p.hidden, "what brokers make for themselves shows, too", "what brokers make for themselves is left out"))
	case actCopy:
		if r := p.selected(); r != nil {
			return p.copy(r.name), true
		}
	case actMessages, actPeek, actReplay, actPurge, actDelete, actReset, actCreate, actAlter, actUnbind, actUndo:
		if r := p.selected(); r != nil {
			return p.onRow(a, r), true
		}
	default:
		return nil, false
	}
	return nil, true
}

// scrollDetail moves in the detail.
func (p *queuesPage) scrollDetail(a action) bool {
	switch a {
	case actUp:
		p.top--
	case actDown:
		p.top++
	case actHalfUp, actPageUp:
		p.top -= max(1, p.split.detail.h/2)
	case actHalfDown, actPageDown:
		p.top += max(1, p.split.detail.h/2)
	case actTop:
		p.top = 0
	case actBottom:
		p.top = 1 << 30
	default:
		return false
	}
	return true
}

func (p *queuesPage) back() bool {
	switch {
	case p.zoom:
		p.zoom, p.detail = false, false
	case p.detail:
		p.detail = false
	case p.filter != "":
		p.filter = ""
	default:
		return false
	}
	return true
}

// sortBy goes to the next column that can be sorted by; before the first one is the broker's own order.
func (p *queuesPage) sortBy(step int) {
	for {
		p.sort += step
		switch {
		case p.sort >= len(p.columns):
			p.sort = -1
		case p.sort < -1:
			p.sort = len(p.columns) - 1
		}
		if p.sort == -1 {
			p.say("sorted by kind and name")
			return
		}
		if p.columns[p.sort].order != nil {
			p.say("sorted by %s", either(p.columns[p.sort].title == "", "problems", p.columns[p.sort].title))
			return
		}
	}
}

func (p *queuesPage) mouse(m mouse) tea.Cmd {
	if p.peek != nil {
		return p.peek.mouse(m)
	}
	switch {
	case p.split.detail.holds(m.x, m.y):
		p.top += m.wheel
		p.detail = p.detail || m.wheel == 0
	case m.wheel != 0:
		p.moved = true
		p.list.pick(p.names, p.list.index+m.wheel/3)
	case m.y > 0 && p.list.top+m.y-1 < len(p.rows):
		p.detail, p.moved = false, true
		p.list.pick(p.names, p.list.top+m.y-1)
	}
	return nil
}

func (p *queuesPage) hints() []action {
	if p.peek != nil {
		return p.peek.hints()
	}
	r := p.selected()
	switch {
	case r == nil:
		return []action{actBack}
	case p.gone:
		return []action{actEnter}
	}
	hints := []action{actEnter, actMessages}
	switch r.kind {
	case rowQueue:
		hints = append(hints, actPeek)
		if brokers.NamedDead(r.name) || len(r.one.topology.DeadLettersOf(r.name)) > 0 {
			hints = append(hints, actReplay)
		}
		hints = append(hints, actPurge, actDelete, actCreate)
	case rowTopic:
		hints = append(hints, actPeek, actReplay, actPurge, actAlter, actDelete, actCreate)
	case rowGroup:
		hints = append(hints, actReset, actDelete)
	case rowExchange:
		hints = append(hints, actUnbind, actDelete, actCreate)
	case rowBroker:
		hints = append(hints, actCreate)
	}
	return append(hints, actHidden)
}

func (p *queuesPage) label(a action) string {
	if p.peek != nil {
		return p.peek.label(a)
	}
	r := p.selected()
	switch {
	case a == actEnter:
		return "details"
	case a == actReplay && r != nil && r.kind == rowQueue:
		return "redrive"
	case a == actPeek:
		return "look into it"
	}
	return ""
}

// peekInto looks into a queue or topic.
func (p *queuesPage) peekInto(r *queueRow, from brokers.Source) tea.Cmd {
	page, cmd := newFetchedPage(p.book, r.one, from)
	p.peek = page
	return cmd
}
