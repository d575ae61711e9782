package filter

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"

	"msdev/brokers"
)

// pattern is what a text is compared with. absent asks that there is none.
type pattern struct {
	in     func(b []byte) bool
	absent bool
}

// pattern reads a quoted phrase, a /regular expression/ or a word; wildcards of a word count only in fields.
func (p *parser) pattern() (pattern, error) {
	start := p.at
	switch p.text[p.at] {
	case '"', '\'':
		text, err := p.quoted()
		return contains(text), err
	case '/':
		return p.regexp()
	}
	text := p.bare()
	if text == "" {
		return pattern{}, p.fail(start, "something is missing here", `Write a word, a "phrase" or a /regular expression/.`)
	}
	return contains(text), nil
}

// regexp reads /…/, or /…/i for any case.
func (p *parser) regexp() (pattern, error) {
	text, err := p.regexpText()
	if err != nil {
		return pattern{}, err
	}
	return pattern{in: regexp.MustCompile(text).Match}, nil
}

const regexpHint = "Use Go's syntax: https://pkg.go.dev/regexp/syntax."

// regexpText reads /…/ and checks what is inside. A slash in it is written \/.
func (p *parser) regexpText() (string, error) {
	open := p.at
	text, err := p.quoted()
	if err != nil {
		return "", p.fail(open, "this regular expression is not closed", "Close it with a slash; write \\/ for a slash inside it.")
	}
	if p.at < len(p.text) && p.text[p.at] == 'i' {
		p.at++
		text = "(?i)" + text
	}
	if _, err := regexp.Compile(text); err != nil {
		var fault *syntax.Error
		what := err.Error()
		if errors.As(err, &fault) {
			what = fault.Code.String() + ": " + fault.Expr
		}
		return "", p.fail(open, "in this regular expression: "+what, regexpHint)
	}
	return text, nil
}

// contains finds text anywhere; text in lower case finds any case.
func contains(text string) pattern {
	if strings.IndexFunc(text, unicode.IsUpper) >= 0 {
		want := []byte(text)
		return pattern{in: func(b []byte) bool { return bytes.Contains(b, want) }}
	}
	if fold := strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) >= 0; fold {
		re := regexp.MustCompile("(?i)" + regexp.QuoteMeta(text))
		return pattern{in: re.Match}
	}
	return pattern{in: func(b []byte) bool { return containsFold(b, text) }}
}

// containsFold finds ASCII text in lower case, in any case, without making a copy of b.
func containsFold(b []byte, lower string) bool {
	if lower == "" {
		return true
	}
	first := lower[0]
	upper := first
	if 'a' <= first && first <= 'z' {
		upper -= 'a' - 'A'
	}
	for len(b) >= len(lower) {
		i := next(b[:len(b)-len(lower)+1], first, upper)
		if i < 0 {
			return false
		}
		if equalFold(b[i:i+len(lower)], lower) {
			return true
		}
		b = b[i+1:]
	}
	return false
}

func next(b []byte, lower, upper byte) int {
	i := bytes.IndexByte(b, lower)
	if lower == upper {
		return i
	}
	if i >= 0 {
		b = b[:i]
	}
	if j := bytes.IndexByte(b, upper); j >= 0 {
		return j
	}
	return i
}

func equalFold(b []byte, lower string) bool {
	for i := range len(lower) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// whole compares the whole text of a field: * stands for anything, and text in lower case finds any case.
func whole(text string) pattern {
	var b strings.Builder
	if strings.IndexFunc(text, unicode.IsUpper) < 0 {
		b.WriteString("(?i)")
	}
	b.WriteString(`(?s)\A`)
	for i, part := range strings.Split(text, "*") {
		if i > 0 {
			b.WriteString(".*")
		}
		b.WriteString(regexp.QuoteMeta(part))
	}
	b.WriteString(`\z`)
	return pattern{in: regexp.MustCompile(b.String()).Match}
}

// anywhere looks where a person would: body, key, routing key and the text of headers.
func anywhere(pat pattern) test {
	return plain(func(m *brokers.Message) bool {
		if pat.in(m.Body) || pat.in(m.Key) || m.RoutingKey != "" && pat.in([]byte(m.RoutingKey)) {
			return true
		}
		for i := range m.Headers {
			if valueMatches(m.Headers[i].Value, pat) {
				return true
			}
		}
		return false
	})
}
