package stream

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"shop/internal/backoff"
	"shop/internal/event"
	"shop/internal/trace"
)

// delivery is how long one try to append a record may take.
const delivery = 5 * time.Second

// Producer appends events to the topic. It is for one goroutine.
type Producer struct {
	brokers []string
	log     *slog.Logger
	client  *kgo.Client // nil until first used, and after a failure
}

// NewProducer returns a producer that connects when first used.
func NewProducer(brokers []string, log *slog.Logger) *Producer {
	return &Producer{brokers: brokers, log: log}
}

// Publish tries until the topic has e or ctx ends. An event whose answer was lost is sent again:
// consumers may see it twice.
func (p *Producer) Publish(ctx context.Context, e event.Event) error {
	body, err := e.Encode()
	if err != nil {
		return err
	}
	headers := []kgo.RecordHeader{{Key: "type", Value: []byte(e.Type)}}
	trace.Inject(ctx, func(header, value string) {
		headers = append(headers, kgo.RecordHeader{Key: header, Value: []byte(value)})
	})
	pace := backoff.Broker()
	return pace.Retry(ctx, func() error {
		return p.try(ctx, &kgo.Record{Topic: Topic, Key: []byte(e.OrderID), Value: body, Timestamp: e.At, Headers: headers})
	}, func(err error, pause time.Duration) {
		p.log.WarnContext(ctx, "publishing failed, trying again", "broker", "kafka", "type", e.Type,
			"order", e.OrderID, "error", err.Error(), "in", pause.String())
	})
}

func (p *Producer) try(ctx context.Context, r *kgo.Record) (err error) {
	ctx, cancel := context.WithTimeout(ctx, delivery)
	defer cancel()
	if p.client == nil {
		// A record in flight is given up too when its time is over: twice is better than stuck.
		if p.client, err = open(ctx, p.brokers, kgo.AllowIdempotentProduceCancellation()); err != nil {
			return err
		}
	}
	if err := p.client.ProduceSync(ctx, r).FirstErr(); err != nil {
		p.Close()
		return err
	}
	return nil
}

// Close gives the connections back.
func (p *Producer) Close() {
	if p.client != nil {
		p.client.Close()
		p.client = nil
	}
}
