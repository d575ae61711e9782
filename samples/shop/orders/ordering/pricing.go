package ordering

import "shop/internal/shopv1"

const (
	bulkQuantity       = 5    // items of one product from which on they are discounted
	bulkPercent        = 10   // off, for such a line
	deliveryCents      = 490  // unless delivery is free
	freeDeliveryCents  = 5000 // from this amount on
	percent            = 100
	roundHalfUpPercent = percent / 2
)

type price struct{ subtotal, discount, delivery int64 }

func (p price) total() int64 { return p.subtotal - p.discount + p.delivery }

// priceOf adds up an order. Discounts are rounded half up to whole cents, line by line.
func priceOf(lines []*shopv1.PricedLine) price {
	var p price
	for _, l := range lines {
		amount := l.UnitPriceCents * int64(l.Quantity)
		p.subtotal += amount
		if l.Quantity >= bulkQuantity {
			p.discount += (amount*bulkPercent + roundHalfUpPercent) / percent
		}
	}
	if p.subtotal-p.discount < freeDeliveryCents {
		p.delivery = deliveryCents
	}
	return p
}
