package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"shop/internal/trace"
)

func TestProbeFollowsHealth(t *testing.T) {
	var h Health
	srv := httptest.NewServer(&h)
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	if err := Probe(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("before it is ready: %v", err)
	}
	h.Set(true)
	if err := Probe(t.Context(), addr); err != nil {
		t.Errorf("when it is ready: %v", err)
	}
}

func TestTransportAndTracedCarryTheTrace(t *testing.T) {
	var served trace.Span
	srv := httptest.NewServer(Traced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served, _ = trace.From(r.Context())
		w.WriteHeader(http.StatusTeapot)
	}), slog.New(slog.DiscardHandler)))
	defer srv.Close()
	sent := trace.New()
	req, err := http.NewRequestWithContext(trace.With(t.Context(), sent), http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: Transport{http.DefaultTransport}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("the status became %s", resp.Status)
	}
	if served.TraceID != sent.TraceID || served.ID == sent.ID {
		t.Errorf("sent %s, served %s: want one trace and two spans", sent, served)
	}
	if req.Header.Get(trace.Parent) != "" {
		t.Error("the caller's request was changed")
	}
}

func TestBesideEndsWithItsWork(t *testing.T) {
	broken := errors.New("broken")
	err := Beside(t.Context(), "127.0.0.1:0", http.NotFoundHandler(), slog.New(slog.DiscardHandler),
		func(context.Context) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestBesideEndsWhenItCannotListen(t *testing.T) {
	err := Beside(t.Context(), "127.0.0.1:nothing", http.NotFoundHandler(), slog.New(slog.DiscardHandler),
		func(ctx context.Context) error { <-ctx.Done(); return nil })
	if err == nil {
		t.Error("a port that is none was accepted")
	}
}
