package cmd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/runner"
	"msdev/runner/embedded"
)

// A Kafka inside msdev tells each client the address at which that client reaches it: its service's name to those who come from
// containers, its own address to the others. What one sends, the other gets.
func TestKafkaAdvertises(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte("services:\n  log: {image: apache/kafka}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := runner.Load(t.Context(), runner.LoadOptions{WorkDir: dir, Name: "advertises"})
	if err != nil {
		t.Fatal(err)
	}
	rt, err := embedded.New(p, embedded.Options{StateDir: t.TempDir(), Kinds: brokerKinds(), Of: p.BrokerKind})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.Close() })
	made, err := rt.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: "log", Number: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Do(t.Context(), runner.Action{Op: runner.OpStart, Service: "log", Instance: made[0].Instance.ID}, nil); err != nil {
		t.Fatal(err)
	}
	outside, _ := rt.Address("log", 9092)
	var mu sync.Mutex
	dialled := map[string]bool{}
	container := func(_ context.Context, _, addr string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dialled[addr] = true
		if addr != "log:9092" {
			return nil, errors.New("a container knows only names")
		}
		ours, theirs := net.Pipe()
		go rt.Pass("log", 9092, theirs)
		return ours, nil
	}
	process := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != outside {
			return nil, errors.New("a process knows only addresses")
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	send(t, "log:9092", "from a container", container)
	if got := receive(t, outside, process); got != "from a container" {
		t.Errorf("a process got %q", got)
	}
	send(t, outside, "from a process", process)
	if got := receive(t, "log:9092", container); got != "from a container" {
		t.Errorf("a container got %q first", got)
	}
	if len(dialled) != 1 {
		t.Errorf("a container was told %v", dialled)
	}
}

type dial func(ctx context.Context, network, addr string) (net.Conn, error)

func client(t *testing.T, seed string, d dial, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(seed), kgo.Dialer(d), kgo.AllowAutoTopicCreation())...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, seed, text string, d dial) {
	t.Helper()
	c := client(t, seed, d)
	defer c.Close()
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte(text)}).FirstErr(); err != nil {
		t.Fatalf("by %s: %v", seed, err)
	}
}

// receive returns the first record of the topic.
func receive(t *testing.T, seed string, d dial) string {
	t.Helper()
	c := client(t, seed, d, kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	for {
		got := c.PollFetches(t.Context())
		if err := got.Err0(); err != nil {
			t.Fatalf("by %s: %v", seed, err)
		}
		for _, r := range got.Records() {
			return string(r.Value)
		}
	}
}
