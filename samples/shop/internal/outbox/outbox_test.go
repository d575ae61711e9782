package outbox

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"shop/internal/event"
	"shop/internal/trace"
)

func TestOutboxKeepsOrderAndTrace(t *testing.T) {
	var got []string
	var traces []string
	o := New(func(ctx context.Context, e event.Event) error {
		span, _ := trace.From(ctx)
		got, traces = append(got, e.ID), append(traces, span.TraceID)
		return nil
	}, slog.New(slog.DiscardHandler))
	a, b := trace.New(), trace.New()
	o.Add(trace.With(t.Context(), a), event.Event{ID: "1"})
	o.Add(trace.With(t.Context(), b), event.Event{ID: "2"})
	o.Close()
	if len(got) != 2 || got[0] != "1" || got[1] != "2" || traces[0] != a.TraceID || traces[1] != b.TraceID {
		t.Errorf("published %v under %v", got, traces)
	}
}

func TestCloseGivesUpOnABrokerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(func(ctx context.Context, _ event.Event) error {
			<-ctx.Done()
			return ctx.Err()
		}, slog.New(slog.DiscardHandler))
		for range 3 {
			o.Add(t.Context(), event.Event{})
		}
		begun := time.Now()
		o.Close()
		if took := time.Since(begun); took != drain {
			t.Errorf("Close took %s, want %s", took, drain)
		}
	})
}

func TestAddNeverWaits(t *testing.T) {
	busy, carryOn := make(chan struct{}, 1), make(chan struct{})
	published := 0
	o := New(func(context.Context, event.Event) error {
		if published++; published == 1 {
			busy <- struct{}{}
			<-carryOn
		}
		return nil
	}, slog.New(slog.DiscardHandler))
	o.Add(t.Context(), event.Event{})
	<-busy
	for range capacity + 10 {
		o.Add(t.Context(), event.Event{})
	}
	close(carryOn)
	o.Close()
	if published != 1+capacity {
		t.Errorf("published %d, want %d", published, 1+capacity)
	}
}
