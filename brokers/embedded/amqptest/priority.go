package amqptest

import amqp "github.com/rabbitmq/amqp091-go"

func priorityChecks() []check {
	return []check{
		{"higher first, equal in order", priorityOrder},
		{"above the maximum is the maximum", priorityCapped},
		{"without x-max-priority", priorityIgnored},
		{"a requeued message keeps its place", priorityRequeue},
		{"consumer priority", consumerPriority},
	}
}

func (k *kit) sendPriority(ch *amqp.Channel, queue, body string, priority uint8) {
	k.Helper()
	if !k.publish(ch, "", queue, amqp.Publishing{Priority: priority, Body: []byte(body)}) {
		k.Fatalf("the broker refused %q", body)
	}
}

func priorityOrder(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-max-priority": int32(5)})
	for _, m := range []struct {
		body     string
		priority uint8
	}{{"low", 1}, {"none", 0}, {"high", 5}, {"low again", 1}, {"middle", 3}, {"high again", 5}} {
		k.sendPriority(ch, queue, m.body, m.priority)
	}
	want := []string{"high", "high again", "middle", "low", "low again", "none"}
	k.equal("order", k.receiveBodies(k.consume(ch, queue, nil), len(want)), want)
}

func priorityCapped(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-max-priority": int32(2)})
	k.sendPriority(ch, queue, "two", 2)
	k.sendPriority(ch, queue, "nine", 9)
	msg := k.get(ch, queue, true)
	k.equal("first", string(msg.Body), "two")
	msg = k.get(ch, queue, true)
	k.equal("second, with the priority as it was sent", []any{string(msg.Body), msg.Priority}, []any{"nine", uint8(9)})
}

func priorityIgnored(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.sendPriority(ch, queue, "low", 1)
	k.sendPriority(ch, queue, "high", 9)
	k.equal("order", k.drain(ch, queue), []string{"low", "high"})
}

func priorityRequeue(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, amqp.Table{"x-max-priority": int32(3)})
	for _, body := range []string{"a", "b"} {
		k.sendPriority(ch, queue, body, 2)
	}
	k.sendPriority(ch, queue, "low", 1)
	held := k.get(ch, queue, false)
	k.equal("held", string(held.Body), "a")
	k.sendPriority(ch, queue, "high", 3)
	k.must(held.Nack(false, true), "requeue")
	k.awaitReady(ch, queue, 4)
	k.equal("order", k.drain(ch, queue), []string{"high", "a", "b", "low"})
}

// consumerPriority: the consumer with the higher x-priority has everything until its prefetch is full.
func consumerPriority(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	low, high := k.open(conn), k.open(conn)
	k.must(high.Qos(2, 0, false), "qos")
	fromLow := k.consume(low, queue, nil)
	fromHigh := k.consume(high, queue, amqp.Table{"x-priority": int32(10)})
	k.send(ch, "", queue, "a", "b", "c")
	k.equal("to the higher one", k.receiveBodies(fromHigh, 2), []string{"a", "b"})
	k.equal("what is left", k.receiveBodies(fromLow, 1), []string{"c"})
}
