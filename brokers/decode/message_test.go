package decode

import (
	"reflect"
	"testing"

	"msdev/brokers"
)

func TestOf(t *testing.T) {
	m := brokers.Message{Kind: brokers.Kafka, Topic: "orders", Body: fromHex(t, order), Headers: brokers.Headers{{Key: "content-type", Value: []byte("application/x-protobuf")}, {Key: "type", Value: []byte("shop.Order")}}}
	want := Input{Body: m.Body, ContentType: "application/x-protobuf", Type: "shop.Order", Names: []string{"orders"}}
	if got := Of(&m); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	d := &Decoder{Protos: shopProtos(t)}
	v, ok := d.Values(&m)
	if object, is := v.(map[string]any); !ok || !is || object["id"] != "7f" {
		t.Errorf("%v %v", v, ok)
	}
	for body, want := range map[string]bool{`{"a":1}`: true, `[1`: false, "7": true, "text": false, "": false} {
		if _, ok := d.Values(&brokers.Message{Kind: brokers.RabbitMQ, Body: []byte(body)}); ok != want {
			t.Errorf("%q: %v", body, ok)
		}
	}
}
