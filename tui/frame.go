package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/runner"
	"msdev/session"
)

// zone is a stretch of a line of the frame that can be clicked.
type zone struct {
	y, from, to int
	action      action
}

// draw composes the screen anew.
func (a *app) draw() {
	if a.w == 0 {
		return
	}
	a.zones = a.zones[:0]
	if a.w < 20 || a.h < 6 {
		a.content = a.tiny()
		return
	}
	lines := make([]string, 0, a.h)
	lines = append(lines, a.statusLine()...)
	lines = append(lines, a.tabLine(len(lines)))
	a.top = len(lines)
	lines = append(lines, a.page().view(a.w, a.h-a.top-1)...)
	lines = append(lines, a.keyLine(a.h-1))
	if below := a.noteLines(); len(below) > 0 {
		copy(lines[a.h-len(below):], below)
	}
	if a.over != nil {
		over := a.over.view(a.w, a.h-a.top)
		copy(lines[a.h-len(over):], over)
	}
	a.content = strings.Join(lines, "\n")
}

// tiny is the screen where there is no room for one: the project and its counts.
func (a *app) tiny() string {
	l := newLine(a.w, "", a.signs)
	l.add(a.theme.strong, clean(a.state.Project)).gap(1)
	a.counts(l)
	return l.String() + strings.Repeat("\n"+strings.Repeat(" ", a.w), a.h-1)
}

// statusLine is the first line: project, runtime, counts, and what passes now. A problem takes the place of the rates;
// where it does not fit there it has a line of its own, and below it stands the way out.
func (a *app) statusLine() []string {
	t, sg := a.theme, a.signs
	l := newLine(a.w, "", sg).gap(1)
	l.add(t.strong, clean(a.state.Project))
	if r := a.runtime(); r != "" && a.w >= 50 {
		l.gap(2).add(t.dim, r)
	}
	l.gap(3)
	a.counts(l)
	if phase := a.phase(); phase != "" {
		l.gap(1).add(t.busy, phase)
	}
	if a.paused {
		l.gap(2).add(t.accent, "paused").add(t.dim, ": "+a.keys.key(actPause)+" goes on")
	}
	if a.state.Watch.Paused {
		l.gap(2).add(t.accent, "reloads held back").add(t.dim, ": "+a.keys.key(actReloads)+" goes on")
	}
	problem, hint := a.problem()
	if problem == "" {
		return []string{l.right(a.rates()...).String()}
	}
	var below []string
	if text := sg.failed + " " + problem; width(text)+2 <= l.left() || a.h < 10 {
		l.gap(2).add(t.bad, text)
	} else {
		below = a.wrapped(below, 2, piece{t.bad, text})
	}
	if hint != "" && a.h >= 10 {
		below = a.wrapped(below, 2, piece{t.bad, sg.to + " "}, piece{"", hint})
	}
	return append([]string{l.String()}, below...)
}

func (a *app) runtime() string {
	r := a.state.Runtime
	parts := strings.SplitN(r.Version, ".", 3)
	return strings.TrimSpace(clean(r.Name + " " + strings.Join(parts[:min(2, len(parts))], ".")))
}

// counts adds how many services there are of each kind of state.
func (a *app) counts(l *line) {
	n := map[runner.ServiceState]int{}
	for _, s := range a.state.Services {
		switch s.State {
		case runner.StateWaiting:
			n[runner.StateStarting]++
		default:
			n[s.State]++
		}
	}
	for _, state := range []runner.ServiceState{runner.StateReady, runner.StateStarting, runner.StateReloading, runner.StateFailed, runner.StateStopped} {
		if n[state] > 0 {
			sign, st := a.sign(state)
			l.add(st, sign+" "+itoa(n[state])).gap(2)
		}
	}
}

// phase is what the session is doing as a whole, where it is more than running.
func (a *app) phase() string {
	switch {
	case a.gone:
		return ""
	case a.stopping > 1:
		return "killing"
	case a.stopping == 1 || a.state.Phase == session.PhaseStopping:
		return "stopping"
	case a.state.Phase == session.PhaseStarting:
		return "starting"
	case a.state.Phase == session.PhaseStopped:
		return "stopped"
	}
	return ""
}

// problem is what is wrong with the session as a whole, and the way out.
func (a *app) problem() (problem, hint string) {
	if a.gone {
		return "the session has ended", "What runs goes on without it. Leave with " + a.keys.key(actLeave) + "; msdev up starts a session again."
	}
	return clean(a.state.Problem), clean(a.state.Hint)
}

func (a *app) rates() []piece {
	var ps []piece
	add := func(n *float64, unit string) {
		if n == nil {
			return
		}
		ps = append(ps, piece{"", "  " + rate(*n)}, piece{a.theme.dim, " " + unit})
	}
	if a.w < 60 {
		return nil
	}
	r := a.state.Rates
	add(r.Logs, "logs/s")
	add(r.Messages, "msg/s")
	add(r.Calls, "calls/s")
	return append(ps, piece{"", " "})
}

// tabLine names the pages.
func (a *app) tabLine(y int) string {
	l := newLine(a.w, "", a.signs).gap(1)
	gap := 2
	if a.w < 60 {
		gap = 1
	}
	all := 1
	for _, t := range a.tabs {
		all += width(t.key) + 1 + width(t.title) + gap
	}
	for i, t := range a.tabs {
		if all-gap > a.w && i != a.active { // no room for all the names
			t.title = ""
		}
		from := l.used
		key, title := a.theme.faint, a.theme.dim
		if i == a.active {
			key, title = a.theme.accent, a.theme.strong.and(a.theme.accent)
		}
		if a.theme.accent == a.theme.strong && i == a.active { // without colours
			title = "1;4"
		}
		l.add(key, t.key).gap(either(t.title == "", 0, 1)).add(title, t.title)
		a.zones = append(a.zones, zone{y, from, l.used, action(actPagePrefix + a.tabs[i].title)})
		l.gap(gap)
	}
	return l.String()
}

// noteLines are a note, in the place of the key line; below an error stands the way out.
func (a *app) noteLines() []string {
	t, sg, n := a.theme, a.signs, a.note
	if n.text == "" || a.stopping > 0 && !n.failed {
		return nil
	}
	st, sign := t.dim, ""
	switch {
	case n.failed:
		st, sign = t.bad, sg.failed+" "
	case n.busy:
		st, sign = t.busy, sg.busy+" "
	}
	var lines []string
	if n.failed {
		lines = append(lines, a.ruleLine(a.w))
	}
	lines = a.wrapped(lines, 3, piece{st, sign + clean(n.text)})
	if n.hint != "" {
		lines = a.wrapped(lines, 3, piece{st, sg.to + " "}, piece{"", clean(n.hint)})
	}
	return lines[max(0, len(lines)-(a.h-a.top)):]
}

// wrapped appends text that may take several lines.
func (a *app) wrapped(lines []string, limit int, ps ...piece) []string {
	parts, _ := wrap(ps, max(1, a.w-2), limit)
	for _, part := range parts {
		lines = append(lines, addAll(newLine(a.w, "", a.signs).gap(1), part).String())
	}
	return lines
}

// keyLine shows the keys that work now.
func (a *app) keyLine(y int) string {
	t := a.theme
	l := newLine(a.w, "", a.signs).gap(1)
	if a.stopping > 0 && !a.note.failed {
		return l.add(t.busy, a.stopProgress()).String()
	}
	general := []action{actFilter, actPalette, actHelp}
	if slices.Equal(a.scopes(), []scope{onReplay}) {
		general = general[1:] // there is no list to filter
	}
	if a.w >= 60 {
		general = append(general, actLeave)
	}
	end := 1
	for _, g := range general {
		end += width(a.keys.key(g)) + width(a.keys.binding(g).label) + 3
	}
	for _, h := range a.page().hints() {
		b := a.keys.binding(h)
		key := a.keys.key(h)
		if key == "" || l.used+width(key)+width(b.label)+3+end > a.w {
			continue
		}
		a.hint(l, y, h, key)
	}
	for _, g := range general {
		if key := a.keys.key(g); key != "" {
			a.hint(l, y, g, key)
		}
	}
	return l.String()
}

func (a *app) hint(l *line, y int, h action, key string) {
	from := l.used
	l.add(a.theme.accent, key).gap(1).add(a.theme.dim, a.label(h))
	a.zones = append(a.zones, zone{y, from, l.used, h})
	l.gap(2)
}

// label is an action's word in the key line, as it stands for what is selected.
func (a *app) label(h action) string {
	if named, ok := a.page().(interface{ label(action) string }); ok {
		if s := named.label(h); s != "" {
			return s
		}
	}
	return a.keys.binding(h).label
}

// stopProgress says what a stop of everything still waits for.
func (a *app) stopProgress() string {
	var left []string
	for _, s := range a.state.Services {
		if !s.Since.IsZero() {
			left = append(left, s.Service)
		}
	}
	again := "ctrl-c again kills them"
	verb := "stopping"
	if a.stopping > 1 {
		verb, again = "killing", "ctrl-c again leaves without waiting"
	}
	if len(left) == 0 {
		return verb + " " + a.signs.cut
	}
	return verb + ": waits for " + some(left) + "  (" + again + ")"
}

// mouse is a click or a turn of the wheel, at a place of a page.
type mouse struct {
	x, y  int
	wheel int // lines down; 0 is a click
}

// mouse takes what the mouse did: to the frame, to the overlay, to the page.
func (a *app) mouse(m tea.MouseMsg) tea.Cmd {
	at := m.Mouse()
	ev := mouse{x: at.X, y: at.Y - a.top}
	switch m.(type) {
	case tea.MouseClickMsg:
		if at.Button != tea.MouseLeft {
			return nil
		}
		for _, z := range a.zones {
			if z.y == at.Y && at.X >= z.from && at.X < z.to && (a.over == nil || z.action != "") {
				a.over = nil
				return a.do(z.action)
			}
		}
	case tea.MouseWheelMsg:
		switch at.Button {
		case tea.MouseWheelUp:
			ev.wheel = -3
		case tea.MouseWheelDown:
			ev.wheel = 3
		default:
			return nil
		}
	default:
		return nil
	}
	if a.over != nil || ev.y < 0 || ev.y >= a.h-a.top-1 {
		return nil
	}
	return a.page().mouse(ev)
}

// rule is the line between panes: what is below it, and how it stands.
func (d *desk) rule(w int, focused bool, title []piece, status string) string {
	l := newLine(w, "", d.signs)
	st := d.theme.faint
	l.add(st, d.signs.rule).gap(1)
	for i, p := range title {
		if i == 0 && focused {
			p.st = p.st.and(d.theme.accent)
		}
		l.add(p.st, p.s)
	}
	l.gap(1)
	end := ""
	if status != "" && l.left() > width(status)+4 {
		end = " " + status + " "
	}
	if n := l.left() - width(end) - 1; n > 0 {
		l.add(st, strings.Repeat(d.signs.rule, n))
		l.add(d.theme.dim, end)
	}
	if l.left() > 0 {
		l.add(st, strings.Repeat(d.signs.rule, l.left()))
	}
	return l.String()
}
