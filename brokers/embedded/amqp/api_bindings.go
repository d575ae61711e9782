package amqp

import (
	"encoding/base64"
	"hash/crc32"
	"net/http"
	"net/url"
	"strconv"
)

// bindingAPI serves bindings.
type bindingAPI struct{ *api }

func (a bindingAPI) routes() map[string]handler {
	routes := map[string]handler{
		"GET /api/bindings":                                a.listBindings,
		"GET /api/bindings/{vhost}":                        a.listBindings,
		"GET /api/exchanges/{vhost}/{name}/bindings/{end}": a.exchangeBindings,
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

func (a bindingAPI) listBindings(r *http.Request) (any, error) {
	return a.bindings(r, func(*binding) bool { return true })
}

func (a bindingAPI) exchangeBindings(r *http.Request) (any, error) {
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

func (a bindingAPI) bindingsBetween(short string) handler {
	return func(r *http.Request) (any, error) { return a.bindings(r, between(r, short)) }
}

func (a bindingAPI) oneBinding(short string) handler {
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

func (a bindingAPI) bindBetween(short string) handler {
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

func (a bindingAPI) unbindBetween(short string) handler {
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
