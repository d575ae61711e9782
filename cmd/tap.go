package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"msdev/brokers"
	"msdev/runner"
)

// tapOptions are the flags of `tap`.
type tapOptions struct {
	viewFlags
	brokerFlags
	tap   brokers.TapOptions
	limit int64
}

func newTap(a *app) *cobra.Command {
	var o tapOptions
	c := &cobra.Command{
		Use:   "tap [SOURCE...]",
		Short: "Print messages as they pass, without taking any from a consumer",
		Long: `Print messages as they pass, without taking any from a consumer. Without a SOURCE: all that passes every broker of the
project. Where a tap would change what the application sees, it says why and does nothing, unless --force is given.

` + addressHelp,
		Example: `  msdev tap orders order-events --filter 'total > 40'
  msdev tap exchange:orders/orders.placed --format jsonl --limit 10 | jq -r .body`,
		ValidArgsFunction: a.completes(0, brokers.SourceQueue, brokers.SourceTopic, brokers.SourceExchange),
		RunE: func(_ *cobra.Command, sources []string) error {
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error { return c.tap(ctx, o, sources) })
		},
	}
	flags := c.Flags()
	o.viewFlags.register(flags)
	flags.Int64VarP(&o.limit, "limit", "n", 0, "end after this `number` of messages")
	flags.BoolVar(&o.tap.Firehose, "firehose", false, "RabbitMQ: by tracing, which also shows who published and which queues took it; switched off again at the end")
	flags.BoolVar(&o.tap.Unrouted, "unrouted", false, "RabbitMQ: also what no queue gets")
	flags.BoolVar(&o.tap.Uncommitted, "uncommitted", false, "Kafka: also records of open and aborted transactions")
	flags.BoolVar(&o.tap.Force, "force", false, "also where it changes what the application sees")
	o.brokerFlags.register(flags)
	return c
}

// errEnough ends a tap whose limit is reached.
var errEnough = errors.New("enough")

func (c *counter) tap(ctx context.Context, o tapOptions, sources []string) error {
	places, err := c.sources(sources)
	if err != nil {
		return err
	}
	t := &tapping{o: o, many: len(places) > 1}
	if t.view, err = c.view(ctx, o.viewFlags, len(places) > 1 && len(c.all) > 1); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taps sync.WaitGroup
	for _, p := range places {
		taps.Go(func() {
			err := p.at.Tap(ctx, p.source, o.tap, func(b brokers.TapBatch) {
				if err := t.take(ctx, p, b); err != nil {
					cancel(err)
				}
			})
			if err != nil {
				cancel(disturbing(err))
			}
		})
	}
	taps.Wait()
	err = context.Cause(ctx)
	if errors.Is(err, errEnough) || errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, t.view.close())
}

// sources are the places to tap: those named, or all brokers of the project.
func (c *counter) sources(texts []string) ([]place, error) {
	var places []place
	for _, text := range texts {
		p, err := c.resolve(text)
		if err != nil {
			return nil, err
		}
		if p.key != nil {
			p.source.Keys = []string{*p.key}
		}
		if p.from != nil {
			return nil, usageError(text+": a tap begins now", "`msdev peek "+text+"` reads what is there already.")
		}
		places = append(places, p)
	}
	if len(texts) > 0 {
		return places, nil
	}
	for _, b := range c.all {
		if b.info.Own && b.err == nil {
			places = append(places, place{at: b, source: brokers.Source{Kind: brokers.SourceAll}})
		}
	}
	if len(places) == 0 {
		if err := c.silent(""); err != nil {
			return nil, err
		}
		return nil, usageError("no broker is part of the project", "Name what to tap.")
	}
	return places, nil
}

// disturbing makes the refusal to disturb an error with its way out.
func disturbing(err error) error {
	var d *brokers.DisturbError
	if !errors.As(err, &d) {
		return err
	}
	hint := d.Hint
	if !strings.Contains(hint, "--force") {
		hint = strings.TrimSpace(hint + " --force taps anyway.")
	}
	return &runner.Error{Kind: runner.ErrFailed, Msg: d.Reason, Hint: hint, Err: err}
}

// tapping prints what several taps see, one batch after the other.
type tapping struct {
	o    tapOptions
	many bool

	mu   sync.Mutex
	view *view
	done bool
}

func (t *tapping) take(ctx context.Context, p place, b brokers.TapBatch) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil
	}
	t.tell(p, b)
	defer t.view.flush()
	for i := range b.Messages {
		m := &b.Messages[i]
		if !t.view.passes(m) {
			continue
		}
		if err := t.view.show(ctx, p.at.info, m); err != nil {
			return err
		}
		if t.o.limit > 0 && t.view.shown >= t.o.limit {
			t.done = true
			return errEnough
		}
	}
	return nil
}

// tell says what is not messages: how it is tapped, what is missing.
func (t *tapping) tell(p place, b brokers.TapBatch) {
	name := ""
	if t.many {
		name = p.at.info.Name + ": "
	}
	for i := range b.Notes {
		b.Notes[i].Text = name + b.Notes[i].Text
	}
	t.view.flush()
	t.view.notes(b.Notes)
	if b.Gap != nil {
		text := fmt.Sprintf("%sthe connection was lost from %s to %s (%s)", name, b.Gap.From.Local().Format(time.TimeOnly), b.Gap.To.Local().Format(time.TimeOnly), b.Gap.Reason)
		if b.Gap.Resumed {
			text += "; nothing is missing"
		} else {
			text += "; what passed then is not shown"
		}
		t.view.warn(text)
	}
	if b.Lost > 0 {
		t.view.warn(fmt.Sprintf("%s%s came faster than they could be printed, and are not shown", name, brokers.Number(b.Lost, "message")))
	}
}
