package amqptest

import (
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func consumeChecks() []check {
	return []check{
		{"tags", consumerTags},
		{"get", getMessage},
		{"prefetch per consumer", prefetchConsumer},
		{"prefetch of a channel", prefetchGlobal},
		{"prefetch for the consumers to come", prefetchLater},
		{"prefetch is nothing to auto-ack and get", prefetchAutoAck},
		{"prefetch size is not implemented", prefetchSize},
		{"round robin", roundRobin},
		{"cancel", cancelConsumer},
		{"cancel keeps what is unacknowledged", cancelUnacked},
		{"notification when the queue is deleted", cancelNotified},
		{"no notification for a client that cannot take it", cancelSilent},
		{"exclusive consumer", exclusiveConsumer},
		{"single active consumer", func(k *kit) {
			k.singleActive(func(ch *amqp.Channel) string { return k.queue(ch, amqp.Table{"x-single-active-consumer": true}) })
		}},
		{"no-local is not implemented", noLocal},
		{"missing queue", consumeMissing},
		{"consumer with no-wait", consumeNoWait},
		{"wrong x-priority", consumeWrongPriority},
	}
}

func consumerTags(k *kit) {
	w := k.wireOpen(usual)
	w.call(1, queueDeclare, uint16(0), short(""), uint8(0b100), fields(nil))
	queue := w.expect(1, queueDeclareOk).arguments().text()
	w.call(1, basicConsume, uint16(0), short(queue), short(""), uint8(0), fields(nil))
	tag := w.expect(1, basicConsumeOk).arguments().text()
	if !strings.HasPrefix(tag, "amq.ctag-") {
		k.Errorf("the server chose the tag %q, want one that starts with amq.ctag-", tag)
	}
	w.call(1, basicConsume, uint16(0), short(queue), short("mine"), uint8(0), fields(nil))
	k.equal("tag", w.expect(1, basicConsumeOk).arguments().text(), "mine")
	w.openChannel(2) // tags are a channel's own
	w.call(2, basicConsume, uint16(0), short(queue), short("mine"), uint8(0), fields(nil))
	w.expect(2, basicConsumeOk)
	w.call(1, basicConsume, uint16(0), short(queue), short("mine"), uint8(0), fields(nil))
	w.refusal(amqp.NotAllowed, "NOT_ALLOWED - attempt to reuse consumer tag 'mine'")
}

func getMessage(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	_, ok, err := ch.Get(queue, true)
	k.must(err, "get from an empty queue")
	k.equal("got a message", ok, false)
	k.send(ch, "", queue, "a", "b", "c")
	for i, want := range []string{"a", "b", "c"} {
		msg := k.get(ch, queue, i == 1)
		k.equal("get", []any{string(msg.Body), msg.MessageCount, msg.DeliveryTag, msg.Redelivered, msg.RoutingKey},
			[]any{want, uint32(2 - i), uint64(i + 1), false, queue})
	}
	_, _, err = k.openPlain(conn).Get(k.name("missing"), true)
	k.refused(err, amqp.NotFound, "NOT_FOUND - no queue")
}

// prefetchConsumer: what a consumer does not get stays ready in the queue, where its count can be seen.
func prefetchConsumer(k *kit) {
	conn := k.dial()
	ch, consumer := k.open(conn), k.open(conn)
	first, second := k.queue(ch, nil), k.queue(ch, nil)
	k.send(ch, "", first, "a", "b", "c", "d")
	k.send(ch, "", second, "a", "b", "c", "d")
	k.must(consumer.Qos(2, 0, false), "qos")
	fromFirst, fromSecond := k.consume(consumer, first, nil), k.consume(consumer, second, nil)
	k.equal("first", k.receiveBodies(fromFirst, 1), []string{"a"})
	last := receive(k, fromFirst, "delivery")
	k.equal("second", k.receiveBodies(fromSecond, 2), []string{"a", "b"})
	k.equal("left", []int{k.ready(ch, first), k.ready(ch, second)}, []int{2, 2})
	k.must(last.Ack(true), "ack the first consumer's two")
	k.equal("then", k.receiveBodies(fromFirst, 2), []string{"c", "d"})
	k.awaitReady(ch, first, 0)
}

// prefetchGlobal shares one budget among the consumers of a channel.
func prefetchGlobal(k *kit) {
	conn := k.dial()
	ch, consumer := k.open(conn), k.open(conn)
	first, second := k.queue(ch, nil), k.queue(ch, nil)
	k.must(consumer.Qos(3, 0, true), "qos")
	deliveries := make(chan amqp.Delivery, 10)
	for _, queue := range []string{first, second} {
		k.send(ch, "", queue, "a", "b", "c", "d")
		go forward(k.consume(consumer, queue, nil), deliveries)
	}
	held := []amqp.Delivery{}
	for range 3 {
		held = append(held, receive(k, deliveries, "delivery"))
	}
	left := func() int { return k.ready(ch, first) + k.ready(ch, second) }
	k.equal("left", left(), 5)
	k.must(held[0].Ack(false), "ack one")
	receive(k, deliveries, "delivery")
	k.equal("left", left(), 4)
	k.must(consumer.Qos(5, 0, true), "raise the limit")
	receive(k, deliveries, "delivery")
	receive(k, deliveries, "delivery")
	k.equal("left", left(), 2)
}

// forward ends with from, which amqp091-go closes with its channel.
func forward(from <-chan amqp.Delivery, to chan<- amqp.Delivery) {
	for msg := range from {
		to <- msg
	}
}

// prefetchLater: without global, qos is for the consumers that start after it; 0 is no limit.
func prefetchLater(k *kit) {
	conn := k.dial()
	ch, consumer := k.open(conn), k.open(conn)
	limited, open := k.queue(ch, nil), k.queue(ch, nil)
	k.send(ch, "", limited, "a", "b", "c")
	k.send(ch, "", open, "a", "b", "c")
	k.must(consumer.Qos(1, 0, false), "qos")
	fromLimited := k.consume(consumer, limited, nil)
	k.must(consumer.Qos(0, 0, false), "no limit")
	k.receiveBodies(k.consume(consumer, open, nil), 3)
	k.receiveBodies(fromLimited, 1)
	k.equal("left", []int{k.ready(ch, limited), k.ready(ch, open)}, []int{2, 0})
}

func prefetchAutoAck(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.must(ch.Qos(1, 0, false), "qos")
	k.send(ch, "", queue, "a", "b", "c", "d", "e")
	k.get(ch, queue, false)
	k.get(ch, queue, false)
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	k.must(err, "consume")
	k.equal("bodies", k.receiveBodies(deliveries, 3), []string{"c", "d", "e"})
}

func prefetchSize(k *kit) {
	conn := k.dial()
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	k.refused(k.openPlain(conn).Qos(0, 1024, false), amqp.NotImplemented)
	k.refused(receive(k, closed, "connection close"), amqp.NotImplemented, "NOT_IMPLEMENTED - prefetch_size!=0")
}

func roundRobin(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	first, second := k.consume(k.open(conn), queue, nil), k.consume(k.open(conn), queue, nil)
	k.send(ch, "", queue, "a", "b", "c", "d")
	got := append(k.receiveBodies(first, 2), k.receiveBodies(second, 2)...)
	if !sameSet(got, []string{"a", "b", "c", "d"}) {
		k.Errorf("got %q, want each message once, two at each consumer", got)
	}
}

func cancelConsumer(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	deliveries, err := ch.Consume(queue, "tag", false, false, false, false, nil)
	k.must(err, "consume")
	k.must(ch.Cancel("tag", false), "cancel")
	k.must(ch.Cancel("tag", false), "cancel what is no consumer")
	k.send(ch, "", queue, "x")
	if msg, ok := <-deliveries; ok {
		k.Errorf("a cancelled consumer got %q", msg.Body)
	}
	k.equal("left", k.drain(ch, queue), []string{"x"})
	_, err = ch.Consume(queue, "tag", false, false, false, false, nil)
	k.must(err, "consume with the same tag again")
}

func cancelUnacked(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b")
	deliveries, err := ch.Consume(queue, "tag", false, false, false, false, nil)
	k.must(err, "consume")
	first, second := receive(k, deliveries, "delivery"), receive(k, deliveries, "delivery")
	k.must(ch.Cancel("tag", false), "cancel")
	k.equal("ready", k.ready(ch, queue), 0)
	k.must(first.Ack(false), "ack after the cancel")
	k.must(second.Nack(false, true), "requeue after the cancel")
	k.awaitReady(ch, queue, 1)
}

func cancelNotified(k *kit) {
	conn := k.dial()
	ch, admin := k.open(conn), k.open(conn)
	queue := k.durableQuick(admin)
	cancelled := ch.NotifyCancel(make(chan string, 1))
	deliveries, err := ch.Consume(queue, "tag", false, false, false, false, nil)
	k.must(err, "consume")
	_, err = admin.QueueDelete(queue, false, false, false)
	k.must(err, "delete")
	k.equal("cancelled consumer", receive(k, cancelled, "cancel"), "tag")
	select {
	case _, open := <-deliveries:
		k.equal("deliveries open", open, false)
	case <-k.after():
		k.Error("the deliveries did not end")
	}
	k.must(ch.Qos(1, 0, false), "the channel lives on")
}

// durableQuick declares a queue that the check itself deletes.
func (k *kit) durableQuick(ch *amqp.Channel) string {
	k.Helper()
	q, err := ch.QueueDeclare(k.name("queue"), true, false, false, false, nil)
	k.must(err, "declare")
	return q.Name
}

// cancelSilent: basic.cancel is sent only to clients that announced consumer_cancel_notify.
func cancelSilent(k *kit) {
	admin := k.channel()
	queue := k.durableQuick(admin)
	w := k.wireOpen(usual)
	w.call(1, basicConsume, uint16(0), short(queue), short("c"), uint8(0), fields(nil))
	w.expect(1, basicConsumeOk)
	_, err := admin.QueueDelete(queue, false, false, false)
	k.must(err, "delete")
	w.call(1, basicQos, uint32(0), uint16(1), uint8(0))
	w.expect(1, basicQosOk)
}

func exclusiveConsumer(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	_, err := ch.Consume(queue, "only", false, true, false, false, nil)
	k.must(err, "consume exclusively")
	text := "ACCESS_REFUSED - queue '" + queue + "' in vhost '/' in exclusive use"
	_, err = k.openPlain(conn).Consume(queue, "", false, false, false, false, nil)
	k.refused(err, amqp.AccessRefused, text)
	_, err = k.openPlain(conn).Consume(queue, "", false, true, false, false, nil)
	k.refused(err, amqp.AccessRefused, text)
	k.must(ch.Cancel("only", false), "cancel")
	other := k.openPlain(conn)
	_, err = other.Consume(queue, "", false, false, false, false, nil)
	k.must(err, "consume once it is free")
	_, err = k.openPlain(conn).Consume(queue, "", false, true, false, false, nil)
	k.refused(err, amqp.AccessRefused, text)
}

// singleActive: one consumer at a time has everything; the next in line takes over when it goes.
func (k *kit) singleActive(declare func(ch *amqp.Channel) string) {
	k.Helper()
	conn := k.dial()
	ch := k.open(conn)
	queue := declare(ch)
	first, second := k.open(conn), k.open(conn)
	k.must(first.Qos(2, 0, false), "qos")
	fromFirst := k.consume(first, queue, nil)
	fromSecond := k.consume(second, queue, nil)
	k.send(ch, "", queue, "a", "b", "c")
	k.equal("the active one", k.receiveBodies(fromFirst, 2), []string{"a", "b"})
	k.equal("waiting, though another consumer is idle", k.ready(ch, queue), 1)
	k.must(first.Close(), "close the active one's channel")
	got := []amqp.Delivery{}
	for range 3 {
		got = append(got, receive(k, fromSecond, "delivery"))
	}
	again := 0
	for _, msg := range got {
		if msg.Redelivered {
			again++
		}
	}
	k.equal("redelivered to the next one", again, 2)
}

// noLocal is accepted and does nothing, as RabbitMQ documents.
func noLocal(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	deliveries, err := ch.Consume(queue, "", true, false, true, false, nil)
	k.must(err, "consume")
	k.send(ch, "", queue, "from the same connection")
	k.equal("bodies", k.receiveBodies(deliveries, 1), []string{"from the same connection"})
}

func consumeMissing(k *kit) {
	missing := k.name("missing")
	_, err := k.plain().Consume(missing, "", false, false, false, false, nil)
	k.refused(err, amqp.NotFound, "NOT_FOUND - no queue '"+missing+"' in vhost '/'")
}

func consumeNoWait(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	deliveries, err := ch.Consume(queue, "tag", true, false, false, true, nil)
	k.must(err, "consume")
	k.send(ch, "", queue, "x")
	k.receiveBodies(deliveries, 1)
	k.must(ch.Cancel("tag", true), "cancel")
	k.send(ch, "", queue, "y")
	k.equal("left", k.drain(ch, queue), []string{"y"})
}

func consumeWrongPriority(k *kit) {
	ch := k.plain()
	queue := k.queue(ch, nil)
	_, err := ch.Consume(queue, "", false, false, false, false, amqp.Table{"x-priority": "high"})
	k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - ")
}

// after fires when the suite has waited long enough.
func (k *kit) after() <-chan time.Time { return time.After(patience) }
