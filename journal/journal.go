package journal

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Caps bounds what a Journal keeps, in bytes of memory, each record's administration included. A cap below 4 KiB counts
// as 4 KiB. A stream gives up its oldest records, a hundredth or so at a time.
type Caps struct {
	Stream  int64            // bytes a stream; 0: 8 MiB
	Streams map[string]int64 // other caps by a stream's name, or by a prefix that ends in "/"; the longest one counts
	Total   int64            // bytes of all streams together; 0: 256 MiB. The largest streams give up their oldest first
}

// Journal keeps each stream's last bytes in one sequence and answers Before and After a cursor. All its methods may be
// called at the same time; reading does not hold up appending.
type Journal struct {
	caps Caps

	mu      sync.Mutex
	last    uint64
	total   int64
	wake    chan struct{} // closed by the next Append; nil while nobody waits
	streams map[string]*stream
	all     []*stream // in the order of their first records
}

const leastCap = 4 << 10

// New makes an empty journal.
func New(caps Caps) *Journal {
	caps.Stream = orDefault(caps.Stream, 8<<20)
	caps.Total = orDefault(caps.Total, 256<<20)
	return &Journal{caps: caps, streams: map[string]*stream{}}
}

func orDefault(limit, otherwise int64) int64 {
	if limit <= 0 {
		return otherwise
	}
	return max(limit, leastCap)
}

// of returns the cap of the stream called name.
func (c Caps) of(name string) int64 {
	best, chosen := -1, c.Stream
	for key, limit := range c.Streams {
		if len(key) > best && covers(key, name) {
			best, chosen = len(key), orDefault(limit, c.Stream)
		}
	}
	return min(chosen, c.Total)
}

// covers tells whether a stream is meant by want, a name or a prefix that ends in "/".
func covers(want, name string) bool {
	return want == name || strings.HasSuffix(want, "/") && strings.HasPrefix(name, want)
}

// Append adds a record, gives it the next sequence (and the time now, where it has none) and returns that sequence.
// Nothing of r is kept, so its Body may be used again. A record that is larger than its stream's cap is counted as lost.
func (j *Journal) Append(r Record) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(&r)
	j.notify()
	return j.last
}

// AppendAll appends the records in order, with nothing between them, and returns the last one's sequence.
func (j *Journal) AppendAll(rs []Record) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range rs {
		r := rs[i]
		j.add(&r)
	}
	if len(rs) > 0 {
		j.notify()
	}
	return j.last
}

func (j *Journal) notify() {
	if j.wake != nil {
		close(j.wake)
		j.wake = nil
	}
}

func (j *Journal) add(r *Record) {
	j.last++
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	s := j.streams[r.Stream]
	if s == nil {
		name := strings.Clone(r.Stream)
		s = &stream{name: name, limit: j.caps.of(name), gone: []mark{{seq: j.last - 1}}}
		j.streams[name] = s
		j.all = append(j.all, s)
	}
	need := footprint(r)
	hole := need+chunkOverhead > s.limit || need > math.MaxUint32
	if hole {
		need = entrySize + headSize
	}
	j.chunkFor(s, need).add(r, j.last, hole)
	s.count++
}

// chunkFor returns the stream's last chunk, or a new one where need bytes do not fit into it. Room is made first, so
// that the caps hold at any moment.
func (j *Journal) chunkFor(s *stream, need int64) *chunk {
	if n := len(s.chunks); n > 0 && s.chunks[n-1].fits(j.last, need) {
		return s.chunks[n-1]
	}
	size := s.nextSize(need)
	for s.bytes+size+chunkOverhead > s.limit {
		j.total -= s.drop()
	}
	for j.total+size+chunkOverhead > j.caps.Total {
		j.total -= j.largest().drop()
	}
	c := newChunk(int(size), j.last, s.count)
	s.chunks = append(s.chunks, c)
	s.bytes += c.counted
	j.total += c.counted
	return c
}

func (j *Journal) largest() *stream {
	return slices.MaxFunc(j.all, func(a, b *stream) int { return int(a.bytes - b.bytes) })
}

// Last returns the newest record's sequence, 0 before the first.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Wait returns Last as soon as it is greater than after; or Last and ctx's error, when ctx ends before.
func (j *Journal) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		last, wake := j.lastOrWake(after)
		if wake == nil {
			return last, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}

// lastOrWake returns a channel that the next Append closes, and nil where there is something after the cursor already.
func (j *Journal) lastOrWake(after uint64) (uint64, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last > after {
		return j.last, nil
	}
	if j.wake == nil {
		j.wake = make(chan struct{})
	}
	return j.last, j.wake
}

// StreamInfo describes a stream.
type StreamInfo struct {
	Name    string `json:"name"`
	First   uint64 `json:"first"`   // sequence of the oldest record that is kept; 0: none
	Last    uint64 `json:"last"`    // sequence of the newest record that is kept; 0: none
	Records uint64 `json:"records"` // records that are kept
	Bytes   int64  `json:"bytes"`   // memory that they take
	Dropped uint64 `json:"dropped"` // records that are gone
}

// Streams describes every stream that there has been, sorted by name.
func (j *Journal) Streams() []StreamInfo {
	j.mu.Lock()
	infos := make([]StreamInfo, len(j.all))
	for i, s := range j.all {
		infos[i] = s.info()
	}
	j.mu.Unlock()
	slices.SortFunc(infos, func(a, b StreamInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos
}
