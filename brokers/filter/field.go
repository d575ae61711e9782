package filter

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

const headerPrefix = "header."

// texts are the fields that are text; nil is absent.
var texts = map[string]func(*brokers.Message) []byte{
	"body":  func(m *brokers.Message) []byte { return m.Body },
	"key":   func(m *brokers.Message) []byte { return m.Key },
	"topic": func(m *brokers.Message) []byte { return orNil(m.Topic) },
	"queue": func(m *brokers.Message) []byte { return orNil(m.Queue) },
	"from":  func(m *brokers.Message) []byte { return orNil(m.From) },
	"trace": func(m *brokers.Message) []byte { return orNil(m.Trace()) },

	"exchange":         amqp(func(m *brokers.Message) string { return m.Exchange }),
	"routing":          amqp(func(m *brokers.Message) string { return m.RoutingKey }),
	"content-type":     property(wire.HasContentType, func(p *wire.Properties) string { return p.ContentType }),
	"content-encoding": property(wire.HasContentEncoding, func(p *wire.Properties) string { return p.ContentEncoding }),
	"correlation-id":   property(wire.HasCorrelationID, func(p *wire.Properties) string { return p.CorrelationID }),
	"reply-to":         property(wire.HasReplyTo, func(p *wire.Properties) string { return p.ReplyTo }),
	"expiration":       property(wire.HasExpiration, func(p *wire.Properties) string { return p.Expiration }),
	"message-id":       property(wire.HasMessageID, func(p *wire.Properties) string { return p.MessageID }),
	"type":             property(wire.HasType, func(p *wire.Properties) string { return p.Type }),
	"user":             property(wire.HasUserID, func(p *wire.Properties) string { return p.UserID }),
	"app":              property(wire.HasAppID, func(p *wire.Properties) string { return p.AppID }),
}

// numbers are the fields that are whole numbers; false is absent.
var numbers = map[string]func(*brokers.Message) (int64, bool){
	"size":       func(m *brokers.Message) (int64, bool) { return int64(len(m.Body)), true },
	"partition":  func(m *brokers.Message) (int64, bool) { return int64(m.Partition), m.Kind == brokers.Kafka },
	"offset":     func(m *brokers.Message) (int64, bool) { return m.Offset, m.Offset >= 0 },
	"deliveries": func(m *brokers.Message) (int64, bool) { return m.Deliveries, m.Deliveries >= 0 },
	"priority": func(m *brokers.Message) (int64, bool) {
		return int64(m.Properties.Priority), m.Properties.Has&wire.HasPriority != 0
	},
	"time": func(m *brokers.Message) (int64, bool) { return m.Time.UnixNano(), !m.Time.IsZero() },
}

// flags are what is: asks for.
var flags = map[string]func(*brokers.Message) bool{
	"redelivered": func(m *brokers.Message) bool { return m.Redelivered },
	"aborted":     func(m *brokers.Message) bool { return m.Aborted },
	"tombstone":   func(m *brokers.Message) bool { return m.Kind == brokers.Kafka && m.Body == nil },
	"unroutable":  func(m *brokers.Message) bool { return m.Routed != nil && len(m.Routed) == 0 },
	"delivered":   func(m *brokers.Message) bool { return m.Event == brokers.EventDelivered },
	"dead": func(m *brokers.Message) bool {
		_, dead := m.Header("x-death")
		return dead
	},
}

// Fields lists the names that an expression may use before a colon, for completion and help.
func Fields() []string {
	names := slices.AppendSeq([]string{headerPrefix + "NAME", "is", "jq"}, maps.Keys(texts))
	return slices.Sorted(slices.Values(slices.AppendSeq(names, maps.Keys(numbers))))
}

func known(name string) bool {
	return texts[name] != nil || numbers[name] != nil || name == "is"
}

func orNil(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// amqp is a field that every message of RabbitMQ has, if only as the empty text: the default exchange is one.
func amqp(get func(*brokers.Message) string) func(*brokers.Message) []byte {
	return func(m *brokers.Message) []byte {
		if m.Kind != brokers.RabbitMQ {
			return nil
		}
		return []byte(get(m))
	}
}

func property(bit wire.Flags, get func(*wire.Properties) string) func(*brokers.Message) []byte {
	return func(m *brokers.Message) []byte {
		if m.Properties.Has&bit == 0 {
			return nil
		}
		return []byte(get(&m.Properties))
	}
}

// field reads what follows "name:".
func (p *parser) field(name string, start int) (test, error) {
	if p.at == len(p.text) || strings.ContainsRune(" \t\n)", rune(p.text[p.at])) {
		return nil, p.fail(p.at, "a value is missing after "+name+":", `Write it without a space, in quotes if it has any: `+name+`:"a b".`)
	}
	if get := texts[name]; get != nil {
		pat, err := p.fieldPattern(name == "body")
		return plain(func(m *brokers.Message) bool {
			b := get(m)
			return pat.absent == (b == nil) && (pat.absent || pat.in(b))
		}), err
	}
	if get := numbers[name]; get != nil {
		in, err := p.bounds(name)
		return plain(func(m *brokers.Message) bool {
			n, ok := get(m)
			return ok && in(n)
		}), err
	}
	if name == "is" {
		word := p.bare()
		if has := flags[word]; has != nil {
			return plain(has), nil
		}
		return nil, p.fail(start, "nothing is called "+strconv.Quote("is:"+word),
			"There are "+strings.Join(slices.Sorted(maps.Keys(flags)), ", ")+".")
	}
	pat, err := p.fieldPattern(false)
	header := strings.TrimPrefix(name, headerPrefix)
	return plain(func(m *brokers.Message) bool { return headerMatches(m, header, pat) }), err
}

// fieldPattern reads the pattern of a field: words stand for all of it, but in the body, which is searched.
func (p *parser) fieldPattern(search bool) (pattern, error) {
	if c := p.text[p.at]; search || c == '/' {
		return p.pattern()
	} else if c == '"' || c == '\'' {
		text, err := p.quoted()
		return whole(text), err
	}
	text := p.bare()
	return pattern{in: whole(text).in, absent: text == "null"}, nil
}

// headerMatches looks at every header of the name, as they may repeat.
func headerMatches(m *brokers.Message, name string, pat pattern) bool {
	found := false
	for i := range m.Headers {
		if h := &m.Headers[i]; strings.EqualFold(h.Key, name) {
			found = true
			if !pat.absent && valueMatches(h.Value, pat) {
				return true
			}
		}
	}
	return pat.absent && !found
}

// valueMatches looks into a header's value: numbers in their decimal form, lists and tables member by member.
func valueMatches(v any, pat pattern) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return pat.in([]byte(v))
	case []byte:
		return v != nil && pat.in(v)
	case brokers.Array:
		return slices.ContainsFunc(v, func(e any) bool { return valueMatches(e, pat) })
	case brokers.Headers:
		return slices.ContainsFunc(v, func(h brokers.Header) bool { return valueMatches(h.Value, pat) })
	}
	return pat.in(fmt.Append(nil, v))
}

// bounds reads 5, 5..9, 5.., ..9, >5, >=5, <5 or <=5; both ends of a range count.
func (p *parser) bounds(name string) (func(int64) bool, error) {
	start := p.at
	text := p.bare()
	number := wholeNumber
	hint := "Write a number or a range: 5, 5..9, 5.., ..9, >5, >=5, <5, <=5; sizes may end in k, m or g."
	if name == "time" {
		number = instant
		hint = "Write a time or a range: time:>2026-01-31T12:00, time:2026-01-31T12:00..2026-01-31T12:05 (local), or RFC 3339 with a zone."
	}
	var fault error
	read := func(s string, otherwise int64) int64 {
		if s == "" {
			return otherwise
		}
		n, err := number(s)
		if err != nil {
			fault = err
		}
		return n
	}
	const least, most = -1 << 63, 1<<63 - 1
	var low, high int64
	switch from, to, isRange := strings.Cut(text, ".."); {
	case isRange && text != "..":
		low, high = read(from, least), read(to, most)
	case strings.HasPrefix(text, ">="):
		low, high = read(text[2:], 0), most
	case strings.HasPrefix(text, "<="):
		low, high = least, read(text[2:], 0)
	case strings.HasPrefix(text, ">"):
		low, high = read(text[1:], 0)+1, most
	case strings.HasPrefix(text, "<"):
		low, high = least, read(text[1:], 0)-1
	default:
		low = read(text, 0)
		high = low
	}
	if fault != nil || strings.Trim(text, "<>=.") == "" {
		return nil, p.fail(start, strconv.Quote(text)+" is no "+kindWord(name)+" for "+name, hint)
	}
	return func(n int64) bool { return low <= n && n <= high }, nil
}

func kindWord(name string) string {
	if name == "time" {
		return "time"
	}
	return "number"
}

func wholeNumber(s string) (int64, error) {
	unit := int64(1)
	switch s[len(s)-1] | 0x20 {
	case 'k':
		unit = 1 << 10
	case 'm':
		unit = 1 << 20
	case 'g':
		unit = 1 << 30
	}
	if unit > 1 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (n > (1<<63-1)/unit || n < (-1<<63)/unit) {
		return 0, strconv.ErrRange
	}
	return n * unit, err
}

// instant reads a time in nanoseconds since 1970; local where no zone is given.
func instant(s string) (int64, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t.UnixNano(), nil
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UnixNano(), err
}
