// Package outbox keeps a slow or absent broker from holding up the service that has something to say.
package outbox

import (
	"context"
	"log/slog"
	"time"

	"shop/internal/event"
	"shop/internal/trace"
)

const (
	capacity = 1000
	drain    = 2 * time.Second
)

// Outbox hands events to one broker in the order in which they were added.
type Outbox struct {
	publish func(context.Context, event.Event) error
	log     *slog.Logger
	waiting chan entry
	done    chan struct{}
	abandon context.CancelFunc // ends what is being published
}

type entry struct {
	event event.Event
	span  trace.Span
}

// New returns an outbox that publishes, one event after the other, until Close. publish tries until it succeeds or its context ends.
func New(publish func(context.Context, event.Event) error, log *slog.Logger) *Outbox {
	ctx, abandon := context.WithCancel(context.Background())
	o := &Outbox{
		publish: publish,
		log:     log,
		waiting: make(chan entry, capacity),
		done:    make(chan struct{}),
		abandon: abandon,
	}
	go o.run(ctx)
	return o
}

// Add hands over e, under ctx's trace, without waiting. It must not be called after Close.
func (o *Outbox) Add(ctx context.Context, e event.Event) {
	span, _ := trace.From(ctx)
	select {
	case o.waiting <- entry{e, span}:
	default:
		o.log.ErrorContext(ctx, "event lost, outbox full", "type", e.Type, "order", e.OrderID)
	}
}

func (o *Outbox) run(ctx context.Context) {
	defer close(o.done)
	for w := range o.waiting {
		ctx := trace.With(ctx, w.span)
		if err := o.publish(ctx, w.event); err != nil {
			o.log.ErrorContext(ctx, "event lost", "type", w.event.Type, "order", w.event.OrderID, "error", err.Error())
		}
	}
}

// Close publishes what still waits, for two seconds at most; the rest is logged as lost.
func (o *Outbox) Close() {
	close(o.waiting)
	late := time.AfterFunc(drain, o.abandon)
	<-o.done
	late.Stop()
	o.abandon()
}
