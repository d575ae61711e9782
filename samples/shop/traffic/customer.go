package main

import (
	"fmt"
	"math/rand/v2"
)

// order is the gateway's POST /orders.
type order struct {
	Customer string  `json:"customer"`
	Lines    []line  `json:"lines"`
	Card     string  `json:"card"`
	ShipTo   address `json:"ship_to"`
}

type line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

type address struct {
	Country  string `json:"country"`
	Postcode string `json:"postcode"`
}

// choice is one of several values, taken in proportion to its weight.
type choice struct {
	weight int
	value  string
}

// A customer's habits. The last four digits of a card decide what the bank does with it (see
// payments/charging), and the carrier cannot find postcode 00000 (see shipping).
var (
	products = []choice{
		{30, "coffee-250g"}, {20, "filter-100"}, {15, "mug-blue"}, {12, "mug-green"},
		{8, "teapot"}, {7, "kettle"}, {4, "scale"}, {2, "grinder"}, {1, "spoon-rare"},
	}
	cards = []choice{
		{70, "4242424242424242"}, {17, "5555555555554444"}, {5, "4000000000000341"},
		{5, "4000000000000002"}, {3, "4000000000000069"},
	}
	addresses = []choice{
		{40, "DE"}, {20, "FR"}, {15, "NL"}, {15, "ES"}, {10, "PL"},
	}
	names = []string{"ada", "alan", "barbara", "dennis", "edsger", "frances", "grace", "ken", "margaret", "niklaus"}
)

const lostShare = 0.03 // of orders go to postcode 00000

// newOrder is what the next customer wants.
func newOrder(r *rand.Rand) order {
	o := order{
		Customer: fmt.Sprintf("%s.%d@example.com", names[r.IntN(len(names))], r.IntN(1000)),
		Card:     pick(r, cards),
		ShipTo:   address{Country: pick(r, addresses), Postcode: fmt.Sprint(10000 + r.IntN(89999))},
	}
	if r.Float64() < lostShare {
		o.ShipTo.Postcode = "00000"
	}
	for range 1 + r.IntN(3) {
		o.Lines = append(o.Lines, line{pick(r, products), 1 + int(r.ExpFloat64())%6})
	}
	return o
}

func pick(r *rand.Rand, from []choice) string {
	sum := 0
	for _, c := range from {
		sum += c.weight
	}
	n := r.IntN(sum)
	for _, c := range from {
		if n -= c.weight; n < 0 {
			return c.value
		}
	}
	return from[len(from)-1].value
}
