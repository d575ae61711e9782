package tui

import (
	"cmp"
	"fmt"
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
		queues, sure = t.Routes(m)
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
