package charging

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shop/internal/shopv1"
)

func TestCharge(t *testing.T) {
	tests := []struct {
		name, card string
		amount     int64
		want       codes.Code
		took       time.Duration
	}{
		{"a good card", "4242424242424242", 4190, codes.OK, 0},
		{"no funds", "400000000000" + Insufficient, 4190, codes.Aborted, 0},
		{"expired", "400000000000" + Expired, 4190, codes.Aborted, 0},
		{"a slow bank", "400000000000" + Slow, 4190, codes.OK, time.Second},
		{"nothing to charge", "4242424242424242", 0, codes.InvalidArgument, 0},
		{"no card", "", 4190, codes.InvalidArgument, 0},
		{"a card with spaces", "4242 4242 4242 4242", 4190, codes.InvalidArgument, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{SlowFor: time.Second, Log: slog.New(slog.DiscardHandler)}
				begun := time.Now()
				resp, err := s.Charge(t.Context(), &shopv1.ChargeRequest{Card: tt.card, AmountCents: tt.amount})
				if status.Code(err) != tt.want {
					t.Fatalf("got %v, want %s", err, tt.want)
				}
				if took := time.Since(begun); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
				if err == nil && resp.ChargeId == "" {
					t.Error("a charge without an id")
				}
			})
		})
	}
}

func TestChargeEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{SlowFor: time.Hour, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := s.Charge(ctx, &shopv1.ChargeRequest{Card: "400000000000" + Slow, AmountCents: 1})
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	})
}
