package brokers

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// ReadArguments reads name=value, as people write what a thing is declared with; true, false and whole numbers are such,
// all else is text.
func ReadArguments(words []string) (Arguments, error) {
	var args Arguments
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q has no value\nWrite name=value.", word)
		}
		if args == nil {
			args = Arguments{}
		}
		var flag bool
		var number int64
		switch {
		case json.Unmarshal([]byte(value), &flag) == nil:
			args[name] = flag
		case json.Unmarshal([]byte(value), &number) == nil:
			args[name] = number
		default:
			args[name] = value
		}
	}
	return args, nil
}

// ReadConfigs reads name=value, as people write a topic's settings; without a value it is the broker's default again.
func ReadConfigs(words []string) (map[string]*string, error) {
	configs := map[string]*string{}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q has no value\nWrite name=value, or name= for the broker's default.", word)
		}
		configs[name] = nil
		if value != "" {
			configs[name] = &value
		}
	}
	return configs, nil
}

// DieTo has a queue's dead letters go where text says: a queue, or exchange:NAME[/KEY].
func (q *Queue) DieTo(text string) {
	exchange, key, keyed := "", strings.TrimPrefix(text, "queue:"), true
	if rest, ok := strings.CutPrefix(text, "exchange:"); ok {
		exchange, key, keyed = strings.Cut(rest, "/")
	}
	q.DeadExchange, q.DeadKey = &exchange, nil
	if keyed {
		q.DeadKey = &key
	}
}

// Thousands writes a number with its thousands apart: 1,204.
func Thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Number writes so many of what: "1 message", "1,204 messages", "2 policies".
func Number(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return Thousands(n) + " " + stem + "ies"
	}
	return Thousands(n) + " " + what + "s"
}
