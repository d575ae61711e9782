package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// result is what a load came to.
type result struct {
	perSecond float64
	took      []time.Duration // of each message, where the load has a rate
}

// at is a quantile of what messages took.
func (r result) at(q float64) time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	slices.Sort(r.took)
	return r.took[int(q*float64(len(r.took)-1))]
}

// window is how many messages a publisher has unconfirmed, and a consumer unacknowledged.
const window = 200

// lane is one queue with its publisher and its consumer.
type lane struct {
	load
	queue    string
	in, out  *amqp.Connection
	publish  *amqp.Channel
	messages <-chan amqp.Delivery
	took     []time.Duration
}

// drive puts a load on a broker. What was consumed between the start and the end counts.
func drive(ctx context.Context, b *broker, l load, length time.Duration) (result, error) {
	lanes := make([]*lane, l.queues)
	defer func() {
		for _, p := range lanes {
			p.close()
		}
	}()
	for i := range lanes {
		lanes[i] = &lane{load: l, queue: fmt.Sprintf("bench-%d-%d", l.queues, i)}
		if err := lanes[i].open(b.url); err != nil {
			return result{}, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var consumed atomic.Int64
	var work, consumers sync.WaitGroup
	for _, p := range lanes {
		consumers.Go(func() { p.consume(&consumed) })
		work.Go(func() { p.send(ctx) })
	}
	began := time.Now()
	for end := began.Add(length); time.Now().Before(end); {
		b.sample()
		time.Sleep(100 * time.Millisecond)
	}
	r := result{perSecond: float64(consumed.Load()) / time.Since(began).Seconds()}
	cancel()
	for _, p := range lanes { // ends what blocks: a confirm, a full socket
		_ = p.in.Close()
		_ = p.out.Close()
	}
	work.Wait()
	consumers.Wait()
	for _, p := range lanes {
		r.took = append(r.took, p.took...)
	}
	return r, nil
}

func (p *lane) open(url string) (err error) {
	if p.in, err = amqp.Dial(url); err != nil {
		return err
	}
	if p.out, err = amqp.Dial(url); err != nil {
		return err
	}
	if p.publish, err = p.in.Channel(); err != nil {
		return err
	}
	ch, err := p.out.Channel()
	if err != nil {
		return err
	}
	if _, err := ch.QueueDelete(p.queue, false, false, false); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(p.queue, p.persistent, !p.persistent, false, false, nil); err != nil {
		return err
	}
	if p.confirms {
		if err := errorsOf(ch.Qos(window, 0, false), p.publish.Confirm(false)); err != nil {
			return err
		}
	}
	p.messages, err = ch.Consume(p.queue, "", !p.confirms, false, false, false, nil)
	return err
}

func errorsOf(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *lane) close() {
	if p == nil {
		return
	}
	for _, c := range []*amqp.Connection{p.in, p.out} {
		if c != nil {
			_ = c.Close()
		}
	}
}

// consume counts what comes, and acknowledges it where the publisher has confirms.
func (p *lane) consume(consumed *atomic.Int64) {
	for d := range p.messages {
		consumed.Add(1)
		if p.rate > 0 {
			p.took = append(p.took, time.Duration(time.Now().UnixNano()-int64(binary.BigEndian.Uint64(d.Body))))
		}
		if p.confirms {
			_ = d.Ack(false) // the connection may have ended
		}
	}
}

// send publishes until ctx ends.
func (p *lane) send(ctx context.Context) {
	var free chan struct{}
	if p.confirms {
		free = make(chan struct{}, window)
		acks := p.publish.NotifyPublish(make(chan amqp.Confirmation, window))
		go func() { // ends with the channel
			for range acks {
				<-free
			}
		}()
	}
	m := amqp.Publishing{DeliveryMode: amqp.Transient, Body: make([]byte, p.size)}
	if p.persistent {
		m.DeliveryMode = amqp.Persistent
	}
	began := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		if p.rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(p.rate))))
			m.Body = binary.BigEndian.AppendUint64(make([]byte, 0, p.size), uint64(time.Now().UnixNano()))[:p.size]
		}
		if free != nil {
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		if err := p.publish.PublishWithContext(ctx, "", p.queue, false, false, m); err != nil {
			return
		}
	}
}
