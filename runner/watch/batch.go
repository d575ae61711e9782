package watch

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Batch is what changed since the batch before.
type Batch struct {
	First   time.Time // when the first of its events was seen
	Changes []Change  // by path, then by trees; a folder before what is in it
}

// Change is one path that is other than before.
type Change struct {
	Path  string   `json:"path"` // absolute, as it begins with the Root of its trees
	Op    Op       `json:"op"`
	Dir   bool     `json:"dir,omitempty"`   // it is a folder, or was one; what is in a new or deleted folder is told as well, each path as a change
	Trees []string `json:"trees,omitempty"` // names of the trees that it belongs to, sorted; shared between changes: not to be written to
}

// Op is how a path is other than before.
type Op string

// The kinds of changes. A file that took the place of a folder, or a folder that of a file, is Modified.
const (
	Created  Op = "created"
	Modified Op = "modified" // its content, its permissions, where it links to, or what it is
	Deleted  Op = "deleted"
)

// In returns the changes of one tree.
func (b Batch) In(tree string) []Change {
	var in []Change
	for _, c := range b.Changes {
		if slices.Contains(c.Trees, tree) {
			in = append(in, c)
		}
	}
	return in
}

func sortChanges(changes []Change) {
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), slices.Compare(a.Trees, b.Trees))
	})
}

// Error is something that a user can do something about: a sentence, and the way out on a line of its own.
type Error struct {
	Msg  string
	Hint string
	Err  error // what lies under it
}

// Error is the sentence and, under it, the way out.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + "\n" + e.Hint
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
