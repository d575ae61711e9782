package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// A tapPlan is how something is tapped.
type tapPlan struct {
	bindings []tapBinding
	notes    []brokers.Note
	firehose bool
	keep     func(*brokers.Message) bool                     // nil: everything
	renew    func(ctx context.Context) ([]tapBinding, error) // the bindings as they are now; nil: they stay
	stream   string                                          // a stream is read like any consumer reads it
}

// tapBinding is one binding of the tap's queue.
type tapBinding struct {
	exchange, key string
	arguments     wire.Table
}

func (t tapBinding) id() string {
	return t.exchange + "\x00" + t.key + "\x00" + string(wire.AppendTable(nil, t.arguments))
}

const enableManagement = "Enable it in the running broker: rabbitmq-plugins enable rabbitmq_management"

// plan decides how to tap.
func (b *Broker) plan(ctx context.Context, c *conn, from brokers.Source, o brokers.TapOptions) (*tapPlan, error) {
	switch from.Kind {
	case brokers.SourceAll:
		return b.planAll(ctx, o)
	case brokers.SourceQueue:
		return b.planQueue(ctx, c, from.Name, o)
	case brokers.SourceExchange:
		return b.planExchange(ctx, c, from, o)
	}
	return nil, fmt.Errorf("RabbitMQ has no %s to tap\nName an exchange or a queue.", from)
}

func (b *Broker) planAll(ctx context.Context, o brokers.TapOptions) (*tapPlan, error) {
	refusal := b.canTrace(o.Force)
	switch {
	case refusal == nil && o.Firehose:
		return b.firehose("publish.#", nil, "deliver.#"), nil
	case refusal == nil:
		return b.firehose("publish.#", nil), nil
	}
	copied := func(bound *brokers.Binding, x *brokers.Exchange) bool { return plainType(x) != "" && !x.AutoDelete }
	p, err := b.copies(ctx, copied)
	if err != nil {
		return nil, unlisted(refusal, err)
	}
	p.notes = append(p.notes, brokers.Note{Warn: true, Text: "What is published straight to a queue, or to exchanges of other types than direct, topic, fanout and headers, is not seen.", Hint: refusal.Error()})
	return p, nil
}

func (b *Broker) planQueue(ctx context.Context, c *conn, name string, o brokers.TapOptions) (*tapPlan, error) {
	q, err := b.queueNow(ctx, name)
	if errors.Is(err, errNoWiring) {
		q, err = b.inspectQueue(ctx, c, name)
	}
	if err != nil {
		return nil, err
	}
	if q.Type == brokers.StreamQueue {
		return &tapPlan{stream: name, notes: []brokers.Note{{Text: "A stream is read beside its consumers."}}}, nil
	}
	refusal := b.canTrace(o.Force)
	if refusal == nil {
		p := b.firehose("publish.#", func(m *brokers.Message) bool {
			return m.Event == brokers.EventDelivered || slices.Contains(m.Routed, name)
		}, "deliver."+name)
		p.notes = append(p.notes, brokers.Note{Text: "What is dead-lettered into the queue shows when it is delivered."})
		return p, nil
	}
	p, err := b.copies(ctx, func(bound *brokers.Binding, x *brokers.Exchange) bool {
		return bound.Kind == brokers.SourceQueue && bound.To == name && plainType(x) != "" && !x.AutoDelete
	})
	if err != nil {
		return nil, unlisted(refusal, err)
	}
	p.notes = append(p.notes, brokers.Note{Warn: true, Text: "What reaches the queue by its own name, by dead-lettering or over other exchanges is not seen.", Hint: refusal.Error()})
	return p, nil
}

// unlisted is the error of what only the firehose or the bindings could tell.
func unlisted(refusal, err error) error {
	if errors.Is(err, errNoWiring) {
		return refusal
	}
	return err
}

// copies taps by copies of the bindings that are there, so that nothing goes where it would not go anyhow. They are looked
// at again every second where that is cheap.
func (b *Broker) copies(ctx context.Context, wanted func(*brokers.Binding, *brokers.Exchange) bool) (*tapPlan, error) {
	copied := func(w *wiring) []tapBinding {
		var list []tapBinding
		for i := range w.bindings {
			bound := &w.bindings[i]
			x, known := w.exchanges[bound.Source]
			if known && bound.Source != "" && !isTap(bound.To) && wanted(bound, &x) {
				list = append(list, tapBinding{bound.Source, bound.RoutingKey, table(bound.Arguments)})
			}
		}
		return list
	}
	w, live, err := b.wiring(ctx)
	if err != nil {
		return nil, err
	}
	p := &tapPlan{bindings: copied(w)}
	if !live {
		p.notes = append(p.notes, brokers.Note{Warn: true, Text: "Bindings that are made from now on are not followed.", Hint: enableManagement})
		return p, nil
	}
	p.renew = func(ctx context.Context) ([]tapBinding, error) {
		w, _, err := b.wiring(ctx)
		if err != nil {
			return nil, err
		}
		return copied(w), nil
	}
	return p, nil
}

func isTap(queue string) bool {
	return len(queue) > len(tapPrefix) && queue[:len(tapPrefix)] == tapPrefix
}

func (b *Broker) firehose(key string, keep func(*brokers.Message) bool, more ...string) *tapPlan {
	p := &tapPlan{firehose: true, keep: keep, notes: []brokers.Note{{Text: "Tapped by the firehose: tracing is on in this virtual host until the tap ends."}}}
	for _, k := range append([]string{key}, more...) {
		p.bindings = append(p.bindings, tapBinding{exchange: "amq.rabbitmq.trace", key: k})
	}
	return p
}

func (b *Broker) planExchange(ctx context.Context, c *conn, from brokers.Source, o brokers.TapOptions) (*tapPlan, error) {
	if err := exists(ctx, c, from.Name); err != nil {
		return nil, err
	}
	w, _, listErr := b.wiring(ctx)
	var x brokers.Exchange
	if listErr == nil {
		x = w.exchanges[from.Name]
	} else {
		var err error
		if x, err = b.inspect(ctx, c, from.Name); err != nil {
			return nil, err
		}
	}
	why := b.needsFirehose(from, &x, o)
	if o.Firehose || why != nil {
		refusal := b.canTrace(o.Force)
		if refusal == nil {
			return b.firehose("publish."+from.Name, nil), nil
		}
		var disturbs *brokers.DisturbError
		switch {
		case why == nil:
			return nil, refusal
		case !errors.As(why, &disturbs):
			return nil, fmt.Errorf("%w, and %w", why, refusal)
		case !o.Force:
			return nil, &brokers.DisturbError{Reason: disturbs.Reason, Hint: "The firehose would not, but " + refusal.Error()}
		}
	}
	p, err := b.bind(ctx, from, &x, o, listErr)
	if p != nil && why != nil {
		p.notes = append(p.notes, brokers.Note{Warn: true, Text: why.Error()})
	}
	return p, err
}

// needsFirehose tells why a queue bound to the exchange would disturb, or not see.
func (b *Broker) needsFirehose(from brokers.Source, x *brokers.Exchange, o brokers.TapOptions) error {
	switch {
	case from.Name == "":
		return errors.New("nothing can be bound to the default exchange: only the firehose sees what is published to it")
	case plainType(x) == "":
		return fmt.Errorf("exchange %q is of type %s: a tap could take a share of the messages, so only the firehose may see them", x.Name, x.Type)
	case x.AutoDelete:
		return &brokers.DisturbError{
			Reason: fmt.Sprintf("exchange %q deletes itself with its last binding: the end of a tap could take it away, and a tap could keep it", x.Name),
			Hint:   enableManagement,
		}
	case x.Alternate != "" && (o.Unrouted || len(from.Keys) > 0):
		return &brokers.DisturbError{
			Reason: fmt.Sprintf("exchange %q has the alternate exchange %q, which would get nothing while a tap takes what no queue wants", x.Name, x.Alternate),
			Hint:   "Tap only what is routed, or use the firehose.",
		}
	}
	return nil
}

// bind taps an exchange by a queue that is bound to it.
func (b *Broker) bind(ctx context.Context, from brokers.Source, x *brokers.Exchange, o brokers.TapOptions, listErr error) (*tapPlan, error) {
	returned := brokers.Note{Warn: true, Text: fmt.Sprintf("While this tap runs, mandatory messages to %q that no queue takes are not returned to their publishers.", x.Name)}
	if len(from.Keys) > 0 {
		p := &tapPlan{notes: []brokers.Note{returned}}
		for _, k := range from.Keys {
			p.bindings = append(p.bindings, tapBinding{exchange: x.Name, key: k})
		}
		return p, nil
	}
	kind := plainType(x)
	whole := tapBinding{exchange: x.Name}
	if kind == "topic" {
		whole.key = "#"
	}
	switch {
	case listErr == nil && !o.Unrouted:
		p, err := b.copies(ctx, func(bound *brokers.Binding, _ *brokers.Exchange) bool { return bound.Source == x.Name })
		if err == nil {
			p.notes = append(p.notes, brokers.Note{Text: "What no queue takes is not seen.", Hint: "Ask for unrouted messages as well, or for the firehose."})
		}
		return p, err
	case kind != "direct":
		p := &tapPlan{bindings: []tapBinding{whole}, notes: []brokers.Note{returned}}
		if listErr != nil && x.Alternate != "" {
			if !o.Force {
				return nil, &brokers.DisturbError{Reason: fmt.Sprintf("exchange %q has the alternate exchange %q, which would get nothing while it is tapped, as its bindings cannot be listed", x.Name, x.Alternate), Hint: enableManagement}
			}
			p.notes = append(p.notes, brokers.Note{Warn: true, Text: fmt.Sprintf("The alternate exchange %q gets nothing while this tap runs.", x.Alternate)})
		}
		return p, nil
	case listErr != nil:
		return nil, fmt.Errorf("exchange %q is a direct one, and its bindings cannot be listed: %w\nName the routing keys to tap. Or: %s", x.Name, listErr, enableManagement)
	}
	return b.unroutedDirect(ctx, x.Name)
}

// unroutedDirect taps a direct exchange for keys that nobody bound, as far as that goes: by the firehose alone.
func (b *Broker) unroutedDirect(ctx context.Context, name string) (*tapPlan, error) {
	if b.canTrace(false) == nil {
		return b.firehose("publish."+name, nil), nil
	}
	p, err := b.copies(ctx, func(bound *brokers.Binding, _ *brokers.Exchange) bool { return bound.Source == name })
	if err == nil {
		p.notes = append(p.notes, brokers.Note{Warn: true, Text: "A direct exchange shows only the routing keys that somebody bound."})
	}
	return p, err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
