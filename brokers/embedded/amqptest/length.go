package amqptest

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func lengthChecks() []check {
	return []check{
		{"drop-head", dropHead},
		{"drop-head of a queue of length zero", dropHeadZero},
		{"bytes", maxBytes},
		{"reject-publish", rejectPublish},
		{"reject-publish by bytes", rejectPublishBytes},
		{"reject-publish-dlx", rejectPublishDLX},
		{"reject-publish among several queues", rejectPublishAmong},
		{"unacknowledged messages do not count", lengthCountsReady},
	}
}

func dropHead(k *kit) {
	ch := k.channel()
	dead := k.queue(ch, nil)
	queue := k.queue(ch, amqp.Table{"x-max-length": int32(2), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	k.send(ch, "", queue, "a", "b", "c", "d")
	k.awaitReady(ch, dead, 2)
	k.equal("kept", k.drain(ch, queue), []string{"c", "d"})
	k.equal("dropped", k.drain(ch, dead), []string{"a", "b"})
	explicit := k.queue(ch, amqp.Table{"x-max-length": int32(1), "x-overflow": "drop-head"})
	k.send(ch, "", explicit, "a", "b")
	k.equal("kept", k.drain(ch, explicit), []string{"b"})
}

func dropHeadZero(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-max-length": int32(0)})
	k.send(ch, "", queue, "nobody waits")
	k.equal("kept", k.ready(ch, queue), 0)
	deliveries := k.consume(ch, queue, nil)
	k.send(ch, "", queue, "somebody waits")
	k.equal("delivered", k.receiveBodies(deliveries, 1), []string{"somebody waits"})
}

func maxBytes(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-max-length-bytes": int32(10)})
	k.send(ch, "", queue, "aaaa", "bbbb", "cccc")
	k.equal("kept: bodies alone count", k.drain(ch, queue), []string{"bbbb", "cccc"})
	k.send(ch, "", queue, "d", strings.Repeat("e", 11))
	k.equal("kept: one that is too large empties the queue", k.drain(ch, queue), []string{})
	both := k.queue(ch, amqp.Table{"x-max-length-bytes": int32(10), "x-max-length": int32(1)})
	k.send(ch, "", both, "a", "b")
	k.equal("kept: whichever limit comes first", k.drain(ch, both), []string{"b"})
}

func (k *kit) nacked(ch *amqp.Channel, queue, body string) {
	k.Helper()
	if k.publish(ch, "", queue, text(body)) {
		k.Errorf("the message %q was acked, want a nack", body)
	}
}

func rejectPublish(k *kit) {
	ch := k.channel()
	dead := k.queue(ch, nil)
	queue := k.queue(ch, amqp.Table{
		"x-max-length": int32(2), "x-overflow": "reject-publish", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	k.send(ch, "", queue, "a", "b")
	k.nacked(ch, queue, "c")
	k.equal("first", string(k.get(ch, queue, true).Body), "a")
	k.send(ch, "", queue, "d")
	k.nacked(ch, queue, "e")
	k.equal("kept", k.drain(ch, queue), []string{"b", "d"})
	k.equal("dead letters", k.ready(ch, dead), 0)
}

func rejectPublishBytes(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-max-length-bytes": int32(10), "x-overflow": "reject-publish"})
	k.send(ch, "", queue, "aaaaa", "bbbbb")
	k.nacked(ch, queue, "c")
	k.equal("kept", k.drain(ch, queue), []string{"aaaaa", "bbbbb"})
}

func rejectPublishDLX(k *kit) {
	ch := k.channel()
	dead := k.queue(ch, nil)
	queue := k.queue(ch, amqp.Table{
		"x-max-length": int32(1), "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	k.send(ch, "", queue, "a")
	k.nacked(ch, queue, "b")
	msg := k.await(ch, dead)
	k.equal("dead letter", string(msg.Body), "b")
	k.equal("reason", k.deaths(msg)[0]["reason"], "maxlen")
	k.equal("kept", k.drain(ch, queue), []string{"a"})
}

// rejectPublishAmong: one full queue makes a nack, the others have the message all the same.
func rejectPublishAmong(k *kit) {
	ch := k.channel()
	exchange := k.exchange(ch, "fanout", nil)
	full, roomy := k.queue(ch, amqp.Table{"x-max-length": int32(0), "x-overflow": "reject-publish"}), k.queue(ch, nil)
	k.bind(ch, full, "", exchange, nil)
	k.bind(ch, roomy, "", exchange, nil)
	if k.publish(ch, exchange, "", text("a")) {
		k.Error("acked, want a nack")
	}
	k.equal("the queue with room", k.drain(ch, roomy), []string{"a"})
}

func lengthCountsReady(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-max-length": int32(1)})
	k.send(ch, "", queue, "a")
	held := k.get(ch, queue, false)
	k.send(ch, "", queue, "b")
	k.equal("ready beside the one that is held", k.ready(ch, queue), 1)
	k.must(held.Nack(false, true), "requeue")
	k.awaitReady(ch, queue, 1)
	k.equal("kept: the requeued one was the head", k.drain(ch, queue), []string{"b"})
}
