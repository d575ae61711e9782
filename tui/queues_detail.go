package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"msdev/brokers"
)

// factList gathers facts.
type factList struct {
	*desk
	facts []fact
}

func (l *factList) add(name, value string) {
	if value != "" {
		l.pieces(name, piece{"", clean(value)})
	}
}

func (l *factList) pieces(name string, ps ...piece) {
	if n := len(l.facts); n > 0 && name != "" && l.named(name) {
		name = ""
	}
	l.facts = append(l.facts, fact{name, ps})
}

// named tells whether the last name that stands is this one, so that lines of one name stand under it.
func (l *factList) named(name string) bool {
	for _, f := range slices.Backward(l.facts) {
		if f.name != "" {
			return f.name == name
		}
	}
	return false
}

func (l *factList) number(name string, n *int64, unit string) {
	if n != nil {
		l.add(name, commas(*n)+unit)
	}
}

// rowFacts are all that is known of a row.
func (p *queuesPage) rowFacts(r *queueRow) []fact {
	l := &factList{desk: p.desk}
	for _, problem := range r.problems {
		l.pieces("problem", piece{either(problem.Grave, p.theme.bad, p.theme.busy), clean(problem.Text)})
	}
	switch r.kind {
	case rowBroker:
		p.brokerFacts(l, r)
	case rowExchange:
		p.exchangeFacts(l, r.one.topology, &r.one.topology.Exchanges[r.index])
	case rowQueue:
		p.queueFacts(l, r, &r.one.topology.Queues[r.index])
	case rowTopic:
		p.topicFacts(l, r, &r.one.topology.Topics[r.index])
	case rowGroup:
		p.groupFacts(l, r, &r.one.topology.Groups[r.index])
	}
	return l.facts
}

func (p *queuesPage) brokerFacts(l *factList, r *queueRow) {
	i := &r.one.info
	l.add("is", brokerTitle(i))
	l.add("address", i.Address)
	l.add("service", i.Service)
	l.add("project", either(i.Own, "its own: what changes it needs no further permission", "not of this project: what changes it asks for its name"))
	if i.Kind == brokers.RabbitMQ {
		l.add("management", either(i.Manage, "its API answers", "no API: unacked, rates and listings are not told"))
	}
	if r.one.err != nil {
		for n, line := range strings.Split(r.one.err.Error(), "\n") {
			l.pieces("trouble", piece{either(n == 0, p.theme.bad, ""), clean(line)})
		}
	}
	for _, b := range p.state.Brokers {
		if b.Name != i.Name {
			continue
		}
		l.add("tapped", either(b.Tapped, "yes: what passes shows under messages", "no"))
		for _, n := range b.Notes {
			l.pieces("", piece{either(n.Warn, p.theme.busy, p.theme.dim), clean(n.Text)}, piece{p.theme.faint, "  " + clean(n.Hint)})
		}
	}
	t := r.one.topology
	if t == nil {
		return
	}
	for _, n := range t.Unknown {
		l.pieces("unknown", piece{p.theme.busy, clean(n.Text)}, piece{p.theme.faint, "  " + clean(n.Hint)})
	}
	for _, n := range t.Nodes {
		l.add("node", fmt.Sprintf("%d  %s%s", n.ID, n.Address, either(n.Controller, "  controller", "")))
	}
	for _, c := range t.Clients {
		if !c.Own {
			l.pieces("connection", piece{"", clean(cmp.Or(p.book.serviceAt(c.Host, c.Given), c.Given, c.Name))},
				piece{p.theme.faint, "  " + clean(strings.Join(nonEmpty(c.User, c.Host, plural(c.Channels, "channel"), c.Product, c.State), "  "))})
		}
	}
	for _, pol := range t.Policies {
		l.pieces("policy", piece{"", clean(pol.Name)}, piece{p.theme.faint, clean(fmt.Sprintf("  %s  %s  %s", pol.Pattern, pol.ApplyTo, argumentsText(pol.Definition)))})
	}
}

func nonEmpty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

func argumentsText(a brokers.Arguments) string {
	var parts []string
	for _, k := range sortedKeys(a) {
		parts = append(parts, fmt.Sprintf("%s=%v", k, a[k]))
	}
	return strings.Join(parts, " ")
}

func flagsText(durable, autoDelete, exclusive, internal bool) string {
	parts := []string{either(durable, "durable", "transient")}
	if autoDelete {
		parts = append(parts, "auto-delete")
	}
	if exclusive {
		parts = append(parts, "exclusive")
	}
	if internal {
		parts = append(parts, "internal")
	}
	return strings.Join(parts, ", ")
}

func (p *queuesPage) exchangeFacts(l *factList, t *brokers.Topology, x *brokers.Exchange) {
	l.add("type", x.Type+"  "+flagsText(x.Durable, x.AutoDelete, false, x.Internal))
	l.add("policy", x.Policy)
	l.add("arguments", argumentsText(x.Arguments))
	l.add("alternate", x.Alternate)
	for _, who := range x.Publishers {
		l.add("publishers", p.book.clientName(t, who))
	}
	for _, b := range t.Bindings {
		if b.Source == x.Name && x.Name != "" {
			l.pieces("routes", piece{p.theme.dim, clean(cmp.Or(b.RoutingKey, argumentsText(b.Arguments), "all"))},
				piece{p.theme.faint, " " + p.signs.to + " "}, piece{"", clean(string(b.Kind) + " " + b.To)})
		}
	}
	p.boundFrom(l, t, brokers.SourceExchange, x.Name)
}

// boundFrom are the bindings that lead to an exchange or queue.
func (p *queuesPage) boundFrom(l *factList, t *brokers.Topology, kind brokers.SourceKind, name string) {
	for _, b := range t.Bindings {
		if b.Kind == kind && b.To == name && b.Source != "" {
			l.pieces("fed by", piece{"", clean("exchange " + b.Source)}, piece{p.theme.faint, "  key "},
				piece{p.theme.dim, clean(cmp.Or(b.RoutingKey, argumentsText(b.Arguments), "any"))})
		}
	}
}

func (p *queuesPage) queueFacts(l *factList, r *queueRow, q *brokers.Queue) {
	t := r.one.topology
	l.add("type", r.typ+"  "+flagsText(q.Durable, q.AutoDelete, q.Exclusive, false))
	if q.Ready != nil {
		text := commas(*q.Ready) + " ready"
		if q.Unacked != nil {
			text += ", " + commas(*q.Unacked) + " at consumers and not acknowledged"
		}
		if q.Bytes != nil {
			text += ", " + size(*q.Bytes)
		}
		if q.Memory != nil {
			text += ", " + size(*q.Memory) + " of memory"
		}
		l.add("messages", text)
	}
	p.trendFact(l, "ready", r.trend)
	l.add("rates", ratesText(rated("in", q.In), rated("delivered", q.Delivered), rated("acknowledged", q.Acked), rated("redelivered", q.Redeliver)))
	p.boundFrom(l, t, brokers.SourceQueue, q.Name)
	for _, c := range q.ConsumersNamed {
		l.pieces("consumers", piece{"", clean(p.book.clientName(t, c.Client))},
			piece{p.theme.faint, clean("  prefetch " + either(c.Prefetch == 0, "without limit", commas(c.Prefetch)) + either(c.AutoAck, "  acknowledges by itself", "") + "  " + c.Tag)})
	}
	if q.DeadExchange != nil {
		key := "the message's own key"
		if q.DeadKey != nil {
			key = "key " + *q.DeadKey
		}
		l.add("dead letters", "to "+cmp.Or(*q.DeadExchange, "the default exchange")+" with "+key)
	}
	for _, from := range t.DeadLettersOf(q.Name) {
		l.add("dies here", "what "+from+" rejects, or lets expire")
	}
	if q.DeliveryLimit != nil && *q.DeliveryLimit >= 0 {
		l.add("limit", commas(*q.DeliveryLimit)+" deliveries in vain")
	}
	l.number("at most", q.MaxLength, " messages")
	if q.MessageTTL != nil {
		l.add("expire", "after "+(time.Duration(*q.MessageTTL)*time.Millisecond).String())
	}
	l.add("policy", q.Policy)
	l.add("arguments", argumentsText(q.Arguments))
}

// trendShown is how many measurements of a trend a detail shows at most: the newest, in one line of 80 columns.
const trendShown = 40

func (p *queuesPage) trendFact(l *factList, of string, t *trend) {
	if t == nil || len(t.values) < 2 {
		return
	}
	l.pieces("trend", piece{p.theme.info, t.sparkline(min(trendShown, len(t.values)), p.signs)},
		piece{p.theme.faint, "  " + of + " in the last " + ago(t.times[len(t.times)-1].Sub(t.times[max(0, len(t.times)-trendShown)]))})
}

func rated(name string, v *float64) string {
	if v == nil {
		return ""
	}
	return rate(*v) + "/s " + name
}

func ratesText(parts ...string) string { return strings.Join(nonEmpty(parts...), ", ") }

func (p *queuesPage) topicFacts(l *factList, r *queueRow, t *brokers.Topic) {
	l.add("has", r.typ+", "+plural(t.Replicas, "replica")+either(t.Compacted, ", compacted", "")+either(t.Internal, ", internal", ""))
	if r.ready != nil {
		text := "about " + plural(*r.ready, "record")
		if t.Bytes != nil {
			text += ", " + size(*t.Bytes) + " on disk"
		}
		l.add("records", text)
	}
	l.add("rates", rated("in", r.in))
	p.trendFact(l, "records a second", r.trend)
	for _, g := range r.one.topology.Groups {
		if lag, reads := lagIn(&g, t.Name); reads {
			l.pieces("groups", piece{"", clean(g.Name)}, piece{p.theme.faint, "  " + strings.ToLower(g.State) + ", "}, piece{either(lag > 1, p.theme.busy, ""), "lag " + commas(lag)})
		}
	}
	for i := range t.Partitions {
		part := &t.Partitions[i]
		text := fmt.Sprintf("%3d  leader %d  in sync %d of %d", part.ID, part.Leader, len(part.InSync), len(part.Replicas))
		if part.Start != nil && part.End != nil {
			text += fmt.Sprintf("  offsets %s to %s", commas(*part.Start), commas(*part.End))
		}
		if part.Bytes != nil {
			text += "  " + size(*part.Bytes)
		}
		l.pieces("partitions", piece{"", text}, piece{p.theme.bad, clean("  " + part.Trouble)})
	}
	for _, k := range sortedKeys(t.Configs) {
		l.pieces("configs", piece{"", clean(k)}, piece{p.theme.dim, clean("  " + t.Configs[k])})
	}
}

// lagIn is how many records of a topic a group has yet to read, and whether it reads it at all.
func lagIn(g *brokers.Group, topic string) (lag int64, reads bool) {
	for _, o := range g.Offsets {
		if o.Topic == topic {
			reads = true
			if o.Lag != nil {
				lag += *o.Lag
			}
		}
	}
	return lag, reads
}

func (p *queuesPage) groupFacts(l *factList, r *queueRow, g *brokers.Group) {
	l.add("state", strings.ToLower(g.State)+either(g.Type != "", "  "+g.Type+" protocol", "")+either(g.Protocol != "", "  "+g.Protocol, ""))
	if g.Lag != nil {
		l.add("lag", plural(*g.Lag, "record")+" to be read")
	}
	p.trendFact(l, "lag", r.trend)
	l.add("rates", rated("read", r.out))
	for i := range g.Members {
		m := &g.Members[i]
		var parts []string
		for _, topic := range sortedKeys(m.Assigned) {
			parts = append(parts, topic+" "+partitionsText(m.Assigned[topic]))
		}
		l.pieces("members", piece{"", clean(p.book.memberName(g, m))}, piece{p.theme.faint, clean("  " + strings.Join(nonEmpty(m.Client, strings.TrimPrefix(m.Host, "/"), m.Instance), "  ") + "  ")},
			piece{p.theme.dim, clean(cmp.Or(strings.Join(parts, ", "), "nothing assigned"))})
	}
	for _, o := range g.Offsets {
		ps := []piece{{"", clean(fmt.Sprintf("%s/%d", o.Topic, o.Partition))}}
		if o.Committed == nil {
			ps = append(ps, piece{p.theme.faint, "  nothing committed"})
		} else {
			ps = append(ps, piece{p.theme.faint, "  at "}, piece{"", commas(*o.Committed)})
		}
		if o.End != nil {
			ps = append(ps, piece{p.theme.faint, " of " + commas(*o.End)})
		}
		if o.Lag != nil {
			ps = append(ps, piece{either(*o.Lag > 1, p.theme.busy, p.theme.dim), "  lag " + commas(*o.Lag)})
		}
		l.pieces("offsets", ps...)
	}
}

// partitionsText are numbers of partitions: 0-3 7.
func partitionsText(all []int32) string {
	sorted := slices.Sorted(slices.Values(all))
	var parts []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		if j > i {
			parts = append(parts, fmt.Sprintf("%d-%d", sorted[i], sorted[j]))
		} else {
			parts = append(parts, fmt.Sprint(sorted[i]))
		}
		i = j + 1
	}
	return strings.Join(parts, " ")
}
