package filter

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// step leads from a JSON value to some of those inside it.
type step struct {
	name  string // the member of that name
	index int    // the element there, from the end where it is negative
	kind  stepKind
}

type stepKind uint8

const (
	stepName  stepKind = iota
	stepIndex          // [0]
	stepEach           // [*] or .*
	stepDeep           // ..: this value, and all inside it
)

// path reads a JSON path and what its values are compared with.
func (p *parser) path() (test, error) {
	steps, err := p.steps()
	if err != nil {
		return nil, err
	}
	compared, err := p.comparison()
	if err != nil {
		return nil, err
	}
	in, values := newSearch(steps, compared), p.values
	return func(s *subject) (bool, error) {
		if in.text && !s.parsed {
			if passes, told := s.search(in, values == nil); told {
				return passes, nil
			}
		}
		v, ok := s.json(values)
		return ok && walk(v, steps, in.passes), nil
	}, nil
}

// walk tells whether any value that the steps lead to passes.
func walk(v any, steps []step, passes func(any) bool) bool {
	if len(steps) == 0 {
		return passes == nil || passes(v)
	}
	s, rest := steps[0], steps[1:]
	switch s.kind {
	case stepName:
		object, _ := v.(map[string]any)
		member, ok := object[s.name]
		return ok && walk(member, rest, passes)
	case stepIndex:
		list, _ := v.([]any)
		i := s.index
		if i < 0 {
			i += len(list)
		}
		return i >= 0 && i < len(list) && walk(list[i], rest, passes)
	case stepDeep:
		return walk(v, rest, passes) || each(v, func(inner any) bool { return walk(inner, steps, passes) })
	}
	return each(v, func(inner any) bool { return walk(inner, rest, passes) })
}

// each tells whether any member or element passes.
func each(v any, passes func(any) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			if passes(member) {
				return true
			}
		}
	case []any:
		for _, element := range v {
			if passes(element) {
				return true
			}
		}
	}
	return false
}

const pathHint = `Write it like $.order.items[0].sku, $.items[*].id, $..id or $["a b"].`

// steps reads $.a.b[0][*]["c"]..d.
func (p *parser) steps() ([]step, error) {
	p.at++ // $
	var all []step
	for p.at < len(p.text) {
		switch rest := p.text[p.at:]; {
		case strings.HasPrefix(rest, ".."):
			p.at += 2
			all = append(all, step{kind: stepDeep})
			if strings.HasPrefix(p.text[p.at:], "[") {
				continue
			}
		case rest[0] == '.':
			p.at++
		case rest[0] == '[':
			s, err := p.bracket()
			if err != nil {
				return nil, err
			}
			all = append(all, s)
			continue
		default:
			return all, nil
		}
		switch name := p.name(); name {
		case "":
			return nil, p.fail(p.at, "a name is missing in this path", pathHint)
		case "*":
			all = append(all, step{kind: stepEach})
		default:
			all = append(all, step{name: name})
		}
	}
	return all, nil
}

// name takes the name of a path's step.
func (p *parser) name() string {
	rest := p.text[p.at:]
	n := strings.IndexAny(rest, ".[]()=!<>\"' \t\n&|,")
	if n < 0 {
		n = len(rest)
	}
	p.at += n
	return rest[:n]
}

func (p *parser) bracket() (step, error) {
	open := p.at
	p.at++
	s := step{kind: stepEach}
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\'') {
		name, err := p.quoted()
		if err != nil {
			return step{}, err
		}
		s = step{name: name}
	} else if inside := p.name(); inside != "*" {
		i, err := strconv.Atoi(inside)
		if err != nil {
			return step{}, p.fail(open+1, "this is no index of a path", pathHint)
		}
		s = step{index: i, kind: stepIndex}
	}
	if p.at == len(p.text) || p.text[p.at] != ']' {
		return step{}, p.fail(open, "this bracket is not closed", pathHint)
	}
	p.at++
	return s, nil
}

// A comparison is what follows a path.
type comparison struct {
	passes func(any) bool // nil: the path must only lead somewhere
	equals *string        // the text that the value must be
}

// comparison reads an operator and a literal after a path.
func (p *parser) comparison() (comparison, error) {
	before := p.at
	p.space()
	op := ""
	for _, sign := range []string{"==", "!=", "<=", ">=", "=~", "=", "<", ">"} {
		if strings.HasPrefix(p.text[p.at:], sign) {
			op = sign
			break
		}
	}
	if op == "" {
		p.at = before
		return comparison{}, nil
	}
	p.at += len(op)
	p.space()
	if p.at == len(p.text) {
		return comparison{}, p.fail(p.at, "a value is missing after "+op, `Write a number, a word, a "phrase", true, false or null.`)
	}
	if op == "=~" {
		passes, err := p.like()
		return comparison{passes: passes}, err
	}
	want, err := p.literal()
	if err != nil {
		return comparison{}, err
	}
	c := comparison{passes: compare(op, want)}
	if text, is := want.(string); is && op[0] == '=' {
		c.equals = &text
	}
	return c, nil
}

func compare(op string, want any) func(any) bool {
	kind := gojq.TypeOf(want)
	return func(v any) bool {
		order := gojq.Compare(v, want)
		switch op {
		case "=", "==":
			return order == 0
		case "!=":
			return order != 0
		}
		return gojq.TypeOf(v) == kind &&
			(order < 0 && op[0] == '<' || order > 0 && op[0] == '>' || order == 0 && len(op) == 2)
	}
}

// like reads the regular expression of =~, in slashes or quotes, which strings must match somewhere.
func (p *parser) like() (func(any) bool, error) {
	var text string
	var err error
	start := p.at
	switch p.text[p.at] {
	case '/':
		text, err = p.regexpText()
	case '"', '\'':
		text, err = p.quoted()
	default:
		text = p.bare()
	}
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, p.fail(start, "in this regular expression: "+err.Error(), regexpHint)
	}
	return func(v any) bool {
		s, ok := v.(string)
		return ok && re.MatchString(s)
	}, nil
}

// literal reads a JSON scalar; a bare word that is none is a string.
func (p *parser) literal() (any, error) {
	if c := p.text[p.at]; c == '"' || c == '\'' {
		return p.quoted()
	}
	word := p.bare()
	switch {
	case word == "true" || word == "false":
		return word == "true", nil
	case word == "null":
		return nil, nil
	case word != "" && strings.IndexByte("-0123456789", word[0]) >= 0 && json.Valid([]byte(word)):
		return json.Number(word), nil
	}
	return word, nil
}
