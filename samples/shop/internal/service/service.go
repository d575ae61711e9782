// Package service is what every program of the shop has in common: structured logs, settings from the
// environment, a graceful end, and a health subcommand for images that hold nothing but the program.
package service

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"shop/internal/trace"
)

// Service describes one program.
type Service struct {
	Name  string
	Port  string                                       // used where PORT is not set
	Probe func(ctx context.Context, addr string) error // asks the service at addr whether it is healthy
	Run   func(ctx context.Context, p Process) error   // returns, drained, after ctx ends
}

// Process is what Run gets to work with.
type Process struct {
	Log      *slog.Logger
	Settings *Settings
	Addr     string // where to listen: HOST and PORT
}

// Main runs s until SIGINT or SIGTERM and returns the exit code; a second signal ends the process at
// once. With the argument "health" it asks a running s instead.
func Main(s Service) int {
	settings := &Settings{Lookup: os.LookupEnv}
	host, port := settings.String("HOST", ""), settings.String("PORT", s.Port)
	if len(os.Args) > 1 {
		return s.subcommand(os.Args[1:], port)
	}
	log, err := newLogger(os.Stdout, s.Name, settings.String("LOG_LEVEL", "info"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go cancelOnSignal(ctx, cancel, log)

	if err := s.Run(ctx, Process{Log: log, Settings: settings, Addr: net.JoinHostPort(host, port)}); err != nil {
		log.Error("failed", "error", err.Error())
		return 1
	}
	log.Info("stopped")
	return 0
}

// cancelOnSignal cancels at the first signal and leaves the second to the system, which ends the process.
func cancelOnSignal(ctx context.Context, cancel context.CancelFunc, log *slog.Logger) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	select {
	case s := <-signals:
		log.Info("stopping", "signal", s.String())
		cancel()
	case <-ctx.Done():
	}
}

func (s Service) subcommand(args []string, port string) int {
	if len(args) != 1 || args[0] != "health" {
		fmt.Fprintf(os.Stderr, "%s knows no %q.\nRun it without arguments, or with health.\n", s.Name, args)
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.Probe(ctx, net.JoinHostPort("127.0.0.1", port)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func newLogger(w io.Writer, name, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("LOG_LEVEL=%q is no level.\nUse debug, info, warn or error", level)
	}
	return slog.New(trace.Handler{
		Handler: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l}),
	}).With("service", name), nil
}
