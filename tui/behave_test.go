package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

func TestServiceKeysAskForCommands(t *testing.T) {
	for _, c := range []struct{ name, keys, asked string }{
		{"restart the selected one", "j r", "restart kafka"},
		{"stop what runs", "s", "stop rabbitmq"},
		{"start what is stopped", "G up up s", "up analytics"},
		{"marked ones together", "space space r", "restart rabbitmq kafka"},
		{"kill only after an answer", "K K", "kill rabbitmq"},
		{"kill, thought better of it", "K esc", ""},
		{"build", "b", "up rabbitmq"},
		{"from the graph", "6 j j l r", "restart orders"},
		{"from the palette", ": r e s space o r d enter", "restart orders"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScreen(t, newShop(), 100, 30).press(strings.Fields(c.keys)...)
			if got := s.asked(); got != c.asked {
				t.Errorf("asked for %q, not for %q\n%s", got, c.asked, s.text())
			}
		})
	}
}

func TestKillNamesWhatIsLost(t *testing.T) {
	newScreen(t, newShop(), 100, 30).press("j", "j", "j", "j", "K").
		sees("Kill orders?", "what it holds in memory", "shipping and gateway need")
}

func TestDownFromThePaletteAsks(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30).press(":").typed("down with").press("enter")
	s.sees("Stop and remove all 10 services?", "all data in the project's volumes")
	if s.asked() != "" {
		t.Fatalf("asked for %q before the answer", s.asked())
	}
	s.press("y")
	if len(s.shop.done) != 1 || s.shop.done[0].Verb != session.VerbDown || !s.shop.done[0].Down.Volumes {
		t.Errorf("asked for %+v", s.shop.done)
	}
}

func TestLeaving(t *testing.T) {
	for _, c := range []struct {
		keys    string
		outcome Outcome
		asked   string
	}{
		{"d", Detached, ""},
		{"q d", Detached, ""},
		{"q s", Stopped, "stop"},
		{"q esc", "", ""},
		{"ctrl+c", Stopped, "stop"},
		{"? ctrl+c", Stopped, "stop"},
	} {
		t.Run(c.keys, func(t *testing.T) {
			s := newScreen(t, newShop(), 100, 30).press(strings.Fields(c.keys)...)
			if s.app.outcome != c.outcome || s.asked() != c.asked {
				t.Errorf("outcome %q after %q, want %q after %q", s.app.outcome, s.asked(), c.outcome, c.asked)
			}
		})
	}
}

// TestStopKillLeave presses ctrl-c again and again while nothing answers.
func TestStopKillLeave(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30)
	press := func() { s.app.Update(keyPress("ctrl+c")) } // what it asks for hangs
	press()
	s.sees("stopping: waits for rabbitmq, kafka and 5 more", "ctrl-c again kills")
	s.shop.state.Services = s.shop.state.Services[:1]
	s.news()
	s.sees("stopping: waits for rabbitmq ")
	press()
	s.sees("killing", "ctrl-c again leaves without waiting")
	press()
	if s.app.outcome != Killed {
		t.Errorf("outcome %q", s.app.outcome)
	}
}

func TestStopThatFailsStays(t *testing.T) {
	src := newShop()
	src.fail = errors.New("the engine does not answer\nStart it with: systemctl start docker")
	s := newScreen(t, src, 100, 30).press("ctrl+c")
	s.sees("the engine does not answer", "Start it with")
	if s.app.outcome != "" {
		t.Errorf("left with %q", s.app.outcome)
	}
}

func TestSessionThatEnds(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30)
	s.send(goneMsg{errors.New("EOF")})
	s.sees("the session has ended", "What runs goes on without it")
	s.press("q")
	if s.app.outcome != Quit {
		t.Errorf("outcome %q", s.app.outcome)
	}
}

func TestSidewaysAndBack(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30).press("j", "j", "j", "j", "l")
	s.sees("orders · logs", "cannot ship").seesNot("payment slow", "SERVICE")
	s.press("a").sees("all services · logs", "payment slow")
	s.press("a").sees("orders · logs")
	s.press("]").sees("shipping · logs", "assignment to entry in nil map").seesNot("cannot ship")
	s.press("[", "esc").sees("▸ orders", "SERVICE")
	s.press("k", "space", "space", "l").sees("payments and orders · logs", "payment slow", "cannot ship").seesNot("goroutine 34")
}

func TestListFilter(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30).press("/").typed("waits")
	s.sees("▸ traffic").seesNot("rabbitmq")
	s.press("esc").sees("rabbitmq", "traffic")
	s.press("/").typed("nothing like it").press("enter").sees(`No service matches "nothing like it"`)
	s.press("esc").sees("rabbitmq")
}

func TestSortingKeepsTheSelection(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30).press("j", "j", "j", "j", ">")
	s.sees("▸ orders", "SERVICE▾")
	if !strings.Contains(strings.Split(s.text(), "\n")[3], "analytics") {
		t.Errorf("not sorted by name:\n%s", s.text())
	}
	s.press("<").sees("▸ orders")
	if !strings.Contains(strings.Split(s.text(), "\n")[3], "rabbitmq") {
		t.Errorf("not in the graph's order:\n%s", s.text())
	}
}

func TestSelectionStaysWithItsService(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30).press("j", "j", "j", "j")
	for _, size := range [][2]int{{40, 10}, {15, 3}, {200, 60}, {160, 12}, {80, 24}} {
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		s.fits()
	}
	s.sees("▸ orders")
	services := slices.Clone(s.shop.state.Services)
	slices.Reverse(services)
	s.shop.state.Services = services
	s.news()
	s.sees("▸ orders")
	s.shop.state.Services = slices.DeleteFunc(slices.Clone(services), func(x runner.Status) bool { return x.Service == "orders" })
	s.news()
	s.sees("▸ payments").seesNot("▸ orders")
}

func TestLogsFollowAndStandStill(t *testing.T) {
	src := newShop()
	s := newScreen(t, src, 100, 30).press("2").sees("follow")
	src.log("orders", "first newcomer")
	s.news()
	s.sees("first newcomer")
	s.press("up", "up").sees("stands still")
	before := s.text()
	for i := range 500 {
		src.log("orders", fmt.Sprint("later ", i))
	}
	s.news()
	if strings.Replace(before, "stands still", "", 1) != strings.Replace(strings.Replace(s.text(), "stands still", "", 1), "", "", 1) {
		t.Errorf("it moved while it was read:\n%s\n%s", before, s.text())
	}
	s.press("G").sees("later 499", "follow")
	s.press("g").sees("▸ 12:03:31.220 rabbitmq", "started")
	for range 560 {
		s.press("j")
	}
	s.sees("later 499", "follow")
}

func TestPauseHoldsThePicture(t *testing.T) {
	src := newShop()
	s := newScreen(t, src, 100, 30).press("2", "p").sees("paused")
	src.log("orders", "behind the curtain")
	src.state.Services = src.state.Services[:1]
	s.news()
	s.seesNot("behind the curtain").sees("● 7")
	s.press("p").sees("behind the curtain", "● 1").seesNot("● 7")
}

func TestFilterLines(t *testing.T) {
	s := newScreen(t, newShop(), 120, 30).press("2", "/").typed("slow")
	s.sees("payment slow", `only "slow"`).seesNot("order placed")
	s.press("ctrl+r").sees("regexp")
	s.typed("(").sees("missing")
	s.press("backspace").typed(".*7f0[12]").press("enter")
	s.sees("order=7f01", "order=7f02").seesNot("order=7f03", "missing")
	s.press("esc").sees("order placed")
	s.press("L", "L", "L").sees("warn and up", "payment slow", "cannot ship").seesNot("order placed", "the port 8080 is taken")
	s.press("L", "L").sees("order placed", "the port 8080 is taken")
}

func TestFilterTakenBackWithEsc(t *testing.T) {
	s := newScreen(t, newShop(), 120, 30).press("2", "/").typed("slow").press("enter").sees(`only "slow"`)
	s.press("/", "tab", "backspace", "backspace", "ctrl+r").typed("xx").press("esc")
	s.sees(`only "slow"`, "payment slow").seesNot("order placed")
}

// TestSearchFarAway looks for a line that is several budgets back, with everything else between.
func TestSearchFarAway(t *testing.T) {
	src := newShop()
	src.journal = journal.New(journal.Caps{Stream: 1 << 30, Total: 1 << 30})
	src.log("orders", "the needle")
	for i := range 3*searchBudget + 10 {
		src.log("orders", fmt.Sprint("hay ", i))
	}
	s := newScreen(t, src, 100, 30).press("2", "/", "tab").typed("needle").press("enter")
	s.sees("the needle", "stands still")
	if row := s.row("the needle"); !strings.HasPrefix(row, "▸") {
		t.Errorf("the match is not selected: %q", row)
	}
	s.press("n").sees("no match below this line")
	s.press("G", "/").typed("").press("esc").press("N").sees("the needle")
	s.press("esc", "/").typed("needle").press("enter").sees("the needle").seesNot("hay")
}

func TestGoToATime(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30).press("2", "@").typed("nonsense").press("enter").sees("is no time")
	s.press("ctrl+u").typed("12:03:45").press("enter")
	if row := s.row("▸"); !strings.Contains(row, "12:03:45.276") {
		t.Errorf("went to %q\n%s", row, s.text())
	}
	s.press("@").typed("-2s").press("enter").sees("this is the end", "follow")
}

func TestDetailAndCopy(t *testing.T) {
	s := newScreen(t, newShop(), 100, 40).press("2", "up", "up", "enter")
	s.sees("orders · detail", "no courier", "9c1e4f2a7b6d5c4e3f2a1b0c9d8e7f6a", "written")
	s.press("up", "up").sees("shipping · detail", "main.(*server).ship", "three")
	s.press("y").sees("copied 1 line")
	if !slices.Contains(s.seen, "tea.setClipboardMsg") {
		t.Errorf("nothing was put on the clipboard: %v", s.seen)
	}
	s.press("space", "space", "y").sees("copied 2 lines")
	s.press("esc").seesNot("· detail")
}

func TestStackTraceFolds(t *testing.T) {
	s := newScreen(t, newShop(), 100, 40).press("2").sees("goroutine 34", "3 more lines")
	s.press("F").sees("▸ 9 lines").seesNot("goroutine 34")
	s.press("F").sees("goroutine 34")
}

func TestControlSequencesNeverReachTheTerminal(t *testing.T) {
	src := newShop()
	src.log("orders", "\x1b]52;c;aGk=\x07\x1b[2J\x1b[?1049lnice try\x00\x9b31m")
	src.state.Services[0].Last = "bad\x1b[2J\nlast"
	src.state.Services[0].Detail = "bad\x1b[2J\rdetail"
	src.state.Project = "evil\x1b]0;title\x07"
	s := newScreen(t, src, 160, 40).press("2").sees("nice try")
	for _, page := range []string{"1", "2", "6", "7"} {
		s.press(page)
		for _, bad := range []string{"\x1b]", "\x1b[2J", "\x1b[?", "\x00", "\x07", "\r"} {
			if strings.Contains(s.app.content, bad) {
				t.Errorf("page %s holds %q", page, bad)
			}
		}
	}
	if title := s.app.View().WindowTitle; strings.ContainsAny(title, "\x1b\x07") {
		t.Errorf("the title is %q", title)
	}
}

func TestVeryLongLine(t *testing.T) {
	src := newShop()
	src.log("orders", strings.Repeat("wide 宽 ", 100_000))
	src.log("orders", `{"msg":"`+strings.Repeat("x", 1_000_000)+`","level":"info"}`)
	s := newScreen(t, src, 80, 24).press("2")
	start := time.Now()
	s.press("w", "w", "right", "right", "R", "R", "w")
	s.fits()
	s.press("enter", "tab", "G")
	s.fits()
	// Work that grew with the square of the length took a minute here; now it is a few hundredths of a second.
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("ten keys took %v", took)
	}
}

func TestLostLinesAreTold(t *testing.T) {
	src := newShop()
	src.journal = journal.New(journal.Caps{Stream: 256 << 10, Total: 256 << 10})
	for i := range 200 {
		src.log("orders", fmt.Sprint("early ", i))
	}
	s := newScreen(t, src, 100, 30).press("2", "up")
	for i := range 30_000 {
		src.log("orders", fmt.Sprint("late ", i))
	}
	s.news()
	s.press("g")
	for range 5 {
		s.press("up")
	}
	s.sees("lines lost here")
}

func TestMouse(t *testing.T) {
	click := func(s *screen, x, y int) {
		s.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
	}
	wheel := func(s *screen, x, y int, b tea.MouseButton) { s.send(tea.MouseWheelMsg{X: x, Y: y, Button: b}) }
	s := newScreen(t, newShop(), 100, 30)
	click(s, 5, 7)
	s.sees("▸ orders")
	click(s, 5, 7)
	s.sees("orders · logs", "cannot ship").seesNot("SERVICE")
	click(s, 3, 1)
	s.sees("SERVICE")
	at := strings.Index(s.row(" restart"), "restart")
	click(s, at, 29)
	if s.asked() != "restart orders" {
		t.Errorf("the key line asked for %q", s.asked())
	}
	wheel(s, 5, 5, tea.MouseWheelUp)
	s.sees("▸ payments")
	s.press("2")
	wheel(s, 5, 10, tea.MouseWheelUp)
	s.sees("stands still")
	for range 10 {
		wheel(s, 5, 10, tea.MouseWheelDown)
	}
	s.sees("follow")
}

func TestHelpNamesEveryKey(t *testing.T) {
	s := newScreen(t, newShop(), 200, 80).press("?")
	for _, b := range s.app.keys.table {
		if b.help != "" {
			s.sees(strings.Fields(b.help)[0])
			for _, k := range b.keys {
				s.sees(keyName(k))
			}
		}
	}
	s.sees("signs", "not measured")
	s.press("esc").seesNot("signs")
}

func TestRemappedKeys(t *testing.T) {
	s := newScreen(t, newShop(), 100, 30, func(o *Options) { o.Settings.Keys = map[string][]string{"restart": {"ctrl+r"}, "stop": {"r"}} })
	s.sees("ctrl-r restart", "r stop").press("ctrl+r", "r")
	if s.asked() != "restart rabbitmq; stop rabbitmq" {
		t.Errorf("asked for %q", s.asked())
	}
	s.press("?").sees("ctrl-r")
}

func TestBrowserAndShell(t *testing.T) {
	var opened string
	s := newScreen(t, newShop(), 100, 30, func(o *Options) {
		o.OpenURL = func(_ context.Context, url string) error { opened = url; return nil }
		o.Shell = func(name string) *exec.Cmd { return exec.Command("sh-" + name) }
	})
	s.press("o")
	if opened != "http://localhost:5672" {
		t.Errorf("opened %q", opened)
	}
	s.press("j", "j", "o").sees("inventory publishes no port", "ports:")
	s.press("x")
	if !slices.Contains(s.seen, "tea.execMsg") {
		t.Errorf("no shell was opened: %v", s.seen)
	}
	s.press("j", "j", "j", "x").sees("shipping does not run")
}

func TestEditFindsTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "shipping", "main.go")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	d := &desk{state: session.State{Dir: dir}}
	got, line, ok := d.sourceOf(&journal.Record{Stream: "shipping/stderr", Text: "panic", Body: []byte("\t/usr/lib/none.go:1\n\t/app/shipping/main.go:88 +0x1d4")})
	if !ok || got != file || line != "88" {
		t.Errorf("found %q line %q", got, line)
	}
	if _, _, ok := d.sourceOf(&journal.Record{Text: "at 10.0.0.1:4411 nothing"}); ok {
		t.Error("an address is no file")
	}
	env := func(name string) string { return map[string]string{"EDITOR": "code -w"}[name] }
	if args := editor(env, "a.go", "3").Args; !slices.Equal(args, []string{"code", "-w", "--goto", "a.go:3"}) {
		t.Errorf("runs %q", args)
	}
}

func TestTiny(t *testing.T) {
	s := newScreen(t, newShop(), 19, 5)
	s.sees("shop ● 7")
	s.fits()
	s.send(tea.WindowSizeMsg{Width: 60, Height: 5})
	s.fits()
}

func TestFirstFrameBeforeAnyData(t *testing.T) {
	a, err := newApp(t.Context(), Options{Source: newShop(), State: session.State{Project: "shop",
		Services: []runner.Status{{Service: "orders", State: runner.StateWaiting}}}})
	if err != nil {
		t.Fatal(err)
	}
	a.resize(80, 24)
	(&screen{t: t, app: a}).sees("shop", "orders")
}

func TestGraphMoves(t *testing.T) {
	s := newScreen(t, newShop(), 160, 40).press("6")
	at := func(want string) {
		t.Helper()
		if !strings.Contains(s.row("▸ "), want) && !strings.Contains(s.text(), want+" · dependencies") {
			t.Errorf("not at %s:\n%s", want, s.text())
		}
		s.sees(want + " · dependencies")
	}
	at("rabbitmq")
	s.press("j", "j")
	at("inventory")
	s.press("l")
	at("orders")
	s.press("l", "l")
	s.press("h")
	s.press("enter").sees("· logs")
	s.press("esc", "v").sees("below each what it needs", "└─")
	s.press("g").sees("traffic · dependencies")
	s.press("j").sees("gateway · dependencies")
}
