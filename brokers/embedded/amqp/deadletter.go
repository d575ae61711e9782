package amqp

import (
	"strconv"
	"time"

	"msdev/brokers/wire"
)

// Why a message died, as x-death says it.
const (
	deadExpired       = "expired"
	deadRejected      = "rejected"
	deadMaxLength     = "maxlen"
	deadDeliveryLimit = "delivery_limit"
)

// deadLetters sends a queue's dead messages on.
type deadLetters struct{ *queue }

// publish publishes a message to the queue's dead letter exchange. No lock is held.
func (q deadLetters) publish(m *message, reason string, w *wakes) {
	dead, deaths, err := q.obituary(m, reason)
	if err != nil {
		q.broker.logger.Error("a dead message cannot be read and is lost", "queue", q.name, "err", err)
		return
	}
	targets := q.vhost.route(dead)
	kept := targets[:0:0]
	for _, t := range targets {
		if reason == deadRejected || !deathCycle(deaths, t.name) {
			kept = append(kept, t)
		}
	}
	q.broker.enqueue(dead, kept, nil, 0, w)
}

// obituary makes the message that goes to the dead letter exchange: the same body, its history in the headers.
func (q deadLetters) obituary(m *message, reason string) (*message, wire.Array, error) {
	raw, body, err := m.content(q.broker.log)
	if err != nil {
		return nil, nil, err
	}
	props, err := wire.ParseProperties(raw)
	if err != nil {
		return nil, nil, err
	}
	headers := props.Headers
	if !m.died {
		headers = withoutDeaths(headers)
	}
	deaths := recordDeath(headers, death{queue: q.name, reason: reason, exchange: m.exchange,
		keys: append([]string{m.key}, copies(headers, "CC")...), expiration: props.Expiration,
		expires: props.Has&wire.HasExpiration != 0})
	if _, ok := headers.Get("x-first-death-reason"); !ok {
		headers = headers.With("x-first-death-reason", reason).With("x-first-death-queue", q.name).
			With("x-first-death-exchange", m.exchange)
	}
	headers = headers.With("x-last-death-reason", reason).With("x-last-death-queue", q.name).
		With("x-last-death-exchange", m.exchange).With("x-death", deaths)
	key, hidden := m.key, m.hidden
	if q.set.deadLetterKey != nil {
		key, hidden = *q.set.deadLetterKey, nil
		headers = headers.Without("CC")
	}
	props.SetHeaders(headers)
	props.Has &^= wire.HasExpiration
	data := props.Append(make([]byte, 0, len(raw)+len(body)+256))
	n := len(data)
	data = append(data, body...)
	return &message{exchange: *q.set.deadLetter, key: key, data: data, props: n, size: len(data), ttl: -1,
		persistent: m.persistent, priority: m.priority, died: true, hidden: hidden}, deaths, nil
}

// withoutDeaths removes what a client put where the broker keeps its history.
func withoutDeaths(h wire.Table) wire.Table {
	for _, k := range []string{"x-death", "x-first-death-reason", "x-first-death-queue", "x-first-death-exchange",
		"x-last-death-reason", "x-last-death-queue", "x-last-death-exchange"} {
		if _, ok := h.Get(k); ok {
			h = h.Without(k)
		}
	}
	return h
}

type death struct {
	queue, reason, exchange string
	keys                    []string
	expiration              string
	expires                 bool
}

// recordDeath returns the x-death array with one more death: one table for each queue and reason, latest first.
func recordDeath(headers wire.Table, d death) wire.Array {
	old, _ := headers.Get("x-death")
	list, _ := old.(wire.Array)
	out := make(wire.Array, 1, len(list)+1)
	for _, v := range list {
		t, ok := v.(wire.Table)
		if !ok {
			continue
		}
		if field(t, "queue") == d.queue && field(t, "reason") == d.reason {
			n, _ := t.Get("count")
			count, _ := wire.Integer(n)
			out[0] = t.With("count", count+1)
			continue
		}
		out = append(out, t)
	}
	if out[0] == nil {
		out[0] = d.table()
	}
	return out
}

func (d death) table() wire.Table {
	keys := make(wire.Array, len(d.keys))
	for i, k := range d.keys {
		keys[i] = k
	}
	t := wire.Table{}
	if d.expires {
		n, _ := strconv.ParseInt(d.expiration, 10, 64)
		t = append(t, wire.Field{Key: "original-expiration", Value: strconv.FormatInt(n, 10)})
	}
	return append(t, wire.Table{
		{Key: "count", Value: int64(1)},
		{Key: "reason", Value: d.reason},
		{Key: "queue", Value: d.queue},
		{Key: "time", Value: wire.Timestamp(time.Now().Unix())},
		{Key: "exchange", Value: d.exchange},
		{Key: "routing-keys", Value: keys},
	}...)
}

func field(t wire.Table, key string) string {
	v, _ := t.Get(key)
	s, _ := v.(string)
	return s
}

// deathCycle tells whether a message that died on its own would come back to a queue it died in: nothing rejected it
// since. Such a message is dropped.
func deathCycle(deaths wire.Array, queue string) bool {
	for _, v := range deaths {
		t, _ := v.(wire.Table)
		if field(t, "reason") == deadRejected {
			return false
		}
		if field(t, "queue") == queue {
			return true
		}
	}
	return false
}

// copies returns the routing keys in a CC or BCC header.
func copies(headers wire.Table, name string) []string {
	v, _ := headers.Get(name)
	list, _ := v.(wire.Array)
	var keys []string
	for _, k := range list {
		if s, ok := k.(string); ok {
			keys = append(keys, s)
		}
	}
	return keys
}
