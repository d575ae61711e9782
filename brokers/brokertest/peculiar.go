package brokertest

import (
	"math"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// everyField is a table with a field of every type that AMQP 0-9-1 has, and then some of the same name.
func everyField() brokers.Headers {
	return brokers.Headers{
		{Key: "z comes first", Value: "text"},
		{Key: "bool", Value: true}, {Key: "no", Value: false},
		{Key: "i8", Value: int8(-1)}, {Key: "u8", Value: uint8(200)}, {Key: "i16", Value: int16(-2)}, {Key: "u16", Value: uint16(60000)},
		{Key: "i32", Value: int32(-3)}, {Key: "u32", Value: uint32(4e9)}, {Key: "i64", Value: int64(math.MinInt64)},
		{Key: "f32", Value: float32(1.5)}, {Key: "f64", Value: 2.5},
		{Key: "decimal", Value: brokers.Decimal{Scale: 2, Value: 314}},
		{Key: "binary", Value: []byte{0, 255, 128}}, {Key: "no bytes", Value: []byte{}}, {Key: "no text", Value: ""},
		{Key: "not UTF-8", Value: "\xff\x00"},
		{Key: "time", Value: brokers.Timestamp(1700000000)}, {Key: "void", Value: nil},
		{Key: "array", Value: brokers.Array{"a", int32(1), nil, brokers.Headers{{Key: "b", Value: int8(2)}, {Key: "a", Value: int64(1)}}}},
		{Key: "table", Value: brokers.Headers{{Key: "k", Value: "v"}, {Key: "empty", Value: brokers.Headers{}}}},
		{Key: "no array", Value: brokers.Array{}},
		{Key: "bool", Value: "a second one of the name"}, {Key: "", Value: "no name"},
	}
}

// peculiar are messages that are easily damaged.
func (s Subject) peculiar() []brokers.Message {
	if s.Broker.Info().Kind == brokers.Kafka {
		return peculiarRecords()
	}
	all := brokers.Properties{ContentType: "application/json", ContentEncoding: "gzip", DeliveryMode: 2, Priority: 3, CorrelationID: "c",
		ReplyTo: "r", Expiration: "600000", MessageID: "m", Timestamp: 1700000000, Type: "ty", UserID: "guest", AppID: "a"}
	for bit := wire.HasContentType; bit >= wire.HasAppID; bit >>= 1 {
		all.Has |= bit
	}
	empty := brokers.Properties{DeliveryMode: 1, Has: wire.HasContentType | wire.HasMessageID | wire.HasPriority | wire.HasDeliveryMode | wire.HasTimestamp | wire.HasHeaders}
	m := func(body string, p brokers.Properties, h brokers.Headers) brokers.Message {
		return brokers.Message{Kind: brokers.RabbitMQ, Body: []byte(body), Properties: p, Headers: h}
	}
	return []brokers.Message{
		m("all of them", all, everyField()),
		m("", brokers.Properties{}, nil),
		m("present and empty", empty, nil),
		m("\x00\xff\xfe", brokers.Properties{Has: wire.HasHeaders}, brokers.Headers{{Key: "one", Value: int16(1)}}),
	}
}

func peculiarRecords() []brokers.Message {
	m := func(key, body []byte, h brokers.Headers) brokers.Message {
		return brokers.Message{Kind: brokers.Kafka, Key: key, Body: body, Headers: h}
	}
	h := brokers.Headers{
		{Key: "z comes first", Value: []byte("text")}, {Key: "again", Value: []byte("1")}, {Key: "again", Value: []byte("2")},
		{Key: "null", Value: []byte(nil)}, {Key: "empty", Value: []byte{}}, {Key: "binary", Value: []byte{0, 255}}, {Key: "", Value: []byte("no name")},
	}
	return []brokers.Message{
		m([]byte("key"), []byte("body"), h),
		m(nil, []byte("no key"), nil),
		m([]byte{}, []byte("an empty key"), nil),
		m([]byte("tombstone"), nil, nil),
		m([]byte("empty"), []byte{}, nil),
		m([]byte{0, 255}, []byte{0, 255, 254}, nil),
		m(nil, nil, nil),
	}
}
