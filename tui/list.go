package tui

// list keeps a selection, by name, over rows that come, go and change places.
type list struct {
	name  string // of the selected row
	index int    // where it was last
	top   int    // first row that shows
}

// settle finds the selected row again; where it is gone, the row that took its place is selected.
func (l *list) settle(names []string) {
	for i, n := range names {
		if n == l.name {
			l.index = i
			return
		}
	}
	l.pick(names, l.index)
}

// pick selects the row at an index, or the nearest there is.
func (l *list) pick(names []string, index int) {
	l.index = max(0, min(index, len(names)-1))
	l.name = ""
	if len(names) > 0 {
		l.name = names[l.index]
	}
}

// window returns the rows that show in h lines, so that the selected one is among them.
func (l *list) window(n, h int) (from, to int) {
	h = max(h, 1)
	if l.index < l.top {
		l.top = l.index
	}
	if l.index >= l.top+h {
		l.top = l.index - h + 1
	}
	l.top = max(0, min(l.top, n-h))
	return l.top, min(n, l.top+h)
}

// do moves the selection; it answers false for an action that is no move.
func (l *list) do(a action, names []string, h int) bool {
	to := l.index
	switch a {
	case actUp:
		to--
	case actDown:
		to++
	case actTop:
		to = 0
	case actBottom:
		to = len(names) - 1
	case actHalfUp:
		to -= max(1, h/2)
	case actHalfDown:
		to += max(1, h/2)
	case actPageUp:
		to -= max(1, h-1)
	case actPageDown:
		to += max(1, h-1)
	default:
		return false
	}
	l.pick(names, to)
	return true
}
