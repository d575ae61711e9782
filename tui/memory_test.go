package tui

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSortingIsRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "msdev", "screen.json")
	page := func() *servicesPage {
		return newServicesPage(&desk{source: &shop{}, signs: newSigns(false), open: Options{Memory: LoadMemory(path)}})
	}
	p := page()
	if p.sort != -1 {
		t.Errorf("at first it is sorted by %d", p.sort)
	}
	p.sortBy(true)
	p.sortBy(true)
	if again := page(); again.sort != p.sort || p.sort < 1 {
		t.Errorf("it was sorted by %d, and again by %d", p.sort, again.sort)
	}
	for p.sort != -1 {
		p.sortBy(true)
	}
	if again := page(); again.sort != -1 {
		t.Errorf("the graph's order became %d", again.sort)
	}
	for _, text := range []string{"{", `{"sort": {"services": "A COLUMN OF OLD"}}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := page(); p.sort != -1 {
			t.Errorf("%s: sorted by %d", text, p.sort)
		}
	}
	newServicesPage(&desk{source: &shop{}, signs: newSigns(false)}).sortBy(true) // nowhere to keep it
}
