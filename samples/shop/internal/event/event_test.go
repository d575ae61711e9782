package event

import (
	"reflect"
	"testing"
	"time"
)

func TestEventsSurviveTheJourney(t *testing.T) {
	e := Event{ID: "evt_1", Type: Placed, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), OrderID: "7f3a",
		Customer: "ada@example.com", Lines: []Line{{"mug-blue", 2}}, TotalCents: 3070, ShipTo: Address{"DE", "10115"}}
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(body)
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("%+v came back as %+v, %v", e, got, err)
	}
}

func TestDecodeRefusesWhatIsNoEvent(t *testing.T) {
	for _, body := range []string{"", "hello", "[]", "{}", `{"type":"orders.placed"}`, `{"order_id":"7f3a"}`, `{"type":1,"order_id":"x"}`} {
		if e, err := Decode([]byte(body)); err == nil {
			t.Errorf("%q gave %+v", body, e)
		}
	}
}
