package tui

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"msdev/brokers"
)

// rowKind is what a row of the queues page is.
type rowKind uint8

const (
	rowBroker rowKind = iota
	rowExchange
	rowQueue
	rowTopic
	rowGroup
)

// gravityOf a row's note.
type noteLevel uint8

const (
	noteNone noteLevel = iota
	noteWarn
	noteBad
)

// queueRow is one row of the queues page: a broker, or one of the things in it. A nil number is one that nobody told.
type queueRow struct {
	id       string
	one      *booked
	kind     rowKind
	index    int // in the topology
	name     string
	typ      string
	ready    *int64
	unacked  *int64
	in, out  *float64
	readers  *int64 // consumers, members
	lag      *int64
	trend    *trend
	note     string
	level    noteLevel
	problems []brokers.Problem
	brokerOK bool
}

// rowsOf are the rows of one broker, the broker itself first.
func (b *book) rowsOf(o *booked, hidden bool) []queueRow {
	rows := []queueRow{b.brokerRow(o)}
	if o.topology == nil {
		return rows
	}
	t := o.topology
	var things []queueRow
	for i := range t.Queues {
		things = append(things, b.queueRow(o, i))
	}
	for i := range t.Exchanges {
		if x := &t.Exchanges[i]; hidden || !ownOfBroker(x.Name) || x.In != nil && *x.In > 0 && x.Name != "" {
			things = append(things, b.exchangeRow(o, i))
		}
	}
	for i := range t.Topics {
		if hidden || !t.Topics[i].Internal {
			things = append(things, b.topicRow(o, i))
		}
	}
	for i := range t.Groups {
		things = append(things, b.groupRow(o, i))
	}
	slices.SortStableFunc(things, func(x, y queueRow) int {
		return cmp.Or(cmp.Compare(kindOrder(x.kind), kindOrder(y.kind)), strings.Compare(x.name, y.name))
	})
	return append(rows, things...)
}

// kindOrder orders the kinds of rows.
func kindOrder(k rowKind) int {
	return slices.Index([]rowKind{rowQueue, rowExchange, rowTopic, rowGroup}, k)
}

// ownOfBroker tells whether an exchange is one that a broker makes itself.
func ownOfBroker(name string) bool { return name == "" || strings.HasPrefix(name, "amq.") }

func (b *book) brokerRow(o *booked) queueRow {
	r := queueRow{id: o.info.Name, one: o, kind: rowBroker, name: o.info.Name, typ: brokerTitle(&o.info), brokerOK: o.topology != nil && o.err == nil}
	switch {
	case o.err != nil:
		r.note, r.level = firstLine(o.err.Error()), noteBad
		if o.topology != nil {
			r.note = "what shows is " + ago(b.now.Sub(o.topology.At)) + " old: " + r.note
		}
	case o.topology == nil:
		r.note = "asking " + b.signs.cut
	default:
		r.note = inventory(o.topology)
		for _, n := range o.topology.Unknown {
			r.note += " " + b.signs.dot + " " + n.Text
		}
	}
	return r
}

// inventory is what a broker holds, in numbers.
func inventory(t *brokers.Topology) string {
	var parts []string
	add := func(n int, noun string) {
		if n > 0 {
			parts = append(parts, plural(n, noun))
		}
	}
	add(len(t.Queues), "queue")
	add(len(t.Topics), "topic")
	add(len(t.Groups), "group")
	add(len(t.Clients), "connection")
	add(len(t.Nodes), "node")
	if len(parts) == 0 {
		return "empty"
	}
	return strings.Join(parts, ", ")
}

func (b *book) queueRow(o *booked, i int) queueRow {
	t, q := o.topology, &o.topology.Queues[i]
	r := queueRow{id: o.info.Name + " " + queueID(q.Name), one: o, kind: rowQueue, index: i, name: q.Name, typ: cmp.Or(string(q.Type), "queue"),
		ready: q.Ready, unacked: q.Unacked, in: q.In, out: q.Delivered, readers: q.Consumers, trend: o.trends[queueID(q.Name)]}
	if !r.problem(brokers.QueueProblems(t, q, past(r.trend, nil, t.At))) {
		r.note = b.queueNote(t, q)
	}
	return r
}

// problem has a row tell the gravest of its problems, and keeps the others for its detail.
func (r *queueRow) problem(found []brokers.Problem) bool {
	r.problems = found
	if len(found) == 0 {
		return false
	}
	r.note, r.level = found[0].Text, either(found[0].Grave, noteBad, noteWarn)
	return true
}

// queueNote is how a queue without a problem stands to others.
func (b *book) queueNote(t *brokers.Topology, q *brokers.Queue) string {
	dead := t.DeadLettersOf(q.Name)
	switch {
	case q.DeadExchange != nil && q.MessageTTL != nil: // messages wait in it for their time, and then move on
		return "holds each for " + ago(time.Duration(*q.MessageTTL)*time.Millisecond)
	case len(dead) > 0 || brokers.NamedDead(q.Name):
		return "for dead letters" + either(len(dead) > 0, " of "+some(dead), "")
	case q.Consumers != nil && *q.Consumers == 0 && q.Type != brokers.StreamQueue:
		return "nobody consumes it"
	}
	if who := b.consumersOf(t, q); len(who) > 0 {
		return b.signs.to + " " + some(who)
	}
	return ""
}

// past is what a trend has seen.
func past(ready, commits *trend, now time.Time) (p brokers.Past) {
	if ready != nil {
		by, in := ready.growth()
		p.Grown, p.In = int64(by), in
	}
	if commits != nil {
		p.Still = now.Sub(commits.still())
	}
	return p
}

func (b *book) exchangeRow(o *booked, i int) queueRow {
	t, x := o.topology, &o.topology.Exchanges[i]
	r := queueRow{id: o.info.Name + " exchange " + x.Name, one: o, kind: rowExchange, index: i, name: cmp.Or(x.Name, "(default)"), typ: x.Type + " exchange", in: x.In, out: x.Out}
	var to []string
	for _, bind := range t.Bindings {
		if bind.Source == x.Name && !slices.Contains(to, bind.To) {
			to = append(to, bind.To)
		}
	}
	slices.Sort(to)
	switch {
	case r.problem(brokers.ExchangeProblems(t, x)):
	case x.Name == "":
		r.note = "to each queue by its name"
	case len(to) == 0 && x.Alternate == "":
		r.note = "nothing is bound to it"
	case len(to) > 0:
		r.note = b.signs.to + " " + some(to)
	default:
		r.note = b.signs.to + " " + x.Alternate + ", its alternate"
	}
	return r
}

func (b *book) topicRow(o *booked, i int) queueRow {
	t := &o.topology.Topics[i]
	r := queueRow{id: o.info.Name + " " + topicID(t.Name), one: o, kind: rowTopic, index: i, name: t.Name, typ: plural(len(t.Partitions), "partition"),
		ready: t.Records(), trend: o.trends[topicID(t.Name)]}
	if in, ok := o.rates[topicID(t.Name)]; ok {
		r.in = &in
	}
	var groups []string
	for _, g := range o.topology.Groups {
		if slices.ContainsFunc(g.Offsets, func(at brokers.GroupOffset) bool { return at.Topic == t.Name }) {
			groups = append(groups, g.Name)
		}
	}
	n := int64(len(groups))
	r.readers = &n
	switch {
	case r.problem(brokers.TopicProblems(t)):
	case len(groups) > 0:
		r.note = b.signs.to + " " + some(groups)
	case t.Compacted:
		r.note = "compacted"
	}
	return r
}

func (b *book) groupRow(o *booked, i int) queueRow {
	g := &o.topology.Groups[i]
	members := int64(len(g.Members))
	r := queueRow{id: o.info.Name + " " + groupID(g.Name), one: o, kind: rowGroup, index: i, name: g.Name, typ: "group, " + strings.ToLower(g.State),
		readers: &members, lag: g.Lag, trend: o.trends[groupID(g.Name)]}
	if out, ok := o.rates[groupID(g.Name)]; ok {
		r.out = &out
	}
	if r.problem(brokers.GroupProblems(g, past(nil, o.trends[commitsOf(groupID(g.Name))], o.topology.At))) {
		return r
	}
	var who []string
	for j := range g.Members {
		if name := b.memberName(g, &g.Members[j]); !slices.Contains(who, name) {
			who = append(who, name)
		}
	}
	if len(who) > 0 {
		r.note = b.signs.to + " " + some(who)
	}
	return r
}

// source is what a row's messages are read from; false where it has none.
func (r *queueRow) source() (brokers.Source, bool) {
	switch r.kind {
	case rowExchange:
		return brokers.Source{Kind: brokers.SourceExchange, Name: r.one.topology.Exchanges[r.index].Name}, true
	case rowQueue:
		return brokers.Source{Kind: brokers.SourceQueue, Name: r.name}, true
	case rowTopic:
		return brokers.Source{Kind: brokers.SourceTopic, Name: r.name}, true
	}
	return brokers.Source{}, false
}
