package rabbitmq

import (
	"context"
	"fmt"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// Purge removes what is ready in a queue: see brokers.Purger.
func (b *Broker) Purge(ctx context.Context, from brokers.Source, _ brokers.Position) (n int64, err error) {
	if from.Kind != brokers.SourceQueue {
		return 0, fmt.Errorf("%s cannot be purged\nName a queue.", from)
	}
	err = b.change(ctx, func(ch *channel) error {
		ok, err := call[*wire.QueuePurgeOk](ctx, ch, &wire.QueuePurge{Queue: from.Name})
		if err == nil {
			n = int64(ok.MessageCount)
		}
		return err
	})
	return n, err
}

// Apply changes exchanges, queues and bindings: see brokers.Admin.
func (b *Broker) Apply(ctx context.Context, c brokers.Change) error {
	m := method(&c)
	if m == nil {
		return fmt.Errorf("RabbitMQ cannot do this: %s", c.Kind)
	}
	return b.change(ctx, func(ch *channel) error {
		_, err := ch.ask(ctx, m)
		return err
	})
}

func (b *Broker) change(ctx context.Context, f func(ch *channel) error) error {
	return b.within(ctx, "admin", func(c *conn) error {
		ch, err := c.channel(ctx, nil)
		if err != nil {
			return err
		}
		return f(ch)
	})
}

// method is the method that makes a change, nil where there is none.
func method(c *brokers.Change) wire.Method {
	x, q, bound := &c.Exchange, &c.Queue, &c.Binding
	switch c.Kind {
	case brokers.CreateExchange:
		args := table(x.Arguments)
		if x.Alternate != "" {
			args = args.With("alternate-exchange", x.Alternate)
		}
		return &wire.ExchangeDeclare{Exchange: x.Name, Type: x.Type, Durable: x.Durable, AutoDelete: x.AutoDelete, Internal: x.Internal, Arguments: args}
	case brokers.DeleteExchange:
		return &wire.ExchangeDelete{Exchange: x.Name, IfUnused: c.Unused}
	case brokers.CreateQueue:
		return &wire.QueueDeclare{Queue: q.Name, Durable: q.Durable, AutoDelete: q.AutoDelete, Exclusive: q.Exclusive, Arguments: queueArguments(q)}
	case brokers.DeleteQueue:
		return &wire.QueueDelete{Queue: q.Name, IfUnused: c.Unused, IfEmpty: c.Empty}
	case brokers.Bind, brokers.Unbind:
		return bindMethod(bound, c.Kind == brokers.Bind)
	}
	return nil
}

func bindMethod(x *brokers.Binding, bind bool) wire.Method {
	args := table(x.Arguments)
	switch {
	case bind && x.Kind == brokers.SourceExchange:
		return &wire.ExchangeBind{Source: x.Source, Destination: x.To, RoutingKey: x.RoutingKey, Arguments: args}
	case bind:
		return &wire.QueueBind{Exchange: x.Source, Queue: x.To, RoutingKey: x.RoutingKey, Arguments: args}
	case x.Kind == brokers.SourceExchange:
		return &wire.ExchangeUnbind{Source: x.Source, Destination: x.To, RoutingKey: x.RoutingKey, Arguments: args}
	}
	return &wire.QueueUnbind{Exchange: x.Source, Queue: x.To, RoutingKey: x.RoutingKey, Arguments: args}
}

// queueArguments are a queue's arguments with those that have fields of their own.
func queueArguments(q *brokers.Queue) wire.Table {
	t := table(q.Arguments)
	if q.Type != "" {
		t = t.With("x-queue-type", string(q.Type))
	}
	if q.DeadExchange != nil {
		t = t.With("x-dead-letter-exchange", *q.DeadExchange)
	}
	if q.DeadKey != nil {
		t = t.With("x-dead-letter-routing-key", *q.DeadKey)
	}
	for name, n := range map[string]*int64{"x-delivery-limit": q.DeliveryLimit, "x-max-length": q.MaxLength, "x-message-ttl": q.MessageTTL} {
		if n != nil && *n >= 0 {
			t = t.With(name, *n)
		}
	}
	return t
}
