package tui

import "slices"

// branch is one line of the dependencies as a tree.
type branch struct {
	name   string
	lead   string // the lines before it
	cond   string // what its parent waits for; empty at a root
	before bool   // it stands above with all that it needs
}

// treeOf lists what nobody needs, and below each what it needs. What is needed twice is told in full only once.
func treeOf(names []string, edges []edge, sg *signs) []branch {
	t := tree{names: names, edges: edges, signs: sg, told: map[string]bool{}}
	for _, n := range slices.Backward(names) {
		if !slices.ContainsFunc(edges, func(e edge) bool { return e.from == n }) {
			t.tell(branch{name: n}, "")
		}
	}
	for _, n := range names { // only a cycle leaves some out
		if !t.told[n] {
			t.tell(branch{name: n}, "")
		}
	}
	return t.branches
}

// tree is one that grows.
type tree struct {
	names    []string
	edges    []edge
	signs    *signs
	told     map[string]bool
	branches []branch
}

// tell adds a branch, and below it what it needs; lead stands before those.
func (t *tree) tell(b branch, lead string) {
	needs := t.needs(b.name)
	b.before = t.told[b.name] && len(needs) > 0
	t.branches = append(t.branches, b)
	if b.before {
		return
	}
	t.told[b.name] = true
	for i, e := range needs {
		corner, on := t.signs.lines[lineUp|lineDown|lineRight], t.signs.lines[lineUp|lineDown]
		if i == len(needs)-1 {
			corner, on = t.signs.lines[lineUp|lineRight], " "
		}
		t.tell(branch{name: e.from, cond: e.condition, lead: lead + corner + t.signs.rule + " "}, lead+on+"  ")
	}
}

// needs are the dependencies of a service, in the graph's order.
func (t *tree) needs(name string) []edge {
	var needs []edge
	for _, n := range t.names {
		for _, e := range t.edges {
			if e.to == name && e.from == n {
				needs = append(needs, e)
			}
		}
	}
	return needs
}
