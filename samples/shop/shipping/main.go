// Shipping books a parcel for each placed order: RabbitMQ in and out, /healthz on PORT.
package main

import (
	"context"
	"os"
	"time"

	"shop/internal/event"
	"shop/internal/rabbit"
	"shop/internal/service"
	"shop/internal/web"
)

func main() {
	os.Exit(service.Main(service.Service{Name: "shipping", Port: "8080", Probe: web.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	url := p.Settings.String("AMQP_URL", "amqp://guest:guest@rabbitmq:5672/")
	parcels := carrier{
		failRate: p.Settings.Float("CARRIER_FAIL_RATE", 0.05, 0, 1),
		latency:  p.Settings.Duration("CARRIER_LATENCY", 80*time.Millisecond),
	}
	shipped := rabbit.NewPublisher(url, "shipping", p.Log)
	defer shipped.Close()
	var health web.Health
	consumer := rabbit.Consumer{
		URL:         url,
		Name:        "shipping",
		Queue:       rabbit.Shipping,
		Workers:     p.Settings.Int("WORKERS", 4, 1, 100),
		MaxAttempts: p.Settings.Int("MAX_ATTEMPTS", 3, 1, 20),
		Ready:       health.Set,
		Log:         p.Log,
		Handle: func(ctx context.Context, e event.Event) error {
			tracking, err := parcels.book(ctx, e.ShipTo)
			if err != nil {
				return err
			}
			e.ID, e.Type, e.At, e.Tracking = e.ID+"_shipped", event.Shipped, time.Now().UTC(), tracking
			if err := shipped.Publish(ctx, e); err != nil {
				return err
			}
			p.Log.InfoContext(ctx, "order shipped", "order", e.OrderID, "tracking", tracking, "country", e.ShipTo.Country)
			return nil
		},
	}
	if err := p.Settings.Err(); err != nil {
		return err
	}
	return web.Beside(ctx, p.Addr, &health, p.Log, consumer.Run)
}
