package main

import (
	"testing"

	"shop/internal/event"
)

func TestLetter(t *testing.T) {
	tests := []struct {
		event event.Event
		want  string
	}{
		{event.Event{Type: event.Placed, TotalCents: 4190}, "Thank you for your order of 41.90"},
		{event.Event{Type: event.Declined, Reason: "card declined: expired card"}, "Your payment did not go through: card declined: expired card"},
		{event.Event{Type: event.Shipped, Tracking: "DE1"}, "Your parcel is on its way: DE1"},
	}
	for _, tt := range tests {
		if got, err := letter(tt.event); got != tt.want || err != nil {
			t.Errorf("%s: got %q, %v", tt.event.Type, got, err)
		}
	}
	if got, err := letter(event.Event{Type: "orders.eaten"}); err == nil {
		t.Errorf("an unknown event gives %q", got)
	}
}
