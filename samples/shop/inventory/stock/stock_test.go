package stock

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

func shelf() *Server {
	return New([]Product{{"mug", 1000, 5}, {"teapot", 3000, 2}}, slog.New(slog.DiscardHandler))
}

func line(sku string, n int32) *shopv1.Line { return &shopv1.Line{Sku: sku, Quantity: n} }

func TestReserve(t *testing.T) {
	tests := []struct {
		name  string
		lines []*shopv1.Line
		want  codes.Code
		left  int32 // mugs
	}{
		{"what there is", []*shopv1.Line{line("mug", 5), line("teapot", 1)}, codes.OK, 0},
		{"more than there is", []*shopv1.Line{line("mug", 6)}, codes.FailedPrecondition, 5},
		{"more than there is, in two lines", []*shopv1.Line{line("mug", 3), line("mug", 3)}, codes.FailedPrecondition, 5},
		{"all or nothing", []*shopv1.Line{line("mug", 1), line("teapot", 3)}, codes.FailedPrecondition, 5},
		{"an unknown product", []*shopv1.Line{line("mug", 1), line("spoon", 1)}, codes.NotFound, 5},
		{"none", []*shopv1.Line{line("mug", 0)}, codes.InvalidArgument, 5},
		{"less than none", []*shopv1.Line{line("mug", -1)}, codes.InvalidArgument, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := shelf()
			resp, err := s.Reserve(t.Context(), &shopv1.ReserveRequest{Lines: tt.lines})
			if status.Code(err) != tt.want {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if left := s.items["mug"].left; left != tt.left {
				t.Errorf("%d mugs are left, want %d", left, tt.left)
			}
			if err == nil && (len(resp.Lines) != 2 || resp.Lines[0].UnitPriceCents != 1000) {
				t.Errorf("priced as %v", resp.Lines)
			}
		})
	}
}

func TestReleaseNeverOverfills(t *testing.T) {
	s := shelf()
	if _, err := s.Reserve(t.Context(), &shopv1.ReserveRequest{Lines: []*shopv1.Line{line("mug", 3)}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int32{4, 5, 5} {
		if _, err := s.Release(t.Context(), &shopv1.ReleaseRequest{Lines: []*shopv1.Line{line("mug", 2), line("spoon", 1)}}); err != nil {
			t.Fatal(err)
		}
		if got := s.items["mug"].left; got != want {
			t.Errorf("%d mugs are left, want %d", got, want)
		}
	}
}

func TestRestock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shelf()
		ctx, cancel := context.WithCancel(t.Context())
		go s.RestockEvery(ctx, time.Minute)
		if _, err := s.Reserve(ctx, &shopv1.ReserveRequest{Lines: []*shopv1.Line{line("mug", 3)}}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if got := s.items["mug"].left; got != 5 {
			t.Errorf("%d mugs are left after a delivery", got)
		}
		cancel()
	})
}
