package rabbit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"shop/internal/backoff"
	"shop/internal/event"
	"shop/internal/trace"
)

// Publisher sends events to the exchange.
type Publisher struct {
	url, name string
	log       *slog.Logger

	mu   sync.Mutex
	conn *amqp.Connection
	ch   *amqp.Channel
}

// NewPublisher returns a publisher that connects, under the name that the broker shows, when first used.
func NewPublisher(url, name string, log *slog.Logger) *Publisher {
	return &Publisher{url: url, name: name, log: log}
}

// Publish tries until the broker has confirmed e or ctx ends. An event whose confirm was lost is sent
// again: consumers may see it twice.
func (p *Publisher) Publish(ctx context.Context, e event.Event) error {
	body, err := e.Encode()
	if err != nil {
		return err
	}
	headers := amqp.Table{}
	trace.Inject(ctx, func(header, value string) { headers[header] = value })
	msg := amqp.Publishing{
		Headers:      headers,
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		MessageId:    e.ID,
		Timestamp:    e.At,
		Type:         e.Type,
		AppId:        p.name,
		Body:         body,
	}
	pace := backoff.Broker()
	return pace.Retry(ctx, func() error { return p.try(ctx, e.Type, msg) },
		func(err error, pause time.Duration) {
			p.log.WarnContext(ctx, "publishing failed, trying again", "broker", "rabbitmq", "type", e.Type,
				"order", e.OrderID, "error", err.Error(), "in", pause.String())
		})
}

func (p *Publisher) try(ctx context.Context, key string, msg amqp.Publishing) error {
	ch, err := p.channel()
	if err != nil {
		return err
	}
	return publishConfirmed(ctx, ch, Exchange, key, msg)
}

// channel returns the open channel, or a new one where the last one was lost.
func (p *Publisher) channel() (*amqp.Channel, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch != nil && !p.ch.IsClosed() {
		return p.ch, nil
	}
	if p.conn != nil {
		p.conn.Close()
	}
	conn, ch, err := open(p.url, p.name+" publisher")
	p.conn, p.ch = conn, ch
	return ch, err
}

// Close gives the connection back. Nothing may be published afterwards.
func (p *Publisher) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		p.conn.Close()
	}
}

// publishConfirmed returns once the broker has taken charge of msg.
func publishConfirmed(ctx context.Context, ch *amqp.Channel, exchange, key string, msg amqp.Publishing) error {
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, msg)
	if err != nil {
		return err
	}
	acked, err := confirm.WaitContext(ctx)
	if err == nil && !acked {
		err = errors.New("the broker did not confirm")
	}
	return err
}
