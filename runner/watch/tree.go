package watch

import (
	"fmt"
	"path/filepath"
	"strings"
)

// tree is a Tree in a form that can be asked. Inside, paths are real ones; its rules and its changes use the paths that the
// caller knows.
type tree struct {
	Tree
	real    string // Root without symbolic links
	ignore  []*rules
	include *rules
	remote  bool // no events come from its file system
}

// cover is a tree's reach into one folder.
type cover struct {
	tree     *tree
	verdicts []verdict // of each of tree.ignore on the folder
	included verdict
	git      *gitLevel
}

// prepare reads a tree's rules.
func prepare(t Tree) (*tree, error) {
	if !filepath.IsAbs(t.Root) {
		return nil, &Error{Msg: fmt.Sprintf("%s cannot be watched: it is no absolute path.", t.Root), Hint: "Name it from the root of the file system on."}
	}
	t.Root = filepath.Clean(t.Root)
	c := &tree{Tree: t, real: realPath(t.Root)}
	c.remote = remote(existing(c.real))
	for _, r := range t.Ignore {
		compiled, err := r.compile()
		if err != nil {
			return nil, err
		}
		if compiled != nil {
			c.ignore = append(c.ignore, compiled)
		}
	}
	var err error
	c.include, err = Rules{Dir: t.Root, Patterns: t.Include}.compile()
	if err == nil && c.include == nil && len(t.Include) > 0 {
		err = &Error{Msg: fmt.Sprintf("none of the patterns %s can match anything in %s.", strings.Join(t.Include, ", "), t.Root),
			Hint: "They are relative to that folder."}
	}
	return c, err
}

// realPath is a path without symbolic links, as far as it exists.
func realPath(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(realPath(dir), filepath.Base(path))
}

// spell is a real path as the caller knows it.
func (t *tree) spell(path string) string {
	if t.real == t.Root {
		return path
	}
	return filepath.Join(t.Root, strings.TrimPrefix(path, t.real))
}

// start is the tree's reach into its root, and whether it hears of the root itself.
func (t *tree) start(folder bool) (c cover, hears, reaches bool) {
	c = cover{tree: t}
	if t.GitIgnore && folder {
		c.git = gitAbove(t.real).down(t.real)
	}
	hears, reaches = c.judge(cover{verdicts: make([]verdict, len(t.ignore))}, t.Root, folder)
	return c, hears, reaches && folder
}

// down is the tree's reach into a folder below, and whether it hears of a path.
func (c cover) down(path string, folder bool) (next cover, hears, reaches bool) {
	if c.git.ignores(path, folder) {
		return next, false, false
	}
	next = cover{tree: c.tree}
	hears, reaches = next.judge(c, c.tree.spell(path), folder)
	if reaches = reaches && folder; reaches && c.tree.GitIgnore {
		next.git = c.git.down(path)
	}
	return next, hears && (c.tree.include == nil || next.included.matched), reaches
}

// judge asks all rules about a path, given what they said of the folder above.
func (c *cover) judge(above cover, path string, folder bool) (hears, reaches bool) {
	hears, reaches = true, true
	c.verdicts = make([]verdict, len(c.tree.ignore))
	for i, r := range c.tree.ignore {
		c.verdicts[i] = r.of(path, above.verdicts[i])
		if c.verdicts[i].matched {
			hears = false
			reaches = reaches && folder && r.reaches(path)
		}
		if !reaches {
			return false, false
		}
	}
	if c.tree.include != nil {
		c.included = c.tree.include.of(path, above.included)
	}
	return hears, reaches
}
