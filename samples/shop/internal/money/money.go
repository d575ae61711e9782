// Package money writes amounts as people read them.
package money

import "fmt"

// Cents is an amount in hundredths of the shop's one currency.
type Cents int64

func (c Cents) String() string {
	sign := ""
	if c < 0 {
		sign, c = "-", -c
	}
	return fmt.Sprintf("%s%d.%02d", sign, int64(c)/100, int64(c)%100)
}
