package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
	"msdev/brokers/kafka"
	"msdev/brokers/rabbitmq"
	"msdev/runner"
	"msdev/session"
	"msdev/testenv"
	testkafka "msdev/testenv/kafka"
)

const brokerHost = "broker.test"

// authority makes a certificate authority that nobody else trusts, and a certificate of brokerHost by it. In PEM: the authority, the
// certificate, and its key.
func authority(t *testing.T) (ca, cert, key []byte) {
	t.Helper()
	sign := func(of, by *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if by == nil {
			by, signer = of, own
		}
		of.SerialNumber, of.NotBefore, of.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, of, by, &own.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made, own, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	root, rootKey, ca := sign(&x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	_, own, cert := sign(&x509.Certificate{Subject: pkix.Name{CommonName: brokerHost}, DNSNames: []string{brokerHost}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature}, root, rootKey)
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return ca, cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// outside opens a session whose only brokers are those of x-msdev.brokers: each line of list is one. The folder has ca.pem.
func outside(t *testing.T, ca []byte, environ []string, list ...string) *session.Client {
	t.Helper()
	load := project(t, "x-msdev:\n  brokers:\n    - "+strings.Join(list, "\n    - ")+"\nservices: {}\n")
	load.Environ = append(os.Environ(), environ...)
	if err := os.WriteFile(filepath.Join(load.WorkDir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := session.Local(t.Context(), session.Config{Load: load, Linger: true}, func(context.Context, *runner.Project, string) (session.Launch, error) {
		return session.Launch{Of: func(string) string { return "" }, Broker: func(spec session.BrokerSpec) (brokers.Broker, error) {
			trust, err := spec.TLS.Config()
			if err != nil {
				return nil, err
			}
			if spec.Kind == brokers.Kafka {
				return kafka.New(kafka.Options{Name: spec.Name, URL: spec.URL, TLS: trust})
			}
			return rabbitmq.New(rabbitmq.Options{Name: spec.Name, URL: spec.URL, TLS: trust, Management: spec.Management})
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// brokerOf is one of the session's brokers by its name.
func brokerOf(t *testing.T, c *session.Client, name string) brokers.Broker {
	t.Helper()
	all, err := c.Brokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(i brokers.Info) bool { return i.Name == name })
	if at < 0 {
		t.Fatalf("there is no broker %s in %+v", name, all)
	}
	return c.Broker(all[at])
}

// sends sends a message through a broker.
func sends(t *testing.T, b brokers.Broker, to brokers.Target, m *brokers.Message) {
	t.Helper()
	p, err := b.Publisher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	results, err := brokers.PublishAll(t.Context(), p, []brokers.Outgoing{{To: to, Message: m}})
	if err := errors.Join(err, p.Close()); err != nil || results[0].Status != brokers.StatusConfirmed {
		t.Fatalf("%v, %v", results, err)
	}
}

// holds checks that a queue or topic holds one message with that body.
func holds(t *testing.T, b brokers.Broker, from brokers.Source, body string) {
	t.Helper()
	var got []string
	err := b.Read(t.Context(), from, brokers.ReadOptions{}, func(batch brokers.Batch) bool {
		for i := range batch.Messages {
			got = append(got, string(batch.Messages[i].Body))
		}
		return true
	})
	if err != nil || !slices.Equal(got, []string{body}) {
		t.Errorf("%s holds %q, %v", from, got, err)
	}
}

// refused checks that a broker cannot be asked, and that nothing of a password is told.
func refused(t *testing.T, b brokers.Broker, why, secret string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := b.Topology(ctx)
	if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v", b.Info().Name, err)
	}
}

func TestKafkaOutsideByTLSAndSASL(t *testing.T) {
	t.Parallel()
	ca, cert, key := authority(t)
	dir := t.TempDir()
	store := filepath.Join(dir, "broker.pem")
	if err := os.WriteFile(store, slices.Concat(key, cert, ca), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	k, err := testenv.KafkaDir(t, "4.1").StartSecure(ctx, filepath.Join(dir, "kafka"), testkafka.Security{KeyStore: store, Users: map[string]string{"app": "plain-pw"}})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.Kill()
		cancel()
	})
	makeUsers(t, k.Address)
	const trust = "&cacertfile=ca.pem&server_name_indication=" + brokerHost
	at := "@" + k.Secure + "?sasl="
	c := outside(t, ca, []string{"PLAIN=plain-pw", "SCRAM=scram-pw"},
		`{name: plain, url: "kafkas://app:${PLAIN}`+at+`plain`+trust+`"}`,
		`{name: scram-256, url: "kafkas://app:${SCRAM}`+at+`scram-sha-256`+trust+`"}`,
		`{name: scram-512, url: "kafkas://app:${SCRAM}`+at+`scram-sha-512`+trust+`"}`,
		`{name: wrong, url: "kafkas://app:${PLAIN}`+at+`scram-sha-512`+trust+`"}`,
		`{name: untrusted, url: "kafkas://app:${PLAIN}`+at+`plain&server_name_indication=`+brokerHost+`"}`)
	for _, name := range []string{"plain", "scram-256", "scram-512"} {
		b := brokerOf(t, c, name)
		if err := b.(brokers.Admin).Apply(t.Context(), brokers.Change{Kind: brokers.CreateTopic, Topic: brokers.TopicSpec{Name: name, Partitions: 1, Replicas: 1}}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sends(t, b, brokers.Target{Topic: name}, &brokers.Message{Kind: brokers.Kafka, Body: []byte("by " + name)})
		holds(t, b, brokers.Source{Kind: brokers.SourceTopic, Name: name}, "by "+name)
	}
	refused(t, brokerOf(t, c, "wrong"), "Correct user, password", "plain-pw")
	refused(t, brokerOf(t, c, "untrusted"), "cacertfile=FILE", "plain-pw")
}

// makeUsers makes SCRAM's user.
func makeUsers(t *testing.T, address string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var users []kadm.UpsertSCRAM
	for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		users = append(users, kadm.UpsertSCRAM{User: "app", Mechanism: m, Iterations: 4096, Password: "scram-pw"})
	}
	for _, one := range users { // one user may be changed once in a request
		altered, err := kadm.NewClient(client).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{one})
		if err := errors.Join(err, altered.Error()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRabbitMQOutsideByTLS(t *testing.T) {
	t.Parallel()
	ca, cert, key := authority(t)
	r := testenv.RabbitMQ(t, "4.0",
		testenv.File{Path: "/etc/rabbitmq/tls/ca.pem", Content: string(ca)},
		testenv.File{Path: "/etc/rabbitmq/tls/cert.pem", Content: string(cert)},
		testenv.File{Path: "/etc/rabbitmq/tls/key.pem", Content: string(key)},
		testenv.File{Path: "/etc/rabbitmq/conf.d/20-tls.conf", Content: `
listeners.tcp.default = 5672
listeners.ssl.default = 5671
ssl_options.cacertfile = /etc/rabbitmq/tls/ca.pem
ssl_options.certfile = /etc/rabbitmq/tls/cert.pem
ssl_options.keyfile = /etc/rabbitmq/tls/key.pem
management.tcp.port = 15672
management.ssl.port = 15671
management.ssl.certfile = /etc/rabbitmq/tls/cert.pem
management.ssl.keyfile = /etc/rabbitmq/tls/key.pem
`})
	at := "@" + r.Port(t, 5671)
	trust := "?cacertfile=ca.pem&server_name_indication=" + brokerHost
	c := outside(t, ca, []string{"MQ_PASSWORD=guest"},
		`{name: staging, url: "amqps://guest:${MQ_PASSWORD}`+at+trust+`&management=https://`+r.Port(t, 15671)+`"}`,
		`{name: wrong, url: "amqps://guest:not-this`+at+trust+`"}`,
		`{name: untrusted, url: "amqps://guest:guest`+at+`?server_name_indication=`+brokerHost+`"}`,
		`{name: other, url: "amqps://guest:guest`+at+`?cacertfile=ca.pem&server_name_indication=elsewhere.test"}`)
	b := brokerOf(t, c, "staging")
	if err := b.(brokers.Admin).Apply(t.Context(), brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: "secure", Durable: true, Type: brokers.ClassicQueue}}); err != nil {
		t.Fatal(err)
	}
	sends(t, b, brokers.Target{RoutingKey: "secure"}, &brokers.Message{Kind: brokers.RabbitMQ, Body: []byte("over TLS")})
	holds(t, b, brokers.Source{Kind: brokers.SourceQueue, Name: "secure"}, "over TLS")
	top, err := b.Topology(t.Context())
	if err != nil || !slices.ContainsFunc(top.Queues, func(q brokers.Queue) bool { return q.Name == "secure" }) {
		t.Errorf("%+v, %v", top, err)
	}
	refused(t, brokerOf(t, c, "wrong"), "403", "not-this")
	refused(t, brokerOf(t, c, "untrusted"), "cacertfile=FILE", "guest:guest")
	refused(t, brokerOf(t, c, "other"), "server_name_indication=NAME", "guest:guest")
	if host, _, err := net.SplitHostPort(r.Port(t, 5671)); err != nil || host == brokerHost {
		t.Errorf("%s, %v: the name is to come from the settings", host, err)
	}
}
