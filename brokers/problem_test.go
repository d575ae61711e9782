package brokers_test

import (
	"strings"
	"testing"
	"time"

	"msdev/brokers"
)

func TestRoutes(t *testing.T) {
	top := &brokers.Topology{
		Exchanges: []brokers.Exchange{{Name: "d", Type: "direct", Alternate: "alt"}, {Name: "alt", Type: "fanout"}, {Name: "h", Type: "headers"}, {Name: "odd", Type: "x-random"}, {Name: "loop", Type: "fanout"}},
		Bindings: []brokers.Binding{
			{Source: "d", Kind: brokers.SourceQueue, To: "q1", RoutingKey: "k"}, {Source: "alt", Kind: brokers.SourceQueue, To: "rest"},
			{Source: "h", Kind: brokers.SourceQueue, To: "all", Arguments: brokers.Arguments{"x-match": "all", "a": "1", "b": "2"}},
			{Source: "h", Kind: brokers.SourceQueue, To: "any", Arguments: brokers.Arguments{"x-match": "any", "a": "1", "b": "2"}},
			{Source: "odd", Kind: brokers.SourceQueue, To: "q1"}, {Source: "loop", Kind: brokers.SourceExchange, To: "loop"},
		}}
	for _, c := range []struct {
		exchange, key string
		headers       brokers.Headers
		want          string
		sure          bool
	}{
		{"", "q1", nil, "q1", true},
		{"d", "k", nil, "q1", true},
		{"d", "other", nil, "rest", true},
		{"h", "", brokers.Headers{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}, "all any", true},
		{"h", "", brokers.Headers{{Key: "b", Value: "2"}}, "any", true},
		{"h", "", nil, "", true},
		{"odd", "k", nil, "", false},
		{"loop", "k", nil, "", true},
		{"gone", "k", nil, "", true},
	} {
		m := brokers.Message{Kind: brokers.RabbitMQ, Exchange: c.exchange, RoutingKey: c.key, Headers: c.headers}
		if got, sure := top.Routes(&m); strings.Join(got, " ") != c.want || sure != c.sure {
			t.Errorf("%s %s: %v %v", c.exchange, c.key, got, sure)
		}
	}
}

// gravity writes problems as one line, those that are grave with a mark.
func gravity(problems []brokers.Problem) string {
	var all []string
	for _, p := range problems {
		all = append(all, map[bool]string{true: "! "}[p.Grave]+p.Text)
	}
	return strings.Join(all, "; ")
}

func TestQueueProblems(t *testing.T) {
	top := &brokers.Topology{
		Exchanges: []brokers.Exchange{{Name: "dlx", Type: "fanout"}, {Name: "kept", Type: "direct"}},
		Bindings: []brokers.Binding{
			{Source: "dlx", Kind: brokers.SourceQueue, To: "letters"},
			{Source: "kept", Kind: brokers.SourceQueue, To: "parked", RoutingKey: "late"},
		},
	}
	for _, c := range []struct {
		q    brokers.Queue
		past brokers.Past
		want string
	}{
		{q: brokers.Queue{Name: "unknown"}},
		{q: brokers.Queue{Name: "new", Ready: new(int64(0)), Consumers: new(int64(0))}},
		{q: brokers.Queue{Name: "idle", Ready: new(int64(3)), Consumers: new(int64(0))}, want: "! no consumer"},
		{q: brokers.Queue{Name: "log", Type: brokers.StreamQueue, Ready: new(int64(3)), Consumers: new(int64(0))}},
		{q: brokers.Queue{Name: "busy", Ready: new(int64(3)), Consumers: new(int64(1)), DeadExchange: new("dlx")}},
		{q: brokers.Queue{Name: "slow", Ready: new(int64(3)), Consumers: new(int64(1)), DeadExchange: new("kept"), DeadKey: new("late")}},
		{q: brokers.Queue{Name: "plain", Consumers: new(int64(1)), DeadExchange: new(""), DeadKey: new("named")}},
		{q: brokers.Queue{Name: "letters", Ready: new(int64(1)), Consumers: new(int64(0))}, want: "1 dead letter of busy"},
		{q: brokers.Queue{Name: "parked", Ready: new(int64(1200)), Consumers: new(int64(0))}, past: brokers.Past{Grown: 70, In: 16 * time.Second}, want: "! 1,200 dead letters of slow, 70 more in 16s"},
		{q: brokers.Queue{Name: "named", Ready: new(int64(2)), Consumers: new(int64(0))}, want: "2 dead letters of plain"},
		{q: brokers.Queue{Name: "shipping.dead", Ready: new(int64(2)), Consumers: new(int64(0))}, want: "2 dead letters"},
		{q: brokers.Queue{Name: "empty.dlq", Ready: new(int64(0)), Consumers: new(int64(0))}},
		{q: brokers.Queue{Name: "shipping.retry", Ready: new(int64(9)), Consumers: new(int64(0)), MessageTTL: new(int64(1000)), DeadExchange: new(""), DeadKey: new("shipping")}},
		{q: brokers.Queue{Name: "full", Ready: new(int64(10)), Consumers: new(int64(1)), MaxLength: new(int64(10))}, want: "! full: at most 10"},
		{q: brokers.Queue{Name: "broken", State: "down"}, want: "! it is down"},
		{q: brokers.Queue{Name: "held", Ready: new(int64(5)), Unacked: new(int64(1500)), Consumers: new(int64(1)), Acked: new(0.0), Delivered: new(0.0)},
			want: "! its consumers hold 1,500 and acknowledge none"},
		{q: brokers.Queue{Name: "loops", Consumers: new(int64(1)), Redeliver: new(3.0), Acked: new(1.0)}, want: "! more is redelivered than acknowledged"},
	} {
		top.Queues = append(top.Queues, c.q) // the later ones see the earlier ones
		if got := gravity(brokers.QueueProblems(top, &c.q, c.past)); got != c.want {
			t.Errorf("queue %s has the problems %q, not %q", c.q.Name, got, c.want)
		}
	}
}

func TestExchangeProblems(t *testing.T) {
	top := &brokers.Topology{Bindings: []brokers.Binding{{Source: "orders", Kind: brokers.SourceQueue, To: "q"}}}
	for want, x := range map[string]brokers.Exchange{
		"! unroutable: nothing bound": {Name: "audit", In: new(12.0)},
		"":                            {Name: "orders", In: new(12.0)},
	} {
		if got := gravity(brokers.ExchangeProblems(top, &x)); got != want {
			t.Errorf("exchange %s has the problems %q, not %q", x.Name, got, want)
		}
	}
	for _, x := range []brokers.Exchange{{Name: "", In: new(1.0)}, {Name: "idle", In: new(0.0)}, {Name: "untold"}, {Name: "safe", In: new(1.0), Alternate: "rest"}} {
		if got := brokers.ExchangeProblems(top, &x); got != nil {
			t.Errorf("exchange %q has the problems %v", x.Name, got)
		}
	}
}

func TestTopicProblems(t *testing.T) {
	part := func(start, end int64) brokers.Partition { return brokers.Partition{Start: &start, End: &end} }
	for _, c := range []struct {
		x    brokers.Topic
		want string
	}{
		{brokers.Topic{Name: "orders", Partitions: []brokers.Partition{part(0, 9)}}, ""},
		{brokers.Topic{Name: "orders.dlt", Partitions: []brokers.Partition{part(2, 4), part(0, 1)}}, "3 dead letters"},
		{brokers.Topic{Name: "empty.dlt", Partitions: []brokers.Partition{part(4, 4)}}, ""},
		{brokers.Topic{Name: "untold.dlt", Partitions: []brokers.Partition{{}}}, ""},
		{brokers.Topic{Name: "t", Trouble: "not authorized"}, "! not authorized"},
		{brokers.Topic{Name: "t", Partitions: []brokers.Partition{{Leader: 1, Replicas: []int32{1, 2}, InSync: []int32{1}}, {Leader: -1}, {ID: 2, Trouble: "offline"}}},
			"! partition 2: offline; ! 1 partition without a leader; 1 partition not in sync"},
	} {
		if got := gravity(brokers.TopicProblems(&c.x)); got != c.want {
			t.Errorf("topic %s has the problems %q, not %q", c.x.Name, got, c.want)
		}
	}
}

func TestGroupProblems(t *testing.T) {
	members := []brokers.Member{{ID: "a"}}
	for _, c := range []struct {
		g    brokers.Group
		past brokers.Past
		want string
	}{
		{g: brokers.Group{State: "Stable", Members: members, Lag: new(int64(500))}},
		{g: brokers.Group{State: "Stable", Members: members, Lag: new(int64(500))}, past: brokers.Past{Still: 16 * time.Second}, want: "! stuck: no commit for 16s"},
		{g: brokers.Group{State: "Stable", Members: members, Lag: new(int64(1))}, past: brokers.Past{Still: time.Hour}}, // a marker, which nobody reads
		{g: brokers.Group{State: "Empty", Lag: new(int64(2204))}, past: brokers.Past{Still: time.Hour}, want: "! nobody consumes, and 2,204 records wait"},
		{g: brokers.Group{State: "Empty", Lag: new(int64(1))}},
		{g: brokers.Group{State: "Empty"}},
		{g: brokers.Group{State: "PreparingRebalance", Members: members}, want: "it rebalances"},
		{g: brokers.Group{State: "Dead", Trouble: "coordinator not available"}, want: "! coordinator not available; ! it is dead"},
	} {
		if got := gravity(brokers.GroupProblems(&c.g, c.past)); got != c.want {
			t.Errorf("a group in state %s has the problems %q, not %q", c.g.State, got, c.want)
		}
	}
}
