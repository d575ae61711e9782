package brokers_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"msdev/brokers"
	embeddedamqp "msdev/brokers/embedded/amqp"
	embeddedkafka "msdev/brokers/embedded/kafka"
	"msdev/brokers/kafka"
	"msdev/brokers/rabbitmq"
	"msdev/brokers/wire"
	"msdev/testenv"
	testkafka "msdev/testenv/kafka"
)

// patience bounds every wait; a wait ends with its event.
const patience = 4 * time.Minute

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func name(what string) string { return what + "-" + strings.ToLower(rand.Text()[:10]) }

// rabbit is a RabbitMQ under test.
type rabbit struct {
	*rabbitmq.Broker
	url  string
	dial func(network, address string) (net.Conn, error) // to where it is now; nil: it stays where it was
	kill func(t *testing.T)                              // nil: cannot be
	// restart ends it cleanly, so that all it was told is on disk.
	restart func(t *testing.T)
}

func embeddedRabbit(t *testing.T) rabbit {
	t.Helper()
	b, err := embeddedamqp.Open(embeddedamqp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clients := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, clients) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(b.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	address := "amqp://guest:guest@" + clients.Addr().String() + "/"
	return rabbit{Broker: connect(t, rabbitmq.Options{URL: address}), url: address}
}

func connect(t *testing.T, o rabbitmq.Options) *rabbitmq.Broker {
	t.Helper()
	o.Name, o.Own = "rabbit", true
	b, err := rabbitmq.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func realRabbit(t *testing.T, line string) rabbit {
	t.Helper()
	r := testenv.RabbitMQ(t, line)
	var mu sync.Mutex // a restart may move it
	host := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Error(err)
			return ""
		}
		return u.Host
	}
	first := host(r.AMQP)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		to := host(r.Management)
		if address == first {
			to = host(r.AMQP)
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	again := func(how string) func(t *testing.T) {
		return func(t *testing.T) {
			t.Helper()
			next := r
			next.Restart(t, how)
			mu.Lock()
			defer mu.Unlock()
			r = next
		}
	}
	return rabbit{
		Broker: connect(t, rabbitmq.Options{URL: r.AMQP, Management: r.Management, Dial: dial}), url: r.AMQP,
		dial: func(network, address string) (net.Conn, error) { return dial(t.Context(), network, address) },
		kill: again("kill"), restart: again("restart"),
	}
}

// letters are an exchange with a queue, and the queue of the latter's dead letters.
type letters struct{ exchange, queue, dead string }

func (r rabbit) letters(t *testing.T, kind brokers.QueueType) letters {
	t.Helper()
	l := letters{exchange: name("orders"), queue: name("orders.q"), dead: name("orders.dead")}
	dead := brokers.Arguments{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": l.dead}
	r.apply(t,
		brokers.Change{Kind: brokers.CreateExchange, Exchange: brokers.Exchange{Name: l.exchange, Type: "topic", Durable: true}},
		brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: l.dead, Durable: true, Type: kind}},
		brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: l.queue, Durable: true, Type: kind, Arguments: dead}},
		brokers.Change{Kind: brokers.Bind, Binding: brokers.Binding{Source: l.exchange, Kind: brokers.SourceQueue, To: l.queue, RoutingKey: "#"}})
	return l
}

func (r rabbit) apply(t *testing.T, changes ...brokers.Change) {
	t.Helper()
	for _, c := range changes {
		if err := r.Apply(bounded(t), c); err != nil {
			t.Fatalf("%s: %v", c.Kind, err)
		}
	}
}

// send sends messages, and checks that the broker has them.
func send(t *testing.T, b brokers.Broker, to brokers.Target, all ...brokers.Message) {
	t.Helper()
	p, err := b.Publisher(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]brokers.Outgoing, len(all))
	for i := range all {
		out[i] = brokers.Outgoing{To: to, Message: &all[i]}
	}
	results, err := brokers.PublishAll(bounded(t), p, out)
	if err := errors.Join(err, p.Close()); err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Status != brokers.StatusConfirmed {
			t.Fatalf("message %d is %s: %v", i, r.Status, r.Err)
		}
	}
}

// numbered are n messages with their numbers as bodies.
func numbered(kind brokers.Kind, n int) []brokers.Message {
	all := make([]brokers.Message, n)
	for i := range all {
		m := brokers.Message{Kind: kind, Body: []byte(fmt.Sprint(i)), Offset: -1, Deliveries: -1, Budget: -1}
		if kind == brokers.RabbitMQ {
			m.Properties = brokers.Properties{Has: wire.HasDeliveryMode | wire.HasHeaders, DeliveryMode: 2}
			m.Headers = brokers.Headers{{Key: "n", Value: int32(i)}}
		} else {
			m.Key = []byte(fmt.Sprint("key", i))
		}
		all[i] = m
	}
	return all
}

// die makes dead letters of all that a queue holds.
func (r rabbit) die(t *testing.T, l letters) {
	t.Helper()
	held, err := r.Take(bounded(t), l.queue)
	if err != nil {
		t.Fatal(err)
	}
	all := settle(t, held, brokers.DeadLetter)
	r.awaitReady(t, l.dead, len(all))
}

// awaitReady waits until a queue holds n messages: dead-lettering has no confirmation.
func (r rabbit) awaitReady(t *testing.T, queue string, n int) {
	t.Helper()
	ctx := bounded(t)
	for r.ready(t, queue) != n {
		select {
		case <-ctx.Done():
			t.Fatalf("queue %s has %d messages, not %d", queue, r.ready(t, queue), n)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ready is what the broker tells of a queue that nobody takes from; of a quorum queue it may come late.
func (r rabbit) ready(t *testing.T, queue string) int {
	t.Helper()
	conn, err := amqp.DialConfig(r.url, amqp.Config{Dial: r.dial})
	if err != nil {
		t.Fatal(err)
	}
	var q amqp.Queue
	ch, err := conn.Channel()
	if err == nil {
		q, err = ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	return q.Messages
}

// drain takes all that a queue holds.
func (r rabbit) drain(t *testing.T, queue string) []brokers.Message {
	t.Helper()
	held, err := r.Take(bounded(t), queue)
	if err != nil {
		t.Fatal(err)
	}
	return settle(t, held, brokers.Remove)
}

// settle decides over all that a queue has, and ends.
func settle(t *testing.T, held brokers.Held, how brokers.Settlement) (all []brokers.Message) {
	t.Helper()
	var tickets []uint64
	for {
		m, ticket, err := held.Next(bounded(t))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all, tickets = append(all, m), append(tickets, ticket)
	}
	if err := errors.Join(held.Settle(bounded(t), how, tickets...), held.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

func bodies(all []brokers.Message) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = string(all[i].Body)
	}
	return out
}

// times counts how often each body is there.
func times(all []brokers.Message) map[string]int {
	out := map[string]int{}
	for i := range all {
		out[string(all[i].Body)]++
	}
	return out
}

func embeddedKafka(t *testing.T) *kafka.Broker {
	t.Helper()
	k, err := embeddedkafka.Open(embeddedkafka.Options{Listeners: []embeddedkafka.Listener{{Listener: listen(t)}}, Retention: 1 << 30, NoAutoCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return connectKafka(t, k.Addr(), nil)
}

// realKafka is a Kafka that can be killed and started again on the same data, each time on another port.
type realKafka struct {
	*kafka.Broker
	line testkafka.Line
	data string
	ctx  context.Context //nolint:containedctx // the broker lives as long as the test

	mu  sync.Mutex
	now *testkafka.Broker
}

func startKafka(t *testing.T, line string) *realKafka {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k := &realKafka{line: testenv.KafkaDir(t, line), data: filepath.Join(t.TempDir(), "kafka"), ctx: ctx}
	k.start(t)
	t.Cleanup(func() {
		k.now.Kill()
		cancel()
	})
	k.Broker = connectKafka(t, k.now.Address, k.dial)
	return k
}

func (k *realKafka) start(t *testing.T) {
	t.Helper()
	b, err := k.line.Start(k.ctx, k.data)
	if err != nil {
		t.Error(err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = b
}

func (k *realKafka) kill(t *testing.T) {
	t.Helper()
	k.now.Kill()
	k.start(t)
}

// dial reaches the broker that runs now, by whichever address a client knows.
func (k *realKafka) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, k.now.Address)
}

// dialer is how a client of one's own reaches a Kafka.
func dialer(b brokers.Broker) func(context.Context, string, string) (net.Conn, error) {
	if k, moves := b.(*realKafka); moves {
		return k.dial
	}
	return new(net.Dialer).DialContext
}

func connectKafka(t *testing.T, address string, dial func(context.Context, string, string) (net.Conn, error)) *kafka.Broker {
	t.Helper()
	b, err := kafka.New(kafka.Options{Name: "kafka", Own: true, URL: address, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func topic(t *testing.T, b brokers.Broker, partitions int, configs map[string]string) string {
	t.Helper()
	spec := brokers.TopicSpec{Name: name("topic"), Partitions: partitions, Replicas: 1, Configs: map[string]*string{}}
	for k, v := range configs {
		spec.Configs[k] = &v
	}
	if err := b.(brokers.Admin).Apply(bounded(t), brokers.Change{Kind: brokers.CreateTopic, Topic: spec}); err != nil {
		t.Fatal(err)
	}
	return spec.Name
}

func readTopic(t *testing.T, b brokers.Broker, name string) (all []brokers.Message) {
	t.Helper()
	err := b.Read(bounded(t), brokers.Source{Kind: brokers.SourceTopic, Name: name}, brokers.ReadOptions{}, func(batch brokers.Batch) bool {
		for i := range batch.Messages {
			all = append(all, batch.Messages[i].Clone())
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
