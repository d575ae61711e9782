package main

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"shop/internal/event"
	"shop/internal/money"
)

// stats adds up what this process has read. Its zero value has read nothing.
type stats struct {
	mu       sync.Mutex
	placed   int
	declined int
	revenue  money.Cents
	sold     map[string]int
	last     time.Time
}

func (s *stats) add(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = e.At
	switch e.Type {
	case event.Declined:
		s.declined++
	case event.Placed:
		s.placed++
		s.revenue += e.TotalCents
		if s.sold == nil {
			s.sold = map[string]int{}
		}
		for _, l := range e.Lines {
			s.sold[l.SKU] += l.Quantity
		}
	}
}

// Report is what GET /stats answers.
type Report struct {
	Placed       int         `json:"placed"`
	Declined     int         `json:"declined"`
	RevenueCents money.Cents `json:"revenue_cents"`
	MeanCents    money.Cents `json:"mean_cents"` // of a placed order
	Bestsellers  []Sold      `json:"bestsellers"`
	LastEvent    time.Time   `json:"last_event,omitzero"`
}

// Sold is how often one product was ordered.
type Sold struct {
	SKU   string `json:"sku"`
	Items int    `json:"items"`
}

func (s *stats) report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{Placed: s.placed, Declined: s.declined, RevenueCents: s.revenue, Bestsellers: []Sold{}, LastEvent: s.last}
	if s.placed > 0 {
		r.MeanCents = s.revenue / money.Cents(s.placed)
	}
	for sku, n := range s.sold {
		r.Bestsellers = append(r.Bestsellers, Sold{sku, n})
	}
	slices.SortFunc(r.Bestsellers, func(a, b Sold) int {
		return cmp.Or(b.Items-a.Items, cmp.Compare(a.SKU, b.SKU))
	})
	return r
}

func (s *stats) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.report()) // a client that is gone needs no answer
}
