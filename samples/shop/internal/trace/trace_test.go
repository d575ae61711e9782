package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
)

const header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParse(t *testing.T) {
	tests := []struct {
		name, header string
		ok           bool
	}{
		{"the specification's example", header, true},
		{"not sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true},
		{"a later version with more fields", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", true},
		{"version 00 with more fields", header + "-what", false},
		{"the forbidden version", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
		{"trace id of zeros", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
		{"span id of zeros", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
		{"upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
		{"short", "00-4bf92f35-00f067aa0ba902b7-01", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, ok := Parse(tt.header)
			if ok != tt.ok {
				t.Fatalf("Parse(%q) = %v, %v; want ok %v", tt.header, s, ok, tt.ok)
			}
		})
	}
	if s, _ := Parse(header); s.String() != header {
		t.Errorf("%s came back as %s", header, s)
	}
}

func TestContinueAndInject(t *testing.T) {
	in := map[string]string{Parent: header, State: "vendor=1"}
	ctx := Continue(t.Context(), func(h string) string { return in[h] })

	out := map[string]string{}
	Inject(ctx, func(h, v string) { out[h] = v })
	sent, ok := Parse(out[Parent])
	if !ok {
		t.Fatalf("injected %q, which is no traceparent", out[Parent])
	}
	if sent.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || sent.ID == "00f067aa0ba902b7" || sent.Flags != "01" {
		t.Errorf("injected %s: want the same trace and flags, and a span of our own", sent)
	}
	if out[State] != "vendor=1" {
		t.Errorf("tracestate became %q", out[State])
	}
}

func TestContinueBeginsATraceWithoutAValidParent(t *testing.T) {
	for _, parent := range []string{"", "nonsense"} {
		s, ok := From(Continue(t.Context(), func(string) string { return parent }))
		if _, valid := Parse(s.String()); !ok || !valid {
			t.Errorf("after %q the span is %v", parent, s)
		}
	}
}

func TestInjectWithoutSpanWritesNothing(t *testing.T) {
	Inject(t.Context(), func(h, v string) { t.Errorf("wrote %s: %s", h, v) })
}

func TestHandlerAddsTheTrace(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(Handler{slog.NewJSONHandler(&out, nil)}).With("service", "orders")
	s := New()
	log.InfoContext(With(t.Context(), s), "traced")
	log.InfoContext(context.Background(), "not traced")

	var traced, plain map[string]any
	dec := json.NewDecoder(&out)
	if err := dec.Decode(&traced); err != nil {
		t.Fatal(err)
	}
	if err := dec.Decode(&plain); err != nil {
		t.Fatal(err)
	}
	if traced["trace_id"] != s.TraceID || traced["span_id"] != s.ID || traced["service"] != "orders" {
		t.Errorf("traced line is %v", traced)
	}
	if _, has := plain["trace_id"]; has {
		t.Errorf("untraced line is %v", plain)
	}
}
