package filter

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// scanner walks over JSON text without making values of it, which takes a fraction of decoding it. It takes for JSON just what
// encoding/json does.
type scanner struct {
	text []byte
	at   int
	deep int
}

// mostDeep is how deeply encoding/json lets values nest.
const mostDeep = 10000

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// next skips white space and returns the byte there, 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// whole tells whether the text is one value and nothing else.
func (s *scanner) whole() bool { return s.skip() && s.next() == 0 && s.at == len(s.text) }

// skip goes behind the value that comes next. False: there is none.
func (s *scanner) skip() bool {
	switch c := s.next(); {
	case c == '{':
		return s.members(func([]byte, int) bool { return s.skip() })
	case c == '[':
		return s.elements(func(int) bool { return s.skip() })
	case c == '"':
		return s.string()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// members calls f for each member of the object that comes next, with its name as it is written, in its quotes. f goes behind the
// value.
func (s *scanner) members(f func(name []byte, i int) bool) bool {
	return s.inside('}', func(i int) bool {
		if s.next() != '"' {
			return false
		}
		start := s.at
		if !s.string() {
			return false
		}
		name := s.text[start:s.at]
		if s.next() != ':' {
			return false
		}
		s.at++
		return f(name, i)
	})
}

// elements calls f for each element of the array that comes next, which goes behind it.
func (s *scanner) elements(f func(i int) bool) bool { return s.inside(']', f) }

// inside calls f for each part of an object or array, up to its end.
func (s *scanner) inside(end byte, f func(i int) bool) bool {
	if s.deep++; s.deep > mostDeep {
		return false
	}
	s.at++
	if s.next() == end {
		s.at++
		s.deep--
		return true
	}
	for i := 0; ; i++ {
		if !f(i) {
			return false
		}
		switch s.next() {
		case ',':
			s.at++
		case end:
			s.at++
			s.deep--
			return true
		default:
			return false
		}
	}
}

// string goes behind the string that begins here.
func (s *scanner) string() bool {
	text := s.text
	for i := s.at + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			s.at = i + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			n := escape(text[i+1:])
			if n == 0 {
				return false
			}
			i += n
		}
	}
	return false
}

// escape returns how many bytes belong to what follows a backslash, 0 where nothing may follow like that.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) < 5 {
			return 0
		}
		for _, c := range b[1:5] {
			if !isDigit(c) && (c|0x20 < 'a' || 'f' < c|0x20) {
				return 0
			}
		}
		return 5
	}
	return 0
}

func (s *scanner) word(w string) bool {
	if len(s.text)-s.at < len(w) || string(s.text[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number goes behind a number: -0.5e+10.
func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return false
		}
	}
	if s.peek()|0x20 == 'e' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) peek() byte {
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

func (s *scanner) digits() bool {
	from := s.at
	for isDigit(s.peek()) {
		s.at++
	}
	return s.at > from
}

// value makes what comes next a value, in the types that encoding/json gives with UseNumber. The text must have been scanned before.
func (s *scanner) value() any {
	switch c := s.next(); c {
	case '{':
		object := map[string]any{}
		s.members(func(name []byte, _ int) bool {
			object[unquote(name)] = s.value()
			return true
		})
		return object
	case '[':
		list := []any{}
		s.elements(func(int) bool {
			list = append(list, s.value())
			return true
		})
		return list
	default:
		from := s.at
		s.skip()
		return scalar(s.text[from:s.at])
	}
}

// some is the object that comes next with nothing but the named members. The text must have been scanned before.
func (s *scanner) some(names []string) map[string]any {
	object := make(map[string]any, len(names))
	s.members(func(quoted []byte, _ int) bool {
		for _, name := range names {
			if named(quoted, name) {
				object[name] = s.value()
				return true
			}
		}
		return s.skip()
	})
	return object
}

func scalar(b []byte) any {
	switch b[0] {
	case '"':
		return unquote(b)
	case 't', 'f':
		return b[0] == 't'
	case 'n':
		return nil
	}
	return json.Number(b)
}

// unquote is the text of a string.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var text string
	_ = json.Unmarshal(quoted, &text) // it was scanned before
	return text
}

// named tells whether a string is that name.
func named(quoted []byte, name string) bool {
	inner := quoted[1 : len(quoted)-1]
	if string(inner) == name {
		return true
	}
	plain := bytes.IndexByte(inner, '\\') < 0 && !strings.ContainsRune(name, utf8.RuneError)
	return !plain && unquote(quoted) == name
}
