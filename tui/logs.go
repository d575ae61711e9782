package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
)

// logsPage shows what the services write: one of them, some, or all merged.
type logsPage struct {
	*linesPage
	services []string // nil: all
	earlier  []string // what the page showed before all
}

func newLogsPage(d *desk) *logsPage {
	p := &logsPage{linesPage: newLinesPage(d, journal.KindSet(journal.KindLog, journal.KindEvent))}
	p.linesPage.title, p.linesPage.empty = p.heading, p.nothingYet
	return p
}

// of chooses the services; none are all of them.
func (p *logsPage) of(services []string) {
	if len(services) == 0 {
		services = nil
	}
	if slices.Equal(p.services, services) {
		return
	}
	if p.services != nil {
		p.earlier = p.services
	}
	p.services = services
	p.pane.names = len(services) != 1
	streams := make([]string, len(services))
	for i, s := range services {
		streams[i] = s + "/"
	}
	p.pane.show(streams...)
}

func (p *logsPage) heading() []piece {
	name := "all services"
	if p.services != nil {
		name = some(p.services)
	}
	return []piece{{p.theme.strong, clean(name)}, {p.theme.dim, " " + p.signs.dot + " logs"}}
}

func (p *logsPage) nothingYet() []string {
	who := "Nobody"
	if p.services != nil {
		who = some(p.services)
	}
	if p.filter != (journal.Filter{}) {
		return []string{"No line of " + either(p.services == nil, "any service", some(p.services)) + " passes the filter.",
			p.keys.key(actBack) + " takes the filter away."}
	}
	return []string{who + " has written nothing yet."}
}

func (p *logsPage) do(a action) (tea.Cmd, bool) {
	switch a {
	case actLevel:
		p.filter.Level = nextLevel(p.filter.Level)
		p.narrow()
		p.say("shows %s", either(p.filter.Level == journal.LevelNone, "all levels", p.filter.Level.String()+" and up"))
	case actWrap:
		p.pane.wrap, p.pane.shift = !p.pane.wrap, 0
		p.say("%s", either(p.pane.wrap, "long lines are wrapped", "long lines are cut; arrows scroll"))
	case actRaw:
		p.pane.raw = !p.pane.raw
		p.say("lines %s", either(p.pane.raw, "as they were written", "taken apart"))
	case actFold:
		p.pane.folded = !p.pane.folded
		p.say("stack traces %s", either(p.pane.folded, "folded", "unfolded"))
	case actAllLogs:
		if p.services == nil {
			p.of(p.earlier)
		} else {
			p.of(nil)
		}
	case actNextLogs:
		p.step(1)
	case actPrevLogs:
		p.step(-1)
	default:
		return p.linesPage.do(a)
	}
	return nil, true
}

// step goes to the logs of the next service in the graph's order.
func (p *logsPage) step(d int) {
	names := p.names()
	if len(names) == 0 {
		return
	}
	i := -1
	if len(p.services) > 0 {
		i = slices.Index(names, p.services[0])
	} else if d < 0 {
		i = 0
	}
	p.of([]string{names[(i+d+len(names))%len(names)]})
}

func nextLevel(l journal.Level) journal.Level {
	switch l {
	case journal.LevelNone:
		return journal.LevelDebug
	case journal.LevelError:
		return journal.LevelNone
	}
	return l + 1
}

func (p *logsPage) hints() []action {
	return append(p.linesPage.hints(), actLevel, actAllLogs, actWrap)
}

func (p *logsPage) label(a action) string {
	switch {
	case a == actAllLogs && p.services == nil && len(p.earlier) > 0:
		return p.earlier[0]
	case a == actWrap && p.pane.wrap:
		return "cut"
	}
	return p.linesPage.label(a)
}
