package amqp

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"msdev/brokers/wire"
)

// bench is a broker in memory whose queues are used without a network, so that its clock can be a synthetic one.
type bench struct {
	t *testing.T
	*Broker
	v *vhost
}

func newBench(t *testing.T) *bench {
	b, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return &bench{t, b, b.vhost("/")}
}

func (b *bench) queue(name string, args wire.Table) *queue {
	b.t.Helper()
	q, err := b.v.declareQueue(&wire.QueueDeclare{Queue: name, Arguments: args}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

func (b *bench) publish(queue, body string, p wire.Properties) {
	b.t.Helper()
	data := p.Append(nil)
	view, err := wire.Scan(data)
	if err != nil {
		b.t.Fatal(err)
	}
	m, e := newMessage("", queue, append(data, body...), len(data), view)
	if e != nil {
		b.t.Fatal(e)
	}
	var w wakes
	b.enqueue(m, b.v.route(m), nil, 0, &w)
}

// drain takes everything from a queue and settles it.
func (b *bench) drain(q *queue, how outcome) []string {
	b.t.Helper()
	var w wakes
	list := []string{}
	for {
		e, _ := q.take(false, &w)
		if e == nil {
			return list
		}
		_, body, err := e.content(q)
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, string(body))
		q.settle([]delivery{{entry: e, q: q}}, how, &w)
	}
}

func expiring(ms string) wire.Properties {
	return wire.Properties{Has: wire.HasExpiration, Expiration: ms}
}

func want(t *testing.T, what string, got any, want string) {
	t.Helper()
	if fmt.Sprint(got) != want {
		t.Errorf("%s: got %v, want %s", what, got, want)
	}
}

func TestMessagesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		dead := b.queue("dead", nil)
		q := b.queue("q", wire.Table{{Key: "x-message-ttl", Value: int32(1000)}, {Key: "x-dead-letter-exchange", Value: ""},
			{Key: "x-dead-letter-routing-key", Value: "dead"}})
		b.publish("q", "by the queue", wire.Properties{})
		b.publish("q", "by itself", expiring("200"))
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		n, _ := q.stats()
		want(t, "the second waits behind the first, as in RabbitMQ", n, "2")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		n, _ = q.stats()
		want(t, "after a second", n, "0")
		want(t, "dead letters", b.drain(dead, acked), "[by the queue by itself]")
		want(t, "memory for messages", b.memory.Load(), "0")
	})
}

func TestQueueExpiresWhenUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.queue("q", wire.Table{{Key: "x-expires", Value: int32(1000)}})
		time.Sleep(800 * time.Millisecond)
		q, _ := b.v.queue("q", nil)
		q.clock.use()
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if _, err := b.v.queue("q", nil); err != nil {
			t.Fatalf("gone within a second of its last use: %v", err)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if _, err := b.v.queue("q", nil); err == nil {
			t.Fatal("still there")
		}
	})
}

func TestDeadLetterCyclesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		self := wire.Table{{Key: "x-dead-letter-exchange", Value: ""}, {Key: "x-dead-letter-routing-key", Value: "q"}}
		q := b.queue("q", self)
		b.publish("q", "expires", expiring("10"))
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		n, _ := q.stats()
		want(t, "an expired message does not come back to its queue", n, "0")
		b.publish("q", "rejected", wire.Properties{})
		var w wakes
		for i := range 3 {
			e, _ := q.take(false, &w)
			if e == nil {
				t.Fatalf("gone after %d rejections", i)
			}
			deaths, _ := e.msg.headers(nil).Get("x-death")
			if i > 0 {
				count, _ := deaths.(wire.Array)[0].(wire.Table).Get("count")
				want(t, "count", count, fmt.Sprint(i))
			}
			q.settle([]delivery{{entry: e, q: q}}, rejected, &w)
		}
	})
}

func TestQuorumDeliveryLimit(t *testing.T) {
	b := newBench(t)
	q, err := b.v.declareQueue(&wire.QueueDeclare{Queue: "q", Durable: true, Arguments: wire.Table{{Key: "x-queue-type", Value: "quorum"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.publish("q", "a", wire.Properties{})
	var w wakes
	for i := range 30 {
		e, _ := q.take(false, &w)
		if e == nil {
			want(t, "deliveries", i, "21")
			return
		}
		q.settle([]delivery{{entry: e, q: q}}, requeued, &w)
	}
	t.Error("never dropped")
}

func TestLengthLimits(t *testing.T) {
	for _, c := range []struct{ overflow, left, accepted, dead string }{
		{dropHead, "[c d]", "[true true true true]", "[a b]"},
		{rejectPublish, "[a b]", "[true true false false]", "[]"},
		{rejectPublishDLX, "[a b]", "[true true false false]", "[c d]"},
	} {
		b := newBench(t)
		dead := b.queue("dead", nil)
		q := b.queue("q", wire.Table{{Key: "x-max-length", Value: int32(2)}, {Key: "x-overflow", Value: c.overflow},
			{Key: "x-dead-letter-exchange", Value: ""}, {Key: "x-dead-letter-routing-key", Value: "dead"}})
		accepted := []bool{}
		for _, body := range []string{"a", "b", "c", "d"} {
			var w wakes
			m := &message{exchange: "", key: "q", data: append([]byte{0, 0}, body...), props: 2, size: 3, ttl: -1}
			ok, _ := b.enqueue(m, []*queue{q}, nil, 0, &w)
			accepted = append(accepted, ok)
		}
		want(t, c.overflow+" accepts", accepted, c.accepted)
		want(t, c.overflow+" keeps", b.drain(q, acked), c.left)
		want(t, c.overflow+" buries", b.drain(dead, acked), c.dead)
		want(t, c.overflow+" holds memory", b.memory.Load(), "0")
	}
}

func TestPrioritiesAndOrder(t *testing.T) {
	b := newBench(t)
	q := b.queue("q", wire.Table{{Key: "x-max-priority", Value: int32(5)}})
	for i, priority := range []uint8{1, 0, 9, 5, 1} {
		b.publish("q", fmt.Sprint(i), wire.Properties{Has: wire.HasPriority, Priority: priority})
	}
	want(t, "order", b.drain(q, acked), "[2 3 0 4 1]")
}
