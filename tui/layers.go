package tui

import (
	"cmp"
	"slices"
)

// edge of the dependency graph: from what has to be there first to what waits for it.
type edge struct {
	from, to  string
	condition string // "healthy", "started", "completed"
}

// knot is a place in a layered drawing: a service, or a bend of a line that passes a layer.
type knot struct {
	name   string // of the service; of a bend, of the service that the line comes from
	bend   bool
	layer  int
	row    int
	rows   int     // how many it takes: a service has at least one more than its name, for what it waits for
	before []*knot // in the layer to the left
	after  []*knot // in the layer to the right
}

// layers places services from left to right, each to the right of all that it needs, and in rows so that lines cross
// little and run straight where they can; each service takes so many rows. Cycles, which a compose file cannot have, are
// cut.
func layers(names []string, edges []edge, rows int) [][]*knot {
	known := map[string]*knot{}
	for _, n := range names {
		known[n] = &knot{name: n, rows: rows}
	}
	edges = slices.DeleteFunc(slices.Clone(edges), func(e edge) bool {
		return known[e.from] == nil || known[e.to] == nil || e.from == e.to
	})
	rank(names, edges, known)
	deepest := 0
	for _, k := range known {
		deepest = max(deepest, k.layer)
	}
	columns := make([][]*knot, deepest+1)
	for _, n := range names {
		k := known[n]
		columns[k.layer] = append(columns[k.layer], k)
	}
	for _, n := range names {
		connect(columns, known[n], edges, known)
	}
	order(columns)
	align(columns)
	return columns
}

// rank gives each service its layer: one more than the deepest of what it needs; and what needs nothing stands right
// before the first that needs it.
func rank(names []string, edges []edge, known map[string]*knot) {
	for range names { // settles after as many rounds as the longest chain; more would be a cycle
		changed := false
		for _, e := range edges {
			if at := known[e.from].layer + 1; known[e.to].layer < at && at < len(names) {
				known[e.to].layer = at
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	for _, n := range names {
		nearest, needs := len(names), false
		for _, e := range edges {
			if e.from == n {
				nearest = min(nearest, known[e.to].layer)
			}
			needs = needs || e.to == n
		}
		if !needs && nearest < len(names) {
			known[n].layer = max(0, nearest-1)
		}
	}
}

// connect draws the lines of one service: to what is in the next layer directly, to what is further through bends that
// the lines share.
func connect(columns [][]*knot, k *knot, edges []edge, known map[string]*knot) {
	deepest := k.layer
	for _, e := range edges {
		if e.from == k.name {
			deepest = max(deepest, known[e.to].layer)
		}
	}
	at := k
	for layer := k.layer + 1; layer <= deepest; layer++ {
		for _, e := range edges {
			if to := known[e.to]; e.from == k.name && to.layer == layer && !slices.Contains(at.after, to) {
				at.after = append(at.after, to)
				to.before = append(to.before, at)
			}
		}
		if layer < deepest {
			bend := &knot{name: k.name, bend: true, layer: layer, rows: 1, before: []*knot{at}}
			at.after = append(at.after, bend)
			columns[layer] = append(columns[layer], bend)
			at = bend
		}
	}
}

// order sorts each layer by the middle of its neighbours, to and fro, and keeps what crosses least.
func order(columns [][]*knot) {
	number(columns)
	best := clones(columns)
	least := crossings(columns)
	for round := range 12 {
		for i := range columns {
			c, toward := columns[i], func(k *knot) []*knot { return k.before }
			if round%2 == 1 {
				c, toward = columns[len(columns)-1-i], func(k *knot) []*knot { return k.after }
			}
			slices.SortStableFunc(c, func(a, b *knot) int { return cmp.Compare(middle(a, toward(a)), middle(b, toward(b))) })
			for row, k := range c {
				k.row = row
			}
		}
		if n := crossings(columns); n < least {
			best, least = clones(columns), n
		}
	}
	for i := range columns {
		copy(columns[i], best[i])
	}
	number(columns)
}

func clones(columns [][]*knot) [][]*knot {
	out := make([][]*knot, len(columns))
	for i, c := range columns {
		out[i] = slices.Clone(c)
	}
	return out
}

func number(columns [][]*knot) {
	for _, c := range columns {
		for row, k := range c {
			k.row = row
		}
	}
}

// middle is the mean row of neighbours, or the knot's own where it has none.
func middle(k *knot, neighbours []*knot) float64 {
	if len(neighbours) == 0 {
		return float64(k.row)
	}
	sum := 0
	for _, n := range neighbours {
		sum += n.row
	}
	return float64(sum) / float64(len(neighbours))
}

func crossings(columns [][]*knot) int {
	n := 0
	for _, c := range columns {
		for i, a := range c {
			for _, b := range c[i+1:] {
				n += a.crosses(b)
			}
		}
	}
	return n
}

// crosses counts the crossings of the lines of two knots of one layer.
func (k *knot) crosses(other *knot) int {
	n := 0
	for _, to := range k.after {
		for _, end := range other.after {
			if (k.row-other.row)*(to.row-end.row) < 0 {
				n++
			}
		}
	}
	return n
}

// align spreads each layer over the rows of the screen, so that lines run straight where the order allows it.
func align(columns [][]*knot) {
	for _, c := range columns {
		row := 0
		for _, k := range c {
			k.row = row
			row += k.rows
		}
	}
	for round := range 8 {
		for i := range columns {
			if round%2 == 0 {
				settle(columns[i], func(k *knot) []*knot { return k.before })
			} else {
				settle(columns[len(columns)-1-i], func(k *knot) []*knot { return k.after })
			}
		}
	}
	least := columns[0][0].row
	for _, c := range columns {
		for _, k := range c {
			least = min(least, k.row)
		}
	}
	for _, c := range columns {
		for _, k := range c {
			k.row -= least
		}
	}
}

// settle moves the knots of a layer towards their neighbours; their order stays.
func settle(c []*knot, toward func(*knot) []*knot) {
	want := make([]int, len(c))
	for i, k := range c {
		want[i] = k.row
		if ns := toward(k); len(ns) > 0 {
			rows := make([]int, len(ns))
			for j, n := range ns {
				rows[j] = n.row
			}
			slices.Sort(rows)
			want[i] = rows[(len(rows)-1)/2]
		}
	}
	// Down from the top each takes its place or the next free one; then what was pushed down goes back up where the
	// knots below leave room.
	for i, k := range c {
		k.row = want[i]
		if i > 0 {
			k.row = max(k.row, c[i-1].row+c[i-1].rows)
		}
	}
	for start := 0; start < len(c); {
		end := start
		for end+1 < len(c) && c[end+1].row == c[end].row+c[end].rows {
			end++
		}
		room := 1 << 20
		if start > 0 {
			room = c[start].row - c[start-1].row - c[start-1].rows
		}
		raise(c[start:end+1], want[start:end+1], room)
		start = end + 1
	}
}

// raise moves knots that lie next to each other up by the mean of what they lie too low, as far as there is room.
func raise(c []*knot, want []int, room int) {
	push := 0
	for i, k := range c {
		push += k.row - want[i]
	}
	push = min(push/len(c), room)
	for _, k := range c {
		k.row -= max(push, 0)
	}
}
