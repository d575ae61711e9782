// Package store keeps a broker's durable state in one folder: a log of messages and a table of definitions.
//
// The Log is a line of append-only segment files. One goroutine writes what was appended meanwhile in one go, and
// calls fsync once for everyone who waits (group commit). A message is put once with the homes (queues) that hold it,
// and dropped by each home. The oldest segment is deleted when nothing in it lives; when the files are much larger
// than what lives in them, the living messages of the oldest segment are moved to the end. Records carry a checksum;
// a torn record ends its segment.
package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	segmentSize = 16 << 20
	slack       = 64 << 20 // files may be this much larger than four times what lives
	bufferLimit = 8 << 20  // Put waits while more than this is not written yet
)

// Notifier hears that what it waited for is on disk (ok), or cannot be.
type Notifier interface {
	Stored(token uint64, ok bool)
}

// Receipt asks for a notice once everything appended so far is synced. A zero Receipt asks for none.
type Receipt struct {
	To    Notifier
	Token uint64
}

// Item is a message's place in the log. The zero Item is in no log.
type Item struct {
	id       uint64
	homes    []uint64
	seg      *segment
	off      int64
	n        int
	volatile bool
	written  func() // called once, without locks, when the item can be read back
}

// ID is the message's number in the log: later messages have greater ones. 0 is none.
func (it *Item) ID() uint64 { return it.id }

type segment struct {
	path  string
	file  *os.File
	size  int64
	items map[*Item]struct{}
}

type pending struct {
	item *Item
	at   int // of the payload in the buffer
	n    int
}

// batch is what was appended since the last write.
type batch struct {
	buf      []byte
	puts     []pending
	receipts []Receipt
}

// Log is the message log. Its methods may be called by any goroutine.
type Log struct {
	dir    string
	logger *slog.Logger
	wake   chan struct{}

	mu       sync.Mutex
	room     *sync.Cond // there is room in the buffer again
	batch    batch
	marks    map[uint64]uint64 // by home
	moved    map[uint64]bool   // homes whose mark has to be written
	segments []*segment        // oldest first; the last is written to
	live     int64             // octets of payload that live
	total    int64             // octets of all segments
	nextID   uint64
	nextSeg  int
	err      error
	closed   bool
}

// Run writes what is appended until ctx ends, and then the rest.
func (l *Log) Run(ctx context.Context) error {
	defer l.shut()
	for {
		select {
		case <-ctx.Done():
			l.commit()
			return nil
		case <-l.wake:
			l.commit()
		}
	}
}

func (l *Log) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.room.Broadcast()
	for _, s := range l.segments {
		_ = s.file.Close()
	}
}

// Put appends a message that the homes hold. A volatile one is only parked here: it is gone after a restart. The
// receipt is honoured once it is synced. written is called when Read works, unless every home dropped it before.
func (l *Log) Put(it *Item, homes []uint64, volatile bool, written func(), r Receipt, payload ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.batch.buf) > bufferLimit && !l.closed {
		l.signal()
		l.room.Wait()
	}
	l.nextID++
	it.id, it.homes, it.volatile, it.written = l.nextID, append([]uint64(nil), homes...), volatile, written
	l.append(it, payload...)
	l.live += int64(it.n)
	if r.To != nil {
		l.batch.receipts = append(l.batch.receipts, r)
	}
	l.signal()
}

// append encodes the item's record; l.mu is held.
func (l *Log) append(it *Item, payload ...[]byte) {
	b, at := beginRecord(l.batch.buf)
	b = appendUvarints(append(b, recPut), it.id, uint64(len(it.homes)))
	b = appendUvarints(b, it.homes...)
	b = append(b, flags(it))
	start := len(b)
	for _, p := range payload {
		b = append(b, p...)
	}
	it.n = len(b) - start
	l.batch.buf = endRecord(b, at)
	l.batch.puts = append(l.batch.puts, pending{it, start, it.n})
}

func flags(it *Item) byte {
	if it.volatile {
		return flagVolatile
	}
	return 0
}

// Drop records that a home is done with a message.
func (l *Log) Drop(it *Item, home uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, h := range it.homes {
		if h == home {
			it.homes = append(it.homes[:i], it.homes[i+1:]...)
			l.batch.buf = appendNumbers(l.batch.buf, recDrop, home, it.id)
			break
		}
	}
	if len(it.homes) == 0 && it.id != 0 {
		l.live -= int64(it.n)
		it.n = 0
		if it.seg != nil {
			delete(it.seg.items, it)
			it.seg = nil
		}
	}
	l.signal()
}

// Mark records that a home delivered its messages up to the given one. It is written with the next batch, and costs
// nothing before.
func (l *Log) Mark(home uint64, it *Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.id > l.marks[home] {
		l.marks[home] = it.id
		l.moved[home] = true
		l.signal()
	}
}

// Returns records how often a home took a message back.
func (l *Log) Returns(it *Item, home uint64, count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch.buf = appendNumbers(l.batch.buf, recReturns, home, it.id, uint64(count))
	l.signal()
}

// Forget drops what is kept about a home that is gone.
func (l *Log) Forget(home uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.marks, home)
	delete(l.moved, home)
}

// Sync asks for a receipt for everything appended so far.
func (l *Log) Sync(r Receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch.receipts = append(l.batch.receipts, r)
	l.signal()
}

// Size returns the octets in the log's files, and those of them that live.
func (l *Log) Size() (total, live int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total, l.live
}

// Read returns an item's payload from the files.
func (l *Log) Read(it *Item) ([]byte, error) {
	for {
		l.mu.Lock()
		seg, off, n := it.seg, it.off, it.n
		l.mu.Unlock()
		if seg == nil {
			return nil, fmt.Errorf("message %d is not in the log", it.id)
		}
		b := make([]byte, n)
		_, err := seg.file.ReadAt(b, off)
		if err == nil {
			return b, nil
		}
		l.mu.Lock()
		same := it.seg == seg
		l.mu.Unlock()
		if same {
			return nil, err
		}
	}
}

// signal wakes the writer; l.mu is held.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// commit writes the batch, syncs if somebody waits, and tells them.
func (l *Log) commit() {
	l.mu.Lock()
	for home := range l.moved {
		l.batch.buf = appendNumbers(l.batch.buf, recMark, home, l.marks[home])
		delete(l.moved, home)
	}
	b := l.batch
	l.batch = batch{}
	seg := l.segments[len(l.segments)-1]
	l.room.Broadcast()
	l.mu.Unlock()

	ok := l.write(seg, &b)
	for _, r := range b.receipts {
		r.To.Stored(r.Token, ok)
	}
	if ok {
		l.tidy()
	}
	l.reuse(b)
}

// reuse keeps the batch's memory for the next one.
func (l *Log) reuse(b batch) {
	if cap(b.buf) > 1<<20 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.batch.buf == nil && l.batch.receipts == nil {
		clear(b.puts)
		clear(b.receipts)
		l.batch = batch{b.buf[:0], b.puts[:0], b.receipts[:0]}
	}
}

func (l *Log) write(seg *segment, b *batch) bool {
	start := time.Now()
	_, err := seg.file.WriteAt(b.buf, seg.size)
	if err == nil && len(b.receipts) > 0 {
		err = seg.file.Sync()
	}
	if err != nil {
		l.fail(err)
		return false
	}
	if d := time.Since(start); d > time.Second {
		l.logger.Warn("the message log is slow", "dir", l.dir, "took", d)
	}
	l.settle(seg, b)
	return true
}

// settle gives the written items their place.
func (l *Log) settle(seg *segment, b *batch) {
	var ready []func()
	l.mu.Lock()
	for _, p := range b.puts {
		it := p.item
		if len(it.homes) == 0 {
			continue
		}
		if it.seg != nil {
			delete(it.seg.items, it)
		}
		it.seg, it.off = seg, seg.size+int64(p.at)
		seg.items[it] = struct{}{}
		if it.written != nil {
			ready = append(ready, it.written)
			it.written = nil
		}
	}
	seg.size += int64(len(b.buf))
	l.total += int64(len(b.buf))
	l.mu.Unlock()
	for _, f := range ready {
		f()
	}
}

func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.logger.Error("the message log cannot be written: messages are no longer confirmed", "dir", l.dir, "err", err)
	}
	l.err = err
}

func (l *Log) segmentPath(n int) string { return filepath.Join(l.dir, fmt.Sprintf("%08d.log", n)) }

// MoveTo makes another Item stand for this one, before the log runs.
func (it *Item) MoveTo(to *Item) {
	*to = *it
	delete(it.seg.items, it)
	it.seg.items[to] = struct{}{}
}
