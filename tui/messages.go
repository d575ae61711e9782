package tui

import (
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/brokers/filter"
	"msdev/journal"
)

// messagesPage shows the messages that pass the brokers; or, fetched, those that are in a queue or topic.
type messagesPage struct {
	*linesPage
	book    *book
	of      narrowing
	earlier narrowing // what the page showed before everything
	expr    string    // of brokers/filter
	body    bodyView
	reading reading
	glances *glances

	drawnWith int // the book's version
	diff      *messageDiff
	panel     *replayPanel
	fetched   *fetched // nil: the page is live
}

// narrowing is the part of all messages that a page shows.
type narrowing struct {
	name     string   // "orders.q"; empty: everything
	streams  []string // nil: all
	expr     string   // what narrows the streams further
	services []string // whose streams these are to be, once it is known which these are
}

func newMessagesPage(d *desk, b *book) *messagesPage {
	p := &messagesPage{linesPage: newLinesPage(d, journal.KindSet(journal.KindMessage)), book: b, glances: newGlances()}
	p.pane.glances = p.glances
	p.pane.shelf.unit = "message"
	p.share = 35
	p.linesPage.title, p.linesPage.empty, p.linesPage.also = p.heading, p.nothingYet, p.narrowed
	p.linesPage.head, p.linesPage.draw = p.head, p.drawMessage
	return p
}

// show narrows the page.
func (p *messagesPage) show(n narrowing) {
	if p.of.name != "" {
		p.earlier = p.of
	}
	p.of, p.panel, p.diff = n, nil, nil
	p.pane.show(n.streams...)
	p.express()
}

// express brings both expressions to the pane.
func (p *messagesPage) express() {
	switch {
	case p.of.expr == "" || p.expr == "":
		p.pane.express(p.of.expr + p.expr)
	default:
		p.pane.express("(" + p.of.expr + ") (" + p.expr + ")")
	}
}

func (p *messagesPage) view(w, h int) []string {
	if p.panel != nil {
		return p.panel.view(w, h)
	}
	p.glances.use(p.book.schemas)
	p.pane.names = p.fetched == nil && len(p.book.brokers) > 1 && w >= 60
	if p.drawnWith != p.book.version { // who got a message may be known by now
		p.drawnWith = p.book.version
		p.redrawDetail()
	}
	return p.linesPage.view(w, h)
}

func (p *messagesPage) heading() []piece {
	t, dot := p.theme, " "+p.signs.dot+" "
	switch {
	case p.fetched != nil:
		return []piece{{t.strong, clean(p.fetched.from.Name)}, {t.dim, dot + p.fetched.what()}}
	case p.of.name == "":
		return []piece{{t.strong, "all messages"}, {t.dim, dot + "live" + p.hose()}}
	}
	return []piece{{t.strong, clean(p.of.name)}, {t.dim, dot + "messages, live" + p.hose()}}
}

// head names the columns; above that stands what to know of messages that were looked at.
func (p *messagesPage) head(w int) []string {
	var lines []string
	if p.fetched != nil {
		for _, n := range p.fetched.notes {
			if n.Warn && len(lines) < 2 {
				lines = append(lines, newLine(w, "", p.signs).gap(2).add(p.theme.busy, "! "+clean(n.Text)).add(p.theme.faint, " "+clean(n.Hint)).String())
			}
		}
	}
	return append(lines, p.pane.heading(w))
}

// narrowed is what narrows the list, and what is missing in it.
func (p *messagesPage) narrowed() []string {
	var parts []string
	if p.expr != "" {
		parts = append(parts, "only "+clean(p.expr))
	}
	if n := p.countMarked(); n > 0 {
		parts = append(parts, itoa(n)+" marked")
	}
	if p.fetched != nil {
		return append(parts, p.fetched.status()...)
	}
	return append(parts, p.flow()...)
}

func (p *messagesPage) countMarked() int {
	n := 0
	for _, on := range p.pane.marked {
		if on {
			n++
		}
	}
	return n
}

func (p *messagesPage) refresh() tea.Cmd {
	if p.panel != nil {
		return p.panel.refresh()
	}
	p.resolve()
	if p.fetched == nil && (!p.book.known || p.detail != nil || len(p.of.services) > 0 && p.of.streams == nil) {
		return tea.Batch(p.linesPage.refresh(), p.read(), p.glance(), p.book.refresh())
	}
	return tea.Batch(p.linesPage.refresh(), p.read(), p.glance())
}

func (p *messagesPage) scopes() []scope {
	if p.panel != nil {
		return []scope{onReplay}
	}
	return []scope{onMessages, onLines}
}

func (p *messagesPage) do(a action) (tea.Cmd, bool) {
	if p.panel != nil {
		return p.panel.do(a)
	}
	switch a {
	case actBack:
		return nil, p.back()
	case actFilter:
		return open(p.exprPrompt()), true
	case actNextMatch, actPrevMatch:
		p.pane.move(either(a == actPrevMatch, -1, 1))
	case actSeek:
		if p.fetched != nil {
			return open(p.fetched.prompt(p)), true
		}
		return p.linesPage.do(a)
	case actCopy:
		return p.copyMessages(), true
	case actEdit:
		return p.replay(true), true
	case actReplay:
		return p.replay(false), true
	case actBody:
		p.body = (p.body + 1) % bodyViews
		p.redrawDetail()
		if p.detail == nil {
			p.openDetail()
		}
		p.say("bodies %s", p.body)
	case actDiff:
		p.compare()
	case actMove, actCopyTo, actDelete:
		return p.single(a), true
	case actFirehose:
		return p.firehose(), true
	case actMarkAll:
		p.markAll()
	case actAllMessages:
		p.widen()
	default:
		return p.linesPage.do(a)
	}
	return nil, true
}

// widen shows everything, or again what it showed before.
func (p *messagesPage) widen() {
	if p.fetched != nil {
		return
	}
	p.show(either(p.of.name == "", p.earlier, narrowing{}))
}

// markAll marks what the window holds, or takes all marks away.
func (p *messagesPage) markAll() {
	if p.countMarked() > 0 {
		clear(p.pane.marked)
		return
	}
	for _, r := range p.pane.records {
		p.pane.marked[r.Seq] = true
	}
	p.say("%s marked", plural(p.countMarked(), "message"))
}

// back takes one thing back: what lines take back, the comparison, the filter, the narrowing.
func (p *messagesPage) back() bool {
	switch {
	case p.diff != nil:
		p.diff = nil
		p.detail = nil
	case p.linesPage.back():
	case p.expr != "":
		p.expr = ""
		p.express()
	default:
		return false
	}
	return true
}

// exprPrompt filters while it is typed; what is not yet a whole expression changes nothing.
func (p *messagesPage) exprPrompt() *prompt {
	q := newPrompt(p.desk, "/", p.expr)
	q.input.Placeholder = "text, key:7f, header.NAME:acme, $.total > 40"
	q.change = func(text string) error {
		if _, err := filter.Compile(text, nil); err != nil {
			return filterError(err)
		}
		p.expr = text
		p.express()
		return nil
	}
	return q
}

// filterError is the fault of an expression in one line.
func filterError(err error) error {
	var wrong *filter.Error
	if !errors.As(err, &wrong) {
		return err
	}
	return errors.New(wrong.What + ": " + wrong.Hint)
}

// chosenMessages are the marked messages, or the selected one.
func (p *messagesPage) chosenMessages() []brokers.Message {
	var all []brokers.Message
	for _, r := range p.pane.chosen() {
		if m, ok := messageOf(&r); ok {
			all = append(all, m)
		}
	}
	return all
}

// copyMessages copies messages as lines of a message file.
func (p *messagesPage) copyMessages() tea.Cmd {
	var b strings.Builder
	all := p.chosenMessages()
	for i := range all {
		line, err := brokers.MarshalMessage(&all[i])
		if err != nil {
			p.fail("copy", err)
			return nil
		}
		b.Write(line)
	}
	if len(all) == 0 {
		return nil
	}
	p.say("copied %s as JSON", plural(len(all), "message"))
	return tea.SetClipboard(b.String())
}

func (p *messagesPage) mouse(m mouse) tea.Cmd {
	if p.panel != nil {
		return p.panel.mouse(m)
	}
	return p.linesPage.mouse(m)
}

func (p *messagesPage) hints() []action {
	switch {
	case p.panel != nil:
		return p.panel.hints()
	case len(p.pane.records) == 0 && p.of.name != "":
		return []action{actAllMessages, actBack}
	case len(p.pane.records) == 0:
		return []action{actBack}
	}
	hints := []action{actEnter, actFollow}
	if p.fetched != nil {
		hints = []action{actEnter, actSeek}
	}
	hints = append(hints, actReplay, actMark)
	if p.fetched != nil && p.fetched.from.Kind == brokers.SourceQueue {
		hints = append(hints, actMove, actDelete)
	}
	if p.countMarked() == 2 {
		hints = append(hints, actDiff)
	}
	if p.detail != nil {
		hints = append(hints, actBody)
	}
	if p.of.name != "" || p.earlier.name != "" {
		hints = append(hints, actAllMessages)
	}
	hints = append(hints, actCopy, actSeek)
	if p.fetched == nil && (p.book.hosed || p.book.hosable() == nil) {
		hints = append(hints, actFirehose)
	}
	return hints
}

func (p *messagesPage) label(a action) string {
	switch {
	case p.panel != nil:
		return p.panel.label(a)
	case a == actAllMessages && p.of.name == "":
		return p.earlier.name
	case a == actFirehose && p.book.hosed:
		return "firehose off"
	case a == actSeek && p.fetched != nil:
		return "from elsewhere"
	}
	return p.linesPage.label(a)
}
