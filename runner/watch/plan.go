package watch

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// plan sets what is watched. What is there and was not watched before is not told as created. Where rules cannot be read
// nothing changes.
func (s *state) plan(trees []Tree) error { return s.set(trees, false) }

// replan reads all rules again. Where they cannot be read those of before hold on, and the user is told.
func (s *state) replan() bool {
	trees := make([]Tree, 0, len(s.trees))
	for _, t := range s.trees {
		trees = append(trees, t.Tree)
	}
	err := s.set(trees, true)
	var told *Error
	if errors.As(err, &told) {
		s.warn(told)
	}
	return err == nil
}

// set looks at all trees anew. What is new in a tree that was there before is told as created if the rules of before admitted
// it; with admitted, in any case: rules that change together with files must hide none.
func (s *state) set(trees []Tree, admitted bool) error {
	prepared := make([]*tree, 0, len(trees))
	for _, t := range trees {
		p, err := prepare(t)
		if err != nil {
			return err
		}
		prepared = append(prepared, p)
	}
	s.pending = append(s.pending, s.changes()...)
	before := *s
	had := before.snapshots()
	s.trees, s.starts, s.control, s.locks = prepared, map[string][]*tree{}, map[string]bool{}, map[string]bool{}
	s.nodes, s.prior = map[string]*node{}, before.nodes
	s.watched, s.plain, s.polled, s.kept = map[string]bool{}, map[string]bool{}, map[string]bool{}, before.watched
	s.unhashed, s.full, s.refused = nil, false, 0
	for _, t := range prepared {
		s.starts[t.real] = append(s.starts[t.real], t)
		s.controlsOf(t)
	}
	for _, root := range slices.Sorted(maps.Keys(s.starts)) {
		s.visit(root, visit{deep: true, first: true})
	}
	s.watchPlain()
	for dir := range s.kept {
		s.events.remove(dir)
	}
	s.prior, s.kept = nil, nil
	clear(s.found)
	has := s.snapshots()
	for name, then := range had {
		for _, c := range Diff(then, has[name]) {
			if s.names(name) && (admitted || before.admitted(name, c)) && reallySo(c) {
				c.Trees = []string{name}
				s.pending = append(s.pending, c)
			}
		}
	}
	s.tellLimit()
	return nil
}

// admitted tells whether a tree of this name would have heard of what was created.
func (s *state) admitted(name string, c Change) bool {
	if c.Op != Created {
		return true
	}
	for _, t := range s.trees {
		if rel, ok := relative(t.Root, c.Path); ok && t.Name == name {
			told, _ := s.admit(filepath.Join(t.real, filepath.FromSlash(rel)), c.Dir)
			if slices.ContainsFunc(told, func(t *tree) bool { return t.Name == name }) {
				return true
			}
		}
	}
	return false
}

// reallySo tells what is gone from what is only ignored from now on.
func reallySo(c Change) bool {
	if c.Op != Deleted {
		return true
	}
	_, err := os.Lstat(c.Path)
	return err != nil
}

// names tells whether there is a tree of this name.
func (s *state) names(name string) bool {
	return slices.ContainsFunc(s.trees, func(t *tree) bool { return t.Name == name })
}

// controlsOf notes the paths that say what is in a tree.
func (s *state) controlsOf(t *tree) {
	for _, r := range t.Ignore {
		if r.File != "" {
			s.control[realPath(r.File)] = true
		}
	}
	if info, err := os.Lstat(t.Root); err == nil && info.Mode()&os.ModeSymlink != 0 {
		s.control[filepath.Join(realPath(filepath.Dir(t.Root)), filepath.Base(t.Root))] = true
	}
	top, ok := gitTop(t.real)
	if !ok {
		return
	}
	s.locks[filepath.Join(gitDir(top), "index.lock")] = true
	if !t.GitIgnore {
		return
	}
	s.control[filepath.Join(top, ".git", "info", "exclude")] = true
	for at := t.real; at != top; {
		at = filepath.Dir(at)
		s.control[filepath.Join(at, ".gitignore")] = true
	}
}

// watch has the events of a folder come, or notes that it must be polled.
func (s *state) watch(dir string) {
	if s.watched[dir] {
		return
	}
	if s.kept[dir] {
		delete(s.kept, dir)
		s.watched[dir] = true
		return
	}
	if t := s.silent(dir); t != nil {
		s.polled[t.real] = true
		return
	}
	err := errFull
	if !s.full {
		err = s.events.add(dir)
	}
	switch {
	case err == nil:
		s.watched[dir] = true
		delete(s.polled, dir)
	case errors.Is(err, errFull):
		s.full = true
		s.refused++
		if !s.polledAbove(dir) {
			s.polled[dir] = true
		}
	}
}

// silent is a tree around a folder that no events come from, where all around it are such.
func (s *state) silent(dir string) *tree {
	n := s.nodes[dir]
	if n == nil {
		return nil
	}
	for _, c := range n.covers {
		if s.events.notify == nil || c.tree.remote {
			return c.tree
		}
	}
	return nil
}

// polledAbove tells whether a folder is looked at because one above it is.
func (s *state) polledAbove(dir string) bool {
	for at := filepath.Dir(dir); at != filepath.Dir(at); at = filepath.Dir(at) {
		if s.polled[at] {
			return true
		}
	}
	return false
}

func (s *state) unwatch(dir string) {
	if s.watched[dir] {
		s.events.remove(dir)
		delete(s.watched, dir)
		delete(s.plain, dir)
	}
}

// unwatchBelow ends the watches of a folder and all folders in it.
func (s *state) unwatchBelow(dir string) {
	s.unwatch(dir)
	for path := range s.nodes[dir].children {
		if s.nodes[path].entry.Kind == Folder {
			s.unwatchBelow(path)
		}
	}
}

// watchPlain watches the folders that no tree reaches into, for what in them is of interest: the ignore files, the roots that
// are files, and the way to the roots that are not there.
func (s *state) watchPlain() {
	wanted := map[string]bool{}
	for path := range s.control {
		wanted[existing(filepath.Dir(path))] = true
	}
	for root, trees := range s.starts {
		n := s.nodes[root]
		switch {
		case n != nil && n.entry.Kind == Folder:
		case s.events.notify == nil || trees[0].remote:
			s.polled[root] = true
		default:
			wanted[existing(filepath.Dir(root))] = true
		}
	}
	for dir := range s.plain {
		if n := s.nodes[dir]; n != nil && len(n.covers) > 0 {
			delete(s.plain, dir)
		} else if !wanted[dir] {
			s.unwatch(dir)
		}
	}
	for dir := range wanted {
		if !s.watched[dir] && s.events.notify != nil {
			s.watch(dir)
			s.plain[dir] = s.watched[dir]
		}
	}
}

// existing is the nearest folder upwards from a path that is there.
func existing(path string) string {
	for {
		if info, err := os.Stat(path); err == nil && info.IsDir() || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}

// tellLimit says once that the system watches too few folders.
func (s *state) tellLimit() {
	if s.refused > 0 && !s.warned {
		s.warned = true
		s.warn(limitReached(len(s.watched), s.refused))
	}
}

// snapshots are what is in each tree, by the trees' names.
func (s *state) snapshots() map[string]Snapshot {
	all := map[string]Snapshot{}
	for _, t := range s.trees {
		all[t.Name] = Snapshot{}
	}
	for path, n := range s.nodes {
		for _, t := range n.told {
			all[t.Name][t.spell(path)] = n.entry
		}
	}
	return all
}

// snapshot is what is in the trees of one name.
func (s *state) snapshot(name string) Snapshot {
	all := Snapshot{}
	for path, n := range s.nodes {
		for _, t := range n.told {
			if t.Name == name {
				all[t.spell(path)] = n.entry
			}
		}
	}
	return all
}

// known is what is in the trees of one name at some paths.
func (s *state) known(name string, paths []string) Snapshot {
	some := Snapshot{}
	for _, t := range s.trees {
		if t.Name != name {
			continue
		}
		for _, path := range paths {
			if _, inside := relative(t.Root, path); !inside && path != t.Root {
				continue
			}
			if n := s.nodes[filepath.Join(t.real, strings.TrimPrefix(path, t.Root))]; n != nil && slices.Contains(n.told, t) {
				some[path] = n.entry
			}
		}
	}
	return some
}

// tell hands out the changes that were found, each path once.
func (s *state) tell() []Change {
	type key struct{ path, trees string }
	last := map[key]Change{}
	for _, c := range append(s.pending, s.changes()...) {
		last[key{c.Path, strings.Join(c.Trees, "\x00")}] = c
	}
	s.pending = nil
	changes := slices.Collect(maps.Values(last))
	sortChanges(changes)
	return changes
}

// changes tells how what was found is other than it was.
func (s *state) changes() []Change {
	var changes []Change
	for path, was := range s.found {
		now := s.nodes[path]
		if now == nil {
			now = &node{}
		}
		c := Change{Op: Modified, Dir: now.entry.Kind == Folder}
		told := now.told
		switch {
		case was.entry.Kind == "":
			c.Op = Created
		case now.entry.Kind == "":
			c.Op, c.Dir, told = Deleted, was.entry.Kind == Folder, was.told
		case now.entry.same(was.entry), len(s.starts[path]) > 0 && c.Dir && was.entry.Kind == Folder:
			continue // a root's own permissions are nobody's change
		}
		for spelled, names := range spellings(path, told) {
			c.Path, c.Trees = spelled, names
			changes = append(changes, c)
		}
	}
	clear(s.found)
	return changes
}

// spellings are the names that trees know a path by, with the names of those trees.
func spellings(path string, told []*tree) map[string][]string {
	by := map[string][]string{}
	for _, t := range told {
		spelled := t.spell(path)
		if !slices.Contains(by[spelled], t.Name) {
			by[spelled] = append(by[spelled], t.Name)
		}
	}
	for _, names := range by {
		slices.Sort(names)
	}
	return by
}
