package amqptest

import (
	"bytes"
	"crypto/rand"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

func publishChecks() []check {
	return []check{
		{"mandatory and unroutable", mandatory},
		{"mandatory and routable", mandatoryRouted},
		{"a return comes before its confirm", returnBeforeConfirm},
		{"unroutable without mandatory is acked", unroutableAcked},
		{"confirms cover every message once", confirmsComplete},
		{"confirm.select twice, and with no-wait", confirmTwice},
		{"immediate is not implemented", immediate},
		{"empty bodies", emptyBodies},
		{"bodies around the frame size", bodySizes},
		{"a body of 10 MB", hugeBody},
		{"one message to many queues", fanoutBodies},
		{"a queue deleted with messages in flight still confirms", confirmDeleted},
		{"a consumer's auto-ack still confirms", confirmDelivered},
	}
}

func mandatory(k *kit) {
	ch := k.channel()
	exchange := k.exchange(ch, "direct", nil)
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	for where, name := range map[string]string{"a direct exchange": exchange, "the default exchange": ""} {
		k.Logf("through %s", where)
		msg := amqp.Publishing{Headers: amqp.Table{"h": "v"}, MessageId: "m", ContentType: "text/plain", Priority: 3, Body: []byte("body")}
		k.must(ch.PublishWithContext(k.Context(), name, "nowhere", true, false, msg), "publish")
		r := receive(k, returns, "return")
		k.equal("return", []any{r.ReplyCode, r.ReplyText, r.Exchange, r.RoutingKey, string(r.Body)},
			[]any{uint16(amqp.NoRoute), "NO_ROUTE", name, "nowhere", "body"})
		k.equal("properties", []any{r.MessageId, r.ContentType, r.Priority, r.Headers["h"]}, []any{"m", "text/plain", uint8(3), "v"})
	}
}

func mandatoryRouted(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	k.must(ch.PublishWithContext(k.Context(), "", queue, true, false, text("routed")), "publish")
	k.must(ch.PublishWithContext(k.Context(), "", "nowhere", true, false, text("returned")), "publish")
	k.equal("the only return", string(receive(k, returns, "return").Body), "returned")
	k.equal("bodies", k.drain(ch, queue), []string{"routed"})
}

// returnBeforeConfirm reads single frames: the order of basic.return and basic.ack is the contract.
func returnBeforeConfirm(k *kit) {
	w := k.wireOpen(usual)
	w.call(1, confirmSelect, uint8(0))
	w.expect(1, confirmSelectOk)
	w.call(1, basicPublish, uint16(0), short(""), short(k.name("nowhere")), uint8(0b01))
	w.header(1, 1, encode(uint16(0)))
	w.frame(frameBody, 1, []byte("x"))
	a := w.expect(1, basicReturn).arguments()
	k.equal("reply code", a.short(), uint16(amqp.NoRoute))
	w.content(1)
	a = w.expect(1, basicAck).arguments()
	k.equal("delivery tag", a.longLong(), uint64(1))
}

func unroutableAcked(k *kit) {
	ch := k.channel()
	k.send(ch, "", k.name("nowhere"), "dropped")
	k.send(ch, k.exchange(ch, "fanout", nil), "", "dropped too")
}

// confirmsComplete publishes many messages, some persistent, to several kinds of target and expects every sequence
// number once, an ack of several counted as all up to it.
func confirmsComplete(k *kit) {
	w := k.wireOpen(usual)
	ch := k.channel()
	targets := []string{k.durable(ch, nil), k.quorum(ch, nil), k.name("nowhere")}
	w.call(1, confirmSelect, uint8(0))
	w.expect(1, confirmSelectOk)
	const n = 300
	persistent := encode(uint16(1<<12), uint8(2))
	for i := range n {
		w.publish(1, "", targets[i%len(targets)], persistent, []byte("x"))
	}
	seen := map[uint64]bool{}
	for len(seen) < n {
		a := w.expect(1, basicAck).arguments()
		tag, multiple := a.longLong(), a.octet()
		if tag == 0 || tag > n || seen[tag] {
			k.Fatalf("ack of %d (multiple %d) after %d of %d", tag, multiple, len(seen), n)
		}
		seen[tag] = true
		for t := tag - 1; multiple == 1 && t > 0; t-- {
			seen[t] = true
		}
	}
	for _, target := range targets[:2] {
		k.equal("messages in "+target, k.ready(ch, target), n/len(targets))
	}
}

// confirmTwice: selecting again changes nothing, and with no-wait it has no answer.
func confirmTwice(k *kit) {
	w := k.wireOpen(usual)
	for tag := range uint64(2) {
		w.call(1, confirmSelect, uint8(0))
		w.expect(1, confirmSelectOk)
		w.call(1, confirmSelect, uint8(1))
		w.publish(1, "", k.name("nowhere"), encode(uint16(0)), []byte("x"))
		k.equal("sequence number", w.expect(1, basicAck).arguments().longLong(), tag+1)
	}
}

func immediate(k *kit) {
	conn := k.dial()
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	k.must(k.openPlain(conn).PublishWithContext(k.Context(), "", "nowhere", false, true, text("x")), "publish")
	k.refused(receive(k, closed, "connection close"), amqp.NotImplemented, "NOT_IMPLEMENTED - immediate=true")
}

func emptyBodies(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	k.publish(ch, "", queue, amqp.Publishing{})
	k.publish(ch, "", queue, amqp.Publishing{MessageId: "m"})
	k.equal("first", len(k.get(ch, queue, true).Body), 0)
	msg := receive(k, k.consume(ch, queue, nil), "delivery")
	k.equal("second", []any{msg.MessageId, len(msg.Body)}, []any{"m", 0})
}

func bodySizes(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	deliveries := k.consume(ch, queue, nil)
	const frame = 131072 - 8
	for _, size := range []int{1, 4087, 4088, 4089, frame - 1, frame, frame + 1, 2*frame - 1, 2 * frame, 2*frame + 1} {
		body := make([]byte, size)
		_, err := rand.Read(body)
		k.must(err, "random bytes")
		k.must(ch.PublishWithContext(k.Context(), "", queue, false, false, amqp.Publishing{Body: body}), "publish")
		if got := receive(k, deliveries, "delivery").Body; !bytes.Equal(got, body) {
			k.Errorf("a body of %d bytes came back as %d others", size, len(got))
		}
	}
}

func hugeBody(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	body := bytes.Repeat([]byte("0123456789"), 1<<20)
	if !k.publish(ch, "", queue, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}) {
		k.Fatal("not acked")
	}
	msg := k.get(ch, queue, false)
	if !bytes.Equal(msg.Body, body) {
		k.Errorf("a body of %d bytes came back as %d others", len(body), len(msg.Body))
	}
	k.must(msg.Nack(false, true), "requeue")
	msg = receive(k, k.consume(ch, queue, nil), "delivery")
	if !bytes.Equal(msg.Body, body) {
		k.Errorf("redelivered, a body of %d bytes came back as %d others", len(body), len(msg.Body))
	}
}

// fanoutBodies: what one queue's consumer does with its copy is nothing to the others.
func fanoutBodies(k *kit) {
	ch := k.channel()
	exchange := k.exchange(ch, "fanout", nil)
	queues := make([]string, 20)
	for i := range queues {
		queues[i] = k.queue(ch, nil)
		k.bind(ch, queues[i], "", exchange, nil)
	}
	k.send(ch, exchange, "", "a", "b")
	k.must(k.get(ch, queues[0], false).Nack(false, true), "requeue in the first queue")
	k.must(k.get(ch, queues[1], false).Reject(false), "reject in the second")
	k.awaitReady(ch, queues[0], 2)
	for i, queue := range queues {
		want := []string{"a", "b"}
		if i == 1 {
			want = want[1:]
		}
		for _, body := range want {
			msg := k.get(ch, queue, true)
			k.equal(fmt.Sprintf("queue %d", i), []any{string(msg.Body), msg.Redelivered}, []any{body, i == 0 && body == "a"})
		}
	}
}

func confirmDeleted(k *kit) {
	conn := k.dial()
	ch, admin := k.open(conn), k.open(conn)
	queue := k.name("queue")
	_, err := admin.QueueDeclare(queue, true, false, false, false, nil)
	k.must(err, "declare")
	confirms := make([]*amqp.DeferredConfirmation, 200)
	for i := range confirms {
		confirms[i], err = ch.PublishWithDeferredConfirmWithContext(k.Context(), "", queue, false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")})
		k.must(err, "publish")
		if i == 100 {
			_, err = admin.QueueDelete(queue, false, false, false)
			k.must(err, "delete")
		}
	}
	for i, confirm := range confirms {
		select {
		case <-confirm.Done():
		case <-k.after():
			k.Fatalf("no confirm for message %d", i)
		}
	}
}

func confirmDelivered(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	k.must(err, "consume")
	for range 20 {
		if !k.publish(ch, "", queue, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")}) {
			k.Fatal("not acked")
		}
	}
	k.receiveBodies(deliveries, 20)
}
