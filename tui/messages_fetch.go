package tui

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/brokers/filter"
	"msdev/journal"
	"msdev/session"
)

// fetched is what was read of a queue or topic: a journal of its own, so that it shows, filters and marks as live messages do.
type fetched struct {
	one     *booked
	from    brokers.Source
	at      brokers.Position
	journal *journal.Journal
	round   int
	busy    bool
	left    int64 // how many there are still; -1: unknown
	notes   []brokers.Note
	err     error
}

// fetchLimit is how many messages a look into a queue or topic brings at most.
const fetchLimit = 200

// fetchedMsg ends a reading.
type fetchedMsg struct {
	page  *messagesPage
	round int
	left  int64
	notes []brokers.Note
	err   error
}

func (m fetchedMsg) take() tea.Cmd {
	if f := m.page.fetched; f.round == m.round {
		f.busy, f.left, f.notes, f.err = false, m.left, m.notes, m.err
		m.page.pane.reset()
		if m.page.pane.follow = f.at.At == brokers.AtEnd || f.at.At == brokers.AtLast; !m.page.pane.follow {
			m.page.pane.jump = &jump{}
		}
	}
	return nil
}

// newFetchedPage looks into a queue or topic: at its head, or at the newest of a topic.
func newFetchedPage(b *book, one *booked, from brokers.Source) (*messagesPage, tea.Cmd) {
	p := newMessagesPage(b.desk, b)
	f := &fetched{one: one, from: from, journal: journal.New(journal.Caps{}), left: -1}
	p.fetched = f
	p.pane.shelf.whole = true
	at := brokers.Position{At: brokers.AtStart}
	if from.Kind == brokers.SourceTopic {
		at = brokers.Position{At: brokers.AtLast, Offset: 50}
	}
	return p, p.fetch(at)
}

// pageOf is a page of the messages that were read.
func pageOf(from *journal.Journal, q session.RecordQuery, values filter.Values) (journal.Page, error) {
	jq, err := q.Query(values)
	if err != nil {
		return journal.Page{}, err
	}
	if q.Before {
		return from.Before(q.Cursor, jq), nil
	}
	cursor := q.Cursor
	if cursor == 0 && !q.Since.IsZero() {
		cursor = from.Seek(q.Since, jq)
	}
	return from.After(cursor, jq), nil
}

// what is how the messages were come by.
func (f *fetched) what() string {
	if f.from.Kind == brokers.SourceQueue {
		return "what is in the queue, looked at and put back"
	}
	switch f.at.At {
	case brokers.AtOffset:
		return "from offset " + commas(f.at.Offset)
	case brokers.AtTime:
		return "from " + f.at.Time.Format("2006-01-02 15:04:05")
	case brokers.AtLast:
		return "the newest of each partition"
	}
	return "from the start"
}

// status is how the reading stands.
func (f *fetched) status() []string {
	if f.busy {
		return []string{"reading"}
	}
	var parts []string
	if n := f.journal.Last(); n > 0 {
		parts = append(parts, plural(n, "message"))
	}
	if f.left > 0 {
		parts = append(parts, commas(f.left)+" more")
	}
	return parts
}

// empty says why nothing shows.
func (f *fetched) empty(again string) []string {
	switch {
	case f.busy:
		return []string{"reading " + f.from.Name}
	case f.err != nil:
		return strings.SplitN(f.err.Error(), "\n", 2)
	case f.from.Kind == brokers.SourceQueue:
		return []string{f.from.String() + " is empty: no message is ready in it.", "What consumers hold and have not acknowledged cannot be looked at."}
	}
	return []string{"There is no record from there on in " + f.from.String() + ".", again + " goes elsewhere: start, an offset, a time."}
}

// prompt asks for another place to read from.
func (f *fetched) prompt(p *messagesPage) *prompt {
	q := newPrompt(p.desk, "read from", "")
	q.input.Placeholder = "start, end, 1200, 12:04, -5m"
	q.done = func(text string) (tea.Cmd, error) {
		at, err := place(text, p.now.In(p.zone))
		if err != nil {
			return nil, err
		}
		return p.fetch(at), nil
	}
	return q
}

// place reads a place in a topic or stream: start, end, last 20, an offset, a time.
func place(text string, now time.Time) (brokers.Position, error) {
	text = strings.TrimSpace(text)
	words := strings.Fields(text)
	if n, err := strconv.ParseInt(words0(words), 10, 64); err == nil && n >= 0 && len(words) == 1 {
		return brokers.Position{At: brokers.AtOffset, Offset: n}, nil
	}
	switch words0(words) {
	case "start", "earliest", "":
		return brokers.Position{At: brokers.AtStart}, nil
	case "end", "latest":
		return brokers.Position{At: brokers.AtEnd}, nil
	case "last":
		if len(words) == 2 {
			if n, err := strconv.ParseInt(words[1], 10, 64); err == nil && n > 0 {
				return brokers.Position{At: brokers.AtLast, Offset: n}, nil
			}
		}
	}
	t, err := moment(text, now)
	if err != nil {
		return brokers.Position{}, fmt.Errorf("%q is no place; write start, end, last 20, an offset, 12:04 or -5m", text)
	}
	return brokers.Position{At: brokers.AtTime, Time: t}, nil
}

func words0(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// recordOf is a message as a journal keeps it.
func recordOf(stream string, m *brokers.Message) (journal.Record, error) {
	body, err := m.AppendBinary(nil)
	if err != nil {
		return journal.Record{}, err
	}
	at := m.Time
	if at.IsZero() {
		at = time.Unix(0, 0) // a journal would take now for it
	}
	return journal.Record{Time: at, Stream: stream, Kind: journal.KindMessage, Trace: m.Trace(), Text: preview(m, 240), Body: body}, nil
}

// fetch reads what is in a queue or topic into a page of its own.
func (p *messagesPage) fetch(at brokers.Position) tea.Cmd {
	f := p.fetched
	f.round++
	f.busy, f.err, f.notes, f.at = true, nil, nil, at
	f.journal = journal.New(journal.Caps{})
	p.pane.reset()
	p.reading = reading{}
	round, from, one, into := f.round, f.from, f.one, f.journal
	p.pane.shelf.last = into.Last
	p.pane.shelf.records = func(ctx context.Context, q session.RecordQuery) (journal.Page, error) {
		var values filter.Values
		if q.Messages != "" {
			values = p.book.schemas.Decoder(ctx).Values
		}
		return pageOf(into, q, values)
	}
	p.glances.forget()
	return p.ask(func(ctx context.Context) tea.Msg {
		m := fetchedMsg{page: p, round: round}
		name := cmp.Or(one.info.Name, string(one.info.Kind))
		m.err = one.broker.Read(ctx, from, brokers.ReadOptions{From: at, Limit: fetchLimit}, func(b brokers.Batch) bool {
			m.notes = append(m.notes, b.Notes...)
			m.left = b.Left
			for i := range b.Messages {
				r, err := recordOf(name+"/"+from.Name, &b.Messages[i])
				if err != nil {
					m.err = err
					return false
				}
				into.Append(r)
			}
			return true
		})
		return m
	})
}
