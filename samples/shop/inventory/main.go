// Inventory keeps the shelf: gRPC shop.v1.Inventory on PORT.
package main

import (
	"context"
	"os"
	"sync"
	"time"

	"shop/internal/rpc"
	"shop/internal/service"
	"shop/internal/shopv1"
	"shop/inventory/stock"
)

func main() {
	os.Exit(service.Main(service.Service{Name: "inventory", Port: "50053", Probe: rpc.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	restock := p.Settings.Duration("RESTOCK_EVERY", 20*time.Second)
	if err := p.Settings.Err(); err != nil {
		return err
	}
	shelf := stock.New(stock.Catalog(), p.Log)
	var restocking sync.WaitGroup
	defer restocking.Wait()
	restocking.Go(func() { shelf.RestockEvery(ctx, max(restock, time.Second)) })

	srv := rpc.NewServer(p.Log)
	shopv1.RegisterInventoryServer(srv, shelf)
	return rpc.Listen(ctx, p.Addr, srv, p.Log)
}
