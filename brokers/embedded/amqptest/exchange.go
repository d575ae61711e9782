package amqptest

import (
	"slices"
	"sort"

	amqp "github.com/rabbitmq/amqp091-go"
)

func exchangeChecks() []check {
	return []check{
		{"direct", directRouting},
		{"fanout", fanoutRouting},
		{"default exchange", defaultExchange},
		{"predeclared exchanges", predeclared},
		{"reserved names", reservedNames},
		{"passive", exchangePassive},
		{"redeclared with other properties", exchangeInequivalent},
		{"unknown type", unknownType},
		{"auto-delete", exchangeAutoDelete},
		{"internal", exchangeInternal},
		{"alternate exchange", alternateExchange},
		{"alternate exchanges chain and may cycle", alternateChain},
		{"exchange to exchange", exchangeToExchange},
		{"exchange to exchange cycles end", exchangeCycle},
		{"unbind", unbind},
		{"delete", exchangeDelete},
		{"delete of the default and predeclared exchanges", exchangeDeleteReserved},
		{"publish to a missing exchange", publishMissingExchange},
		{"no-wait", exchangeNoWait},
	}
}

// sameSet reports whether a and b hold the same values, however ordered.
func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	sort.Strings(a)
	sort.Strings(b)
	return slices.Equal(a, b)
}

func directRouting(k *kit) {
	ch := k.channel()
	exchange := k.exchange(ch, "direct", nil)
	first, second, both := k.queue(ch, nil), k.queue(ch, nil), k.queue(ch, nil)
	k.bind(ch, first, "a", exchange, nil)
	k.bind(ch, second, "b", exchange, nil)
	k.bind(ch, both, "a", exchange, nil)
	k.bind(ch, both, "b", exchange, nil)
	k.bind(ch, both, "b", exchange, nil) // the same binding twice is one
	k.bind(ch, both, "b", exchange, amqp.Table{"other": "arguments"})
	k.send(ch, exchange, "a", "to a")
	k.send(ch, exchange, "b", "to b")
	k.send(ch, exchange, "A", "keys are case sensitive")
	k.send(ch, exchange, "", "an empty key is a key")
	k.equal("queue of a", k.drain(ch, first), []string{"to a"})
	k.equal("queue of b", k.drain(ch, second), []string{"to b"})
	k.equal("queue of both", k.drain(ch, both), []string{"to a", "to b"})
}

func fanoutRouting(k *kit) {
	ch := k.channel()
	exchange := k.exchange(ch, "fanout", nil)
	first, second := k.queue(ch, nil), k.queue(ch, nil)
	k.bind(ch, first, "", exchange, nil)
	k.bind(ch, second, "ignored", exchange, nil)
	k.bind(ch, second, "other", exchange, nil) // two bindings, still one copy
	k.send(ch, exchange, "any", "x")
	k.equal("first queue", k.drain(ch, first), []string{"x"})
	k.equal("second queue", k.drain(ch, second), []string{"x"})
}

func defaultExchange(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "by name")
	msg := k.get(ch, queue, true)
	k.equal("exchange", msg.Exchange, "")
	k.equal("routing key", msg.RoutingKey, queue)
	for name, do := range map[string]func(ch *amqp.Channel) error{
		"bind to it":             func(ch *amqp.Channel) error { return ch.QueueBind(queue, "key", "", false, nil) },
		"unbind from it":         func(ch *amqp.Channel) error { return ch.QueueUnbind(queue, queue, "", nil) },
		"bind an exchange to it": func(ch *amqp.Channel) error { return ch.ExchangeBind("amq.fanout", "key", "", false, nil) },
		"bind it":                func(ch *amqp.Channel) error { return ch.ExchangeBind("", "key", "amq.fanout", false, nil) },
	} {
		k.Logf("on the default exchange: %s", name)
		k.refused(do(k.openPlain(conn)), amqp.AccessRefused, "ACCESS_REFUSED - operation not permitted on the default exchange")
	}
}

func predeclared(k *kit) {
	ch := k.plain()
	for name, kind := range map[string]string{
		"amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic", "amq.headers": "headers", "amq.match": "headers",
	} {
		k.must(ch.ExchangeDeclarePassive(name, kind, true, false, false, false, nil), name+" passively")
		k.must(ch.ExchangeDeclare(name, kind, true, false, false, false, nil), name+" again, as it is")
	}
	k.must(ch.ExchangeDeclare("amq.rabbitmq.trace", "topic", true, false, true, false, nil), "amq.rabbitmq.trace again, as it is")
}

func reservedNames(k *kit) {
	conn := k.dial()
	err := k.openPlain(conn).ExchangeDeclare("amq.mine", "direct", false, true, false, false, nil)
	k.refused(err, amqp.AccessRefused, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'")
	_, err = k.openPlain(conn).QueueDeclare("amq.mine", false, true, true, false, nil)
	k.refused(err, amqp.AccessRefused, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'")
}

func exchangePassive(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	exchange := k.exchange(ch, "topic", nil)
	k.must(ch.ExchangeDeclarePassive(exchange, "direct", true, true, true, false, nil), "passive declare looks at the name alone")
	missing := k.name("missing")
	k.refused(k.openPlain(conn).ExchangeDeclarePassive(missing, "direct", false, false, false, false, nil),
		amqp.NotFound, "NOT_FOUND - no exchange '"+missing+"' in vhost '/'")
}

func exchangeInequivalent(k *kit) {
	conn := k.dial()
	exchange := k.exchange(k.open(conn), "direct", amqp.Table{"alternate-exchange": "amq.fanout"})
	same := amqp.Table{"alternate-exchange": "amq.fanout"}
	declare := func(kind string, durable, autoDelete, internal bool, args amqp.Table) error {
		return k.openPlain(conn).ExchangeDeclare(exchange, kind, durable, autoDelete, internal, false, args)
	}
	k.must(declare("direct", false, false, false, same), "the same again")
	for arg, err := range map[string]error{
		"type":               declare("topic", false, false, false, same),
		"durable":            declare("direct", true, false, false, same),
		"auto_delete":        declare("direct", false, true, false, same),
		"internal":           declare("direct", false, false, true, same),
		"alternate-exchange": declare("direct", false, false, false, amqp.Table{"alternate-exchange": "amq.topic"}),
	} {
		k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - inequivalent arg '"+arg+"' for exchange '"+exchange+"' in vhost '/'")
	}
}

func unknownType(k *kit) {
	conn := k.dial()
	err := k.openPlain(conn).ExchangeDeclare(k.name("strange"), "strange", false, true, false, false, nil)
	k.refused(err, k.server.Profile().UnknownExchangeType, "unknown exchange type 'strange'")
}

func exchangeAutoDelete(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	exchange, queue := k.name("auto-delete"), k.queue(ch, nil)
	k.must(ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil), "declare")
	k.must(ch.ExchangeDeclarePassive(exchange, "fanout", false, true, false, false, nil), "it lives before its first binding")
	k.bind(ch, queue, "a", exchange, nil)
	k.bind(ch, queue, "b", exchange, nil)
	k.must(ch.QueueUnbind(queue, "a", exchange, nil), "unbind the first")
	k.must(ch.ExchangeDeclarePassive(exchange, "fanout", false, true, false, false, nil), "it lives with one binding left")
	_, err := ch.QueueDelete(queue, false, false, false)
	k.must(err, "delete the bound queue")
	k.refused(k.openPlain(conn).ExchangeDeclarePassive(exchange, "fanout", false, true, false, false, nil), amqp.NotFound)

	target := k.exchange(ch, "fanout", nil)
	k.must(ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil), "declare again")
	k.must(ch.ExchangeBind(target, "", exchange, false, nil), "bind an exchange to it")
	k.must(ch.ExchangeUnbind(target, "", exchange, false, nil), "unbind it")
	k.refused(k.openPlain(conn).ExchangeDeclarePassive(exchange, "fanout", false, true, false, false, nil), amqp.NotFound)
}

func exchangeInternal(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	front, inner, queue := k.exchange(ch, "fanout", nil), k.name("internal"), k.queue(ch, nil)
	k.must(ch.ExchangeDeclare(inner, "fanout", false, false, true, false, nil), "declare an internal exchange")
	k.dropExchange(inner)
	k.must(ch.ExchangeBind(inner, "", front, false, nil), "bind it")
	k.bind(ch, queue, "", inner, nil)
	k.send(ch, front, "", "through the front")
	k.equal("bodies", k.drain(ch, queue), []string{"through the front"})
	other := k.openPlain(conn)
	k.closes(other, func() {
		k.must(other.PublishWithContext(k.Context(), inner, "", false, false, text("x")), "publish")
	}, amqp.AccessRefused, "ACCESS_REFUSED - cannot publish to internal exchange '"+inner+"' in vhost '/'")
}

func alternateExchange(k *kit) {
	ch := k.channel()
	alternate := k.exchange(ch, "fanout", nil)
	exchange := k.exchange(ch, "direct", amqp.Table{"alternate-exchange": alternate})
	routed, rest := k.queue(ch, nil), k.queue(ch, nil)
	k.bind(ch, routed, "known", exchange, nil)
	k.bind(ch, rest, "", alternate, nil)
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	k.send(ch, exchange, "known", "routed")
	k.must(ch.PublishWithContext(k.Context(), exchange, "unknown", true, false, text("rest")), "publish mandatory")
	k.awaitReady(ch, rest, 1)
	msg := k.get(ch, rest, true)
	k.equal("exchange", msg.Exchange, exchange)
	k.equal("key", msg.RoutingKey, "unknown")
	k.equal("routed", k.drain(ch, routed), []string{"routed"})
	select {
	case r := <-returns:
		k.Errorf("a message that the alternate exchange routed was returned: %d %s", r.ReplyCode, r.ReplyText)
	default:
	}
}

func alternateChain(k *kit) {
	ch := k.channel()
	first, second, third := k.name("direct"), k.name("direct"), k.name("direct")
	for name, alternate := range map[string]string{first: second, second: third, third: first} {
		k.must(ch.ExchangeDeclare(name, "direct", false, false, false, false, amqp.Table{"alternate-exchange": alternate}), "declare")
		k.dropExchange(name)
	}
	queue := k.queue(ch, nil)
	k.bind(ch, queue, "a", third, nil)
	k.send(ch, first, "a", "two steps on")
	k.send(ch, first, "b", "round and round")
	k.equal("bodies", k.drain(ch, queue), []string{"two steps on"})
	missing := k.exchange(ch, "direct", amqp.Table{"alternate-exchange": k.name("missing")})
	k.send(ch, missing, "a", "a missing alternate drops")
}

func exchangeToExchange(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	source, target := k.exchange(ch, "topic", nil), k.exchange(ch, "direct", nil)
	queue := k.queue(ch, nil)
	k.must(ch.ExchangeBind(target, "orders.*", source, false, nil), "bind exchanges")
	k.bind(ch, queue, "orders.eu", target, nil)
	k.bind(ch, queue, "orders.eu", source, nil) // by two ways, still one copy
	k.send(ch, source, "orders.eu", "eu")
	k.send(ch, source, "orders.us", "us")
	k.equal("bodies", k.drain(ch, queue), []string{"eu"})
	k.must(ch.QueueUnbind(queue, "orders.eu", source, nil), "unbind the short way")
	k.send(ch, source, "orders.eu", "the long way")
	k.equal("bodies", k.drain(ch, queue), []string{"the long way"})
	k.must(ch.ExchangeUnbind(target, "orders.*", source, false, nil), "unbind exchanges")
	k.send(ch, source, "orders.eu", "nowhere")
	k.equal("bodies", k.drain(ch, queue), []string{})
	missing := k.name("missing")
	k.refused(k.openPlain(conn).ExchangeBind(missing, "", source, false, nil), amqp.NotFound, "no exchange '"+missing+"'")
	k.refused(k.openPlain(conn).ExchangeBind(target, "", missing, false, nil), amqp.NotFound, "no exchange '"+missing+"'")
}

func exchangeCycle(k *kit) {
	ch := k.channel()
	first, second := k.exchange(ch, "fanout", nil), k.exchange(ch, "fanout", nil)
	queue := k.queue(ch, nil)
	k.must(ch.ExchangeBind(second, "", first, false, nil), "bind there")
	k.must(ch.ExchangeBind(first, "", second, false, nil), "bind back")
	k.bind(ch, queue, "", second, nil)
	k.send(ch, first, "", "once")
	k.equal("bodies", k.drain(ch, queue), []string{"once"})
}

func unbind(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	exchange, queue := k.exchange(ch, "direct", nil), k.queue(ch, nil)
	k.bind(ch, queue, "a", exchange, nil)
	k.bind(ch, queue, "a", exchange, amqp.Table{"n": int32(1)})
	k.must(ch.QueueUnbind(queue, "a", exchange, nil), "unbind")
	k.send(ch, exchange, "a", "the binding with arguments is another")
	k.equal("bodies", len(k.drain(ch, queue)), 1)
	k.must(ch.QueueUnbind(queue, "a", exchange, amqp.Table{"n": int32(1)}), "unbind the other")
	k.send(ch, exchange, "a", "nowhere")
	k.equal("bodies", len(k.drain(ch, queue)), 0)
	k.must(ch.QueueUnbind(queue, "a", exchange, nil), "unbind what is not bound")
	missing := k.name("missing")
	k.refused(k.openPlain(conn).QueueBind(missing, "a", exchange, false, nil), amqp.NotFound, "NOT_FOUND - no queue '"+missing+"'")
	k.refused(k.openPlain(conn).QueueBind(queue, "a", missing, false, nil), amqp.NotFound, "NOT_FOUND - no exchange '"+missing+"'")
}

func exchangeDelete(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	exchange, queue := k.name("direct"), k.queue(ch, nil)
	k.must(ch.ExchangeDeclare(exchange, "direct", false, false, false, false, nil), "declare")
	k.bind(ch, queue, "a", exchange, nil)
	k.refused(k.openPlain(conn).ExchangeDelete(exchange, true, false), amqp.PreconditionFailed,
		"PRECONDITION_FAILED - exchange '"+exchange+"' in vhost '/' in use")
	k.must(ch.ExchangeDelete(exchange, false, false), "delete in use")
	k.must(ch.ExchangeDelete(exchange, false, false), "delete again: it is gone, and that is fine")
	k.must(ch.ExchangeDeclare(exchange, "direct", false, false, false, false, nil), "declare again")
	k.send(ch, exchange, "a", "its bindings died with it")
	k.equal("bodies", k.drain(ch, queue), []string{})
	k.must(ch.ExchangeDelete(exchange, true, false), "delete unused")
}

func exchangeDeleteReserved(k *kit) {
	conn := k.dial()
	k.refused(k.openPlain(conn).ExchangeDelete("", false, false), amqp.AccessRefused, "default exchange")
	k.refused(k.openPlain(conn).ExchangeDelete("amq.direct", false, false), amqp.AccessRefused,
		"ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed")
}

func publishMissingExchange(k *kit) {
	ch, missing := k.plain(), k.name("missing")
	k.closes(ch, func() {
		k.must(ch.PublishWithContext(k.Context(), missing, "", false, false, text("x")), "publish")
	}, amqp.NotFound, "NOT_FOUND - no exchange '"+missing+"' in vhost '/'")
}

func exchangeNoWait(k *kit) {
	ch := k.channel()
	exchange, queue := k.name("fanout"), k.name("queue")
	k.must(ch.ExchangeDeclare(exchange, "fanout", false, false, false, true, nil), "declare an exchange")
	k.dropExchange(exchange)
	_, err := ch.QueueDeclare(queue, false, false, true, true, nil)
	k.must(err, "declare a queue")
	k.must(ch.QueueBind(queue, "", exchange, true, nil), "bind")
	k.send(ch, exchange, "", "x")
	k.equal("bodies", k.drain(ch, queue), []string{"x"})
	_, err = ch.QueueDelete(queue, false, false, true)
	k.must(err, "delete the queue")
	_, err = ch.QueueDeclarePassive(queue, false, false, true, false, nil)
	k.refused(err, amqp.NotFound)
}
