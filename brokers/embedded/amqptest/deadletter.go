package amqptest

import (
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func deadLetterChecks() []check {
	return []check{
		{"rejected", deadRejected},
		{"nacked", deadNacked},
		{"expired", deadExpired},
		{"maxlen", deadMaxLength},
		{"without a routing key the message keeps its own", deadKeepsKey},
		{"without an exchange the message is gone", deadWithout},
		{"to an exchange that is missing", deadMissingExchange},
		{"to a topic exchange", deadTopic},
		{"the counts of a loop", deadLoopCounts},
		{"a cycle without a reject is dropped", deadCycle},
		{"two deaths, the last one first", deadTwice},
		{"x-death of a client", deadClientHeader},
		{"CC and BCC go along, BCC unseen", deadCC},
		{"an acked message does not die", deadAcked},
	}
}

// deaths is the x-death table of a message.
func (k *kit) deaths(msg amqp.Delivery) []amqp.Table {
	k.Helper()
	list, ok := msg.Headers["x-death"].([]any)
	if !ok || len(list) == 0 {
		k.Fatalf("headers %v, want x-death with an entry", msg.Headers)
	}
	tables := make([]amqp.Table, len(list))
	for i, entry := range list {
		if tables[i], ok = entry.(amqp.Table); !ok {
			k.Fatalf("x-death entry %v is no table", entry)
		}
	}
	return tables
}

// death is what one entry of x-death must say.
type death struct {
	queue, reason, exchange string
	keys                    []any
	count                   int64
	expiration              string // original-expiration, "" for none
}

// died asserts the x-death table of msg, and the x-first-death and x-last-death headers that belong to it.
func (k *kit) died(msg amqp.Delivery, want ...death) {
	k.Helper()
	deaths := k.deaths(msg)
	if len(deaths) != len(want) {
		k.Fatalf("got %d entries in x-death, want %d: %v", len(deaths), len(want), deaths)
	}
	for i, w := range want {
		got := deaths[i]
		expect := amqp.Table{
			"queue": w.queue, "reason": w.reason, "exchange": w.exchange, "routing-keys": w.keys, "count": w.count, "time": got["time"],
		}
		if w.expiration != "" {
			expect["original-expiration"] = w.expiration
		}
		k.equal(fmt.Sprintf("x-death[%d]", i), got, expect)
		when, ok := got["time"].(time.Time)
		if age := time.Since(when); !ok || age < -time.Minute || age > 5*time.Minute {
			k.Errorf("x-death[%d].time is %v, want about now", i, got["time"])
		}
	}
	first, last := want[len(want)-1], want[0]
	k.deathHeaders(msg, "first", first)
	if k.server.Profile().LastDeath {
		k.deathHeaders(msg, "last", last)
	}
}

func (k *kit) deathHeaders(msg amqp.Delivery, which string, want death) {
	k.Helper()
	prefix := "x-" + which + "-death-"
	k.equal(prefix+"*", []any{msg.Headers[prefix+"queue"], msg.Headers[prefix+"reason"], msg.Headers[prefix+"exchange"]},
		[]any{want.queue, want.reason, want.exchange})
}

// dying declares an exchange, a queue bound to it by "key" that dead-letters, and a queue for the dead.
func (k *kit) dying(ch *amqp.Channel, args amqp.Table) (exchange, queue, dead string) {
	k.Helper()
	queue, dead = k.expired(ch, args)
	exchange = k.exchange(ch, "direct", nil)
	k.bind(ch, queue, "key", exchange, nil)
	return exchange, queue, dead
}

func deadRejected(k *kit) {
	ch := k.channel()
	exchange, queue, dead := k.dying(ch, nil)
	k.publish(ch, exchange, "key", amqp.Publishing{
		Headers: amqp.Table{"mine": int32(7)}, MessageId: "m", ContentType: "text/plain", Body: []byte("a"),
	})
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	msg := k.await(ch, dead)
	k.died(msg, death{queue: queue, reason: "rejected", exchange: exchange, keys: []any{"key"}, count: 1})
	k.equal("the rest", []any{msg.Exchange, msg.RoutingKey, msg.Redelivered, msg.MessageId, msg.ContentType, string(msg.Body), msg.Headers["mine"]},
		[]any{"", dead, false, "m", "text/plain", "a", int32(7)})
}

func deadNacked(k *kit) {
	ch := k.channel()
	_, queue, dead := k.dying(ch, nil)
	k.send(ch, "", queue, "a", "b", "c")
	k.get(ch, queue, false)
	k.get(ch, queue, false)
	k.must(k.get(ch, queue, false).Nack(true, false), "nack all three")
	k.awaitReady(ch, dead, 3)
	for _, want := range []string{"a", "b", "c"} {
		msg := k.get(ch, dead, true)
		k.equal("body", string(msg.Body), want)
		k.died(msg, death{queue: queue, reason: "rejected", exchange: "", keys: []any{queue}, count: 1})
	}
}

func deadExpired(k *kit) {
	ch := k.channel()
	exchange, queue, dead := k.dying(ch, amqp.Table{"x-message-ttl": int32(1)})
	k.send(ch, exchange, "key", "by the queue's TTL")
	k.died(k.await(ch, dead), death{queue: queue, reason: "expired", exchange: exchange, keys: []any{"key"}, count: 1})
	exchange, queue, dead = k.dying(ch, nil)
	k.publish(ch, exchange, "key", amqp.Publishing{Expiration: "1", Body: []byte("by its own")})
	msg := k.await(ch, dead)
	k.died(msg, death{queue: queue, reason: "expired", exchange: exchange, keys: []any{"key"}, count: 1, expiration: "1"})
	k.equal("expiration", msg.Expiration, "")
}

func deadMaxLength(k *kit) {
	ch := k.channel()
	exchange, queue, dead := k.dying(ch, amqp.Table{"x-max-length": int32(1)})
	k.send(ch, exchange, "key", "a", "b")
	msg := k.await(ch, dead)
	k.equal("body", string(msg.Body), "a")
	k.died(msg, death{queue: queue, reason: "maxlen", exchange: exchange, keys: []any{"key"}, count: 1})
}

func deadKeepsKey(k *kit) {
	ch := k.channel()
	graveyard, dead := k.exchange(ch, "direct", nil), k.queue(ch, nil)
	queue := k.queue(ch, amqp.Table{"x-dead-letter-exchange": graveyard})
	k.bind(ch, dead, queue, graveyard, nil)
	k.send(ch, "", queue, "a")
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	msg := k.await(ch, dead)
	k.equal("exchange and key", []string{msg.Exchange, msg.RoutingKey}, []string{graveyard, queue})
}

func deadWithout(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a")
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	k.send(ch, "", queue, "b")
	k.equal("left", k.drain(ch, queue), []string{"b"})
}

func deadMissingExchange(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-dead-letter-exchange": k.name("missing")})
	k.send(ch, "", queue, "a", "b")
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	k.equal("the queue lives on", k.drain(ch, queue), []string{"b"})
}

func deadTopic(k *kit) {
	ch := k.channel()
	graveyard, all, some := k.exchange(ch, "topic", nil), k.queue(ch, nil), k.queue(ch, nil)
	queue := k.queue(ch, amqp.Table{"x-dead-letter-exchange": graveyard, "x-dead-letter-routing-key": "dead.order.eu"})
	k.bind(ch, all, "#", graveyard, nil)
	k.bind(ch, some, "dead.*.eu", graveyard, nil)
	k.send(ch, "", queue, "a")
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	for _, where := range []string{all, some} {
		msg := k.await(ch, where)
		k.equal("key", msg.RoutingKey, "dead.order.eu")
		k.died(msg, death{queue: queue, reason: "rejected", exchange: "", keys: []any{queue}, count: 1})
	}
}

// deadLoopCounts is the usual retry: work rejects to wait, wait expires back to work. Both counts go up.
func deadLoopCounts(k *kit) {
	ch := k.channel()
	work, wait := k.name("work"), k.name("wait")
	for _, q := range []struct {
		name, to string
		ttl      any
	}{{work, wait, nil}, {wait, work, int32(1)}} {
		args := amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q.to}
		if q.ttl != nil {
			args["x-message-ttl"] = q.ttl
		}
		_, err := ch.QueueDeclare(q.name, false, false, true, false, args)
		k.must(err, "declare")
	}
	deliveries := k.consume(ch, work, nil)
	k.send(ch, "", work, "retry")
	k.must(receive(k, deliveries, "delivery").Reject(false), "reject")
	for round := int64(1); round <= 3; round++ {
		msg := receive(k, deliveries, "delivery")
		k.died(msg,
			death{queue: wait, reason: "expired", exchange: "", keys: []any{wait}, count: round},
			death{queue: work, reason: "rejected", exchange: "", keys: []any{work}, count: round})
		k.must(msg.Reject(false), "reject")
	}
}

// deadCycle: a message that comes back to a queue it died in, without any rejection on the way, is dropped.
func deadCycle(k *kit) {
	ch := k.channel()
	first, second := k.name("first"), k.name("second")
	watch, exchange := k.queue(ch, nil), k.exchange(ch, "fanout", nil)
	for name, args := range map[string]amqp.Table{
		first:  {"x-dead-letter-exchange": exchange, "x-message-ttl": int32(1)},
		second: {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": first, "x-message-ttl": int32(1)},
	} {
		_, err := ch.QueueDeclare(name, false, false, true, false, args)
		k.must(err, "declare")
	}
	k.bind(ch, watch, "", exchange, nil)
	k.bind(ch, second, "", exchange, nil)
	for _, body := range []string{"a", "b"} {
		k.send(ch, "", first, body)
		k.equal("seen between the queues", string(k.await(ch, watch).Body), body)
	}
	k.eventually("both queues empty", func() bool { return k.ready(ch, first) == 0 && k.ready(ch, second) == 0 })
	k.equal("seen again", k.drain(ch, watch), []string{})
}

func deadTwice(k *kit) {
	ch := k.channel()
	last := k.queue(ch, nil)
	middle := k.queue(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": last, "x-message-ttl": int32(1)})
	exchange, first := k.exchange(ch, "fanout", nil), k.queue(ch, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": middle})
	k.bind(ch, first, "", exchange, nil)
	k.send(ch, exchange, "original", "a")
	k.must(k.get(ch, first, false).Reject(false), "reject")
	k.died(k.await(ch, last),
		death{queue: middle, reason: "expired", exchange: "", keys: []any{middle}, count: 1},
		death{queue: first, reason: "rejected", exchange: exchange, keys: []any{"original"}, count: 1})
}

func deadClientHeader(k *kit) {
	ch := k.channel()
	_, queue, dead := k.dying(ch, nil)
	entry := amqp.Table{
		"queue": queue, "reason": "rejected", "exchange": "", "routing-keys": []any{queue}, "count": int64(1), "time": time.Now(),
	}
	k.publish(ch, "", queue, amqp.Publishing{Headers: amqp.Table{"x-death": []any{entry}}, Body: []byte("a")})
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	count := int64(1)
	if k.server.Profile().ClientDeathCounts {
		count = 2
	}
	k.equal("count", k.deaths(k.await(ch, dead))[0]["count"], count)
}

func deadCC(k *kit) {
	ch := k.channel()
	exchange, graveyard := k.exchange(ch, "direct", nil), k.exchange(ch, "direct", nil)
	queue := k.queue(ch, amqp.Table{"x-dead-letter-exchange": graveyard})
	k.bind(ch, queue, "key", exchange, nil)
	byKey, byCC, byBCC := k.queue(ch, nil), k.queue(ch, nil), k.queue(ch, nil)
	for where, key := range map[string]string{byKey: "key", byCC: "copy", byBCC: "blind"} {
		k.bind(ch, where, key, graveyard, nil)
	}
	k.publish(ch, exchange, "key", amqp.Publishing{Headers: amqp.Table{"CC": []any{"copy"}, "BCC": []any{"blind"}}, Body: []byte("a")})
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	for _, where := range []string{byKey, byCC, byBCC} {
		msg := k.await(ch, where)
		k.died(msg, death{queue: queue, reason: "rejected", exchange: exchange, keys: []any{"key", "copy"}, count: 1})
		if strings.Contains(fmt.Sprint(msg.Headers), "blind") {
			k.Errorf("headers %v show the blind copy", msg.Headers)
		}
	}
}

func deadAcked(k *kit) {
	ch := k.channel()
	_, queue, dead := k.dying(ch, nil)
	k.send(ch, "", queue, "good", "bad")
	k.must(k.get(ch, queue, false).Ack(false), "ack")
	k.must(k.get(ch, queue, false).Reject(false), "reject")
	k.equal("dead letter", string(k.await(ch, dead).Body), "bad")
	k.equal("dead letters", k.drain(ch, dead), []string{})
}
