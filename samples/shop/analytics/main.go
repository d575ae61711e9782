// Analytics adds up what the shop sells: Kafka in, GET /stats and /healthz on PORT.
package main

import (
	"context"
	"net/http"
	"os"

	"shop/internal/event"
	"shop/internal/service"
	"shop/internal/stream"
	"shop/internal/web"
)

func main() {
	os.Exit(service.Main(service.Service{Name: "analytics", Port: "8081", Probe: web.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	var sums stats
	var health web.Health
	consumer := stream.Consumer{
		Brokers: p.Settings.List("KAFKA_BROKERS", "kafka:9092"),
		Group:   "analytics",
		Ready:   health.Set,
		Log:     p.Log,
		Handle: func(ctx context.Context, e event.Event) {
			sums.add(e)
			p.Log.InfoContext(ctx, "event counted", "type", e.Type, "order", e.OrderID)
		},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", &health)
	mux.Handle("GET /stats", web.Traced(&sums, p.Log))
	return web.Beside(ctx, p.Addr, mux, p.Log, consumer.Run)
}
