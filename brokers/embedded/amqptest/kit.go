package amqptest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// patience bounds every wait of the suite. It is generous because machines are shared; a wait ends with its event.
const patience = 30 * time.Second

// kit is what one check works with: connections and names of its own, all gone when the check ends.
type kit struct {
	*testing.T
	server Server
}

// must ends the check when err is set.
func (k *kit) must(err error, doing string) {
	k.Helper()
	if err != nil {
		k.Fatalf("%s: %v", doing, err)
	}
}

// name is a name that no other check uses.
func (k *kit) name(what string) string {
	return "amqptest-" + what + "-" + strings.ToLower(rand.Text()[:10])
}

// dial opens a connection to the virtual host "/".
func (k *kit) dial() *amqp.Connection { return k.dialAs(User, Password, "/") }

// dialAs opens a connection, and closes it when the check ends.
func (k *kit) dialAs(user, password, vhost string) *amqp.Connection {
	k.Helper()
	where := url.URL{Scheme: "amqp", User: url.UserPassword(user, password), Host: k.server.Addr()}
	conn, err := amqp.DialConfig(where.String(), amqp.Config{Vhost: vhost})
	k.must(err, "connect")
	k.Cleanup(func() {
		// The broker may have closed it, or been restarted: only the socket matters here.
		_ = conn.CloseDeadline(time.Now().Add(patience))
	})
	return conn
}

// open opens a channel in confirm mode on conn.
func (k *kit) open(conn *amqp.Connection) *amqp.Channel {
	k.Helper()
	ch := k.openPlain(conn)
	k.must(ch.Confirm(false), "confirm.select")
	return ch
}

// openPlain opens a channel without confirms on conn.
func (k *kit) openPlain(conn *amqp.Connection) *amqp.Channel {
	k.Helper()
	ch, err := conn.Channel()
	k.must(err, "open a channel")
	return ch
}

// channel opens a connection and on it a channel in confirm mode.
func (k *kit) channel() *amqp.Channel {
	k.Helper()
	return k.open(k.dial())
}

// plain opens a connection and on it a channel without confirms.
func (k *kit) plain() *amqp.Channel {
	k.Helper()
	return k.openPlain(k.dial())
}

// queue declares a server-named queue that lives as long as ch's connection.
func (k *kit) queue(ch *amqp.Channel, args amqp.Table) string {
	k.Helper()
	q, err := ch.QueueDeclare("", false, false, true, false, args)
	k.must(err, "declare a queue")
	return q.Name
}

// durable declares a durable queue that every connection sees, and deletes it when the check ends.
func (k *kit) durable(ch *amqp.Channel, args amqp.Table) string {
	k.Helper()
	q, err := ch.QueueDeclare(k.name("queue"), true, false, false, false, args)
	k.must(err, "declare a durable queue")
	k.dropQueue(q.Name)
	return q.Name
}

// dropQueue deletes a queue when the check ends.
func (k *kit) dropQueue(name string) {
	k.Cleanup(func() {
		_, err := k.plain().QueueDelete(name, false, false, false)
		k.must(err, "delete queue "+name)
	})
}

// exchange declares an exchange, and deletes it when the check ends.
func (k *kit) exchange(ch *amqp.Channel, kind string, args amqp.Table) string {
	k.Helper()
	name := k.name(kind)
	k.must(ch.ExchangeDeclare(name, kind, false, false, false, false, args), "declare exchange "+name)
	k.dropExchange(name)
	return name
}

// dropExchange deletes an exchange when the check ends.
func (k *kit) dropExchange(name string) {
	k.Cleanup(func() { k.must(k.plain().ExchangeDelete(name, false, false), "delete exchange "+name) })
}

// bind binds queue to exchange.
func (k *kit) bind(ch *amqp.Channel, queue, key, exchange string, args amqp.Table) {
	k.Helper()
	k.must(ch.QueueBind(queue, key, exchange, false, args), "bind "+queue+" to "+exchange)
}

// publish publishes msg on a channel in confirm mode, and reports whether the broker acked it.
func (k *kit) publish(ch *amqp.Channel, exchange, key string, msg amqp.Publishing) bool {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), patience)
	defer cancel()
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, msg)
	k.must(err, "publish")
	if confirm == nil {
		k.Fatal("publish: the channel is not in confirm mode")
	}
	acked, err := confirm.WaitContext(ctx)
	k.must(err, "wait for a confirm")
	return acked
}

// send publishes one text per body to exchange and key, each acked by the broker before the next.
func (k *kit) send(ch *amqp.Channel, exchange, key string, bodies ...string) {
	k.Helper()
	for _, body := range bodies {
		if !k.publish(ch, exchange, key, text(body)) {
			k.Fatalf("the broker refused the message %q", body)
		}
	}
}

// text is a message with nothing but a body.
func text(body string) amqp.Publishing { return amqp.Publishing{Body: []byte(body)} }

// get takes the next message of queue, which must be there.
func (k *kit) get(ch *amqp.Channel, queue string, autoAck bool) amqp.Delivery {
	k.Helper()
	msg, ok, err := ch.Get(queue, autoAck)
	k.must(err, "get from "+queue)
	if !ok {
		k.Fatalf("queue %s is empty, want a message", queue)
	}
	return msg
}

// await takes the next message of queue as soon as there is one.
func (k *kit) await(ch *amqp.Channel, queue string) amqp.Delivery {
	k.Helper()
	var msg amqp.Delivery
	k.eventually("a message in "+queue, func() bool {
		var ok bool
		var err error
		msg, ok, err = ch.Get(queue, true)
		k.must(err, "get from "+queue)
		return ok
	})
	return msg
}

// drain takes all messages of queue and returns their bodies.
func (k *kit) drain(ch *amqp.Channel, queue string) []string {
	k.Helper()
	bodies := []string{}
	for {
		msg, ok, err := ch.Get(queue, true)
		k.must(err, "get from "+queue)
		if !ok {
			return bodies
		}
		bodies = append(bodies, string(msg.Body))
	}
}

// ready is how many messages of queue wait to be delivered.
func (k *kit) ready(ch *amqp.Channel, queue string) int {
	k.Helper()
	q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	k.must(err, "look at queue "+queue)
	return q.Messages
}

// awaitReady waits until n messages of queue wait to be delivered.
func (k *kit) awaitReady(ch *amqp.Channel, queue string, n int) {
	k.Helper()
	k.eventually(fmt.Sprintf("%d messages in %s", n, queue), func() bool { return k.ready(ch, queue) == n })
}

// consume starts a consumer with manual acknowledgement.
func (k *kit) consume(ch *amqp.Channel, queue string, args amqp.Table) <-chan amqp.Delivery {
	k.Helper()
	deliveries, err := ch.Consume(queue, k.name("consumer"), false, false, false, false, args)
	k.must(err, "consume from "+queue)
	return deliveries
}

// receive waits for the next value of any notification channel.
func receive[T any](k *kit, from <-chan T, what string) T {
	k.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			k.Fatalf("waiting for %s: the channel was closed", what)
		}
		return v
	case <-time.After(patience):
		k.Fatalf("no %s within %s", what, patience)
	}
	panic("unreachable")
}

// receiveBodies waits for n deliveries and returns their bodies in order.
func (k *kit) receiveBodies(from <-chan amqp.Delivery, n int) []string {
	k.Helper()
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = string(receive(k, from, "delivery").Body)
	}
	return bodies
}

// eventually waits until done reports true. AMQP has no event for what it is used on (queue lengths, expiry without
// a dead-letter exchange, statistics), so it asks again and again, ever slower.
func (k *kit) eventually(what string, done func() bool) {
	k.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for pause := 5 * time.Millisecond; !done(); pause = min(pause*3/2, 250*time.Millisecond) {
		select {
		case <-deadline.C:
			k.Fatalf("not seen within %s: %s", patience, what)
		case <-time.After(pause):
		}
	}
}

// refused asserts that err is the broker's close of a channel or connection with code, and a text that contains
// every one of texts.
func (k *kit) refused(err error, code int, texts ...string) {
	k.Helper()
	var closed *amqp.Error
	if !errors.As(err, &closed) {
		k.Fatalf("got error %v, want the broker's %d", err, code)
	}
	if closed.Code != code {
		k.Fatalf("got %d %q, want code %d", closed.Code, closed.Reason, code)
	}
	for _, text := range texts {
		if !strings.Contains(closed.Reason, text) {
			k.Errorf("code %d: got text %q, want it to contain %q", code, closed.Reason, text)
		}
	}
}

// closes registers for the close of ch by the broker, before do provokes it, and asserts its code and text.
func (k *kit) closes(ch *amqp.Channel, do func(), code int, texts ...string) {
	k.Helper()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	do()
	k.refused(receive(k, closed, "channel close"), code, texts...)
}

// equal asserts that got is want, for anything that prints.
func (k *kit) equal(what string, got, want any) {
	k.Helper()
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		k.Errorf("%s:\n  got  %s\n  want %s", what, g, w)
	}
}
