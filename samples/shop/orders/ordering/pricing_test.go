package ordering

import (
	"testing"

	"shop/internal/shopv1"
)

func TestPriceOf(t *testing.T) {
	line := func(quantity int32, cents int64) *shopv1.PricedLine {
		return &shopv1.PricedLine{Quantity: quantity, UnitPriceCents: cents}
	}
	tests := []struct {
		name  string
		lines []*shopv1.PricedLine
		want  price
		total int64
	}{
		{"one cheap thing", []*shopv1.PricedLine{line(1, 450)}, price{450, 0, 490}, 940},
		{"just below free delivery", []*shopv1.PricedLine{line(1, 4999)}, price{4999, 0, 490}, 5489},
		{"free delivery", []*shopv1.PricedLine{line(1, 5000)}, price{5000, 0, 0}, 5000},
		{"four are not bulk", []*shopv1.PricedLine{line(4, 1000)}, price{4000, 0, 490}, 4490},
		{"five are", []*shopv1.PricedLine{line(5, 1200)}, price{6000, 600, 0}, 5400},
		{"five lines are not", []*shopv1.PricedLine{line(1, 100), line(1, 100), line(1, 100), line(1, 100), line(1, 100)}, price{500, 0, 490}, 990},
		{"a discount can cost the free delivery", []*shopv1.PricedLine{line(5, 1010)}, price{5050, 505, 490}, 5035},
		{"half a cent is rounded up", []*shopv1.PricedLine{line(5, 1)}, price{5, 1, 490}, 494},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := priceOf(tt.lines)
			if got != tt.want || got.total() != tt.total {
				t.Errorf("got %+v, total %d; want %+v, total %d", got, got.total(), tt.want, tt.total)
			}
		})
	}
}
