package rabbit

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"shop/internal/backoff"
	"shop/internal/event"
	"shop/internal/trace"
)

// handling is how long one event may take.
const handling = 5 * time.Second

// Consumer handles the events of one working queue.
type Consumer struct {
	URL         string
	Name        string // that the broker shows
	Queue       string
	Workers     int // events handled at the same time
	MaxAttempts int
	Handle      func(context.Context, event.Event) error
	Ready       func(bool) // told when consuming begins, and when it is lost
	Log         *slog.Logger
}

// Run consumes until ctx ends, and then returns when the events in hand are done. It comes back by
// itself after the broker went away.
func (c *Consumer) Run(ctx context.Context) error {
	pace := backoff.Broker()
	pace.Keep(ctx, func() (bool, error) {
		defer c.Ready(false)
		return c.session(ctx)
	}, func(err error, pause time.Duration) {
		c.Log.Warn("broker unavailable, trying again", "broker", "rabbitmq", "error", err.Error(), "in", pause.String())
	})
	return nil
}

// session consumes for as long as one connection lasts, and tells whether it came that far.
func (c *Consumer) session(ctx context.Context) (consumed bool, err error) {
	conn, ch, err := open(c.URL, c.Name+" consumer")
	if err != nil {
		return false, err
	}
	defer conn.Close()
	lost := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.Qos(2*c.Workers, 0, false); err != nil {
		return false, err
	}
	deliveries, err := ch.Consume(c.Queue, c.Name, false, false, false, false, nil)
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() {
		_ = ch.Cancel(c.Name, false) // fails where the connection is lost, which ends the deliveries, too
	})()
	c.Log.Info("consuming", "queue", c.Queue, "workers", c.Workers)
	c.Ready(true)

	var workers sync.WaitGroup
	for range c.Workers {
		workers.Go(func() {
			for d := range deliveries {
				c.deliver(context.WithoutCancel(ctx), ch, d)
			}
		})
	}
	workers.Wait()
	select {
	case reason := <-lost:
		if reason != nil {
			return true, reason
		}
	default:
	}
	return true, errors.New("the broker ended the consumer")
}

func (c *Consumer) deliver(ctx context.Context, ch *amqp.Channel, d amqp.Delivery) {
	ctx, cancel := context.WithTimeout(ctx, handling)
	defer cancel()
	ctx = trace.Continue(ctx, func(header string) string {
		v, _ := d.Headers[header].(string)
		return v
	})
	attempt := rejections(d.Headers, c.Queue) + 1
	err := c.handle(ctx, d)
	log := c.Log.With("message", d.MessageId, "attempt", attempt)

	var settled error
	switch decide(err, attempt, c.MaxAttempts) {
	case done:
		settled = d.Ack(false)
	case retry:
		log.WarnContext(ctx, "handling failed, will come back", "error", err.Error(), "in", retryDelay.String())
		settled = d.Reject(false)
	case bury:
		log.ErrorContext(ctx, "gave up, moved to the dead-letter queue", "error", err.Error(), "queue", deadOf(c.Queue))
		settled = c.bury(ctx, ch, d, err)
	}
	if settled != nil {
		log.WarnContext(ctx, "could not settle, the broker will deliver it again", "error", settled.Error())
	}
}

func (c *Consumer) handle(ctx context.Context, d amqp.Delivery) error {
	e, err := event.Decode(d.Body)
	if err != nil {
		return Permanent(err)
	}
	return c.Handle(ctx, e)
}

// bury moves d to the dead-letter queue as it came, with the reason added. It is acknowledged only
// after it has arrived there, so it may arrive twice but is never lost.
func (c *Consumer) bury(ctx context.Context, ch *amqp.Channel, d amqp.Delivery, cause error) error {
	headers := maps.Clone(d.Headers)
	if headers == nil {
		headers = amqp.Table{}
	}
	headers["x-error"] = cause.Error()
	err := publishConfirmed(context.WithoutCancel(ctx), ch, "", deadOf(c.Queue), amqp.Publishing{
		Headers:         headers,
		ContentType:     d.ContentType,
		ContentEncoding: d.ContentEncoding,
		DeliveryMode:    amqp.Persistent,
		Priority:        d.Priority,
		CorrelationId:   d.CorrelationId,
		ReplyTo:         d.ReplyTo,
		MessageId:       d.MessageId,
		Timestamp:       d.Timestamp,
		Type:            d.Type,
		AppId:           d.AppId,
		Body:            d.Body,
	})
	if err != nil {
		return errors.Join(err, d.Nack(false, true))
	}
	return d.Ack(false)
}
