package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// service is one of the shop's, with what has to answer before it starts.
type service struct {
	name, port string
	after      []string
	env        []string
}

// Ports of the floor's own.
const (
	rabbit, kafka                                   = "27672", "27092"
	gateway, orders, payments, inventory            = "27080", "27051", "27052", "27053"
	shipping, notifications, analytics, trafficPort = "27084", "27085", "27081", "27086"
)

func services() []service {
	const at = "127.0.0.1:"
	amqp := "AMQP_URL=amqp://guest:guest@" + at + rabbit + "/"
	return []service{
		{name: "rabbitmq", port: rabbit},
		{name: "kafka", port: kafka},
		{name: "inventory", port: inventory},
		{name: "payments", port: payments},
		{name: "orders", port: orders, after: []string{"inventory", "payments", "rabbitmq", "kafka"},
			env: []string{amqp, "KAFKA_BROKERS=" + at + kafka, "INVENTORY_ADDR=" + at + inventory, "PAYMENTS_ADDR=" + at + payments}},
		{name: "gateway", port: gateway, after: []string{"orders"}, env: []string{"ORDERS_ADDR=" + at + orders}},
		{name: "shipping", port: shipping, after: []string{"rabbitmq"}, env: []string{amqp}},
		{name: "notifications", port: notifications, after: []string{"rabbitmq"}, env: []string{amqp}},
		{name: "analytics", port: analytics, after: []string{"kafka"}, env: []string{"KAFKA_BROKERS=" + at + kafka}},
		{name: "traffic", port: trafficPort, after: []string{"gateway"}, env: []string{"GATEWAY_URL=http://" + at + gateway}},
	}
}

// floor builds and starts everything, and returns how long it took until all answer. Then it ends everything.
func (b bench) floor(ctx context.Context) (time.Duration, error) {
	if err := os.RemoveAll(filepath.Join(b.shop, "bin")); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	began := time.Now()
	ready := map[string]chan struct{}{}
	all := services()
	for _, s := range all {
		ready[s.name] = make(chan struct{})
	}
	errs := make(chan error, len(all))
	for _, s := range all {
		work.Go(func() { errs <- b.serve(ctx, s, ready) })
	}
	for _, s := range all {
		select {
		case <-ready[s.name]:
		case err := <-errs:
			return 0, err
		}
	}
	return time.Since(began), nil
}

// serve builds a service, starts it when what it needs answers, and keeps it until ctx ends.
func (b bench) serve(ctx context.Context, s service, ready map[string]chan struct{}) error {
	program, args := filepath.Join(b.shop, "bin", s.name), []string(nil)
	if s.port == rabbit || s.port == kafka {
		program, args = b.msdev, []string{"broker", s.name, "--port", s.port}
		if s.port == rabbit {
			args = append(args, "--management-port", "0")
		}
	} else {
		build := exec.CommandContext(ctx, "go", "build", "-o", program, "./"+s.name)
		build.Dir = b.shop
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", s.name, err, out)
		}
	}
	for _, other := range s.after {
		select {
		case <-ready[other]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.shop, &out, &out
	cmd.Env = append(append(os.Environ(), "HOST=127.0.0.1", "PORT="+s.port), s.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", s.port), time.Second)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended: %w\n%s", s.name, errors.Join(err, ctx.Err()), out.Bytes())
		case <-time.After(2 * time.Millisecond): // a port tells nobody that it is open
		}
	}
	close(ready[s.name])
	if err := <-ended; err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s ended: %w", s.name, err)
	}
	return nil
}
