package journal

import (
	"encoding/binary"
	"math"
	"sort"
	"time"
	"unsafe"
)

// A chunk is a block of memory that holds consecutive records of one stream: the records' bytes grow from its front,
// their index entries from its back. It has no pointers into it, so a million records cost the garbage collector nothing.
//
// What is written stays as it is. A reader that learned n under the journal's lock may therefore read the first n
// records without it, while the writer goes on behind them.
type chunk struct {
	mem     []byte
	base    uint64 // the first record's sequence
	nth     uint64 // how many records its stream had before
	n       int    // records
	used    int    // bytes at the front
	holes   int    // records of which only the place is kept
	newest  int64  // the latest time of a record, in ns since 1970
	refs    span   // the ref that was written last, which the next record often shares
	traces  span
	counted int64 // bytes that count against the caps
}

// A span is a piece of a chunk's memory.
type span struct{ at, len int }

const (
	entrySize     = 16  // time 8, sequence minus base 4, offset of the record 4
	headSize      = 34  // at most: kind, flags, two lengths and two spans
	chunkOverhead = 160 // the chunk itself and the pointer to it
)

// What else there is in a record, by its second byte.
const (
	hasRef = 1 << iota
	hasTrace
	hasBody
	isHole // too large to keep: neither text nor anything else
)

func newChunk(size int, base, nth uint64) *chunk {
	return &chunk{mem: make([]byte, size), base: base, nth: nth, newest: math.MinInt64, counted: int64(size + chunkOverhead)}
}

// footprint returns the memory that r needs at most.
func footprint(r *Record) int64 {
	return entrySize + headSize + int64(len(r.Text)) + int64(len(r.Body)) + int64(len(r.Ref)) + int64(len(r.Trace))
}

// fits tells whether a record of that footprint has room.
func (c *chunk) fits(seq uint64, footprint int64) bool {
	return int64(c.used)+footprint <= int64(len(c.mem)-c.n*entrySize) && seq-c.base <= math.MaxUint32
}

// add writes a record, which must fit, or only its place where hole is set.
func (c *chunk) add(r *Record, seq uint64, hole bool) {
	var flags byte
	if hole {
		flags = isHole
		c.holes++
	} else {
		if r.Ref != "" {
			flags |= hasRef
			c.share(&c.refs, r.Ref)
		}
		if r.Trace != "" {
			flags |= hasTrace
			c.share(&c.traces, r.Trace)
		}
		if len(r.Body) > 0 {
			flags |= hasBody
		}
	}
	at := c.used
	head := append(c.mem[at:at:len(c.mem)], byte(r.Kind), flags)
	if !hole {
		head = binary.AppendUvarint(head, uint64(len(r.Text)))
	}
	if flags&hasBody != 0 {
		head = binary.AppendUvarint(head, uint64(len(r.Body)))
	}
	if flags&hasRef != 0 {
		head = appendSpan(head, c.refs)
	}
	if flags&hasTrace != 0 {
		head = appendSpan(head, c.traces)
	}
	if !hole {
		head = append(append(head, r.Text...), r.Body...)
	}
	c.used = at + len(head)

	t := nanos(r.Time)
	c.newest = max(c.newest, t)
	c.n++
	entry := c.mem[len(c.mem)-c.n*entrySize:]
	binary.LittleEndian.PutUint64(entry, uint64(t))
	binary.LittleEndian.PutUint32(entry[8:], uint32(seq-c.base))
	binary.LittleEndian.PutUint32(entry[12:], uint32(at))
}

// share makes last the place of s, writing s unless it is there already.
func (c *chunk) share(last *span, s string) {
	if string(c.mem[last.at:last.at+last.len]) == s {
		return
	}
	*last = span{c.used, len(s)}
	c.used += copy(c.mem[c.used:], s)
}

func appendSpan(b []byte, s span) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.at)), uint64(s.len))
}

func (c *chunk) entry(i int) []byte {
	at := len(c.mem) - (i+1)*entrySize
	return c.mem[at : at+entrySize]
}

func (c *chunk) seq(i int) uint64 {
	return c.base + uint64(binary.LittleEndian.Uint32(c.entry(i)[8:]))
}

func (c *chunk) time(i int) int64 { return int64(binary.LittleEndian.Uint64(c.entry(i))) }

func (c *chunk) hole(i int) bool {
	return c.mem[binary.LittleEndian.Uint32(c.entry(i)[12:])+1]&isHole != 0
}

// upTo counts the records with a sequence of at most seq among the first n.
func (c *chunk) upTo(seq uint64, n int) int {
	return sort.Search(n, func(i int) bool { return c.seq(i) > seq })
}

// read sets all of r but its stream, and answers false for a hole. The strings and the body are the chunk's own memory:
// they hold all of it, and may not be written to.
func (c *chunk) read(i int, r *Record) bool {
	entry := c.entry(i)
	at := int(binary.LittleEndian.Uint32(entry[12:]))
	flags := c.mem[at+1]
	r.Seq = c.seq(i)
	r.Time = time.Unix(0, c.time(i)).UTC()
	r.Kind = Kind(c.mem[at])
	r.Ref, r.Trace, r.Text, r.Body = "", "", "", nil
	if flags&isHole != 0 {
		return false
	}
	at += 2
	text, body := c.number(&at), 0
	if flags&hasBody != 0 {
		body = c.number(&at)
	}
	if flags&hasRef != 0 {
		r.Ref = c.text(c.number(&at), c.number(&at))
	}
	if flags&hasTrace != 0 {
		r.Trace = c.text(c.number(&at), c.number(&at))
	}
	r.Text = c.text(at, text)
	if body > 0 {
		r.Body = c.mem[at+text : at+text+body : at+text+body]
	}
	return true
}

// number reads the number at *at and moves on behind it.
func (c *chunk) number(at *int) int {
	if b := c.mem[*at]; b < 0x80 {
		*at++
		return int(b)
	}
	n, size := binary.Uvarint(c.mem[*at:])
	*at += size
	return int(n)
}

// text returns a piece of the chunk's memory as a string without copying it. A search over a million records lives from
// this; it is sound because written memory never changes.
func (c *chunk) text(at, n int) string {
	if n == 0 {
		return ""
	}
	return unsafe.String(&c.mem[at], n)
}

// nanos returns t in ns since 1970, or the nearest time that this can express (the years 1678 to 2262).
func nanos(t time.Time) int64 {
	const farthest = math.MaxInt64/int64(time.Second) - 1
	switch sec := t.Unix(); {
	case sec > farthest:
		return math.MaxInt64
	case sec < -farthest:
		return math.MinInt64
	}
	return t.UnixNano()
}
