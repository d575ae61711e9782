package amqptest

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

func acknowledgeChecks() []check {
	return []check{
		{"one and several", ackMultiple},
		{"tag 0 with multiple is all", ackAll},
		{"unknown tags", ackUnknown},
		{"tags belong to their channel", ackOtherChannel},
		{"auto-acked messages cannot be acked", ackAutoAcked},
		{"requeue restores the order", requeueOrder},
		{"nack of several restores the order", nackMultipleOrder},
		{"redelivered is per message", redeliveredFlag},
		{"recover with requeue", recoverRequeue},
		{"recover without requeue is not implemented", recoverSame},
		{"recover-async", recoverAsync},
		{"a requeued message goes on to another consumer", requeueToOther},
		{"closing the connection returns everything", connectionCloseRequeues},
		{"an ack frees prefetch at once", ackPulls},
	}
}

func ackMultiple(k *kit) {
	conn := k.dial()
	ch, consumer := k.open(conn), k.open(conn)
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b", "c", "d", "e")
	deliveries := k.consume(consumer, queue, nil)
	held := make([]amqp.Delivery, 5)
	for i := range held {
		held[i] = receive(k, deliveries, "delivery")
	}
	k.must(held[1].Ack(false), "ack b")
	k.must(held[2].Ack(true), "ack up to c: a, c, and b which is acked already")
	k.must(consumer.Close(), "close")
	k.awaitReady(ch, queue, 2)
	k.equal("left", k.drain(ch, queue), []string{"d", "e"})
}

func ackAll(k *kit) {
	conn := k.dial()
	ch, consumer := k.open(conn), k.open(conn)
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b", "c")
	k.receiveBodies(k.consume(consumer, queue, nil), 3)
	k.must(consumer.Ack(0, true), "ack all")
	k.must(consumer.Ack(0, true), "ack all of none")
	k.must(consumer.Qos(1, 0, false), "the channel lives on")
	k.must(consumer.Close(), "close")
	k.equal("left", k.drain(ch, queue), []string{})
}

func ackUnknown(k *kit) {
	conn := k.dial()
	for name, do := range map[string]func(ch *amqp.Channel, tag uint64) error{
		"ack":           func(ch *amqp.Channel, tag uint64) error { return ch.Ack(tag, false) },
		"ack multiple":  func(ch *amqp.Channel, tag uint64) error { return ch.Ack(tag, true) },
		"nack":          func(ch *amqp.Channel, tag uint64) error { return ch.Nack(tag, false, true) },
		"nack multiple": func(ch *amqp.Channel, tag uint64) error { return ch.Nack(tag, true, true) },
		"reject":        func(ch *amqp.Channel, tag uint64) error { return ch.Reject(tag, false) },
	} {
		ch := k.open(conn)
		queue := k.queue(ch, nil)
		k.Logf("%s of a tag that was never given", name)
		k.send(ch, "", queue, "a")
		k.get(ch, queue, false)
		k.closes(ch, func() { k.must(do(ch, 7), name) }, amqp.PreconditionFailed, "PRECONDITION_FAILED - unknown delivery tag 7")
		if name == "ack multiple" || name == "nack multiple" {
			continue
		}
		ch = k.open(conn)
		k.awaitReady(ch, queue, 1)
		msg := k.get(ch, queue, false)
		k.must(msg.Ack(false), "ack")
		k.Logf("%s of a tag for the second time", name)
		k.closes(ch, func() { k.must(do(ch, 1), name) }, amqp.PreconditionFailed, "PRECONDITION_FAILED - unknown delivery tag 1")
	}
	ch := k.openPlain(conn)
	k.closes(ch, func() { k.must(ch.Ack(0, false), "ack") }, amqp.PreconditionFailed, "unknown delivery tag 0")
}

func ackOtherChannel(k *kit) {
	conn := k.dial()
	ch, other := k.open(conn), k.open(conn)
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a")
	msg := k.get(ch, queue, false)
	k.closes(other, func() { k.must(other.Ack(msg.DeliveryTag, false), "ack") }, amqp.PreconditionFailed, "unknown delivery tag 1")
	k.must(msg.Ack(false), "ack on its own channel")
	k.equal("left", k.drain(ch, queue), []string{})
}

func ackAutoAcked(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a")
	msg := k.get(ch, queue, true)
	k.closes(ch, func() { k.must(msg.Ack(false), "ack") }, amqp.PreconditionFailed, "unknown delivery tag 1")
}

func requeueOrder(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b", "c", "d", "e")
	held := map[string]amqp.Delivery{}
	for range 4 {
		msg := k.get(ch, queue, false)
		held[string(msg.Body)] = msg
	}
	for _, body := range []string{"c", "a"} {
		k.must(held[body].Nack(false, true), "requeue")
	}
	k.must(held["d"].Reject(true), "requeue by reject")
	k.must(held["b"].Ack(false), "ack")
	k.awaitReady(ch, queue, 4)
	k.equal("order", k.drain(ch, queue), []string{"a", "c", "d", "e"})
}

func nackMultipleOrder(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b", "c", "d")
	k.get(ch, queue, false)
	k.get(ch, queue, false)
	k.must(k.get(ch, queue, false).Nack(true, true), "requeue three")
	k.awaitReady(ch, queue, 4)
	k.equal("order", k.drain(ch, queue), []string{"a", "b", "c", "d"})
	k.send(ch, "", queue, "e", "f")
	k.get(ch, queue, false)
	k.get(ch, queue, false)
	k.must(ch.Nack(0, true, true), "requeue all")
	k.awaitReady(ch, queue, 2)
	k.equal("order", k.drain(ch, queue), []string{"e", "f"})
}

func redeliveredFlag(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b")
	msg := k.get(ch, queue, false)
	k.equal("the first time", msg.Redelivered, false)
	k.must(msg.Nack(false, true), "requeue")
	k.awaitReady(ch, queue, 2)
	deliveries := k.consume(ch, queue, nil)
	for _, want := range []bool{true, false} {
		msg = receive(k, deliveries, "delivery")
		k.equal(fmt.Sprintf("redelivered of %s", msg.Body), msg.Redelivered, want)
	}
}

// recoverRequeue speaks single frames, as recoverSame does: amqp091-go calls basic.recover deprecated.
func recoverRequeue(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	k.send(ch, "", queue, "a", "b", "c")
	w := k.wireOpen(usual)
	w.call(1, basicConsume, uint16(0), short(queue), short("c"), uint8(0), fields(nil))
	w.expect(1, basicConsumeOk)
	delivered := func(body string, tag uint64, redelivered uint8) {
		k.Helper()
		a := w.expect(1, basicDeliver).arguments()
		consumer, gotTag, again := a.text(), a.longLong(), a.octet()
		_, got := w.content(1)
		k.equal("delivery", []any{consumer, string(got), gotTag, again}, []any{"c", body, tag, redelivered})
	}
	delivered("a", 1, 0)
	delivered("b", 2, 0)
	delivered("c", 3, 0)
	w.call(1, basicAck, uint64(1), uint8(0))
	w.call(1, basicRecover, uint8(1))
	w.expect(1, basicRecoverOk)
	delivered("b", 4, 1)
	delivered("c", 5, 1)
}

func recoverSame(k *kit) {
	w := k.wireOpen(usual)
	w.call(1, basicRecover, uint8(0))
	w.refusal(amqp.NotImplemented, "NOT_IMPLEMENTED - requeue=false")
}

func recoverAsync(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	k.send(ch, "", queue, "a")
	w := k.wireOpen(usual)
	w.call(1, basicGet, uint16(0), short(queue), uint8(0))
	w.expect(1, basicGetOk)
	w.content(1)
	w.call(1, basicRecoverAsync, uint8(1))
	k.awaitReady(ch, queue, 1)
	w.call(1, basicQos, uint32(0), uint16(1), uint8(0))
	w.expect(1, basicQosOk) // no other answer came before
}

// requeueToOther: a consumer whose prefetch is full does not get its own message back when another has room.
func requeueToOther(k *kit) {
	conn := k.dial()
	ch, first, second := k.open(conn), k.open(conn), k.open(conn)
	queue := k.queue(ch, nil)
	k.must(first.Qos(1, 0, false), "qos")
	k.must(second.Qos(1, 0, false), "qos")
	fromFirst := k.consume(first, queue, nil)
	k.send(ch, "", queue, "a")
	held := receive(k, fromFirst, "delivery")
	fromSecond := k.consume(second, queue, nil)
	k.must(held.Nack(false, true), "requeue")
	select {
	case msg := <-fromFirst:
		k.equal("redelivered", msg.Redelivered, true)
	case msg := <-fromSecond:
		k.equal("redelivered", msg.Redelivered, true)
	case <-k.after():
		k.Fatal("the requeued message reached no consumer")
	}
}

func connectionCloseRequeues(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	k.send(ch, "", queue, "a", "b", "c")
	conn := k.dial()
	other := k.open(conn)
	k.receiveBodies(k.consume(other, queue, nil), 3)
	k.equal("ready", k.ready(ch, queue), 0)
	k.must(conn.Close(), "close the connection")
	k.awaitReady(ch, queue, 3)
	k.equal("order", k.drain(ch, queue), []string{"a", "b", "c"})
	w := k.wireOpen(usual)
	k.send(ch, "", queue, "d")
	w.call(1, basicConsume, uint16(0), short(queue), short("c"), uint8(0), fields(nil))
	w.expect(1, basicConsumeOk)
	w.expect(1, basicDeliver)
	k.must(w.conn.Close(), "drop the socket")
	msg := k.await(ch, queue)
	k.equal("redelivered", []any{string(msg.Body), msg.Redelivered}, []any{"d", true})
}

func ackPulls(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.must(ch.Qos(1, 0, false), "qos")
	deliveries := k.consume(ch, queue, nil)
	k.send(ch, "", queue, "a", "b", "c")
	for _, want := range []string{"a", "b", "c"} {
		msg := receive(k, deliveries, "delivery")
		k.equal("body", string(msg.Body), want)
		k.equal("no more than one at a time", len(deliveries), 0)
		k.must(msg.Ack(false), "ack")
	}
}
