package brokers

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"msdev/brokers"
	embedded "msdev/brokers/embedded/amqp"
	"msdev/brokers/rabbitmq"
	"msdev/brokers/wire"
	"msdev/testenv"
)

const (
	rabbitMessages = 90_000 // fewer than what a tap's queue holds
	rabbitBody     = 256
	rabbitGoal     = 40_000
)

func BenchmarkTapRabbitMQ310(b *testing.B) { tapRabbitMQ(b, "3.10") }
func BenchmarkTapRabbitMQ40(b *testing.B)  { tapRabbitMQ(b, "4.0") }

func tapRabbitMQ(b *testing.B, line string) {
	r := testenv.RabbitMQ(b, line)
	taps(b, "RabbitMQ "+line, r.AMQP, r.Management)
}

// BenchmarkTapEmbedded has msdev's own broker in the same process: here the client's work is a part of the broker's time.
func BenchmarkTapEmbedded(b *testing.B) {
	url := serve(b)
	taps(b, "the embedded broker", url, "")
}

// serve runs the embedded broker until the benchmark ends.
func serve(b *testing.B) (url string) {
	broker, err := embedded.Open(embedded.Options{})
	check(b, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = broker.Serve(ctx, l) })
	b.Cleanup(func() {
		cancel()
		check(b, broker.Close())
		serving.Wait()
	})
	return "amqp://guest:guest@" + l.Addr().String() + "/"
}

// A tapping is one way to see what is published to amq.topic. It returns once it sees, and counts with m what it saw.
type tapping func(b *testing.B, g *gate, m *meter) (end func())

func taps(b *testing.B, what, url, management string) {
	open := func(b *testing.B, g *gate) brokers.Broker {
		broker, err := rabbitmq.New(rabbitmq.Options{Name: "broker", Service: "broker", Own: true, URL: url, Management: management, Dial: g.dial})
		check(b, err)
		return broker
	}
	exchange := brokers.Source{Kind: brokers.SourceExchange, Name: "amq.topic", Keys: []string{"#"}}
	ways := []struct {
		name  string
		way   tapping
		count int // messages, of all, after which its speed is taken
	}{
		{"amqp091-go, bare", func(b *testing.B, g *gate, m *meter) func() { return bare(b, url, "amq.topic", "#", g, m) }, rabbitMessages},
		{"msdev, into the journal", func(b *testing.B, g *gate, m *meter) func() { return intoJournal(b, open(b, g), exchange, m) }, rabbitMessages},
		{"JSON lines, auto-ack", func(b *testing.B, g *gate, m *meter) func() { return jsonLines(b, url, g, m) }, rabbitMessages},
		{"rabtap's method", func(b *testing.B, g *gate, m *meter) func() { return rabtap(b, url, g, m) }, rabbitMessages / 9},
	}
	for _, load := range []struct {
		name string
		goal goal
		run  func(b *testing.B, url string, way tapping, count int) result
	}{{"working off", goal{rabbitGoal, 0.9}, workOff}, {"live", goal{share: 0.9}, live}} {
		var all []contender
		for _, w := range ways {
			all = append(all, contender{w.name, func(b *testing.B) result { return load.run(b, url, w.way, w.count) }})
		}
		b.Run(strings.ReplaceAll(load.name, " ", "-"), func(b *testing.B) {
			duel(b, "tap of 256 B messages of "+what+", "+load.name, load.goal, all...)
		})
	}
	if management == "" {
		return
	}
	b.Run("firehose", func(b *testing.B) {
		duel(b, "firehose of "+what+" with 256 B messages, working off", goal{share: 0.9},
			contender{"amqp091-go, bare, the trace itself", func(b *testing.B) result {
				return workOff(b, url, func(b *testing.B, g *gate, m *meter) func() {
					broker := open(b, newGate())
					ctx, cancel := context.WithCancel(b.Context())
					var work sync.WaitGroup
					on := make(chan struct{})
					work.Go(func() { // it keeps tracing on
						first := true
						_ = broker.Tap(ctx, brokers.Source{Kind: brokers.SourceQueue, Name: "bench.none"}, brokers.TapOptions{}, func(brokers.TapBatch) {
							if first {
								first = false
								close(on)
							}
						})
					})
					<-on
					end := bare(b, url, "amq.rabbitmq.trace", "publish.#", g, m)
					return func() {
						end()
						cancel()
						work.Wait()
					}
				}, rabbitMessages)
			}},
			contender{"msdev, into the journal", func(b *testing.B) result {
				return workOff(b, url, func(b *testing.B, g *gate, m *meter) func() {
					return intoJournal(b, open(b, g), brokers.Source{Kind: brokers.SourceAll}, m)
				}, rabbitMessages)
			}})
	})
}

// workOff has the broker hold all messages before the first is taken: nothing else runs then.
func workOff(b *testing.B, url string, way tapping, count int) result {
	defer sink(b, url)()
	g, m := newGate(), newMeter(count)
	end := way(b, g, m)
	defer end()
	g.shut()
	defer g.lift()
	flood(b, url)
	m.start()
	g.lift()
	return m.wait(b)
}

// live has the messages published meanwhile, which takes a part of the machine.
func live(b *testing.B, url string, way tapping, count int) result {
	defer sink(b, url)()
	g, m := newGate(), newMeter(count)
	end := way(b, g, m)
	defer end()
	m.start()
	var work sync.WaitGroup
	work.Go(func() { flood(b, url) })
	defer work.Wait()
	return m.wait(b)
}

// sink is a queue of the application that holds one message, so that what is published is not all msdev's doing.
func sink(b *testing.B, url string) func() {
	b.Helper()
	conn, err := amqp.Dial(url)
	check(b, err)
	ch, err := conn.Channel()
	check(b, err)
	q, err := ch.QueueDeclare("bench.none", false, false, false, false, amqp.Table{"x-max-length": int32(1)})
	check(b, err)
	return func() {
		_, err := ch.QueueDelete(q.Name, false, false, false)
		check(b, err)
		check(b, conn.Close())
	}
}

// flood publishes all messages in frames that were made before, and returns when the broker has taken them.
func flood(b *testing.B, url string) {
	b.Helper()
	var raw net.Conn
	conn, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		var err error
		raw, err = net.Dial(network, address)
		return raw, err
	}})
	check(b, err)
	ch, err := conn.Channel() // the first one of a connection has the number 1
	check(b, err)
	headers := wire.Properties{Has: wire.HasHeaders | wire.HasContentType, ContentType: "text/plain", Headers: wire.Table{{Key: "n", Value: int32(1)}}}
	var frames []byte
	const block = 100
	for range block {
		frames = wire.AppendPublish(frames, 1, "amq.topic", "bench.key", false)
		frames = wire.AppendContent(frames, 1, headers.Append(nil), []byte(strings.Repeat("x", rabbitBody)), 1<<17)
	}
	for range rabbitMessages / block {
		_, err := raw.Write(frames)
		check(b, err)
	}
	_, err = ch.QueueDeclarePassive("bench.none", false, false, false, false, nil) // answered behind all that came before it
	check(b, err)
	check(b, conn.Close())
}

// dial connects a bare client through a gate.
func dial(b *testing.B, url string, g *gate) (*amqp.Connection, *amqp.Channel) {
	b.Helper()
	conn, err := amqp.DialConfig(url, amqp.Config{Heartbeat: time.Minute, Dial: func(network, address string) (net.Conn, error) {
		return g.dial(context.Background(), network, address)
	}})
	check(b, err)
	ch, err := conn.Channel()
	check(b, err)
	return conn, ch
}

// consume binds an exclusive queue, and takes what comes until the connection ends.
func consume(b *testing.B, conn *amqp.Connection, ch *amqp.Channel, exchange, key string, autoAck bool, take func(*amqp.Delivery)) (end func()) {
	b.Helper()
	q, err := ch.QueueDeclare("", false, true, true, false, amqp.Table{"x-max-length": int32(100_000)}) // bounded as msdev's is
	check(b, err)
	check(b, ch.QueueBind(q.Name, key, exchange, false, nil))
	deliveries, err := ch.Consume(q.Name, "", autoAck, true, false, false, nil)
	check(b, err)
	var work sync.WaitGroup
	work.Go(func() {
		for d := range deliveries {
			take(&d)
		}
	})
	return func() {
		check(b, conn.Close())
		work.Wait()
	}
}

func bare(b *testing.B, url, exchange, key string, g *gate, m *meter) func() {
	conn, ch := dial(b, url, g)
	return consume(b, conn, ch, exchange, key, true, func(*amqp.Delivery) { m.add(1, 0) })
}

// line is a message as rabtap prints it.
type line struct {
	Headers         amqp.Table `json:",omitempty"`
	ContentType     string
	ContentEncoding string
	DeliveryMode    uint8
	Priority        uint8
	CorrelationID   string
	ReplyTo         string
	Expiration      string
	MessageID       string
	Timestamp       time.Time
	Type            string
	UserID          string
	AppID           string
	DeliveryTag     uint64
	Redelivered     bool
	Exchange        string
	RoutingKey      string
	Received        time.Time
	Body            []byte
}

func printLine(out *json.Encoder, d *amqp.Delivery, at time.Time) error {
	return out.Encode(line{Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: d.DeliveryMode,
		Priority: d.Priority, CorrelationID: d.CorrelationId, ReplyTo: d.ReplyTo, Expiration: d.Expiration, MessageID: d.MessageId,
		Timestamp: d.Timestamp, Type: d.Type, UserID: d.UserId, AppID: d.AppId, DeliveryTag: d.DeliveryTag, Redelivered: d.Redelivered,
		Exchange: d.Exchange, RoutingKey: d.RoutingKey, Received: at, Body: d.Body})
}

// jsonLines prints each message as it comes.
func jsonLines(b *testing.B, url string, g *gate, m *meter) func() {
	conn, ch := dial(b, url, g)
	out := json.NewEncoder(io.Discard)
	return consume(b, conn, ch, "amq.topic", "#", true, func(d *amqp.Delivery) {
		if err := printLine(out, d, time.Now()); err != nil {
			b.Error(err)
		}
		m.add(1, 0)
	})
}

// rabtap does what rabtap 1.45 does: a fanout exchange of its own bound to the tapped one, a prefetch of one, an acknowledgement for each
// message, two hand-overs without a buffer between goroutines, and a line of JSON.
func rabtap(b *testing.B, url string, g *gate, m *meter) func() {
	conn, ch := dial(b, url, g)
	const own = "bench.tap"
	check(b, ch.ExchangeDeclare(own, "fanout", false, true, false, false, nil))
	check(b, ch.ExchangeBind(own, "#", "amq.topic", false, nil))
	check(b, ch.Qos(1, 0, false))
	type tapped struct {
		*amqp.Delivery
		at time.Time
	}
	gathered, printed := make(chan any), make(chan tapped)
	var work sync.WaitGroup
	work.Go(func() {
		defer close(printed)
		for any := range gathered {
			if d, ok := any.(amqp.Delivery); ok {
				printed <- tapped{&d, time.Now()}
			}
		}
	})
	work.Go(func() {
		out := json.NewEncoder(io.Discard)
		for t := range printed {
			if err := t.Ack(false); err != nil {
				continue // the connection has ended
			}
			if err := printLine(out, t.Delivery, t.at); err != nil {
				b.Error(err)
			}
			m.add(1, 0)
		}
	})
	end := consume(b, conn, ch, own, "", false, func(d *amqp.Delivery) { gathered <- *d })
	return func() {
		end()
		close(gathered)
		work.Wait()
	}
}
