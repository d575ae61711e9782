package amqptest_test

import (
	"net/url"
	"testing"

	"msdev/brokers/embedded/amqptest"
	"msdev/testenv"
)

// rabbit is a real RabbitMQ in a container.
type rabbit struct {
	*testenv.Rabbit
	profile amqptest.Profile
}

func startRabbit(t *testing.T, line string, profile amqptest.Profile) rabbit {
	t.Helper()
	r := testenv.RabbitMQ(t, line)
	return rabbit{&r, profile}
}

func (r rabbit) Profile() amqptest.Profile { return r.profile }
func (r rabbit) Addr() string              { return host(r.Rabbit.AMQP) }
func (r rabbit) Management() string        { return "http://" + host(r.Rabbit.Management) }
func (r rabbit) Restart(t *testing.T)      { t.Helper(); r.Rabbit.Restart(t, "restart") }
func (r rabbit) Kill(t *testing.T)         { t.Helper(); r.Rabbit.Restart(t, "kill") }

func host(address string) string {
	where, err := url.Parse(address)
	if err != nil {
		return address
	}
	return where.Host
}

func profile310() amqptest.Profile {
	return amqptest.Profile{ClientDeathCounts: true, UnknownExchangeType: 503}
}

func profile40() amqptest.Profile {
	return amqptest.Profile{DeliveryLimit: 20, LastDeath: true, SortsHeaders: true, UnknownExchangeType: 406, SpeaksAMQP10: true}
}
