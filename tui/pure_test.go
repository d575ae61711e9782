package tui

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"msdev/journal"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ago(-time.Second), "0s"}, {ago(59 * time.Second), "59s"}, {ago(252 * time.Second), "4m12s"}, {age(59 * time.Second), "59s"}, {age(252 * time.Second), "4m"}, {age(3*time.Hour + 5*time.Minute), "3h05m"}, {ago(3*time.Hour + 5*time.Minute), "3h05m"},
		{ago(52 * time.Hour), "2d04h"}, {ago(2000 * 24 * time.Hour), "2000d"},
		{percent(0), "0.0%"}, {percent(0.012), "1.2%"}, {percent(0.9996), "100%"}, {percent(1.204), "120%"}, {percent(63.5), "6350%"},
		{size(0), "0B"}, {size(1023), "1023B"}, {size(18 << 20), "18M"}, {size(1 << 30), "1.0G"}, {size(131 << 20), "131M"}, {size(12 << 30), "12G"}, {size(1023<<20 + 900<<10), "1.0G"},
		{rate(0), "0"}, {rate(0.5), "0.5"}, {rate(3), "3"}, {rate(1204), "1,204"}, {rate(1234567), "1,234,567"},
		{plural(1, "line"), "1 line"}, {plural(uint64(1204), "line"), "1,204 lines"}, {commas(-1234), "-1,234"}, {commas(999), "999"},
		{some(nil), "nothing"}, {some([]string{"a"}), "a"}, {some([]string{"a", "b", "c"}), "a, b and c"}, {some([]string{"a", "b", "c", "d"}), "a, b and 2 more"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestMoment(t *testing.T) {
	day := func(s string) time.Time { at, _ := time.Parse("2006-01-02 15:04:05.999", s); return at }
	for _, c := range []struct {
		in   string
		want time.Time
	}{
		{"12:03", day("2026-05-01 12:03:00")}, {"12:03:31", day("2026-05-01 12:03:31")}, {"12:03:31.5", day("2026-05-01 12:03:31.5")},
		{"13:00", day("2026-04-30 13:00:00")}, {"-5m", noon.Add(-5 * time.Minute)}, {" -1h30m ", noon.Add(-90 * time.Minute)},
		{"2026-04-01 10:00", day("2026-04-01 10:00:00")}, {"2026-04-01T10:00:00Z", day("2026-04-01 10:00:00")},
	} {
		if got, err := moment(c.in, noon); err != nil || !got.Equal(c.want) {
			t.Errorf("%q is %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "later", "25:00", "-", "-5", "12:04:99"} {
		if got, err := moment(bad, noon); err == nil {
			t.Errorf("%q is taken as %v", bad, got)
		}
	}
}

func TestPiecesKeepColoursOnly(t *testing.T) {
	ps := pieces("a\x1b[31mb\x1b[1mc\x1b[0md\x1b[2Je\x1b[0;32mf\x1b[m")
	want := []piece{{"", "a"}, {"31", "b"}, {"31;1", "c"}, {"", "de"}, {"32", "f"}}
	if len(ps) != len(want) {
		t.Fatalf("%q", ps)
	}
	for i := range ps {
		if ps[i] != want[i] {
			t.Errorf("piece %d is %q, want %q", i, ps[i], want[i])
		}
	}
}

func TestHighlight(t *testing.T) {
	find, err := highlights(journal.Filter{Text: "b.d", Regexp: true})
	if err != nil {
		t.Fatal(err)
	}
	k := look{theme: newTheme(ThemeDark, true), signs: newSigns(false), find: find}
	var marked, all strings.Builder
	for _, p := range k.found([]piece{{"31", "ab"}, {"", "cd"}, {"32", "e bxd"}}) {
		all.WriteString(p.s)
		if strings.Contains(string(p.st), string(k.theme.match)) {
			marked.WriteString(p.s + "|")
		}
	}
	if marked.String() != "b|cd|bxd|" || all.String() != "abcde bxd" {
		t.Errorf("marks %q of %q", marked.String(), all.String())
	}
}

func TestPaletteFinds(t *testing.T) {
	var deeds []deed
	for _, n := range []string{"restart everything", "restart orders", "stop orders", "logs orders", "logs of all services", "go to logs", "restart payments"} {
		deeds = append(deeds, deed{name: n})
	}
	for _, c := range []struct{ query, best string }{
		{"restart orders", "restart orders"}, {"ord res", "restart orders"}, {"rorders", "restart orders"}, {"lo or", "logs orders"}, {"pay", "restart payments"}, {"", "restart everything"},
	} {
		got := find(deeds, c.query)
		if len(got) == 0 || got[0].name != c.best {
			t.Errorf("%q finds %v, want %q first", c.query, got, c.best)
		}
	}
	if got := find(deeds, "zzz"); len(got) > 0 {
		t.Errorf("finds %v", got)
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct{ in, err string }{
		{"", ""}, {"theme: light\nkeys:\n  restart: [ctrl+r]\n  stop: t\n", ""},
		{"theme: drak\n", "1: unknown theme \"drak\"\nDid you mean \"dark\"?"},
		{"thme: dark\n", "1: unknown setting \"thme\"\nDid you mean \"theme\"?"},
		{"keys:\n  restrat: [r]\n", "2: unknown action \"restrat\"\nDid you mean \"restart\"?"},
		{"keys: [r]\n", "1: keys is not a mapping"},
		{"keys:\n  restart: {a: b}\n", "2: the keys of \"restart\" are not a list"},
		{"keys:\n  leave: []\n  detach: []\n  stop-all: []\n", "4: no key is left to leave the screen"},
		{"- a\n", "1: the settings are not a mapping"},
		{"theme: [\n", "The file is YAML"},
	} {
		s, err := parseSettings([]byte(c.in))
		switch {
		case c.err == "" && err != nil, c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: %v, want %q", c.in, err, c.err)
		case c.err == "" && c.in != "" && (s.Theme != ThemeLight || s.Keys["stop"][0] != "t"):
			t.Errorf("%q: %+v", c.in, s)
		}
	}
	if s, err := LoadSettings(t.TempDir() + "/none.yaml"); err != nil || s.Theme != "" {
		t.Errorf("a file that is not there: %+v, %v", s, err)
	}
}

// TestKeymap checks that no key of the table is given twice where both would work.
func TestKeymap(t *testing.T) {
	k, err := newKeymap(pageKeys(), nil)
	if err != nil {
		t.Fatal(err)
	}
	type at struct {
		key string
		in  scope
	}
	taken := map[at]action{}
	for _, b := range k.table {
		for _, key := range b.keys {
			if other, double := taken[at{key, b.in}]; double {
				t.Errorf("%q is both %s and %s (%s)", key, other, b.action, b.in)
			}
			taken[at{key, b.in}] = b.action
			if got := keyPress(key).String(); got != key {
				t.Errorf("the terminal calls %q %q", key, got)
			}
		}
	}
	if own, err := newKeymap(pageKeys(), map[string][]string{"restart": {"s"}}); err != nil || own.find("s", onServices) != actRestart {
		t.Errorf("a key of one's own does not win: %v", err)
	}
}

func TestASCIIOnly(t *testing.T) {
	for _, c := range []struct {
		env  string
		want bool
	}{
		{"TERM=dumb LANG=C.UTF-8", true}, {"LANG=C", true}, {"LANG=en_US.ISO-8859-1", true}, {"LANG=en_US.UTF-8", false}, {"LC_ALL=C LANG=C.UTF-8", true}, {"LC_CTYPE=de_DE.utf8 LANG=C", false}, {"", false},
	} {
		env := func(name string) string {
			for _, kv := range strings.Fields(c.env) {
				if v, ok := strings.CutPrefix(kv, name+"="); ok {
					return v
				}
			}
			return ""
		}
		if got := asciiOnly(env); got != c.want {
			t.Errorf("%q: %v", c.env, got)
		}
	}
}

// TestRun runs the whole program on pipes: it draws, takes a key, and ends with all that it started.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		keys string
		want Outcome
	}{{"d", Detached}, {"\x03", Stopped}} {
		in, keys := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := io.WriteString(keys, c.keys); err != nil {
				t.Error(err)
			}
		}()
		got, err := Run(t.Context(), Options{Source: newShop(), Input: in, Output: io.Discard, Environ: []string{"TERM=xterm"}})
		if err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.keys, got, err, c.want)
		}
		<-done
		keys.Close()
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, keys := io.Pipe()
	defer keys.Close()
	src := newShop()
	drawn := make(chan struct{}, 1)
	out := writerFunc(func(p []byte) (int, error) {
		select {
		case drawn <- struct{}{}:
		default:
		}
		return len(p), nil
	})
	go func() {
		<-drawn
		cancel()
	}()
	if got, err := Run(ctx, Options{Source: src, Input: in, Output: out}); !errors.Is(err, context.Canceled) || got != Detached {
		t.Errorf("%q, %v", got, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
