package amqptest

import (
	"net/http"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// durabilityChecks are those that restart the broker, as far as server can be.
func durabilityChecks(server Server) []check {
	var checks []check
	if s, ok := server.(Restarter); ok {
		checks = append(checks, check{"restart", func(k *kit) { survives(k, s.Restart, true) }})
	}
	if s, ok := server.(Killer); ok {
		checks = append(checks, check{"kill", func(k *kit) { survives(k, s.Kill, false) }})
	}
	return checks
}

// lasting is what was declared and published before the restart.
type lasting struct {
	vhost, exchange, inner, transient, queue, quorum, priority, temporary string
}

// survives: durable exchanges, queues and bindings, and persistent messages in durable queues are there after the
// restart, in order and with their properties; everything transient is not. An ack has no answer, so a broker that is
// killed may deliver an acked message again: acks are checked over a clean restart only.
func survives(k *kit, restart func(t *testing.T), acks bool) {
	ch := k.channel()
	l := k.prepare(ch)
	want := []string{"first", "held", "b", "c"}
	for _, queue := range []string{l.queue, l.quorum} {
		first := k.get(ch, queue, false)
		if acks {
			k.must(first.Ack(false), "ack")
		}
		k.get(ch, queue, false) // held by a consumer when the broker goes down
	}
	if acks {
		want = want[1:]
	}
	k.must(ch.Qos(0, 0, false), "a round trip behind the acks")
	restart(k.T)
	k.inspect(l, want)
}

// prepare declares and publishes what is looked for later.
func (k *kit) prepare(ch *amqp.Channel) lasting {
	k.Helper()
	l := lasting{vhost: k.vhost(), exchange: k.name("lasting"), inner: k.name("inner"), transient: k.name("transient")}
	l.queue = k.durable(ch, amqp.Table{"x-max-length": int32(1000)})
	l.quorum = k.quorum(ch, nil)
	l.priority = k.durable(ch, amqp.Table{"x-max-priority": int32(5)})
	k.must(ch.ExchangeDeclare(l.exchange, "topic", true, false, false, false, amqp.Table{"alternate-exchange": "amq.fanout"}), "declare")
	k.must(ch.ExchangeDeclare(l.inner, "direct", true, false, false, false, nil), "declare")
	k.must(ch.ExchangeDeclare(l.transient, "direct", false, false, false, false, nil), "declare")
	k.dropExchange(l.exchange)
	k.dropExchange(l.inner)
	k.must(ch.ExchangeBind(l.inner, "inner.#", l.exchange, false, nil), "bind exchanges")
	k.bind(ch, l.queue, "inner.key", l.inner, nil)
	k.bind(ch, l.queue, "a.*", l.exchange, amqp.Table{"n": int32(1)})
	q, err := ch.QueueDeclare(k.name("temporary"), false, false, false, false, nil)
	k.must(err, "declare")
	l.temporary = q.Name

	for _, queue := range []string{l.queue, l.quorum} {
		for _, body := range []string{"first", "held", "b", "c"} {
			k.publish(ch, "", queue, amqp.Publishing{
				DeliveryMode: amqp.Persistent, MessageId: body, Headers: amqp.Table{"n": int64(7), "list": []any{"x", nil}}, Body: []byte(body),
			})
		}
	}
	k.send(ch, "", l.queue, "transient")
	for i, body := range []string{"low", "high"} {
		k.publish(ch, "", l.priority, amqp.Publishing{DeliveryMode: amqp.Persistent, Priority: uint8(1 + 3*i), Body: []byte(body)})
	}
	tx := k.transaction(k.dial())
	k.must(tx.PublishWithContext(k.Context(), "", l.queue, false, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("committed")}), "publish")
	k.must(tx.TxCommit(), "commit")
	return l
}

// inspect looks after the restart. want are the messages that l.queue and l.quorum were given and nobody acked.
func (k *kit) inspect(l lasting, want []string) {
	k.Helper()
	conn := k.dial()
	ch := k.open(conn)
	for _, missing := range []func(ch *amqp.Channel) error{
		func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(l.transient, "direct", false, false, false, false, nil)
		},
		func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(l.temporary, false, false, false, false, nil)
			return err
		},
	} {
		k.refused(missing(k.openPlain(conn)), amqp.NotFound)
	}
	k.must(ch.ExchangeDeclare(l.exchange, "topic", true, false, false, false, amqp.Table{"alternate-exchange": "amq.fanout"}), "the same")
	q, err := ch.QueueDeclare(l.queue, true, false, false, false, amqp.Table{"x-max-length": int32(1000)})
	k.must(err, "the same queue")
	k.equal("messages", q.Messages, len(want)+1)
	for _, body := range want {
		msg := k.get(ch, l.queue, true)
		k.equal("message", []any{string(msg.Body), msg.MessageId, msg.DeliveryMode, msg.Headers["n"], msg.Headers["list"]},
			[]any{body, body, uint8(2), int64(7), []any{"x", nil}})
	}
	k.equal("rest", k.drain(ch, l.queue), []string{"committed"})
	k.awaitReady(ch, l.quorum, len(want))
	if got := k.drain(ch, l.quorum); !sameSet(got, want) {
		k.Errorf("quorum queue: got %q, want %q in any order", got, want)
	}
	k.equal("priorities", k.drain(ch, l.priority), []string{"high", "low"})
	k.send(ch, l.exchange, "inner.key", "both")
	k.send(ch, l.inner, "inner.key", "inner")
	k.send(ch, l.exchange, "a.b", "direct")
	k.equal("bindings", k.drain(ch, l.queue), []string{"both", "inner", "direct"})
	k.api().want(http.MethodGet, "/vhosts/"+l.vhost, nil, http.StatusOK)
	k.must(ch.QueueUnbind(l.queue, "a.*", l.exchange, amqp.Table{"n": int32(1)}), "unbind")
}
