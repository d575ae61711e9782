package session

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msdev/brokers"
	"msdev/runner"
)

const brokersFile = `
x-msdev:
  brokers:
    - {name: staging, url: "amqps://ci:secret@mq.example.com/shop?management=https://mq.example.com"}
    - {name: lake, url: "kafkas://u:p@k1:9093,k2:9093?sasl=scram-sha-512"}
services:
  plain: {image: rabbitmq:3}
  managed:
    image: registry.example.com/rabbitmq:4-management
    hostname: mq
    environment: {RABBITMQ_DEFAULT_USER: shop, RABBITMQ_DEFAULT_PASS: "p@ss/word", RABBITMQ_DEFAULT_VHOST: a/b}
  declared: {image: rabbitmq:4, ports: ["15672"]}
  kafka: {image: apache/kafka}
  two:
    image: bitnami/kafka
    environment: {KAFKA_CFG_LISTENERS: "CONTROLLER://:9093,INTERNAL://:29092,OUTSIDE://:9092"}
  none: {image: rabbitmq, x-msdev: {broker: none}}
  own: {image: example.com/mq, x-msdev: {broker: rabbitmq}}
`

func TestBrokerSpecs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(brokersFile), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := runner.Load(t.Context(), runner.LoadOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	type call struct {
		service string
		port    int
	}
	var dialled []call
	s := &Session{launch: Launch{
		Of: func(service string) string {
			return map[bool]string{true: "process", false: onEngine}[service == "own"]
		},
		Dial: func(_ context.Context, service string, port int) (net.Conn, error) {
			dialled = append(dialled, call{service, port})
			return nil, net.ErrClosed
		},
	}}
	specs, err := s.brokerSpecs(p)
	if err != nil {
		t.Fatal(err)
	}
	want := []BrokerSpec{
		{Name: "declared", Kind: brokers.RabbitMQ, Service: "declared", Own: true, URL: "amqp://guest:guest@declared:5672/", Management: "http://declared:15672"},
		{Name: "kafka", Kind: brokers.Kafka, Service: "kafka", Own: true, URL: "kafka://kafka:9092"},
		{Name: "lake", Kind: brokers.Kafka, URL: "kafkas://u:p@k1:9093,k2:9093?sasl=scram-sha-512"},
		{Name: "managed", Kind: brokers.RabbitMQ, Service: "managed", Own: true, URL: "amqp://shop:p%40ss%2Fword@managed:5672/a%2Fb", Management: "http://managed:15672"},
		{Name: "own", Kind: brokers.RabbitMQ, Service: "own", Own: true, URL: "amqp://guest:guest@own:5672/", Management: "http://own:15672"},
		{Name: "plain", Kind: brokers.RabbitMQ, Service: "plain", Own: true, URL: "amqp://guest:guest@plain:5672/"},
		{Name: "staging", Kind: brokers.RabbitMQ, URL: "amqps://ci:secret@mq.example.com/shop", Management: "https://mq.example.com"},
		{Name: "two", Kind: brokers.Kafka, Service: "two", Own: true, URL: "kafka://two:29092"},
	}
	slices.SortFunc(specs, func(a, b BrokerSpec) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	for i, spec := range specs {
		if i >= len(want) || !spec.same(want[i]) {
			t.Errorf("%d is %+v", i, spec)
		}
	}
	if len(specs) != len(want) {
		t.Fatalf("%d brokers, not %d", len(specs), len(want))
	}
	at := slices.IndexFunc(specs, func(b BrokerSpec) bool { return b.Name == "kafka" })
	for _, address := range []string{"kafka:9092", "localhost:29092", "mq:5672"} { // what a broker says of itself and of others
		_, _ = specs[at].Dial(t.Context(), "tcp", address)
	}
	if want := []call{{"kafka", 9092}, {"kafka", 29092}, {"managed", 5672}}; !slices.Equal(dialled, want) {
		t.Errorf("dialled %v, not %v", dialled, want)
	}
}

func TestBrokerAt(t *testing.T) {
	for address, want := range map[string]BrokerSpec{
		"amqp://h:5672/v?heartbeat=5&management=http%3A%2F%2Fh%3A15672": {Name: "h:5672/v", Kind: brokers.RabbitMQ, URL: "amqp://h:5672/v?heartbeat=5", Management: "http://h:15672"},
		"amqps://me:secret@h?cacertfile=ca.pem&certfile=/c.pem&keyfile=k.pem&server_name_indication=mq": {Name: "h", Kind: brokers.RabbitMQ, URL: "amqps://me:secret@h",
			TLS: BrokerTLS{CA: "/project/ca.pem", Cert: "/c.pem", Key: "/project/k.pem", ServerName: "mq"}},
		"kafkas://me:x@one:1,two:2?sasl=plain&cacertfile=/ca.pem": {Name: "one:1,two:2", Kind: brokers.Kafka, URL: "kafkas://me:x@one:1,two:2?sasl=plain", TLS: BrokerTLS{CA: "/ca.pem"}},
	} {
		if b, err := BrokerAt("", address, "/project"); err != nil || !b.same(want) {
			t.Errorf("%s is %+v, %v", address, b, err)
		}
	}
	for _, wrong := range []string{"http://example.com", "amqp://h?%zz", "kafka://h?cacertfile=/ca.pem"} {
		if _, err := BrokerAt("x", wrong, "/"); err == nil || !strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestBrokerTLSNamesTheFileThatIsWrong(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []BrokerTLS{{CA: "/nowhere.pem"}, {CA: empty}, {Cert: empty}, {Cert: empty, Key: "/nowhere.pem"}} {
		if _, err := wrong.Config(); err == nil || !strings.Contains(err.Error(), ".pem") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if c, err := (BrokerTLS{}).Config(); c != nil || err != nil {
		t.Errorf("without settings it is %v, %v", c, err)
	}
}
