package runner

import "strings"

// The kinds of brokers that msdev knows, in the words of x-msdev.broker.
const (
	BrokerRabbitMQ = "rabbitmq"
	BrokerKafka    = "kafka"
	BrokerNone     = "none"
)

// brokerImages are the images of brokers by their last two path elements, or by the last one alone.
var brokerImages = map[string]string{
	"rabbitmq": BrokerRabbitMQ, "lavinmq": BrokerRabbitMQ,
	"apache/kafka": BrokerKafka, "apache/kafka-native": BrokerKafka, "bitnami/kafka": BrokerKafka, "bitnamilegacy/kafka": BrokerKafka,
	"wurstmeister/kafka": BrokerKafka, "cp-kafka": BrokerKafka, "cp-server": BrokerKafka, "confluent-local": BrokerKafka,
	"redpanda": BrokerKafka,
}

// BrokerKind tells which kind of broker a service is, by its x-msdev.broker or else by the name of its image, whatever its
// registry and tag; "" is none.
func BrokerKind(image, setting string) string {
	switch setting {
	case BrokerNone:
		return ""
	case "":
	default:
		return setting
	}
	image, _, _ = strings.Cut(image, "@")
	path := strings.Split(image, "/")
	last := len(path) - 1
	path[last], _, _ = strings.Cut(path[last], ":")
	if kind, ok := brokerImages[path[last]]; ok {
		return kind
	}
	if last > 0 {
		return brokerImages[path[last-1]+"/"+path[last]]
	}
	return ""
}

// BrokerKind tells which kind of broker a service of the project is; "" is none.
func (p *Project) BrokerKind(service string) string {
	return BrokerKind(p.Compose.Services[service].Image, p.Services[service].Broker)
}
