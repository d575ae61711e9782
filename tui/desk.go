package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// desk is what the pages share: the session's state, how things look, and the way to ask for something.
type desk struct {
	source Source
	ask    func(func(context.Context) tea.Msg) tea.Cmd // puts a question off the screen's loop; it ends with the screen
	open   Options
	state  session.State
	last   uint64 // the journal's last sequence number, as far as the screen lets it show
	known  bool   // the session has told its state
	gone   bool   // it has ended
	now    time.Time
	zone   *time.Location
	theme  *theme
	signs  *signs
	keys   *keymap
	marked map[string]bool // services
	ages   bool            // times are shown as ages
	paused bool            // what shows stands still
	note   note
	book   *book // the brokers
}

// note is one short text for the person, in the place of the key line.
type note struct {
	text   string
	hint   string // the way out, where something failed
	failed bool
	busy   bool      // until the answer comes
	until  time.Time // zero: until a key is pressed
}

func (d *desk) say(format string, args ...any) {
	d.note = note{text: fmt.Sprintf(format, args...), until: d.now.Add(4 * time.Second)}
}

// fail shows an error: its sentence, and the way out from its second line.
func (d *desk) fail(what string, err error) {
	text, hint, _ := strings.Cut(err.Error(), "\n")
	if what != "" {
		text = what + ": " + text
	}
	d.note = note{text: text, hint: hint, failed: true}
}

// doneMsg says how a command ended.
type doneMsg struct {
	command session.Command
	text    string // "restart orders"
	err     error
}

// run sends a command to the session.
func (d *desk) run(text string, c session.Command) tea.Cmd {
	d.note = note{text: text + " " + d.signs.cut, busy: true}
	source := d.source
	return d.ask(func(ctx context.Context) tea.Msg {
		_, err := source.Do(ctx, c)
		return doneMsg{c, text, err}
	})
}

// service finds a service's status.
func (d *desk) service(name string) (runner.Status, bool) {
	i := slices.IndexFunc(d.state.Services, func(s runner.Status) bool { return s.Service == name })
	if i < 0 {
		return runner.Status{}, false
	}
	return d.state.Services[i], true
}

// names are all services, in the graph's order.
func (d *desk) names() []string {
	names := make([]string, len(d.state.Services))
	for i, s := range d.state.Services {
		names[i] = s.Service
	}
	return names
}

// neededBy are the services that depend on this one.
func (d *desk) neededBy(name string) []string {
	var names []string
	for _, s := range d.state.Services {
		if slices.ContainsFunc(s.DependsOn, func(dep runner.Dependency) bool { return dep.Service == name }) {
			names = append(names, s.Service)
		}
	}
	return names
}

// chosen are the services that an action applies to: the marked ones, or else the selected one.
func (d *desk) chosen(selected string) []string {
	var names []string
	for _, n := range d.names() {
		if d.marked[n] {
			names = append(names, n)
		}
	}
	if len(names) == 0 && selected != "" {
		names = []string{selected}
	}
	return names
}

// nameStyle is the colour of a service's name before merged lines: by its place in the alphabet, so that it is the same
// in every session of the project and neighbours differ.
func (d *desk) nameStyle(name string) style {
	if len(d.theme.names) == 0 {
		return ""
	}
	place := 0
	for _, s := range d.state.Services {
		if s.Service < name {
			place++
		}
	}
	return d.theme.names[place%len(d.theme.names)]
}

// sign is the sign of a state, and its style.
func (d *desk) sign(s runner.ServiceState) (string, style) {
	switch s {
	case runner.StateReady:
		return d.signs.ready, d.theme.ok
	case runner.StateStarting, runner.StateWaiting:
		return d.signs.busy, d.theme.busy
	case runner.StateFailed:
		return d.signs.failed, d.theme.bad
	case runner.StateReloading:
		return d.signs.reloading, d.theme.info
	}
	return d.signs.stopped, d.theme.faint
}

// clock writes a time of day in one of three widths, or as an age.
func (d *desk) clock(t time.Time, w int) string {
	switch {
	case t.Unix() <= 0: // nobody knows
		return d.signs.none
	case d.ages:
		return age(d.now.Sub(t))
	case w >= 12:
		return t.In(d.zone).Format("15:04:05.000")
	}
	return t.In(d.zone).Format("15:04:05")
}

// serviceOf is the service that a record's stream belongs to, empty where it is the project's.
func serviceOf(r *journal.Record) string {
	name, _, _ := strings.Cut(r.Stream, "/")
	return name
}

// some names a few of many: "orders", "orders and payments", "orders, payments and 3 more".
func some(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "nothing"
	case n == 1:
		return names[0]
	case n <= 3:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), n-2)
	}
}
