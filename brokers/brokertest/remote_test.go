package brokertest_test

import (
	"bufio"
	"context"
	"net"
	"sync"
	"testing"

	embeddedkafka "msdev/brokers/embedded/kafka"

	"msdev/brokers"
	"msdev/brokers/brokertest"
	"msdev/brokers/kafka"
	"msdev/brokers/rabbitmq"
	"msdev/brokers/remote"
)

// TestRemote runs the suite against brokers on the other side of a connection, as clients of a session have them.
func TestRemote(t *testing.T) {
	t.Run("RabbitMQ", func(t *testing.T) {
		address, management := startEmbeddedAMQP(t).where()
		b := far(t, newRabbitMQ(t, rabbitmq.Options{URL: address, Management: management}))
		brokertest.Run(t, brokertest.Subject{
			Broker:  b,
			Nowhere: brokers.Target{Exchange: "amq.topic", RoutingKey: "nobody.listens"},
			Queue:   func(t *testing.T) brokertest.Place { return brokertest.RabbitQueue(t, b) },
		})
	})
	t.Run("Kafka", func(t *testing.T) {
		k, err := embeddedkafka.Open(embeddedkafka.Options{Listeners: []embeddedkafka.Listener{{Listener: listen(t)}}, Retention: 1 << 30, NoAutoCreate: true})
		if err != nil {
			t.Fatal(err)
		}
		near, err := kafka.New(kafka.Options{Name: "kafka", Own: true, URL: k.Addr()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := near.Close(); err != nil {
				t.Error(err)
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
		b := far(t, near)
		brokertest.Run(t, brokertest.Subject{
			Broker:  b,
			Nowhere: brokers.Target{Topic: "nobody-made-this"},
			Queue:   func(t *testing.T) brokertest.Place { return brokertest.KafkaTopic(t, b, nil) },
		})
	})
}

// far puts a connection before a broker. All questions have ended when the test has.
func far(t *testing.T, near brokers.Broker) brokers.Broker {
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	return remote.New(near.Info(), func(context.Context) (net.Conn, *bufio.Reader, error) {
		ours, theirs := net.Pipe()
		serving.Go(func() { remote.Serve(context.Background(), theirs, bufio.NewReader(theirs), near, nil) })
		return ours, bufio.NewReader(ours), nil
	})
}
