package amqptest

import amqp "github.com/rabbitmq/amqp091-go"

func channelChecks() []check {
	return []check{
		{"a closed number can be opened again", channelReuse},
		{"after an error the channel is deaf until close-ok", channelDeaf},
		{"an error leaves the other channels alone", channelIsolation},
		{"flow", channelFlowing},
		{"many channels", manyChannels},
		{"unacknowledged messages return when the channel closes", channelCloseRequeues},
	}
}

func channelReuse(k *kit) {
	w := k.wireOpen(usual)
	for range 3 {
		w.call(1, channelClose, uint16(200), short("done"), uint16(0), uint16(0))
		w.expect(1, channelCloseOk)
		w.openChannel(1)
	}
}

// channelDeaf sends methods after the broker's channel.close: they must be ignored, and the number works again
// after the close-ok.
func channelDeaf(k *kit) {
	w := k.wireOpen(usual)
	queue := k.name("never")
	w.call(1, basicGet, uint16(0), short(k.name("missing")), uint8(1))
	w.call(1, queueDeclare, uint16(0), short(queue), uint8(0b100), fields(nil))
	w.closing(1, channelClose, amqp.NotFound, "NOT_FOUND - no queue")
	w.call(1, queueDeclare, uint16(0), short(queue), uint8(0b100), fields(nil))
	w.call(1, channelCloseOk)
	w.openChannel(1)
	w.call(1, queueDeclare, uint16(0), short(queue), uint8(0b001), fields(nil))
	w.channelRefusal(1, amqp.NotFound, "NOT_FOUND - no queue '"+queue+"' in vhost '/'")
}

func channelIsolation(k *kit) {
	conn := k.dial()
	broken, well := k.open(conn), k.open(conn)
	_, _, err := broken.Get(k.name("missing"), true)
	k.refused(err, amqp.NotFound)
	queue := k.queue(well, nil)
	k.send(well, "", queue, "still here")
	k.equal("bodies", k.drain(well, queue), []string{"still here"})
}

func channelFlowing(k *kit) {
	w := k.wireOpen(usual)
	w.call(1, channelFlow, uint8(1))
	k.equal("active", w.expect(1, channelFlowOk).arguments().octet(), uint8(1))
	// RabbitMQ lets no client stop its deliveries: prefetch does that.
	w.call(1, channelFlow, uint8(0))
	w.refusal(amqp.NotImplemented, "NOT_IMPLEMENTED - active=false")
}

func manyChannels(k *kit) {
	conn := k.dial()
	first := k.open(conn)
	queue := k.queue(first, nil)
	for range 200 {
		ch := k.openPlain(conn)
		k.must(ch.PublishWithContext(k.Context(), "", queue, false, false, text("x")), "publish")
		k.must(ch.Close(), "close the channel")
	}
	k.awaitReady(first, queue, 200)
}

func channelCloseRequeues(k *kit) {
	conn := k.dial()
	ch, other := k.open(conn), k.open(conn)
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b", "c")
	deliveries := k.consume(other, queue, nil)
	k.equal("first delivery", k.receiveBodies(deliveries, 3), []string{"a", "b", "c"})
	k.must(other.Close(), "close the channel")
	k.awaitReady(ch, queue, 3)
	for _, want := range []string{"a", "b", "c"} {
		msg := k.get(ch, queue, true)
		k.equal("body", string(msg.Body), want)
		k.equal("redelivered", msg.Redelivered, true)
	}
}
