package amqptest

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

func quorumChecks() []check {
	return []check{
		{"delivery count", deliveryCount},
		{"delivery limit", deliveryLimit},
		{"delivery limit without a dead-letter exchange", deliveryLimitDrops},
		{"default delivery limit", defaultDeliveryLimit},
		{"closing the channel counts too", deliveryCountClose},
		{"classic queues have no count", classicNoCount},
		{"global prefetch is refused", quorumGlobalPrefetch},
		{"length, TTL and dead letters", quorumLimits},
		{"single active consumer", quorumSingleActive},
	}
}

func (k *kit) quorum(ch *amqp.Channel, args amqp.Table) string {
	k.Helper()
	all := amqp.Table{"x-queue-type": "quorum"}
	for key, value := range args {
		all[key] = value
	}
	return k.durable(ch, all)
}

// deliveryCount: the header is absent on the first delivery and then counts the returns.
func deliveryCount(k *kit) {
	ch := k.channel()
	queue := k.quorum(ch, nil)
	k.send(ch, "", queue, "a")
	deliveries := k.consume(ch, queue, nil)
	for round := int64(0); round < 4; round++ {
		msg := receive(k, deliveries, "delivery")
		var want any
		if round > 0 {
			want = round
		}
		k.equal("x-delivery-count and redelivered", []any{msg.Headers["x-delivery-count"], msg.Redelivered}, []any{want, round > 0})
		if round%2 == 0 {
			k.must(msg.Nack(false, true), "nack")
		} else {
			k.must(msg.Reject(true), "reject")
		}
	}
}

func deliveryLimit(k *kit) {
	ch := k.channel()
	dead := k.queue(ch, nil)
	queue := k.quorum(ch, amqp.Table{
		"x-delivery-limit": int32(2), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	k.send(ch, "", queue, "poison")
	deliveries := k.consume(ch, queue, nil)
	for range 3 { // the first delivery and two more
		k.must(receive(k, deliveries, "delivery").Nack(false, true), "nack")
	}
	msg := k.await(ch, dead)
	k.died(msg, death{queue: queue, reason: "delivery_limit", exchange: "", keys: []any{queue}, count: 1})
	k.equal("left", k.ready(ch, queue), 0)
}

func deliveryLimitDrops(k *kit) {
	ch := k.channel()
	queue := k.quorum(ch, amqp.Table{"x-delivery-limit": int32(1)})
	k.send(ch, "", queue, "poison", "good")
	k.must(ch.Qos(1, 0, false), "qos")
	deliveries := k.consume(ch, queue, nil)
	seen := []string{}
	for len(seen) == 0 || seen[len(seen)-1] != "good" {
		msg := receive(k, deliveries, "delivery")
		seen = append(seen, string(msg.Body))
		if string(msg.Body) == "poison" {
			k.must(msg.Nack(false, true), "nack")
		}
	}
	poison := 0
	for _, body := range seen {
		if body == "poison" {
			poison++
		}
	}
	if poison > 2 {
		k.Errorf("delivered %q, want the poison twice at most", seen)
	}
}

func defaultDeliveryLimit(k *kit) {
	ch := k.channel()
	dead := k.queue(ch, nil)
	queue := k.quorum(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	k.send(ch, "", queue, "poison")
	deliveries := k.consume(ch, queue, nil)
	limit := k.server.Profile().DeliveryLimit
	if limit == 0 {
		for range 30 {
			k.must(receive(k, deliveries, "delivery").Nack(false, true), "nack")
		}
		k.must(receive(k, deliveries, "delivery after 30 returns").Ack(false), "ack")
		return
	}
	for range limit + 1 {
		k.must(receive(k, deliveries, "delivery").Nack(false, true), "nack")
	}
	k.equal("reason", k.deaths(k.await(ch, dead))[0]["reason"], "delivery_limit")
}

func deliveryCountClose(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.quorum(ch, nil)
	k.send(ch, "", queue, "a")
	for round := range 3 {
		consumer := k.open(conn)
		msg := receive(k, k.consume(consumer, queue, nil), "delivery")
		got := fmt.Sprint(msg.Headers["x-delivery-count"])
		if want := []string{"<nil>", "1", "2"}[round]; got != want {
			k.Errorf("x-delivery-count %s, want %s", got, want)
		}
		k.must(consumer.Close(), "close the channel")
	}
}

func classicNoCount(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a")
	for range 25 {
		k.must(k.get(ch, queue, false).Nack(false, true), "nack")
		k.awaitReady(ch, queue, 1)
	}
	msg := k.get(ch, queue, true)
	k.equal("headers", len(msg.Headers), 0)
}

func quorumGlobalPrefetch(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.quorum(ch, nil)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	other := k.openPlain(conn)
	k.must(other.Qos(5, 0, true), "qos")
	_, err := other.Consume(queue, "", false, false, false, false, nil)
	k.refused(err, amqp.NotImplemented, "NOT_IMPLEMENTED - queue '"+queue+"' in vhost '/' does not support global qos")
	k.refused(receive(k, closed, "connection close"), amqp.NotImplemented)
}

func quorumLimits(k *kit) {
	ch := k.channel()
	dead := k.queue(ch, nil)
	queue := k.quorum(ch, amqp.Table{
		"x-max-length": int32(2), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	k.send(ch, "", queue, "a", "b", "c")
	k.equal("dropped", string(k.await(ch, dead).Body), "a")
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	msg := k.await(ch, dead)
	k.equal("rejected", string(msg.Body), "b")
	k.died(msg, death{queue: queue, reason: "rejected", exchange: "", keys: []any{queue}, count: 1})
	short := k.quorum(ch, amqp.Table{"x-message-ttl": int32(100), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	k.send(ch, "", short, "t")
	msg = k.await(ch, dead)
	k.died(msg, death{queue: short, reason: "expired", exchange: "", keys: []any{short}, count: 1})
}

func quorumSingleActive(k *kit) {
	k.singleActive(func(ch *amqp.Channel) string { return k.quorum(ch, amqp.Table{"x-single-active-consumer": true}) })
}
