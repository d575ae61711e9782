package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func port() string {
	if p := os.Getenv("PORT"); p != "" {
		return p
	}
	return "8080"
}

// serve answers on $PORT: /health as its settings say, /env the environment, /echo the request's body, /get?url=URL what
// URL answers (so that a test can see what the container can reach), and / its host name.
func serve(l *life, stdout io.Writer) error {
	started := time.Now()
	select {
	case <-time.After(duration("START_DELAY")):
	case <-l.over:
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		host, _ := os.Hostname()
		fmt.Fprintf(w, "%s %s on %s\n", r.Method, r.URL.Path, host)
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("UNHEALTHY") != "" || time.Since(started) < duration("HEALTHY_AFTER") {
			http.Error(w, "not healthy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "healthy")
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { printEnv(r.URL.Query()["name"], w) })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("/get", relay)

	listener, err := net.Listen("tcp", ":"+port())
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on %s\n", port())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-l.over
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func relay(w http.ResponseWriter, r *http.Request) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(r.URL.Query().Get("url"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func health(stderr io.Writer) int {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://127.0.0.1:" + port() + "/health")
	if err != nil {
		fmt.Fprintln(stderr, "app: health:", err)
		return 1
	}
	defer answer.Body.Close()
	_, _ = io.Copy(stderr, answer.Body)
	if answer.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}
