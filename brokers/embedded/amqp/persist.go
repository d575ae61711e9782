package amqp

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"msdev/brokers/embedded/amqp/store"
	"msdev/brokers/wire"
)

// What the definitions table holds: one row for each durable thing, its kind, vhost and names joined to a key.
// Arguments are kept as encoded field tables, because JSON would lose their types.

type vhostDefinition struct {
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	QueueType   string   `json:"queue_type,omitempty"`
	Tracing     bool     `json:"tracing,omitempty"`
}

type exchangeDefinition struct {
	Kind       string `json:"kind"`
	Creator    string `json:"creator,omitempty"`
	AutoDelete bool   `json:"auto_delete,omitempty"`
	Internal   bool   `json:"internal,omitempty"`
	Args       []byte `json:"args,omitempty"`
}

type queueDefinition struct {
	ID         uint64 `json:"id"`
	AutoDelete bool   `json:"auto_delete,omitempty"`
	Args       []byte `json:"args,omitempty"`
}

type bindingDefinition struct {
	Source      string `json:"source"`
	Kind        string `json:"kind"`
	Destination string `json:"destination"`
	Key         string `json:"key"`
	Args        []byte `json:"args,omitempty"`
}

const keySeparator = "\x1f"

func tableKey(parts ...string) string { return strings.Join(parts, keySeparator) }

func vhostKey(name string) string              { return tableKey("vhost", name) }
func exchangeKey(v *vhost, name string) string { return tableKey("exchange", v.name, name) }
func queueKey(v *vhost, name string) string    { return tableKey("queue", v.name, name) }
func userKey(name string) string               { return tableKey("user", name) }
func bindingTableKey(v *vhost, b *binding) string {
	id := b.id()
	return tableKey("binding", v.name, b.source.name, id.kind, id.destination, id.key, base64.StdEncoding.EncodeToString([]byte(id.args)))
}

func exchangeRow(v *vhost, x *exchange) (string, any) {
	return exchangeKey(v, x.name), exchangeDefinition{x.kind, x.creator, x.autoDelete, x.internal, encodeArgs(x.args)}
}

func queueRow(v *vhost, q *queue) (string, any) {
	return queueKey(v, q.name), queueDefinition{q.id, q.autoDelete, encodeArgs(q.args)}
}

func bindingRow(v *vhost, b *binding) (string, any) {
	kind, name := b.destination()
	return bindingTableKey(v, b), bindingDefinition{b.source.name, kind, name, b.key, encodeArgs(b.args)}
}

// vhostRow needs v.mu.
func vhostRow(v *vhost) (string, any) {
	return vhostKey(v.name), vhostDefinition{v.description, v.tags, v.queueType, v.tracing.Load()}
}

func encodeArgs(t wire.Table) []byte {
	if len(t) == 0 {
		return nil
	}
	return wire.AppendTable(nil, t)[4:]
}

// save writes a definition; without a folder it does nothing.
func (b *Broker) save(key string, value any) {
	if b.table == nil {
		return
	}
	if err := b.table.Put(key, value); err != nil {
		b.logger.Error("a definition cannot be saved and will be gone after a restart", "what", readable(key), "err", err)
	}
}

func (b *Broker) unsave(key string) {
	if b.table == nil {
		return
	}
	if err := b.table.Delete(key); err != nil {
		b.logger.Error("a deleted definition stays on disk and will be back after a restart", "what", readable(key), "err", err)
	}
}

func readable(key string) string { return strings.ReplaceAll(key, keySeparator, "/") }

// restorer brings a broker back to what its folder holds.
type restorer struct{ *Broker }

// restore declares everything in the definitions table.
func (b restorer) restore(table *store.Table) {
	rows := map[string]map[string]json.RawMessage{}
	table.Each(func(key string, value json.RawMessage) {
		kind, rest, _ := strings.Cut(key, keySeparator)
		if rows[kind] == nil {
			rows[kind] = map[string]json.RawMessage{}
		}
		rows[kind][rest] = value
	})
	for _, step := range []struct {
		kind string
		f    func(key string, value json.RawMessage) error
	}{{"user", b.restoreUser}, {"vhost", b.restoreVhost}, {"exchange", b.restoreExchange}, {"queue", b.restoreQueue}, {"binding", b.restoreBinding}} {
		for key, value := range rows[step.kind] {
			if err := step.f(key, value); err != nil {
				b.logger.Error("a saved definition cannot be understood and is left out", "what", step.kind+"/"+readable(key), "err", err)
			}
		}
	}
}

func (b restorer) restoreVhost(name string, value json.RawMessage) error {
	var d vhostDefinition
	if err := json.Unmarshal(value, &d); err != nil {
		return err
	}
	v := b.vhosts[name]
	if v == nil {
		v = newVhost(b.Broker, name)
		b.vhosts[name] = v
	}
	v.description, v.tags = d.Description, d.Tags
	if d.QueueType != "" {
		v.queueType = d.QueueType
	}
	v.tracing.Store(d.Tracing)
	return nil
}

// split finds the vhost that a key starts with.
func (b restorer) split(key string) (*vhost, string) {
	name, rest, _ := strings.Cut(key, keySeparator)
	v := b.vhosts[name]
	if v == nil {
		v = newVhost(b.Broker, name)
		b.vhosts[name] = v
	}
	return v, rest
}

func (b restorer) restoreExchange(key string, value json.RawMessage) error {
	var d exchangeDefinition
	if err := json.Unmarshal(value, &d); err != nil {
		return err
	}
	args, err := wire.ParseTable(d.Args)
	if err != nil {
		return err
	}
	v, name := b.split(key)
	if err := v.declareExchange(&wire.ExchangeDeclare{Exchange: name, Type: d.Kind, Durable: true,
		AutoDelete: d.AutoDelete, Internal: d.Internal, Arguments: args}, d.Creator); err != nil {
		return err
	}
	return nil
}

func (b restorer) restoreQueue(key string, value json.RawMessage) error {
	var d queueDefinition
	if err := json.Unmarshal(value, &d); err != nil {
		return err
	}
	args, err := wire.ParseTable(d.Args)
	if err != nil {
		return err
	}
	v, name := b.split(key)
	q, e := newQueue(v, &wire.QueueDeclare{Queue: name, Durable: true, AutoDelete: d.AutoDelete, Arguments: args}, nil)
	if e != nil {
		return e
	}
	q.id = d.ID
	b.home = max(b.home, d.ID)
	b.homes[d.ID] = q
	v.addQueue(q)
	return nil
}

func (b restorer) restoreBinding(key string, value json.RawMessage) error {
	var d bindingDefinition
	if err := json.Unmarshal(value, &d); err != nil {
		return err
	}
	args, err := wire.ParseTable(d.Args)
	if err != nil {
		return err
	}
	v, _ := b.split(key)
	if err := v.bind(bindRequest{source: d.Source, kind: d.Kind, destination: d.Destination, key: d.Key, args: args}); err != nil {
		return err
	}
	return nil
}
