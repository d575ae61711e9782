// Package web serves and asks HTTP the way every service of the shop does: traced, logged, drained.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"shop/internal/trace"
)

// drain is how long requests in flight may take once the service is told to stop.
const drain = 8 * time.Second

// Serve answers on addr until ctx ends, then lets the requests in flight finish.
func Serve(ctx context.Context, addr string, h http.Handler, log *slog.Logger) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Info("listening", "addr", l.Addr().String(), "protocol", "http")
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		wait, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		drained <- srv.Shutdown(wait)
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return <-drained
}

// Beside answers on addr while work runs, and ends both when ctx ends or either of them fails.
func Beside(ctx context.Context, addr string, h http.Handler, log *slog.Logger, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		defer cancel()
		served <- Serve(ctx, addr, h, log)
	}()
	err := work(ctx)
	cancel()
	return errors.Join(err, <-served)
}

// Traced continues the caller's trace in each request, and logs the request when it is answered.
func Traced(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		r = r.WithContext(trace.Continue(r.Context(), r.Header.Get))
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		level := slog.LevelInfo
		switch {
		case rec.status >= 500:
			level = slog.LevelError
		case rec.status >= 400:
			level = slog.LevelWarn
		}
		log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path,
			"status", rec.status, "took", time.Since(begun).Round(time.Millisecond).String())
	})
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Transport sends the current span along with each request.
type Transport struct{ Base http.RoundTripper }

func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	trace.Inject(r.Context(), r.Header.Set)
	return t.Base.RoundTrip(r)
}

// Health answers GET /healthz: 200 while the service can do its work, 503 while it cannot. Its zero
// value cannot yet.
type Health struct{ ready atomic.Bool }

// Set tells whether the service can do its work.
func (h *Health) Set(ready bool) { h.ready.Store(ready) }

func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if !h.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// Probe asks the service at addr for /healthz.
func Probe(ctx context.Context, addr string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", r.URL, resp.Status)
	}
	return nil
}
