package session

import (
	"msdev/brokers"
	"msdev/brokers/filter"
	"msdev/journal"
)

// Query is q as a journal takes it; values gives what bodies say to filters that look into them, nil those that are JSON.
// The error says where one of the filters is wrong.
func (q RecordQuery) Query(values filter.Values) (journal.Query, error) {
	match, err := q.Filter.Compile()
	if err != nil {
		return journal.Query{}, err
	}
	jq := journal.Query{Streams: q.Streams, Kinds: q.Kinds, Match: match, Limit: q.Limit, Budget: q.Budget}
	if q.Messages == "" {
		return jq, nil
	}
	f, err := filter.Compile(q.Messages, values)
	if err != nil {
		return journal.Query{}, err
	}
	jq.Match = func(r *journal.Record) bool {
		if r.Kind != journal.KindMessage || match != nil && !match(r) {
			return false
		}
		var m brokers.Message
		if m.ViewBinary(r.Body) != nil { // the record is lent, and so is the message
			return false
		}
		pass, err := f.Match(&m)
		return pass && err == nil // what a jq expression cannot judge in its time does not pass
	}
	return jq, nil
}
