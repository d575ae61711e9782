package journal

import (
	"strings"
	"unicode/utf8"
)

const (
	escape   = '\x1b'
	tabWidth = 8
)

// Sanitize makes text safe to show on a terminal, as one row. Colours (SGR sequences) stay, but for blinking and hidden
// text, and end with the text; every other escape sequence and control character goes, and so do the marks that change
// the direction of writing. Tabs become spaces up to the next multiple of eight, a carriage return within the text becomes
// a space, and what is not UTF-8 becomes U+FFFD.
func Sanitize(text string) string {
	n := cleanPrefix(text)
	if n == len(text) {
		return text
	}
	s := sanitizer{column: utf8.RuneCountInString(text[:n])}
	s.out = append(make([]byte, 0, len(text)+16), text[:n]...)
	s.run(strings.TrimRight(text[n:], "\r\n"))
	return string(s.out)
}

// StripANSI returns text without its escape sequences.
func StripANSI(text string) string {
	i := strings.IndexByte(text, escape)
	if i < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for ; i >= 0; i = strings.IndexByte(text, escape) {
		b.WriteString(text[:i])
		n, _ := sequence(text[i:])
		text = text[i+n:]
	}
	b.WriteString(text)
	return b.String()
}

// cleanPrefix returns how much of text may be shown as it is.
func cleanPrefix(text string) int {
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if c < utf8.RuneSelf || r == utf8.RuneError && n == 1 || unsafeRune(r) {
			return i
		}
		i += n
	}
	return len(text)
}

// unsafeRune tells whether r, beyond ASCII, does something else on a terminal than to stand in a row.
func unsafeRune(r rune) bool {
	switch {
	case r < 0xa0: // C1 controls
		return true
	case r < 0x2028:
		return r == 0x061c || r == 0x200e || r == 0x200f
	case r <= 0x202e: // separators of lines and paragraphs, embeddings and overrides of direction
		return true
	}
	return r >= 0x2066 && r <= 0x2069 || r == 0xfeff
}

type sanitizer struct {
	out     []byte
	column  int
	colours bool // a colour is on
}

func (s *sanitizer) run(text string) {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == escape:
			n, params := sequence(text[i:])
			s.sgr(params)
			i += n
			continue
		case c == '\t':
			for ok := true; ok; ok = s.column%tabWidth != 0 {
				s.write(" ")
			}
		case c == '\r':
			s.write(" ")
		case c >= ' ' && c < 0x7f:
			s.write(text[i : i+1])
		case c >= utf8.RuneSelf:
			i += s.rune(text[i:])
			continue
		}
		i++
	}
	if s.colours {
		s.out = append(s.out, "\x1b[0m"...)
	}
}

func (s *sanitizer) write(one string) {
	s.out = append(s.out, one...)
	s.column++
}

func (s *sanitizer) rune(text string) int {
	r, n := utf8.DecodeRuneInString(text)
	switch {
	case r == utf8.RuneError && n == 1:
		s.write("\uFFFD")
	case !unsafeRune(r):
		s.write(text[:n])
	}
	return n
}

// sgr writes a colour sequence again, without the parameters that blink (5, 6) or hide (8).
func (s *sanitizer) sgr(params string) {
	if params == "" {
		return
	}
	params = params[:len(params)-1]
	kept := make([]string, 0, 8)
	skip := 0
	all := strings.Split(params, ";")
	for i, p := range all {
		switch {
		case skip > 0:
			skip--
		case p == "5" || p == "6" || p == "8":
			continue
		case (p == "38" || p == "48" || p == "58") && i+1 < len(all):
			skip = map[string]int{"5": 2, "2": 4}[all[i+1]]
		}
		kept = append(kept, p)
	}
	if len(kept) == 0 {
		return
	}
	last := kept[len(kept)-1]
	s.colours = last != "" && strings.Trim(last, "0") != ""
	s.out = append(s.out, "\x1b["...)
	s.out = append(s.out, strings.Join(kept, ";")...)
	s.out = append(s.out, 'm')
}

const longestSequence = 4096 // an escape sequence without an end does not swallow more than itself

// sequence returns the length of the escape sequence that s begins with (ECMA-48: control sequences, control strings and
// the shorter ones), and of a colour sequence the parameters with their final "m".
func sequence(s string) (n int, sgr string) {
	if len(s) < 2 {
		return len(s), ""
	}
	switch c := s[1]; {
	case c == '[':
		return controlSequence(s)
	case strings.IndexByte("]PX^_", c) >= 0:
		return controlString(s), ""
	case c >= 0x20 && c < 0x30:
		n = 2
		for n < len(s) && s[n] >= 0x20 && s[n] < 0x30 {
			n++
		}
		if n < len(s) && s[n] >= 0x30 && s[n] < 0x7f {
			n++
		}
		return n, ""
	case c >= 0x30 && c < 0x7f:
		return 2, ""
	}
	return 1, ""
}

func controlSequence(s string) (n int, sgr string) {
	n = 2
	plain := true
	for n < len(s) && s[n] >= 0x20 && s[n] < 0x40 {
		plain = plain && (isDigit(s[n]) || s[n] == ';' || s[n] == ':')
		n++
	}
	if n == len(s) || s[n] < 0x40 || s[n] > 0x7e {
		return n, ""
	}
	n++
	if plain && s[n-1] == 'm' && n <= 64 {
		return n, s[2:n]
	}
	return n, ""
}

// controlString returns the length of a title, a link or the like, which ends with BEL or ESC \. Without an end, only
// what introduces it counts.
func controlString(s string) int {
	for i := 2; i < len(s) && i < longestSequence; i++ {
		switch s[i] {
		case '\a':
			return i + 1
		case escape:
			if i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
			return i
		}
	}
	return 2
}
