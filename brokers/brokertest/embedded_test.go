package brokertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	embeddedamqp "msdev/brokers/embedded/amqp"
	embeddedkafka "msdev/brokers/embedded/kafka"

	"msdev/brokers"
	"msdev/brokers/brokertest"
	"msdev/brokers/kafka"
	"msdev/brokers/rabbitmq"
)

func TestEmbeddedRabbitMQ(t *testing.T) {
	r := startEmbeddedAMQP(t)
	address, management := r.where()
	t.Run("with management", func(t *testing.T) {
		runRabbitMQ(t, newRabbitMQ(t, rabbitmq.Options{URL: address, Management: management}), r)
	})
	t.Run("without management", func(t *testing.T) {
		runRabbitMQ(t, newRabbitMQ(t, rabbitmq.Options{URL: address}), rig{where: r.where})
	})
}

// rig is a RabbitMQ under test.
type rig struct {
	where        func() (url, management string)
	managed      bool
	kill         func(t *testing.T)
	lists, sorts bool
	brief        bool
}

func startEmbeddedAMQP(t *testing.T) rig {
	t.Helper()
	b, err := embeddedamqp.Open(embeddedamqp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clients, management := listen(t), listen(t)
	web := http.Server{Handler: b.Management()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- b.Serve(ctx, clients) }()
	go func() { ended <- web.Serve(management) }()
	t.Cleanup(func() {
		cancel()
		err := errors.Join(b.Close(), web.Close())
		for range 2 {
			if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
				err = errors.Join(err, e)
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	return rig{managed: true, lists: true, where: func() (string, string) {
		return "amqp://guest:guest@" + clients.Addr().String() + "/", "http://" + management.Addr().String()
	}}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newRabbitMQ(t *testing.T, o rabbitmq.Options) *rabbitmq.Broker {
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

// runRabbitMQ runs all that a RabbitMQ must do.
func runRabbitMQ(t *testing.T, b *rabbitmq.Broker, r rig) {
	s := brokertest.Subject{
		Broker: b, Kill: r.kill, SortsHeaders: r.sorts,
		Nowhere: brokers.Target{Exchange: "amq.topic", RoutingKey: "nobody.listens"},
		Queue:   func(t *testing.T) brokertest.Place { return brokertest.RabbitQueue(t, b) },
	}
	if !r.brief {
		brokertest.Run(t, s)
	}
	rabbit := brokertest.Rabbit{Subject: s, Lists: r.lists, Traces: r.managed, Brief: r.brief, URL: func() string {
		url, _ := r.where()
		return url
	}}
	if rabbit.Traces {
		rabbit.Settings = r.settings
	}
	brokertest.RunRabbitMQ(t, rabbit)
	if r.managed {
		t.Run("what a killed process left on is turned off", func(t *testing.T) { tidied(t, r) })
	}
}

// tidied has tracing turned on by a tap whose process knows nothing of it any more when the next one begins.
func tidied(t *testing.T, r rig) {
	url, management := r.where()
	o := rabbitmq.Options{URL: url, Management: management, Note: filepath.Join(t.TempDir(), "notes", "rabbit")}
	before := r.settings(t)
	killed, next := newRabbitMQ(t, o), newRabbitMQ(t, o)
	tap := func(b *rabbitmq.Broker) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		began, ended := make(chan struct{}), make(chan error, 1)
		var once sync.Once
		go func() {
			ended <- b.Tap(ctx, brokers.Source{Kind: brokers.SourceAll}, brokers.TapOptions{}, func(brokers.TapBatch) { once.Do(func() { close(began) }) })
		}()
		select {
		case <-began:
		case err := <-ended:
			t.Fatalf("the tap ended: %v", err)
		}
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	stop := tap(killed)
	during := r.settings(t)
	if err := next.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := r.settings(t); during == before || now != before {
		t.Errorf("before %s, during %s, tidied %s", before, during, now)
	}
	stop()
	if _, err := os.Stat(o.Note); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the note is still there: %v", err)
	}

	// A tap after such an end takes the tracing for its own.
	if err := os.WriteFile(o.Note, []byte(next.Info().Address+" /\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.vhost(t, http.MethodPut, `{"description":"`+description+`","tags":"one,two","tracing":true}`, nil)
	tap(next)()
	if now := r.settings(t); now != before {
		t.Errorf("before %s, afterwards %s", before, now)
	}
}

// settings are what of the virtual host "/" a PUT can set. It has more than the defaults.
func (r rig) settings(t *testing.T) string {
	t.Helper()
	var v struct {
		Description string   `json:"description"`
		Tags        []string `json:"tags"`
		Default     string   `json:"default_queue_type"`
		Tracing     bool     `json:"tracing"`
	}
	r.vhost(t, http.MethodGet, "", &v)
	if v.Description != description {
		r.vhost(t, http.MethodPut, `{"description":"`+description+`","tags":"one,two"}`, nil)
		r.vhost(t, http.MethodGet, "", &v)
	}
	return fmt.Sprintf("%+v", v)
}

const description = "of the test"

// vhost asks the management API about "/".
func (r rig) vhost(t *testing.T, method, body string, out any) {
	t.Helper()
	_, management := r.where()
	ask, err := http.NewRequestWithContext(t.Context(), method, management+"/api/vhosts/%2f", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ask.SetBasicAuth("guest", "guest")
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		t.Fatalf("%s of the virtual host: %s", method, answer.Status)
	}
	if out != nil {
		if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmbeddedKafka(t *testing.T) {
	k, err := embeddedkafka.Open(embeddedkafka.Options{Listeners: []embeddedkafka.Listener{{Listener: listen(t)}}, Retention: 1 << 30, NoAutoCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	runKafka(t, k.Addr(), nil, nil)
}

type dialer = func(context.Context, string, string) (net.Conn, error)

// runKafka runs all that a Kafka must do.
func runKafka(t *testing.T, address string, dial dialer, kill func(*testing.T)) {
	b, err := kafka.New(kafka.Options{Name: "kafka", Own: true, URL: address, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	s := brokertest.Subject{
		Broker: b, Kill: kill,
		Nowhere: brokers.Target{Topic: "nobody-made-this"},
		Queue:   func(t *testing.T) brokertest.Place { return brokertest.KafkaTopic(t, b, nil) },
	}
	brokertest.Run(t, s)
	brokertest.RunKafka(t, brokertest.Kafka{Subject: s, Client: func(t *testing.T, opts ...kgo.Opt) *kgo.Client {
		t.Helper()
		opts = append(opts, kgo.SeedBrokers(address))
		if dial != nil {
			opts = append(opts, kgo.Dialer(dial))
		}
		client, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}})
}
