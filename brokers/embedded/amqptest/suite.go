// Package amqptest is one conformance suite for AMQP 0-9-1 brokers: the protocol as its specification and RabbitMQ's
// documents describe it, asserted alike on RabbitMQ itself and on msdev's embedded broker. The real ones prove the
// suite; the suite proves the embedded one.
//
// Most tests speak through amqp091-go. What a well-behaved client cannot send (broken frames, methods out of order,
// duplicate header keys) goes through a small client of the suite's own, see wire.go.
package amqptest

import (
	"testing"
)

// Server is one broker under test. It serves guest/guest with every permission on the virtual host "/".
// A server that can also be restarted implements Restarter, Killer or both.
type Server interface {
	// Addr is the host:port that speaks AMQP 0-9-1. It may change over a restart.
	Addr() string
	// Management is the base URL of the HTTP management API, for example http://127.0.0.1:15672.
	Management() string
	// Profile says what this broker does where RabbitMQ's versions differ.
	Profile() Profile
}

// Restarter is a Server that can be stopped cleanly and started again on the same data.
// Restart returns when the broker answers again.
type Restarter interface{ Restart(t *testing.T) }

// Killer is a Server that can be ended without warning, as kill -9 does, and started again on the same data.
// Kill returns when the broker answers again.
type Killer interface{ Kill(t *testing.T) }

// The account every Server under test must have.
const (
	User     = "guest"
	Password = "guest"
)

// Profile is what a broker does where the versions of RabbitMQ truly differ. Everything else is asserted alike.
type Profile struct {
	// DeliveryLimit is how often a quorum queue without x-delivery-limit returns a message before it dead-letters
	// or drops it; 0 is never. RabbitMQ 4.0 introduced 20.
	DeliveryLimit int
	// ClientDeathCounts: an x-death header that a client publishes is continued by the broker. RabbitMQ 4.0 made
	// x-death the broker's own: it no longer reads it from clients and starts at 1.
	ClientDeathCounts bool
	// LastDeath: dead letters carry x-last-death-queue, -reason and -exchange. New in RabbitMQ 3.13.
	LastDeath bool
	// SortsHeaders: header tables come back sorted by key, one value a key. RabbitMQ 4.0 keeps messages in a format of
	// its own; before, the bytes went through as they were.
	SortsHeaders bool
	// UnknownExchangeType is the code that refuses to declare an exchange of an unknown type. AMQP asks for 503, which
	// ends the connection; RabbitMQ 4.0 closes just the channel with 406.
	UnknownExchangeType int
	// SpeaksAMQP10: an unknown protocol header is answered with that of AMQP 1.0 and SASL, RabbitMQ 4.0's preferred
	// one, instead of AMQP 0-9-1's.
	SpeaksAMQP10 bool
}

// check is one named test of the suite.
type check struct {
	name string
	run  func(k *kit)
}

// group is the checks of one chapter of the protocol.
type group struct {
	name   string
	checks []check
}

func groups() []group {
	return []group{
		{"connection", connectionChecks()},
		{"frames", frameChecks()},
		{"channel", channelChecks()},
		{"exchange", exchangeChecks()},
		{"routing", routingChecks()},
		{"queue", queueChecks()},
		{"expiry", expiryChecks()},
		{"length", lengthChecks()},
		{"deadletter", deadLetterChecks()},
		{"priority", priorityChecks()},
		{"quorum", quorumChecks()},
		{"publish", publishChecks()},
		{"properties", propertyChecks()},
		{"consume", consumeChecks()},
		{"acknowledge", acknowledgeChecks()},
		{"transaction", transactionChecks()},
		{"extension", extensionChecks()},
		{"crowd", crowdChecks()},
		{"firehose", firehoseChecks()},
		{"management", managementChecks()},
	}
}

// Run runs the whole suite on server. The checks run beside each other, each with names of its own; those that
// restart the broker come last.
func Run(t *testing.T, server Server) {
	t.Run("checks", func(t *testing.T) {
		for _, g := range groups() {
			t.Run(g.name, func(t *testing.T) {
				t.Parallel()
				for _, c := range g.checks {
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						c.run(&kit{T: t, server: server})
					})
				}
			})
		}
	})
	t.Run("durability", func(t *testing.T) { durability(t, server) })
}
