package cmd

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"msdev/brokers"
	"msdev/runner"
)

// someBrokers are two brokers of the project, and a third of which little is known.
func someBrokers() *brokerSet {
	queues := func(names ...string) (all []brokers.Queue) {
		for _, n := range names {
			all = append(all, brokers.Queue{Name: n})
		}
		return all
	}
	return &brokerSet{all: []*knownBroker{
		{info: brokers.Info{Name: "rabbitmq", Kind: brokers.RabbitMQ, Own: true}, topology: &brokers.Topology{
			Exchanges: []brokers.Exchange{{Name: ""}, {Name: "orders"}, {Name: "orders/eu"}, {Name: "both"}}, Queues: queues("shipping", "shipping.dead", "a/b", "both")}},
		{info: brokers.Info{Name: "kafka", Kind: brokers.Kafka, Own: true}, topology: &brokers.Topology{Topics: []brokers.Topic{{Name: "order-events"}, {Name: "shipping"}}}},
		{info: brokers.Info{Name: "bare", Kind: brokers.RabbitMQ}, topology: &brokers.Topology{}},
	}}
}

func TestAddresses(t *testing.T) {
	tests := []struct{ text, want, err string }{
		{text: "shipping.dead", want: "rabbitmq/queue:shipping.dead"},
		{text: "orders", want: "rabbitmq/exchange:orders"},
		{text: "order-events", want: "kafka/topic:order-events"},
		{text: "a/b", want: "rabbitmq/queue:a/b"},
		{text: "orders/order.placed", want: "rabbitmq/exchange:orders/order.placed"},
		{text: "orders/eu/x", want: "rabbitmq/exchange:orders/eu/x"},
		{text: "order-events/2", want: "kafka/topic:order-events/2"},
		{text: "order-events/2@118", want: "kafka/topic:order-events/2"},
		{text: "order-events@10m", want: "kafka/topic:order-events"},
		{text: "queue:shipping", want: "rabbitmq/queue:shipping"},
		{text: "kafka/shipping", want: "kafka/topic:shipping"},
		{text: "kafka/topic:shipping/1", want: "kafka/topic:shipping/1"},
		{text: "rabbitmq/exchange:/shipping", want: "rabbitmq/exchange:/shipping"},
		{text: "kafka", want: "kafka"},
		{text: "rabbitmq/", want: "rabbitmq"},
		{text: "bare/queue:unlisted", want: "bare/queue:unlisted"},
		{text: "bare/exchange:x/key", want: "bare/exchange:x/key"},
		{text: "shipping", err: "rabbitmq/queue:shipping or kafka/topic:shipping"},
		{text: "both", err: "rabbitmq/queue:both or rabbitmq/exchange:both"},
		{text: "shiping.dead", err: `Did you mean "shipping.dead"?`},
		{text: "topic:order-evnts", err: `Did you mean "order-events"?`},
		{text: "kafak/topic:x", err: `Did you mean "kafka"?`},
		{text: "order-events/x", err: "there is no"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			p, err := someBrokers().resolve(tt.text)
			switch {
			case tt.err != "":
				var e *runner.Error
				if !errors.As(err, &e) || e.Kind != runner.ErrUsage || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("the error is %v, want %q", err, tt.err)
				}
			case err != nil:
				t.Error(err)
			case p.String() != tt.want:
				t.Errorf("it is %s, want %s", p, tt.want)
			}
		})
	}
}

func TestAddressesOfAVerb(t *testing.T) {
	_, err := someBrokers().resolve("exchange:orders", brokers.SourceQueue, brokers.SourceTopic)
	if err == nil || !strings.Contains(err.Error(), "queue, topic") {
		t.Errorf("an exchange is taken for a queue or topic: %v", err)
	}
	_, err = someBrokers().resolve("orders", brokers.SourceQueue, brokers.SourceTopic)
	if err == nil || !strings.Contains(err.Error(), "exchange") {
		t.Errorf("the error does not say that it is an exchange: %v", err)
	}
	p, err := someBrokers().resolve("order-events/2@118", brokers.SourceTopic)
	if err != nil || p.from == nil || p.from.Offset != 118 || !slices.Equal(p.source.Partitions, []int32{2}) {
		t.Errorf("it is %+v, %v", p, err)
	}
}

func TestPositions(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]brokers.Position{
		"start": {At: brokers.AtStart}, "latest": {At: brokers.AtEnd}, "118": {At: brokers.AtOffset, Offset: 118},
		"last:20": {At: brokers.AtLast, Offset: 20}, "10m": {At: brokers.AtTime, Time: now.Add(-10 * time.Minute)},
	} {
		got, err := parsePosition(text, now)
		if err != nil || got.At != want.At || got.Offset != want.Offset || !got.Time.Equal(want.Time) {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "last:0", "-1", "yesterday"} {
		if _, err := parsePosition(text, now); err == nil {
			t.Errorf("%q is taken for a position", text)
		}
	}
}

// What is lost is said, and nothing that is lost passes without a yes.
func TestConsent(t *testing.T) {
	own, remote := brokers.Info{Name: "rabbitmq", Own: true}, brokers.Info{Name: "staging", Address: "host:5672"}
	tests := []struct {
		name string
		c    consent
		at   brokers.Info
		lost string
		err  string
	}{
		{name: "nothing is lost at home", at: own},
		{name: "something is", at: own, lost: "12 messages", err: "12 messages"},
		{name: "and was agreed to", c: consent{yes: true}, at: own, lost: "12 messages"},
		{name: "elsewhere", at: remote, err: "--allow-remote"},
		{name: "yes is no permission elsewhere", c: consent{yes: true}, at: remote, lost: "1 message", err: "--allow-remote"},
		{name: "permission is no confirmation", c: consent{yes: true, allowRemote: true}, at: remote, err: "--yes-i-mean staging"},
		{name: "another name", c: consent{allowRemote: true, mean: "prod"}, at: remote, err: "prod"},
		{name: "its name", c: consent{allowRemote: true, mean: "staging"}, at: remote, lost: "1 message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &app{in: null(t), out: null(t), err: null(t)}
			err := a.permit(t.Context(), tt.c, tt.at, "do it", tt.lost)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("the error is %v, want %q", err, tt.err)
			}
		})
	}
}

// null is a stream that no person sits at.
func null(t *testing.T) *os.File {
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestCompletions completes a name bare, or in the form that was begun.
func TestCompletions(t *testing.T) {
	every := []brokers.SourceKind{brokers.SourceQueue, brokers.SourceExchange, brokers.SourceTopic}
	for _, c := range []struct {
		word  string
		kinds []brokers.SourceKind
		want  []string
	}{
		{"ship", every, []string{"shipping", "shipping.dead"}},
		{"ship", every[2:], []string{"shipping"}},
		{"queue:sh", every, []string{"queue:shipping", "queue:shipping.dead"}},
		{"kafka/topic:o", every, []string{"kafka/topic:order-events"}},
		{"kaf", every, []string{"kafka/topic:order-events", "kafka/topic:shipping"}},
		{"nothing", every, nil},
		{"", every[1:2], []string{"both", "orders", "orders/eu"}},
	} {
		if got := someBrokers().addresses(c.word, c.kinds); !slices.Equal(got, c.want) {
			t.Errorf("%q is completed to %q, not %q", c.word, got, c.want)
		}
	}
}
