package store

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Recovered is one message that a log still held.
type Recovered struct {
	Item    *Item
	Homes   []Home
	Payload []byte
}

// Home says what the log knows of one message in one home.
type Home struct {
	ID        uint64
	Delivered bool
	Returns   int
}

// found is a message while the log is read.
type found struct {
	item    *Item
	returns map[uint64]int
}

// Open opens the log in a folder, creating it, and calls recovered for each message in it, oldest first; alive tells
// which homes still exist. Run must be called next, whatever Open's caller does with the log.
func Open(dir string, logger *slog.Logger, alive func(home uint64) bool, recovered func(Recovered)) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := &Log{dir: dir, logger: logger, wake: make(chan struct{}, 1), marks: map[uint64]uint64{}, moved: map[uint64]bool{}}
	l.room = sync.NewCond(&l.mu)
	r := loader{l, map[uint64]*found{}}
	err := r.load()
	if err != nil {
		return nil, err
	}
	seg, err := l.create()
	if err != nil {
		return nil, err
	}
	l.segments = append(l.segments, seg)
	r.hand(alive, recovered)
	l.deleteDead()
	return l, nil
}

// loader reads a log back.
type loader struct {
	*Log
	items map[uint64]*found
}

// load reads every segment.
func (l loader) load() error {
	paths, err := filepath.Glob(filepath.Join(l.dir, "*.log"))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	for _, path := range paths {
		n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".log"))
		if err != nil {
			continue // not ours
		}
		l.nextSeg = max(l.nextSeg, n)
		if err := l.loadSegment(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (l loader) loadSegment(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	seg := &segment{path: path, file: f, items: map[*Item]struct{}{}}
	rest := b
	for len(rest) > 0 {
		payload, next, err := nextRecord(rest)
		if err != nil {
			l.logger.Info("the message log ends in a torn record", "path", path, "at", seg.size, "lost", len(rest))
			break
		}
		l.replay(seg, payload)
		seg.size += int64(len(rest) - len(next))
		rest = next
	}
	l.segments = append(l.segments, seg)
	l.total += seg.size
	return nil
}

// replay applies one record. A record that cannot be understood is left out: its checksum held, so it is of a later
// version.
func (l loader) replay(seg *segment, payload []byte) {
	n := numbers{b: payload[1:]}
	switch payload[0] {
	case recPut:
		l.replayPut(seg, payload, &n)
	case recDrop:
		home, id := n.next(), n.next()
		if f := l.items[id]; f != nil && !n.bad {
			f.item.homes = slices.DeleteFunc(f.item.homes, func(h uint64) bool { return h == home })
			if len(f.item.homes) == 0 {
				delete(l.items, id)
			}
		}
	case recMark:
		home, id := n.next(), n.next()
		if !n.bad {
			l.marks[home] = max(l.marks[home], id)
		}
	case recReturns:
		home, id := n.next(), n.next()
		if f := l.items[id]; f != nil {
			f.returns[home] = int(n.next())
		}
	}
}

func (l loader) replayPut(seg *segment, payload []byte, n *numbers) {
	id, count := n.next(), n.next()
	if n.bad || count > uint64(len(n.b)) {
		return
	}
	homes := make([]uint64, count)
	for i := range homes {
		homes[i] = n.next()
	}
	if n.bad || len(n.b) == 0 {
		return
	}
	l.nextID = max(l.nextID, id)
	if n.b[0]&flagVolatile != 0 {
		return
	}
	f := l.items[id]
	if f == nil {
		f = &found{item: &Item{}, returns: map[uint64]int{}}
		l.items[id] = f
	}
	size := len(n.b) - 1
	*f.item = Item{id: id, homes: homes, seg: seg, off: seg.size + int64(frameSize+len(payload)-size), n: size}
}

// hand gives the recovered messages to the broker, in order, and drops what no home wants.
func (l loader) hand(alive func(uint64) bool, recovered func(Recovered)) {
	ordered := make([]*found, 0, len(l.items))
	for _, f := range l.items {
		f.item.homes = slices.DeleteFunc(f.item.homes, func(h uint64) bool { return !alive(h) })
		if len(f.item.homes) > 0 {
			ordered = append(ordered, f)
		}
	}
	slices.SortFunc(ordered, func(a, b *found) int { return cmp.Compare(a.item.id, b.item.id) })
	for _, f := range ordered {
		it := f.item
		b := make([]byte, it.n)
		if _, err := it.seg.file.ReadAt(b, it.off); err != nil {
			l.logger.Error("a message in the log cannot be read", "path", it.seg.path, "err", err)
			continue
		}
		it.seg.items[it] = struct{}{}
		l.live += int64(it.n)
		r := Recovered{Item: it, Payload: b}
		for _, h := range it.homes {
			r.Homes = append(r.Homes, Home{ID: h, Delivered: it.id <= l.marks[h], Returns: f.returns[h]})
		}
		recovered(r)
	}
	for home := range l.marks {
		if !alive(home) {
			delete(l.marks, home)
		} else {
			l.moved[home] = true
		}
	}
}
