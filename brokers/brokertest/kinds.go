package brokertest

import (
	"context"
	"testing"

	"msdev/brokers"
)

// RabbitQueue makes a durable topic exchange with a classic queue that gets everything.
func RabbitQueue(t *testing.T, b brokers.Broker) Place {
	t.Helper()
	exchange, queue := name("exchange"), name("queue")
	apply(t, b,
		brokers.Change{Kind: brokers.CreateExchange, Exchange: brokers.Exchange{Name: exchange, Type: "topic", Durable: true}},
		brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: queue, Durable: true, Type: brokers.ClassicQueue}},
		brokers.Change{Kind: brokers.Bind, Binding: brokers.Binding{Source: exchange, Kind: brokers.SourceQueue, To: queue, RoutingKey: "#"}})
	after(t, b,
		brokers.Change{Kind: brokers.DeleteQueue, Queue: brokers.Queue{Name: queue}},
		brokers.Change{Kind: brokers.DeleteExchange, Exchange: brokers.Exchange{Name: exchange}})
	return Place{
		Read: brokers.Source{Kind: brokers.SourceQueue, Name: queue},
		Tap:  brokers.Source{Kind: brokers.SourceExchange, Name: exchange},
		To:   brokers.Target{Exchange: exchange, RoutingKey: "a.key"},
	}
}

// KafkaTopic makes a topic with one partition and room for large records.
func KafkaTopic(t *testing.T, b brokers.Broker, configs map[string]string) Place {
	t.Helper()
	topic := brokers.TopicSpec{Name: name("topic"), Partitions: 1, Replicas: 1, Configs: map[string]*string{"max.message.bytes": new("20000000")}}
	for k, v := range configs {
		topic.Configs[k] = &v
	}
	apply(t, b, brokers.Change{Kind: brokers.CreateTopic, Topic: topic})
	after(t, b, brokers.Change{Kind: brokers.DeleteTopic, Topic: brokers.TopicSpec{Name: topic.Name}})
	from := brokers.Source{Kind: brokers.SourceTopic, Name: topic.Name}
	return Place{Read: from, Tap: from, To: brokers.Target{Topic: topic.Name}}
}

func apply(t *testing.T, b brokers.Broker, changes ...brokers.Change) {
	t.Helper()
	for _, c := range changes {
		if err := b.(brokers.Admin).Apply(bounded(t), c); err != nil {
			t.Fatalf("%s: %v", c.Kind, err)
		}
	}
}

// after takes away at the test's end what it made.
func after(t *testing.T, b brokers.Broker, changes ...brokers.Change) {
	t.Cleanup(func() {
		for _, c := range changes {
			if err := b.(brokers.Admin).Apply(context.Background(), c); err != nil {
				t.Logf("%s: %v", c.Kind, err)
			}
		}
	})
}
