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
	var out []branch
	told := map[string]bool{}
	var tell func(name, cond, lead, below string, path []string)
	tell = func(name, cond, lead, below string, path []string) {
		var needs []edge
		for _, n := range names {
			for _, e := range edges {
				if e.to == name && e.from == n {
					needs = append(needs, e)
				}
			}
		}
		again := told[name] && len(needs) > 0 || slices.Contains(path, name)
		out = append(out, branch{name, lead, cond, again})
		if again {
			return
		}
		told[name] = true
		for i, e := range needs {
			corner, on := sg.lines[lineUp|lineDown|lineRight], sg.lines[lineUp|lineDown]
			if i == len(needs)-1 {
				corner, on = sg.lines[lineUp|lineRight], " "
			}
			tell(e.from, e.condition, below+corner+sg.rule+" ", below+on+"  ", append(slices.Clip(path), name))
		}
	}
	for _, n := range slices.Backward(names) {
		if !slices.ContainsFunc(edges, func(e edge) bool { return e.from == n }) {
			tell(n, "", "", "", nil)
		}
	}
	for _, n := range names { // only a cycle leaves some out
		if !told[n] && !slices.ContainsFunc(out, func(b branch) bool { return b.name == n }) {
			tell(n, "", "", "", nil)
		}
	}
	return out
}
