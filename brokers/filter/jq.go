package filter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/itchyny/gojq"

	"msdev/brokers"
)

// JSON is the Values of bodies that are JSON.
func JSON(m *brokers.Message) (any, bool) {
	s := scanner{text: m.Body}
	if !s.whole() {
		return nil, false
	}
	s.at = 0
	return s.value(), true
}

// jq reads an expression to the end of the text, or to the parenthesis that closes one opened before it. Its words
// "and", "or" and "not" are jq's own.
func (p *parser) jq() (test, error) {
	p.space()
	start := p.at
	p.at += jqLength(p.text[start:])
	source := p.text[start:p.at]
	if strings.TrimSpace(source) == "" {
		return nil, p.fail(start, "an expression is missing after jq:", "Write one like jq: .total > 40.")
	}
	query, err := gojq.Parse(source)
	if err != nil {
		at := start
		var fault *gojq.ParseError
		if errors.As(err, &fault) {
			at += min(max(fault.Offset-len(fault.Token), 0), len(source))
		}
		return nil, p.fail(at, "jq does not understand this: "+err.Error(), "See https://jqlang.org/manual.")
	}
	code, err := gojq.Compile(query, gojq.WithVariables([]string{"$key", "$headers"}))
	if err != nil {
		return nil, p.fail(start, "jq: "+err.Error(), "See https://jqlang.org/manual; $key and $headers are the message's.")
	}
	r := &run{code: code, headers: strings.Contains(source, "$headers")}
	r.names, r.some = touched(query)
	return r.test(p.values), nil
}

// jqLength finds where a jq expression ends: at a parenthesis that it did not open.
func jqLength(s string) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return i
			}
		}
	}
	return len(s)
}

// A run is a jq expression on its way through messages.
type run struct {
	code    *gojq.Code
	headers bool // it may look at them
	// names are the only members that it looks at, where there are such.
	names  []string
	some   bool
	clocks sync.Pool
}

// test tests the body's value: a message passes if any answer is neither false nor null. Errors of the expression, as of a path into a
// text, are a no.
func (r *run) test(values Values) test {
	return func(s *subject) (bool, error) {
		v, ok := s.part(r.names, r.some, values)
		if !ok {
			return false, nil
		}
		var headers any
		if r.headers {
			headers = headerObject(s.Headers)
		}
		var key any
		if s.Key != nil {
			key = string(s.Key)
		}
		c, _ := r.clocks.Get().(*clock)
		if c == nil {
			c = newClock()
		}
		c.start()
		passes, err := anyTrue(c.ctx, r.code.RunWithContext(c.ctx, v, key, headers))
		if c.stop() {
			r.clocks.Put(c)
		}
		return passes, err
	}
}

// A clock ends an expression that takes longer than Timeout. It serves one message after the other: a context with a time of its own
// for each costs more than most expressions do.
type clock struct {
	ctx   context.Context //nolint:containedctx // it is what a clock makes
	timer *time.Timer
}

func newClock() *clock {
	ctx, cancel := context.WithCancel(context.Background())
	return &clock{ctx: ctx, timer: time.AfterFunc(Timeout, cancel)}
}

func (c *clock) start() { c.timer.Reset(Timeout) }

// stop tells whether the clock can be used again.
func (c *clock) stop() bool { return c.timer.Stop() }

func anyTrue(ctx context.Context, answers gojq.Iter) (bool, error) {
	for {
		answer, more := answers.Next()
		if _, failed := answer.(error); failed {
			return false, overtime(ctx)
		}
		if !more || answer != nil && answer != false {
			return more, nil
		}
	}
}

// overtime is the one failure of an expression that leaves a message without judgement.
func overtime(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("a jq expression took longer than %v", Timeout)
	}
	return nil
}

func headerObject(headers brokers.Headers) map[string]any {
	out := make(map[string]any, len(headers))
	for i := range headers {
		out[headers[i].Key] = jqValue(headers[i].Value)
	}
	return out
}

// jqValue turns a header's value into the types that jq has.
func jqValue(v any) any {
	switch v := v.(type) {
	case nil, bool, string:
		return v
	case []byte:
		if v == nil {
			return nil
		}
		return string(v)
	case brokers.Headers:
		return headerObject(v)
	case brokers.Array:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = jqValue(e)
		}
		return out
	case float32:
		return float64(v)
	case float64:
		return v
	case brokers.Decimal:
		return json.Number(fmt.Sprintf("%de-%d", v.Value, v.Scale))
	}
	return json.Number(fmt.Sprint(v))
}
