// Traffic is the shop's customers: about RATE orders a second to the gateway, at random moments;
// /healthz on PORT.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"shop/internal/backoff"
	"shop/internal/service"
	"shop/internal/trace"
	"shop/internal/web"
)

// patience is how long a customer waits for an answer.
const patience = 6 * time.Second

func main() {
	os.Exit(service.Main(service.Service{Name: "traffic", Port: "8080", Probe: web.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	t := traffic{
		gateway: p.Settings.String("GATEWAY_URL", "http://gateway:8080"),
		rate:    p.Settings.Float("RATE", 2, 0, 1000),
		client:  &http.Client{Timeout: patience, Transport: web.Transport{Base: http.DefaultTransport}},
		log:     p.Log,
	}
	if err := p.Settings.Err(); err != nil {
		return err
	}
	var health web.Health
	health.Set(true)
	return web.Beside(ctx, p.Addr, &health, p.Log, t.run)
}

type traffic struct {
	gateway string
	rate    float64 // orders a second; 0 is a quiet day
	client  *http.Client
	log     *slog.Logger
}

// run lets customers come until ctx ends, and waits for those that are in the shop.
func (t traffic) run(ctx context.Context) error {
	if t.rate == 0 {
		<-ctx.Done()
		return nil
	}
	r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	var customers sync.WaitGroup
	defer customers.Wait()
	for {
		pause := time.Duration(r.ExpFloat64() / t.rate * float64(time.Second))
		if backoff.Wait(ctx, pause) != nil {
			return nil
		}
		o := newOrder(r)
		customers.Go(func() { t.place(trace.With(context.WithoutCancel(ctx), trace.New()), o) })
	}
}

// place sends o and logs what came of it.
func (t traffic) place(ctx context.Context, o order) {
	log := t.log.With("customer", o.Customer)
	begun := time.Now()
	status, answer, err := t.post(ctx, o)
	if err != nil {
		log.ErrorContext(ctx, "no answer", "error", err.Error())
		return
	}
	took := time.Since(begun).Round(time.Millisecond).String()
	switch {
	case status == http.StatusCreated:
		log.InfoContext(ctx, "order accepted", "order", answer.ID, "took", took)
	case status < 500:
		log.WarnContext(ctx, "order refused", "status", status, "reason", answer.Error, "took", took)
	default:
		log.ErrorContext(ctx, "order failed", "status", status, "error", answer.Error, "took", took)
	}
}

// answer is what the gateway says: an id, or what is wrong.
type answer struct{ ID, Error string }

func (t traffic) post(ctx context.Context, o order) (status int, a answer, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return 0, answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.gateway+"/orders", bytes.NewReader(body))
	if err != nil {
		return 0, answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return 0, answer{}, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		return 0, answer{}, err
	}
	if json.Unmarshal(body, &a) != nil {
		a.Error = string(body) // not the gateway's own words
	}
	return resp.StatusCode, a, nil
}
