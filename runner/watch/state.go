package watch

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// state is what is known of all trees. Events only say where to look; what changed is told by comparing what is there with
// what was, so that neither a lost event nor one too many makes a wrong change.
type state struct {
	events source
	warn   func(*Error)

	trees   []*tree
	starts  map[string][]*tree // by their real roots
	control map[string]bool    // paths that say what is watched: ignore files, links that lead to roots

	locks map[string]bool // that git holds while it works on what is watched

	nodes   map[string]*node
	prior   map[string]*node // while planning: those of before
	watched map[string]bool  // folders whose events come
	plain   map[string]bool  // of these, those that are watched only for a root or a control file in them
	polled  map[string]bool  // folders that no events come from: they, and all below, are looked at again and again
	kept    map[string]bool  // while planning: folders whose events came before
	full    bool             // the system watches no more folders, as of the look that is under way
	refused int              // how many folders it refused since the last plan
	warned  bool             // the user knows

	dirty    map[string]fsnotify.Op // where to look
	overflow bool                   // events were lost: look everywhere
	anew     bool                   // a control file changed: plan anew
	found    map[string]node        // what a path was before it changed, for changes that are not told yet
	pending  []Change               // changes that were found by a plan, and are not told yet
	unhashed []string               // files whose content was not read yet
}

// node is one path that is there.
type node struct {
	entry    Entry
	told     []*tree         // the trees that hear of it
	covers   []cover         // of a folder: the trees that reach into it
	children map[string]bool // of a folder: the paths in it
}

func newState(events source, warn func(*Error)) *state {
	return &state{events: events, warn: warn, starts: map[string][]*tree{}, control: map[string]bool{}, locks: map[string]bool{}, nodes: map[string]*node{},
		watched: map[string]bool{}, plain: map[string]bool{}, polled: map[string]bool{}, dirty: map[string]fsnotify.Op{}, found: map[string]node{}}
}

// admit tells who hears of a path, and which trees reach into it if it is a folder.
func (s *state) admit(path string, folder bool) (told []*tree, covers []cover) {
	if parent := s.nodes[filepath.Dir(path)]; parent != nil {
		for _, c := range parent.covers {
			if c.tree.real == path {
				continue // it starts anew below
			}
			below, hears, reaches := c.down(path, folder)
			if hears {
				told = append(told, c.tree)
			}
			if reaches {
				covers = append(covers, below)
			}
		}
	}
	for _, t := range s.starts[path] {
		below, hears, reaches := t.start(folder)
		if hears {
			told = append(told, t)
		}
		if reaches {
			covers = append(covers, below)
		}
	}
	return told, covers
}

// take sorts what came in, and tells whether any of it is of interest.
func (s *state) take(m mail) bool {
	news := m.lost
	s.overflow = s.overflow || m.lost
	for path, op := range m.ops {
		if s.concerns(path) {
			s.dirty[path] |= op
			news = true
		}
		if s.control[path] || filepath.Base(path) == ".gitignore" && s.readsGit(filepath.Dir(path)) {
			s.anew, news = true, true
		}
		for root := range s.starts {
			if s.nodes[root] != nil {
				continue
			}
			if _, inside := relative(path, root); inside { // the way to a root that is not there
				s.dirty[root] |= fsnotify.Create
				news = true
			}
		}
	}
	return news
}

// concerns tells whether anyone hears of a path.
func (s *state) concerns(path string) bool {
	if s.nodes[path] != nil || s.starts[path] != nil {
		return true
	}
	for _, folder := range []bool{false, true} { // it may be either; git's patterns tell them apart
		if told, covers := s.admit(path, folder); len(told)+len(covers) > 0 {
			return true
		}
	}
	return false
}

func (s *state) readsGit(dir string) bool {
	n := s.nodes[dir]
	return n != nil && slices.ContainsFunc(n.covers, func(c cover) bool { return c.tree.GitIgnore })
}

// look looks wherever something may have changed, and notes what did.
func (s *state) look() {
	s.full = false
	if s.overflow {
		for dir := range maps.Clone(s.watched) {
			s.unwatch(dir)
		}
		for root := range s.starts {
			s.dirty[root] |= fsnotify.Create
		}
		s.overflow = false
	}
	paths := slices.Sorted(maps.Keys(s.dirty))
	const moved = fsnotify.Create | fsnotify.Remove | fsnotify.Rename
	for _, path := range paths { // a moved folder takes its watch along: it goes before the new place gets one
		if n := s.nodes[path]; n != nil && n.entry.Kind == Folder && s.dirty[path]&moved != 0 {
			s.unwatchBelow(path)
		}
	}
	if s.anew { // a plan looks at everything
		s.anew = false
		if s.replan() {
			clear(s.dirty)
			return
		}
	}
	deep := ""
	for _, path := range paths {
		if _, seen := relative(deep, path); deep != "" && seen {
			continue
		}
		whole := s.dirty[path]&moved != 0
		if whole {
			deep = path
		}
		s.visit(path, visit{deep: whole, read: true})
	}
	clear(s.dirty)
	if len(paths) > 0 {
		s.watchPlain()
		s.tellLimit()
	}
}

// poll looks at all folders that no events come from.
func (s *state) poll() {
	s.full = false
	for _, dir := range slices.Sorted(maps.Keys(s.polled)) {
		s.visit(dir, visit{deep: true})
	}
	s.watchPlain()
}

// emptied tells whether what may have changed is one file that has lost its content: most programs that save a file empty it first.
func (s *state) emptied() bool {
	for path := range s.dirty {
		info, err := os.Lstat(path)
		if len(s.dirty) > 1 || err != nil || !info.Mode().IsRegular() || info.Size() > 0 {
			return false
		}
		n := s.nodes[path]
		return n == nil || n.entry.Size > 0
	}
	return false
}

// lookAt looks at all that is in the trees of one name: events come a little later than what they tell of.
func (s *state) lookAt(name string) {
	for _, t := range s.trees {
		if t.Name == name {
			s.visit(t.real, visit{deep: true})
		}
	}
}

// visit is how a path is looked at.
type visit struct {
	deep  bool // with all that is in it
	read  bool // an event named the path itself: read its content whatever its time says
	first bool // contents are read later
}

// visit looks at one path.
func (s *state) visit(path string, how visit) {
	info, err := s.stat(path)
	var now Entry
	if err == nil {
		now = entryOf(path, info)
	}
	told, covers := s.admit(path, now.Kind == Folder)
	if now.Kind == "" || len(told)+len(covers) == 0 {
		s.drop(path)
		return
	}
	old := s.nodes[path]
	if old != nil && old.entry.Kind == Folder && now.Kind != Folder {
		s.unwatch(path)
		s.dropChildren(path, nil)
	}
	if now.Kind == File {
		now.Hash = s.hashOf(path, old, now, how)
	}
	if old == nil || !now.same(old.entry) {
		s.note(path)
	}
	n := &node{entry: now, told: told, covers: covers}
	if now.Kind == Folder && old != nil && old.entry.Kind == Folder {
		n.children = old.children
	}
	s.nodes[path] = n
	if parent := s.nodes[filepath.Dir(path)]; parent != nil && len(parent.covers) > 0 {
		if parent.children == nil {
			parent.children = map[string]bool{}
		}
		parent.children[path] = true
	}
	if now.Kind == Folder && len(covers) > 0 && (old == nil || old.entry.Kind != Folder || how.deep) {
		how.read = false
		s.enter(path, how)
	}
}

// stat looks at a path itself; only roots are followed where they are links.
func (s *state) stat(path string) (fs.FileInfo, error) {
	if len(s.starts[path]) > 0 {
		return os.Stat(path)
	}
	return os.Lstat(path)
}

// hashOf is the sum of a file's content, as it was where the file looks the same.
func (s *state) hashOf(path string, old *node, now Entry, how visit) uint64 {
	if old == nil {
		old = s.prior[path]
	}
	switch {
	case old != nil && old.entry.Kind == File && !how.read && !old.entry.young && old.entry.Size == now.Size && old.entry.Time == now.Time && old.entry.inode == now.inode:
		return old.entry.Hash
	case how.first:
		s.unhashed = append(s.unhashed, path)
		return 0
	}
	return hash(path, now.Size)
}

// enter looks at all that is in a folder. Its events come before its names are read, so nothing is missed.
func (s *state) enter(dir string, how visit) {
	s.watch(dir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may not be read: what was known of it stays
		return
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		there[path] = true
		s.visit(path, how)
	}
	s.dropChildren(dir, there)
}

// drop forgets a path that is gone, and all that was in it.
func (s *state) drop(path string) {
	n := s.nodes[path]
	if n == nil {
		return
	}
	if n.entry.Kind == Folder {
		s.unwatch(path)
	}
	s.note(path)
	s.dropChildren(path, nil)
	delete(s.nodes, path)
	if parent := s.nodes[filepath.Dir(path)]; parent != nil {
		delete(parent.children, path)
	}
}

// dropChildren forgets what was in a folder, but for what is there.
func (s *state) dropChildren(dir string, there map[string]bool) {
	for path := range maps.Clone(s.nodes[dir].children) {
		if !there[path] {
			s.drop(path)
		}
	}
}

// note keeps what a path was before its first change since changes were told.
func (s *state) note(path string) {
	if _, noted := s.found[path]; noted {
		return
	}
	var was node
	if n := s.nodes[path]; n != nil {
		was = node{entry: n.entry, told: n.told}
	}
	s.found[path] = was
}
