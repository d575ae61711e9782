package amqp

import (
	"net/http"

	"msdev/brokers/wire"
)

// topologyAPI serves virtual hosts, exchanges and bindings.
type topologyAPI struct{ *api }

func (a topologyAPI) routes() map[string]handler {
	return map[string]handler{
		"GET /api/vhosts":                      a.listVhosts,
		"GET /api/vhosts/{vhost}":              a.getVhost,
		"PUT /api/vhosts/{vhost}":              a.putVhost,
		"DELETE /api/vhosts/{vhost}":           a.deleteVhost,
		"GET /api/exchanges":                   a.listExchanges,
		"GET /api/exchanges/{vhost}":           a.listExchanges,
		"GET /api/exchanges/{vhost}/{name}":    a.getExchange,
		"PUT /api/exchanges/{vhost}/{name}":    a.putExchange,
		"DELETE /api/exchanges/{vhost}/{name}": a.deleteExchange,
	}
}

func (a *api) vhostJSON(v *vhost) map[string]any {
	v.mu.RLock()
	out := map[string]any{"name": v.name, "description": v.description, "tags": notNil(v.tags), "tracing": v.tracing.Load(),
		"default_queue_type": v.queueType, "cluster_state": map[string]string{a.b.node: "running"}, "protected_from_deletion": false,
		"metadata": map[string]any{"description": v.description, "tags": notNil(v.tags)}}
	v.mu.RUnlock()
	ready, unacked := 0, 0
	for _, q := range v.allQueues() {
		s := q.snapshot()
		ready, unacked = ready+s.ready, unacked+s.unacked
	}
	out["messages"], out["messages_ready"], out["messages_unacknowledged"] = ready+unacked, ready, unacked
	return out
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (a topologyAPI) listVhosts(*http.Request) (any, error) {
	var list []map[string]any
	for _, v := range a.b.allVhosts() {
		list = append(list, a.vhostJSON(v))
	}
	return list, nil
}

func (a topologyAPI) getVhost(r *http.Request) (any, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	return a.vhostJSON(v), nil
}

// vhostSettings is the body of a PUT. As in RabbitMQ, what it leaves out is cleared.
type vhostSettings struct {
	Description string `json:"description"`
	Tags        any    `json:"tags"` // a list, or a string with commas
	QueueType   string `json:"default_queue_type"`
	Tracing     *bool  `json:"tracing"`
}

func (a topologyAPI) putVhost(r *http.Request) (any, error) {
	var s vhostSettings
	if err := body(r, &s); err != nil {
		return nil, err
	}
	if a.declareVhost(r, part(r, "vhost"), s) {
		return created, nil
	}
	return noContent, nil
}

// declareVhost creates or changes a vhost. Who creates it may do everything there.
func (a *api) declareVhost(r *http.Request, name string, s vhostSettings) bool {
	fresh := a.b.declareVhost(name, s)
	if u := a.b.users.get(userName(r)); u != nil && fresh {
		u.permitAll(name)
		a.b.saveUser(u)
	}
	return fresh
}

// declareVhost creates or changes a vhost; true when it is new.
func (b *Broker) declareVhost(name string, s vhostSettings) bool {
	b.mu.Lock()
	v, known := b.vhosts[name]
	if !known {
		v = newVhost(b, name)
		b.vhosts[name] = v
	}
	b.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.description, v.tags, v.queueType = s.Description, tagList(s.Tags), classicQueue
	if s.QueueType == quorumQueue || s.QueueType == streamQueue {
		v.queueType = s.QueueType
	}
	if s.Tracing != nil {
		v.tracing.Store(*s.Tracing)
	}
	b.save(vhostRow(v))
	return !known
}

func (a topologyAPI) deleteVhost(r *http.Request) (any, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	for _, c := range a.b.connections() {
		if c.opened.Load() && c.vhost == v {
			c.force("vhost '" + v.name + "' is deleted")
		}
	}
	var w wakes
	for _, q := range v.allQueues() {
		v.removeQueue(q, &w)
	}
	w.flush()
	for _, x := range v.allExchanges() {
		_ = v.deleteExchange(x.name, false)
	}
	a.b.mu.Lock()
	delete(a.b.vhosts, v.name)
	a.b.mu.Unlock()
	a.b.unsave(vhostKey(v.name))
	return noContent, nil
}

func (a topologyAPI) exchangeJSON(v *vhost, x *exchange) map[string]any {
	return map[string]any{"name": x.name, "vhost": v.name, "type": x.kind, "durable": x.durable, "auto_delete": x.autoDelete,
		"internal": x.internal, "arguments": tableJSON(x.args), "user_who_performed_action": x.creator,
		"message_stats": a.b.metrics.stats(x, x.stats())}
}

func (a topologyAPI) listExchanges(r *http.Request) (any, error) {
	vhosts, err := a.vhostsOf(r)
	if err != nil {
		return nil, err
	}
	var list []map[string]any
	for _, v := range vhosts {
		for _, x := range v.allExchanges() {
			list = append(list, a.exchangeJSON(v, x))
		}
	}
	return list, nil
}

// exchangeName reads a name from the path; amq.default is the default exchange.
func exchangeName(name string) string {
	if name == "amq.default" {
		return ""
	}
	return name
}

func (a *api) exchangeOf(r *http.Request) (*vhost, *exchange, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, nil, err
	}
	x, e := v.exchange(exchangeName(part(r, "name")))
	return v, x, asError(e)
}

func (a topologyAPI) getExchange(r *http.Request) (any, error) {
	v, x, err := a.exchangeOf(r)
	if err != nil {
		return nil, err
	}
	return a.exchangeJSON(v, x), nil
}

type exchangeBody struct {
	Name       string         `json:"name,omitempty"`
	Vhost      string         `json:"vhost,omitempty"`
	Type       string         `json:"type"`
	Durable    *bool          `json:"durable"`
	AutoDelete flexBool       `json:"auto_delete"`
	Internal   flexBool       `json:"internal"`
	Arguments  map[string]any `json:"arguments"`
}

func (e exchangeBody) method(name string) *wire.ExchangeDeclare {
	return &wire.ExchangeDeclare{Exchange: name, Type: e.Type, Durable: e.Durable == nil || *e.Durable,
		AutoDelete: bool(e.AutoDelete), Internal: bool(e.Internal), Arguments: jsonTable(e.Arguments)}
}

func (a topologyAPI) putExchange(r *http.Request) (any, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	e := exchangeBody{Type: direct}
	if err := body(r, &e); err != nil {
		return nil, err
	}
	name := exchangeName(part(r, "name"))
	if name == "" {
		return nil, errDefaultExchange()
	}
	answer := any(created)
	if _, missing := v.exchange(name); missing == nil {
		answer = noContent
	}
	return done(answer, v.declareExchange(e.method(name), userName(r)))
}

func (a topologyAPI) deleteExchange(r *http.Request) (any, error) {
	v, x, err := a.exchangeOf(r)
	if err != nil {
		return nil, err
	}
	return done(noContent, v.deleteExchange(x.name, r.URL.Query().Get("if-unused") == "true"))
}
