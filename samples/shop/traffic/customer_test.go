package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPickFollowsTheWeights(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	got := map[string]int{}
	for range 10_000 {
		got[pick(r, []choice{{1, "rare"}, {0, "never"}, {9, "often"}})]++
	}
	if got["never"] != 0 || got["rare"] < 900 || got["rare"] > 1100 || got["often"] < 8900 {
		t.Errorf("picked %v of 10000 with weights 1, 0 and 9", got)
	}
}

func TestNewOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	declined, lost := 0, 0
	for range 10_000 {
		o := newOrder(r)
		if !strings.HasSuffix(o.Customer, "@example.com") || len(o.Lines) < 1 || len(o.Lines) > 3 || len(o.ShipTo.Postcode) != 5 {
			t.Fatalf("no customer orders %+v", o)
		}
		for _, l := range o.Lines {
			if l.Quantity < 1 || l.Quantity > 6 {
				t.Fatalf("ordered %d of %s", l.Quantity, l.SKU)
			}
		}
		if strings.HasSuffix(o.Card, "0002") || strings.HasSuffix(o.Card, "0069") {
			declined++
		}
		if o.ShipTo.Postcode == "00000" {
			lost++
		}
	}
	if declined < 700 || declined > 900 {
		t.Errorf("%d of 10000 cards are bad, want about 800", declined)
	}
	if lost < 230 || lost > 370 {
		t.Errorf("%d of 10000 orders go to postcode 00000, want about 300", lost)
	}
}
