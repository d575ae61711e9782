package journal

import (
	"slices"
	"sort"
)

// A stream is one named source's records: the chunks that are kept, and a summary of those that are gone. Records go in
// the order they came, so what is gone is always older than what is kept.
type stream struct {
	name   string
	limit  int64 // bytes
	bytes  int64
	chunks []*chunk // never written to within its length, as snapshots share it
	count  uint64   // records there have been
	gone   []mark   // likewise; the first entry says where the stream began
}

// A mark says that count records of a stream, up to and with the one numbered seq, are gone.
type mark struct{ seq, count uint64 }

const (
	smallestChunk = 1 << 10
	largestChunk  = 1 << 20
	mostMarks     = 64
)

// nextSize returns the size of the next chunk, given what its first record needs. Chunks double, so that a quiet stream
// costs little, up to a size at which giving up one costs less than a hundredth of the stream.
func (s *stream) nextSize(need int64) int64 {
	size := int64(smallestChunk)
	if n := len(s.chunks); n > 0 {
		size = 2 * int64(len(s.chunks[n-1].mem))
	}
	return max(need, min(size, max(smallestChunk, min(largestChunk, s.limit/128))))
}

// drop gives up the oldest chunk and returns the bytes that this frees.
func (s *stream) drop() int64 {
	c := s.chunks[0]
	s.chunks = append(make([]*chunk, 0, len(s.chunks)+4), s.chunks[1:]...)
	s.bytes -= c.counted
	gone := append(slices.Clone(s.gone), mark{c.seq(c.n - 1), c.nth + uint64(c.n)})
	if len(gone) > mostMarks {
		thin := gone[:1]
		for i := 2; i < len(gone); i += 2 {
			thin = append(thin, gone[i])
		}
		gone = thin
	}
	s.gone = gone
	return c.counted
}

func (s *stream) info() StreamInfo {
	info := StreamInfo{Name: s.name, Records: s.count - s.gone[len(s.gone)-1].count, Bytes: s.bytes}
	if n := len(s.chunks); n > 0 {
		last := s.chunks[n-1]
		info.First, info.Last = s.chunks[0].base, last.seq(last.n-1)
	}
	for _, c := range s.chunks {
		info.Records -= uint64(c.holes)
	}
	info.Dropped = s.count - info.Records
	return info
}

// A view is what a stream held at one moment. It is read without the lock.
type view struct {
	name   string
	chunks []*chunk
	tail   int // records of the last chunk
	gone   []mark
}

func (s *stream) view() view {
	v := view{name: s.name, chunks: s.chunks, gone: s.gone}
	if n := len(v.chunks); n > 0 {
		v.tail = v.chunks[n-1].n
	}
	return v
}

// size returns how many records of the c-th chunk belong to the view.
func (v *view) size(c int) int {
	if c == len(v.chunks)-1 {
		return v.tail
	}
	return v.chunks[c].n
}

// find returns the place of the first record with a sequence greater than seq, which may be behind the last one.
func (v *view) find(seq uint64) (c, i int) {
	c = sort.Search(len(v.chunks), func(c int) bool { return v.chunks[c].base > seq }) - 1
	if c < 0 {
		return 0, 0
	}
	i = v.chunks[c].upTo(seq, v.size(c))
	if i == v.size(c) {
		return c + 1, 0
	}
	return c, i
}

// kept counts the records that the view holds with a sequence of at most seq.
func (v *view) kept(seq uint64) uint64 {
	if len(v.chunks) == 0 {
		return 0
	}
	first := v.chunks[0].nth
	c, i := v.find(seq)
	if c == len(v.chunks) {
		return v.chunks[c-1].nth + uint64(v.tail) - first
	}
	return v.chunks[c].nth + uint64(i) - first
}

// lost counts the records with a sequence of at most seq that are gone. Between two marks it counts as if the records
// had come evenly.
func (v *view) lost(seq uint64) uint64 {
	i := sort.Search(len(v.gone), func(i int) bool { return v.gone[i].seq > seq })
	switch i {
	case 0:
		return 0
	case len(v.gone):
		return v.gone[i-1].count
	}
	from, to := v.gone[i-1], v.gone[i]
	return from.count + (to.count-from.count)*(seq-from.seq)/(to.seq-from.seq)
}

// reach returns the sequence of the last record that is gone.
func (v *view) reach() uint64 { return v.gone[len(v.gone)-1].seq }

// since returns the sequence of the first record at or after t, in ns since 1970, and false where there is none.
func (v *view) since(t int64) (uint64, bool) {
	for c, chunk := range v.chunks {
		n := v.size(c)
		if c < len(v.chunks)-1 && chunk.newest < t {
			continue
		}
		for i := range n {
			if chunk.time(i) >= t && !chunk.hole(i) {
				return chunk.seq(i), true
			}
		}
	}
	return 0, false
}
