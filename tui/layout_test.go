package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"msdev/runner"
)

// TestEverySizeSmall draws each page at every small size, where there is least room for mistakes.
func TestEverySizeSmall(t *testing.T) {
	s := newScreen(t, newBrokers(), 80, 24, withShell)
	for _, keys := range [][]string{{"1"}, {"1", "i"}, {"2"}, {"2", "w", "enter"}, {"6"}, {"7"}, {"1", ":"}, {"?"}, {"q"},
		{"3"}, {"3", "k", "enter"}, {"3", "R"}, {"3", "R", "enter"}, {"8"}, {"8", "j", "p"}, {"8", "G", "r"}} {
		s.press("esc", "esc", "esc")
		s.press(keys...)
		for w := 1; w <= 60; w += 1 + w/25 {
			for h := 1; h <= 12; h++ {
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
				s.fits()
			}
		}
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		s.press("esc")
	}
}

// TestAnySizeAnyKeys presses keys at random sizes on random graphs: every frame fits, and the selected service stays
// selected as long as only the size changes.
func TestAnySizeAnyKeys(t *testing.T) {
	keys := []string{"1", "2", "3", "6", "7", "8", "m", "P", "D", "=", "t", "y", "j", "k", "h", "l", "g", "G", "i", "z", "tab", "enter", "esc", "space", "/", "n", "N", ">", "<", "f", "p", "T", "y",
		":", "?", "L", "w", "R", "F", "a", "]", "[", "@", "v", "K", "x", "o", "q", "ctrl+u", "ctrl+d", "pgup", "pgdown", "left", "right", "e", "r", "s"}
	rapid.Check(t, func(rt *rapid.T) {
		src := newBrokers()
		src.state.Services = anyServices(rt)
		s := newScreen(t, src, 100, 30, withShell)
		services := s.app.tabs[0].page.(*servicesPage)
		selected := services.list.name
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "resize") {
				s.send(tea.WindowSizeMsg{Width: rapid.IntRange(1, 200).Draw(rt, "w"), Height: rapid.IntRange(1, 60).Draw(rt, "h")})
				if services.list.name != selected && selected != "" {
					rt.Fatalf("a resize moved the selection from %q to %q", selected, services.list.name)
				}
			} else {
				s.press(rapid.SampledFrom(keys).Draw(rt, "key"))
				services.arrange()
				selected = services.list.name
			}
			s.app.outcome = ""
			s.fits()
		}
	})
}

// anyServices is a graph without cycles, with names and texts of all kinds.
func anyServices(rt *rapid.T) []runner.Status {
	n := rapid.IntRange(0, 12).Draw(rt, "services")
	var all []runner.Status
	for i := range n {
		s := running(fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"a", "orders", "数据库", "a-very-long-service-name-that-does-not-fit-anywhere-", "é"}).Draw(rt, "name"), i), 0, 0.1, 1<<20, nil)
		s.State = rapid.SampledFrom([]runner.ServiceState{runner.StateReady, runner.StateStarting, runner.StateWaiting, runner.StateStopped, runner.StateFailed, runner.StateReloading, "new"}).Draw(rt, "state")
		s.Detail = rapid.SampledFrom([]string{"", "healthy", "waits for something with a long name: healthy", "失败\x1b[2J\n"}).Draw(rt, "detail")
		for _, dep := range all {
			if rapid.IntRange(0, 3).Draw(rt, "dep") == 0 {
				s.DependsOn = append(s.DependsOn, runner.Dependency{Service: dep.Service,
					Condition: rapid.SampledFrom([]string{"service_healthy", "service_started", "service_completed_successfully"}).Draw(rt, "cond")})
			}
		}
		all = append(all, s)
	}
	return all
}

// TestLayers checks what a drawing promises: needs stand left, and knots of one layer do not lie over each other.
func TestLayers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		services := anyServices(rt)
		if len(services) == 0 {
			return
		}
		var names []string
		for _, s := range services {
			names = append(names, s.Service)
		}
		columns := layers(names, edgesOf(services), 2)
		at := map[string]*knot{}
		for _, c := range columns {
			checkLayer(rt, c)
			for _, k := range c {
				if !k.bend {
					at[k.name] = k
				}
			}
		}
		if len(at) != len(names) {
			rt.Fatalf("%d of %d services are drawn", len(at), len(names))
		}
		for _, e := range edgesOf(services) {
			if at[e.from].layer >= at[e.to].layer {
				rt.Fatalf("%s does not stand left of %s", e.from, e.to)
			}
		}
	})
}

// checkLayer fails where knots lie over each other, or a line leaves out a layer.
func checkLayer(rt *rapid.T, c []*knot) {
	for i, k := range c {
		if k.row < 0 || i > 0 && k.row < c[i-1].row+c[i-1].rows {
			rt.Fatalf("%s at row %d lies over what is above it", k.name, k.row)
		}
		for _, next := range k.after {
			if next.layer != k.layer+1 {
				rt.Fatalf("a line of %s goes over %d layers", k.name, next.layer-k.layer)
			}
		}
	}
}

func TestLayersCutsCycles(t *testing.T) {
	columns := layers([]string{"a", "b"}, []edge{{"a", "b", "healthy"}, {"b", "a", "healthy"}}, 2)
	n := 0
	for _, c := range columns {
		for _, k := range c {
			if !k.bend {
				n++
			}
		}
	}
	if n != 2 {
		t.Errorf("%d of 2 services are drawn", n)
	}
	if tree := treeOf([]string{"a", "b"}, []edge{{"a", "b", ""}, {"b", "a", ""}}, newSigns(false)); len(tree) < 2 {
		t.Errorf("the tree has %d lines", len(tree))
	}
}

// TestWrap checks that nothing is lost but spaces, and that no line is too wide.
func TestWrap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var ps []piece
		var text strings.Builder
		for _, s := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "word ", "two words", " ", "宽字符", "a-long-word-without-any-space", "é"}), 0, 12).Draw(rt, "pieces") {
			ps = append(ps, piece{"1", s})
			text.WriteString(s)
		}
		w := rapid.IntRange(2, 20).Draw(rt, "w")
		lines, more := wrap(ps, w, 1000)
		var got strings.Builder
		for _, l := range lines {
			if span(l) > w {
				rt.Fatalf("%q is wider than %d", l, w)
			}
			for _, p := range l {
				got.WriteString(p.s)
			}
		}
		if more || squeeze(got.String()) != squeeze(text.String()) {
			rt.Fatalf("%q became %q", text.String(), got.String())
		}
	})
}

func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }

// TestListSettles checks that a selection stays with its row, and finds a place when the row is gone.
func TestListSettles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-f]`), func(s string) string { return s })
		before, after := names.Draw(rt, "before"), names.Draw(rt, "after")
		var l list
		l.settle(before)
		l.pick(before, rapid.IntRange(0, 6).Draw(rt, "pick"))
		was := l.name
		l.settle(after)
		switch {
		case slices.Contains(after, was) && l.name != was:
			rt.Fatalf("%q was there still, and %q is selected", was, l.name)
		case len(after) > 0 && (l.name == "" || after[l.index] != l.name):
			rt.Fatalf("%q at %d is selected of %q", l.name, l.index, after)
		}
		from, to := l.window(len(after), rapid.IntRange(0, 4).Draw(rt, "h"))
		if len(after) > 0 && (l.index < from || l.index >= to) {
			rt.Fatalf("row %d does not show in %d to %d", l.index, from, to)
		}
	})
}
