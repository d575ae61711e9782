package brokers

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"msdev/brokers/wire"
)

func TestBinary(t *testing.T) {
	at := time.Unix(1_700_000_000, 123_456_789)
	for name, m := range map[string]Message{
		"nothing":        {},
		"RabbitMQ":       {Kind: RabbitMQ, Time: at, TimeKind: TimeSeen, Exchange: "orders", RoutingKey: "eu", Queue: "q", Body: []byte("x"), Routed: []string{"a", ""}, From: "1", User: "guest", Redelivered: true, Deliveries: -1, Budget: 20, Event: EventDelivered},
		"unroutable":     {Kind: RabbitMQ, Body: []byte{}, Routed: []string{}},
		"absent, empty":  {Kind: RabbitMQ, Body: []byte{}, Properties: Properties{Has: wire.HasHeaders | wire.HasContentType | wire.HasTimestamp}},
		"all properties": {Kind: RabbitMQ, Body: []byte{0}, Properties: Properties{Has: wire.HasMessageID | wire.HasPriority, MessageID: "m", Priority: 9}},
		"field types": {Kind: RabbitMQ, Body: []byte{}, Properties: Properties{Has: wire.HasHeaders}, Headers: Headers{{Key: "x", Value: int8(-1)}, {Key: "x", Value: uint16(7)}, {Key: "", Value: nil},
			{Key: "b", Value: []byte{}}, {Key: "t", Value: Headers{{Key: "a", Value: Array{float32(1), Decimal{Scale: 2, Value: 314}, Timestamp(5), true}}}}}},
		"tombstone":   {Kind: Kafka, Key: []byte("k"), Topic: "t", Partition: 3, Offset: 9, Headers: Headers{{Key: "n", Value: []byte(nil)}, {Key: "e", Value: []byte{}}, {Key: "n", Value: []byte("v")}}, Transactional: true, Aborted: true, Open: true},
		"empty value": {Kind: Kafka, Key: []byte{}, Body: []byte{}, Time: time.Unix(0, -1), TimeKind: TimeCreated},
	} {
		data, err := m.AppendBinary(nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got Message
		if err := got.UnmarshalBinary(data); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, m) {
			t.Errorf("%s:\n%#v\nbecame\n%#v", name, m, got)
		}
		var view Message
		if err := view.ViewBinary(data); err != nil || !reflect.DeepEqual(view, m) {
			t.Errorf("%s, viewed:\n%#v\nbecame\n%#v, %v", name, m, view, err)
		}
		for i := range data {
			if err := new(Message).UnmarshalBinary(data[:i]); err == nil {
				t.Errorf("%s: its first %d bytes of %d are a message, too", name, i, len(data))
			}
		}
	}
	if _, err := (&Message{Kind: Kafka, Headers: Headers{{Key: "x", Value: 1}}}).AppendBinary(nil); err == nil {
		t.Error("a number as a header of Kafka went unnoticed")
	}
}

func TestBinaryOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := append([]byte{binaryVersion}, rapid.SliceOf(rapid.Byte()).Draw(t, "data")...)
		_ = new(Message).UnmarshalBinary(data) // it must not panic, nor take much memory
		_ = new(Message).ViewBinary(data)
	})
}
