// Package stock is the inventory service: what is on the shelf, and what it costs.
package stock

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shop/internal/shopv1"
)

// Product is one thing the shop sells.
type Product struct {
	SKU        string
	PriceCents int64
	Shelf      int32 // how many there is room for
}

// Catalog is everything the shop sells.
func Catalog() []Product {
	return []Product{
		{"mug-blue", 1290, 60},
		{"mug-green", 1290, 60},
		{"teapot", 3450, 25},
		{"kettle", 4190, 20},
		{"coffee-250g", 890, 120},
		{"grinder", 7900, 8},
		{"scale", 5600, 12},
		{"filter-100", 450, 150},
	}
}

// Server keeps the shelf in memory. It begins full.
type Server struct {
	shopv1.UnimplementedInventoryServer
	log *slog.Logger

	mu    sync.Mutex
	items map[string]*item
}

type item struct {
	Product
	left int32
}

// New fills the shelf.
func New(catalog []Product, log *slog.Logger) *Server {
	items := make(map[string]*item, len(catalog))
	for _, p := range catalog {
		items[p.SKU] = &item{p, p.Shelf}
	}
	return &Server{log: log, items: items}
}

// Reserve implements shop.v1.Inventory.
func (s *Server) Reserve(ctx context.Context, req *shopv1.ReserveRequest) (*shopv1.ReserveResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := map[string]int32{}
	for _, l := range req.Lines {
		if s.items[l.Sku] == nil {
			return nil, status.Errorf(codes.NotFound, "there is no product %q", l.Sku)
		}
		if l.Quantity <= 0 || l.Quantity > 1000 {
			return nil, status.Errorf(codes.InvalidArgument, "%d of %s cannot be reserved", l.Quantity, l.Sku)
		}
		want[l.Sku] += l.Quantity
	}
	for sku, n := range want {
		if left := s.items[sku].left; left < n {
			s.log.WarnContext(ctx, "out of stock", "order", req.OrderId, "sku", sku, "wanted", n, "left", left)
			return nil, status.Errorf(codes.FailedPrecondition, "%s is out of stock", sku)
		}
	}
	resp := &shopv1.ReserveResponse{}
	for _, l := range req.Lines {
		i := s.items[l.Sku]
		i.left -= l.Quantity
		resp.Lines = append(resp.Lines, &shopv1.PricedLine{Sku: l.Sku, Quantity: l.Quantity, UnitPriceCents: i.PriceCents})
	}
	s.log.InfoContext(ctx, "stock reserved", "order", req.OrderId, "lines", len(req.Lines))
	return resp, nil
}

// Release implements shop.v1.Inventory.
func (s *Server) Release(ctx context.Context, req *shopv1.ReleaseRequest) (*shopv1.ReleaseResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range req.Lines {
		if i := s.items[l.Sku]; i != nil && l.Quantity > 0 {
			i.left = min(i.left+l.Quantity, i.Shelf)
		}
	}
	s.log.InfoContext(ctx, "stock released", "order", req.OrderId, "lines", len(req.Lines))
	return &shopv1.ReleaseResponse{}, nil
}

// RestockEvery fills the shelf at each interval until ctx ends.
func (s *Server) RestockEvery(ctx context.Context, interval time.Duration) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.restock()
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) restock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var delivered int32
	for _, i := range s.items {
		delivered += i.Shelf - i.left
		i.left = i.Shelf
	}
	if delivered > 0 {
		s.log.Info("restocked", "items", delivered)
	}
}
