package filter

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A search is a path with what its values are compared with. It looks into the text of a body where that is JSON, which decodes
// nothing but the values that it leads to.
type search struct {
	steps  []step
	passes func(any) bool // nil: there is one
	// needs are texts of which each stands in a body that passes, unless it escapes them.
	needs [][]byte
	text  bool // the steps can be followed in text
}

func newSearch(steps []step, c comparison) *search {
	r := &search{steps: steps, passes: c.passes, text: true}
	for _, s := range steps {
		switch {
		case s.kind == stepDeep || s.kind == stepIndex && s.index < 0:
			r.text = false
		case s.kind == stepName:
			r.need(s.name)
		}
	}
	if c.equals != nil {
		r.need(*c.equals)
	}
	return r
}

// need notes that a string must be there, if it is one that bodies write as it is.
func (r *search) need(text string) {
	if strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c == '"' || c == '\\' || c == utf8.RuneError }) < 0 {
		r.needs = append(r.needs, []byte(`"`+text+`"`))
	}
}

// without tells that JSON text cannot pass, because it has not what it needs.
func (r *search) without(text []byte) bool {
	for _, need := range r.needs {
		if !bytes.Contains(text, need) {
			return bytes.IndexByte(text, '\\') < 0
		}
	}
	return false
}

// in tells whether a value in JSON text passes. told is false where only the decoded body can tell.
func (r *search) in(text []byte) (passes, told bool) { return r.follow(text, r.steps) }

// follow goes on from the value that text is.
func (r *search) follow(text []byte, steps []step) (passes, told bool) {
	s := scanner{text: text}
	if len(steps) == 0 {
		return r.passes == nil || r.passes(s.value()), true
	}
	c := s.next()
	switch step := steps[0]; {
	case step.kind == stepEach && c == '{':
		return false, false // of members with the same name only the last counts
	case step.kind == stepEach && c == '[':
		told = true
		s.elements(func(int) bool {
			from := s.at
			s.skip()
			passes, told = r.follow(s.text[from:s.at], steps[1:])
			return !passes && told
		})
		return passes, told
	default:
		inner := s.inner(step)
		if inner == nil {
			return false, true
		}
		return r.follow(inner, steps[1:])
	}
}

// inner is the text of the member or element that a step leads to, nil where there is none.
func (s *scanner) inner(to step) (inner []byte) {
	take := func(is bool) bool {
		from := s.at
		if s.skip() && is {
			inner = s.text[from:s.at]
		}
		return true
	}
	switch c := s.next(); {
	case c == '{' && to.kind == stepName:
		s.members(func(name []byte, _ int) bool { return take(named(name, to.name)) })
	case c == '[' && to.kind == stepIndex:
		s.elements(func(i int) bool { return take(i == to.index) && inner == nil })
	}
	return inner
}
