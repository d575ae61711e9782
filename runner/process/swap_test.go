package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"msdev/runner"
	"msdev/testenv"
)

// TestSwapsFailNoRequest replaces a service again and again while it is asked.
func TestSwapsFailNoRequest(t *testing.T) {
	port := testenv.FreePort(t)
	p := project(t, fmt.Sprintf("services:\n  web:\n    ports: ['%d:8080']\n    x-msdev: {run: %q, env: {PORT: '{{.Port 8080}}'}, ready: {http: 8080/health}}\n", port, testApp+" serve"))
	r := open(t, p, t.TempDir())
	now := begin(t, r, "web")
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if got, err := echo(client, port); got != "hello" || err != nil {
					t.Errorf("after %d requests: %q, %v", asked.Load(), got, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	const swaps = 10
	for range swaps {
		before := asked.Load()
		seen, err := r.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: "web", Number: 1, Replaces: now.ID, Swap: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		next := seen[len(seen)-1].Instance
		if seen[0].Gone != now.ID || next == nil || next.Health != runner.HealthHealthy {
			t.Fatalf("a swap told %+v", seen)
		}
		now = *next
		for asked.Load() < before+10 && !t.Failed() {
			if _, err := echo(http.DefaultClient, port); err != nil {
				t.Error(err)
			}
		}
	}
	cancel()
	work.Wait()
	t.Logf("%d requests through %d swaps", asked.Load(), swaps)
}

// begin makes and starts the first instance of a service, and waits until it is ready.
func begin(t *testing.T, r *Runtime, service string) runner.Instance {
	t.Helper()
	seen, err := r.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: service, Number: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := *seen[0].Instance
	if _, err := r.Do(t.Context(), runner.Action{Op: runner.OpStart, Service: service, Instance: in.ID}, nil); err != nil {
		t.Fatal(err)
	}
	made, err := r.find(in.ID)
	if err == nil {
		err = r.untilReady(t.Context(), made)
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func echo(client *http.Client, port int) (string, error) {
	resp, err := client.Post(fmt.Sprintf("http://127.0.0.1:%d/echo", port), "text/plain", strings.NewReader("hello"))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// A version that does not become ready is taken back with its last words, and the one before goes on.
func TestASwapThatFails(t *testing.T) {
	port := testenv.FreePort(t)
	text := "services:\n  web:\n    ports: ['%d:8080']\n    x-msdev: {run: %q, env: {PORT: '{{.Port 8080}}'}, ready: {http: 8080/health}}\n"
	p := project(t, fmt.Sprintf(text, port, testApp+" serve"))
	r := open(t, p, t.TempDir())
	now := begin(t, r, "web")
	broken := project(t, fmt.Sprintf(text, port, testApp+" crash 3"))
	broken.Name = p.Name
	if err := r.Use(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	_, err := r.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: "web", Number: 1, Replaces: now.ID, Swap: true}, nil)
	if err == nil || !strings.Contains(err.Error(), `the new version of service "web" ended with exit code 3`) {
		t.Errorf("a swap to a version that ends says %v", err)
	}
	if got, err := echo(http.DefaultClient, port); got != "hello" || err != nil {
		t.Errorf("the version before answers %q, %v", got, err)
	}
	if len(r.instances) != 1 {
		t.Errorf("there are %d instances", len(r.instances))
	}
}
