// Package trace carries the W3C trace context (https://www.w3.org/TR/trace-context/) from service to
// service. Each transport gives it two small functions, one that reads a header and one that writes it.
package trace

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// The header names of the W3C trace context.
const (
	Parent = "traceparent"
	State  = "tracestate"
)

// Span is one service's part in a trace.
type Span struct {
	TraceID string // 32 hex digits
	ID      string // 16 hex digits
	Flags   string // 2 hex digits
	State   string // tracestate, passed on as it came
}

// New begins a trace.
func New() Span {
	return Span{TraceID: randomHex(16), ID: randomHex(8), Flags: "01"}
}

// Child is the span of work that s caused.
func (s Span) Child() Span {
	s.ID = randomHex(8)
	return s
}

// String is s as a traceparent header.
func (s Span) String() string {
	return "00-" + s.TraceID + "-" + s.ID + "-" + s.Flags
}

// Parse reads a traceparent header. Later versions may append fields; version 00 has exactly four.
func Parse(header string) (Span, bool) {
	parts := strings.Split(header, "-")
	if len(parts) < 4 {
		return Span{}, false
	}
	version, s := parts[0], Span{TraceID: parts[1], ID: parts[2], Flags: parts[3]}
	switch {
	case !isHex(version, 2) || version == "ff" || version == "00" && len(parts) != 4:
		return Span{}, false
	case !isHex(s.TraceID, 32) || strings.Trim(s.TraceID, "0") == "":
		return Span{}, false
	case !isHex(s.ID, 16) || strings.Trim(s.ID, "0") == "" || !isHex(s.Flags, 2):
		return Span{}, false
	}
	return s, true
}

type key struct{}

// With returns a context in which s is the current span.
func With(ctx context.Context, s Span) context.Context {
	return context.WithValue(ctx, key{}, s)
}

// From returns the current span, if there is one.
func From(ctx context.Context) (Span, bool) {
	s, ok := ctx.Value(key{}).(Span)
	return s, ok
}

// Continue makes a child of the span that arrived in headers the current one. Where none arrived, or
// none that can be read, it begins a trace.
func Continue(ctx context.Context, get func(header string) string) context.Context {
	parent, ok := Parse(get(Parent))
	if !ok {
		return With(ctx, New())
	}
	parent.State = get(State)
	return With(ctx, parent.Child())
}

// Inject writes the current span, if there is one, into the headers of something about to be sent.
func Inject(ctx context.Context, set func(header, value string)) {
	s, ok := From(ctx)
	if !ok {
		return
	}
	set(Parent, s.String())
	if s.State != "" {
		set(State, s.State)
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}
