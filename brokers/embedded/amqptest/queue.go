package amqptest

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func queueChecks() []check {
	return []check{
		{"server-named", serverNamed},
		{"empty name means the last declared", lastDeclared},
		{"declare tells counts", declareCounts},
		{"passive", queuePassive},
		{"redeclared with other properties", queueInequivalent},
		{"wrong arguments", queueWrongArguments},
		{"exclusive", exclusive},
		{"auto-delete", queueAutoDelete},
		{"delete", queueDelete},
		{"purge", purge},
		{"deleted queue loses its bindings", deleteUnbinds},
		{"long names", longNames},
		{"order", queueOrder},
		{"queue types", queueTypes},
	}
}

func serverNamed(k *kit) {
	ch := k.channel()
	first, second := k.queue(ch, nil), k.queue(ch, nil)
	if !strings.HasPrefix(first, "amq.gen-") || !strings.HasPrefix(second, "amq.gen-") || first == second {
		k.Errorf("got names %q and %q, want two that start with amq.gen-", first, second)
	}
}

func lastDeclared(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	k.must(ch.QueueBind("", "", "amq.fanout", false, amqp.Table{"only": "here"}), "bind")
	k.must(ch.QueueUnbind("", "", "amq.fanout", amqp.Table{"only": "here"}), "unbind")
	k.send(ch, "", queue, "x")
	msg, ok, err := ch.Get("", true)
	k.must(err, "get")
	k.equal("got it", []any{ok, string(msg.Body)}, []any{true, "x"})
	fresh := k.openPlain(conn)
	_, _, err = fresh.Get("", true)
	k.refused(err, amqp.NotFound, "NOT_FOUND - no previously declared queue")
}

func declareCounts(k *kit) {
	ch := k.channel()
	queue := k.name("queue")
	_, err := ch.QueueDeclare(queue, false, false, true, false, nil)
	k.must(err, "declare")
	k.send(ch, "", queue, "a", "b", "c")
	q, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil)
	k.must(err, "passive declare")
	k.equal("before", q, amqp.Queue{Name: queue, Messages: 3})
	k.must(ch.Qos(2, 0, false), "qos")
	k.receiveBodies(k.consume(ch, queue, nil), 2)
	q, err = ch.QueueDeclare(queue, false, false, true, false, nil)
	k.must(err, "declare")
	k.equal("two of three at the consumer", q, amqp.Queue{Name: queue, Messages: 1, Consumers: 1})
}

func queuePassive(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, amqp.Table{"x-max-length": int32(10)})
	_, err := ch.QueueDeclarePassive(queue, true, true, false, false, amqp.Table{"x-max-length": int32(3)})
	k.must(err, "passive declare looks at the name alone")
	_, err = ch.QueueDeclarePassive(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	k.must(err, "not even at the type")
	missing := k.name("missing")
	_, err = k.openPlain(conn).QueueDeclarePassive(missing, false, false, false, false, nil)
	k.refused(err, amqp.NotFound, "NOT_FOUND - no queue '"+missing+"' in vhost '/'")
}

func queueInequivalent(k *kit) {
	conn := k.dial()
	args := func(more amqp.Table) amqp.Table {
		table := amqp.Table{"x-message-ttl": int32(60000), "x-max-length": int32(5), "x-dead-letter-exchange": ""}
		for key, value := range more {
			table[key] = value
		}
		return table
	}
	name := k.name("queue")
	declare := func(durable, autoDelete, exclusive bool, args amqp.Table) error {
		_, err := k.openPlain(conn).QueueDeclare(name, durable, autoDelete, exclusive, false, args)
		return err
	}
	k.must(declare(true, false, false, args(nil)), "declare")
	k.dropQueue(name)
	k.must(declare(true, false, false, args(nil)), "the same again")
	k.must(declare(true, false, false, args(amqp.Table{"x-message-ttl": int64(60000)})), "the same number in another width")
	k.must(declare(true, false, false, args(amqp.Table{"x-foreign": "ignored"})), "an argument that means nothing to the broker")
	for arg, err := range map[string]error{
		"durable":                   declare(false, false, false, args(nil)),
		"auto_delete":               declare(true, true, false, args(nil)),
		"x-message-ttl":             declare(true, false, false, args(amqp.Table{"x-message-ttl": int32(1)})),
		"x-max-length":              declare(true, false, false, args(amqp.Table{"x-max-length": int32(6)})),
		"x-dead-letter-exchange":    declare(true, false, false, args(amqp.Table{"x-dead-letter-exchange": "amq.fanout"})),
		"x-dead-letter-routing-key": declare(true, false, false, args(amqp.Table{"x-dead-letter-routing-key": "k"})),
		"x-max-length-bytes":        declare(true, false, false, args(amqp.Table{"x-max-length-bytes": int32(6)})),
		"x-max-priority":            declare(true, false, false, args(amqp.Table{"x-max-priority": int32(6)})),
		"x-expires":                 declare(true, false, false, args(amqp.Table{"x-expires": int32(60000)})),
		"x-queue-type":              declare(true, false, false, args(amqp.Table{"x-queue-type": "quorum", "x-message-ttl": int32(60000)})),
	} {
		k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - inequivalent arg '"+arg+"' for queue '"+name+"' in vhost '/'")
	}
	k.refused(declare(true, false, true, args(nil)), amqp.ResourceLocked)
}

func queueWrongArguments(k *kit) {
	conn := k.dial()
	for _, args := range []amqp.Table{
		{"x-message-ttl": int32(-1)},
		{"x-message-ttl": "100"},
		{"x-expires": int32(0)},
		{"x-expires": "soon"},
		{"x-max-length": int32(-1)},
		{"x-max-length-bytes": "many"},
		{"x-max-priority": int32(256)},
		{"x-max-priority": int32(-1)},
		{"x-max-priority": "high"},
		{"x-overflow": "explode"},
		{"x-dead-letter-exchange": int32(1)},
		{"x-dead-letter-routing-key": "k"}, // without an exchange
		{"x-single-active-consumer": "yes"},
		{"x-queue-mode": "hasty"},
	} {
		_, err := k.openPlain(conn).QueueDeclare("", false, false, true, false, args)
		if err == nil {
			k.Errorf("%v: accepted, want 406", args)
			continue
		}
		k.Logf("%v: %v", args, err)
		k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - ")
	}
}

func exclusive(k *kit) {
	owner, stranger := k.dial(), k.dial()
	ch := k.open(owner)
	queue := k.name("exclusive")
	_, err := ch.QueueDeclare(queue, false, false, true, false, nil)
	k.must(err, "declare")
	_, err = k.openPlain(owner).QueueDeclarePassive(queue, false, false, false, false, nil)
	k.must(err, "another channel of the same connection")
	locked := "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + queue + "' in vhost '/'"
	for name, do := range map[string]func(ch *amqp.Channel) error{
		"passive declare": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil)
			return err
		},
		"declare": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(queue, false, false, true, false, nil)
			return err
		},
		"consume": func(ch *amqp.Channel) error {
			_, err := ch.Consume(queue, "", false, false, false, false, nil)
			return err
		},
		"get":    func(ch *amqp.Channel) error { _, _, err := ch.Get(queue, true); return err },
		"bind":   func(ch *amqp.Channel) error { return ch.QueueBind(queue, "", "amq.fanout", false, nil) },
		"purge":  func(ch *amqp.Channel) error { _, err := ch.QueuePurge(queue, false); return err },
		"delete": func(ch *amqp.Channel) error { _, err := ch.QueueDelete(queue, false, false, false); return err },
	} {
		k.Logf("a stranger's %s", name)
		k.refused(do(k.openPlain(stranger)), amqp.ResourceLocked, locked)
	}
	k.send(k.open(stranger), "", queue, "publishing to it is no access to it")
	k.equal("bodies", len(k.drain(ch, queue)), 1)
	k.must(owner.Close(), "close the owner")
	k.eventually("the queue's end with its owner", func() bool {
		_, err := k.openPlain(stranger).QueueDeclarePassive(queue, false, false, false, false, nil)
		return err != nil && strings.Contains(err.Error(), "NOT_FOUND")
	})
}

func queueAutoDelete(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.name("auto-delete")
	_, err := ch.QueueDeclare(queue, false, true, false, false, nil)
	k.must(err, "declare")
	k.ready(ch, queue) // it lives before its first consumer
	for _, tag := range []string{"one", "two"} {
		_, err = ch.Consume(queue, tag, true, false, false, false, nil)
		k.must(err, "consume")
	}
	k.must(ch.Cancel("one", false), "cancel one of two")
	k.ready(ch, queue)
	k.must(ch.Cancel("two", false), "cancel the last")
	k.eventually("the queue's end", func() bool {
		_, err := k.openPlain(conn).QueueDeclarePassive(queue, false, false, false, false, nil)
		return err != nil && strings.Contains(err.Error(), "NOT_FOUND")
	})
}

func queueDelete(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.name("queue")
	_, err := ch.QueueDeclare(queue, false, false, false, false, nil)
	k.must(err, "declare")
	k.send(ch, "", queue, "a", "b")
	_, err = k.openPlain(conn).QueueDelete(queue, false, true, false)
	k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - queue '"+queue+"' in vhost '/' not empty")
	consumer := k.open(conn)
	k.receiveBodies(k.consume(consumer, queue, nil), 2)
	_, err = k.openPlain(conn).QueueDelete(queue, true, false, false)
	k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - queue '"+queue+"' in vhost '/' in use")
	k.must(consumer.Close(), "close the consumer's channel")
	k.awaitReady(ch, queue, 2)
	n, err := ch.QueueDelete(queue, true, false, false)
	k.must(err, "delete")
	k.equal("messages deleted", n, 2)
	n, err = ch.QueueDelete(queue, false, false, false)
	k.must(err, "delete what is gone")
	k.equal("messages deleted", n, 0)
}

func purge(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b", "c")
	taken := k.get(ch, queue, false)
	n, err := ch.QueuePurge(queue, false)
	k.must(err, "purge")
	k.equal("messages purged: those that are ready", n, 2)
	k.must(taken.Nack(false, true), "requeue")
	k.equal("bodies", k.drain(ch, queue), []string{"a"})
	_, err = k.openPlain(conn).QueuePurge(k.name("missing"), false)
	k.refused(err, amqp.NotFound, "NOT_FOUND - no queue")
}

func deleteUnbinds(k *kit) {
	ch := k.channel()
	exchange, queue := k.exchange(ch, "fanout", nil), k.name("queue")
	for range 2 {
		_, err := ch.QueueDeclare(queue, false, false, true, false, nil)
		k.must(err, "declare")
		k.send(ch, exchange, "", "not bound yet")
		k.equal("bodies", k.drain(ch, queue), []string{})
		k.bind(ch, queue, "", exchange, nil)
		_, err = ch.QueueDelete(queue, false, false, false)
		k.must(err, "delete")
	}
}

func longNames(k *kit) {
	ch := k.channel()
	name := k.name("é世")
	name += strings.Repeat("x", 255-len(name))
	_, err := ch.QueueDeclare(name, false, false, true, false, nil)
	k.must(err, "declare a name of 255 bytes")
	k.send(ch, "", name, "x")
	k.equal("key", k.get(ch, name, true).RoutingKey, name)
}

func queueOrder(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	const n = 2000
	confirms := make([]*amqp.DeferredConfirmation, n)
	for i := range confirms {
		var err error
		confirms[i], err = ch.PublishWithDeferredConfirmWithContext(k.Context(), "", queue, false, false,
			amqp.Publishing{Body: []byte{byte(i >> 8), byte(i)}})
		k.must(err, "publish")
	}
	deliveries := k.consume(ch, queue, nil)
	for i := range n {
		msg := receive(k, deliveries, "delivery")
		if got := int(msg.Body[0])<<8 | int(msg.Body[1]); got != i || msg.DeliveryTag != uint64(i+1) || msg.Redelivered {
			k.Fatalf("delivery %d: got message %d, tag %d, redelivered %t", i, got, msg.DeliveryTag, msg.Redelivered)
		}
	}
	for i, confirm := range confirms {
		if acked, err := confirm.WaitContext(k.Context()); err != nil || !acked {
			k.Fatalf("confirm %d: acked %t, %v", i, acked, err)
		}
	}
}

func queueTypes(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	k.queue(ch, amqp.Table{"x-queue-type": "classic"})
	k.durable(ch, amqp.Table{"x-queue-type": "quorum"})
	for name, declare := range map[string]func(ch *amqp.Channel) error{
		"not durable": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(k.name("quorum"), false, false, false, false, amqp.Table{"x-queue-type": "quorum"})
			return err
		},
		"exclusive": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(k.name("quorum"), true, false, true, false, amqp.Table{"x-queue-type": "quorum"})
			return err
		},
	} {
		k.Logf("a quorum queue that is %s", name)
		k.refused(declare(k.openPlain(conn)), amqp.PreconditionFailed, "PRECONDITION_FAILED - invalid property")
	}
}
