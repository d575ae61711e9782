package tui

import (
	"context"
	"regexp"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
	"msdev/session"
)

// pane is a window on the journal. It holds the records that show and a small margin, and asks for what is missing, one
// page at a time, off the screen's loop.
type pane struct {
	desk              *desk
	shelf             shelf
	what              session.RecordQuery // streams, kinds and filter of what shows
	find              *regexp.Regexp      // what is highlighted
	names             bool                // the name of its service stands before each line
	wrap, raw, folded bool
	shift             int

	records []journal.Record  // one after the other, nothing left out
	lost    map[uint64]uint64 // lines that are gone before the record with this sequence number
	older   uint64            // cursors to go on from at both ends
	newer   uint64
	loaded  bool
	atStart bool

	follow bool
	at     uint64 // sequence number of the selected record
	top    uint64 // of the first one that shows, when not following
	over   int    // lines of it above the top
	marked map[uint64]bool
	rows   int // lines that the pane was last drawn in

	busy    bool
	round   int // answers to earlier rounds are too late
	visited int // records that the search in progress has looked at
	jump    *jump
	hunt    *hunt
	err     error

	glances *glances // what messages say that take a schema to be read; nil: there are none

	look   look
	blocks map[uint64]block
}

// shelf is where a pane takes its records from.
type shelf struct {
	records func(context.Context, session.RecordQuery) (journal.Page, error)
	last    func() uint64 // the greatest sequence number, as far as it may show
	unit    string        // what its records are: "line"
	whole   bool          // nothing will be added
}

// jump is a place to go to: the first record after a cursor, or at a time.
type jump struct {
	cursor uint64
	since  time.Time
}

// hunt is a search for the next match, among lines that do not all match.
type hunt struct {
	filter journal.Filter
	cursor uint64
	back   bool
}

const (
	searchBudget  = 50_000 // records that one request may look at
	messageBudget = 5_000  // messages: an expression may have to read each body
	maxWindow     = 2_000  // records that a pane holds
)

func newPane(d *desk, kinds journal.Kinds) *pane {
	return &pane{desk: d, shelf: shelf{d.source.Records, func() uint64 { return d.last }, "line", false}, what: session.RecordQuery{Kinds: kinds}, follow: true, lost: map[uint64]uint64{}, marked: map[uint64]bool{}, blocks: map[uint64]block{}}
}

// show points the pane at other streams; the same ones change nothing.
func (p *pane) show(streams ...string) {
	if slices.Equal(streams, p.what.Streams) {
		return
	}
	p.what.Streams = streams
	p.reset()
	p.follow = true
}

// filter narrows what shows; the pane stays where it is.
func (p *pane) filter(f journal.Filter, kinds journal.Kinds) error {
	find, err := highlights(f)
	if err != nil {
		return err
	}
	p.find = find
	if f != p.what.Filter || kinds != p.what.Kinds {
		p.what.Filter, p.what.Kinds = f, kinds
		keep := p.at
		p.reset()
		if !p.follow && keep > 0 {
			p.jump = &jump{cursor: keep - 1}
		}
	}
	return nil
}

// express narrows messages by an expression; the pane stays where it is.
func (p *pane) express(expr string) {
	if expr == p.what.Messages {
		return
	}
	p.what.Messages = expr
	keep := p.at
	p.reset()
	if !p.follow && keep > 0 {
		p.jump = &jump{cursor: keep - 1}
	}
}

// highlights is what to mark in the lines that a filter lets pass.
func highlights(f journal.Filter) (*regexp.Regexp, error) {
	find, err := f.Pattern()
	if f.Invert {
		find = nil
	}
	return find, err
}

// reset forgets what the window holds, not where the person looks.
func (p *pane) reset() {
	p.records, p.loaded, p.atStart = nil, false, false
	p.older, p.newer, p.visited = 0, 0, 0
	p.jump, p.hunt, p.err = nil, nil, nil
	clear(p.lost)
	clear(p.blocks)
	clear(p.marked)
	p.round++
	p.busy = false
}

// goTo shows the place.
func (p *pane) goTo(j jump) {
	p.reset()
	p.follow = false
	p.jump = &j
}

// seek starts a search for the next record that matches, up or down from a sequence number.
func (p *pane) seek(f journal.Filter, from uint64, back bool) {
	p.hunt = &hunt{filter: f, cursor: from, back: back}
	p.visited = 0
}

// cancel ends a search; it answers false where none was in progress.
func (p *pane) cancel() bool {
	if p.hunt == nil {
		return false
	}
	p.hunt = nil
	p.round++
	p.busy = false
	return true
}

type want uint8

const (
	wantNothing want = iota
	wantTail
	wantOlder
	wantNewer
	wantJump
	wantMatch
)

// pageMsg answers a request of a pane.
type pageMsg struct {
	pane  *pane
	round int
	want  want
	last  uint64 // of the journal, when the request was made
	page  journal.Page
	err   error
}

// refresh asks for what is missing, if something is.
func (p *pane) refresh() tea.Cmd {
	if p.busy || p.desk.gone || p.err != nil {
		return nil
	}
	w := p.missing()
	if w == wantNothing {
		return nil
	}
	q := p.what
	q.Limit = p.margin() + p.rows
	if q.Filter != (journal.Filter{}) {
		q.Budget = searchBudget
	}
	if q.Messages != "" {
		q.Budget = messageBudget
	}
	switch w {
	case wantTail:
		q.Before = true
	case wantOlder:
		q.Before, q.Cursor = true, p.older
	case wantNewer:
		q.Cursor = p.newer
	case wantJump:
		q.Cursor, q.Since = p.jump.cursor, p.jump.since
	case wantMatch:
		q.Filter, q.Budget, q.Limit = p.hunt.filter, searchBudget, 1
		q.Before, q.Cursor = p.hunt.back, p.hunt.cursor
	}
	p.busy = true
	msg := pageMsg{pane: p, round: p.round, want: w, last: p.shelf.last()}
	records := p.shelf.records
	return p.desk.ask(func(ctx context.Context) tea.Msg {
		msg.page, msg.err = records(ctx, q)
		return msg
	})
}

// margin is the number of records to hold beyond what shows.
func (p *pane) margin() int { return max(20, p.rows) }

// missing says what to ask for next.
func (p *pane) missing() want {
	switch {
	case p.rows == 0:
		return wantNothing
	case p.hunt != nil:
		return wantMatch
	case p.jump != nil:
		return wantJump
	case !p.loaded:
		return wantTail
	}
	before, after := len(p.records), 0
	if !p.follow {
		before = p.index(p.top)
		after = len(p.records) - before - p.rows
	}
	switch {
	case p.newer < p.shelf.last() && (p.follow || after < p.margin()/2):
		return wantNewer
	case !p.atStart && (p.follow && before < p.rows || !p.follow && before < p.margin()/2):
		return wantOlder
	}
	return wantNothing
}

// receive takes the answer to a request.
func (p *pane) receive(m pageMsg) {
	if m.round != p.round {
		return
	}
	p.busy = false
	if m.err != nil {
		p.err = m.err
		return
	}
	p.visited += m.page.Visited
	switch m.want {
	case wantTail:
		p.begin(m)
		p.older = m.page.Next
		p.atStart = !m.page.More
	case wantJump:
		p.landed(m)
	case wantMatch:
		p.matched(m.page)
	case wantOlder:
		p.older, p.atStart = m.page.Next, !m.page.More
		p.note(m.page, p.records)
		p.records = append(slices.Clip(m.page.Records), p.records...)
		if n := len(p.records); n > maxWindow && !p.follow {
			p.records = p.records[:maxWindow]
			p.newer = p.records[maxWindow-1].Seq
		}
	case wantNewer:
		p.grown(m.page)
	}
	if p.follow && len(p.records) > 0 {
		p.at = p.records[len(p.records)-1].Seq
	}
	if len(m.page.Records) > 0 || !m.page.More {
		p.visited = 0
	}
}

// begin starts the window anew with a page.
func (p *pane) begin(m pageMsg) {
	p.records, p.loaded = m.page.Records, true
	clear(p.lost)
	p.note(m.page, m.page.Records)
	p.newer = m.last
	if n := len(p.records); n > 0 {
		p.newer = max(p.newer, p.records[n-1].Seq)
	}
}

// note remembers where lines are gone: before the first record of these.
func (p *pane) note(page journal.Page, records []journal.Record) {
	if page.Lost > 0 && len(records) > 0 {
		p.lost[records[0].Seq] += page.Lost
	}
}

// landed takes the first page at a place that the person asked for.
func (p *pane) landed(m pageMsg) {
	if len(m.page.Records) == 0 && m.page.More { // the search's budget is spent: go on from there
		p.jump = &jump{cursor: m.page.Next}
		return
	}
	p.jump = nil
	if len(m.page.Records) == 0 {
		p.loaded = false
		p.follow = true
		p.desk.say("there is nothing after that; this is the end")
		return
	}
	p.begin(m)
	first := p.records[0].Seq
	p.newer, p.older, p.atStart = m.page.Next, first, false
	p.at, p.top, p.over = first, first, 0
}

// matched takes the answer to a search for the next match.
func (p *pane) matched(page journal.Page) {
	back := p.hunt.back
	switch {
	case len(page.Records) > 0:
		seq := page.Records[0].Seq
		p.hunt = nil
		if i := p.index(seq); i < len(p.records) && p.records[i].Seq == seq {
			p.at, p.follow = seq, false
			return
		}
		p.goTo(jump{cursor: seq - 1})
	case page.More:
		p.hunt.cursor = page.Next
	default:
		p.hunt = nil
		p.desk.say("no match %s this line", map[bool]string{true: "above", false: "below"}[back])
	}
}

// grown takes records that are newer than the window's.
func (p *pane) grown(page journal.Page) {
	p.newer = max(p.newer, page.Next)
	if p.follow && page.More && len(page.Records) >= p.margin()+p.rows {
		p.loaded = false // more came than fits the screen: look at the end instead
	}
	p.note(page, page.Records)
	p.records = append(p.records, page.Records...)
	if n := len(p.records); n > maxWindow || p.follow && n > 8*(p.rows+20) {
		keep := min(maxWindow/2, 2*(p.rows+20))
		if !p.follow {
			keep = max(keep, n-p.index(p.top)+p.margin())
		}
		p.records = slices.Clone(p.records[max(0, n-keep):])
		p.older, p.atStart = p.records[0].Seq, false
	}
}

// index is the place of the first record with this sequence number or a greater one.
func (p *pane) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(p.records, seq, func(r journal.Record, seq uint64) int {
		switch {
		case r.Seq < seq:
			return -1
		case r.Seq > seq:
			return 1
		}
		return 0
	})
	return i
}

// selected is the record under the cursor.
func (p *pane) selected() (journal.Record, bool) {
	if len(p.records) == 0 {
		return journal.Record{}, false
	}
	return p.records[min(p.index(p.at), len(p.records)-1)], true
}

// chosen are the marked records, or else the selected one.
func (p *pane) chosen() []journal.Record {
	var rs []journal.Record
	for _, r := range p.records {
		if p.marked[r.Seq] {
			rs = append(rs, r)
		}
	}
	if r, ok := p.selected(); ok && len(rs) == 0 {
		rs = append(rs, r)
	}
	return rs
}
