package decode

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

func (a *attempt) json(reason string) (Result, bool) {
	if !json.Valid(a.Body) || !utf8.Valid(a.Body) {
		return Result{}, false
	}
	return a.structured(JSON, "", reason, a.Body), true
}

// structured shows compact or indented JSON in the one form that every structured format has.
func (a *attempt) structured(format, schema, reason string, compact []byte) Result {
	text, cut := indent(compact, a.limit)
	return Result{Format: format, Schema: schema, Reason: reason, Text: text, Cut: cut}
}

// indent lays out valid JSON with two spaces a level. Unlike json.Indent it is bounded, which matters for bodies that
// nest deeply: their indentation grows with the square of their size. Numbers, order and duplicate names stay as
// they are.
func indent(src []byte, limit int) (text string, cut bool) {
	p := printer{out: make([]byte, 0, min(limit, len(src)+len(src)/2))}
	for _, c := range src {
		p.add(c)
		if len(p.out) > limit {
			text, _ = clip(p.out, limit)
			return text, true
		}
	}
	return string(p.out), false
}

type printer struct {
	out    []byte
	depth  int
	quoted bool // inside a string
	escape bool // after a backslash
	opened bool // right after { or [: whether it is empty is not known yet
}

func (p *printer) add(c byte) {
	if p.quoted {
		p.out = append(p.out, c)
		p.quoted = c != '"' || p.escape
		p.escape = c == '\\' && !p.escape
		return
	}
	switch c {
	case ' ', '\t', '\r', '\n':
		return
	case '}', ']':
		p.depth--
		if !p.opened {
			p.line()
		}
		p.opened = false
		p.out = append(p.out, c)
		return
	}
	if p.opened {
		p.opened = false
		p.line()
	}
	p.out = append(p.out, c)
	switch c {
	case '{', '[':
		p.depth++
		p.opened = true
	case ',':
		p.line()
	case ':':
		p.out = append(p.out, ' ')
	case '"':
		p.quoted = true
	}
}

func (p *printer) line() {
	p.out = append(p.out, '\n')
	for range p.depth {
		p.out = append(p.out, ' ', ' ')
	}
}

// maxDepth bounds the nesting that the binary decoders follow.
const maxDepth = 64

var (
	errTorn = errors.New("the body ends in the middle of a value")
	errDeep = errors.New("the body nests too deeply")
)

// quote appends s as a JSON string. What is not UTF-8 becomes the replacement character.
func quote(out []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return append(out, `""`...)
	}
	return append(out, b...)
}

// bytesValue appends bytes as a JSON string in base64: the binary formats have a type for them, and JSON has none.
func bytesValue(out, b []byte) []byte {
	out = append(out, '"')
	out = base64.StdEncoding.AppendEncode(out, b)
	return append(out, '"')
}

// floatValue appends a number, or a string for those that JSON does not have.
func floatValue(out []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return quote(out, strconv.FormatFloat(f, 'g', -1, bits))
	}
	return strconv.AppendFloat(out, f, 'g', -1, bits)
}

// member appends the name of a map's member. Names that are no strings are shown as their JSON inside one.
func member(out, name []byte) []byte {
	if len(name) > 0 && name[0] == '"' {
		return append(append(out, name...), ':')
	}
	return append(quote(out, string(name)), ':')
}
