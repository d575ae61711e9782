package watch

import (
	"context"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// inbox holds what came in since it was last taken. It takes each path once, so that it stays small in a storm.
type inbox struct {
	mu sync.Mutex
	mail
}

// mail is what was in the inbox.
type mail struct {
	ops  map[string]fsnotify.Op // by path
	lost bool                   // the system dropped events
	at   time.Time              // when the first of it came
}

// fill takes events in until ctx or the source ends, and wakes the loop.
func (b *inbox) fill(ctx context.Context, from source, wake chan<- struct{}) {
	if from.notify == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-from.notify.Events:
			if !ok {
				return
			}
			b.put(e.Name, e.Op)
		case _, ok := <-from.notify.Errors: // whatever it is, events may be missing
			if !ok {
				return
			}
			b.put("", 0)
		}
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// put takes one event in; without a path it tells that events were lost.
func (b *inbox) put(path string, op fsnotify.Op) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at.IsZero() {
		b.at = time.Now()
	}
	if path == "" {
		b.lost = true
		return
	}
	if b.ops == nil {
		b.ops = map[string]fsnotify.Op{}
	}
	b.ops[path] |= op
}

func (b *inbox) take() mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.mail
	b.mail = mail{}
	return m
}
