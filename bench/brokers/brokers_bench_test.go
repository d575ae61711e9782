// Package brokers measures taps and publishers beside the bare clients that they stand on, in one run:
//
//	go test -run '^$' -bench . -benchtime 1x ./bench/brokers
package brokers

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
	embedded "msdev/brokers/embedded/amqp"
	"msdev/brokers/kafka"
	"msdev/brokers/rabbitmq"
	"msdev/testenv"
)

const (
	rabbitMessages = 100_000
	rabbitBody     = 256
	kafkaRecords   = 500_000
	kafkaBody      = 1 << 10
	replayed       = 100_000
)

// report tells how many messages a second there were.
func report(b *testing.B, n int, since time.Time) {
	b.Helper()
	b.ReportMetric(float64(n)/time.Since(since).Seconds(), "msgs/s")
	b.ReportMetric(0, "ns/op")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse)/(1<<20), "MB-heap")
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRabbitMQ(b *testing.B) {
	r := testenv.RabbitMQ(b, "4.0")
	live, err := rabbitmq.New(rabbitmq.Options{Name: "rabbit", Own: true, URL: r.AMQP, Management: r.Management})
	check(b, err)
	compare(b, live, r.AMQP)
}

// BenchmarkEmbedded has msdev's own broker in the same process, which is faster than RabbitMQ: here the clients are what limits.
func BenchmarkEmbedded(b *testing.B) {
	broker, err := embedded.Open(embedded.Options{})
	check(b, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = broker.Serve(ctx, l) })
	defer func() {
		cancel()
		check(b, broker.Close())
		serving.Wait()
	}()
	url := "amqp://guest:guest@" + l.Addr().String() + "/"
	live, err := rabbitmq.New(rabbitmq.Options{Name: "embedded", Own: true, URL: url})
	check(b, err)
	compare(b, live, url)
}

// compare runs each measurement twice, the bare client and msdev in turns, as the machine may do other things.
func compare(b *testing.B, live brokers.Broker, url string) {
	for range 2 {
		b.Run("tap/bare amqp091-go", func(b *testing.B) { bareTap(b, url) })
		b.Run("tap/msdev", func(b *testing.B) { liveTap(b, live, url) })
		b.Run("replay/bare amqp091-go", func(b *testing.B) { bareReplay(b, url) })
		b.Run("replay/msdev", func(b *testing.B) {
			liveReplay(b, live, brokers.Target{Exchange: "amq.fanout"}, queueOn(b, url))
		})
	}
}

// flood publishes without confirms, as fast as the broker takes it.
func flood(b *testing.B, url string) func() {
	b.Helper()
	conn, err := amqp.Dial(url)
	check(b, err)
	ch, err := conn.Channel()
	check(b, err)
	body := []byte(strings.Repeat("x", rabbitBody))
	var work sync.WaitGroup
	work.Go(func() {
		for range rabbitMessages {
			if err := ch.PublishWithContext(context.Background(), "amq.topic", "bench.key", false, false, amqp.Publishing{Body: body, Headers: amqp.Table{"n": int32(1)}}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	return func() {
		work.Wait()
		check(b, conn.Close())
	}
}

// queueOn makes a queue bound to amq.topic and amq.fanout that goes with the returned function.
func queueOn(b *testing.B, url string) func() {
	b.Helper()
	conn, err := amqp.Dial(url)
	check(b, err)
	ch, err := conn.Channel()
	check(b, err)
	q, err := ch.QueueDeclare("bench", false, false, false, false, nil)
	check(b, err)
	check(b, ch.QueueBind(q.Name, "#", "amq.topic", false, nil))
	check(b, ch.QueueBind(q.Name, "", "amq.fanout", false, nil))
	return func() {
		_, err := ch.QueueDelete(q.Name, false, false, false)
		check(b, err)
		check(b, conn.Close())
	}
}

func bareTap(b *testing.B, url string) {
	conn, err := amqp.Dial(url)
	check(b, err)
	defer conn.Close()
	ch, err := conn.Channel()
	check(b, err)
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	check(b, err)
	check(b, ch.QueueBind(q.Name, "#", "amq.topic", false, nil))
	deliveries, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	check(b, err)
	began := time.Now()
	done := flood(b, url)
	for range rabbitMessages {
		<-deliveries
	}
	report(b, rabbitMessages, began)
	done()
}

func liveTap(b *testing.B, live brokers.Broker, url string) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seen, lost, began := 0, int64(0), time.Time{}
	var done func()
	err := live.Tap(ctx, brokers.Source{Kind: brokers.SourceExchange, Name: "amq.topic", Keys: []string{"#"}}, brokers.TapOptions{}, func(batch brokers.TapBatch) {
		if done == nil {
			began, done = time.Now(), flood(b, url)
		}
		seen += len(batch.Messages)
		if lost += batch.Lost; seen+int(lost) >= rabbitMessages {
			cancel()
		}
	})
	check(b, err)
	report(b, rabbitMessages, began)
	b.ReportMetric(float64(lost), "lost")
	done()
}

func bareReplay(b *testing.B, url string) {
	defer queueOn(b, url)()
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
		check(b, ch.PublishWithContext(b.Context(), "amq.fanout", "", true, false, amqp.Publishing{Body: body, Headers: amqp.Table{"n": int32(1)}}))
	}
	work.Wait()
	report(b, replayed, began)
}

// liveReplay sends messages and waits for what became of each.
func liveReplay(b *testing.B, live brokers.Broker, to brokers.Target, after func()) {
	defer after()
	ctx := b.Context()
	p, err := live.Publisher(ctx)
	check(b, err)
	defer p.Close()
	m := brokers.Message{Body: []byte(strings.Repeat("x", rabbitBody)), Headers: brokers.Headers{{Key: "n", Value: []byte("1")}}}
	out := brokers.Outgoing{To: to, Message: &m}
	var confirmed atomic.Int64
	began := time.Now()
	for range replayed {
		check(b, p.Send(ctx, &out, func(r brokers.Result) {
			if r.Status == brokers.StatusConfirmed {
				confirmed.Add(1)
			}
		}))
	}
	check(b, p.Flush(ctx))
	report(b, replayed, began)
	if n := confirmed.Load(); n != replayed {
		b.Errorf("%d of %d are confirmed", n, replayed)
	}
}

func BenchmarkKafka(b *testing.B) {
	k := testenv.Kafka(b, "4.1")
	live, err := kafka.New(kafka.Options{Name: "kafka", Own: true, URL: k.Address})
	check(b, err)
	defer live.Close()
	topic := brokers.TopicSpec{Name: "bench", Partitions: 4, Replicas: 1}
	check(b, live.Apply(b.Context(), brokers.Change{Kind: brokers.CreateTopic, Topic: topic}))
	seed(b, k.Address)
	from := brokers.Source{Kind: brokers.SourceTopic, Name: "bench"}
	for range 2 { // the first one warms the page cache
		b.Run("read/bare kgo", func(b *testing.B) { bareRead(b, k.Address) })
		b.Run("read/kcat", func(b *testing.B) { kcat(b, k.Address) })
		b.Run("read/msdev", func(b *testing.B) {
			n, began := 0, time.Now()
			check(b, live.Read(b.Context(), from, brokers.ReadOptions{}, func(batch brokers.Batch) bool {
				n += len(batch.Messages)
				return true
			}))
			report(b, n, began)
		})
	}
	b.Run("tail/msdev", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		n, began := 0, time.Time{}
		var work sync.WaitGroup
		check(b, live.Tap(ctx, from, brokers.TapOptions{}, func(batch brokers.TapBatch) {
			if began.IsZero() {
				began = time.Now()
				work.Go(func() { seed(b, k.Address) })
			}
			if n += len(batch.Messages); n >= kafkaRecords {
				cancel()
			}
		}))
		report(b, n, began)
		work.Wait()
	})
	for range 2 {
		b.Run("replay/bare kgo", func(b *testing.B) { bareProduce(b, k.Address) })
		b.Run("replay/msdev", func(b *testing.B) { liveReplay(b, live, brokers.Target{Topic: "bench"}, func() {}) })
	}
}

func bareProduce(b *testing.B, address string) {
	var confirmed atomic.Int64
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("bench"))
	check(b, err)
	defer client.Close()
	body := []byte(strings.Repeat("x", rabbitBody))
	began := time.Now()
	for range replayed {
		client.Produce(b.Context(), &kgo.Record{Value: body, Headers: []kgo.RecordHeader{{Key: "n", Value: []byte("1")}}}, func(_ *kgo.Record, err error) {
			if err == nil {
				confirmed.Add(1)
			}
		})
	}
	check(b, client.Flush(b.Context()))
	report(b, replayed, began)
}

// seed produces the records that are read.
func seed(b *testing.B, address string) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("bench"))
	check(b, err)
	defer client.Close()
	noise := make([]byte, 1<<20)
	_, _ = rand.Read(noise) // it never fails
	for i := range kafkaRecords {
		at := i * 7919 % (len(noise) - kafkaBody)
		client.Produce(context.Background(), &kgo.Record{Key: fmt.Append(nil, i), Value: noise[at : at+kafkaBody]}, nil)
	}
	check(b, client.Flush(context.Background()))
}

func bareRead(b *testing.B, address string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics("bench"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(b, err)
	defer client.Close()
	n, began := 0, time.Now()
	for n < kafkaRecords {
		fetches := client.PollFetches(b.Context())
		check(b, fetches.Err())
		n += fetches.NumRecords()
	}
	report(b, n, began)
}

func kcat(b *testing.B, address string) {
	tool := testenv.Tool(b, "kcat")
	began := time.Now()
	out, err := exec.Command(tool, "-C", "-q", "-b", address, "-t", "bench", "-o", "beginning", "-e", "-f", ".").Output()
	check(b, err)
	report(b, len(out), began)
}
