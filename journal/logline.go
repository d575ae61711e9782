package journal

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Format is how a log line was written.
type Format string

// The formats that ParseLine tells apart.
const (
	FormatPlain  Format = "plain"
	FormatJSON   Format = "json"
	FormatLogfmt Format = "logfmt"
)

// Field is one named value of a structured log line.
type Field struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Line is what a log line says, taken apart. What the line does not say is zero.
type Line struct {
	Level   Level     `json:"level,omitzero"`
	Time    time.Time `json:"time,omitzero"`
	Message string    `json:"message"`
	Fields  []Field   `json:"fields,omitempty"` // in the line's order; what the other members hold is not repeated
	Format  Format    `json:"format"`
	Caller  string    `json:"caller,omitempty"` // file and line
	Trace   string    `json:"trace,omitempty"`  // trace id, 32 lower-case hex digits
	Span    string    `json:"span,omitempty"`
}

// ParseLevel reads the spellings of a level that logging libraries use.
func ParseLevel(s string) (Level, bool) {
	for l, name := range levelNames {
		if l > 0 && len(s) >= 3 && strings.HasPrefix(name, strings.ToLower(s)[:3]) {
			return Level(l), true
		}
	}
	return LevelNone, false
}

// ParseLine takes a log line apart.
func ParseLine(text string) Line {
	line := Line{Message: text, Format: FormatPlain}
	var object map[string]any
	if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &object) == nil {
		line = Line{Format: FormatJSON}
		for key, v := range object {
			value := fmt.Sprint(v)
			switch key {
			case "level":
				line.Level, _ = ParseLevel(value)
			case "msg", "message":
				line.Message = value
			case "time", "ts":
				line.Time, _ = time.Parse(time.RFC3339Nano, value)
			case "trace_id":
				line.Trace = value
			default:
				line.Fields = append(line.Fields, Field{key, value})
			}
		}
		return line
	}
	for _, word := range strings.Fields(text) {
		if l, ok := ParseLevel(word); ok {
			line.Level = l
			break
		}
	}
	return line
}

// Continues tells whether line belongs to the stack trace that prev began or goes on with.
func Continues(prev, line string) bool {
	return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "Caused by:")
}

var controls = regexp.MustCompile(`\x1b\[[0-9;:]*[^0-9;:m]|\x1b[^\[]|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]`)

// Sanitize makes text safe to show: colours stay, other escapes and control characters go, tabs become spaces.
func Sanitize(text string) string {
	text = controls.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	return strings.ReplaceAll(text, "\t", "        ")
}
