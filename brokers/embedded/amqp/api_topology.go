package amqp

import (
	"encoding/base64"
	"hash/crc32"
	"net/http"
	"net/url"
	"strconv"

	"msdev/brokers/embedded/amqp/wire"
)

func (a *api) topologyRoutes() map[string]handler {
	routes := map[string]handler{
		"GET /api/vhosts":                                  a.listVhosts,
		"GET /api/vhosts/{vhost}":                          a.getVhost,
		"PUT /api/vhosts/{vhost}":                          a.putVhost,
		"DELETE /api/vhosts/{vhost}":                       a.deleteVhost,
		"GET /api/vhosts/{vhost}/permissions":              a.vhostPermissions,
		"GET /api/exchanges":                               a.listExchanges,
		"GET /api/exchanges/{vhost}":                       a.listExchanges,
		"GET /api/exchanges/{vhost}/{name}":                a.getExchange,
		"PUT /api/exchanges/{vhost}/{name}":                a.putExchange,
		"DELETE /api/exchanges/{vhost}/{name}":             a.deleteExchange,
		"POST /api/exchanges/{vhost}/{name}/publish":       a.publish,
		"GET /api/exchanges/{vhost}/{name}/bindings/{end}": a.exchangeBindings,
		"GET /api/bindings":                                a.listBindings,
		"GET /api/bindings/{vhost}":                        a.listBindings,
	}
	for _, kind := range []string{"q", "e"} {
		path := " /api/bindings/{vhost}/e/{source}/" + kind + "/{destination}"
		routes["GET"+path] = a.bindingsBetween(kind)
		routes["POST"+path] = a.bindBetween(kind)
		routes["GET"+path+"/{props}"] = a.oneBinding(kind)
		routes["DELETE"+path+"/{props}"] = a.unbindBetween(kind)
	}
	return routes
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

func (a *api) listVhosts(*http.Request) (any, error) {
	var list []map[string]any
	for _, v := range a.b.allVhosts() {
		list = append(list, a.vhostJSON(v))
	}
	return list, nil
}

func (a *api) getVhost(r *http.Request) (any, error) {
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

func (a *api) putVhost(r *http.Request) (any, error) {
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

func (a *api) deleteVhost(r *http.Request) (any, error) {
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

func (a *api) exchangeJSON(v *vhost, x *exchange) map[string]any {
	return map[string]any{"name": x.name, "vhost": v.name, "type": x.kind, "durable": x.durable, "auto_delete": x.autoDelete,
		"internal": x.internal, "arguments": tableJSON(x.args), "user_who_performed_action": x.creator,
		"message_stats": a.b.metrics.stats(x, x.stats())}
}

func (a *api) listExchanges(r *http.Request) (any, error) {
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

func (a *api) getExchange(r *http.Request) (any, error) {
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

func (a *api) putExchange(r *http.Request) (any, error) {
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

func (a *api) deleteExchange(r *http.Request) (any, error) {
	v, x, err := a.exchangeOf(r)
	if err != nil {
		return nil, err
	}
	return done(noContent, v.deleteExchange(x.name, r.URL.Query().Get("if-unused") == "true"))
}

// propsKey names a binding in a path: its key, and for arguments a hash of them.
func propsKey(b *binding) string {
	key := url.QueryEscape(b.key)
	if len(b.args) == 0 {
		if key == "" {
			return "~"
		}
		return key
	}
	sum := crc32.ChecksumIEEE([]byte(canonical(b.args)))
	return key + "~" + base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatUint(uint64(sum), 36)))
}

func bindingJSON(v *vhost, b *binding) map[string]any {
	kind, name := b.destination()
	return map[string]any{"source": b.source.name, "vhost": v.name, "destination": name, "destination_type": kind,
		"routing_key": b.key, "arguments": tableJSON(b.args), "properties_key": propsKey(b)}
}

// bindings lists what a filter lets through.
func (a *api) bindings(r *http.Request, keep func(*binding) bool) ([]map[string]any, error) {
	vhosts, err := a.vhostsOf(r)
	if err != nil {
		return nil, err
	}
	var list []map[string]any
	for _, v := range vhosts {
		for _, b := range v.allBindings() {
			if keep(b) {
				list = append(list, bindingJSON(v, b))
			}
		}
	}
	return list, nil
}

func (a *api) listBindings(r *http.Request) (any, error) {
	return a.bindings(r, func(*binding) bool { return true })
}

func (a *api) exchangeBindings(r *http.Request) (any, error) {
	_, x, err := a.exchangeOf(r)
	if err != nil {
		return nil, err
	}
	return a.bindings(r, func(b *binding) bool {
		if part(r, "end") == "destination" {
			return b.target == x
		}
		return b.source == x
	})
}

func kindOf(short string) string {
	if short == "q" {
		return "queue"
	}
	return "exchange"
}

// between filters the bindings from one exchange to one destination.
func between(r *http.Request, short string) func(*binding) bool {
	return func(b *binding) bool {
		kind, name := b.destination()
		return b.source.name == exchangeName(part(r, "source")) && kind == kindOf(short) && name == part(r, "destination")
	}
}

func (a *api) bindingsBetween(short string) handler {
	return func(r *http.Request) (any, error) { return a.bindings(r, between(r, short)) }
}

func (a *api) oneBinding(short string) handler {
	return func(r *http.Request) (any, error) {
		is := between(r, short)
		list, err := a.bindings(r, func(b *binding) bool { return is(b) && propsKey(b) == part(r, "props") })
		if err != nil || len(list) > 0 {
			return headOf(list), err
		}
		return nil, notFound()
	}
}

func headOf(list []map[string]any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func (a *api) bindBetween(short string) handler {
	return func(r *http.Request) (any, error) {
		v, err := a.vhostOf(r)
		if err != nil {
			return nil, err
		}
		var in struct {
			Key  string         `json:"routing_key"`
			Args map[string]any `json:"arguments"`
		}
		if err := body(r, &in); err != nil {
			return nil, err
		}
		return done(created, v.bind(bindRequest{source: exchangeName(part(r, "source")), kind: kindOf(short),
			destination: part(r, "destination"), key: in.Key, args: jsonTable(in.Args)}))
	}
}

func (a *api) unbindBetween(short string) handler {
	return func(r *http.Request) (any, error) {
		v, err := a.vhostOf(r)
		if err != nil {
			return nil, err
		}
		is := between(r, short)
		for _, b := range v.allBindings() {
			if is(b) && propsKey(b) == part(r, "props") {
				kind, name := b.destination()
				return done(noContent, v.unbind(bindRequest{source: b.source.name, kind: kind, destination: name, key: b.key, args: b.args}))
			}
		}
		return nil, notFound()
	}
}
