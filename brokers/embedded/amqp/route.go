package amqp

import (
	"bytes"

	"msdev/brokers/embedded/amqp/store"
	"msdev/brokers/wire"
)

// router collects the queues for one message.
type router struct {
	vhost   *vhost
	headers func() wire.Table
	byName  bool // only names mattered, so the result holds for every message of this exchange and key
	queues  []*queue
	seen    map[any]struct{}
}

// route finds the queues for a message, by its routing key and the keys in its CC header.
func (v *vhost) route(m *message) []*queue {
	queues, _ := v.find(m.exchange, append([]string{m.key}, m.headerKeys(v.broker.log)...), func() wire.Table { return m.headers(v.broker.log) })
	return queues
}

// find routes by an exchange's name and one or more keys.
func (v *vhost) find(exchange string, keys []string, headers func() wire.Table) (queues []*queue, byName bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	x := v.exchanges[exchange]
	if x == nil {
		return nil, false
	}
	r := router{vhost: v, headers: headers, byName: true}
	for _, key := range keys {
		r.visit(x, key)
	}
	return r.queues, r.byName
}

func (r *router) visit(x *exchange, key string) {
	if x.name == "" {
		if q := r.vhost.queues[key]; q != nil {
			r.add(q)
		}
		return
	}
	if x.kind == headersType {
		r.byName = false
	}
	matched := false
	x.matcher.match(key, r.headers, func(b *binding) {
		matched = true
		if b.queue != nil {
			r.add(b.queue)
		} else if r.first([2]any{b.target, key}) {
			r.visit(b.target, key)
		}
	})
	if !matched && x.alternate != "" {
		if a := r.vhost.exchanges[x.alternate]; a != nil && r.first([2]any{a, key}) {
			r.visit(a, key)
		}
	}
}

func (r *router) add(q *queue) {
	if len(r.queues) == 0 || r.first(q) && r.queues[0] != q {
		r.queues = append(r.queues, q)
	}
}

// first tells whether a thing is met for the first time.
func (r *router) first(thing any) bool {
	if r.seen == nil {
		r.seen = map[any]struct{}{}
	}
	if _, ok := r.seen[thing]; ok {
		return false
	}
	r.seen[thing] = struct{}{}
	return true
}

// hasKeys tells whether encoded headers may hold CC or BCC, without decoding them.
func hasKeys(headers []byte) bool {
	return bytes.Contains(headers, []byte("\x02CC")) || bytes.Contains(headers, []byte("\x03BCC"))
}

// headers decodes a message's headers.
func (m *message) headers(log *store.Log) wire.Table {
	props, _, err := m.content(log)
	if err != nil {
		return nil
	}
	p, err := wire.ParseProperties(props)
	if err != nil {
		return nil
	}
	return p.Headers
}

// headerKeys are the further routing keys of a message: of its CC header, and those BCC had when it was published.
func (m *message) headerKeys(log *store.Log) []string {
	props, _, err := m.content(log)
	if err != nil {
		return nil
	}
	if view, err := wire.Scan(props); err != nil || !hasKeys(view.Headers) {
		return m.hidden
	}
	return append(copies(m.headers(log), "CC"), m.hidden...)
}
