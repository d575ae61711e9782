// Payments charges cards: gRPC shop.v1.Payments on PORT.
package main

import (
	"context"
	"os"
	"time"

	"shop/internal/rpc"
	"shop/internal/service"
	"shop/internal/shopv1"
	"shop/payments/charging"
)

func main() {
	os.Exit(service.Main(service.Service{Name: "payments", Port: "50052", Probe: rpc.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	bank := &charging.Server{Log: p.Log, SlowFor: p.Settings.Duration("SLOW_FOR", 800*time.Millisecond)}
	if err := p.Settings.Err(); err != nil {
		return err
	}
	srv := rpc.NewServer(p.Log)
	shopv1.RegisterPaymentsServer(srv, bank)
	return rpc.Listen(ctx, p.Addr, srv, p.Log)
}
