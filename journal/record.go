// Package journal keeps what happened: one append-only, bounded, searchable store for log lines, messages, calls and
// events. Sources append; views pull just the rows that they show.
package journal

import "time"

// Kind says what a Record is a record of.
type Kind uint8

// The kinds of records. Their values are part of the control socket's protocol and of recordings.
const (
	KindLog     Kind = 1 // a line that a service wrote
	KindMessage Kind = 2 // a message that passed a broker
	KindCall    Kind = 3 // a step of a gRPC or HTTP call
	KindEvent   Kind = 4 // something that msdev did or noticed
)

// Kinds is a set of kinds; the zero value stands for all of them.
type Kinds uint8

// KindSet returns the set that holds just the given kinds.
func KindSet(kinds ...Kind) Kinds {
	var set Kinds
	for _, k := range kinds {
		set |= 1 << k
	}
	return set
}

// Has tells whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s == 0 || s&(1<<k) != 0 }

// Record is one immutable fact. A call or a message is several records that share a Ref.
type Record struct {
	Seq    uint64    `json:"seq"`             // place in the journal, from 1; given by Append
	Time   time.Time `json:"time"`            // when it happened, by its source's clock where it has one
	Stream string    `json:"stream"`          // what it belongs to: "orders/stdout", "rabbitmq/orders.q", "gateway→orders", "orders/events"
	Kind   Kind      `json:"kind"`            //
	Ref    string    `json:"ref,omitempty"`   // joins the records of one message or call; for a log line the instance, for an event its type
	Trace  string    `json:"trace,omitempty"` // W3C trace id, 32 hex digits, where one is known
	Text   string    `json:"text"`            // one line, without its line break
	Body   []byte    `json:"body,omitempty"`  // the rest, where there is one: a stack trace's further lines, a payload, an event's JSON
}
