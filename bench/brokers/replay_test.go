package brokers

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
	"msdev/brokers/kafka"
	"msdev/brokers/rabbitmq"
	"msdev/brokers/wire"
	"msdev/testenv"
)

const replayed = 100_000

func BenchmarkReplayRabbitMQ(b *testing.B) {
	replayAMQP(b, "RabbitMQ 4.0", testenv.RabbitMQ(b, "4.0").AMQP)
}

func BenchmarkReplayEmbedded(b *testing.B) { replayAMQP(b, "the embedded broker", serve(b)) }

func replayAMQP(b *testing.B, what, url string) {
	live, err := rabbitmq.New(rabbitmq.Options{Name: "broker", Own: true, URL: url})
	check(b, err)
	m := brokers.Message{Kind: brokers.RabbitMQ, Exchange: "amq.fanout", Offset: -1, Deliveries: -1, Budget: -1, Body: []byte(strings.Repeat("x", rabbitBody)),
		Headers: brokers.Headers{{Key: "n", Value: int32(1)}}, Properties: brokers.Properties{Has: wire.HasHeaders | wire.HasMessageID, MessageID: "id"}}
	with := func(run func(b *testing.B) result) func(*testing.B) result {
		return func(b *testing.B) result {
			defer receiver(b, url)()
			return run(b)
		}
	}
	duel(b, "replay of 100,000 messages of 256 B to "+what+", confirmed", goal{},
		contender{"amqp091-go, bare, confirms", with(func(b *testing.B) result { return bareAMQP(b, url) })},
		contender{"msdev replay", with(func(b *testing.B) result { return replay(b, live, m) })},
		contender{"msdev publisher alone", with(func(b *testing.B) result { return publish(b, live, brokers.Target{Exchange: "amq.fanout"}, m) })})
}

func BenchmarkReplayKafka(b *testing.B) {
	k := testenv.Kafka(b, "4.1")
	live, err := kafka.New(kafka.Options{Name: "broker", Own: true, URL: k.Address})
	check(b, err)
	topic, remove := newTopic(b, k.Address)
	defer remove()
	m := brokers.Message{Kind: brokers.Kafka, Topic: topic, Deliveries: -1, Budget: -1, Body: []byte(strings.Repeat("x", rabbitBody)), Headers: brokers.Headers{{Key: "n", Value: []byte("1")}}}
	duel(b, "replay of 100,000 records of 256 B to Kafka 4.1, acknowledged", goal{},
		contender{"franz-go, bare", func(b *testing.B) result { return bareKafka(b, k.Address, topic) }},
		contender{"msdev replay", func(b *testing.B) result { return replay(b, live, m) }},
		contender{"msdev publisher alone", func(b *testing.B) result { return publish(b, live, brokers.Target{Topic: topic}, m) }})
	check(b, live.Close())
}

// receiver is a queue that gets what is replayed, and goes.
func receiver(b *testing.B, url string) func() {
	b.Helper()
	conn, err := amqp.Dial(url)
	check(b, err)
	ch, err := conn.Channel()
	check(b, err)
	q, err := ch.QueueDeclare("bench.receiver", false, false, false, false, nil)
	check(b, err)
	check(b, ch.QueueBind(q.Name, "", "amq.fanout", false, nil))
	return func() {
		_, err := ch.QueueDelete(q.Name, false, false, false)
		check(b, err)
		check(b, conn.Close())
	}
}

func since(began time.Time) result {
	return result{perSecond: replayed / time.Since(began).Seconds()}
}

func bareAMQP(b *testing.B, url string) result {
	conn, err := amqp.Dial(url)
	check(b, err)
	defer conn.Close()
	ch, err := conn.Channel()
	check(b, err)
	check(b, ch.Confirm(false))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, replayed))
	body := []byte(strings.Repeat("x", rabbitBody))
	began := time.Now()
	var work sync.WaitGroup
	work.Go(func() {
		for range replayed {
			<-confirms
		}
	})
	for range replayed {
		check(b, ch.PublishWithContext(b.Context(), "amq.fanout", "", true, false, amqp.Publishing{Body: body, MessageId: "id", Headers: amqp.Table{"n": int32(1)}}))
	}
	work.Wait()
	return since(began)
}

func bareKafka(b *testing.B, address, topic string) result {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic(topic))
	check(b, err)
	defer client.Close()
	body := []byte(strings.Repeat("x", rabbitBody))
	began := time.Now()
	for range replayed {
		client.Produce(b.Context(), &kgo.Record{Value: body, Headers: []kgo.RecordHeader{{Key: "n", Value: []byte("1")}}}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	check(b, client.Flush(b.Context()))
	return since(began)
}

// publish sends messages and waits for what became of each.
func publish(b *testing.B, live brokers.Broker, to brokers.Target, m brokers.Message) result {
	ctx := b.Context()
	p, err := live.Publisher(ctx)
	check(b, err)
	out := brokers.Outgoing{To: to, Message: &m}
	var mu sync.Mutex
	confirmed := 0
	began := time.Now()
	for range replayed {
		check(b, p.Send(ctx, &out, func(r brokers.Result) {
			mu.Lock()
			defer mu.Unlock()
			if r.Status == brokers.StatusConfirmed {
				confirmed++
			}
		}))
	}
	check(b, p.Flush(ctx))
	took := since(began)
	check(b, p.Close())
	if confirmed != replayed {
		b.Errorf("%d of %d are confirmed", confirmed, replayed)
	}
	return took
}

// replay sends messages again to where they were, as the screen and `msdev replay` do.
func replay(b *testing.B, live brokers.Broker, m brokers.Message) result {
	r := brokers.Replay{To: live, From: func(_ context.Context, emit func(*brokers.Message) error) error {
		for range replayed {
			if err := emit(&m); err != nil {
				return err
			}
		}
		return nil
	}}
	told := 0
	began := time.Now()
	p, err := r.Run(b.Context(), &brokers.Control{}, func(brokers.Outcome) { told++ })
	check(b, err)
	took := since(began)
	if p.Confirmed != replayed || told != replayed {
		b.Errorf("%d outcomes, %+v", told, p)
	}
	return took
}
