// Package charging is the payments service, with a bank that behaves by the card's last digits, so that
// every outcome can be had on demand.
package charging

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shop/internal/backoff"
	"shop/internal/money"
	"shop/internal/shopv1"
)

// What the bank does with cards that end in these digits. Any other card is charged at once.
const (
	Insufficient = "0002" // declines: insufficient funds
	Expired      = "0069" // declines: expired card
	Slow         = "0341" // charges, but slowly
)

// Server charges cards.
type Server struct {
	shopv1.UnimplementedPaymentsServer
	SlowFor time.Duration // how long the bank takes over a slow card
	Log     *slog.Logger
}

// Charge implements shop.v1.Payments.
func (s *Server) Charge(ctx context.Context, req *shopv1.ChargeRequest) (*shopv1.ChargeResponse, error) {
	if req.AmountCents <= 0 || !isCard(req.Card) {
		return nil, status.Error(codes.InvalidArgument, "a charge needs a positive amount and a card of 12 to 19 digits")
	}
	log := s.Log.With("order", req.OrderId, "card", "…"+last4(req.Card), "amount", money.Cents(req.AmountCents).String())
	begun := time.Now()
	if reason := s.bank(ctx, req.Card); reason != "" {
		log.WarnContext(ctx, "payment declined", "reason", reason)
		return nil, status.Errorf(codes.Aborted, "card declined: %s", reason)
	}
	if err := ctx.Err(); err != nil {
		log.ErrorContext(ctx, "bank did not answer in time")
		return nil, status.FromContextError(err).Err()
	}
	took := time.Since(begun).Round(time.Millisecond)
	if took >= 500*time.Millisecond {
		log.WarnContext(ctx, "payment slow", "took", took.String())
	} else {
		log.InfoContext(ctx, "payment taken", "took", took.String())
	}
	return &shopv1.ChargeResponse{ChargeId: "ch_" + strings.ToLower(rand.Text()[:12])}, nil
}

// bank answers with the reason of a decline, or nothing.
func (s *Server) bank(ctx context.Context, card string) string {
	switch last4(card) {
	case Insufficient:
		return "insufficient funds"
	case Expired:
		return "expired card"
	case Slow:
		_ = backoff.Wait(ctx, s.SlowFor) // the caller looks at ctx
	}
	return ""
}

func isCard(card string) bool {
	return len(card) >= 12 && len(card) <= 19 && strings.Trim(card, "0123456789") == ""
}

func last4(card string) string { return card[len(card)-4:] }
