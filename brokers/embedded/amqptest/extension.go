package amqptest

import (
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func extensionChecks() []check {
	return []check{
		{"CC and BCC route", carbonCopies},
		{"CC that is no list", carbonWrong},
		{"user-id", userID},
		{"direct reply-to", directReply},
		{"direct reply-to refuses what cannot work", directReplyWrong},
		{"direct reply-to without a requester", directReplyGone},
	}
}

func carbonCopies(k *kit) {
	ch := k.channel()
	exchange := k.exchange(ch, "direct", nil)
	queues := map[string]string{}
	for _, key := range []string{"to", "cc1", "cc2", "bcc", "other"} {
		queues[key] = k.queue(ch, nil)
		k.bind(ch, queues[key], key, exchange, nil)
	}
	k.bind(ch, queues["cc1"], "to", exchange, nil) // by two keys, still one copy
	k.publish(ch, exchange, "to", amqp.Publishing{
		Headers: amqp.Table{"CC": []any{"cc1", "cc2"}, "BCC": []any{"bcc"}, "kept": "yes"}, Body: []byte("a"),
	})
	for _, key := range []string{"to", "cc1", "cc2", "bcc"} {
		msg := k.get(ch, queues[key], true)
		k.equal(key, []any{msg.RoutingKey, msg.Headers["CC"], msg.Headers["BCC"], msg.Headers["kept"]},
			[]any{"to", []any{"cc1", "cc2"}, nil, "yes"})
		k.equal("more in "+key, k.ready(ch, queues[key]), 0)
	}
	k.equal("other", k.ready(ch, queues["other"]), 0)
	k.publish(ch, "", queues["other"], amqp.Publishing{Headers: amqp.Table{"CC": []any{queues["to"]}}, Body: []byte("b")})
	k.equal("through the default exchange", k.drain(ch, queues["to"]), []string{"b"})
}

func carbonWrong(k *kit) {
	conn := k.dial()
	for header, value := range map[string]any{"CC": "cc", "BCC": int32(1)} {
		ch := k.openPlain(conn)
		k.closes(ch, func() {
			k.must(ch.PublishWithContext(k.Context(), "", "nowhere", false, false, amqp.Publishing{Headers: amqp.Table{header: value}}), "publish")
		}, amqp.PreconditionFailed, "PRECONDITION_FAILED - ")
	}
}

func userID(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	queue := k.queue(ch, nil)
	k.publish(ch, "", queue, amqp.Publishing{UserId: User})
	k.equal("user-id", k.get(ch, queue, true).UserId, User)
	other := k.openPlain(conn)
	k.closes(other, func() {
		k.must(other.PublishWithContext(k.Context(), "", queue, false, false, amqp.Publishing{UserId: "somebody"}), "publish")
	}, amqp.PreconditionFailed, "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was '"+User+"'")
	k.equal("left", k.ready(ch, queue), 0)
}

const replyQueue = "amq.rabbitmq.reply-to"

// directReply asks and answers without any queue: the requester consumes the pseudo queue without acks and sends its
// name as reply-to, which the broker makes a name that only routes back.
func directReply(k *kit) {
	requester, server := k.channel(), k.channel()
	queue := k.durable(server, nil)
	replies, err := requester.Consume(replyQueue, "", true, false, false, false, nil)
	k.must(err, "consume the pseudo queue")
	for i := range 3 {
		id := fmt.Sprint(i)
		k.publish(requester, "", queue, amqp.Publishing{ReplyTo: replyQueue, CorrelationId: id, Body: []byte("question")})
		question := k.get(server, queue, true)
		if !strings.HasPrefix(question.ReplyTo, replyQueue+".") {
			k.Fatalf("reply-to %q, want a name that starts with %s.", question.ReplyTo, replyQueue)
		}
		_, err = server.QueueDeclarePassive(question.ReplyTo, false, false, false, false, nil)
		k.must(err, "passive declare tells that the requester is there")
		k.publish(server, "", question.ReplyTo, amqp.Publishing{CorrelationId: question.CorrelationId, Body: []byte("answer " + id)})
		reply := receive(k, replies, "reply")
		k.equal("reply", []any{string(reply.Body), reply.CorrelationId, reply.Exchange}, []any{"answer " + id, id, ""})
	}
}

func directReplyWrong(k *kit) {
	conn := k.dial()
	_, err := k.openPlain(conn).Consume(replyQueue, "", false, false, false, false, nil)
	k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - reply consumer cannot acknowledge")
	ch := k.openPlain(conn)
	_, err = ch.Consume(replyQueue, "one", true, false, false, false, nil)
	k.must(err, "consume")
	_, err = ch.Consume(replyQueue, "two", true, false, false, false, nil)
	k.refused(err, amqp.PreconditionFailed, "PRECONDITION_FAILED - reply consumer already set")
	ch = k.openPlain(conn)
	k.closes(ch, func() {
		k.must(ch.PublishWithContext(k.Context(), "", "nowhere", false, false, amqp.Publishing{ReplyTo: replyQueue}), "publish")
	}, amqp.PreconditionFailed, "PRECONDITION_FAILED - fast reply consumer does not exist")
}

func directReplyGone(k *kit) {
	conn := k.dial()
	requester, server := k.open(conn), k.channel()
	queue := k.durable(server, nil)
	_, err := requester.Consume(replyQueue, "", true, false, false, false, nil)
	k.must(err, "consume")
	k.publish(requester, "", queue, amqp.Publishing{ReplyTo: replyQueue})
	question := k.get(server, queue, true)
	k.must(requester.Close(), "close the requester's channel")
	returns := server.NotifyReturn(make(chan amqp.Return, 1))
	k.eventually("a return of the answer", func() bool {
		k.must(server.PublishWithContext(k.Context(), "", question.ReplyTo, true, false, text("answer")), "answer")
		k.must(server.Qos(0, 0, false), "a round trip")
		select {
		case r := <-returns:
			return r.ReplyCode == amqp.NoRoute
		default:
			return false
		}
	})
	_, err = k.openPlain(conn).QueueDeclarePassive(question.ReplyTo, false, false, false, false, nil)
	k.refused(err, amqp.NotFound)
}
