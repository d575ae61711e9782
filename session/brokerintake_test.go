package session

import (
	"strings"
	"testing"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
	"msdev/journal"
)

// TestIntake has two batches, as the second uses the memory of the first.
func TestIntake(t *testing.T) {
	in := intake{broker: "mq"}
	j := journal.New(journal.Caps{})
	for _, b := range []brokers.TapBatch{
		{Messages: []brokers.Message{
			{Kind: brokers.RabbitMQ, Exchange: "orders", RoutingKey: "a.b", Body: []byte("one\ntwo"), Offset: -1,
				Headers:    brokers.Headers{{Key: "long", Value: strings.Repeat("x", 300)}, {Key: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
				Properties: brokers.Properties{Has: wire.HasMessageID | wire.HasHeaders, MessageID: "m1"}},
			{Kind: brokers.Kafka, Topic: "t", Partition: 2, Offset: 7, Key: []byte("k"), Body: nil},
		}},
		{Gap: &brokers.Gap{Reason: "it went away"}, Messages: []brokers.Message{
			{Kind: brokers.RabbitMQ, RoutingKey: "work", Body: []byte(strings.Repeat("ü", 200)), Offset: -1},
			{Kind: brokers.RabbitMQ, Exchange: "x", Queue: "q", Event: brokers.EventDelivered, Body: []byte{0xff, 0xfe}, Offset: -1},
		}},
	} {
		for i := range b.Messages {
			b.Messages[i].Time, b.Messages[i].TimeKind = time.Unix(1, 0), brokers.TimeSeen
		}
		j.AppendAll(in.all(&b))
	}
	page := j.After(0, journal.Query{Limit: 10})
	want := []struct{ stream, ref, trace, text string }{
		{"mq/orders", "m1", "4bf92f3577b34da6a3ce929d0e0e4736", "a.b one two"},
		{"mq/t", "t/2/7", "", "k (tombstone)"},
		{"mq/events", "lost", "", "mq: what passed between 00:00:00 and 00:00:00 was not seen: it went away"},
		{"mq/work", "", "", "work " + strings.Repeat("ü", 120) + "…"},
		{"mq/q", "", "", " (2 bytes)"},
	}
	if len(page.Records) != len(want) {
		t.Fatalf("%d records", len(page.Records))
	}
	for i, r := range page.Records {
		if w := want[i]; r.Stream != w.stream || r.Ref != w.ref || r.Trace != w.trace || r.Text != w.text {
			t.Errorf("%d is %s %q %q %q", i, r.Stream, r.Ref, r.Trace, r.Text)
		}
		if r.Kind != journal.KindMessage {
			continue
		}
		var m brokers.Message
		if err := m.UnmarshalBinary(r.Body); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if i == 0 && (len(m.Headers) != 2 || string(m.Body) != "one\ntwo" || m.Properties.MessageID != "m1") {
			t.Errorf("it came back as %+v", m)
		}
	}
}
