package amqptest

import (
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func expiryChecks() []check {
	return []check{
		{"queue TTL", queueTTL},
		{"queue TTL of zero", queueTTLZero},
		{"queue TTL runs on after a requeue", ttlAfterRequeue},
		{"message TTL", messageTTL},
		{"the shorter TTL counts", shorterTTL},
		{"a message expires at the head only", expiresAtHead},
		{"message TTL of zero reaches a waiting consumer", zeroTTLDelivers},
		{"unacknowledged messages do not expire", unackedNeverExpire},
		{"expiration is validated", expirationValidated},
		{"queue expires", queueExpires},
		{"queue expiry counts from the last use", queueExpiresUnused},
	}
}

// expired declares a queue whose expired messages go to a second one, and returns both.
func (k *kit) expired(ch *amqp.Channel, args amqp.Table) (queue, dead string) {
	k.Helper()
	dead = k.queue(ch, nil)
	all := amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
	for key, value := range args {
		all[key] = value
	}
	return k.queue(ch, all), dead
}

// notBefore asserts that a wait that began at start took at least d, less what clocks may differ.
func (k *kit) notBefore(start time.Time, d time.Duration) {
	k.Helper()
	if took := time.Since(start); took < d-5*time.Millisecond {
		k.Errorf("expired after %s, want not before %s", took, d)
	}
}

func queueTTL(k *kit) {
	ch := k.channel()
	queue, dead := k.expired(ch, amqp.Table{"x-message-ttl": int32(150)})
	deliveries := k.consume(ch, dead, nil)
	start := time.Now()
	k.send(ch, "", queue, "a", "b")
	k.equal("dead letters in order", k.receiveBodies(deliveries, 2), []string{"a", "b"})
	k.notBefore(start, 150*time.Millisecond)
	k.equal("left", k.ready(ch, queue), 0)
}

func queueTTLZero(k *kit) {
	ch := k.channel()
	queue, dead := k.expired(ch, amqp.Table{"x-message-ttl": int32(0)})
	k.send(ch, "", queue, "nobody waits")
	k.equal("dead letter", string(k.await(ch, dead).Body), "nobody waits")
	deliveries := k.consume(ch, queue, nil)
	k.send(ch, "", queue, "somebody waits")
	k.equal("delivered", k.receiveBodies(deliveries, 1), []string{"somebody waits"})
}

// ttlAfterRequeue takes the message with a consumer that waits for it, so that it is out before it can expire.
func ttlAfterRequeue(k *kit) {
	ch := k.channel()
	queue, dead := k.expired(ch, amqp.Table{"x-message-ttl": int32(200)})
	deliveries, err := ch.Consume(queue, "taker", false, false, false, false, nil)
	k.must(err, "consume")
	start := time.Now()
	k.send(ch, "", queue, "a")
	msg := receive(k, deliveries, "delivery")
	k.must(ch.Cancel("taker", false), "cancel")
	k.must(msg.Nack(false, true), "requeue")
	k.equal("dead letter", string(k.await(ch, dead).Body), "a")
	k.notBefore(start, 200*time.Millisecond)
}

func messageTTL(k *kit) {
	ch := k.channel()
	queue, dead := k.expired(ch, nil)
	deliveries := k.consume(ch, dead, nil)
	start := time.Now()
	k.publish(ch, "", queue, amqp.Publishing{Expiration: "120", Body: []byte("a")})
	msg := receive(k, deliveries, "dead letter")
	k.notBefore(start, 120*time.Millisecond)
	k.equal("expiration, which must not kill it again", msg.Expiration, "")
}

func shorterTTL(k *kit) {
	ch := k.channel()
	byQueue, deadByQueue := k.expired(ch, amqp.Table{"x-message-ttl": int32(100)})
	byMessage, deadByMessage := k.expired(ch, amqp.Table{"x-message-ttl": int32(600000)})
	k.publish(ch, "", byQueue, amqp.Publishing{Expiration: "600000", Body: []byte("queue")})
	k.publish(ch, "", byMessage, amqp.Publishing{Expiration: "100", Body: []byte("message")})
	k.equal("by the queue's", string(k.await(ch, deadByQueue).Body), "queue")
	k.equal("by the message's", string(k.await(ch, deadByMessage).Body), "message")
}

// expiresAtHead: RabbitMQ drops expired messages at the head of a queue; one with a shorter TTL behind a longer one
// waits for its turn, and is never delivered.
func expiresAtHead(k *kit) {
	ch := k.channel()
	queue, dead := k.expired(ch, nil)
	deliveries := k.consume(ch, dead, nil)
	k.publish(ch, "", queue, amqp.Publishing{Expiration: "300", Body: []byte("long")})
	k.publish(ch, "", queue, amqp.Publishing{Expiration: "1", Body: []byte("short")})
	k.send(ch, "", queue, "none")
	k.equal("dead letters", k.receiveBodies(deliveries, 2), []string{"long", "short"})
	k.equal("left", k.drain(ch, queue), []string{"none"})
}

func zeroTTLDelivers(k *kit) {
	ch := k.channel()
	queue, dead := k.expired(ch, nil)
	k.publish(ch, "", queue, amqp.Publishing{Expiration: "0", Body: []byte("nobody waits")})
	k.equal("dead letter", string(k.await(ch, dead).Body), "nobody waits")
	deliveries := k.consume(ch, queue, nil)
	k.publish(ch, "", queue, amqp.Publishing{Expiration: "0", Body: []byte("somebody waits")})
	k.equal("delivered", k.receiveBodies(deliveries, 1), []string{"somebody waits"})
}

// unackedNeverExpire holds one message past its TTL, while another of the same age expires beside it.
func unackedNeverExpire(k *kit) {
	ch := k.channel()
	queue, dead := k.expired(ch, amqp.Table{"x-message-ttl": int32(100)})
	k.must(ch.Qos(1, 0, false), "qos")
	deliveries, err := ch.Consume(queue, "taker", false, false, false, false, nil)
	k.must(err, "consume")
	k.send(ch, "", queue, "held", "waiting")
	held := receive(k, deliveries, "delivery")
	k.equal("held", string(held.Body), "held")
	k.equal("dead letter", string(k.await(ch, dead).Body), "waiting")
	k.equal("only one is dead", k.ready(ch, dead), 0)
	k.must(ch.Cancel("taker", false), "cancel")
	k.must(held.Nack(false, true), "requeue")
	k.equal("dead as soon as it is back", string(k.await(ch, dead).Body), "held")
}

func expirationValidated(k *kit) {
	conn := k.dial()
	for _, wrong := range []string{"soon", "-1", "1.5", " 1", "1 ", "0x10", "4294967296000"} {
		ch := k.openPlain(conn)
		k.Logf("expiration %q", wrong)
		k.closes(ch, func() {
			k.must(ch.PublishWithContext(k.Context(), "", "nowhere", false, false, amqp.Publishing{Expiration: wrong}), "publish")
		}, amqp.PreconditionFailed, "PRECONDITION_FAILED - invalid expiration '"+wrong+"'")
	}
}

// queueExpires: only a redeclare, a get or a consumer counts as use.
func queueExpires(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue, dead := k.name("expires"), k.queue(ch, nil)
	start := time.Now()
	_, err := ch.QueueDeclare(queue, false, false, false, false, amqp.Table{
		"x-expires": int32(1000), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	k.must(err, "declare")
	watch := k.watch(ch, queue)
	k.send(ch, "", queue, "dies with its queue")
	k.awaitEnd(conn, watch)
	k.notBefore(start, time.Second)
	k.equal("dead letters", k.ready(ch, dead), 0)
}

// watch binds queue to an auto-delete exchange, whose end tells of the queue's without touching the queue.
func (k *kit) watch(ch *amqp.Channel, queue string) (exchange string) {
	k.Helper()
	exchange = k.name("auto-delete")
	k.must(ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil), "declare")
	k.must(ch.QueueBind(queue, "", exchange, false, nil), "bind")
	return exchange
}

// awaitEnd waits for the end of an exchange.
func (k *kit) awaitEnd(conn *amqp.Connection, exchange string) {
	k.Helper()
	k.eventually("the end of "+exchange, func() bool {
		look := k.openPlain(conn)
		err := look.ExchangeDeclarePassive(exchange, "fanout", false, true, false, false, nil)
		if err == nil {
			k.must(look.Close(), "close the channel")
		}
		return err != nil && strings.Contains(err.Error(), "NOT_FOUND")
	})
}

func queueExpiresUnused(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.name("expires")
	_, err := ch.QueueDeclare(queue, false, false, false, false, amqp.Table{"x-expires": int32(1000)})
	k.must(err, "declare")
	_, err = ch.Consume(queue, "user", true, false, false, false, nil)
	k.must(err, "consume")
	watch := k.watch(ch, queue)
	clock, dead := k.expired(ch, amqp.Table{"x-message-ttl": int32(1500)})
	k.send(ch, "", clock, "tick")
	k.await(ch, dead) // longer than the expiry, with a consumer all the time
	k.ready(ch, queue)
	start := time.Now()
	k.must(ch.Cancel("user", false), "cancel")
	k.awaitEnd(conn, watch)
	k.notBefore(start, time.Second)
}
