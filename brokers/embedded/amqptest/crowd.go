package amqptest

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

func crowdChecks() []check {
	return []check{
		{"two hundred connections, each with a queue and a reply", manyConnections},
		{"every message is acked once, however often it was returned", everyMessageOnce},
	}
}

// each runs do n times at once and reports what went wrong.
func (k *kit) each(n int, do func(i int) error) {
	k.Helper()
	errs := make(chan error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs <- do(i) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			k.Error(err)
		}
	}
}

// manyConnections opens connections that stay open until the last one is done. Each sends the next one's queue a message
// through one exchange, and waits for its own.
func manyConnections(k *kit) {
	const n = 200
	ctx, cancel := context.WithTimeout(k.Context(), 3*patience)
	defer cancel()
	exchange := k.exchange(k.channel(), "direct", nil)
	var bound sync.WaitGroup
	bound.Add(n)
	k.each(n, func(i int) error {
		deliveries, ch, hangUp, err := k.member(exchange, fmt.Sprint(i))
		bound.Done()
		if err != nil {
			return err
		}
		defer hangUp()
		bound.Wait()
		next := fmt.Sprint((i + 1) % n)
		if err := ch.PublishWithContext(ctx, exchange, next, false, false, text("to "+next)); err != nil {
			return err
		}
		select {
		case msg := <-deliveries:
			if got, want := string(msg.Body), fmt.Sprintf("to %d", i); got != want {
				return fmt.Errorf("connection %d got %q, want %q", i, got, want)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("connection %d: no message", i)
		}
	})
}

// member opens a connection with a queue of its own that is bound by key and consumed.
func (k *kit) member(exchange, key string) (deliveries <-chan amqp.Delivery, ch *amqp.Channel, hangUp func(), err error) {
	where := url.URL{Scheme: "amqp", User: url.UserPassword(User, Password), Host: k.server.Addr()}
	conn, err := amqp.Dial(where.String())
	if err != nil {
		return nil, nil, nil, err
	}
	hangUp = func() { _ = conn.Close() }
	if ch, err = conn.Channel(); err != nil {
		return nil, nil, hangUp, err
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, nil, hangUp, err
	}
	if err = ch.QueueBind(q.Name, key, exchange, false, nil); err != nil {
		return nil, nil, hangUp, err
	}
	deliveries, err = ch.Consume(q.Name, "", true, false, false, false, nil)
	return deliveries, ch, hangUp, err
}

// everyMessageOnce has five publishers and five consumers on one queue. Every consumer returns every third message that
// comes for the first time, and acks the others in groups.
func everyMessageOnce(k *kit) {
	const publishers, consumers, messages = 5, 5, 200
	ctx, cancel := context.WithTimeout(k.Context(), 3*patience)
	defer cancel()
	ch := k.channel()
	queue := k.durable(ch, nil)
	var mu sync.Mutex
	acked := map[string]int{}
	done := make(chan struct{})
	note := func(batch []amqp.Delivery) error {
		if len(batch) == 0 {
			return nil
		}
		if err := batch[len(batch)-1].Ack(true); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, msg := range batch {
			acked[string(msg.Body)]++
		}
		if len(acked) == publishers*messages {
			select {
			case <-done:
			default:
				close(done)
			}
		}
		return nil
	}
	streams := make([]<-chan amqp.Delivery, consumers)
	for i := range streams {
		consumer := k.openPlain(k.dial())
		k.must(consumer.Qos(10, 0, false), "qos")
		streams[i] = k.consume(consumer, queue, nil)
	}
	conns := make([]*amqp.Channel, publishers)
	for i := range conns {
		conns[i] = k.channel()
	}
	k.each(publishers+consumers, func(i int) error {
		if i < publishers {
			return publishMany(ctx, conns[i], queue, i, messages)
		}
		return settle(ctx, streams[i-publishers], done, note)
	})
	for body, n := range acked {
		if n != 1 {
			k.Errorf("message %s was acked %d times", body, n)
		}
	}
	k.equal("messages acked", len(acked), publishers*messages)
	k.equal("left", k.ready(ch, queue), 0)
}

// publishMany publishes n messages and waits for all their confirms.
func publishMany(ctx context.Context, ch *amqp.Channel, queue string, publisher, n int) error {
	confirms := make([]*amqp.DeferredConfirmation, n)
	for i := range confirms {
		var err error
		confirms[i], err = ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: fmt.Appendf(nil, "%d/%d", publisher, i)})
		if err != nil {
			return err
		}
	}
	for i, confirm := range confirms {
		if ok, err := confirm.WaitContext(ctx); err != nil || !ok {
			return fmt.Errorf("publisher %d, message %d: acked %t, %w", publisher, i, ok, err)
		}
	}
	return nil
}

// settle returns every third message and acks the others, as many at once as are there, until done.
func settle(ctx context.Context, from <-chan amqp.Delivery, done <-chan struct{}, ack func([]amqp.Delivery) error) error {
	for n := 1; ; n++ {
		var err error
		select {
		case msg := <-from:
			if n%3 == 0 && !msg.Redelivered {
				err = msg.Nack(false, true)
			} else {
				err = ack(append([]amqp.Delivery{msg}, waiting(from)...))
			}
		case <-done:
			return nil
		case <-ctx.Done():
			err = fmt.Errorf("a consumer: %w", ctx.Err())
		}
		if err != nil {
			return err
		}
	}
}

// waiting is what can be received without waiting.
func waiting(from <-chan amqp.Delivery) (batch []amqp.Delivery) {
	for {
		select {
		case msg, open := <-from:
			if !open {
				return batch
			}
			batch = append(batch, msg)
		default:
			return batch
		}
	}
}
