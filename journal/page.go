package journal

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// Query chooses records.
type Query struct {
	Streams []string           `json:"streams,omitempty"` // names, or prefixes that end in "/"; none: all
	Kinds   Kinds              `json:"kinds,omitempty"`   // none: all
	Match   func(*Record) bool `json:"-"`                 // nil: all. The record is lent: neither keep nor change any part of it
	Limit   int                `json:"limit,omitempty"`   // return at most so many records; 0: any number
	Budget  int                `json:"budget,omitempty"`  // look at no more than so many records; 0: any number
}

// Page is the answer to a Query. Pages that start where the one before said Next meet every record exactly once.
type Page struct {
	Records []Record `json:"records,omitempty"` // oldest first, with times in UTC
	Next    uint64   `json:"next"`              // the cursor to go on with in the same direction
	More    bool     `json:"more,omitempty"`    // Limit or Budget ended it, and there is more from Next on
	Lost    uint64   `json:"lost,omitempty"`    // so many records of these streams, between the cursor and Next, are gone
	Visited int      `json:"visited"`           // records looked at
}

// After returns the records with a sequence greater than cursor. A Page's Lost is exact for a query of all streams and
// from the very beginning; for some streams, a cursor among records that are gone is placed as if they had come evenly.
func (j *Journal) After(cursor uint64, q Query) Page {
	views, whole, last := j.views(q)
	w := walk{query: q, step: 1}
	readers := readersOf(views)
	for i := range readers {
		r := &readers[i]
		if r.c, r.i = r.find(cursor); r.c < len(r.chunks) {
			w.readers = append(w.readers, r)
		}
	}
	page := w.run()
	if !page.More {
		page.Next = max(cursor, last)
	}
	page.Lost += lostBetween(views, whole, cursor, page.Next)
	return page
}

// Before returns the records with a sequence smaller than cursor, the latest ones first to be found but still oldest
// first in the page. Cursor 0 stands for the end. At the beginning Next is 1, before which there is nothing.
func (j *Journal) Before(cursor uint64, q Query) Page {
	views, whole, last := j.views(q)
	if cursor == 0 || cursor > last {
		cursor = last + 1
	}
	w := walk{query: q, step: -1}
	readers := readersOf(views)
	for i := range readers {
		r := &readers[i]
		r.c, r.i = r.find(cursor - 1)
		if r.move(-1) {
			w.readers = append(w.readers, r)
		}
	}
	page := w.run()
	slices.Reverse(page.Records)
	if !page.More {
		page.Next = 1
	}
	page.Lost += lostBetween(views, whole, page.Next-1, cursor-1)
	return page
}

// Seek returns the cursor from which After starts at the first record of q's streams at or after t; Last where there is
// none. As records lie in the order they came, later ones may bear earlier times.
func (j *Journal) Seek(t time.Time, q Query) uint64 {
	views, _, last := j.views(q)
	cursor, at := last, nanos(t)
	for _, v := range views {
		if seq, ok := v.since(at); ok {
			cursor = min(cursor, seq-1)
		}
	}
	return cursor
}

// views takes a snapshot of the streams that q chooses, and says whether these are all there are.
func (j *Journal) views(q Query) (views []view, whole bool, last uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	exact := len(q.Streams) > 0 && !slices.ContainsFunc(q.Streams, func(s string) bool { return strings.HasSuffix(s, "/") })
	if exact {
		for i, name := range q.Streams {
			if s := j.streams[name]; s != nil && !slices.Contains(q.Streams[:i], name) {
				views = append(views, s.view())
			}
		}
		return views, len(views) == len(j.all), j.last
	}
	views = make([]view, 0, len(j.all))
	for _, s := range j.all {
		if len(q.Streams) == 0 || slices.ContainsFunc(q.Streams, func(want string) bool { return covers(want, s.name) }) {
			views = append(views, s.view())
		}
	}
	return views, len(views) == len(j.all), j.last
}

// lostBetween counts the records with from < sequence ≤ to that are gone. Over all streams every sequence that is not
// kept is gone, so that the answer is exact.
func lostBetween(views []view, whole bool, from, to uint64) uint64 {
	var lost, reach uint64
	for i := range views {
		v := &views[i]
		reach = max(reach, v.reach())
		if v.reach() > from {
			lost += v.lost(to) - v.lost(from)
		}
	}
	to = min(to, reach)
	if !whole || from >= to {
		return lost
	}
	lost = to - from
	for i := range views {
		lost -= views[i].kept(to) - views[i].kept(from)
	}
	return lost
}

// A reader stands on one record of a view.
type reader struct {
	*view
	c, i int
	key  uint64 // the record's sequence, or its complement when going backwards: the smallest one comes next

	ref, trace string // of the record kept last, which the next one often shares
}

func readersOf(views []view) []reader {
	readers := make([]reader, len(views))
	for i := range views {
		readers[i].view = &views[i]
	}
	return readers
}

// move goes step records on (1 or -1), and answers false at the end.
func (r *reader) move(step int) bool {
	r.i += step
	if r.i < 0 {
		if r.c--; r.c < 0 {
			return false
		}
		r.i = r.size(r.c) - 1
	} else if r.i >= r.size(r.c) {
		r.c, r.i = r.c+1, 0
		return r.c < len(r.chunks)
	}
	return true
}

func (r *reader) setKey(step int) {
	r.key = r.chunks[r.c].seq(r.i)
	if step < 0 {
		r.key = ^r.key
	}
}

// A walk goes through several streams in the order of the sequence.
type walk struct {
	query   Query
	step    int
	readers []*reader // a heap by key
	page    Page
	lent    Record
}

func (w *walk) run() Page {
	for _, r := range w.readers {
		r.setKey(w.step)
	}
	for i := len(w.readers)/2 - 1; i >= 0; i-- {
		w.sink(i)
	}
	q := &w.query
	for len(w.readers) > 0 {
		if q.Limit > 0 && len(w.page.Records) >= q.Limit || q.Budget > 0 && w.page.Visited >= q.Budget {
			w.page.More = true
			break
		}
		r := w.readers[0]
		w.visit(r)
		if r.move(w.step) {
			r.setKey(w.step)
		} else {
			end := len(w.readers) - 1
			w.readers[0] = w.readers[end]
			w.readers = w.readers[:end]
		}
		w.sink(0)
	}
	return w.page
}

func (w *walk) visit(at *reader) {
	c, q := at.chunks[at.c], &w.query
	w.page.Visited++
	w.page.Next = c.seq(at.i)
	if !c.read(at.i, &w.lent) {
		w.page.Lost++
		return
	}
	w.lent.Stream = at.name
	if q.Kinds.Has(w.lent.Kind) && (q.Match == nil || q.Match(&w.lent)) {
		w.keep(at)
	}
}

// sink restores the heap below i.
func (w *walk) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(w.readers) {
			return
		}
		if child+1 < len(w.readers) && w.readers[child+1].key < w.readers[child].key {
			child++
		}
		if w.readers[i].key <= w.readers[child].key {
			return
		}
		w.readers[i], w.readers[child] = w.readers[child], w.readers[i]
		i = child
	}
}

// keep adds a copy of the lent record to the page, which so does not hold the memory of a chunk.
func (w *walk) keep(from *reader) {
	kept := &w.page.Records
	if *kept == nil {
		*kept = make([]Record, 0, min(max(w.query.Limit, 8), 256))
	}
	r := w.lent
	r.Ref, r.Trace = own(r.Ref, from.ref), own(r.Trace, from.trace)
	from.ref, from.trace = r.Ref, r.Trace
	r.Text, r.Body = strings.Clone(r.Text), bytes.Clone(r.Body)
	*kept = append(*kept, r)
}

// own returns a copy of s, which is like where they are equal.
func own(s, like string) string {
	if s == like {
		return like
	}
	return strings.Clone(s)
}
