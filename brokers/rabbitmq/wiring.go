package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// wiring is how exchanges and queues hang together: what a tap needs to know.
type wiring struct {
	exchanges map[string]brokers.Exchange
	bindings  []brokers.Binding
}

var errNoWiring = errors.New("exchanges and bindings cannot be listed without the management API or rabbitmqctl")

// wiring lists exchanges and bindings by the management API, or else by rabbitmqctl; errNoWiring where there is neither.
// live tells that it may be asked often.
func (b *Broker) wiring(ctx context.Context) (w *wiring, live bool, err error) {
	if b.api != nil {
		if w, err = b.api.wiring(ctx); err == nil {
			return w, true, nil
		}
	}
	if b.o.Ctl == nil {
		if err == nil {
			err = errNoWiring
		}
		return nil, false, err
	}
	w, err = b.ctlWiring(ctx)
	return w, false, err
}

// apiExchange and apiBinding are what the management API tells, and rabbitmqctl with other names.
type apiExchange struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Internal   bool           `json:"internal"`
	Arguments  map[string]any `json:"arguments"`
	Policy     string         `json:"policy"`
	Effective  any            `json:"effective_policy_definition"`
	Stats      map[string]any `json:"message_stats"`
}

func (x *apiExchange) exchange() brokers.Exchange {
	out := brokers.Exchange{Name: x.Name, Type: x.Type, Durable: x.Durable, AutoDelete: x.AutoDelete, Internal: x.Internal,
		Arguments: arguments(x.Arguments), Policy: x.Policy, In: rate(x.Stats, "publish_in"), Out: rate(x.Stats, "publish_out")}
	out.Alternate = text(setting(x.Arguments, x.Effective, "alternate-exchange"))
	return out
}

type apiBinding struct {
	Source     string         `json:"source"`
	To         string         `json:"destination"`
	Kind       string         `json:"destination_type"`
	RoutingKey string         `json:"routing_key"`
	Arguments  map[string]any `json:"arguments"`
	Key        string         `json:"properties_key"`
}

func (x *apiBinding) binding() brokers.Binding {
	kind := brokers.SourceQueue
	if x.Kind == "exchange" {
		kind = brokers.SourceExchange
	}
	return brokers.Binding{Source: x.Source, Kind: kind, To: x.To, RoutingKey: x.RoutingKey, Arguments: arguments(x.Arguments), Key: x.Key}
}

func (a *api) wiring(ctx context.Context) (*wiring, error) {
	var exchanges []apiExchange
	var bindings []apiBinding
	if err := a.get(ctx, a.path("exchanges", "%v"), &exchanges); err != nil {
		return nil, err
	}
	if err := a.get(ctx, a.path("bindings", "%v"), &bindings); err != nil {
		return nil, err
	}
	return newWiring(exchanges, bindings), nil
}

func newWiring(exchanges []apiExchange, bindings []apiBinding) *wiring {
	w := &wiring{exchanges: map[string]brokers.Exchange{}}
	for i := range exchanges {
		w.exchanges[exchanges[i].Name] = exchanges[i].exchange()
	}
	for i := range bindings {
		w.bindings = append(w.bindings, bindings[i].binding())
	}
	return w
}

// ctl runs rabbitmqctl for the virtual host and decodes its JSON.
func (b *Broker) ctl(ctx context.Context, out any, command string, columns ...string) error {
	printed, err := b.o.Ctl(ctx, append([]string{"--quiet", "--formatter", "json", command, "--vhost", b.at.vhost}, columns...)...)
	if err != nil {
		return fmt.Errorf("rabbitmqctl %s: %w", command, err)
	}
	if err := json.Unmarshal(printed, out); err != nil {
		return fmt.Errorf("rabbitmqctl %s printed no JSON: %w", command, err)
	}
	return nil
}

func (b *Broker) ctlWiring(ctx context.Context) (*wiring, error) {
	var exchanges []struct {
		apiExchange
		Arguments any `json:"arguments"`
	}
	var bindings []struct {
		Source    string `json:"source_name"`
		To        string `json:"destination_name"`
		Kind      string `json:"destination_kind"`
		Key       string `json:"routing_key"`
		Arguments any    `json:"arguments"`
	}
	if err := b.ctl(ctx, &exchanges, "list_exchanges", "name", "type", "durable", "auto_delete", "internal", "arguments", "policy"); err != nil {
		return nil, err
	}
	if err := b.ctl(ctx, &bindings, "list_bindings", "source_name", "destination_name", "destination_kind", "routing_key", "arguments"); err != nil {
		return nil, err
	}
	w := newWiring(nil, nil)
	for _, x := range exchanges {
		x.apiExchange.Arguments = ctlTable(x.Arguments)
		w.exchanges[x.Name] = x.exchange()
	}
	for _, x := range bindings {
		bound := apiBinding{Source: x.Source, To: x.To, Kind: x.Kind, RoutingKey: x.Key, Arguments: ctlTable(x.Arguments)}
		w.bindings = append(w.bindings, bound.binding())
	}
	return w, nil
}

// ctlTable makes rabbitmqctl's rendering of a table a map: an object, or a list of [name, type, value].
func ctlTable(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case []any:
		out := map[string]any{}
		for _, e := range v {
			if field, ok := e.([]any); ok && len(field) == 3 {
				out[fmt.Sprint(field[0])] = field[2]
			}
		}
		return out
	}
	return nil
}

// setting is an argument, or else what the effective policy says, whose names lack the x-.
func setting(args map[string]any, effective any, name string) any {
	for _, key := range []string{"x-" + name, name} {
		if v, ok := args[key]; ok {
			return v
		}
	}
	policy, _ := effective.(map[string]any)
	return policy[name]
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// whole returns v as a number where it is one.
func whole(v any) *int64 {
	switch n := v.(type) {
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return &i
		}
	case float64:
		return new(int64(n))
	case int64:
		return &n
	}
	return nil
}

// rate is a sampled rate, nil where the broker has none.
func rate(stats map[string]any, name string) *float64 {
	details, _ := stats[name+"_details"].(map[string]any)
	switch n := details["rate"].(type) {
	case json.Number:
		if f, err := n.Float64(); err == nil {
			return &f
		}
	case float64:
		return &n
	}
	return nil
}

func arguments(m map[string]any) brokers.Arguments {
	if len(m) == 0 {
		return nil
	}
	return m
}

// table makes arguments that came as JSON an AMQP table. RabbitMQ compares the numbers of headers exchanges whatever their
// width.
func table(args brokers.Arguments) wire.Table {
	var t wire.Table
	for _, name := range sortedKeys(args) {
		t = append(t, wire.Field{Key: name, Value: field(args[name])})
	}
	return t
}

func field(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case int:
		return int64(v)
	case float64:
		if v == float64(int64(v)) { // JSON knows no whole numbers
			return int64(v)
		}
	case map[string]any:
		return table(v)
	case []any:
		a := wire.Array{}
		for _, e := range v {
			a = append(a, field(e))
		}
		return a
	}
	return v
}

// exists tells whether an exchange is there, with the broker's error if not.
func exists(ctx context.Context, c *conn, name string) error {
	if name == "" {
		return nil
	}
	ch, err := c.channel(ctx, nil)
	if err != nil {
		return err
	}
	_, err = call[*wire.ExchangeDeclareOk](ctx, ch, &wire.ExchangeDeclare{Exchange: name, Passive: true})
	if saidCode(err, 404) {
		return fmt.Errorf("there is no exchange %q\n%s", name, "Its name is case-sensitive; `msdev queues` lists what there is.")
	}
	if err == nil {
		err = shut(ctx, ch)
	}
	return err
}

func quoted(s string) string { return strconv.Quote(s) }

// plainTypes are the exchanges whose bindings a tap can copy without taking anything from others.
func plainType(x *brokers.Exchange) string {
	kind := x.Type
	if kind == "x-delayed-message" {
		kind = text(x.Arguments["x-delayed-type"])
	}
	switch strings.ToLower(kind) {
	case "direct", "topic", "fanout", "headers":
		return kind
	}
	return ""
}
