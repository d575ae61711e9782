package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
)

// linesPage is a page of journal lines with the detail of the selected one: what the logs and the events have in common.
type linesPage struct {
	*desk
	kinds    journal.Kinds
	pane     *pane
	title    func() []piece
	empty    func() []string
	also     func() []string                     // what the title's right end says beside, how the lines are narrowed; nil: nothing
	head     func(w int) []string                // what stands above the lines: names of columns; nil: nothing
	draw     func(*journal.Record, int) []string // the detail of a record in so many columns; nil: what every record has
	filter   journal.Filter
	context  bool // all lines show, and those that match are highlighted
	detail   *recordDetail
	onDetail bool
	zoom     bool
	share    int // of a hundred lines so many for the list, where the detail stands below it
	split    split
	above    int // lines above the first record
}

func newLinesPage(d *desk, kinds journal.Kinds) *linesPage {
	p := &linesPage{desk: d, kinds: kinds, pane: newPane(d, kinds), share: 55}
	p.pane.names = true
	return p
}

func (p *linesPage) view(w, h int) []string {
	open := p.detail != nil
	p.split = split{w: w, h: h, list: box{0, 0, w, h}}
	if open {
		p.split = splitPage(w, h, w*6/10, h*p.share/100, p.zoom, p.onDetail)
		if p.split.detail.h == 0 { // too small for both: the detail alone
			p.split = splitPage(w, h, w, h, true, true)
		}
	}
	var top, bottom []string
	if b := p.split.list; b.h > 0 {
		top = append(top, p.rule(b.w, open && !p.onDetail, p.title(), p.status(b.w-span(p.title()))))
		p.above = 1
		if p.head != nil && b.h > 5 && len(p.pane.records) > 0 {
			top = append(top, p.head(b.w)...)
			p.above = len(top)
		}
		top = append(top, p.pane.view(b.w, b.h-len(top), !p.onDetail, p.empty()...)...)
	}
	if b := p.split.detail; b.h > 0 {
		r, ok := p.pane.selected()
		title := []piece{{p.theme.strong, "line"}}
		if ok {
			title = []piece{{p.theme.strong, clean(either(serviceOf(&r) == "", p.state.Project, serviceOf(&r)))}, {p.theme.dim, " " + p.signs.dot + " detail"}}
		}
		bottom = append(bottom, p.rule(b.w, p.onDetail, title, "esc closes"))
		bottom = append(bottom, p.detail.view(r, b.w, b.h-1)...)
	}
	return p.split.join(top, bottom, p.theme, p.signs)
}

// status is how the lines are narrowed, and how the pane stands; what there is no room for falls away, the least first.
func (p *linesPage) status(room int) string {
	var parts []string
	if p.filter.Level != journal.LevelNone {
		parts = append(parts, p.filter.Level.String()+" and up")
	}
	if p.filter.Text != "" {
		text := `"` + clean(p.filter.Text) + `"`
		if p.filter.Regexp {
			text = "/" + clean(p.filter.Text) + "/"
		}
		if p.context {
			text = "highlights " + text
		} else {
			text = "only " + text
		}
		parts = append(parts, text)
	}
	if p.also != nil {
		parts = append(parts, p.also()...)
	}
	if p.pane.shift > 0 {
		parts = append(parts, "from column "+itoa(p.pane.shift+1))
	}
	for ; ; parts = parts[:len(parts)-1] {
		text := strings.Join(nonEmpty(append(slices.Clone(parts), p.pane.status())...), " "+p.signs.dot+" ")
		if len(parts) == 0 || width(text)+9 < room {
			return text
		}
	}
}

func (p *linesPage) refresh() tea.Cmd { return p.pane.refresh() }

func (p *linesPage) do(a action) (tea.Cmd, bool) {
	if p.detail != nil && p.onDetail && p.detail.do(a) {
		return nil, true
	}
	if p.pane.do(a) {
		return nil, true
	}
	switch a {
	case actEnter:
		if p.detail == nil {
			p.openDetail()
		} else {
			p.onDetail = true
		}
	case actBack:
		return nil, p.back()
	case actPane:
		p.onDetail = p.detail != nil && !p.onDetail
	case actZoom:
		p.zoom = !p.zoom
	case actFilter:
		return open(p.filterPrompt()), true
	case actNextMatch, actPrevMatch:
		p.next(a == actPrevMatch)
	case actSeek:
		return open(p.seekPrompt()), true
	case actCopy:
		return p.copyLines(), true
	case actEdit:
		return p.editLine(), true
	default:
		return nil, false
	}
	return nil, true
}

// openDetail shows what the selected record holds.
func (p *linesPage) openDetail() {
	p.detail = newRecordDetail(p.desk)
	if p.draw != nil {
		p.detail.draw = p.draw
	}
}

// back takes one thing back: a search, the detail, the marks, the filter.
func (p *linesPage) back() bool {
	switch {
	case p.pane.cancel():
	case p.detail != nil && p.onDetail && p.split.list.h > 0:
		p.onDetail = false
	case p.detail != nil:
		p.detail, p.onDetail, p.zoom = nil, false, false
	case len(p.pane.marked) > 0:
		clear(p.pane.marked)
	case p.filter != (journal.Filter{}):
		p.filter, p.context = journal.Filter{}, false
		p.narrow()
	default:
		return false
	}
	return true
}

// narrow brings a filter to the pane that was taken already, so that it cannot be wrong.
func (p *linesPage) narrow() {
	if err := p.apply(); err != nil {
		p.fail("", err)
	}
}

// apply brings the filter to the pane.
func (p *linesPage) apply() error {
	f, kinds := p.filter, p.kinds
	if f.Level != journal.LevelNone && kinds.Has(journal.KindLog) {
		kinds = journal.KindSet(journal.KindLog) // events have no level
	}
	if !p.context {
		return p.pane.filter(f, kinds)
	}
	find, err := highlights(f)
	if err != nil {
		return err
	}
	f.Text = ""
	f.Regexp = false
	err = p.pane.filter(f, kinds)
	p.pane.find = find
	return err
}

func (p *linesPage) filterPrompt() *prompt {
	before, context := p.filter, p.context
	q := newPrompt(p.desk, "/", p.filter.Text)
	q.change = func(text string) error {
		if text == before.Text && q.closing {
			p.filter, p.context = before, context
			return p.apply()
		}
		old := p.filter.Text
		p.filter.Text = text
		if err := p.apply(); err != nil {
			p.filter.Text = old
			return err
		}
		return nil
	}
	q.done = func(string) (tea.Cmd, error) {
		if p.context && p.filter.Text != "" {
			p.pane.seek(p.filter, p.pane.at+1, true) // the selected line may be the one
		}
		return nil, nil
	}
	q.options = []option{
		{"ctrl+r", func() string { return either(p.filter.Regexp, "regexp", "plain text") }, func() { p.filter.Regexp = !p.filter.Regexp }},
		{"tab", func() string { return either(p.context, "all lines", "matching lines") }, func() { p.context = !p.context }},
	}
	return q
}

func either[T any](is bool, yes, no T) T {
	if is {
		return yes
	}
	return no
}

// next goes to the next match. Where only matching lines show, that is the next line.
func (p *linesPage) next(back bool) {
	switch {
	case p.filter.Text == "":
		p.say("nothing is searched for; %s searches", p.keys.key(actFilter))
	case !p.context:
		p.pane.move(map[bool]int{true: -1, false: 1}[back])
	default:
		p.pane.seek(p.filter, p.pane.at, back)
	}
}

func (p *linesPage) seekPrompt() *prompt {
	q := newPrompt(p.desk, "go to", "")
	q.input.Placeholder = "12:04, 12:04:31 or -5m"
	q.done = func(text string) (tea.Cmd, error) {
		t, err := moment(text, p.now.In(p.zone))
		if err != nil {
			return nil, err
		}
		p.pane.goTo(jump{since: t})
		return nil, nil
	}
	return q
}

// copyLines copies the marked lines as they were written, or the selected one.
func (p *linesPage) copyLines() tea.Cmd {
	var b strings.Builder
	rs := p.pane.chosen()
	for _, r := range rs {
		b.WriteString(r.Text + "\n")
		for _, l := range bodyLines(r.Body) {
			b.WriteString(l + "\n")
		}
	}
	if len(rs) == 0 {
		return nil
	}
	p.say("copied %s", plural(len(rs), "line"))
	return tea.SetClipboard(strings.TrimSuffix(b.String(), "\n"))
}

// copy puts a text on the clipboard.
func (d *desk) copy(text string) tea.Cmd {
	d.say("copied %s", text)
	return tea.SetClipboard(text)
}

func (p *linesPage) editLine() tea.Cmd {
	r, ok := p.pane.selected()
	if !ok {
		return nil
	}
	return p.edit(&r)
}

func (p *linesPage) mouse(m mouse) tea.Cmd {
	if p.detail != nil && p.split.detail.holds(m.x, m.y) {
		if m.wheel != 0 {
			p.detail.top += m.wheel
		} else {
			p.onDetail = true
		}
		return nil
	}
	if m.wheel != 0 {
		p.pane.scroll(m.wheel)
		return nil
	}
	p.onDetail = false
	before, follow := p.pane.at, p.pane.follow
	if m.y >= p.above && p.pane.click(m.y-p.above) && p.pane.at == before && !follow && p.detail == nil {
		p.openDetail()
	}
	return nil
}

func (p *linesPage) hints() []action {
	if len(p.pane.records) == 0 {
		return []action{actBack}
	}
	if p.detail != nil && p.split.list.h == 0 {
		return []action{actBack, actCopy, actEdit}
	}
	hints := []action{actEnter, actFollow}
	if r, ok := p.pane.selected(); ok && !p.pane.follow && sourceLine.MatchString(head(r.Text, 4096)+"\n"+string(r.Body[:min(len(r.Body), 4096)])) {
		hints = append(hints, actEdit)
	}
	if p.filter.Text != "" {
		hints = append(hints, actNextMatch, actPrevMatch)
	}
	return append(hints, actSeek, actMark, actCopy)
}

func (p *linesPage) label(a action) string {
	switch {
	case a == actEnter && p.detail == nil:
		return "detail"
	case a == actEnter:
		return "into detail"
	case a == actFollow && p.pane.follow:
		return "stand still"
	}
	return ""
}
