package amqp

import (
	"cmp"
	"maps"
	"slices"
)

// What the management API and the metrics look at: copies, taken under the locks.

func (b *Broker) allVhosts() []*vhost {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return sortedBy(maps.Values(b.vhosts), func(v *vhost) string { return v.name })
}

func (v *vhost) allQueues() []*queue {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return sortedBy(maps.Values(v.queues), func(q *queue) string { return q.name })
}

func (v *vhost) allExchanges() []*exchange {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return sortedBy(maps.Values(v.exchanges), func(x *exchange) string { return x.name })
}

// allBindings lists the bindings, and the default exchange's to every queue.
func (v *vhost) allBindings() []*binding {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var list []*binding
	for _, q := range v.queues {
		list = append(list, &binding{source: v.exchanges[""], queue: q, key: q.name})
	}
	for _, x := range v.exchanges {
		list = slices.AppendSeq(list, maps.Values(x.bindings))
	}
	slices.SortFunc(list, func(a, b *binding) int {
		return cmp.Or(cmp.Compare(a.source.name, b.source.name), compareKeys(a.id(), b.id()))
	})
	return list
}

func compareKeys(a, b bindingKey) int {
	return cmp.Or(cmp.Compare(a.destination, b.destination), cmp.Compare(a.key, b.key), cmp.Compare(a.args, b.args))
}

func sortedBy[T any](seq func(func(T) bool), name func(T) string) []T {
	return slices.SortedFunc(seq, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
}

func (c *conn) allChannels() []*channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.Collect(maps.Values(c.channels))
	slices.SortFunc(list, func(a, b *channel) int { return cmp.Compare(a.id, b.id) })
	return list
}

// queueSnapshot is a queue at one moment.
type queueSnapshot struct {
	ready, readyBytes, unacked, unackedBytes int
	persistent, persistentBytes              int
	consumers                                []*consumer
	active                                   []bool
	counts                                   queueCounts
}

func (q *queue) snapshot() queueSnapshot {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := queueSnapshot{ready: q.length(), readyBytes: q.ready.bytes, unacked: q.unacked, unackedBytes: q.unackedBytes,
		consumers: slices.Clone(q.roster.all), counts: q.counts,
		persistent: q.persistent, persistentBytes: q.persistentBytes}
	if q.stream != nil {
		s.readyBytes = q.stream.bytes
	}
	for _, c := range s.consumers {
		s.active = append(s.active, q.roster.active(c))
	}
	return s
}
