package amqp

import (
	"context"
)

type metrics struct{}

func newMetrics() *metrics { return &metrics{} }

func (m *metrics) run(ctx context.Context, b *Broker) { <-ctx.Done() }
