package tui

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"msdev/session"
)

// page is one tab of the screen.
type page interface {
	// view draws the page in exactly h lines of w columns.
	view(w, h int) []string
	// do carries out an action, and answers false where it has no use for it.
	do(a action) (tea.Cmd, bool)
	// mouse takes a click or a turn of the wheel; its place is the page's own.
	mouse(m mouse) tea.Cmd
	// refresh asks for what the page lacks: after a new state, new records, another size.
	refresh() tea.Cmd
	// hints are the actions that make sense now, the most useful first: what the key line shows.
	hints() []action
}

// overlay lies over the lower part of the page and takes all keys, until it is closed.
type overlay interface {
	// update takes a key or pasted text; the overlay that it returns stays, nil closes it.
	update(msg tea.Msg) (overlay, tea.Cmd)
	// view draws at most h lines.
	view(w, h int) []string
}

// tab is a page with its key and its name.
type tab struct {
	key, title string
	scopes     []scope
	page       page
}

// pageKeys are the keys and titles of the pages, as the key map wants them.
func pageKeys() []string {
	return []string{"1 services", "2 logs", "3 messages", "6 graph", "7 events", "8 queues"}
}

// What pages ask of the app.
type (
	openMsg struct{ overlay overlay }
	showMsg struct { // a page, and for the logs whose, for the messages which
		title    string
		services []string
		messages *narrowing
	}
	actMsg struct{ action action }
)

func open(o overlay) tea.Cmd { return func() tea.Msg { return openMsg{o} } }

func showLogs(services []string) tea.Cmd {
	return func() tea.Msg { return showMsg{title: "logs", services: services} }
}

func showMessages(n narrowing) tea.Cmd {
	return func() tea.Msg { return showMsg{title: "messages", messages: &n} }
}

// app routes: what comes in goes to the page, the overlay or the desk that it is for.
type app struct {
	*desk
	tabs     []tab
	logs     *logsPage
	messages *messagesPage
	active   int
	trail    []int // the pages to go back to
	over     overlay
	w, h     int
	wanted   ThemeName
	dark     bool
	content  string
	zones    []zone
	top      int // first line of the page
	outcome  Outcome
	stopping int // how often a stop of everything was asked for
	held     *heldNews
}

// heldNews is what has come while the view is paused.
type heldNews struct {
	state session.State
	last  uint64
}

func newApp(ctx context.Context, o Options) (*app, error) {
	getenv := func(name string) string {
		for _, kv := range slices.Backward(o.Environ) {
			if v, ok := strings.CutPrefix(kv, name+"="); ok {
				return v
			}
		}
		return ""
	}
	keys, err := newKeymap(pageKeys(), o.Settings.Keys)
	if err != nil {
		return nil, err
	}
	wanted := o.Settings.Theme
	if wanted == "" {
		wanted = ThemeAuto
	}
	if getenv("NO_COLOR") != "" {
		wanted = ThemeNone
	}
	ask := func(f func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return f(ctx) }
	}
	d := &desk{source: o.Source, ask: ask, open: o, state: o.State, now: time.Now(), zone: time.Local,
		signs: newSigns(asciiOnly(getenv)), keys: keys, marked: map[string]bool{}}
	a := &app{desk: d, wanted: wanted, dark: true}
	if wanted == ThemeLight {
		a.dark = false
	}
	d.theme = newTheme(wanted, a.dark)
	a.logs = newLogsPage(d)
	d.book = newBook(d)
	a.messages = newMessagesPage(d, d.book)
	service := []scope{onServices}
	lines := []scope{onLogs, onLines}
	a.tabs = []tab{
		{"1", "services", service, newServicesPage(d)},
		{"2", "logs", lines, a.logs},
		{"3", "messages", []scope{onMessages, onLines}, a.messages},
		{"6", "graph", []scope{onGraph, onServices}, newGraphPage(d)},
		{"7", "events", []scope{onLines}, newEventsPage(d)},
		{"8", "queues", []scope{onQueues}, newQueuesPage(d, d.book)},
	}
	return a, nil
}

// Init asks the terminal for its background, where the theme depends on it.
func (a *app) Init() tea.Cmd {
	if a.wanted == ThemeAuto || a.wanted == ThemeContrast {
		return tea.RequestBackgroundColor
	}
	return nil
}

// Update routes a message, draws, and asks for what the page lacks.
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		a.resize(m.Width, m.Height)
	case tea.BackgroundColorMsg:
		a.dark = m.IsDark()
		a.theme = newTheme(a.wanted, a.dark)
	case tea.ColorProfileMsg:
		a.profile(m.Profile)
	case stateMsg:
		a.setState(m)
	case newsMsg:
		a.setLast(m.last)
		return a, a.page().refresh() // what comes of it is drawn when it is there
	case tickMsg:
		if !a.tick(time.Time(m)) {
			return a, nil
		}
	case goneMsg:
		a.sourceGone()
	case pageMsg:
		m.pane.receive(m)
	case doneMsg:
		a.commandDone(m)
	case reply:
		cmd = m.take()
	case tapMsg:
		a.book.tap = m.err
	case openMsg:
		a.over = m.overlay
	case showMsg:
		a.show(m)
	case actMsg:
		cmd = a.do(m.action)
	case tea.KeyPressMsg:
		cmd = a.key(m)
	case tea.PasteMsg:
		if a.over != nil {
			a.over, cmd = a.over.update(m)
		}
	case tea.MouseMsg:
		cmd = a.mouse(m)
	default:
		return a, nil
	}
	if a.outcome != "" {
		return a, tea.Quit
	}
	a.draw()
	return a, tea.Batch(cmd, a.page().refresh())
}

// View is what was drawn last.
func (a *app) View() tea.View {
	v := tea.NewView(a.content)
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "msdev " + clean(a.state.Project)
	return v
}

func (a *app) page() page { return a.tabs[a.active].page }

// scopes are where the page that shows stands: some pages have more than one face.
func (a *app) scopes() []scope {
	if p, ok := a.page().(interface{ scopes() []scope }); ok {
		return p.scopes()
	}
	return a.tabs[a.active].scopes
}

func (a *app) resize(w, h int) {
	a.w, a.h = max(w, 1), max(h, 1)
	a.draw()
}

// profile takes the colours away where the terminal has none.
func (a *app) profile(p colorprofile.Profile) {
	if p <= colorprofile.ASCII {
		a.wanted = ThemeNone
		a.theme = newTheme(a.wanted, a.dark)
	}
}

func (a *app) setState(m stateMsg) {
	if a.held != nil {
		a.held.state = m.state
		return
	}
	a.state, a.known, a.now = m.state, true, m.at
}

func (a *app) setLast(last uint64) {
	if a.held != nil {
		a.held.last = last
		return
	}
	a.last = last
}

// hold stops the view, or lets what has come meanwhile in.
func (a *app) hold() {
	if a.held == nil {
		a.held = &heldNews{a.state, a.last}
		a.paused = true
		return
	}
	a.state, a.last = a.held.state, a.held.last
	a.held, a.paused = nil, false
}

// tick lets ages grow and notes expire. Where a new state has just been drawn it has nothing to do: one frame a second
// is enough for an idle screen.
func (a *app) tick(now time.Time) bool {
	if d := now.Sub(a.now); d >= 0 && d < 900*time.Millisecond && a.note.until.IsZero() {
		return false
	}
	if !a.note.until.IsZero() && now.After(a.note.until) {
		a.note = note{}
	}
	if a.held == nil {
		a.now = now
	}
	return true
}

func (a *app) sourceGone() {
	a.gone = true
	a.note = note{}
	if a.stopping > 0 {
		a.outcome = Stopped
	}
}

// key takes a key: the overlay's, or an action's.
func (a *app) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	act := a.keys.find(name, a.scopes()...)
	if act == actStopAll { // always, whatever lies over the page
		return a.do(act)
	}
	if a.over != nil {
		var cmd tea.Cmd
		a.over, cmd = a.over.update(k)
		return cmd
	}
	if !a.note.busy {
		a.note = note{}
	}
	if act == "" {
		return nil
	}
	return a.do(act)
}

// do carries out an action: the page's, or the screen's own.
func (a *app) do(act action) tea.Cmd {
	if title, ok := strings.CutPrefix(string(act), actPagePrefix); ok {
		a.show(showMsg{title: title})
		return nil
	}
	if cmd, ok := a.page().do(act); ok {
		return cmd
	}
	switch act {
	case actBack:
		a.goBack()
	case actPause:
		a.hold()
	case actReloads:
		return a.holdReloads()
	case actTimes:
		a.ages = !a.ages
	case actHelp:
		a.over = newHelp(a.desk, a.tabs[a.active].title)
	case actPalette:
		a.over = newPalette(a)
	case actDetach:
		a.outcome = Detached
		if a.gone {
			a.outcome = Quit
		}
	case actLeave:
		return a.leave()
	case actStopAll:
		return a.stopAll()
	case actSuspend:
		return tea.Suspend
	case actRedraw:
		return tea.ClearScreen
	}
	return nil
}

// show brings a page to the front.
func (a *app) show(m showMsg) {
	i := slices.IndexFunc(a.tabs, func(t tab) bool { return t.title == m.title })
	if i < 0 {
		return
	}
	if m.title == "logs" && m.services != nil {
		a.logs.of(m.services)
	}
	if m.messages != nil {
		a.messages.show(*m.messages)
	}
	if i != a.active {
		a.trail = append(a.trail, a.active)
		a.trail = a.trail[max(0, len(a.trail)-20):]
	}
	a.active = i
	a.over = nil
}

// goBack goes one page back, or takes the marks away where there is none.
func (a *app) goBack() {
	if n := len(a.trail); n > 0 {
		a.active, a.trail = a.trail[n-1], a.trail[:n-1]
		return
	}
	clear(a.marked)
}

// openURL shows an address in the desktop's browser.
func openURL(ctx context.Context, url string) error {
	return start(ctx, browser(os.Getenv), url)
}
