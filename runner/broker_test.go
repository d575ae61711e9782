package runner

import "testing"

func TestBrokerKind(t *testing.T) {
	for _, c := range []struct{ image, setting, want string }{
		{"rabbitmq", "", "rabbitmq"},
		{"rabbitmq:4-management", "", "rabbitmq"},
		{"docker.io/library/rabbitmq:3@sha256:0123", "", "rabbitmq"},
		{"localhost:5000/bitnami/rabbitmq:latest", "", "rabbitmq"},
		{"cloudamqp/lavinmq:2", "", "rabbitmq"},
		{"apache/kafka:4.1.1", "", "kafka"},
		{"ghcr.io/apache/kafka-native", "", "kafka"},
		{"bitnami/kafka", "", "kafka"},
		{"confluentinc/cp-kafka:7.9.0", "", "kafka"},
		{"docker.redpanda.com/redpandadata/redpanda:v25.1.1", "", "kafka"},
		{"acme/kafka", "", ""},
		{"provectuslabs/kafka-ui", "", ""},
		{"acme/rabbitmq-exporter", "", ""},
		{"redpandadata/console", "", ""},
		{"", "", ""},
		{"acme/mq", "rabbitmq", "rabbitmq"},
		{"acme/log", "kafka", "kafka"},
		{"rabbitmq:4", "none", ""},
	} {
		if got := BrokerKind(c.image, c.setting); got != c.want {
			t.Errorf("%q with %q is %q, not %q", c.image, c.setting, got, c.want)
		}
	}
}
