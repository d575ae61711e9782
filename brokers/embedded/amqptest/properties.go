package amqptest

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func propertyChecks() []check {
	return []check{
		{"all thirteen come back byte for byte", allProperties},
		{"each alone comes back byte for byte", eachProperty},
		{"every field type comes back byte for byte", fieldTypes},
		{"field types through a client", fieldTypesClient},
		{"the order of headers, and duplicates", headerOrder},
		{"empty and absent differ", emptyProperties},
		{"a long header table", longHeaders},
		{"keys of queue arguments may be of any type", argumentTypes},
	}
}

// property is one of basic's properties: its flag bit and a value as it stands on the wire.
type property struct {
	name  string
	flag  uint16
	value []byte
}

// properties of the class basic in wire order, with the values that checks use.
func properties(headers fields) []property {
	return []property{
		{"content-type", 1 << 15, encode(short("text/plain; charset=utf-8"))},
		{"content-encoding", 1 << 14, encode(short("gzip"))},
		{"headers", 1 << 13, encode(headers)},
		{"delivery-mode", 1 << 12, encode(uint8(2))},
		{"priority", 1 << 11, encode(uint8(255))},
		{"correlation-id", 1 << 10, encode(short("correlation"))},
		{"reply-to", 1 << 9, encode(short("a-queue"))},
		{"expiration", 1 << 8, encode(short("60000"))},
		{"message-id", 1 << 7, encode(short("message"))},
		{"timestamp", 1 << 6, encode(uint64(1<<33 + 1))},
		{"type", 1 << 5, encode(short("order.placed"))},
		{"user-id", 1 << 4, encode(short(User))},
		{"app-id", 1 << 3, encode(short("shop"))},
		{"cluster-id", 1 << 2, encode(short("reserved"))},
	}
}

// bag encodes properties: their flags and their values in order.
func bag(list ...property) []byte {
	var flags uint16
	var values []byte
	for _, p := range list {
		flags |= p.flag
		values = append(values, p.value...)
	}
	return append(encode(flags), values...)
}

// roundTrip publishes a message with encoded properties and asserts that get and deliver bring the same bytes back.
func (k *kit) roundTrip(what string, sent []byte) {
	k.Helper()
	k.roundTripAs(what, sent, sent)
}

// roundTripAs is roundTrip for properties that come back as other bytes than were sent.
func (k *kit) roundTripAs(what string, sent, want []byte) {
	k.Helper()
	w := k.wireOpen(usual)
	w.call(1, queueDeclare, uint16(0), short(""), uint8(0b100), fields(nil))
	queue := w.expect(1, queueDeclareOk).arguments().text()
	for range 2 {
		w.publish(1, "", queue, sent, []byte("body"))
	}
	w.call(1, confirmSelect, uint8(0)) // answered after the messages before it were routed
	w.expect(1, confirmSelectOk)
	k.eventuallyGet(w, queue)
	k.sameBytes(what+", by get", w, want)
	w.call(1, basicConsume, uint16(0), short(queue), short("c"), uint8(0b10), fields(nil))
	w.expect(1, basicConsumeOk)
	w.expect(1, basicDeliver)
	k.sameBytes(what+", by deliver", w, want)
}

// eventuallyGet gets until there is a message, and leaves its content to be read.
func (k *kit) eventuallyGet(w *wire, queue string) {
	k.Helper()
	k.eventually("a message in "+queue, func() bool {
		w.call(1, basicGet, uint16(0), short(queue), uint8(1))
		f := w.next()
		return f.method() == basicGetOk
	})
}

func (k *kit) sameBytes(what string, w *wire, want []byte) {
	k.Helper()
	got, body := w.content(1)
	if !bytes.Equal(got, want) {
		k.Errorf("%s: the properties\n  got  %x %q\n  want %x %q", what, got, got, want, want)
	}
	k.equal("body", string(body), "body")
}

func allProperties(k *kit) {
	k.roundTrip("all", bag(properties(field("key", 'S', long("value")))...))
}

func eachProperty(k *kit) {
	for _, p := range properties(nil) {
		k.roundTrip(p.name, bag(p))
	}
	k.roundTrip("none", bag())
}

// fieldTypes are the types of RabbitMQ's table, which differ from the specification's in b, B, s, u, l and x.
func fieldTypes(k *kit) {
	nested := slices.Concat(field("a", 'I', uint32(1)), field("b", 'F', field("c", 'V')))
	for name, table := range map[string]fields{
		"boolean":          slices.Concat(field("f", 't', uint8(0)), field("t", 't', uint8(1))),
		"int8":             field("b", 'b', uint8(0x80)),
		"uint8":            field("B", 'B', uint8(0xFF)),
		"int16":            field("s", 's', uint16(0x8000)),
		"uint16":           field("u", 'u', uint16(0xFFFF)),
		"int32":            field("I", 'I', uint32(1<<31)),
		"uint32":           field("i", 'i', uint32(math.MaxUint32)),
		"int64":            field("l", 'l', uint64(1<<63)),
		"float":            field("f", 'f', math.Float32bits(1.5)),
		"double":           field("d", 'd', math.Float64bits(-0.1)),
		"decimal":          field("D", 'D', uint8(2), uint32(314)),
		"text":             field("S", 'S', long("héllo")),
		"empty text":       field("S", 'S', long("")),
		"bytes":            field("x", 'x', long("\x00\xFF")),
		"array":            field("A", 'A', fields(encode(uint8('I'), uint32(1), uint8('S'), long("two"), uint8('V')))),
		"empty array":      field("A", 'A', fields(nil)),
		"timestamp":        field("T", 'T', uint64(1700000000)),
		"table":            field("F", 'F', nested),
		"empty table":      field("F", 'F', fields(nil)),
		"void":             field("V", 'V'),
		"empty key":        field("", 'I', uint32(1)),
		"table in array":   field("A", 'A', fields(encode(uint8('F'), nested, uint8('A'), fields(encode(uint8('t'), uint8(1)))))),
		"no header at all": nil,
	} {
		k.Log(name)
		k.roundTrip(name, bag(property{"headers", 1 << 13, encode(table)}))
	}
}

// headerOrder: AMQP 0-9-1 has tables as lists of pairs. Brokers that keep them as maps show it here.
func headerOrder(k *kit) {
	order := slices.Concat(field("z", 'I', uint32(1)), field("a", 'I', uint32(2)), field("m", 'I', uint32(3)))
	duplicates := slices.Concat(field("k", 'S', long("1")), field("k", 'S', long("2")))
	sorted := slices.Concat(field("a", 'I', uint32(2)), field("m", 'I', uint32(3)), field("z", 'I', uint32(1)))
	headers := func(table fields) []byte { return bag(property{"headers", 1 << 13, encode(table)}) }
	if k.server.Profile().SortsHeaders {
		k.roundTripAs("order", headers(order), headers(sorted))
		k.roundTripAs("duplicates", headers(duplicates), headers(field("k", 'S', long("1"))))
		return
	}
	k.roundTrip("order", headers(order))
	k.roundTrip("duplicates", headers(duplicates))
}

func fieldTypesClient(k *kit) {
	ch := k.channel()
	queue := k.queue(ch, nil)
	headers := amqp.Table{
		"bool": true, "int8": int8(-1), "uint8": uint8(200), "int16": int16(-300), "uint16": uint16(60000), "int32": int32(-70000),
		"uint32": uint32(4e9), "int64": int64(-5e12), "float32": float32(0.5), "float64": 0.25, "decimal": amqp.Decimal{Scale: 2, Value: 314},
		"text": "t", "bytes": []byte{0, 255}, "time": time.Unix(1700000000, 0).UTC(), "nil": nil,
		"list": []any{int32(1), "two", nil, amqp.Table{"deep": []any{true}}}, "table": amqp.Table{"a": amqp.Table{"b": int64(1)}},
	}
	msg := amqp.Publishing{
		Headers: headers, ContentType: "application/json", ContentEncoding: "br", DeliveryMode: amqp.Persistent, Priority: 7,
		CorrelationId: "c", ReplyTo: "r", Expiration: "60000", MessageId: "m", Timestamp: time.Unix(1700000001, 0).UTC(), Type: "t",
		UserId: User, AppId: "a", Body: []byte("{}"),
	}
	k.publish(ch, "", queue, msg)
	got := k.get(ch, queue, true)
	back := amqp.Publishing{
		Headers: got.Headers, ContentType: got.ContentType, ContentEncoding: got.ContentEncoding, DeliveryMode: got.DeliveryMode,
		Priority: got.Priority, CorrelationId: got.CorrelationId, ReplyTo: got.ReplyTo, Expiration: got.Expiration,
		MessageId: got.MessageId, Timestamp: got.Timestamp.UTC(), Type: got.Type, UserId: got.UserId, AppId: got.AppId, Body: got.Body,
	}
	if when, ok := back.Headers["time"].(time.Time); ok {
		back.Headers["time"] = when.UTC()
	}
	k.equal("message", fmt.Sprintf("%#v", back), fmt.Sprintf("%#v", msg))
}

func emptyProperties(k *kit) {
	k.roundTrip("empty texts", bag(
		property{"content-type", 1 << 15, encode(short(""))},
		property{"message-id", 1 << 7, encode(short(""))},
		property{"timestamp", 1 << 6, encode(uint64(0))},
		property{"app-id", 1 << 3, encode(short(""))},
	))
}

func longHeaders(k *kit) {
	var table fields
	for i := range 500 {
		table = append(table, field(fmt.Sprintf("key-%03d", i), 'S', long(fmt.Sprintf("%0100d", i)))...)
	}
	k.roundTrip("500 headers", bag(property{"headers", 1 << 13, encode(table)}))
}

func argumentTypes(k *kit) {
	ch := k.channel()
	args := amqp.Table{"mine": amqp.Table{"a": []any{int8(1), nil, 0.5}}, "x-mine": []byte{1, 2}}
	queue := k.queue(ch, args)
	k.send(ch, "", queue, "x")
	k.equal("bodies", k.drain(ch, queue), []string{"x"})
	exchange := k.exchange(ch, "direct", args)
	k.bind(ch, queue, "a", exchange, args)
	k.send(ch, exchange, "a", "y")
	k.equal("bodies", k.drain(ch, queue), []string{"y"})
	k.must(ch.QueueUnbind(queue, "a", exchange, args), "unbind")
	k.send(ch, exchange, "a", "z")
	k.equal("bodies", k.drain(ch, queue), []string{})
}
