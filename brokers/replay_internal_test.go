package brokers

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"msdev/brokers/wire"
)

func TestPacer(t *testing.T) {
	start := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	none := time.Time{}
	for name, c := range map[string]struct {
		pace Pace
		own  []time.Time // the messages' times
		want []time.Time
	}{
		"at once":         {Pace{}, []time.Time{at(0), at(900)}, []time.Time{none, none}},
		"rate":            {Pace{Rate: 10}, []time.Time{none, none, none}, []time.Time{none, at(100), at(200)}},
		"own timing":      {Pace{Factor: 1}, []time.Time{at(-5000), at(-4000), at(-4500), at(-3000)}, []time.Time{none, at(1000), at(500), at(2000)}},
		"twice as fast":   {Pace{Factor: 2}, []time.Time{at(-5000), at(-4000)}, []time.Time{none, at(500)}},
		"some lack times": {Pace{Factor: 1}, []time.Time{none, at(-300), none, at(-100)}, []time.Time{none, at(0), none, at(200)}},
	} {
		p := pacer{Pace: c.pace}
		for i, own := range c.own {
			if got := p.next(own, start); !got.Equal(c.want[i]) {
				t.Errorf("%s: message %d is due at %v, want %v", name, i, got, c.want[i])
			}
		}
	}
}

func TestOrigin(t *testing.T) {
	death := func(queue, exchange, reason string, keys ...any) Headers {
		return Headers{{Key: "count", Value: int64(2)}, {Key: "exchange", Value: exchange}, {Key: "queue", Value: queue}, {Key: "reason", Value: reason}, {Key: "routing-keys", Value: Array(keys)}}
	}
	partition := int32(3)
	for name, c := range map[string]struct {
		m    Message
		want Origin
		dead bool
	}{
		"alive":             {Message{Kind: RabbitMQ}, Origin{}, false},
		"one death":         {Message{Kind: RabbitMQ, Headers: Headers{{Key: "x-death", Value: Array{death("q", "e", "rejected", "k", "k2")}}}}, Origin{Target{Exchange: "e", RoutingKey: "k"}, "q", "rejected", 2, "x-death"}, true},
		"the first of two":  {Message{Kind: RabbitMQ, Headers: Headers{{Key: "x-death", Value: Array{death("retry", "r", "expired", "k"), death("q", "e", "rejected", "k")}}}}, Origin{Target{Exchange: "e", RoutingKey: "k"}, "q", "rejected", 2, "x-death"}, true},
		"first-death names": {Message{Kind: RabbitMQ, Headers: Headers{{Key: "x-death", Value: Array{death("q", "e", "rejected", "k"), death("retry", "r", "expired", "k")}}, {Key: "x-first-death-queue", Value: "q"}, {Key: "x-first-death-reason", Value: "rejected"}}}, Origin{Target{Exchange: "e", RoutingKey: "k"}, "q", "rejected", 2, "x-death"}, true},
		"broken":            {Message{Kind: RabbitMQ, Headers: Headers{{Key: "x-death", Value: Array{"?"}}}}, Origin{By: "x-death"}, false},
		"Spring":            {Message{Kind: Kafka, Headers: Headers{{Key: "kafka_dlt-original-topic", Value: []byte("orders")}, {Key: "kafka_dlt-original-partition", Value: []byte{0, 0, 0, 3}}, {Key: "kafka_dlt-exception-message", Value: []byte("boom")}}}, Origin{Target: Target{Topic: "orders", Partition: &partition}, Reason: "boom", By: "kafka_dlt-original-topic"}, true},
		"Connect":           {Message{Kind: Kafka, Headers: Headers{{Key: "__connect.errors.topic", Value: []byte("orders")}, {Key: "__connect.errors.partition", Value: []byte("3")}}}, Origin{Target: Target{Topic: "orders", Partition: &partition}, By: "__connect.errors.topic"}, true},
		"by name":           {Message{Kind: Kafka, Topic: "orders.v1.DLT"}, Origin{Target: Target{Topic: "orders.v1"}, By: "the topic's name"}, true},
		"a live record":     {Message{Kind: Kafka, Topic: "orders"}, Origin{}, false},
	} {
		if got, dead := OriginOf(&c.m); dead != c.dead || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v %v", name, got, dead)
		}
	}
}

func names(h Headers) string {
	var all []string
	for _, f := range h {
		all = append(all, f.Key)
	}
	return strings.Join(all, " ")
}

func TestHeaderPolicy(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	found := Message{Kind: RabbitMQ, Properties: Properties{Has: wire.HasHeaders | wire.HasUserID | wire.HasMessageID, UserID: "u", MessageID: "m"},
		Headers: Headers{{Key: "a", Value: "1"}, {Key: "x-death", Value: Array{}}, {Key: "X-First-Death-Queue", Value: "q"}, {Key: "x-delivery-count", Value: int64(1)}, {Key: "traceparent", Value: trace}, {Key: "a", Value: "2"}, {Key: "x-stream-offset", Value: int64(3)}, {Key: "kafka_dlt-exception-fqcn", Value: "x"}}}
	for name, c := range map[string]struct {
		policy HeaderPolicy
		want   string
	}{
		"zero":        {HeaderPolicy{}, "a traceparent a"},
		"keep":        {HeaderPolicy{KeepBroker: true}, names(found.Headers)},
		"drop":        {HeaderPolicy{Drop: []string{"trace*"}}, "a a"},
		"marker":      {HeaderPolicy{Marker: "x-replay", Run: "7"}, "a traceparent a x-replay"},
		"renew trace": {HeaderPolicy{RenewTrace: true}, "a traceparent a"},
	} {
		m := found.Clone()
		c.policy.apply(&m)
		if got := names(m.Headers); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if renewed := m.HeaderText("traceparent") != trace && m.Trace() != ""; renewed != c.policy.RenewTrace {
			t.Errorf("%s: trace %s", name, m.HeaderText("traceparent"))
		}
	}
	m := found.Clone()
	(&HeaderPolicy{RenewID: true, DropUser: true, Drop: []string{"*"}}).apply(&m)
	if len(m.Headers) != 0 || m.Properties.Has != wire.HasMessageID || m.Properties.MessageID == "m" || m.Properties.UserID != "" {
		t.Errorf("%+v", m.Properties)
	}
	empty := Message{Kind: RabbitMQ, Headers: Headers{}, Properties: Properties{Has: wire.HasHeaders}}
	if (&HeaderPolicy{}).apply(&empty); empty.Properties.Has != wire.HasHeaders {
		t.Error("an empty table of headers was taken away")
	}
}

func TestBetweenKinds(t *testing.T) {
	rabbit := Message{Kind: RabbitMQ, Exchange: "e", RoutingKey: "k", Body: []byte("b"),
		Properties: Properties{Has: wire.HasContentType | wire.HasPriority | wire.HasMessageID, ContentType: "text/plain", MessageID: "7", Priority: 3},
		Headers:    Headers{{Key: "s", Value: "text"}, {Key: "i", Value: int32(5)}, {Key: "raw", Value: []byte{0xff}}, {Key: "void", Value: nil}, {Key: "list", Value: Array{"x"}}, {Key: "ok", Value: true}}}
	record := convert(&rabbit, Kafka)
	want := Headers{{Key: "s", Value: []byte("text")}, {Key: "i", Value: []byte("5")}, {Key: "raw", Value: []byte{0xff}}, {Key: "void", Value: []byte(nil)}, {Key: "list", Value: []byte(`[{"value":"x"}]`)}, {Key: "ok", Value: []byte("true")},
		{Key: "content-type", Value: []byte("text/plain")}, {Key: "message-id", Value: []byte("7")}}
	if !reflect.DeepEqual(record.Headers, want) || string(record.Key) != "k" || string(record.Body) != "b" {
		t.Errorf("%s %v", record.Key, record.Headers)
	}
	back := convert(&record, RabbitMQ)
	if p := back.Properties; p.ContentType != "text/plain" || p.MessageID != "7" || p.DeliveryMode != 2 || p.Has != wire.HasContentType|wire.HasMessageID|wire.HasDeliveryMode|wire.HasHeaders {
		t.Errorf("%+v", back.Properties)
	}
	tombstone := Message{Kind: Kafka, Key: []byte{0xff, 0}, Headers: Headers{{Key: "n", Value: []byte(nil)}}}
	there := convert(&tombstone, RabbitMQ)
	if again := convert(&there, Kafka); again.Body != nil || !reflect.DeepEqual(again.Key, tombstone.Key) || !reflect.DeepEqual(again.Headers, tombstone.Headers) {
		t.Errorf("%+v by way of %+v", again, there)
	}
}

func TestNotesAreOfOneRedrive(t *testing.T) {
	path := t.TempDir() + "/notes"
	head := noteHead{Redrive: Source{Kind: SourceTopic, Name: "dead"}, Broker: "a:1"}
	n, err := openNotes(path, head)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.record(2, 150); err != nil {
		t.Fatal(err)
	}
	for _, torn := range []string{"done 2 15", "owe 0011"} { // a kill in the middle of a line
		if _, err := n.file.WriteString(torn + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.close(false); err != nil {
		t.Fatal(err)
	}
	n, err = openNotes(path, head)
	if err != nil || !n.has(2, 150) || n.has(2, 15) || len(n.debt) != 0 {
		t.Fatalf("%+v %v", n, err)
	}
	if err := n.close(false); err != nil {
		t.Fatal(err)
	}
	head.Broker = "b:1"
	if _, err := openNotes(path, head); err == nil || !strings.Contains(err.Error(), `is the journal of a redrive of topic "dead" on a:1`) {
		t.Errorf("another broker: %v", err)
	}
}
