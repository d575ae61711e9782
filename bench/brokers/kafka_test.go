package brokers

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
	"msdev/brokers/kafka"
	"msdev/testenv"
)

const (
	kafkaRecords    = 300_000
	kafkaBody       = 1 << 10
	kafkaPartitions = 4
	kafkaGoal       = 200_000
)

// BenchmarkTailKafka is the live tail of a topic: contenders stand at its end when the records come.
func BenchmarkTailKafka(b *testing.B) {
	k := testenv.Kafka(b, "4.1")
	ours := func(b *testing.B, topic string, g *gate, m *meter) func() {
		broker, err := kafka.New(kafka.Options{Name: "broker", Service: "broker", Own: true, URL: k.Address, Dial: g.dial})
		check(b, err)
		return intoJournal(b, broker, brokers.Source{Kind: brokers.SourceTopic, Name: topic}, m)
	}
	ways := []struct {
		name string
		way  tailing
	}{
		{"franz-go, bare", func(b *testing.B, topic string, g *gate, m *meter) func() { return bareTail(b, k.Address, topic, g, m) }},
		{"msdev, into the journal", ours},
		{"kcat", func(b *testing.B, topic string, g *gate, m *meter) func() { return kcatTail(b, k.Address, topic, g, m) }},
	}
	for _, load := range []struct {
		name string
		goal goal
		run  func(b *testing.B, address string, way tailing) result
	}{{"working off", goal{kafkaGoal, 0.9}, tailOff}, {"live", goal{share: 0.9}, tailLive}} {
		var all []contender
		for _, w := range ways {
			all = append(all, contender{w.name, func(b *testing.B) result { return load.run(b, k.Address, w.way) }})
		}
		b.Run(strings.ReplaceAll(load.name, " ", "-"), func(b *testing.B) {
			duel(b, "tail of 1 KiB records of Kafka 4.1, "+load.name, load.goal, all...)
		})
	}
}

// A tailing is one way to see what comes to a topic. It returns once it stands at its end, and counts with m what it saw.
type tailing func(b *testing.B, topic string, g *gate, m *meter) (end func())

// tailOff has the broker hold all records before the first is taken: nothing else runs then.
func tailOff(b *testing.B, address string, way tailing) result {
	topic, remove := newTopic(b, address)
	defer remove()
	g, m := newGate(), newMeter(kafkaRecords)
	end := way(b, topic, g, m)
	defer end()
	g.shut()
	defer g.lift()
	seed(b, address, topic)
	m.start()
	g.lift()
	return m.wait(b)
}

// tailLive has the records produced meanwhile, which takes a part of the machine.
func tailLive(b *testing.B, address string, way tailing) result {
	topic, remove := newTopic(b, address)
	defer remove()
	g, m := newGate(), newMeter(kafkaRecords)
	end := way(b, topic, g, m)
	defer end()
	m.start()
	var work sync.WaitGroup
	work.Go(func() { seed(b, address, topic) })
	defer work.Wait()
	return m.wait(b)
}

// newTopic makes a topic whose files go with it.
func newTopic(b *testing.B, address string) (name string, remove func()) {
	b.Helper()
	broker, err := kafka.New(kafka.Options{Name: "kafka", Own: true, URL: address})
	check(b, err)
	at := "100"
	spec := brokers.TopicSpec{Name: "bench-" + strings.ToLower(rand.Text()[:8]), Partitions: kafkaPartitions, Replicas: 1, Configs: map[string]*string{"file.delete.delay.ms": &at}}
	check(b, broker.Apply(b.Context(), brokers.Change{Kind: brokers.CreateTopic, Topic: spec}))
	return spec.Name, func() {
		check(b, broker.Apply(b.Context(), brokers.Change{Kind: brokers.DeleteTopic, Topic: spec}))
		check(b, broker.Close())
	}
}

// seed produces the records.
func seed(b *testing.B, address, topic string) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic(topic))
	check(b, err)
	defer client.Close()
	noise := make([]byte, 1<<20)
	_, _ = rand.Read(noise) // it never fails
	for i := range kafkaRecords {
		at := i * 7919 % (len(noise) - kafkaBody)
		client.Produce(context.Background(), &kgo.Record{Key: fmt.Append(nil, i), Value: noise[at : at+kafkaBody]}, nil)
	}
	check(b, client.Flush(context.Background()))
}

func bareTail(b *testing.B, address, topic string, g *gate, m *meter) func() {
	at := map[int32]kgo.Offset{}
	for p := range int32(kafkaPartitions) {
		at[p] = kgo.NewOffset().At(0)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.Dialer(g.dial), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}),
		kgo.FetchMaxWait(250*time.Millisecond))
	check(b, err)
	check(b, client.Ping(b.Context()))
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			m.add(client.PollFetches(ctx).NumRecords(), 0)
		}
	})
	return func() {
		cancel()
		work.Wait()
		client.Close()
	}
}

// kcatTail runs kcat, which is stopped while the gate is shut: it prints one byte for each record.
func kcatTail(b *testing.B, address, topic string, g *gate, m *meter) func() {
	cmd := exec.Command(testenv.Tool(b, "kcat"), "-C", "-b", address, "-t", topic, "-o", "end", "-f", ".", "-X", "fetch.wait.max.ms=250")
	out, err := cmd.StdoutPipe()
	check(b, err)
	said, err := cmd.StderrPipe()
	check(b, err)
	check(b, cmd.Start())
	ends := bufio.NewScanner(said)
	for at := 0; at < kafkaPartitions && ends.Scan(); {
		if strings.Contains(ends.Text(), "Reached end of topic") {
			at++
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _, _ = io.Copy(io.Discard, said) })
	work.Go(func() {
		block := make([]byte, 64<<10)
		for {
			n, err := out.Read(block)
			m.add(n, 0)
			if err != nil {
				return
			}
			// What it printed last waits in its own buffer of 4 KiB, so the rest is taken as if it had come.
			m.mu.Lock()
			left := m.want - m.seen
			m.mu.Unlock()
			if 0 < left && left < 4096 {
				m.add(int(left), 0)
			}
		}
	})
	work.Go(func() { g.follow(ctx, cmd.Process.Signal) })
	return func() {
		cancel()
		_ = cmd.Process.Kill()
		work.Wait()
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			b.Error(err)
		}
	}
}

// follow stops and continues a process with the gate.
func (g *gate) follow(ctx context.Context, signal func(os.Signal) error) {
	stopped := false
	for {
		g.mu.Lock()
		open, moved := g.open, g.moved
		g.mu.Unlock()
		select {
		case <-open:
			if stopped {
				_ = signal(syscall.SIGCONT)
			}
			stopped = false
		default:
			_ = signal(syscall.SIGSTOP)
			stopped = true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}
