package tui

import (
	"regexp"
	"slices"
	"strings"

	"msdev/brokers"
)

// resolve finds the streams of the services that the page was asked for, as soon as the brokers have told who deals with what.
func (p *messagesPage) resolve() {
	if len(p.of.services) == 0 || p.of.streams != nil {
		return
	}
	var streams []string
	for _, service := range p.of.services {
		for _, o := range p.book.brokers {
			if o.info.Service == service {
				streams = append(streams, o.info.Name+"/")
			} else if o.topology != nil {
				streams = append(streams, p.book.streamsOf(o, service)...)
			}
		}
	}
	if streams == nil && (!p.book.known || slices.ContainsFunc(p.book.brokers, func(o *booked) bool { return o.topology == nil && o.err == nil })) {
		return // not told yet
	}
	if streams == nil {
		p.say("what %s publishes and consumes is not known: all messages show", p.of.name)
		p.of = narrowing{}
	}
	p.of.streams = streams
	p.pane.show(streams...)
}

// streamsOf are the streams of a broker with which a service deals.
func (b *book) streamsOf(o *booked, service string) []string {
	t := o.topology
	var streams []string
	add := func(name string) {
		if s := o.info.Name + "/" + name; name != "" && !slices.Contains(streams, s) {
			streams = append(streams, s)
		}
	}
	for _, c := range t.Clients {
		if b.serviceAt(c.Host, c.Given) != service {
			continue
		}
		for _, x := range c.Publish {
			add(x)
		}
		for _, q := range c.Consume {
			for _, s := range feeders(t, q) {
				add(s)
			}
		}
	}
	for i := range t.Groups {
		for _, topic := range b.topicsOf(&t.Groups[i], service) {
			add(topic)
		}
	}
	slices.Sort(streams)
	return streams
}

// topicsOf are the topics that a service reads as a member of a group.
func (b *book) topicsOf(g *brokers.Group, service string) []string {
	var topics []string
	for i := range g.Members {
		if b.memberName(g, &g.Members[i]) == service {
			topics = append(topics, sortedKeys(g.Members[i].Assigned)...)
		}
	}
	return topics
}

// feeders are the streams in which a queue's messages are: the queue's own, and those of the exchanges that it is bound to.
func feeders(t *brokers.Topology, queue string) []string {
	names := []string{queue}
	for _, b := range t.Bindings {
		if b.Kind == brokers.SourceQueue && b.To == queue && b.Source != "" && !slices.Contains(names, b.Source) {
			names = append(names, b.Source)
		}
	}
	return names
}

// narrowToSource is the part of all messages that passes an exchange or topic, or is bound for a queue.
func (o *booked) narrowToSource(from brokers.Source) narrowing {
	n := narrowing{name: from.Name, streams: []string{o.info.Name + "/" + from.Name}}
	if from.Kind != brokers.SourceQueue || o.topology == nil {
		return n
	}
	n.streams = nil
	var exprs []string
	for _, name := range feeders(o.topology, from.Name) {
		n.streams = append(n.streams, o.info.Name+"/"+name)
	}
	for _, b := range o.topology.Bindings {
		if b.Kind == brokers.SourceQueue && b.To == from.Name && b.Source != "" {
			exprs = append(exprs, "(exchange:"+quoted(b.Source)+keyExpr(o.topology, &b)+")")
		}
	}
	n.expr = strings.Join(append(exprs, "queue:"+quoted(from.Name), "(exchange:\"\" routing:"+quoted(from.Name)+")"), " or ")
	return n
}

// keyExpr narrows an exchange to the keys of a binding, as far as an expression can tell.
func keyExpr(t *brokers.Topology, b *brokers.Binding) string {
	i := slices.IndexFunc(t.Exchanges, func(x brokers.Exchange) bool { return x.Name == b.Source })
	if i < 0 || t.Exchanges[i].Type != "direct" && t.Exchanges[i].Type != "topic" {
		return ""
	}
	if t.Exchanges[i].Type == "topic" && strings.ContainsAny(b.RoutingKey, "#*") {
		return " routing:/" + topicPattern(b.RoutingKey) + "/"
	}
	return " routing:" + quoted(b.RoutingKey)
}

// quoted is text as one value of an expression.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// topicPattern is the pattern of a topic exchange as a regular expression.
func topicPattern(key string) string {
	words := slices.CompactFunc(strings.Split(key, "."), func(a, b string) bool { return a == "#" && b == "#" })
	var b strings.Builder
	b.WriteString("^")
	for i, w := range words {
		switch {
		case w == "#" && len(words) == 1:
			b.WriteString(".*")
		case w == "#" && i == 0:
			b.WriteString(`(.*\.)?`)
			continue
		case w == "#":
			b.WriteString(`(\..*)?`)
			continue
		default:
			if i > 0 && words[i-1] != "#" || i > 1 {
				b.WriteString(`\.`)
			}
			if w == "*" {
				b.WriteString(`[^.]*`)
			} else {
				b.WriteString(regexp.QuoteMeta(w))
			}
		}
	}
	return b.String() + "$"
}
