package amqp

import (
	"net/http"
)

// definitions is the document of /api/definitions: everything a broker is set up with.
type definitions struct {
	Old         string           `json:"rabbit_version"`
	Version     string           `json:"rabbitmq_version,omitempty"`
	Product     string           `json:"product_name,omitempty"`
	Users       []userBody       `json:"users,omitempty"`
	Vhosts      []vhostBody      `json:"vhosts,omitempty"`
	Permissions []permissionBody `json:"permissions,omitempty"`
	Topics      []any            `json:"topic_permissions"`
	Globals     []any            `json:"global_parameters"`
	Parameters  []any            `json:"parameters"`
	Policies    []any            `json:"policies"`
	Exchanges   []exchangeBody   `json:"exchanges"`
	Queues      []queueBody      `json:"queues"`
	Bindings    []bindingBody    `json:"bindings"`
}

type vhostBody struct {
	Name string `json:"name"`
	vhostSettings
}

type bindingBody struct {
	Source      string         `json:"source"`
	Vhost       string         `json:"vhost,omitempty"`
	Destination string         `json:"destination"`
	Kind        string         `json:"destination_type"`
	Key         string         `json:"routing_key"`
	Arguments   map[string]any `json:"arguments"`
}

// definitionAPI serves definitions, in and out.
type definitionAPI struct{ *api }

func (a definitionAPI) routes() map[string]handler {
	return map[string]handler{
		"GET /api/definitions":          a.exportAll,
		"POST /api/definitions":         a.importAll,
		"PUT /api/definitions":          a.importAll,
		"GET /api/definitions/{vhost}":  a.exportVhost,
		"POST /api/definitions/{vhost}": a.importVhost,
		"PUT /api/definitions/{vhost}":  a.importVhost,
	}
}

func newDefinitions() definitions {
	return definitions{Old: version, Version: version, Topics: []any{}, Globals: []any{}, Product: "msdev", Parameters: []any{}, Policies: []any{}, Exchanges: []exchangeBody{},
		Queues: []queueBody{}, Bindings: []bindingBody{}}
}

func (a definitionAPI) exportAll(*http.Request) (any, error) {
	d := newDefinitions()
	for _, u := range a.b.users.all() {
		d.Users = append(d.Users, u.definition())
		d.Permissions = append(d.Permissions, a.permissionsOf(u)...)
	}
	for _, v := range a.b.allVhosts() {
		d.Vhosts = append(d.Vhosts, v.definition())
		d.add(v, v.name)
	}
	return d, nil
}

func (a definitionAPI) exportVhost(r *http.Request) (any, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	d := newDefinitions()
	d.add(v, "")
	return d, nil
}

func (v *vhost) definition() vhostBody {
	v.mu.RLock()
	defer v.mu.RUnlock()
	tracing := v.tracing.Load()
	return vhostBody{v.name, vhostSettings{Description: v.description, Tags: notNil(v.tags), QueueType: v.queueType, Tracing: &tracing}}
}

// add exports a vhost: what is durable, and not predeclared or exclusive.
func (d *definitions) add(v *vhost, name string) {
	for _, x := range v.allExchanges() {
		if x.durable && x.name != "" && !predeclared(x.name) {
			d.Exchanges = append(d.Exchanges, exchangeBody{Name: x.name, Vhost: name, Type: x.kind, Durable: &x.durable,
				AutoDelete: flexBool(x.autoDelete), Internal: flexBool(x.internal), Arguments: tableJSON(x.args)})
		}
	}
	for _, q := range v.allQueues() {
		if q.durable && !q.exclusive {
			d.Queues = append(d.Queues, queueBody{Name: q.name, Vhost: name, Durable: &q.durable, AutoDelete: flexBool(q.autoDelete),
				Arguments: tableJSON(q.args)})
		}
	}
	for _, b := range v.allBindings() {
		if b.source.name != "" && b.durable() {
			kind, destination := b.destination()
			d.Bindings = append(d.Bindings, bindingBody{b.source.name, name, destination, kind, b.key, tableJSON(b.args)})
		}
	}
}

func predeclared(name string) bool { return len(name) >= 4 && name[:4] == "amq." }

func (a definitionAPI) importAll(r *http.Request) (any, error) {
	var d definitions
	if err := body(r, &d); err != nil {
		return nil, err
	}
	for _, v := range d.Vhosts {
		a.declareVhost(r, v.Name, v.vhostSettings)
	}
	for _, u := range d.Users {
		if err := a.putUserBody(u); err != nil {
			return nil, err
		}
	}
	for _, p := range d.Permissions {
		if err := a.setPermission(p); err != nil {
			return nil, err
		}
	}
	return noContent, a.importInto(r, d, "")
}

func (a definitionAPI) importVhost(r *http.Request) (any, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	var d definitions
	if err := body(r, &d); err != nil {
		return nil, err
	}
	return noContent, a.importInto(r, d, v.name)
}

// importInto declares exchanges, queues and bindings, each in its own vhost unless one is given.
func (a definitionAPI) importInto(r *http.Request, d definitions, only string) error {
	find := func(name string) (*vhost, error) {
		if only != "" {
			name = only
		} else if name == "" {
			name = "/"
		}
		if v := a.b.vhost(name); v != nil {
			return v, nil
		}
		return nil, badRequest("vhost '%s' does not exist", name)
	}
	for _, x := range d.Exchanges {
		v, err := find(x.Vhost)
		if err == nil {
			err = asError(v.declareExchange(x.method(x.Name), userName(r)))
		}
		if err != nil {
			return err
		}
	}
	for _, q := range d.Queues {
		v, err := find(q.Vhost)
		if err == nil {
			_, e := v.declareQueue(q.method(q.Name), nil)
			err = asError(e)
		}
		if err != nil {
			return err
		}
	}
	for _, b := range d.Bindings {
		v, err := find(b.Vhost)
		if err == nil {
			err = asError(v.bind(bindRequest{source: b.Source, kind: b.Kind, destination: b.Destination, key: b.Key, args: jsonTable(b.Arguments)}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
