package brokers

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Problem is something about a queue, exchange, topic or group that somebody should look at, in a few words.
type Problem struct {
	Text string
	// Grave is what does not work now; else it may be meant so.
	Grave bool
}

// Past is what was seen of a queue or group over some time; the zero value is nothing.
type Past struct {
	Grown int64         // how many more messages are ready in the queue than there were
	In    time.Duration // within which time
	Still time.Duration // for how long the group has committed nothing
}

// StuckAfter is how long a group that is behind may commit nothing before it counts as stuck.
const StuckAfter = 10 * time.Second

// slack is a lag that is none: behind a transaction stands a marker, which no consumer reads.
const slack = 1

// QueueProblems are those of a queue of t, the gravest first.
func QueueProblems(t *Topology, q *Queue, past Past) []Problem {
	var found problems
	found.add(q.State != "" && q.State != "running" && q.State != "idle" && q.State != "flow", true, "it is %s", q.State)
	ready, unacked := known(q.Ready), known(q.Unacked)
	idle := q.Consumers != nil && *q.Consumers == 0 && q.Type != StreamQueue
	waits := q.DeadExchange != nil && q.MessageTTL != nil // each stays for its time to live, and then moves on
	from := t.DeadLettersOf(q.Name)
	switch dead := len(from) > 0 || NamedDead(q.Name); {
	case ready == 0 || waits:
	case dead:
		text := Number(ready, "dead letter")
		if len(from) > 0 {
			text += " of " + listed(from)
		}
		if past.Grown > 0 {
			text += fmt.Sprintf(", %s more in %s", Thousands(past.Grown), past.In.Round(time.Second))
		}
		found.add(true, past.Grown > 0, "%s", text)
	default:
		found.add(idle, true, "no consumer")
	}
	found.add(q.MaxLength != nil && *q.MaxLength > 0 && ready >= *q.MaxLength, true, "full: at most %s", Thousands(known(q.MaxLength)))
	found.add(unacked > 0 && ready > 0 && !idle && none(q.Acked) && none(q.Delivered), true, "its consumers hold %s and acknowledge none", Thousands(unacked))
	found.add(q.Redeliver != nil && q.Acked != nil && *q.Redeliver > 0 && *q.Redeliver >= *q.Acked, true, "more is redelivered than acknowledged")
	return found.sorted()
}

// ExchangeProblems are those of an exchange of t.
func ExchangeProblems(t *Topology, x *Exchange) []Problem {
	var found problems
	bound := slices.ContainsFunc(t.Bindings, func(b Binding) bool { return b.Source == x.Name })
	found.add(x.Name != "" && x.In != nil && *x.In > 0 && x.Alternate == "" && !bound, true, "unroutable: nothing bound")
	return found
}

// TopicProblems are those of a topic, the gravest first.
func TopicProblems(x *Topic) []Problem {
	var found problems
	found.add(x.Trouble != "", true, "%s", x.Trouble)
	without, behind := 0, 0
	for i := range x.Partitions {
		p := &x.Partitions[i]
		switch {
		case p.Trouble != "":
			found.add(true, true, "partition %d: %s", p.ID, p.Trouble)
		case p.Leader < 0:
			without++
		case len(p.InSync) < len(p.Replicas):
			behind++
		}
	}
	found.add(without > 0, true, "%s without a leader", Number(int64(without), "partition"))
	found.add(behind > 0, false, "%s not in sync", Number(int64(behind), "partition"))
	n := x.Records()
	found.add(known(n) > 0 && NamedDead(x.Name), false, "%s", Number(known(n), "dead letter"))
	return found.sorted()
}

// GroupProblems are those of a consumer group, the gravest first.
func GroupProblems(g *Group, past Past) []Problem {
	var found problems
	found.add(g.Trouble != "", true, "%s", g.Trouble)
	switch g.State {
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		found.add(true, false, "it rebalances")
	case "Dead":
		found.add(true, true, "it is dead")
	}
	lag := known(g.Lag)
	found.add(lag > slack && len(g.Members) == 0, true, "nobody consumes, and %s wait", Number(lag, "record"))
	found.add(lag > slack && len(g.Members) > 0 && past.Still >= StuckAfter, true, "stuck: no commit for %s", past.Still.Round(time.Second))
	return found.sorted()
}

// Records is how many records a topic has, about: compaction and the markers of transactions leave gaps. It is nil where a
// partition does not tell.
func (x *Topic) Records() *int64 {
	sum := int64(0)
	for i := range x.Partitions {
		p := &x.Partitions[i]
		if p.Start == nil || p.End == nil {
			return nil
		}
		sum += *p.End - *p.Start
	}
	return &sum
}

// DeadLettersOf are the queues of a RabbitMQ whose dead letters end in the one of this name. Where it is consumed, or its own
// messages move on when they die, they do not end there: it is a part of a way of trying again.
func (t *Topology) DeadLettersOf(name string) []string {
	if slices.ContainsFunc(t.Queues, func(q Queue) bool {
		return q.Name == name && (q.DeadExchange != nil || known(q.Consumers) > 0)
	}) {
		return nil
	}
	var from []string
	for i := range t.Queues {
		if q := &t.Queues[i]; q.DeadExchange != nil && q.Name != name && slices.Contains(t.deathOf(q), name) {
			from = append(from, q.Name)
		}
	}
	return from
}

// deathOf are the queues to which the dead letters of a queue may go.
func (t *Topology) deathOf(q *Queue) []string {
	if q.DeadKey == nil && *q.DeadExchange != "" { // with the key that each message has: any that is bound
		var bound []string
		for _, b := range t.Bindings {
			if b.Source == *q.DeadExchange && b.Kind == SourceQueue {
				bound = append(bound, b.To)
			}
		}
		return bound
	}
	m := Message{Kind: RabbitMQ, Exchange: *q.DeadExchange, RoutingKey: q.Name}
	if q.DeadKey != nil {
		m.RoutingKey = *q.DeadKey
	}
	queues, _ := t.Routes(&m)
	return queues
}

type problems []Problem

func (p *problems) add(is, grave bool, format string, args ...any) {
	if is {
		*p = append(*p, Problem{Text: fmt.Sprintf(format, args...), Grave: grave})
	}
}

// sorted has the grave ones first.
func (p problems) sorted() []Problem {
	slices.SortStableFunc(p, func(a, b Problem) int {
		switch {
		case a.Grave == b.Grave:
			return 0
		case a.Grave:
			return -1
		}
		return 1
	})
	return p
}

func known(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// none tells that a rate is known, and 0.
func none(rate *float64) bool { return rate != nil && *rate == 0 }

// listed names at most three, and says how many more there are.
func listed(names []string) string {
	if more := len(names) - 2; more > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), more)
	}
	return strings.Join(names, ", ")
}
