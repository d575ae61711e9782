package amqptest_test

import (
	"testing"

	"msdev/brokers/embedded/amqptest"
)

// TestConformance runs the suite and the clients in other languages on the real RabbitMQs, which prove the suite, and on
// the embedded broker.
func TestConformance(t *testing.T) {
	servers := []struct {
		name  string
		start func(t *testing.T) amqptest.Server
	}{
		{"embedded", func(t *testing.T) amqptest.Server { return startEmbedded(t) }},
		{"rabbitmq-3.10", func(t *testing.T) amqptest.Server { return startRabbit(t, "3.10", profile310()) }},
		{"rabbitmq-4.0", func(t *testing.T) amqptest.Server { return startRabbit(t, "4.0", profile40()) }},
	}
	clients := newClients()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			server := s.start(t)
			t.Run("clients", func(t *testing.T) { clients.test(t, server) })
			amqptest.Run(t, server)
		})
	}
}
