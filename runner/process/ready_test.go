package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"msdev/runner"
)

// up makes and starts an instance.
func up(t testing.TB, r *Runtime, service string) runner.Instance {
	t.Helper()
	seen, err := r.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: service, Number: 1}, nil)
	if err == nil {
		seen, err = r.Do(t.Context(), runner.Action{Op: runner.OpStart, Service: service, Instance: seen[0].Instance.ID}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return *seen[0].Instance
}

// until waits until a condition holds for an instance.
func until(t testing.TB, r *Runtime, id, what string, holds func(runner.Instance) bool) runner.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var last runner.Instance
	met := false
	_ = r.Watch(ctx, func(o runner.Observation) {
		switch {
		case met:
			return
		case o.Snapshot != nil:
			last = o.Snapshot.Instances[id]
		case o.Instance != nil && o.Instance.ID == id:
			last = *o.Instance
		}
		if met = holds(last); met {
			cancel()
		}
	})
	if !met {
		t.Fatalf("not %s: %+v", what, last)
	}
	return last
}

func healthy(t testing.TB, r *Runtime, id string) {
	t.Helper()
	until(t, r, id, "healthy", func(in runner.Instance) bool { return in.Health == runner.HealthHealthy })
}

func TestReadiness(t *testing.T) {
	for name, settings := range map[string]string{
		"http":     "ready: {http: 8080/health}",
		"tcp":      "ready: {tcp: 8080}",
		"log":      "ready: {log: '^listening on \\d+$'}",
		"exec":     "ready: {exec: [" + testApp + ", health]}",
		"declared": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := project(t, fmt.Sprintf("services:\n  web:\n    image: x\n    expose: [\"8080\"]\n    environment: {PORT: \"8080\", START_DELAY: 200ms}\n"+
				"    healthcheck: {test: [CMD, /nowhere/app, health]}\n    x-msdev:\n      run: %s serve\n      %s\n", testApp, settings))
			r := open(t, p, t.TempDir())
			in := up(t, r, "web")
			if in.Health != runner.HealthStarting {
				t.Errorf("health %q before it listens", in.Health)
			}
			healthy(t, r, in.ID)
			if _, err := r.Probe(t.Context(), in.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, state := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	over := make(chan error, 1)
	go func() { over <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	state.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if _, err := serves(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("not serving: %v", err)
	}
	state.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	if _, err := serves(t.Context(), l.Addr().String()); err != nil {
		t.Errorf("serving: %v", err)
	}
}

func TestUnhealthy(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "well")
	p := project(t, fmt.Sprintf("services:\n  web:\n    image: x\n    healthcheck: {test: \"echo asked; test -e %s\", interval: 50ms, timeout: 5s, retries: 2}\n    x-msdev: {run: sleep 600}\n", flag))
	r := open(t, p, t.TempDir())
	in := up(t, r, "web")
	sick := until(t, r, in.ID, "unhealthy", func(in runner.Instance) bool { return in.Health == runner.HealthUnhealthy })
	if !strings.Contains(sick.HealthLog, "asked") {
		t.Errorf("the test's output is %q", sick.HealthLog)
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	healthy(t, r, in.ID)
}

func TestTerminal(t *testing.T) {
	p := project(t, "services:\n  web:\n    image: x\n    tty: true\n    x-msdev: {run: \"test -t 1 && echo terminal\"}\n")
	r := open(t, p, t.TempDir())
	in := up(t, r, "web")
	var text []string
	if err := r.Logs(t.Context(), in.ID, runner.LogOptions{Tail: -1, Follow: true}, func(l runner.LogLine) { text = append(text, l.Text) }); err != nil || strings.Join(text, "|") != "terminal" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestBuild builds what a service runs: the same content is the same image, and a failed build changes nothing.
func TestBuild(t *testing.T) {
	p := project(t, "services:\n  web:\n    image: x\n    x-msdev: {build: \"echo building; cp source run.sh && chmod +x run.sh\", run: ./run.sh}\n")
	if spec := p.Specs(map[string]string{"web": runner.Native})[0]; !spec.Build || spec.PullPolicy != "build" || spec.Hash != p.NativeHash("web") {
		t.Errorf("the spec is %+v", spec)
	}
	r := open(t, p, t.TempDir())
	build := func() (string, error) {
		var said []string
		seen, err := r.Do(t.Context(), runner.Action{Op: runner.OpBuild, Service: "web"}, func(p runner.Progress) { said = append(said, p.Text) })
		if err != nil {
			return "", err
		}
		if len(said) == 0 || said[0] != "building" {
			t.Errorf("the build said %q", said)
		}
		return seen[0].Resource.Resource.ID, nil
	}
	_, err := build()
	var e *runner.Error
	if !errors.As(err, &e) || e.Service != "web" || !strings.Contains(e.Msg, "source") {
		t.Fatalf("a build without its source: %v", err)
	}
	write := func(text string) string {
		if err := os.WriteFile(filepath.Join(p.Dir, "source"), []byte("#!/bin/sh\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := build()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := write("sleep 600\n")
	if again := write("sleep 600\n"); again != first {
		t.Error("the same content is another image")
	}
	if in := up(t, r, "web"); in.ImageID != first {
		t.Errorf("it runs the image %s, not %s", in.ImageID, first)
	}
	if write("exec sleep 600\n") == first {
		t.Error("other content is the same image")
	}
}

func TestRestartPolicy(t *testing.T) {
	for _, test := range []struct {
		text           string
		code, restarts int
		want           bool
	}{
		{"", 1, 0, false},
		{"restart: \"no\"", 1, 0, false},
		{"restart: always", 0, 99, true},
		{"restart: unless-stopped", 0, 0, true},
		{"restart: on-failure", 0, 0, false},
		{"restart: on-failure", 1, 99, true},
		{"restart: on-failure:2", 1, 1, true},
		{"restart: on-failure:2", 1, 2, false},
		{"deploy: {restart_policy: {condition: none}}", 1, 0, false},
		{"deploy: {restart_policy: {condition: on-failure, max_attempts: 1}}", 1, 0, true},
		{"deploy: {restart_policy: {condition: on-failure, max_attempts: 1}}", 1, 1, false},
		{"deploy: {restart_policy: {condition: any}}", 0, 5, true},
	} {
		p := project(t, "services:\n  web:\n    image: x\n    "+test.text+"\n")
		if got := policyOf(p.Compose.Services["web"]).again(test.code, test.restarts); got != test.want {
			t.Errorf("%q after code %d and %d restarts: %t", test.text, test.code, test.restarts, got)
		}
	}
}
