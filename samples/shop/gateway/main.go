// Gateway is the shop's front door: HTTP/JSON in on PORT, gRPC out to orders.
//
//	POST /orders        201 the order · 400 no order · 402 card declined · 404 unknown product · 409 out of stock
//	GET  /orders/{id}   200 the order · 404
//	GET  /healthz       200
package main

import (
	"context"
	"os"

	"shop/internal/rpc"
	"shop/internal/service"
	"shop/internal/shopv1"
	"shop/internal/web"
)

func main() {
	os.Exit(service.Main(service.Service{Name: "gateway", Port: "8080", Probe: web.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	orders, err := rpc.Dial(p.Settings.String("ORDERS_ADDR", "orders:50051"))
	if err != nil {
		return err
	}
	defer orders.Close()
	return web.Serve(ctx, p.Addr, newHandler(shopv1.NewOrdersClient(orders), p.Log), p.Log)
}
