package tui

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

func withShell(o *Options) { o.Shell = func(string) *exec.Cmd { return exec.Command("true") } }

// TestGolden draws each page in each of its states at three sizes, and compares with the screens on file.
func TestGolden(t *testing.T) {
	states := []struct {
		name string
		do   func(*screen)
	}{
		{"services", func(s *screen) { s.press("j", "j", "j", "j") }},
		{"services-details", func(s *screen) { s.press("j", "j", "j", "j", "i") }},
		{"services-failed", func(s *screen) { s.press("j", "j", "j", "j", "j") }},
		{"services-marked-sorted", func(s *screen) { s.press("space", "space", ">", ">", ">", ">", ">") }},
		{"services-filter", func(s *screen) { s.press("/").typed("pay") }},
		{"services-filter-nothing", func(s *screen) { s.press("/").typed("xyz").press("enter") }},
		{"services-before-data", func(s *screen) { s.app.state, s.app.known = session.State{Project: "shop"}, false; s.draw() }},
		{"services-empty", func(s *screen) { s.shop.state.Services = nil; s.news() }},
		{"services-problem", func(s *screen) {
			s.shop.state.Problem = "the engine at unix:///var/run/docker.sock does not answer"
			s.shop.state.Hint = "What runs goes on. Start it with: systemctl start docker"
			s.news()
		}},
		{"services-reloads", func(s *screen) { s.reloads(); s.press("j", "j", "j", "j", "i") }},
		{"services-reloads-held", func(s *screen) { s.reloads(); s.shop.state.Watch.Paused = true; s.news() }},
		{"services-gone", func(s *screen) { s.send(goneMsg{errors.New("EOF")}) }},
		{"services-stopping", func(s *screen) { s.app.stopping = 1; s.draw() }},
		{"services-error", func(s *screen) {
			s.shop.fail = errors.New("the port 8080 is taken by \"nginx\" (pid 4411).\nStop it, or give gateway another port.")
			s.press("r")
		}},
		{"logs", func(s *screen) { s.press("2") }},
		{"logs-one", func(s *screen) { s.press("j", "j", "j", "j", "enter") }},
		{"logs-detail", func(s *screen) { s.press("j", "j", "j", "j", "enter", "k", "enter") }},
		{"logs-filter", func(s *screen) { s.press("2", "/").typed("slow").press("enter") }},
		{"logs-search", func(s *screen) { s.press("2", "/", "tab").typed("cannot").press("enter") }},
		{"logs-filter-nothing", func(s *screen) { s.press("2", "/").typed("no such text").press("enter") }},
		{"logs-level", func(s *screen) { s.press("2", "L", "L", "L", "L") }},
		{"logs-wrapped", func(s *screen) { s.press("2", "w") }},
		{"logs-raw-folded-ages", func(s *screen) { s.press("2", "R", "F", "T") }},
		{"graph", func(s *screen) { s.press("6", "l") }},
		{"graph-tree", func(s *screen) { s.press("6", "v") }},
		{"events", func(s *screen) { s.press("7") }},
		{"events-detail", func(s *screen) { s.press("7", "k", "enter") }},
		{"palette", func(s *screen) { s.press(":").typed("res ord") }},
		{"help", func(s *screen) { s.press("?") }},
		{"leave", func(s *screen) { s.press("q") }},
		{"kill", func(s *screen) { s.press("j", "j", "j", "j", "K") }},
	}
	for _, st := range states {
		for _, size := range [][2]int{{40, 16}, {80, 24}, {160, 40}} {
			name := fmt.Sprintf("%s.%d.txt", st.name, size[0])
			t.Run(name, func(t *testing.T) {
				s := newScreen(t, newShop(), size[0], size[1], withShell)
				st.do(s)
				s.fits()
				golden(t, name, s.text())
			})
		}
	}
}

// TestGoldenBrokers draws the pages of messages and queues.
func TestGoldenBrokers(t *testing.T) {
	deadLetters := func(s *screen) {
		s.press("8", "/").typed("shipments.dead").press("enter")
	}
	states := []struct {
		name string
		do   func(*screen)
	}{
		{"messages", func(s *screen) { s.press("3") }},
		{"messages-detail", func(s *screen) { s.press("3", "k", "k", "k", "k", "enter") }},
		{"messages-kafka", func(s *screen) { s.press("3", "k", "k", "k", "enter", "enter", "G") }},
		{"messages-hex", func(s *screen) { s.press("3", "k", "enter", "v", "v", "enter", "G") }},
		{"messages-filter", func(s *screen) { s.press("3", "/").typed("$.total > 44 and header.tenant:acme").press("enter") }},
		{"messages-filter-wrong", func(s *screen) { s.press("3", "/").typed("$.total >") }},
		{"messages-filter-nothing", func(s *screen) { s.press("3", "/").typed("key:none").press("enter") }},
		{"messages-compare", func(s *screen) { s.press("3", "k", "k", "k", "k", "space", "k", "k", "k", "space", "=") }},
		{"messages-of-service", func(s *screen) { s.press("j", "j", "j", "j", "j", "m") }},
		{"messages-empty", func(s *screen) { s.shop.journal = journal.New(journal.Caps{}); s.press("3") }},
		{"messages-no-broker", func(s *screen) { s.shop.brokers = nil; s.shop.journal = journal.New(journal.Caps{}); s.press("3") }},
		{"messages-not-seen", func(s *screen) {
			s.shop.journal = journal.New(journal.Caps{})
			s.shop.state.Brokers[0].Problem = "the default exchange cannot be tapped\nmsdev tap --firehose shows it, at the cost of tracing."
			s.news()
			s.press("3")
		}},
		{"replay", func(s *screen) { s.press("3", "k", "k", "k", "k", "R") }},
		{"replay-sent", func(s *screen) { s.press("3", "k", "k", "k", "k", "R", "enter") }},
		{"queues", func(s *screen) { s.press("8") }},
		{"queues-exchange", func(s *screen) { s.press("8", "/").typed("orders").press("enter", "j", "j") }},
		{"queues-group", func(s *screen) { s.press("8", "/").typed("billing").press("enter", "G") }},
		{"queues-topic", func(s *screen) { s.press("8", "/").typed("order-events").press("enter", "G") }},
		{"queues-unreachable", func(s *screen) {
			s.shop.brokers[1].err = errors.New("kafka at 127.0.0.1:9092 does not answer: connection refused\nStart it: msdev start kafka")
			s.press("8", "G")
		}},
		{"queues-peek", func(s *screen) { deadLetters(s); s.press("p") }},
		{"queues-redrive", func(s *screen) { deadLetters(s); s.press("R") }},
		{"queues-purge", func(s *screen) { deadLetters(s); s.press("P") }},
		{"queues-reset", func(s *screen) {
			s.press("8", "/").typed("billing").press("enter", "G", "r").typed("nonsense").press("enter")
		}},
		{"queues-create", func(s *screen) { deadLetters(s); s.press("c", "tab").typed("invoices") }},
		{"queues-alter", func(s *screen) {
			s.press("8", "/").typed("order-events").press("enter", "e", "backspace").typed("1").press("enter")
		}},
		{"queues-unbind", func(s *screen) { s.press("8", "/").typed("mails").press("enter", "u") }},
		{"queues-delete-one", func(s *screen) { deadLetters(s); s.press("p", "G", "D") }},
		{"messages-firehose", func(s *screen) { s.press("3", "F") }},
		{"messages-firehose-on", func(s *screen) { s.press("3", "F", "F") }},
		{"queues-nothing", func(s *screen) { s.press("8", "/").typed("xyz").press("enter") }},
	}
	t.Setenv("XDG_STATE_HOME", "/state")
	for _, st := range states {
		for _, size := range [][2]int{{40, 16}, {80, 24}, {160, 40}} {
			name := fmt.Sprintf("%s.%d.txt", st.name, size[0])
			t.Run(name, func(t *testing.T) {
				s := newScreen(t, newBrokers(), size[0], size[1], withShell)
				st.do(s)
				s.fits()
				golden(t, name, s.text())
			})
		}
	}
}

// TestGoldenColours compares the pages with all their colours, in each theme.
func TestGoldenColours(t *testing.T) {
	for _, theme := range []ThemeName{ThemeDark, ThemeLight, ThemeContrast, ThemeNone} {
		for _, page := range []string{"1", "2", "3", "6", "7", "8"} {
			name := fmt.Sprintf("%s-page%s.80.ansi", theme, page)
			t.Run(name, func(t *testing.T) {
				s := newScreen(t, either(page == "3" || page == "8", newBrokers, newShop)(), 80, 24, func(o *Options) { o.Settings.Theme = theme })
				s.press(page)
				golden(t, name, s.app.content+"\n")
			})
		}
	}
}

// TestGoldenASCII draws every page for a terminal that knows nothing but ASCII.
func TestGoldenASCII(t *testing.T) {
	for _, page := range []string{"1", "2", "3", "6", "7", "8"} {
		name := "ascii-page" + page + ".80.txt"
		t.Run(name, func(t *testing.T) {
			s := newScreen(t, either(page == "3" || page == "8", newBrokers, newShop)(), 80, 24, func(o *Options) { o.Environ = []string{"TERM=dumb"} })
			s.press(page)
			for _, r := range s.app.content {
				if r > 0x7e {
					t.Fatalf("%q is not ASCII:\n%s", r, s.text())
				}
			}
			golden(t, name, s.text())
		})
	}
}

// TestNoColour asks for a screen without colours in the way that programs agree on, and looks for one.
func TestNoColour(t *testing.T) {
	s := newScreen(t, newShop(), 80, 24, func(o *Options) { o.Environ = append(o.Environ, "NO_COLOR=1") })
	for _, page := range []string{"1", "2", "3", "6", "7", "8"} {
		s.press(page)
		for _, colour := range []string{"[38;", "[48;", ";38;", ";48;"} {
			if i := strings.Index(s.app.content, colour); i >= 0 {
				t.Errorf("page %s holds a colour: %q", page, s.app.content[i:i+20])
			}
		}
	}
}

// TestBackground asks the terminal whether it is dark or light.
func TestBackground(t *testing.T) {
	s := newScreen(t, newShop(), 80, 24)
	if s.app.Init() == nil {
		t.Fatal("the terminal is not asked")
	}
	dark := s.app.content
	s.send(tea.BackgroundColorMsg{Color: white{}})
	if s.app.content == dark {
		t.Error("a light terminal gets the dark colours")
	}
}

type white struct{}

func (white) RGBA() (r, g, b, a uint32) { return 0xffff, 0xffff, 0xffff, 0xffff }

// reloads has services reload: one now, one that waits for a word, one with a build that failed.
func (s *screen) reloads() {
	st := &s.shop.state
	st.Watch.On = true
	for i := range st.Services {
		svc := &st.Services[i]
		switch svc.Service {
		case "orders":
			svc.State, svc.Detail = runner.StateReloading, "building (orders/main.go)"
			svc.Reload = &runner.ReloadStatus{Mode: runner.ReloadAuto, History: []runner.Reload{
				{Files: []string{"orders/main.go", "orders/price.go"}, Count: 2, At: noon.Add(-12 * time.Second), Built: 0.712, Started: 0.74, Ready: 0.91, How: runner.HowSwap, Result: runner.ReloadDone},
				{Files: []string{"orders/main.go"}, Count: 1, At: noon.Add(-time.Minute), Result: runner.ReloadFailed, Error: `service "orders" is not built: orders/main.go:41:2: undefined: total`},
			}}
		case "inventory":
			svc.Reload = &runner.ReloadStatus{Mode: runner.ReloadManual, Waiting: []string{"inventory/main.go"}}
		}
	}
	s.news()
}
