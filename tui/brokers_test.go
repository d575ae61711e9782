package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/brokers/wire"
	"msdev/session"
)

// plainBroker is a broker of plain data: a topology, what is in its queues and topics, and what was sent to it.
type plainBroker struct {
	info     brokers.Info
	topology brokers.Topology
	err      error
	holds    map[string][]brokers.Message
	sent     []brokers.Outgoing
	changes  []brokers.Change
}

func (b *plainBroker) Info() brokers.Info { return b.info }

func (b *plainBroker) Topology(context.Context) (*brokers.Topology, error) {
	if b.err != nil {
		return nil, b.err
	}
	t := b.topology
	return &t, nil
}

func (b *plainBroker) Tap(ctx context.Context, _ brokers.Source, _ brokers.TapOptions, _ func(brokers.TapBatch)) error {
	<-ctx.Done()
	return nil
}

func (b *plainBroker) Read(_ context.Context, from brokers.Source, o brokers.ReadOptions, emit func(brokers.Batch) bool) error {
	all := slices.Clone(b.holds[from.Name])
	if o.From.At == brokers.AtOffset {
		all = slices.DeleteFunc(all, func(m brokers.Message) bool { return m.Offset < o.From.Offset })
	}
	emit(brokers.Batch{Messages: all, Left: 3, Notes: []brokers.Note{{Text: "redelivered is set now on what was looked at", Warn: from.Kind == brokers.SourceQueue}}})
	return nil
}

func (b *plainBroker) Publisher(context.Context) (brokers.Publisher, error) {
	return (*plainPublisher)(b), nil
}

func (b *plainBroker) Apply(_ context.Context, c brokers.Change) error {
	b.changes = append(b.changes, c)
	return nil
}

type plainPublisher plainBroker

func (p *plainPublisher) Send(_ context.Context, m *brokers.Outgoing, done func(brokers.Result)) error {
	p.sent = append(p.sent, *m)
	if m.To.RoutingKey == "nowhere" {
		done(brokers.Result{Status: brokers.StatusUnroutable, Err: errors.New("no queue took it (312 NO_ROUTE)")})
	} else {
		done(brokers.Result{Status: brokers.StatusConfirmed, Partition: 1, Offset: int64(len(p.sent))})
	}
	return nil
}

func (p *plainPublisher) Flush(context.Context) error { return nil }
func (p *plainPublisher) Close() error                { return nil }

func (s *shop) Brokers(context.Context) ([]brokers.Info, error) {
	var all []brokers.Info
	for _, b := range s.brokers {
		all = append(all, b.info)
	}
	return all, s.fail
}

func (s *shop) Broker(info brokers.Info) brokers.Broker {
	if s.real != nil {
		return s.real
	}
	for _, b := range s.brokers {
		if b.info.Name == info.Name {
			return b
		}
	}
	return nil
}

func (s *shop) Tap(ctx context.Context, _ brokers.TapOptions) error {
	<-ctx.Done()
	return nil
}

func (s *shop) Schemas(context.Context) (*decode.Schemas, error) { return s.schemas, nil }

func (s *shop) Note(_ context.Context, broker, text string) error {
	s.notes = append(s.notes, broker+": "+text)
	return nil
}

// rabbitMessage is a message as RabbitMQ carries it.
func rabbitMessage(exchange, key, body string, headers ...brokers.Header) brokers.Message {
	m := brokers.Message{Kind: brokers.RabbitMQ, Exchange: exchange, RoutingKey: key, Body: []byte(body), Headers: headers, Offset: -1, Deliveries: -1, Budget: -1}
	m.Properties.Has = wire.HasContentType | wire.HasMessageID | wire.HasDeliveryMode
	m.Properties.ContentType, m.Properties.MessageID, m.Properties.DeliveryMode = "application/json", "m-7f3a", 2
	if len(headers) > 0 {
		m.Properties.Has |= wire.HasHeaders
	}
	return m
}

func kafkaMessage(topic string, partition int32, offset int64, key, body string) brokers.Message {
	return brokers.Message{Kind: brokers.Kafka, Topic: topic, Partition: partition, Offset: offset, Key: []byte(key), Body: []byte(body), Deliveries: -1, Budget: -1,
		Headers: brokers.Headers{{Key: "traceparent", Value: []byte("00-9c1e4f2a7b6d5c4e3f2a1b0c9d8e7f6a-00f067aa0ba902b7-01")}, {Key: "tries", Value: []byte(nil)}}}
}

// passes lets a message pass a broker.
func (s *shop) passes(broker, where string, m brokers.Message) {
	m.Time = noon.Add(-30 * time.Second).Add(time.Duration(s.journal.Last()) * 97 * time.Millisecond)
	m.TimeKind = brokers.TimeSeen
	r, err := recordOf(broker+"/"+where, &m)
	if err != nil {
		panic(err)
	}
	s.journal.Append(r)
}

// newBrokers is a shop whose RabbitMQ and Kafka are at work.
func newBrokers() *shop {
	s := newShop()
	dead := func(n int, key string) brokers.Message {
		m := rabbitMessage("dead", "shipments", fmt.Sprintf(`{"order":"7f%02x","address":null}`, n), brokers.Header{Key: "x-death", Value: brokers.Array{brokers.Headers{
			{Key: "count", Value: int64(3)}, {Key: "reason", Value: "rejected"}, {Key: "queue", Value: "shipments"}, {Key: "exchange", Value: "orders"},
			{Key: "routing-keys", Value: brokers.Array{key}}}}})
		m.Queue, m.Redelivered = "shipments.dead", true
		return m
	}
	rabbit := &plainBroker{info: brokers.Info{Name: "rabbitmq", Kind: brokers.RabbitMQ, Address: "127.0.0.1:5672", Vhost: "/", Own: true, Product: "RabbitMQ", Version: "4.0.5", Manage: true, Service: "rabbitmq"},
		holds: map[string][]brokers.Message{"shipments.dead": {dead(1, "order.placed"), dead(2, "order.placed"), dead(3, "nowhere")}}}
	client := func(port int, given string, publish, consume []string) brokers.Client {
		return brokers.Client{Name: fmt.Sprintf("10.0.0.%d:51000 -> 10.0.0.2:5672", port), Given: given, Host: fmt.Sprintf("10.0.0.%d", port), User: "guest", Channels: 2, Product: "amqp091-go", State: "running", Publish: publish, Consume: consume}
	}
	consumer := func(port int, tag string) []brokers.QueueConsumer {
		return []brokers.QueueConsumer{{Client: fmt.Sprintf("10.0.0.%d:51000 -> 10.0.0.2:5672", port), Tag: tag, Prefetch: 50, Active: true}}
	}
	rabbit.topology = brokers.Topology{At: noon, Version: "4.0.5",
		Exchanges: []brokers.Exchange{
			{Name: "", Type: "direct", Durable: true}, {Name: "amq.topic", Type: "topic", Durable: true},
			{Name: "orders", Type: "topic", Durable: true, In: ptr(84.0), Out: ptr(168.0), Publishers: []string{"10.0.0.3:51000 -> 10.0.0.2:5672"}},
			{Name: "dead", Type: "fanout", Durable: true, In: ptr(0.4), Out: ptr(0.4)},
			{Name: "audit", Type: "fanout", Durable: true, In: ptr(12.0), Out: ptr(0.0)},
		},
		Queues: []brokers.Queue{
			{Name: "shipments", Type: brokers.QuorumQueue, State: "running", Durable: true, Ready: ptr[int64](12), Unacked: ptr[int64](3), Consumers: ptr[int64](1), Bytes: ptr[int64](5200), In: ptr(84.0), Delivered: ptr(83.0), Acked: ptr(83.0),
				Redeliver: ptr(0.6), DeadExchange: ptr("dead"), DeliveryLimit: ptr[int64](20), ConsumersNamed: consumer(4, "shipping-1"), Policy: "limits"},
			{Name: "shipments.dead", Type: brokers.ClassicQueue, State: "running", Durable: true, Ready: ptr[int64](120), Unacked: ptr[int64](0), Consumers: ptr[int64](0), In: ptr(0.4), Delivered: ptr(0.0)},
			{Name: "mails", Type: brokers.ClassicQueue, State: "running", Durable: true, Ready: ptr[int64](0), Unacked: ptr[int64](0), Consumers: ptr[int64](2), In: ptr(84.0), Delivered: ptr(84.0), ConsumersNamed: consumer(5, "mail")},
			{Name: "reports", Type: brokers.ClassicQueue, State: "running", Durable: true, Ready: ptr[int64](48211), Consumers: ptr[int64](0)},
		},
		Bindings: []brokers.Binding{
			{Source: "orders", Kind: brokers.SourceQueue, To: "shipments", RoutingKey: "order.placed"},
			{Source: "orders", Kind: brokers.SourceQueue, To: "mails", RoutingKey: "order.#"},
			{Source: "dead", Kind: brokers.SourceQueue, To: "shipments.dead"},
		},
		Policies: []brokers.Policy{{Name: "limits", Pattern: "^shipments$", ApplyTo: "queues", Definition: brokers.Arguments{"delivery-limit": 20}}},
		Clients:  []brokers.Client{client(3, "orders-1", []string{"orders"}, nil), client(4, "shipping", nil, []string{"shipments"}), client(5, "notifications", nil, []string{"mails"})}}
	part := func(id int32, start, end int64) brokers.Partition {
		return brokers.Partition{ID: id, Leader: 1, Replicas: []int32{1}, InSync: []int32{1}, Start: &start, End: &end, Bytes: ptr[int64](1 << 20)}
	}
	at := func(p int32, committed, end int64, member string) brokers.GroupOffset {
		return brokers.GroupOffset{Topic: "order-events", Partition: p, Committed: &committed, End: &end, Lag: ptr(end - committed), Member: member}
	}
	kafka := &plainBroker{info: brokers.Info{Name: "kafka", Kind: brokers.Kafka, Address: "127.0.0.1:9092", Own: true, Service: "kafka", Version: "4.1"},
		holds: map[string][]brokers.Message{"order-events": {kafkaMessage("order-events", 0, 1200, "7f01", `{"order":"7f01","state":"placed"}`), kafkaMessage("order-events", 1, 980, "7f02", `{"order":"7f02","state":"paid"}`)}}}
	kafka.topology = brokers.Topology{At: noon, Version: "4.1", Nodes: []brokers.Node{{ID: 1, Address: "127.0.0.1:9092", Controller: true}},
		Topics: []brokers.Topic{
			{Name: "order-events", Partitions: []brokers.Partition{part(0, 0, 1204), part(1, 40, 1000)}, Replicas: 1, Bytes: ptr[int64](2 << 20), Configs: map[string]string{"cleanup.policy": "delete", "retention.ms": "604800000"}},
			{Name: "__consumer_offsets", Internal: true, Partitions: []brokers.Partition{part(0, 0, 5)}, Replicas: 1},
		},
		Groups: []brokers.Group{
			{Name: "billing", State: "Stable", Type: "classic", Protocol: "range", Lag: ptr[int64](24), Offsets: []brokers.GroupOffset{at(0, 1200, 1204, "b-1"), at(1, 980, 1000, "b-1")},
				Members: []brokers.Member{{ID: "b-1", Client: "payments", Host: "/10.0.0.6", Assigned: map[string][]int32{"order-events": {0, 1}}}}},
			{Name: "analytics", State: "Empty", Type: "consumer", Lag: ptr[int64](2204), Offsets: []brokers.GroupOffset{at(0, 0, 1204, ""), at(1, 0, 1000, "")}},
		}}
	s.brokers = []*plainBroker{rabbit, kafka}
	s.state.Rates.Messages = ptr(96.4)
	s.state.Brokers = []session.BrokerState{{Info: rabbit.info, Tapped: true, Rate: ptr(84.0)}, {Info: kafka.info, Tapped: true, Rate: ptr(12.4), Lost: 3}}
	for i := range 8 {
		s.passes("rabbitmq", "orders", rabbitMessage("orders", "order.placed", fmt.Sprintf(`{"order":"7f%02x","total":%d.90,"items":[{"sku":"A-%d","n":2}]}`, i, 40+i, i),
			brokers.Header{Key: "traceparent", Value: "00-9c1e4f2a7b6d5c4e3f2a1b0c9d8e7f6a-00f067aa0ba902b7-01"}, brokers.Header{Key: "tenant", Value: "acme"}, brokers.Header{Key: "attempt", Value: int32(i)}))
		s.passes("kafka", "order-events", kafkaMessage("order-events", int32(i%2), int64(1190+i), fmt.Sprintf("7f%02x", i), fmt.Sprintf(`{"order":"7f%02x","state":"placed"}`, i)))
	}
	tombstone := kafkaMessage("order-events", 1, 1199, "7f00", "")
	tombstone.Body = nil
	s.passes("kafka", "order-events", tombstone)
	s.passes("rabbitmq", "orders", rabbitMessage("orders", "order.cancelled", "\x89PNG\r\n\x1a\n\x00\x01\x02 not text"))
	lost := rabbitMessage("orders", "nothing.bound", `{"order":"7f09"}`)
	lost.Routed = []string{}
	s.passes("rabbitmq", "orders", lost)
	return s
}
