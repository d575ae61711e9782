package amqp

import (
	"sync/atomic"

	"msdev/brokers/wire"
)

// The exchange types.
const (
	direct      = "direct"
	fanout      = "fanout"
	topic       = "topic"
	headersType = "headers"
)

// exchange routes messages to the queues and exchanges bound to it. The vhost's mutex guards its bindings.
type exchange struct {
	name       string
	kind       string
	creator    string // the user's name
	durable    bool
	autoDelete bool
	internal   bool
	args       wire.Table
	alternate  string // the exchange for what nothing else takes, or ""
	bindings   map[bindingKey]*binding
	matcher    matcher
	in, out    atomic.Uint64 // messages published in, and routed out
}

// binding ties an exchange to a queue or to another exchange.
type binding struct {
	source *exchange
	queue  *queue    // the destination, or
	target *exchange // this one
	key    string
	args   wire.Table
}

// bindingKey is a binding's identity within its source.
type bindingKey struct {
	kind, destination, key, args string
}

func (b *binding) destination() (kind, name string) {
	if b.queue != nil {
		return "queue", b.queue.name
	}
	return "exchange", b.target.name
}

func (b *binding) durable() bool {
	if b.queue != nil {
		return b.source.durable && b.queue.durable
	}
	return b.source.durable && b.target.durable
}

func (b *binding) id() bindingKey {
	kind, name := b.destination()
	return bindingKey{kind, name, b.key, canonical(b.args)}
}

// matcher finds an exchange's bindings for a message.
type matcher interface {
	add(*binding)
	remove(*binding)
	match(key string, headers func() wire.Table, found func(*binding))
}

func newMatcher(kind string) matcher {
	switch kind {
	case direct:
		return directMatcher{}
	case fanout:
		return fanoutMatcher{}
	case topic:
		return &topicMatcher{}
	case headersType:
		return headersMatcher{}
	}
	return nil
}

func newExchange(name, kind string) *exchange {
	return &exchange{name: name, kind: kind, bindings: map[bindingKey]*binding{}, matcher: newMatcher(kind)}
}

// directMatcher holds the bindings by routing key.
type directMatcher map[string][]*binding

func (m directMatcher) add(b *binding) { m[b.key] = append(m[b.key], b) }

func (m directMatcher) remove(b *binding) {
	if m[b.key] = without(m[b.key], b); len(m[b.key]) == 0 {
		delete(m, b.key)
	}
}

func (m directMatcher) match(key string, _ func() wire.Table, found func(*binding)) {
	for _, b := range m[key] {
		found(b)
	}
}

// fanoutMatcher takes everything.
type fanoutMatcher map[*binding]struct{}

func (m fanoutMatcher) add(b *binding)    { m[b] = struct{}{} }
func (m fanoutMatcher) remove(b *binding) { delete(m, b) }

func (m fanoutMatcher) match(_ string, _ func() wire.Table, found func(*binding)) {
	for b := range m {
		found(b)
	}
}

func without(list []*binding, b *binding) []*binding {
	out := make([]*binding, 0, len(list))
	for _, x := range list {
		if x != b {
			out = append(out, x)
		}
	}
	return out
}
