package amqptest

import (
	"net/http"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// durability restarts the broker as far as it can be: cleanly, then killed. Both times the same durable exchanges,
// queues and bindings must be there again, and the persistent messages in order and with their properties; what is
// transient must not. The clean restart comes first because RabbitMQ writes a new quorum queue's name down late: killed
// within seconds of the declare it loses the queue.
func durability(t *testing.T, server Server) {
	k := &kit{T: t, server: server}
	l := k.lasting()
	if s, ok := server.(Restarter); ok {
		t.Run("restart", func(t *testing.T) { (&kit{T: t, server: server}).survives(l, s.Restart, true) })
	}
	if s, ok := server.(Killer); ok {
		t.Run("kill", func(t *testing.T) { (&kit{T: t, server: server}).survives(l, s.Kill, false) })
	}
}

// lasting is what was declared before the restarts.
type lasting struct {
	vhost, exchange, inner  string
	queue, quorum, priority string
}

func (k *kit) lasting() lasting {
	k.Helper()
	ch := k.channel()
	l := lasting{vhost: k.vhost(), exchange: k.name("lasting"), inner: k.name("inner")}
	l.queue = k.durable(ch, amqp.Table{"x-max-length": int32(1000)})
	l.quorum = k.quorum(ch, nil)
	l.priority = k.durable(ch, amqp.Table{"x-max-priority": int32(5)})
	k.must(ch.ExchangeDeclare(l.exchange, "topic", true, false, false, false, amqp.Table{"alternate-exchange": "amq.fanout"}), "declare")
	k.dropExchange(l.exchange)
	k.must(ch.ExchangeDeclare(l.inner, "direct", true, false, false, false, nil), "declare")
	k.dropExchange(l.inner)
	k.must(ch.ExchangeBind(l.inner, "inner.#", l.exchange, false, nil), "bind exchanges")
	k.bind(ch, l.queue, "inner.key", l.inner, nil)
	k.bind(ch, l.queue, "a.*", l.exchange, amqp.Table{"n": int32(1)})
	return l
}

// survives fills the queues, restarts the broker and looks. An ack has no answer, so a broker that is killed may
// deliver an acked message again: acks are checked over a clean restart only.
func (k *kit) survives(l lasting, restart func(t *testing.T), acks bool) {
	k.Helper()
	ch := k.channel()
	k.fill(ch, l)
	transient, temporary := k.name("transient"), k.name("temporary")
	k.must(ch.ExchangeDeclare(transient, "direct", false, false, false, false, nil), "declare")
	_, err := ch.QueueDeclare(temporary, false, false, false, false, nil)
	k.must(err, "declare")

	want := []string{"first", "held", "b", "c"}
	for _, queue := range []string{l.queue, l.quorum} {
		first := k.get(ch, queue, false)
		if acks {
			k.must(first.Ack(false), "ack")
		}
		k.get(ch, queue, false) // held by a client when the broker goes down
	}
	if acks {
		want = want[1:]
	}
	k.must(ch.Qos(0, 0, false), "a round trip behind the acks")
	restart(k.T)

	conn := k.dial()
	k.refused(k.openPlain(conn).ExchangeDeclarePassive(transient, "direct", false, false, false, false, nil), amqp.NotFound)
	_, err = k.openPlain(conn).QueueDeclarePassive(temporary, false, false, false, false, nil)
	k.refused(err, amqp.NotFound)
	k.inspect(k.open(conn), l, want)
}

// fill publishes persistent messages with confirms and in a transaction, and one that is not persistent.
func (k *kit) fill(ch *amqp.Channel, l lasting) {
	k.Helper()
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
}

// inspect looks after the restart. want are the messages that the queues were given and nobody acked.
func (k *kit) inspect(ch *amqp.Channel, l lasting, want []string) {
	k.Helper()
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
}
