package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth bounds how deeply parentheses and nots may nest.
const maxDepth = 100

// parser reads an expression by recursive descent:
//
//	or    = and { ("or" | "||") and }
//	and   = not { ["and" | "&&"] not }
//	not   = ("not" | "!") not | term
//	term  = "(" or ")" | "jq:" … | "$" path [op literal] | field ":" value | text
type parser struct {
	text   string
	at     int
	depth  int
	values Values
}

func (p *parser) fail(at int, what, hint string) error {
	return &Error{Text: p.text, At: at, What: what, Hint: hint}
}

// pointer draws a caret under byte at of text.
func pointer(text string, at int) string {
	return strings.Repeat(" ", utf8.RuneCountInString(text[:min(at, len(text))])) + "^"
}

func (p *parser) whole() (test, error) {
	p.space()
	if p.at == len(p.text) {
		return nil, nil
	}
	t, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.text) {
		return nil, p.fail(p.at, "a closing parenthesis without its opening one", `Put text with parentheses in quotes: "f(x)".`)
	}
	return t, nil
}

func (p *parser) space() {
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if !unicode.IsSpace(r) {
			return
		}
		p.at += n
	}
}

// word takes one of the words or signs if it comes next as a whole.
func (p *parser) word(words ...string) bool {
	p.space()
	for _, w := range words {
		if len(p.text)-p.at < len(w) || !strings.EqualFold(p.text[p.at:p.at+len(w)], w) {
			continue
		}
		after := p.at + len(w)
		letters := w[0] >= 'a'
		if !letters || after == len(p.text) || strings.ContainsRune(" \t\n(", rune(p.text[after])) {
			p.at = after
			return true
		}
	}
	return false
}

func (p *parser) or() (test, error) {
	left, err := p.and()
	for err == nil && p.word("or", "||") {
		var right test
		if right, err = p.and(); err == nil {
			left = either(left, right)
		}
	}
	return left, err
}

func (p *parser) and() (test, error) {
	left, err := p.not()
	for err == nil {
		joined := p.word("and", "&&")
		if !joined && p.atEnd() {
			return left, nil
		}
		var right test
		if right, err = p.not(); err == nil {
			left = both(left, right)
		}
	}
	return left, err
}

// atEnd tells whether what comes next ends a chain of ands.
func (p *parser) atEnd() bool {
	p.space()
	if p.at == len(p.text) || p.text[p.at] == ')' {
		return true
	}
	at := p.at
	ends := p.word("or", "||")
	p.at = at
	return ends
}

func (p *parser) not() (test, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.at, "it nests too deeply", "Write it with fewer parentheses.")
	}
	defer func() { p.depth-- }()
	if p.word("not", "!") {
		t, err := p.not()
		if err != nil {
			return nil, err
		}
		return negate(t), nil
	}
	return p.term()
}

func (p *parser) term() (test, error) {
	p.space()
	if p.at == len(p.text) {
		return nil, p.fail(p.at, "something is missing at the end", "Write what to look for after and, or, not.")
	}
	start := p.at
	if p.word("and", "or", "&&", "||") {
		return nil, p.fail(start, "something is missing before "+p.text[start:p.at], `Put the word itself in quotes: "or".`)
	}
	switch {
	case p.text[p.at] == '(':
		return p.group()
	case p.text[p.at] == ')':
		return nil, p.fail(p.at, "something is missing before the parenthesis", `Put text with parentheses in quotes: "f(x)".`)
	case strings.HasPrefix(p.text[p.at:], "jq:"):
		p.at += len("jq:")
		return p.jq()
	case strings.HasPrefix(p.text[p.at:], "$.") || strings.HasPrefix(p.text[p.at:], "$["):
		return p.path()
	}
	if name, ok := p.fieldName(); ok {
		return p.field(name, start)
	}
	pat, err := p.pattern()
	if err != nil {
		return nil, err
	}
	return anywhere(pat), nil
}

func (p *parser) group() (test, error) {
	open := p.at
	p.at++
	t, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at == len(p.text) {
		return nil, p.fail(open, "this parenthesis is not closed", `Close it, or put text with parentheses in quotes: "f(x)".`)
	}
	p.at++
	return t, nil
}

// fieldName takes "name:" where name is a field or starts with header.; else nothing.
func (p *parser) fieldName() (string, bool) {
	rest := p.text[p.at:]
	n := strings.IndexAny(rest, ": \t\n()\"'/")
	if n <= 0 || rest[n] != ':' {
		return "", false
	}
	name := rest[:n]
	if !strings.HasPrefix(name, headerPrefix) && !known(name) {
		return "", false
	}
	p.at += n + 1
	return name, true
}

// quoted takes text in the quotes or slashes that come next. A backslash keeps the quote after it, or a backslash;
// between slashes all others belong to the regular expression.
func (p *parser) quoted() (string, error) {
	open, quote := p.at, p.text[p.at]
	var b strings.Builder
	for i := open + 1; i < len(p.text); i++ {
		c := p.text[i]
		if c == quote {
			p.at = i + 1
			return b.String(), nil
		}
		if c == '\\' && i+1 < len(p.text) {
			i++
			if next := p.text[i]; next != quote && (next != '\\' || quote == '/') {
				b.WriteByte(c)
			}
			c = p.text[i]
		}
		b.WriteByte(c)
	}
	return "", p.fail(open, "this quote is not closed", "Close it, or write \\"+string(quote)+" for the character itself.")
}

// bare takes text up to a space or parenthesis.
func (p *parser) bare() string {
	rest := p.text[p.at:]
	n := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || r == '(' || r == ')' })
	if n < 0 {
		n = len(rest)
	}
	p.at += n
	return rest[:n]
}
