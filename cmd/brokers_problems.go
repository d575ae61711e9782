package cmd

import (
	"fmt"
	"slices"

	"msdev/brokers"
)

// queueProblems are what somebody should look at in a queue.
func queueProblems(t *brokers.Topology, q *brokers.Queue) []string {
	var found []string
	if q.State != "" && q.State != "running" && q.State != "idle" && q.State != "flow" {
		found = append(found, "it is "+q.State)
	}
	ready := value(q.Ready)
	idle := q.Consumers != nil && *q.Consumers == 0
	switch waits := q.DeadExchange != nil && q.MessageTTL != nil; { // messages wait in it for their time to live, and then move on
	case ready > 0 && isDeadQueue(t, q):
		found = append(found, some(ready, "dead letter"))
	case ready > 0 && idle && !waits && q.Type != brokers.StreamQueue:
		found = append(found, "no consumer")
	}
	if q.MaxLength != nil && *q.MaxLength > 0 && ready >= *q.MaxLength {
		found = append(found, fmt.Sprintf("full: at most %s", thousands(*q.MaxLength)))
	}
	if value(q.Unacked) > 0 && q.Acked != nil && *q.Acked == 0 && q.Delivered != nil && *q.Delivered == 0 && ready > 0 && !idle {
		found = append(found, fmt.Sprintf("its consumers hold %s and acknowledge none", thousands(*q.Unacked)))
	}
	if q.Redeliver != nil && q.Acked != nil && *q.Redeliver > 0 && *q.Redeliver >= *q.Acked {
		found = append(found, "more is redelivered than acknowledged")
	}
	return found
}

// isDeadQueue tells whether dead letters end in a queue: by its name, or because another one's dead-letter exchange leads to
// it and nothing leads on.
func isDeadQueue(t *brokers.Topology, q *brokers.Queue) bool {
	if brokers.NamedDead(q.Name) {
		return true
	}
	if q.DeadExchange != nil || value(q.Consumers) > 0 {
		return false
	}
	return slices.ContainsFunc(t.Queues, func(from brokers.Queue) bool { return leadsTo(t, &from, q.Name) })
}

// leadsTo tells whether what dies in a queue goes to another.
func leadsTo(t *brokers.Topology, from *brokers.Queue, to string) bool {
	if from.DeadExchange == nil || from.Name == to {
		return false
	}
	if *from.DeadExchange == "" {
		return from.DeadKey != nil && *from.DeadKey == to
	}
	return slices.ContainsFunc(t.Bindings, func(b brokers.Binding) bool {
		return b.Source == *from.DeadExchange && b.Kind == brokers.SourceQueue && b.To == to
	})
}

// exchangeProblems are what somebody should look at in an exchange.
func exchangeProblems(t *brokers.Topology, x *brokers.Exchange) []string {
	if x.Name != "" && x.In != nil && *x.In > 0 && x.Alternate == "" && bindings(t, x.Name) == 0 {
		return []string{"unroutable: nothing is bound to it"}
	}
	return nil
}

// bindings is how many bindings lead out of an exchange.
func bindings(t *brokers.Topology, exchange string) int {
	n := 0
	for i := range t.Bindings {
		if t.Bindings[i].Source == exchange {
			n++
		}
	}
	return n
}

// topicProblems are what somebody should look at in a topic.
func topicProblems(x *brokers.Topic) []string {
	var found []string
	if x.Trouble != "" {
		found = append(found, x.Trouble)
	}
	without, behind := 0, 0
	for i := range x.Partitions {
		p := &x.Partitions[i]
		switch {
		case p.Leader < 0:
			without++
		case len(p.InSync) < len(p.Replicas):
			behind++
		}
	}
	if without > 0 {
		found = append(found, some(int64(without), "partition")+" without a leader")
	}
	if behind > 0 {
		found = append(found, some(int64(behind), "partition")+" not in sync")
	}
	if n := records(x); n != nil && *n > 0 && brokers.NamedDead(x.Name) {
		found = append(found, some(*n, "dead letter"))
	}
	return found
}

// records is how many offsets a topic spans; nil where that is not known of every partition.
func records(x *brokers.Topic) *int64 {
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

// groupProblems are what somebody should look at in a consumer group.
func groupProblems(g *brokers.Group) []string {
	var found []string
	if g.Trouble != "" {
		found = append(found, g.Trouble)
	}
	switch g.State {
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		found = append(found, "it rebalances")
	case "Dead":
		found = append(found, "it is dead")
	}
	if len(g.Members) == 0 && value(g.Lag) > 0 {
		found = append(found, "nobody consumes")
	}
	return found
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
