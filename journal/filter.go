package journal

import (
	"fmt"
	"regexp"
	"strings"
)

// Filter narrows records to those that a person asked for. The zero value lets everything pass.
type Filter struct {
	Text          string `json:"text,omitempty"`          // to be found in Text or Body
	Regexp        bool   `json:"regexp,omitempty"`        // Text is a regular expression (RE2)
	CaseSensitive bool   `json:"caseSensitive,omitempty"` // otherwise case counts only if Text holds an upper-case letter
	Invert        bool   `json:"invert,omitempty"`        // let pass what does not hold Text; Level and Trace still narrow
	Level         Level  `json:"level,omitzero"`          // the least level of a log line
	Trace         string `json:"trace,omitempty"`         // a trace id
}

// Compile returns the filter as a function for Query.Match, nil where everything passes.
func (f Filter) Compile() (func(*Record) bool, error) {
	if f.Text == "" && f.Level == LevelNone && f.Trace == "" {
		return nil, nil
	}
	pattern := f.Text
	if !f.Regexp {
		pattern = regexp.QuoteMeta(pattern)
	}
	if !f.CaseSensitive && strings.ToLower(f.Text) == f.Text {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("bad filter: %w", err)
	}
	return func(r *Record) bool {
		if f.Trace != "" && r.Trace != f.Trace {
			return false
		}
		if f.Level != LevelNone && r.Kind == KindLog && ParseLine(r.Text).Level < f.Level {
			return false
		}
		return f.Text == "" || (re.MatchString(r.Text) || re.Match(r.Body)) != f.Invert
	}, nil
}
