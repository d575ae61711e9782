package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/runner"
	"msdev/session"
)

// palette finds anything that can be done by a few letters of its name.
type palette struct {
	*prompt
	deeds []deed
	found []deed
	at    int
}

// deed is one line of the palette.
type deed struct {
	name string
	help string
	key  string
	do   func() tea.Cmd
}

func newPalette(a *app) *palette {
	p := &palette{prompt: newPrompt(a.desk, ":", ""), deeds: deeds(a)}
	p.input.Placeholder = "restart orders, logs gateway, go to a page " + a.signs.cut
	p.search()
	return p
}

// deeds are all that the palette knows: the keys of this page, each verb with each service, and the session as a whole.
func deeds(a *app) []deed {
	var all []deed
	scopes := append(slices.Clone(a.scopes()), everywhere)
	for _, b := range a.keys.table {
		if b.help == "" || b.action == actPalette || !slices.Contains(scopes, b.in) || b.label == "" && !strings.HasPrefix(string(b.action), actPagePrefix) {
			continue
		}
		act := b.action
		name := b.label
		if name == "" {
			name = b.help
		}
		all = append(all, deed{name, b.help, a.keys.key(act), func() tea.Cmd { return func() tea.Msg { return actMsg{act} } }})
	}
	for _, s := range a.state.Services {
		all = append(all, serviceDeeds(a.desk, s)...)
	}
	return append(all, sessionDeeds(a.desk)...)
}

func serviceDeeds(d *desk, s runner.Status) []deed {
	name := []string{s.Service}
	act := func(verb, help string, do action) deed {
		return deed{verb + " " + s.Service, help, "", func() tea.Cmd { return d.act(do, name) }}
	}
	all := []deed{
		act("logs", "show its logs", actLogs),
		act("restart", "stop and start it", actRestart),
		act(either(d.runs(s.Service), "stop", "start"), either(d.runs(s.Service), "stop it", "start it, and what it needs"), actStartStop),
		act("build", "build its image again and replace the container", actBuild),
	}
	if s.Since.IsZero() {
		return all
	}
	verb := func(v session.Verb, help string) deed {
		return deed{string(v) + " " + s.Service, help, "", func() tea.Cmd {
			return d.run(string(v)+" "+s.Service, session.Command{Verb: v, Services: name})
		}}
	}
	all = append(all, act("kill", "kill it at once", actKill))
	if d.open.Shell != nil {
		all = append(all, act("shell", "open a shell in it", actShell))
	}
	if len(published(&s)) > 0 {
		all = append(all, act("open", "open its port in the browser", actBrowser))
	}
	if slices.ContainsFunc(s.Instances, func(i runner.Instance) bool { return i.State == runner.InstancePaused }) {
		return append(all, verb(session.VerbUnpause, "let it go on"))
	}
	return append(all, verb(session.VerbPause, "freeze its processes"))
}

func sessionDeeds(d *desk) []deed {
	run := func(name, help string, c session.Command) deed {
		return deed{name, help, "", func() tea.Cmd { return d.run(name, c) }}
	}
	return []deed{
		run("up", "start everything that does not run", session.Command{Verb: session.VerbUp}),
		run("build everything", "build all images again and replace what changed", session.Command{Verb: session.VerbUp, Up: session.UpOptions{Build: true}}),
		run("restart everything", "stop and start all services", session.Command{Verb: session.VerbRestart}),
		run("stop everything", "stop all services and stay here", session.Command{Verb: session.VerbStop}),
		{"down", "stop and remove everything", "", func() tea.Cmd { return d.down(false) }},
		{"down with volumes", "stop and remove everything, and its data", "", func() tea.Cmd { return d.down(true) }},
		{"logs of all services", "show them merged", "", func() tea.Cmd { return showLogs([]string{}) }},
	}
}

func (p *palette) search() {
	p.found = find(p.deeds, p.input.Value())
	p.at = 0
}

func (p *palette) update(msg tea.Msg) (overlay, tea.Cmd) {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		switch k.String() {
		case "up", "ctrl+p", "shift+tab":
			p.at = max(0, p.at-1)
			return p, nil
		case "down", "ctrl+n", "tab":
			p.at = max(0, min(p.at+1, len(p.found)-1))
			return p, nil
		case "enter":
			if len(p.found) == 0 {
				return p, nil
			}
			return nil, p.found[p.at].do()
		}
	}
	before := p.input.Value()
	next, cmd := p.prompt.update(msg)
	if next == nil {
		return nil, cmd
	}
	if p.input.Value() != before {
		p.search()
	}
	return p, cmd
}

func (p *palette) view(w, h int) []string {
	rows := max(1, min(12, h-2, max(len(p.found), 1)))
	lines := []string{p.ruleLine(w)}
	from := max(0, min(p.at-rows/2, len(p.found)-rows))
	for i := from; i < from+rows; i++ {
		if i >= len(p.found) {
			l := newLine(w, "", p.signs)
			if i == 0 {
				l.gap(3).add(p.theme.dim, "nothing is called that")
			}
			lines = append(lines, l.String())
			continue
		}
		lines = append(lines, p.row(p.found[i], i == p.at, w))
	}
	l := newLine(w, "", p.signs).gap(1).add(p.theme.accent, ":").gap(1)
	p.input.SetWidth(max(1, l.left()-1))
	lines = append(lines, l.raw(p.input.View()).String())
	return lines[max(0, len(lines)-h):]
}

func (p *palette) row(d deed, selected bool, w int) string {
	var base style
	sign := " "
	if selected {
		base, sign = p.theme.sel, p.signs.cursor
	}
	l := newLine(w, base, p.signs).gap(1).add(p.theme.accent, sign).gap(1)
	l.cell("", clean(d.name), max(24, w/4), false).gap(2)
	if l.left() > 24 {
		l.cell(p.theme.dim, d.help, l.left()-8, false).gap(1).add(p.theme.accent, d.key)
	}
	return l.String()
}

// find returns the deeds that all words of the query match, the best first.
func find(deeds []deed, query string) []deed {
	words := strings.Fields(strings.ToLower(query))
	if len(words) == 0 {
		return deeds
	}
	type hit struct {
		deed  deed
		score int
	}
	var hits []hit
	for _, d := range deeds {
		total, all := 0, true
		for _, w := range words {
			s := max(2*score(strings.ToLower(d.name), w), score(strings.ToLower(d.help), w)-len(d.help))
			if strings.Contains(strings.ToLower(d.help), w) {
				s = max(s, 1)
			}
			all = all && s > 0
			total += s
		}
		if all {
			hits = append(hits, hit{d, total*4 - len(d.name)})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return b.score - a.score })
	found := make([]deed, len(hits))
	for i, h := range hits {
		found[i] = h.deed
	}
	return found
}

// score tells how well a word matches a name: its letters must stand there in order; letters that begin a word or follow
// each other count more. 0 is no match.
func score(name, word string) int {
	total, run, at := 0, 0, 0
	for i := range len(word) {
		j := strings.IndexByte(name[at:], word[i])
		if j < 0 {
			return 0
		}
		if j == 0 && i > 0 {
			run++
		} else {
			run = 0
		}
		at += j
		total += 1 + 3*run
		if at == 0 || name[at-1] == ' ' || name[at-1] == '-' {
			total += 6
		}
		at++
	}
	return total
}
