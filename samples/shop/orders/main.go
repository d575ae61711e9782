// Orders takes orders: gRPC shop.v1.Orders on PORT, events to RabbitMQ and Kafka.
package main

import (
	"context"
	"os"

	"shop/internal/event"
	"shop/internal/outbox"
	"shop/internal/rabbit"
	"shop/internal/rpc"
	"shop/internal/service"
	"shop/internal/shopv1"
	"shop/internal/stream"
	"shop/orders/ordering"
)

func main() {
	os.Exit(service.Main(service.Service{Name: "orders", Port: "50051", Probe: rpc.Probe, Run: run}))
}

func run(ctx context.Context, p service.Process) error {
	inventory, err := rpc.Dial(p.Settings.String("INVENTORY_ADDR", "inventory:50053"))
	if err != nil {
		return err
	}
	defer inventory.Close()
	payments, err := rpc.Dial(p.Settings.String("PAYMENTS_ADDR", "payments:50052"))
	if err != nil {
		return err
	}
	defer payments.Close()

	queue := rabbit.NewPublisher(p.Settings.String("AMQP_URL", "amqp://guest:guest@rabbitmq:5672/"), "orders", p.Log)
	defer queue.Close()
	topic := stream.NewProducer(p.Settings.List("KAFKA_BROKERS", "kafka:9092"), p.Log)
	defer topic.Close()
	toQueue, toTopic := outbox.New(queue.Publish, p.Log), outbox.New(topic.Publish, p.Log)
	defer toQueue.Close()
	defer toTopic.Close()

	srv := rpc.NewServer(p.Log)
	shopv1.RegisterOrdersServer(srv, ordering.New(
		shopv1.NewInventoryClient(inventory), shopv1.NewPaymentsClient(payments),
		func(ctx context.Context, e event.Event) {
			toQueue.Add(ctx, e)
			toTopic.Add(ctx, e)
		}, p.Log))
	return rpc.Listen(ctx, p.Addr, srv, p.Log)
}
