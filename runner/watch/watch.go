// Package watch tells which files changed. One Watcher sees all the trees of a project: it never registers folders that are
// ignored, brings what belongs together into one Batch, and tells only what is really other than before. It knows nothing of
// services.
package watch

import (
	"context"
	"sync"
	"time"
)

// Tree is a folder, or a single file, whose changes are asked for.
type Tree struct {
	Name      string   // the caller's own key: a change carries the names of the trees that it belongs to
	Root      string   // absolute; it need not exist yet, and may go and come back (but is not followed when a folder above it is renamed)
	Ignore    []Rules  // what is left out: a path that one of them ignores, and all below it
	Include   []string // where not empty, only paths that match one of these are told of; patterns as in Rules, relative to Root
	GitIgnore bool     // leave out what git leaves out: .gitignore files from the repository's top down, and info/exclude
}

// Rules are patterns in the language of .dockerignore, the last that matches decides: `*` and `?` within a name, `**` for any
// folders, a leading `!` takes back what an earlier one ignores.
type Rules struct {
	Dir      string   // absolute: what the patterns are relative to; nothing outside of it is matched
	Patterns []string //
	File     string   // more patterns are read from this file, and again whenever it changes; it need not exist
}

// Options of a Watcher. The zero value is meant for people.
type Options struct {
	Quiet time.Duration // how long nothing more must happen before a batch is told; 0: 7 ms after a single file, 40 ms after several
	Most  time.Duration // how long a batch is held back at most, whatever goes on; 0: 250 ms
	Poll  time.Duration // look at everything this often instead of following events; 0: follow events, and look once a second only where none come (network and shared folders)
	Warn  func(error)   // told, as *Error, of what keeps changes from being seen at once; may be nil
}

// The defaults of Options.
const (
	quietOne    = 7 * time.Millisecond
	quietMany   = 40 * time.Millisecond
	defaultMost = 250 * time.Millisecond
	defaultPoll = time.Second
)

// Watcher watches the trees of one project.
type Watcher struct {
	options Options
	events  source

	mu    sync.Mutex // guards state
	state *state

	raw    inbox         // what came in and was not looked at yet
	wake   chan struct{} // something may be in raw, or changes wait to be told
	unread chan struct{} // there may be files whose content was not read yet
}

// New looks at all trees and begins to watch: what changes after it returned is told by Run. An *Error says what to do where
// a tree's patterns are wrong.
func New(trees []Tree, o Options) (*Watcher, error) {
	w := &Watcher{options: o, wake: make(chan struct{}, 1), unread: make(chan struct{}, 1)}
	if w.options.Most <= 0 {
		w.options.Most = defaultMost
	}
	w.events = w.open()
	w.state = newState(w.events, w.warn)
	if err := w.state.plan(trees); err != nil {
		w.events.close()
		return nil, err
	}
	return w, nil
}

// Close gives back what New took, for a Watcher whose Run was never called.
func (w *Watcher) Close() { w.events.close() }

// Run emits the changes until ctx ends, and returns its error; then the Watcher is closed. emit is called from one goroutine;
// while it runs, what happens next is collected for the next batch.
func (w *Watcher) Run(ctx context.Context, emit func(Batch)) error {
	ctx, cancel := context.WithCancel(ctx)
	var owned sync.WaitGroup
	owned.Go(func() { w.raw.fill(ctx, w.events, w.wake) })
	owned.Go(func() { w.hashAll(ctx) })
	defer owned.Wait()
	defer w.events.close()
	defer cancel()
	w.poke()
	return window{quiet: w.options.Quiet, most: w.options.Most}.gather(ctx, w.wake, loop{w, emit})
}

// Set goes on with other trees. What changed in those that stay is told by Run; what is in new ones is not told as created.
func (w *Watcher) Set(trees []Tree) error {
	defer w.poke()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.take(w.raw.take())
	w.state.look()
	return w.state.plan(trees)
}

// Snapshot is what is in a tree now, whether the system has told of it yet or not. It is the caller's own.
func (w *Watcher) Snapshot(tree string) Snapshot {
	defer w.poke() // what is found on the way is told by Run as well
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.take(w.raw.take())
	w.state.look()
	w.state.lookAt(tree)
	return w.state.snapshot(tree)
}

// Known is what is known of some paths of a tree, without a look at them; those that nothing is known of are left out.
func (w *Watcher) Known(tree string, paths []string) Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.known(tree, paths)
}

// Since tells what is other in a tree than it was in a snapshot, of this Watcher or of an earlier one.
func (w *Watcher) Since(tree string, then Snapshot) []Change {
	changes := Diff(then, w.Snapshot(tree))
	for i := range changes {
		changes[i].Trees = []string{tree}
	}
	return changes
}

func (w *Watcher) warn(err *Error) {
	if w.options.Warn != nil {
		w.options.Warn(err)
	}
}

// poke makes the loops look.
func (w *Watcher) poke() {
	for _, loop := range []chan struct{}{w.wake, w.unread} {
		select {
		case loop <- struct{}{}:
		default:
		}
	}
}
