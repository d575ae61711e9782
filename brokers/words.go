package brokers

import (
	"encoding/json"
	"fmt"
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
