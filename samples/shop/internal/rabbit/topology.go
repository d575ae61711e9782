// Package rabbit is the shop's way to RabbitMQ: one topology, a publisher that waits for confirms, and a
// consumer that retries and, in the end, buries.
//
// Each working queue Q has two beside it. What fails is rejected into Q.retry, waits there until its
// time-to-live sends it back, and is counted by the broker in x-death. What fails too often is moved
// to Q.dead, where a person looks at it.
package rabbit

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"shop/internal/event"
)

// Exchange is the topic exchange that every event about an order goes to.
const Exchange = "orders"

// The working queues.
const (
	Shipping      = "shipping"
	Notifications = "notifications"
)

const retryDelay = time.Second

func retryOf(queue string) string { return queue + ".retry" }
func deadOf(queue string) string  { return queue + ".dead" }

var bindings = []struct{ queue, key string }{
	{Shipping, event.Placed},
	{Notifications, "orders.*"},
}

// declare creates the whole topology, so that no event is lost because its consumer has yet to start.
func declare(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(Exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declaring exchange %s: %w", Exchange, err)
	}
	for _, b := range bindings {
		err := errors.Join(
			declareQueue(ch, b.queue, amqp.Table{
				"x-dead-letter-exchange":    "",
				"x-dead-letter-routing-key": retryOf(b.queue),
			}),
			declareQueue(ch, retryOf(b.queue), amqp.Table{
				"x-dead-letter-exchange":    "",
				"x-dead-letter-routing-key": b.queue,
				"x-message-ttl":             retryDelay.Milliseconds(),
			}),
			declareQueue(ch, deadOf(b.queue), nil),
			ch.QueueBind(b.queue, b.key, Exchange, false, nil),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func declareQueue(ch *amqp.Channel, name string, args amqp.Table) error {
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return fmt.Errorf("declaring queue %s: %w", name, err)
	}
	return nil
}

// open connects, and leaves a channel in confirm mode on a broker that has the topology.
func open(url, name string) (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat:  10 * time.Second,
		Locale:     "en_US",
		Dial:       amqp.DefaultDial(5 * time.Second),
		Properties: amqp.Table{"connection_name": name, "product": "shop"},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err == nil {
		err = declare(ch)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, ch, nil
}
