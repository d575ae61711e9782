package money

import "testing"

func TestString(t *testing.T) {
	for cents, want := range map[Cents]string{0: "0.00", 5: "0.05", 4190: "41.90", -5: "-0.05", -4190: "-41.90"} {
		if got := cents.String(); got != want {
			t.Errorf("%d cents are %s, want %s", int64(cents), got, want)
		}
	}
}
