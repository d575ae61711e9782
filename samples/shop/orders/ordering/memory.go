package ordering

import (
	"sync"

	"shop/internal/shopv1"
)

const remembered = 1000

// memory holds the last orders. Its zero value is empty.
type memory struct {
	mu   sync.Mutex
	byID map[string]*shopv1.Order
	ids  []string // oldest first
}

func (m *memory) add(o *shopv1.Order) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID == nil {
		m.byID = map[string]*shopv1.Order{}
	}
	if len(m.ids) == remembered {
		delete(m.byID, m.ids[0])
		m.ids = m.ids[1:]
	}
	m.byID[o.Id] = o
	m.ids = append(m.ids, o.Id)
}

// find returns nil for an order that is not, or no longer, held.
func (m *memory) find(id string) *shopv1.Order {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byID[id]
}
