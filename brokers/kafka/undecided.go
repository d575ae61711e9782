package kafka

import (
	"encoding/binary"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// undecided holds back the records of transactions until their marker tells whether they were committed, and what came behind
// them in the same partition, so that the order stays.
type undecided struct{ logs map[logID]*waiting }

type logID struct {
	topic     string
	partition int32
}

// waiting is one partition's.
type waiting struct {
	records []held
	open    map[int64]int // undecided records by producer
}

type held struct {
	r       *kgo.Record
	since   time.Time
	open    bool // its transaction has not ended
	aborted bool
}

func newUndecided() *undecided { return &undecided{logs: map[logID]*waiting{}} }

// add takes one record, and gives the maker those that are decided.
func (u *undecided) add(r *kgo.Record, to *maker) {
	id := logID{r.Topic, r.Partition}
	w := u.logs[id]
	if w == nil {
		w = &waiting{open: map[int64]int{}}
		u.logs[id] = w
	}
	switch {
	case r.Attrs.IsControl():
		w.end(r)
	case r.Attrs.IsTransactional():
		w.open[r.ProducerID]++
		w.records = append(w.records, held{r: r, since: time.Now(), open: true})
	case len(w.records) > 0:
		w.records = append(w.records, held{r: r, since: time.Now()})
	default:
		to.add(r)
	}
	w.release(to, time.Time{})
}

// end is a transaction's marker: version and type, 0 for an abort and 1 for a commit.
func (w *waiting) end(marker *kgo.Record) {
	if w.open[marker.ProducerID] == 0 || len(marker.Key) < 4 {
		return
	}
	aborted := binary.BigEndian.Uint16(marker.Key[2:]) == 0
	for i := range w.records {
		if h := &w.records[i]; h.open && h.r.ProducerID == marker.ProducerID {
			h.open, h.aborted = false, aborted
		}
	}
	delete(w.open, marker.ProducerID)
}

// release gives away what is decided, or was held back since before a time.
func (w *waiting) release(to *maker, before time.Time) {
	n := 0
	for ; n < len(w.records); n++ {
		h := &w.records[n]
		if h.open && !h.since.Before(before) {
			break
		}
		m := to.add(h.r)
		m.Aborted, m.Open = h.aborted, h.open
		if h.open {
			if w.open[h.r.ProducerID]--; w.open[h.r.ProducerID] == 0 {
				delete(w.open, h.r.ProducerID)
			}
		}
	}
	clear(w.records[:n])
	if w.records = w.records[n:]; len(w.records) == 0 {
		w.records = nil
	}
}

// expire gives away what was held back since before a time, as open.
func (u *undecided) expire(before time.Time, to *maker) {
	for _, w := range u.logs {
		if len(w.records) > 0 {
			w.release(to, before)
		}
	}
}
