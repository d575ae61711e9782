package amqptest

import (
	"os"
	"testing"
)

type fixed struct {
	addr, management string
	profile          Profile
}

func (f fixed) Addr() string       { return f.addr }
func (f fixed) Management() string { return f.management }
func (f fixed) Profile() Profile   { return f.profile }

func TestRabbitMQ310(t *testing.T) {
	ip := os.Getenv("R3")
	Run(t, fixed{ip + ":5672", "http://" + ip + ":15672", Profile{ClientDeathCounts: true}})
}

func TestRabbitMQ40(t *testing.T) {
	ip := os.Getenv("R4")
	Run(t, fixed{ip + ":5672", "http://" + ip + ":15672", Profile{DeliveryLimit: 20, LastDeath: true}})
}
