package journal

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Caps bounds what a Journal keeps, in bytes of memory, the cost of a record's administration included.
type Caps struct {
	Stream  int64            // bytes a stream; 0: 8 MiB
	Streams map[string]int64 // other caps by a stream's name, or by a prefix that ends in "/"; the longest one counts
	Total   int64            // bytes of all streams together; 0: 256 MiB. The largest streams give up their oldest records first
}

// Journal keeps each stream's last bytes in one sequence and answers Before and After a cursor. All its methods may be
// called at the same time.
type Journal struct {
	caps Caps

	mu      sync.Mutex
	last    uint64
	wake    chan struct{} // closed by the next Append; nil while nobody waits
	streams map[string]*stream
}

type stream struct {
	name    string
	records []Record
	bytes   int64
	dropped uint64
	gone    uint64 // the last sequence that is gone
}

// New makes an empty journal.
func New(caps Caps) *Journal {
	if caps.Stream <= 0 {
		caps.Stream = 8 << 20
	}
	if caps.Total <= 0 {
		caps.Total = 256 << 20
	}
	return &Journal{caps: caps, streams: map[string]*stream{}}
}

// Append adds a record, gives it the next sequence (and the time now, where it has none) and returns that sequence.
func (j *Journal) Append(r Record) uint64 { return j.AppendAll([]Record{r}) }

// AppendAll appends the records in order, with nothing between them, and returns the last one's sequence.
func (j *Journal) AppendAll(rs []Record) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range rs {
		j.last++
		r.Seq = j.last
		if r.Time.IsZero() {
			r.Time = time.Now()
		}
		s := j.streams[r.Stream]
		if s == nil {
			s = &stream{name: r.Stream}
			j.streams[r.Stream] = s
		}
		s.records = append(s.records, r)
		s.bytes += size(r)
		for s.bytes > j.caps.Stream {
			s.bytes -= size(s.records[0])
			s.gone = s.records[0].Seq
			s.records = slices.Clone(s.records[1:])
			s.dropped++
		}
	}
	if j.wake != nil && len(rs) > 0 {
		close(j.wake)
		j.wake = nil
	}
	return j.last
}

func size(r Record) int64 { return int64(len(r.Text) + len(r.Body) + len(r.Ref) + len(r.Trace) + 120) }

// Last returns the newest record's sequence, 0 before the first.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Wait returns Last as soon as it is greater than after, or ctx's error.
func (j *Journal) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		j.mu.Lock()
		last := j.last
		if last > after {
			j.mu.Unlock()
			return last, nil
		}
		if j.wake == nil {
			j.wake = make(chan struct{})
		}
		wake := j.wake
		j.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}

// Query chooses records.
type Query struct {
	Streams []string           `json:"streams,omitempty"` // names, or prefixes that end in "/"; none: all
	Kinds   Kinds              `json:"kinds,omitempty"`   // none: all
	Match   func(*Record) bool `json:"-"`                 // nil: all; it may neither change nor keep the record
	Limit   int                `json:"limit,omitempty"`   // at most so many records in the page; 0: any number
	Budget  int                `json:"budget,omitempty"`  // look at no more than so many records; 0: any number
}

// Page is an answer to a Query.
type Page struct {
	Records []Record `json:"records,omitempty"` // oldest first
	Next    uint64   `json:"next"`              // the cursor to go on with, in the same direction
	More    bool     `json:"more,omitempty"`    // Limit or Budget stopped it before the end: go on from Next
	Lost    uint64   `json:"lost,omitempty"`    // so many records of these streams between cursor and Next are gone
	Visited int      `json:"visited"`           // records looked at
}

// StreamInfo describes a stream.
type StreamInfo struct {
	Name    string `json:"name"`
	First   uint64 `json:"first"`   // the oldest record that is kept
	Last    uint64 `json:"last"`    // the newest record that is kept
	Records uint64 `json:"records"` // records that are kept
	Bytes   int64  `json:"bytes"`   // memory in use
	Dropped uint64 `json:"dropped"` // records that are gone
}

func (j *Journal) collect(q Query) (all []Record, last uint64, chosen []*stream) {
	for name, s := range j.streams {
		if len(q.Streams) == 0 || slices.ContainsFunc(q.Streams, func(want string) bool {
			return want == name || strings.HasSuffix(want, "/") && strings.HasPrefix(name, want)
		}) {
			all = append(all, s.records...)
			chosen = append(chosen, s)
		}
	}
	sort.Slice(all, func(a, b int) bool { return all[a].Seq < all[b].Seq })
	return all, j.last, chosen
}

func walk(all []Record, q Query) (p Page, stopped uint64) {
	for i := range all {
		p.Visited++
		if q.Kinds.Has(all[i].Kind) && (q.Match == nil || q.Match(&all[i])) {
			p.Records = append(p.Records, all[i])
		}
		if i+1 < len(all) && (q.Limit > 0 && len(p.Records) >= q.Limit || q.Budget > 0 && p.Visited >= q.Budget) {
			p.More = true
			return p, all[i].Seq
		}
	}
	return p, 0
}

// After returns the records with a sequence greater than cursor.
func (j *Journal) After(cursor uint64, q Query) Page {
	j.mu.Lock()
	defer j.mu.Unlock()
	all, last, chosen := j.collect(q)
	all = all[sort.Search(len(all), func(i int) bool { return all[i].Seq > cursor }):]
	p, next := walk(all, q)
	if p.Next = next; !p.More {
		p.Next = max(cursor, last)
	}
	for _, s := range chosen {
		if s.gone > cursor {
			p.Lost += min(s.dropped, s.gone-cursor)
		}
	}
	return p
}

// Before returns the records with a sequence smaller than cursor (0: from the end), oldest first.
func (j *Journal) Before(cursor uint64, q Query) Page {
	j.mu.Lock()
	defer j.mu.Unlock()
	all, last, _ := j.collect(q)
	if cursor == 0 {
		cursor = last + 1
	}
	all = all[:sort.Search(len(all), func(i int) bool { return all[i].Seq >= cursor })]
	slices.Reverse(all)
	p, next := walk(all, q)
	slices.Reverse(p.Records)
	if p.Next = next; !p.More {
		p.Next = 1
	}
	return p
}

// Seek returns the cursor from which After starts at the first record of q's streams at or after t.
func (j *Journal) Seek(t time.Time, q Query) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	all, last, _ := j.collect(q)
	for _, r := range all {
		if !r.Time.Before(t) {
			return r.Seq - 1
		}
	}
	return last
}

// Streams describes every stream there has been, sorted by name.
func (j *Journal) Streams() []StreamInfo {
	j.mu.Lock()
	defer j.mu.Unlock()
	infos := make([]StreamInfo, 0, len(j.streams))
	for _, s := range j.streams {
		info := StreamInfo{Name: s.name, Records: uint64(len(s.records)), Bytes: s.bytes, Dropped: s.dropped}
		if n := len(s.records); n > 0 {
			info.First, info.Last = s.records[0].Seq, s.records[n-1].Seq
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b StreamInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos
}
