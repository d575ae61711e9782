package brokertest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"msdev/brokers"
)

func peeked(t *testing.T, r Rabbit) {
	at := r.Queue(t)
	for i := range 10 {
		r.send(t, at.To, r.message("", fmt.Sprint(i)))
	}
	bodies := func(messages []brokers.Message) string {
		var b strings.Builder
		for _, m := range messages {
			b.Write(m.Body)
		}
		return b.String()
	}
	for _, limit := range []int{3, 10, 5, 100} {
		if got, want := bodies(r.read(t, at.Read, brokers.ReadOptions{Limit: limit})), "0123456789"[:min(limit, 10)]; got != want {
			t.Errorf("looked at %d: %s, not %s", limit, got, want)
		}
	}
	left := int64(-1)
	err := r.Broker.Read(bounded(t), at.Read, brokers.ReadOptions{Limit: 4}, func(b brokers.Batch) bool {
		left = b.Left
		return true
	})
	if err != nil || left != 6 {
		t.Errorf("behind four of ten are %d, %v", left, err)
	}
}

// quorumSurvives looks more often than the broker's delivery limit of 20 allows.
func quorumSurvives(t *testing.T, r Rabbit) {
	queue := name("quorum")
	apply(t, r.Broker, brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: queue, Durable: true, Type: brokers.QuorumQueue,
		DeliveryLimit: new(int64(20))}})
	after(t, r.Broker, brokers.Change{Kind: brokers.DeleteQueue, Queue: brokers.Queue{Name: queue}})
	from := brokers.Source{Kind: brokers.SourceQueue, Name: queue}
	r.send(t, brokers.Target{RoutingKey: queue}, r.message("", "precious"))
	var before int64 = -1
	for i := range 26 {
		seen := r.read(t, from, brokers.ReadOptions{})
		if len(seen) != 1 || string(seen[0].Body) != "precious" {
			t.Fatalf("at look %d there are %d messages", i+1, len(seen))
		}
		if i == 3 {
			before = seen[0].Budget
		}
		if i == 4 && seen[0].Budget != before-1 {
			t.Errorf("the budget went from %d to %d", before, seen[0].Budget)
		}
	}
}

func takenOne(t *testing.T, r Rabbit) {
	at := r.Queue(t)
	for i := range 5 {
		r.send(t, at.To, r.message("", fmt.Sprint(i)))
	}
	ctx := bounded(t)
	h, err := r.Broker.(brokers.Taker).Take(ctx, at.Read.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for {
		m, ticket, err := h.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Body) == "2" {
			if err := h.Settle(ctx, brokers.Remove, ticket); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.Settle(ctx, brokers.Remove, 4711); err == nil {
		t.Error("what is not held was settled")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, m := range r.read(t, at.Read, brokers.ReadOptions{}) {
		left = append(left, string(m.Body))
	}
	if !slices.Equal(left, []string{"0", "1", "3", "4"}) {
		t.Errorf("left are %v", left)
	}
}

func streamRead(t *testing.T, r Rabbit) {
	stream := name("stream")
	apply(t, r.Broker, brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: stream, Durable: true, Type: brokers.StreamQueue}})
	after(t, r.Broker, brokers.Change{Kind: brokers.DeleteQueue, Queue: brokers.Queue{Name: stream}})
	from, to := brokers.Source{Kind: brokers.SourceQueue, Name: stream}, brokers.Target{RoutingKey: stream}
	for i := range 10 {
		r.send(t, to, r.message("", fmt.Sprint(i)))
	}
	read := func(o brokers.ReadOptions) string {
		var b strings.Builder
		for _, m := range r.read(t, from, o) {
			b.Write(m.Body)
		}
		return b.String()
	}
	for _, c := range []struct {
		o    brokers.ReadOptions
		want string
	}{
		{brokers.ReadOptions{}, "0123456789"},
		{brokers.ReadOptions{Limit: 3}, "012"},
		{brokers.ReadOptions{From: brokers.Position{At: brokers.AtOffset, Offset: 4}, Until: brokers.Position{At: brokers.AtOffset, Offset: 8}}, "4567"},
		{brokers.ReadOptions{From: brokers.Position{At: brokers.AtLast, Offset: 2}}, "89"},
	} {
		if got := read(c.o); got != c.want {
			t.Errorf("%+v gives %s, not %s", c.o, got, c.want)
		}
	}
	w := r.watch(t, from, brokers.TapOptions{}, nil)
	r.send(t, to, r.message("", "new"))
	if seen := w.saw(1); string(seen[0].Body) != "new" || seen[0].Offset != 10 {
		t.Errorf("saw %+v", seen)
	}
}
