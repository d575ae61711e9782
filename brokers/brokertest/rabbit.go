package brokertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"msdev/brokers"
)

// Rabbit is a RabbitMQ under test, with another client beside msdev's own.
type Rabbit struct {
	Subject
	// URL is where it is now.
	URL func() string
	// Lists tells that exchanges and bindings can be listed, and Traces that the management API can turn tracing on.
	Lists, Traces bool
	// Brief runs only what depends on how things are listed.
	Brief bool
	// Settings are what the management API tells of the virtual host, but for its figures; nil without it.
	Settings func(t *testing.T) string
}

// RunRabbitMQ runs what only a RabbitMQ must do.
func RunRabbitMQ(t *testing.T, r Rabbit) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Rabbit)
		here bool
	}{
		{"an exchange of each type is tapped", exchangeTypes, true},
		{"what cannot be tapped is refused", refusals, true},
		{"messages are taken one by one", takenOne, true},
		{"topology tells who hangs together", topologyTold, r.Lists},
		{"another client's fields are read", fieldsRead, !r.Brief},
		{"another client reads our fields", fieldsSent, !r.Brief},
		{"a peek leaves order and content", peeked, !r.Brief},
		{"a quorum queue survives many looks", quorumSurvives, !r.Brief},
		{"a stream is read and tapped", streamRead, !r.Brief},
		{"what the broker would refuse is refused before", refusedBefore, !r.Brief},
		{"a tap leaves the application as it was", undisturbed, r.Lists && !r.Brief},
		{"a queue is tapped", queueTapped, r.Traces},
		{"the firehose sees the default exchange", defaultExchange, r.Traces},
		{"the firehose leaves the virtual host as it was", firehoseRestores, r.Traces && r.Settings != nil},
	} {
		if c.here {
			t.Run(c.name, func(t *testing.T) { c.run(t, r) })
		}
	}
}

// app is the application's channel.
func (r Rabbit) app(t *testing.T) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// exchange declares an exchange of a type with a queue bound by key.
func (r Rabbit) exchange(t *testing.T, kind, key string, x brokers.Exchange, args brokers.Arguments) Place {
	t.Helper()
	x.Name, x.Type, x.Durable = name(kind), kind, true
	queue := name("queue")
	apply(t, r.Broker,
		brokers.Change{Kind: brokers.CreateExchange, Exchange: x},
		brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: queue, Durable: true}},
		brokers.Change{Kind: brokers.Bind, Binding: brokers.Binding{Source: x.Name, Kind: brokers.SourceQueue, To: queue, RoutingKey: key, Arguments: args}})
	after(t, r.Broker, brokers.Change{Kind: brokers.DeleteQueue, Queue: brokers.Queue{Name: queue}},
		brokers.Change{Kind: brokers.DeleteExchange, Exchange: brokers.Exchange{Name: x.Name}})
	return Place{
		Read: brokers.Source{Kind: brokers.SourceQueue, Name: queue},
		Tap:  brokers.Source{Kind: brokers.SourceExchange, Name: x.Name},
		To:   brokers.Target{Exchange: x.Name, RoutingKey: key},
	}
}

func theirFields() amqp.Table {
	return amqp.Table{"bool": true, "i8": int8(-1), "u8": byte(200), "i16": int16(-2), "i32": int32(-3), "i64": int64(-4),
		"f32": float32(1.5), "f64": 2.5, "decimal": amqp.Decimal{Scale: 2, Value: 314}, "text": "text", "binary": []byte{0, 255},
		"time": time.Unix(1700000000, 0), "void": nil, "array": []any{"a", int32(1)}, "table": amqp.Table{"k": "v"}}
}

func ourFields() brokers.Headers {
	return brokers.Headers{{Key: "array", Value: brokers.Array{"a", int32(1)}}, {Key: "binary", Value: []byte{0, 255}}, {Key: "bool", Value: true},
		{Key: "decimal", Value: brokers.Decimal{Scale: 2, Value: 314}}, {Key: "f32", Value: float32(1.5)}, {Key: "f64", Value: 2.5},
		{Key: "i16", Value: int16(-2)}, {Key: "i32", Value: int32(-3)}, {Key: "i64", Value: int64(-4)}, {Key: "i8", Value: int8(-1)},
		{Key: "table", Value: brokers.Headers{{Key: "k", Value: "v"}}}, {Key: "text", Value: "text"}, {Key: "time", Value: brokers.Timestamp(1700000000)},
		{Key: "u8", Value: uint8(200)}, {Key: "void", Value: nil}}
}

func fieldsRead(t *testing.T, r Rabbit) {
	at := r.Queue(t)
	err := r.app(t).PublishWithContext(bounded(t), at.To.Exchange, at.To.RoutingKey, false, false, amqp.Publishing{
		Headers: theirFields(), ContentType: "text/plain", Timestamp: time.Unix(1700000001, 0), Body: []byte("theirs")})
	if err != nil {
		t.Fatal(err)
	}
	var seen []brokers.Message
	for len(seen) == 0 { // it was published without a confirm
		seen = r.read(t, at.Read, brokers.ReadOptions{})
	}
	if got, want := sorted(seen[0].Headers), ourFields(); !reflect.DeepEqual(got, want) {
		t.Errorf("read headers %#v\nnot          %#v", got, want)
	}
	if m := seen[0]; m.Properties.ContentType != "text/plain" || m.TimeKind != brokers.TimeCreated || m.Time.Unix() != 1700000001 ||
		m.Exchange != at.To.Exchange || m.RoutingKey != at.To.RoutingKey || m.Queue != at.Read.Name {
		t.Errorf("read %+v", m)
	}
}

func fieldsSent(t *testing.T, r Rabbit) {
	at := r.Queue(t)
	r.send(t, at.To, brokers.Message{Kind: brokers.RabbitMQ, Headers: ourFields(), Body: []byte("ours")})
	d, ok, err := r.app(t).Get(at.Read.Name, true)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if !reflect.DeepEqual(d.Headers, theirFields()) || string(d.Body) != "ours" {
		t.Errorf("they read %#v", d.Headers)
	}
}

func exchangeTypes(t *testing.T, r Rabbit) {
	for _, c := range []struct {
		kind, key string
		args      brokers.Arguments
	}{
		{"topic", "order.*.placed", nil}, {"fanout", "", nil}, {"direct", "exact", nil},
		{"headers", "", brokers.Arguments{"x-match": "all", "n": "wanted"}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			at := r.exchange(t, c.kind, c.key, brokers.Exchange{}, c.args)
			if c.kind == "direct" && !r.Lists {
				at.Tap.Keys = []string{c.key}
			}
			at.To.RoutingKey = strings.ReplaceAll(c.key, "*", "eu")
			w := r.watch(t, at.Tap, brokers.TapOptions{}, nil)
			r.send(t, at.To, r.message("wanted", "one"), r.message("wanted", "two"))
			seen := w.saw(2)
			if len(seen) != 2 || string(seen[1].Body) != "two" || seen[0].Exchange != at.To.Exchange || seen[0].RoutingKey != at.To.RoutingKey {
				t.Errorf("saw %+v", seen)
			}
			if warned := slices.ContainsFunc(w.notes, func(n brokers.Note) bool { return strings.Contains(n.Text, "mandatory") }); warned == r.Lists {
				t.Errorf("it is noted: %v", w.notes)
			}
		})
	}
	if r.Lists && r.Traces {
		t.Run("a binding that comes later", func(t *testing.T) { laterBinding(t, r) })
	}
}

func laterBinding(t *testing.T, r Rabbit) {
	at := r.exchange(t, "direct", "first", brokers.Exchange{}, nil)
	w := r.watch(t, at.Tap, brokers.TapOptions{}, nil)
	apply(t, r.Broker, brokers.Change{Kind: brokers.Bind, Binding: brokers.Binding{Source: at.To.Exchange, Kind: brokers.SourceQueue, To: at.Read.Name, RoutingKey: "second"}})
	at.To.RoutingKey = "second"
	for seen := 0; seen == 0; { // until the tap has followed
		r.send(t, at.To, r.message("", "later"))
		w.mu.Lock()
		seen = len(w.messages)
		w.mu.Unlock()
	}
}

func refusals(t *testing.T, r Rabbit) {
	tap := func(from brokers.Source, o brokers.TapOptions) error {
		ctx, cancel := context.WithCancel(bounded(t))
		return r.Broker.Tap(ctx, from, o, func(brokers.TapBatch) { cancel() })
	}
	var disturbs *brokers.DisturbError
	fleeting := r.exchange(t, "topic", "#", brokers.Exchange{AutoDelete: true}, nil)
	for _, c := range []struct {
		what    string
		from    brokers.Source
		o       brokers.TapOptions
		force   bool
		refused bool
	}{
		{"the default exchange", brokers.Source{Kind: brokers.SourceExchange}, brokers.TapOptions{}, false, !r.Traces},
		{"an auto-delete exchange", fleeting.Tap, brokers.TapOptions{}, true, !r.Traces},
		{"a topic", brokers.Source{Kind: brokers.SourceTopic, Name: "x"}, brokers.TapOptions{}, false, true},
	} {
		err := tap(c.from, c.o)
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: no way out: %v", c.what, err)
		}
		if errors.As(err, &disturbs) != c.force {
			t.Errorf("%s: %#v", c.what, err)
		}
		c.o.Force = true
		if err := tap(c.from, c.o); (err == nil) != c.force {
			t.Errorf("%s, forced: %v", c.what, err)
		}
	}
}

// view is what an application sees of its messages.
type view struct {
	bodies      []string
	redelivered int
	returned    int
	alternate   int
}

// undisturbed compares what an application sees with and without a tap.
func undisturbed(t *testing.T, r Rabbit) {
	without, with := r.see(t, false), r.see(t, true)
	if !reflect.DeepEqual(without, with) || without.returned != 50 || without.alternate != 50 || len(without.bodies) != 50 {
		t.Errorf("without a tap %+v\nwith          %+v", without, with)
	}
}

// see publishes mandatory messages, of which a queue wants every other one, to an exchange with an alternate and to one without.
func (r Rabbit) see(t *testing.T, tap bool) view {
	t.Helper()
	catchAll := r.exchange(t, "fanout", "", brokers.Exchange{}, nil)
	at := r.exchange(t, "topic", "wanted.#", brokers.Exchange{Alternate: catchAll.To.Exchange}, nil)
	plain := r.exchange(t, "topic", "wanted.#", brokers.Exchange{}, nil)
	if tap {
		defer r.watch(t, at.Tap, brokers.TapOptions{}, nil).stop()
		defer r.watch(t, plain.Tap, brokers.TapOptions{}, nil).stop()
	}
	app := r.app(t)
	returns := app.NotifyReturn(make(chan amqp.Return, 100))
	if err := app.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		x, key := []string{at.To.Exchange, plain.To.Exchange}[i%2], []string{"wanted.x", "unwanted"}[i/2%2]
		sent, err := app.PublishWithDeferredConfirm(x, key, true, false, amqp.Publishing{Body: fmt.Append(nil, i)})
		if err != nil || !sent.Wait() {
			t.Fatal(err)
		}
	}
	v := view{returned: len(returns)}
	for _, m := range r.read(t, at.Read, brokers.ReadOptions{}) {
		v.bodies = append(v.bodies, string(m.Body))
		if m.Redelivered {
			v.redelivered++
		}
	}
	v.alternate = len(r.read(t, catchAll.Read, brokers.ReadOptions{}))
	return v
}

func defaultExchange(t *testing.T, r Rabbit) {
	at := r.Queue(t)
	w := r.watch(t, brokers.Source{Kind: brokers.SourceExchange}, brokers.TapOptions{}, nil)
	m := brokers.Message{Kind: brokers.RabbitMQ, Body: []byte("straight"), Headers: sorted(everyField())}
	m.Properties.Has, m.Properties.Priority, m.Properties.MessageID = 0x0800|0x0080, 4, "id"
	r.send(t, brokers.Target{RoutingKey: at.Read.Name}, m)
	seen := w.saw(1)[0]
	same(t, &m, &seen)
	if !reflect.DeepEqual(seen.Routed, []string{at.Read.Name}) || seen.From == "" || seen.User != "guest" || seen.Exchange != "" || seen.RoutingKey != at.Read.Name {
		t.Errorf("saw %+v", seen)
	}
}

// firehoseRestores switches tracing on and off, by which a virtual host easily loses its description, tags and default type.
func firehoseRestores(t *testing.T, r Rabbit) {
	before := r.Settings(t)
	one := r.watch(t, brokers.Source{Kind: brokers.SourceAll}, brokers.TapOptions{}, nil)
	two := r.watch(t, brokers.Source{Kind: brokers.SourceAll}, brokers.TapOptions{}, nil)
	during := r.Settings(t)
	one.stop()
	if still := r.Settings(t); still != during || during == before {
		t.Errorf("before %s\nwith two taps %s\nwith one %s", before, during, still)
	}
	two.stop()
	if now := r.Settings(t); now != before {
		t.Errorf("before %s\nafterwards %s", before, now)
	}
}

func queueTapped(t *testing.T, r Rabbit) {
	at := r.Queue(t)
	w := r.watch(t, at.Read, brokers.TapOptions{}, nil)
	r.send(t, at.To, r.message("", "by its binding"))
	if seen := w.saw(1); string(seen[0].Body) != "by its binding" {
		t.Errorf("saw %+v", seen)
	}
	r.send(t, brokers.Target{RoutingKey: at.Read.Name}, r.message("", "by its name"))
	w.saw(2)
	if _, _, err := r.app(t).Get(at.Read.Name, true); err != nil {
		t.Fatal(err)
	}
	if seen := w.saw(3)[2]; seen.Event != brokers.EventDelivered || seen.Queue != at.Read.Name {
		t.Errorf("the delivery is %+v", seen)
	}
}

func topologyTold(t *testing.T, r Rabbit) {
	dead := r.exchange(t, "fanout", "", brokers.Exchange{}, nil)
	queue := name("work")
	apply(t, r.Broker, brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: queue, Durable: true,
		DeadExchange: new(dead.To.Exchange), MaxLength: new(int64(7)), MessageTTL: new(int64(60000))}})
	after(t, r.Broker, brokers.Change{Kind: brokers.DeleteQueue, Queue: brokers.Queue{Name: queue}})
	app := r.app(t)
	if err := app.Qos(3, 0, false); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Consume(queue, "me", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	w := r.watch(t, dead.Tap, brokers.TapOptions{}, nil)
	r.send(t, dead.To, r.message("", "x"))
	w.saw(1)
	ctx := bounded(t)
	top, err := r.Broker.Topology(ctx)
	if err != nil {
		t.Fatal(err)
	}
	find := func() *brokers.Queue {
		i := slices.IndexFunc(top.Queues, func(q brokers.Queue) bool { return q.Name == queue })
		if i < 0 {
			t.Fatalf("queue %q is not listed", queue)
		}
		return &top.Queues[i]
	}
	q := find()
	if q.DeadExchange == nil || *q.DeadExchange != dead.To.Exchange || q.MaxLength == nil || *q.MaxLength != 7 || q.MessageTTL == nil || *q.MessageTTL != 60000 || q.Type != brokers.ClassicQueue {
		t.Errorf("the queue is %+v", q)
	}
	if slices.ContainsFunc(top.Bindings, func(b brokers.Binding) bool { return strings.HasPrefix(b.To, "msdev.tap") }) {
		t.Error("the tap shows in the topology")
	}
	if !slices.ContainsFunc(top.Bindings, func(b brokers.Binding) bool { return b.Source == dead.To.Exchange && b.To == dead.Read.Name }) {
		t.Error("a binding is not listed")
	}
	if !r.Traces {
		return
	}
	for len(q.ConsumersNamed) == 0 || len(top.Clients) == 0 { // the figures come every few seconds
		if top, err = r.Broker.Topology(ctx); err != nil {
			t.Fatal(err)
		}
		q = find()
	}
	c := q.ConsumersNamed[0]
	i := slices.IndexFunc(top.Clients, func(x brokers.Client) bool { return x.Name == c.Client })
	if c.Tag != "me" || c.Prefetch != 3 || c.AutoAck || i < 0 || !slices.Contains(top.Clients[i].Consume, queue) || top.Clients[i].Host == "" || top.Clients[i].Port == 0 {
		t.Errorf("the consumer is %+v, its client number %d", c, i)
	}
}

func refusedBefore(t *testing.T, r Rabbit) {
	at := r.Queue(t)
	ctx := bounded(t)
	p, err := r.Broker.Publisher(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	good := r.message("", "good")
	out := []brokers.Outgoing{{To: at.To, Message: &good}}
	for _, set := range []func(*brokers.Properties){
		func(p *brokers.Properties) { p.Has, p.UserID = 0x0010, "somebody" },
		func(p *brokers.Properties) { p.Has, p.Expiration = 0x0100, "soon" },
		func(p *brokers.Properties) { p.Has, p.ReplyTo = 0x0200, "amq.rabbitmq.reply-to" },
		func(p *brokers.Properties) { p.Has, p.DeliveryMode = 0x1000, 0 },
	} {
		bad := r.message("", "bad")
		set(&bad.Properties)
		out = append(out, brokers.Outgoing{To: at.To, Message: &bad}, brokers.Outgoing{To: at.To, Message: &good})
	}
	results, err := brokers.PublishAll(ctx, p, out)
	if err != nil {
		t.Fatal(err)
	}
	for i, res := range results {
		if want := []brokers.Status{brokers.StatusConfirmed, brokers.StatusRefused}[i%2]; res.Status != want {
			t.Errorf("message %d is %s (%v), not %s", i, res.Status, res.Err, want)
		}
	}
}
