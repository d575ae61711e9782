// Package ordering is the orders service: it reserves stock, charges the card, and announces what
// became of the order.
package ordering

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shop/internal/event"
	"shop/internal/money"
	"shop/internal/shopv1"
)

// Server takes orders.
type Server struct {
	shopv1.UnimplementedOrdersServer
	inventory shopv1.InventoryClient
	payments  shopv1.PaymentsClient
	announce  func(context.Context, event.Event)
	log       *slog.Logger
	placed    memory
}

// New returns a server that announces each outcome by announce, which must not block.
func New(inventory shopv1.InventoryClient, payments shopv1.PaymentsClient,
	announce func(context.Context, event.Event), log *slog.Logger) *Server {
	return &Server{inventory: inventory, payments: payments, announce: announce, log: log}
}

// PlaceOrder implements shop.v1.Orders.
func (s *Server) PlaceOrder(ctx context.Context, req *shopv1.PlaceOrderRequest) (*shopv1.Order, error) {
	if problem := wrongWith(req); problem != "" {
		s.log.WarnContext(ctx, "order refused", "reason", problem)
		return nil, status.Error(codes.InvalidArgument, problem)
	}
	begun := time.Now()
	order := &shopv1.Order{Id: newID(), Customer: req.Customer, Lines: req.Lines, ShipTo: req.ShipTo}
	reserved, err := s.inventory.Reserve(ctx, &shopv1.ReserveRequest{OrderId: order.Id, Lines: req.Lines})
	if err != nil {
		s.log.WarnContext(ctx, "order refused", "order", order.Id, "reason", status.Convert(err).Message())
		return nil, err
	}
	price := priceOf(reserved.Lines)
	order.SubtotalCents, order.DiscountCents, order.DeliveryCents = price.subtotal, price.discount, price.delivery
	order.TotalCents = price.total()

	charge, err := s.payments.Charge(ctx, &shopv1.ChargeRequest{OrderId: order.Id, Card: req.Card, AmountCents: order.TotalCents})
	if err != nil {
		s.undo(ctx, order, err)
		return nil, err
	}
	order.ChargeId = charge.ChargeId
	s.placed.add(order)
	s.announce(ctx, newEvent(event.Placed, order))
	s.log.InfoContext(ctx, "order placed", "order", order.Id, "total", money.Cents(order.TotalCents).String(),
		"lines", len(order.Lines), "took", time.Since(begun).Round(time.Millisecond).String())
	return order, nil
}

// undo gives the stock back after cause kept the order from being paid, even if the caller is gone.
func (s *Server) undo(ctx context.Context, order *shopv1.Order, cause error) {
	reason := status.Convert(cause).Message()
	if status.Code(cause) == codes.Aborted {
		s.log.WarnContext(ctx, "order declined", "order", order.Id, "reason", reason)
		declined := newEvent(event.Declined, order)
		declined.Reason = reason
		s.announce(ctx, declined)
	} else {
		s.log.ErrorContext(ctx, "payment failed", "order", order.Id, "error", reason)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, err := s.inventory.Release(ctx, &shopv1.ReleaseRequest{OrderId: order.Id, Lines: order.Lines}); err != nil {
		s.log.ErrorContext(ctx, "stock not released", "order", order.Id, "error", err.Error())
	}
}

// GetOrder implements shop.v1.Orders.
func (s *Server) GetOrder(_ context.Context, req *shopv1.GetOrderRequest) (*shopv1.Order, error) {
	if order := s.placed.find(req.Id); order != nil {
		return order, nil
	}
	return nil, status.Errorf(codes.NotFound, "there is no order %q", req.Id)
}

// wrongWith names what makes req no order, or nothing.
func wrongWith(req *shopv1.PlaceOrderRequest) string {
	switch {
	case !strings.Contains(req.Customer, "@"):
		return "customer must be an e-mail address"
	case len(req.Lines) == 0:
		return "an order needs at least one line"
	case req.ShipTo.GetCountry() == "" || req.ShipTo.GetPostcode() == "":
		return "ship_to needs a country and a postcode"
	}
	for _, l := range req.Lines {
		if l.Quantity < 1 || l.Quantity > 100 {
			return "quantity must be from 1 to 100"
		}
	}
	return ""
}

func newEvent(kind string, o *shopv1.Order) event.Event {
	e := event.Event{
		ID:         "evt_" + newID(),
		Type:       kind,
		At:         time.Now().UTC(),
		OrderID:    o.Id,
		Customer:   o.Customer,
		TotalCents: money.Cents(o.TotalCents),
		ShipTo:     event.Address{Country: o.ShipTo.GetCountry(), Postcode: o.ShipTo.GetPostcode()},
	}
	for _, l := range o.Lines {
		e.Lines = append(e.Lines, event.Line{SKU: l.Sku, Quantity: int(l.Quantity)})
	}
	return e
}

func newID() string { return strings.ToLower(rand.Text()[:10]) }
