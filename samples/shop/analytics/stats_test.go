package main

import (
	"reflect"
	"testing"

	"shop/internal/event"
)

func TestStats(t *testing.T) {
	var s stats
	if r := s.report(); r.MeanCents != 0 || r.Placed != 0 {
		t.Errorf("before anything: %+v", r)
	}
	s.add(event.Event{Type: event.Placed, TotalCents: 1000, Lines: []event.Line{{SKU: "mug", Quantity: 2}, {SKU: "kettle", Quantity: 1}}})
	s.add(event.Event{Type: event.Placed, TotalCents: 500, Lines: []event.Line{{SKU: "teapot", Quantity: 1}, {SKU: "mug", Quantity: 1}}})
	s.add(event.Event{Type: event.Declined, TotalCents: 9000, Lines: []event.Line{{SKU: "mug", Quantity: 9}}})
	s.add(event.Event{Type: "orders.eaten"})

	want := Report{Placed: 2, Declined: 1, RevenueCents: 1500, MeanCents: 750,
		Bestsellers: []Sold{{"mug", 3}, {"kettle", 1}, {"teapot", 1}}}
	if got := s.report(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
