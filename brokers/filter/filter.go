// Package filter turns an expression that reads well on a command line into a test of messages:
//
//	error                        the body, key, routing key or a header contains it (lower case finds any case)
//	"payment failed" /declin?ed/ a phrase; a regular expression
//	key:7f  routing:orders.*     one field; * stands for anything, /…/ is a regular expression, null is absent
//	header.tenant:acme           a header; type: app: message-id: … the properties
//	partition:3 offset:100..200  numbers and ranges: 5, 5.., ..5, >5, <=5; size:>10k
//	time:>2026-01-31T12:00       times
//	$.order.total > 40           a JSON path, alone (it exists) or compared: == != < <= > >= =~
//	jq: .items | length > 3      a jq expression, to the end or to the closing parenthesis
//	a and (b or not c)           a space is "and" too
package filter

import (
	"time"
	"unicode/utf8"

	"msdev/brokers"
)

// Filter is a compiled expression. It is safe for concurrent use.
type Filter struct {
	text string
	root test
}

// Timeout is how long a jq expression may take for one message.
const Timeout = 100 * time.Millisecond

// Values gives a message's body as the JSON value that paths and jq look into, in the types that encoding/json gives with
// UseNumber; false where the body is nothing like that. It is not asked for a body that is JSON.
type Values func(*brokers.Message) (any, bool)

// Error is a fault in an expression.
type Error struct {
	Text string // the expression
	At   int    // where in it, in bytes
	What string
	Hint string // the way out
}

func (e *Error) Error() string {
	return "filter: " + e.What + "\n  " + e.Text + "\n  " + pointer(e.Text, e.At) + "\n" + e.Hint
}

// Compile reads an expression. The empty one matches everything. values may be nil: then bodies that are JSON are read.
func Compile(text string, values Values) (*Filter, error) {
	p := parser{text: text, values: values}
	if !utf8.ValidString(text) {
		return nil, p.fail(0, "the expression is not UTF-8", `Look for bytes with a regular expression: /\xff/.`)
	}
	root, err := p.whole()
	if err != nil {
		return nil, err
	}
	return &Filter{text: text, root: root}, nil
}

func (f *Filter) String() string { return f.text }

// Match tells whether a message passes. An error says that it could not be judged: a jq expression took too long.
func (f *Filter) Match(m *brokers.Message) (bool, error) {
	if f.root == nil {
		return true, nil
	}
	return f.root(&subject{Message: m})
}

// test is one node of an expression.
type test func(*subject) (bool, error)

// subject is a message under test, with what was learned of its body.
type subject struct {
	*brokers.Message
	scanned, isJSON bool
	parsed, ok      bool
	value           any
}

// scan tells whether the body is JSON.
func (s *subject) scan() bool {
	if !s.scanned {
		s.scanned = true
		s.isJSON = (&scanner{text: s.Body}).whole()
	}
	return s.isJSON
}

// json is the body's value.
func (s *subject) json(values Values) (any, bool) {
	switch {
	case s.parsed:
	case s.scan():
		s.value, s.ok = (&scanner{text: s.Body}).value(), true
	case values != nil:
		s.value, s.ok = values(s.Message)
	}
	s.parsed = true
	return s.value, s.ok
}

// search follows a path in the body's text. only tells that nothing but JSON is looked into. told is false where it needs the value.
func (s *subject) search(path *search, only bool) (passes, told bool) {
	switch {
	case only && path.without(s.Body):
		return false, true
	case s.scan():
		return path.in(s.Body)
	}
	return false, only
}

// part is the body's value, of which an object may have nothing but the named members.
func (s *subject) part(names []string, some bool, values Values) (any, bool) {
	if some && !s.parsed && s.scan() {
		if text := (&scanner{text: s.Body}); text.next() == '{' {
			return text.some(names), true
		}
	}
	return s.json(values)
}

func both(a, b test) test {
	return func(s *subject) (bool, error) {
		if ok, err := a(s); !ok || err != nil {
			return false, err
		}
		return b(s)
	}
}

func either(a, b test) test {
	return func(s *subject) (bool, error) {
		if ok, err := a(s); ok || err != nil {
			return ok, err
		}
		return b(s)
	}
}

func negate(a test) test {
	return func(s *subject) (bool, error) {
		ok, err := a(s)
		return !ok && err == nil, err
	}
}

func plain(match func(*brokers.Message) bool) test {
	return func(s *subject) (bool, error) { return match(s.Message), nil }
}
