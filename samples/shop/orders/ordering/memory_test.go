package ordering

import (
	"fmt"
	"testing"

	"shop/internal/shopv1"
)

func TestMemoryForgetsTheOldest(t *testing.T) {
	var m memory
	if m.find("0") != nil {
		t.Error("an empty memory found something")
	}
	for i := range remembered + 2 {
		m.add(&shopv1.Order{Id: fmt.Sprint(i)})
	}
	for id, want := range map[string]bool{"0": false, "1": false, "2": true, fmt.Sprint(remembered + 1): true} {
		if got := m.find(id) != nil; got != want {
			t.Errorf("order %s is held: %v, want %v", id, got, want)
		}
	}
	if len(m.byID) != remembered {
		t.Errorf("holds %d orders", len(m.byID))
	}
}
