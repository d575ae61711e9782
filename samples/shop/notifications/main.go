// Notifications writes to the customer about everything that happens to an order: RabbitMQ in, /healthz
// on PORT.
package main

import (
	"context"
	"os"

	"shop/internal/event"
	"shop/internal/rabbit"
	"shop/internal/service"
	"shop/internal/web"
)

func main() {
	os.Exit(service.Main(service.Service{Name: "notifications", Port: "8080", Probe: web.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	mail := mailServer{failRate: p.Settings.Float("MAIL_FAIL_RATE", 0.03, 0, 1)}
	var health web.Health
	consumer := rabbit.Consumer{
		URL:         p.Settings.String("AMQP_URL", "amqp://guest:guest@rabbitmq:5672/"),
		Name:        "notifications",
		Queue:       rabbit.Notifications,
		Workers:     p.Settings.Int("WORKERS", 4, 1, 100),
		MaxAttempts: p.Settings.Int("MAX_ATTEMPTS", 3, 1, 20),
		Ready:       health.Set,
		Log:         p.Log,
		Handle: func(ctx context.Context, e event.Event) error {
			subject, err := letter(e)
			if err != nil {
				return err
			}
			if err := mail.send(e.Customer, subject); err != nil {
				return err
			}
			p.Log.InfoContext(ctx, "mail sent", "order", e.OrderID, "to", e.Customer, "subject", subject)
			return nil
		},
	}
	if err := p.Settings.Err(); err != nil {
		return err
	}
	return web.Beside(ctx, p.Addr, &health, p.Log, consumer.Run)
}
