package tui

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"msdev/brokers"
)

// audience is who got a message, or is to get it: RabbitMQ's queues with what consumes from them, Kafka's groups.
func (p *messagesPage) audience(one *booked, m *brokers.Message) []fact {
	if one == nil || one.topology == nil {
		if m.Routed == nil {
			return nil
		}
		return listFacts("to", []piece{{"", clean(strings.Join(m.Routed, ", "))}})
	}
	t := one.topology
	if m.Kind == brokers.Kafka {
		return listFacts("read by", p.readers(t, m)...)
	}
	if m.Event == brokers.EventDelivered {
		return nil
	}
	queues, sure, label := m.Routed, true, "to"
	switch {
	case queues == nil && m.Queue != "":
		queues, label = []string{m.Queue}, "read by"
	case queues == nil:
		queues, sure = routes(t, m)
	}
	if len(queues) == 0 && sure {
		return listFacts(label, []piece{{p.theme.bad, "nobody: no queue is bound for it"}}...)
	}
	lines := make([][]piece, 0, len(queues)+1)
	for _, q := range queues {
		lines = append(lines, p.queueReaders(t, q))
	}
	if !sure {
		lines = append(lines, []piece{{p.theme.faint, "and perhaps more: an exchange on the way has a type whose routes cannot be told"}})
	}
	return listFacts(label, lines...)
}

// listFacts are several lines under one name.
func listFacts[T []piece | piece](name string, lines ...T) []fact {
	facts := make([]fact, 0, len(lines))
	for i, l := range lines {
		var ps []piece
		switch l := any(l).(type) {
		case piece:
			ps = []piece{l}
		case []piece:
			ps = l
		}
		facts = append(facts, fact{either(i == 0, name, ""), ps})
	}
	return facts
}

// queueReaders are a queue and what consumes from it.
func (p *messagesPage) queueReaders(t *brokers.Topology, name string) []piece {
	ps := []piece{{"", clean(name)}}
	i := slices.IndexFunc(t.Queues, func(q brokers.Queue) bool { return q.Name == name })
	if i < 0 {
		return ps
	}
	who := p.book.consumersOf(t, &t.Queues[i])
	switch {
	case len(who) > 0:
		return append(ps, piece{p.theme.faint, "  consumed by "}, piece{"", clean(some(who))})
	case t.Queues[i].Consumers != nil && *t.Queues[i].Consumers == 0:
		return append(ps, piece{p.theme.busy, "  nobody consumes it"})
	}
	return ps
}

// consumersOf are those who consume from a queue, as people know them.
func (b *book) consumersOf(t *brokers.Topology, q *brokers.Queue) []string {
	var who []string
	for _, c := range q.ConsumersNamed {
		if name := b.clientName(t, c.Client); !slices.Contains(who, name) {
			who = append(who, name)
		}
	}
	return who
}

// readers are the groups that read a record's topic, and whether they have got to it.
func (p *messagesPage) readers(t *brokers.Topology, m *brokers.Message) [][]piece {
	var lines [][]piece
	for i := range t.Groups {
		g := &t.Groups[i]
		for _, at := range g.Offsets {
			if at.Topic != m.Topic || at.Partition != m.Partition {
				continue
			}
			ps := []piece{{"", clean(g.Name)}}
			if at.Committed != nil && *at.Committed > m.Offset {
				ps = append(ps, piece{p.theme.ok, "  has read it"})
			} else {
				ps = append(ps, piece{p.theme.busy, "  has not read it"})
				if at.Committed != nil {
					ps = append(ps, piece{p.theme.faint, ", " + plural(max(0, m.Offset-*at.Committed), "record") + " stand before it"})
				}
			}
			if j := slices.IndexFunc(g.Members, func(x brokers.Member) bool { return x.ID == at.Member }); j >= 0 {
				ps = append(ps, piece{p.theme.faint, "  by "}, piece{"", clean(p.book.memberName(g, &g.Members[j]))})
			}
			lines = append(lines, ps)
		}
	}
	return lines
}

// deathText is how a dead letter came to be one.
func deathText(o *brokers.Origin) string {
	text := "dead letter of " + cmp.Or(o.Queue, o.Target.Topic)
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	if o.Count > 1 {
		text += fmt.Sprintf(", %d times", o.Count)
	}
	return text
}

// routes are the queues that a message goes to by the bindings; sure is false where an exchange on the way is of a type that
// cannot be told from outside.
func routes(t *brokers.Topology, m *brokers.Message) (queues []string, sure bool) {
	r := router{t: t, m: m, met: map[string]bool{}, sure: true}
	if m.Exchange == "" {
		return []string{m.RoutingKey}, true
	}
	r.through(m.Exchange)
	return r.queues, r.sure
}

type router struct {
	t      *brokers.Topology
	m      *brokers.Message
	met    map[string]bool
	queues []string
	sure   bool
}

func (r *router) through(exchange string) {
	i := slices.IndexFunc(r.t.Exchanges, func(x brokers.Exchange) bool { return x.Name == exchange })
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
		if b.Kind == brokers.SourceExchange {
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
func (r *router) takes(kind string, b *brokers.Binding) bool {
	switch kind {
	case "direct":
		return b.RoutingKey == r.m.RoutingKey
	case "fanout":
		return true
	case "topic":
		return topicMatches(strings.Split(b.RoutingKey, "."), strings.Split(r.m.RoutingKey, "."))
	case "headers":
		return headersMatch(b.Arguments, r.m.Headers)
	}
	r.sure = false
	return false
}

// topicMatches tells whether a key matches the pattern of a topic exchange: * is one word, # any number of them.
func topicMatches(pattern, key []string) bool {
	for i, p := range pattern {
		if p == "#" {
			for n := i; n <= len(key); n++ {
				if topicMatches(pattern[i+1:], key[n:]) {
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
func headersMatch(args brokers.Arguments, headers brokers.Headers) bool {
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
