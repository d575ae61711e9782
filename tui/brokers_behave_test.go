package tui

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	embeddedamqp "msdev/brokers/embedded/amqp"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/brokers/rabbitmq"
	"msdev/journal"
)

func TestMessagesFilter(t *testing.T) {
	s := newScreen(t, newBrokers(), 120, 30).press("3", "/").typed("$.total > 44")
	s.sees("only $.total > 44", `"total":47.90`).seesNot(`"total":41.90`, "tombstone")
	s.typed(" and (").sees("missing")
	s.press("esc").sees("tombstone", `"total":41.90`).seesNot("only $")
	s.press("/").typed("is:unroutable").press("enter").sees("nothing.bound").seesNot("order.placed")
	s.press("esc").sees("order.placed")
}

func TestMessagesOfOneService(t *testing.T) {
	s := newScreen(t, newBrokers(), 120, 30).press("j", "m")
	s.sees("kafka · messages, live", "order-events/1").seesNot("order.placed")
	s.press("a").sees("all messages", "order.placed").press("a").sees("kafka · messages")
	s.press("esc", "j", "j", "j", "m").sees("orders · messages", "order.placed").seesNot("order-events")
	s.press("1", "k", "m").sees("payments · messages", "order-events").seesNot("order.placed")
	s.press("1", "k", "m").sees("is not known: all messages show", "order-events", "order.placed")
}

func TestMessagesOfAQueueAreThoseBoundForIt(t *testing.T) {
	s := newScreen(t, newBrokers(), 120, 30).press("8", "/").typed("shipments").press("enter", "m")
	s.sees("shipments · messages, live", "order.placed").seesNot("order.cancelled", "nothing.bound")
}

func TestReplayTellsWhatBecameOfEach(t *testing.T) {
	src := newBrokers()
	s := newScreen(t, src, 160, 40).press("8", "/").typed("shipments.dead").press("enter", "p")
	s.press("*", "*", "space", "*", "*").sees("3 messages marked").press("R").sees("replay · 3 messages", "where they died first", "x-death", "nothing is sent yet")
	if len(src.brokers[0].sent) != 0 {
		t.Fatal("the rehearsal has sent something")
	}
	s.press("enter").sees("2 messages confirmed, 1 unroutable", "no queue took it", "exchange orders")
	if sent := src.brokers[0].sent; len(sent) != 3 || sent[0].To.Exchange != "orders" || len(sent[0].Message.Headers) != 0 {
		t.Errorf("sent %+v", sent)
	}
	if want := "rabbitmq: replayed 3 messages: 2 messages confirmed, 1 unroutable"; !slices.Contains(src.notes, want) {
		t.Errorf("the journal has %q", src.notes)
	}
	s.press("h").sees("all kept").press("t").sees("where they were published").press("o").typed("kafka/topic:order-events/1").press("enter")
	s.sees("kafka/topic:order-events/1", "on kafka").press("enter").sees("topic order-events/1")
	if len(src.brokers[1].sent) != 3 {
		t.Errorf("Kafka got %d", len(src.brokers[1].sent))
	}
	s.press("esc").sees("shipments.dead · what is in the queue").press("esc", "esc").sees("TREND")
}

func TestBrokersOfOthersAskForTheirName(t *testing.T) {
	src := newBrokers()
	src.brokers[0].info.Own = false
	s := newScreen(t, src, 160, 40).press("8").sees("not of this project")
	s.press("3", "k", "k", "k", "k", "R", "enter").sees("type its name").typed("rabbit").press("enter").sees("that is not its name")
	if len(src.brokers[0].sent) > 0 {
		t.Fatal("it was sent without the name")
	}
	s.typed("mq").press("enter").sees("1 message confirmed")
	s.press("8", "/").typed("reports").press("enter", "D", "D").sees("type its name").press("esc")
	if len(src.brokers[0].changes) > 0 {
		t.Errorf("deleted %+v", src.brokers[0].changes)
	}
}

func TestDeleteAsksAndNamesWhatIsLost(t *testing.T) {
	src := newBrokers()
	s := newScreen(t, src, 120, 30).press("8", "/").typed("reports").press("enter", "D")
	s.sees(`Delete queue "reports" of rabbitmq?`, "48,211 messages in it")
	if len(src.brokers[0].changes) != 0 {
		t.Fatal("it was not asked")
	}
	s.press("D").sees("delete reports: done")
	if c := src.brokers[0].changes; len(c) != 1 || c[0].Kind != brokers.DeleteQueue || c[0].Queue.Name != "reports" {
		t.Errorf("changed %+v", c)
	}
}

func TestPeekFromAnOffset(t *testing.T) {
	s := newScreen(t, newBrokers(), 120, 30).press("8", "/").typed("order-events").press("enter", "p")
	s.sees("the newest of each partition", "order-events/0", "order-events/1")
	s.press("@").typed("1000").press("enter").sees("from offset 1,000", "order-events/0").seesNot("order-events/1")
	s.press("@").typed("5000").press("enter").sees("no record from there on", "@ goes elsewhere")
}

// TestTrends lets a dead-letter queue grow and a group stand still.
func TestTrends(t *testing.T) {
	src := newBrokers()
	s := newScreen(t, src, 160, 40).press("8")
	for i := range 8 {
		at := noon.Add(time.Duration(i+1) * bookEvery)
		for _, b := range src.brokers {
			b.topology.At = at
		}
		src.brokers[0].topology.Queues[1].Ready = ptr(int64(120 + i*10))
		src.brokers[1].topology.Topics[0].Partitions[0].End = ptr(int64(1204 + i*20))
		s.send(stateMsg{src.state, at})
	}
	if row := s.row("shipments.dead"); !strings.Contains(row, "✖ 190 dead letters of shipments, 70 more in 16s") || !strings.Contains(row, "▅") {
		t.Errorf("the growing dead letters: %q", row)
	}
	if row := s.row("group, stable"); !strings.Contains(row, "✖ stuck: no commit for 16s") {
		t.Errorf("the stuck group: %q", row)
	}
	if row := s.row("partitions"); !strings.Contains(row, "10") || !strings.Contains(row, "█") {
		t.Errorf("the rate of the topic: %q", row)
	}
}

// TestManyMessagesCostNoMoreThanFew lets a flood pass: what the screen asks for does not depend on it.
func TestManyMessagesCostNoMoreThanFew(t *testing.T) {
	src := newBrokers()
	src.journal = journal.New(journal.Caps{Stream: 1 << 30, Total: 1 << 30})
	s := newScreen(t, src, 160, 40).press("3")
	m := rabbitMessage("orders", "order.placed", `{"order":"7f01"}`)
	for range 100_000 {
		src.passes("rabbitmq", "orders", m)
	}
	before := src.pages
	s.news()
	s.sees("order.placed")
	if n, held := src.pages-before, len(s.app.messages.pane.records); n > 4 || held > maxWindow {
		t.Errorf("%d requests for %d records", n, held)
	}
}

// TestHostileMessages shows what would command a terminal, at every size of pane.
func TestHostileMessages(t *testing.T) {
	src := newBrokers()
	m := rabbitMessage("or\x1b[2Jders", "key\r\n\x07", "\x1b]52;c;aGk=\x07\x1b[2J body\x00\x9b", brokers.Header{Key: "h\x1b[2J\n", Value: "v\x1b]0;x\x07"})
	m.From = "client\x1b[2J"
	src.passes("rabbitmq", "orders", m)
	s := newScreen(t, src, 160, 40).press("3", "enter")
	for _, keys := range []string{"", "v", "v", "R"} {
		if keys != "" {
			s.press(keys)
		}
		for _, bad := range []string{"\x1b]", "\x1b[2J", "\x00", "\x07", "\r", "\x9b"} {
			if strings.Contains(s.app.content, bad) {
				t.Errorf("after %q the screen holds %q", keys, bad)
			}
		}
		s.fits()
	}
}

// TestEditedMessageIsSent edits in $EDITOR what is sent then.
func TestEditedMessageIsSent(t *testing.T) {
	src := newBrokers()
	s := newScreen(t, src, 160, 40).press("3", "k", "k", "k", "k", "R")
	p := s.app.messages.panel
	shown := brokers.Outgoing{Message: &p.messages[0], To: brokers.Target{Exchange: "orders", RoutingKey: "order.placed"}}
	text, err := brokers.EditText(&shown)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "message.txt")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("order.placed", "order.changed", "47.90", "0.10").Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.send(editedMsg{p, 0, shown, file, nil})
	s.sees("order.changed", "0.10", "47.90").press("enter").sees("1 message confirmed")
	if m := src.brokers[0].sent[0]; m.To.RoutingKey != "order.changed" || !strings.Contains(string(m.Message.Body), "0.10") {
		t.Errorf("sent %+v", m)
	}
}

// TestRealBroker redrives and purges a queue of a broker that runs.
func TestRealBroker(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	b := startBroker(t)
	admin := b.(brokers.Admin)
	ctx := t.Context()
	dead, key := "", "work.dead"
	for _, c := range []brokers.Change{
		{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: "work", Durable: true, DeadExchange: &dead, DeadKey: &key}},
		{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: "work.dead", Durable: true}},
	} {
		if err := admin.Apply(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, b, "work", 5)
	die(t, b, "work")
	src := newShop()
	src.real = b
	info := b.Info()
	src.brokers = []*plainBroker{{info: info}}
	s := newScreen(t, src, 160, 40).press("8", "/").typed("work.dead").press("enter")
	s.sees("dead letters of work").press("p").sees("5 messages", "dead", "body 4").press("esc")
	s.press("R").sees("5 messages", "where they died first")
	s.press("enter").sees("5 messages confirmed")
	if n := ready(t, b, "work"); n != 5 {
		t.Errorf("%d came back", n)
	}
	s.press("esc", "esc", "esc", "g", "j").sees("▸   work ").press("P").sees("5 messages are removed").press("P").sees("5 messages removed, saved in")
	if n := ready(t, b, "work"); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func startBroker(t *testing.T) brokers.Broker {
	t.Helper()
	server, err := embeddedamqp.Open(embeddedamqp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	web := httptest.NewServer(server.Management())
	b, err := rabbitmq.New(rabbitmq.Options{Name: "rabbitmq", Service: "rabbitmq", Own: true,
		URL: "amqp://guest:guest@" + l.Addr().String() + "/", Management: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := b.Close()
		web.Close()
		cancel()
		if err = errors.Join(err, server.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return b
}

// fill puts messages into a queue.
func fill(t *testing.T, b brokers.Broker, queue string, n int) {
	t.Helper()
	p, err := b.Publisher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make([]brokers.Outgoing, n)
	for i := range out {
		m := rabbitMessage("", queue, fmt.Sprint("body ", i))
		m.Properties.ContentType = "text/plain"
		out[i] = brokers.Outgoing{To: brokers.Target{RoutingKey: queue}, Message: &m}
	}
	if _, err = brokers.PublishAll(t.Context(), p, out); err == nil {
		err = p.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// die rejects all that is in a queue.
func die(t *testing.T, b brokers.Broker, queue string) {
	t.Helper()
	held, err := b.(brokers.Taker).Take(t.Context(), queue)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		var ticket uint64
		if _, ticket, err = held.Next(t.Context()); err == nil {
			err = held.Settle(t.Context(), brokers.DeadLetter, ticket)
		}
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
}

func ready(t *testing.T, b brokers.Broker, queue string) int64 {
	t.Helper()
	top, err := b.Topology(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range top.Queues {
		if q.Name == queue && q.Ready != nil {
			return *q.Ready
		}
	}
	t.Fatalf("there is no queue %s in %+v", queue, top)
	return 0
}

// TestSchemasReadMessages shows messages in Protobuf by the project's .proto files: in the list, in the detail and to filters.
func TestSchemasReadMessages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "parcel.proto"), []byte(`syntax="proto3"; package shop; message Parcel { string order = 1; int32 grams = 2; }`), 0o600); err != nil {
		t.Fatal(err)
	}
	src := newBrokers()
	src.passes("kafka", "parcels", kafkaMessage("parcels", 0, 1, "7f", "\x0a\x0279\x10\xe8\x07"))
	src.schemas = decode.NewSchemas([]string{dir}, map[string]string{"parcels": "shop.Parcel"}, nil)
	s := newScreen(t, src, 160, 40).press("3").sees(`protobuf shop.Parcel { "order": "79", "grams": 1000 }`).press("enter").sees("protobuf shop.Parcel  parcels carries", `"grams": 1000`)
	s.press("esc", "/").typed("$.order == \"79\"").press("enter").sees("shop.Parcel").seesNot("order.placed")
}
