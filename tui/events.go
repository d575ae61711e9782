package tui

import "msdev/journal"

// newEventsPage shows what started, failed and became healthy, and why.
func newEventsPage(d *desk) *linesPage {
	p := newLinesPage(d, journal.KindSet(journal.KindEvent))
	p.title = func() []piece {
		return []piece{{d.theme.strong, "events"}, {d.theme.dim, " of all services"}}
	}
	p.empty = func() []string {
		if p.filter != (journal.Filter{}) {
			return []string{"No event passes the filter.", d.keys.key(actBack) + " takes the filter away."}
		}
		return []string{"Nothing has happened yet."}
	}
	return p
}
