package watch

import (
	"context"
	"os"
	"time"
)

// loop is a Watcher that tells batches to emit.
type loop struct {
	*Watcher
	emit func(Batch)
}

// tell looks wherever something may have changed, and tells what did.
func (l loop) tell(first time.Time) {
	if changes := l.batch(); len(changes) > 0 {
		l.emit(Batch{First: first, Changes: changes})
	}
}

// sort looks at what came in.
func (w *Watcher) sort() arrivals {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.raw.take()
	news := w.state.take(m)
	if m.at.IsZero() { // somebody else took it
		m.at = time.Now()
	}
	waiting := len(w.state.found) + len(w.state.pending)
	return arrivals{news: news || waiting > 0, paths: len(w.state.dirty) + waiting, emptied: w.state.emptied(), at: m.at}
}

// batch looks wherever something may have changed, and returns what did.
func (w *Watcher) batch() []Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.look()
	return w.state.tell()
}

// How long a batch waits for git at most. Few paths may be an edit while a commit's hooks run, or the first files of a checkout.
const (
	gitPatience = 10 * time.Second // that is also how old a lock may be to be believed
	fewPatience = 500 * time.Millisecond
	fewPaths    = 10
)

// held tells whether git is at work on a tree: a branch that is switched is one batch.
func (w *Watcher) held(first time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	patience := gitPatience
	if len(w.state.dirty) < fewPaths {
		patience = fewPatience
	}
	if time.Since(first) > patience {
		return false
	}
	for lock := range w.state.locks {
		if info, err := os.Stat(lock); err == nil && time.Since(info.ModTime()) < gitPatience {
			return true
		}
	}
	return false
}

// look looks at what no events come from.
func (w *Watcher) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.poll()
}

// pause is how long until the next look at what no events come from; 0: there is no such thing.
func (w *Watcher) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.state.polled) == 0:
		return 0
	case w.options.Poll > 0:
		return w.options.Poll
	}
	return defaultPoll
}

// hashAll reads the contents of the files that a plan found, so that a touch can be told from a change. Until a file was read,
// it is told as changed where its time is.
func (w *Watcher) hashAll(ctx context.Context) {
	for ctx.Err() == nil {
		path, was, ok := w.nextUnhashed()
		if !ok {
			select {
			case <-ctx.Done():
			case <-w.unread:
			}
			continue
		}
		sum := hash(path, was.Size)
		info, err := os.Stat(path)
		if err != nil || info.Size() != was.Size || info.ModTime().UnixNano() != was.Time || inode(info) != was.inode {
			continue // it may not be what the plan found any more
		}
		w.mu.Lock()
		if n := w.state.nodes[path]; n != nil && n.entry == was {
			n.entry.Hash = sum
		}
		w.mu.Unlock()
	}
}

func (w *Watcher) nextUnhashed() (string, Entry, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.state; len(s.unhashed) > 0; {
		path := s.unhashed[len(s.unhashed)-1]
		s.unhashed = s.unhashed[:len(s.unhashed)-1]
		if n := s.nodes[path]; n != nil && n.entry.Kind == File && n.entry.Hash == 0 {
			return path, n.entry, true
		}
	}
	return "", Entry{}, false
}
