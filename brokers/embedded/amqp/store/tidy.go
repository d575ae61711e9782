package store

import (
	"encoding/binary"
	"os"
)

// tidy starts a new segment when the last is full, deletes segments in which nothing lives, and moves the living
// items out of the oldest when the files are mostly dead.
func (l *Log) tidy() {
	l.mu.Lock()
	current := l.segments[len(l.segments)-1]
	full := current.size >= segmentSize
	l.mu.Unlock()
	if full {
		if err := l.roll(); err != nil {
			l.fail(err)
			return
		}
	}
	l.deleteDead()
	l.mu.Lock()
	wasteful := len(l.segments) > 1 && l.total > 4*l.live+slack
	var oldest []*Item
	if wasteful {
		for it := range l.segments[0].items {
			oldest = append(oldest, it)
		}
	}
	l.mu.Unlock()
	for _, it := range oldest {
		l.move(it)
	}
}

// roll opens the next segment and writes every mark to it, because the segments that hold them may go.
func (l *Log) roll() error {
	seg, err := l.create()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, seg)
	for home := range l.marks {
		l.moved[home] = true
	}
	l.signal()
	return nil
}

func (l *Log) create() (*segment, error) {
	l.nextSeg++
	path := l.segmentPath(l.nextSeg)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &segment{path: path, file: f, items: map[*Item]struct{}{}}, syncDir(l.dir)
}

// deleteDead deletes the oldest segments while nothing in them lives. Only from the oldest on: a drop record may
// concern any segment before its own.
func (l *Log) deleteDead() {
	l.mu.Lock()
	var dead []*segment
	for len(l.segments) > 1 && len(l.segments[0].items) == 0 {
		dead = append(dead, l.segments[0])
		l.total -= l.segments[0].size
		l.segments = l.segments[1:]
	}
	l.mu.Unlock()
	for _, s := range dead {
		_ = s.file.Close()
		if err := os.Remove(s.path); err != nil {
			l.logger.Warn("a dead segment of the message log stays", "path", s.path, "err", err)
		}
	}
}

// move appends an item again, so that its old segment can go.
func (l *Log) move(it *Item) {
	payload, err := l.Read(it)
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.seg == nil {
		return // dropped meanwhile
	}
	if err != nil {
		l.logger.Error("a message in the log cannot be read", "segment", it.seg.path, "err", err)
		return
	}
	l.append(it, payload)
	l.signal()
}

// syncDir makes a folder's new names durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func appendUvarints(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}
