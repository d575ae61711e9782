package journal

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSanitize(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain", "hello, wörld → 日本 😀", "hello, wörld → 日本 😀"},
		{"colour", "\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"},
		{"colour left on", "\x1b[1;38;5;200mred", "\x1b[1;38;5;200mred\x1b[0m"},
		{"colour reset without a number", "\x1b[31mred\x1b[m", "\x1b[31mred\x1b[m"},
		{"colour with colons", "\x1b[38:2::1:2:3mx\x1b[0m", "\x1b[38:2::1:2:3mx\x1b[0m"},
		{"blinking", "\x1b[5mx\x1b[31;5my\x1b[8mz\x1b[0m", "x\x1b[31myz\x1b[0m"},
		{"five as a colour", "\x1b[48;5;5;5mx\x1b[38;2;8;6;5my\x1b[0m", "\x1b[48;5;5mx\x1b[38;2;8;6;5my\x1b[0m"},
		{"cursor", "a\x1b[2J\x1b[10;10Hb\x1b[?25lc", "abc"},
		{"title", "a\x1b]0;title\ab\x1b]0;title\x1b\\c", "abc"},
		{"link", "\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"title without an end", "a\x1b]0;b", "a0;b"},
		{"character set", "\x1b(Bx\x1b7y\x1b=z", "xyz"},
		{"cut sequence", "x\x1b[3", "x"},
		{"lone escape", "x\x1b", "x"},
		{"controls", "a\x00b\ac\bd\x7fe\u0085f", "abcdef"},
		{"tab", "a\tb\t\tc", "a       b               c"},
		{"tab at a stop", "12345678\tx", "12345678        x"},
		{"tab behind colour and runes", "\x1b[1mäö\x1b[0m\tx", "\x1b[1mäö\x1b[0m      x"},
		{"line end", "text\r\n", "text"},
		{"progress", "10%\r20%", "10% 20%"},
		{"invalid", "a\xffb\xe4\xb8", "a\uFFFDb\uFFFD\uFFFD"},
		{"replaced before", "a\uFFFDb", "a\uFFFDb"},
		{"direction", "a\u202eb\u2066c\u200fd\ufeffe\u2028f", "abcdef"},
		{"family", "👨\u200d👩", "👨\u200d👩"},
	} {
		if got := Sanitize(c.text); got != c.want {
			t.Errorf("%s: %q gave %q, want %q", c.name, c.text, got, c.want)
		}
	}
}

func TestSanitizeDoesNotCopyWhatIsClean(t *testing.T) {
	text := strings.Repeat("wörld ", 100)
	if n := testing.AllocsPerRun(100, func() { Sanitize(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestStripANSI(t *testing.T) {
	if got := StripANSI("a\x1b[31mb\x1b[0m\t\x1b]0;t\ac"); got != "ab\tc" {
		t.Errorf("got %q", got)
	}
}

func FuzzSanitize(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\ttab\r\n")
	f.Add("\x1b]8;;http://x\x1b\\text\u202e\xff\x1b[38;5;")
	f.Fuzz(func(t *testing.T, text string) {
		safe := Sanitize(text)
		if !utf8.ValidString(safe) {
			t.Fatalf("%q is not UTF-8", safe)
		}
		if again := Sanitize(safe); again != safe {
			t.Fatalf("%q, made safe again, is %q", safe, again)
		}
		for i, r := range safe {
			switch {
			case r == escape:
				if n, sgr := sequence(safe[i:]); sgr == "" || n < 3 {
					t.Fatalf("%q has another escape than a colour at %d", safe, i)
				}
			case r < ' ' || r == 0x7f || r >= utf8.RuneSelf && unsafeRune(r):
				t.Fatalf("%q has %q at %d", safe, r, i)
			}
		}
		if stripped := StripANSI(text); len(stripped) > len(text) {
			t.Fatalf("%q grew to %q", text, stripped)
		}
	})
}
