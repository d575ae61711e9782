package journal

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Filter narrows records to those that a person asked for. The zero value lets everything pass.
type Filter struct {
	Text          string `json:"text,omitempty"`          // to be found in Text or Body as they show, without escape sequences
	Regexp        bool   `json:"regexp,omitempty"`        // Text is a regular expression (RE2)
	CaseSensitive bool   `json:"caseSensitive,omitempty"` // otherwise case counts only where Text holds an upper-case letter
	Invert        bool   `json:"invert,omitempty"`        // let pass what does not hold Text; Level and Trace still narrow
	Level         Level  `json:"level,omitzero"`          // the least level of a log line; other kinds have none and pass
	Trace         string `json:"trace,omitempty"`         // a trace id, which a record bears or names in its text
}

// Compile returns the filter as a function for Query.Match, nil where everything passes. The function may be called by
// several goroutines. The error is one sentence that names the column at which a regular expression is wrong.
func (f Filter) Compile() (func(*Record) bool, error) {
	find, err := f.finder()
	if err != nil {
		return nil, err
	}
	trace := strings.ToLower(f.Trace)
	if find == nil && f.Level == LevelNone && trace == "" {
		return nil, nil
	}
	return func(r *Record) bool {
		if trace != "" && !bears(r, trace) {
			return false
		}
		if find != nil && found(find, r) == f.Invert {
			return false
		}
		return f.Level == LevelNone || r.Kind != KindLog || LevelOf(r.Text) >= f.Level
	}, nil
}

// Pattern returns what Text looks for as a regular expression, to highlight what was found; nil without Text.
func (f Filter) Pattern() (*regexp.Regexp, error) {
	if f.Text == "" {
		return nil, nil
	}
	pattern, parsed := regexp.QuoteMeta(f.Text), (*syntax.Regexp)(nil)
	if f.Regexp {
		pattern = f.Text
		var err error
		if parsed, err = syntax.Parse(pattern, syntax.Perl); err != nil {
			return nil, explain(pattern, err)
		}
	}
	if !f.caseCounts(parsed) {
		pattern = "(?i)" + pattern
	}
	return regexp.Compile(pattern)
}

// caseCounts tells whether upper and lower case differ. In a regular expression \S or \W are no upper-case letters.
func (f Filter) caseCounts(parsed *syntax.Regexp) bool {
	if f.CaseSensitive {
		return true
	}
	if parsed != nil {
		return hasUpper(parsed)
	}
	return strings.ContainsFunc(f.Text, unicode.IsUpper)
}

func hasUpper(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0 {
		for _, r := range re.Rune {
			if unicode.IsUpper(r) {
				return true
			}
		}
	}
	for _, sub := range re.Sub {
		if hasUpper(sub) {
			return true
		}
	}
	return false
}

// finder returns a function that looks for Text, nil without Text.
func (f Filter) finder() (func(string) bool, error) {
	re, err := f.Pattern()
	if re == nil {
		return nil, err
	}
	if !f.Regexp {
		if f.caseCounts(nil) {
			return func(s string) bool { return strings.Contains(s, f.Text) }, nil
		}
		return newFold(f.Text).in, nil
	}
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil, explain(f.Text, err)
	}
	literal := required(parsed.Simplify())
	if literal == "" {
		return re.MatchString, nil
	}
	needed := newFold(literal)
	return func(s string) bool { return needed.in(s) && re.MatchString(s) }, nil
}

// required returns the longest text that every match holds, whatever its case; "" where none is known. Looking for that
// first spares most lines the regular expression.
func required(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if s := required(sub); len(s) > len(longest) {
				longest = s
			}
		}
		return longest
	}
	return ""
}

// explain turns an error of regexp/syntax into a sentence with a column.
func explain(pattern string, err error) error {
	var wrong *syntax.Error
	if !errors.As(err, &wrong) {
		return fmt.Errorf("the regular expression is wrong: %w", err)
	}
	at := max(0, strings.Index(pattern, wrong.Expr))
	switch wrong.Code {
	case syntax.ErrMissingParen:
		at = unclosed(pattern)
	case syntax.ErrTrailingBackslash:
		at = len(pattern) - 1
	case syntax.ErrUnexpectedParen:
		at = strings.LastIndexByte(pattern, ')')
	}
	column := utf8.RuneCountInString(pattern[:at]) + 1
	return fmt.Errorf("the regular expression is wrong at column %d: %s", column, wrong.Code)
}

// unclosed returns the place of the last parenthesis that is not closed.
func unclosed(pattern string) int {
	var open []int
	class := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[' || c == ']':
			class = c == '['
		case c == '(' && !class:
			open = append(open, i)
		case c == ')' && !class && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return 0
	}
	return open[len(open)-1]
}

// found looks into the record's text and body.
func found(find func(string) bool, r *Record) bool {
	if find(StripANSI(r.Text)) {
		return true
	}
	return len(r.Body) > 0 && find(StripANSI(unsafe.String(&r.Body[0], len(r.Body)))) // lent, and not kept
}

// bears tells whether the record belongs to a trace, given in lower case.
func bears(r *Record, trace string) bool {
	return strings.EqualFold(r.Trace, trace) || r.Trace == "" && strings.Contains(r.Text, trace)
}

// A fold looks for a text without regard to case.
type fold struct {
	text         string // ASCII: in lower case
	at           int    // of the byte that is looked for first, the rarest
	lower, upper byte
	wide         []rune // beyond ASCII: the text as folded runes instead
}

func newFold(text string) *fold {
	f := &fold{text: strings.ToLower(text)}
	for _, r := range text {
		if r >= utf8.RuneSelf {
			f.wide = foldRunes(text)
			return f
		}
	}
	for i := range len(f.text) {
		if rarity(f.text[i]) > rarity(f.text[f.at]) {
			f.at = i
		}
	}
	f.lower = f.text[f.at]
	f.upper = f.lower
	if isLetter(f.lower) {
		f.upper = f.lower &^ 0x20
	}
	return f
}

// rarity is higher for bytes that are rarer in logs.
func rarity(c byte) int {
	const common = "e0 1t\"2a,:o-3ni.rs4567d89lc=mu/p_ghfbvykwxjzq"
	if at := strings.IndexByte(common, c); at >= 0 {
		return at
	}
	return len(common)
}

// in tells whether s holds the text.
func (f *fold) in(s string) bool {
	if f.wide != nil {
		return f.inWide(s)
	}
	next := [2]int{f.index(s, 0, f.lower), f.index(s, 0, f.upper)}
	for next[0] < len(s) || next[1] < len(s) {
		which := 0
		if next[1] < next[0] {
			which = 1
		}
		at := next[which]
		start := at - f.at
		if start+len(f.text) > len(s) {
			return false
		}
		if start >= 0 && equalFold(s[start:start+len(f.text)], f.text) {
			return true
		}
		next[which] = f.index(s, at+1, s[at])
		if f.lower == f.upper {
			next[1] = next[0]
		}
	}
	return false
}

func (f *fold) index(s string, from int, c byte) int {
	if i := strings.IndexByte(s[from:], c); i >= 0 {
		return from + i
	}
	return len(s)
}

// equalFold compares ASCII with what is in lower case already.
func equalFold(s, lower string) bool {
	for i := range len(s) {
		c := s[i]
		if isUpper(c) {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func (f *fold) inWide(s string) bool {
	for s != "" {
		if f.prefixWide(s) {
			return true
		}
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
	return false
}

func (f *fold) prefixWide(s string) bool {
	for _, want := range f.wide {
		r, n := utf8.DecodeRuneInString(s)
		if n == 0 || r != want && foldRune(r) != want {
			return false
		}
		s = s[n:]
	}
	return true
}

func foldRunes(s string) []rune {
	runes := []rune(s)
	for i, r := range runes {
		runes[i] = foldRune(r)
	}
	return runes
}

// foldRune returns the smallest rune that differs from r only in case.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}
