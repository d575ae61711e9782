package journal

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// json takes a JSON object apart. It answers false, having taken nothing, where s does not begin like one. What is broken
// or follows the object goes to the message, so that nothing is lost.
func (p *lineParser) json(s string) bool {
	r := jsonReader{lineParser: *p, s: s}
	if len(s) > longestJSON {
		r.s, r.cut = clip(s, longestJSON), true
	}
	r.object("", 0)
	if !r.any {
		return false
	}
	*p = r.lineParser
	if rest := strings.TrimSpace(r.s[r.at:]); rest != "" && !r.done && !p.levelOnly {
		p.Message, p.spoke = strings.TrimLeft(p.Message+" "+rest, " "), true
	}
	return true
}

// clip returns the first n bytes of s, or a little less where this would cut a rune.
func clip(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// A jsonReader goes through the pairs of an object. It works on a copy of the line, as the object may turn out broken.
type jsonReader struct {
	lineParser
	s    string
	at   int
	cut  bool // s is not all there was
	any  bool // there was a pair
	done bool // the line needs no more
}

const deepest = 4 // levels of objects that are taken apart; what lies deeper stays JSON

// object reads an object that begins at r.at, and answers false where it is broken or nothing more is needed.
func (r *jsonReader) object(prefix string, depth int) bool {
	r.at++ // {
	for {
		switch r.peek() {
		case '}':
			r.at++
			return true
		case ',':
			r.at++
			continue
		case '"':
		default:
			return false
		}
		start := r.at
		key, _, closed := r.text()
		if !closed || r.peek() != ':' {
			r.at = start
			return false
		}
		r.at++
		r.any = true
		if !r.value(prefix+key, depth) {
			return false
		}
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	for r.at < len(r.s) {
		switch c := r.s[r.at]; c {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return c
		}
	}
	return 0
}

func (r *jsonReader) value(key string, depth int) bool {
	var value string
	ok := true
	switch r.peek() {
	case '"':
		raw, escaped, closed := r.text()
		value, ok = raw, closed
		if escaped && !r.levelOnly {
			value = unescape(raw)
		}
	case '{':
		if depth < deepest && r.nested() {
			return r.object(key+".", depth+1)
		}
		value, ok = r.raw()
	case '[':
		value, ok = r.raw()
	default:
		start := r.at
		for r.at < len(r.s) && strings.IndexByte(",}] \t", r.s[r.at]) < 0 {
			r.at++
		}
		value = r.s[start:r.at]
	}
	if r.cut && r.at == len(r.s) {
		value += "…"
	}
	r.done = r.pair(key, value)
	return ok && !r.done
}

// nested tells whether the object at r.at has a pair.
func (r *jsonReader) nested() bool {
	rest := strings.TrimLeft(r.s[r.at+1:], " \t")
	return rest != "" && rest[0] == '"'
}

// text reads a string, and returns what is between its quotes.
func (r *jsonReader) text() (raw string, escaped, closed bool) {
	raw, n, escaped, closed := quoted(r.s[r.at:])
	r.at += n
	return raw, escaped, closed
}

// raw reads an array or an object as it is written.
func (r *jsonReader) raw() (string, bool) {
	start, depth := r.at, 0
	for r.at < len(r.s) {
		switch r.s[r.at] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			r.text()
			continue
		}
		r.at++
		if depth == 0 {
			return r.s[start:r.at], true
		}
	}
	return r.s[start:], false
}

// quoted reads the string in quotes that s begins with. It returns what is between them, and the length with them.
func quoted(s string) (raw string, n int, escaped, closed bool) {
	end := strings.IndexByte(s[1:], '"') + 1
	if end == 0 {
		return s[1:], len(s), strings.IndexByte(s, '\\') >= 0, false
	}
	first := strings.IndexByte(s[1:end], '\\') + 1
	if first == 0 {
		return s[1:end], end + 1, false, true
	}
	for i := first; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			return s[1:i], i + 1, escaped, true
		}
	}
	return s[1:], len(s), escaped, false
}

// unescape resolves the escapes of JSON, and "\x1b" as Go writes it.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r', 'b', 'f', 'a', 'v': // control characters that would be dropped anyhow
		case 'u':
			s = unescapeRune(&b, s)
		case 'x':
			if r, ok := hexNumber(s, 2); ok {
				b.WriteRune(r)
				s = s[2:]
			}
		default:
			b.WriteByte(c)
		}
	}
}

// unescapeRune writes the rune whose digits s begins with, or the one of two surrogates, and returns what follows.
func unescapeRune(b *strings.Builder, s string) string {
	r, ok := hexNumber(s, 4)
	if !ok {
		b.WriteRune(utf8.RuneError)
		return s
	}
	s = s[4:]
	if utf16.IsSurrogate(r) {
		if low, ok := hexNumber(strings.TrimPrefix(s, `\u`), 4); ok && strings.HasPrefix(s, `\u`) {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				b.WriteRune(pair)
				return s[6:]
			}
		}
	}
	b.WriteRune(r)
	return s
}

func hexNumber(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	var r rune
	for i := range n {
		c := s[i]
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20-'a' < 6:
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// logfmt takes a line of key=value pairs apart. It answers false, having taken nothing, unless the line begins with two
// pairs or with one that logging libraries write first. Words between pairs go to the message, where there is no other.
func (p *lineParser) logfmt(s string) bool {
	first, n := readPair(s)
	if n == 0 {
		return false
	}
	switch roleOf(first.Key) {
	case roleLevel, roleTime, roleMessage:
	default:
		if _, second := readPair(strings.TrimLeft(s[n:], " ")); second == 0 {
			return false
		}
	}
	cut := len(s) > longestJSON
	if cut {
		s = clip(s, longestJSON)
	}
	var words []string
	for at := 0; at < len(s); {
		if isSpace(s[at]) {
			at++
			continue
		}
		pair, n := readPair(s[at:])
		if n == 0 {
			n = wordEnd(s[at:])
			words = append(words, s[at:at+n])
		} else {
			if cut && at+n == len(s) {
				pair.Value += "…"
			}
			if p.pair(pair.Key, pair.Value) {
				return true
			}
		}
		at += n
	}
	if len(words) > 0 && !p.levelOnly {
		p.words(strings.Join(words, " "))
	}
	return true
}

// words takes what is no pair.
func (p *lineParser) words(s string) {
	if p.spoke {
		s = p.Message + " " + s
	}
	p.Message, p.spoke = s, true
}

func wordEnd(s string) int {
	for i := range len(s) {
		if isSpace(s[i]) {
			return i
		}
	}
	return len(s)
}

// readPair reads the key=value that s begins with, and returns its length; 0 where there is none.
func readPair(s string) (Field, int) {
	n := 0
	for n < len(s) && n < 128 && (isWord(s[n]) || n > 0 && strings.IndexByte(".-/:[]", s[n]) >= 0 || s[n] == '@') {
		n++
	}
	if n == 0 || n >= len(s) || s[n] != '=' || isDigit(s[0]) {
		return Field{}, 0
	}
	key := s[:n]
	n++
	if n < len(s) && s[n] == '"' {
		raw, used, escaped, closed := quoted(s[n:])
		if end := n + used; closed && (end == len(s) || isSpace(s[end])) {
			if escaped {
				raw = unescape(raw)
			}
			return Field{key, raw}, end
		}
	}
	end := n + wordEnd(s[n:])
	if strings.HasPrefix(s[n:end], "=") {
		return Field{}, 0 // a comparison, not a pair
	}
	return Field{key, s[n:end]}, end
}
