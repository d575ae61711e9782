package journal

import (
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

// Field is one named value of a log line. What JSON nests is named with points: {"http":{"status":200}} is http.status.
type Field struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Line is what a log line says, taken apart. What the line does not say is zero.
type Line struct {
	Level   Level     `json:"level,omitzero"`
	Time    time.Time `json:"time,omitzero"` // in UTC
	Message string    `json:"message"`
	Fields  []Field   `json:"fields,omitempty"` // in the line's order, without what the other members hold
	Format  Format    `json:"format"`
	Caller  string    `json:"caller,omitempty"` // file:line
	Trace   string    `json:"trace,omitempty"`  // trace id, 32 lower-case hex digits
	Span    string    `json:"span,omitempty"`   // span id, 16 lower-case hex digits
}

// Of a very long line only so many bytes are parsed; a value that this cuts ends in "…".
const (
	longestJSON = 32 << 10 // JSON and logfmt
	longestHead = 512      // what comes before the message of a plain line
	longestTail = 8 << 10  // plain lines with fields behind the message
)

// ParseLine takes a log line apart: JSON and logfmt by the key names that logging libraries use (slog, zap, zerolog,
// logrus, pino, bunyan, Serilog, Elastic's, Datadog's and OpenTelemetry's), plain lines by the usual heads (log4j and
// logback patterns, Spring Boot, Python, klog, glog, nginx, PostgreSQL, MySQL, RabbitMQ, Redis, the console formats of zap,
// zerolog and logrus). Escape sequences are left out. What cannot be taken apart is the message.
func ParseLine(text string) Line {
	var p lineParser
	p.parse(text)
	return p.Line
}

// LevelOf returns ParseLine(text).Level, and costs less.
func LevelOf(text string) Level {
	p := lineParser{levelOnly: true}
	p.parse(text)
	return p.Level
}

// TraceOf returns ParseLine(text).Trace, and costs next to nothing where no key or bracket can hold one.
func TraceOf(text string) string {
	key := fold{text: "race", at: 2, lower: 'c', upper: 'C'}
	if strings.IndexByte(text, '[') < 0 && !key.in(text) {
		return ""
	}
	return ParseLine(text).Trace
}

// A lineParser collects what a line says. With levelOnly it stops at the level and collects nothing else.
type lineParser struct {
	Line
	levelOnly bool
	spoke     bool   // there was a message
	weak      string // a message under a key that often means something else
	weakAt    int    // its field's index, plus one
	file      string // of the caller, whose line may follow
}

func (p *lineParser) parse(text string) {
	text = strings.TrimRight(text, "\r\n")
	text = StripANSI(text)
	s := strings.TrimLeft(text, " \t")
	switch {
	case s == "":
		p.Format, p.Message = FormatPlain, text
		return
	case s[0] == '{' && p.json(s):
		p.Format = FormatJSON
	case p.logfmt(s):
		p.Format = FormatLogfmt
	default:
		p.Format = FormatPlain
		p.plain(s)
		if len(p.Message) == len(s) {
			p.Message = text // which keeps its indentation, as nothing else is known about it
		}
		return
	}
	p.finish()
}

// finish settles what could not be decided before all pairs were known.
func (p *lineParser) finish() {
	if !p.spoke && p.weakAt > 0 {
		p.Message = p.weak
		p.Fields = append(p.Fields[:p.weakAt-1], p.Fields[p.weakAt:]...)
	}
	if p.Caller == "" {
		p.Caller = p.file
	}
}

// pair takes one named value, and answers true when there is no need to go on.
func (p *lineParser) pair(key, value string) bool {
	role := roleOf(key)
	if role == roleLevel && p.Level == LevelNone {
		if p.Level = levelValue(value); p.Level != LevelNone {
			return p.levelOnly
		}
	}
	if p.levelOnly {
		return false
	}
	if role == roleOther || !p.take(role, key, value) {
		p.Fields = append(p.Fields, Field{key, value})
	}
	return false
}

// take puts a value where its role belongs, and answers false where it is just a field.
func (p *lineParser) take(role keyRole, key, value string) bool {
	switch role {
	case roleMessage:
		if p.spoke {
			return false
		}
		p.Message, p.spoke = value, true
		return true
	case roleWeakMessage:
		if p.weakAt == 0 {
			p.weak, p.weakAt = value, len(p.Fields)+1
		}
		return false
	case roleTime:
		t, ok := timeValue(value)
		if ok && p.Time.IsZero() {
			p.Time = t
			return true
		}
		return false
	case roleTrace, roleSpan:
		return p.takeTrace(role, key, value)
	}
	return p.takeCaller(role, value)
}

func (p *lineParser) takeCaller(role keyRole, value string) bool {
	switch {
	case p.Caller != "":
		return false
	case role == roleCaller && isCaller(value):
		p.Caller = value
		return true
	case role == roleFile && p.file == "":
		p.file = value
		return true
	case role == roleLine && p.file != "":
		p.Caller = p.file + ":" + value
		return true
	}
	return false
}

func (p *lineParser) takeTrace(role keyRole, key, value string) bool {
	if role == roleSpan {
		id := spanID(key, value)
		if id == "" || p.Span != "" {
			return false
		}
		p.Span = id
		return true
	}
	if len(value) == 55 && value[2] == '-' && value[35] == '-' { // a traceparent: 00-trace-span-flags
		if p.Span == "" {
			p.Span = spanID("", value[36:52])
		}
		value = value[3:35]
	}
	id := traceID(key, value)
	if id == "" || p.Trace != "" {
		return false
	}
	p.Trace = id
	return true
}

// levelValue reads the value of a key that means the level.
func levelValue(value string) Level {
	if len(value) == 1 && isLetter(value[0]) {
		return levelLetter(value[0])
	}
	if level, ok := ParseLevel(value); ok {
		return level
	}
	return levelNumber(value)
}

// isCaller tells whether s looks like "main.go:12" or "pkg/file.py:7".
func isCaller(s string) bool {
	colon := strings.LastIndexByte(s, ':')
	if colon < 1 || len(s) > 256 || strings.IndexByte(s[:colon], '.') < 0 || strings.IndexByte(s, ' ') >= 0 {
		return false
	}
	_, n := digits(s[colon+1:], 7)
	return n > 0 && n == len(s)-colon-1
}
