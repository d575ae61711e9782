package brokers

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Routes are the queues of a RabbitMQ that a message goes to by the bindings, from its exchange with its routing key and
// headers; sure is false where an exchange on the way is of a type that cannot be told from outside.
func (t *Topology) Routes(m *Message) (queues []string, sure bool) {
	r := router{t: t, m: m, met: map[string]bool{}, sure: true}
	if m.Exchange == "" {
		return []string{m.RoutingKey}, true
	}
	r.through(m.Exchange)
	return r.queues, r.sure
}

type router struct {
	t      *Topology
	m      *Message
	met    map[string]bool
	queues []string
	sure   bool
}

func (r *router) through(exchange string) {
	i := slices.IndexFunc(r.t.Exchanges, func(x Exchange) bool { return x.Name == exchange })
	if r.met[exchange] || i < 0 {
		return
	}
	r.met[exchange] = true
	x := &r.t.Exchanges[i]
	taken := false
	for j := range r.t.Bindings {
		b := &r.t.Bindings[j]
		if b.Source != exchange || !r.takes(x.Type, b) {
			continue
		}
		taken = true
		if b.Kind == SourceExchange {
			r.through(b.To)
		} else if !slices.Contains(r.queues, b.To) {
			r.queues = append(r.queues, b.To)
		}
	}
	if !taken && x.Alternate != "" {
		r.through(x.Alternate)
	}
}

// takes tells whether a binding of an exchange of this type takes the message.
func (r *router) takes(kind string, b *Binding) bool {
	switch kind {
	case "direct":
		return b.RoutingKey == r.m.RoutingKey
	case "fanout":
		return true
	case "topic":
		return TopicMatches(strings.Split(b.RoutingKey, "."), strings.Split(r.m.RoutingKey, "."))
	case "headers":
		return headersMatch(b.Arguments, r.m.Headers)
	}
	r.sure = false
	return false
}

// TopicMatches tells whether a routing key, in words, matches the pattern of a topic exchange: * is one word, # any number of them.
func TopicMatches(pattern, key []string) bool {
	for i, p := range pattern {
		if p == "#" {
			for n := i; n <= len(key); n++ {
				if TopicMatches(pattern[i+1:], key[n:]) {
					return true
				}
			}
			return false
		}
		if i >= len(key) || p != "*" && p != key[i] {
			return false
		}
	}
	return len(pattern) == len(key)
}

// headersMatch tells whether headers fulfil the arguments of a binding to a headers exchange.
func headersMatch(args Arguments, headers Headers) bool {
	how, _ := args["x-match"].(string)
	all := how == "" || strings.HasPrefix(how, "all")
	for name, want := range args {
		if name == "x-match" || strings.HasPrefix(name, "x-") && !strings.HasSuffix(how, "-with-x") {
			continue
		}
		got, there := headers.Get(name)
		same := there && (want == nil || reflect.DeepEqual(got, want) || fmt.Sprint(got) == fmt.Sprint(want))
		if same != all {
			return same
		}
	}
	return all
}
