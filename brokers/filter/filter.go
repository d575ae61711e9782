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
	"context"
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
// UseNumber; false where the body is nothing like that.
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
	if values == nil {
		values = JSON
	}
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

// subject is a message under test, with its body's value once that was needed.
type subject struct {
	*brokers.Message
	value  any
	parsed bool
	ok     bool
}

func (s *subject) json(values Values) (any, bool) {
	if !s.parsed {
		s.parsed = true
		s.value, s.ok = values(s.Message)
	}
	return s.value, s.ok
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

// timed gives a jq expression its time.
func timed(run func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	return run(ctx)
}
