package kafka

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 30 * time.Second

// childDir has this test binary be a broker with its data in a folder, until its standard input ends.
const childDir = "MSDEV_TEST_KAFKA_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	b, err := Open(Options{Listeners: []Listener{{Listener: loopback()}}, Dir: dir})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(b.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = b.Close()
}

func loopback() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l
}

func start(t *testing.T, o Options) *Broker {
	t.Helper()
	if o.Listeners == nil {
		o.Listeners = []Listener{{Listener: loopback()}}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.AllowAutoTopicCreation()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, c *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := c.ProduceSync(within(t), &kgo.Record{Topic: topic, Value: []byte(v), Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(v)}}}).FirstErr(); err != nil {
			t.Fatalf("produce %s: %v", v, err)
		}
	}
}

// consume reads so many records.
func consume(t *testing.T, c *kgo.Client, n int) []string {
	t.Helper()
	ctx := within(t)
	var got []string
	for len(got) < n {
		fetches := c.PollRecords(ctx, n-len(got))
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(got), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, not %q", got, want)
	}
}

func TestTopicsAppearWhenAskedFor(t *testing.T) {
	b := start(t, Options{Partitions: 3})
	c := client(t, b.Addr())
	produce(t, c, "orders", "a", "b")
	topics, err := kadm.NewClient(c).ListTopics(within(t))
	if err != nil || len(topics["orders"].Partitions) != 3 {
		t.Errorf("topics %v, %v", topics, err)
	}
	if err := c.ProduceSync(within(t), &kgo.Record{Topic: "no/topic", Value: []byte("x")}).FirstErr(); err == nil {
		t.Error("a topic appeared that Kafka would not have")
	}
	// Who only looks makes nothing.
	looks, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer looks.Close()
	if td, err := kadm.NewClient(looks).ListTopics(within(t), "unknown"); err != nil || !errors.Is(td["unknown"].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("an unknown topic: %+v, %v", td, err)
	}
}

func TestNoAutoCreate(t *testing.T) {
	b := start(t, Options{NoAutoCreate: true})
	c := client(t, b.Addr(), kgo.UnknownTopicRetries(0))
	if err := c.ProduceSync(within(t), &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("produced to a topic that is not there: %v", err)
	}
}

func TestValidTopic(t *testing.T) {
	for name, want := range map[string]bool{
		"orders": true, "a.b_c-D9": true, ".a": true, "a.": true, "__consumer_offsets": true, strings.Repeat("x", 249): true,
		"": false, ".": false, "..": false, "a/b": false, "a b": false, "ä": false, strings.Repeat("x", 250): false, "...": true,
	} {
		if got := validTopic(name); got != want {
			t.Errorf("%.20q: %t", name, got)
		}
	}
}

// A restart keeps records, headers, and how far groups have read.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Options{Dir: dir})
	produce(t, client(t, b.Addr()), "orders", "a", "b", "c")
	g := client(t, b.Addr(), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())
	same(t, consume(t, g, 2), "a", "b")
	if err := g.CommitUncommittedOffsets(within(t)); err != nil {
		t.Fatal(err)
	}
	g.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = start(t, Options{Dir: dir})
	same(t, consume(t, client(t, b.Addr(), kgo.ConsumeTopics("orders")), 3), "a", "b", "c")
	g = client(t, b.Addr(), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"))
	same(t, consume(t, g, 1), "c")
}

// What was acknowledged is there after a kill, in a topic that nobody created in so many words.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	hold, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill() }()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr = strings.TrimSpace(addr)
	if _, err := Open(Options{Listeners: []Listener{{Listener: loopback()}}, Dir: dir}); err == nil || !strings.Contains(err.Error(), "another broker") {
		t.Errorf("two brokers have one folder: %v", err)
	}
	produce(t, client(t, addr), "orders", "a", "b", "c")
	g := client(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())
	same(t, consume(t, g, 1), "a")
	if err := g.CommitUncommittedOffsets(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	b := start(t, Options{Dir: dir})
	same(t, consume(t, client(t, b.Addr(), kgo.ConsumeTopics("orders")), 3), "a", "b", "c")
	committed, err := kadm.NewClient(client(t, b.Addr())).FetchOffsets(within(t), "g")
	if at, ok := committed.Lookup("orders", 0); err != nil || !ok || at.At != 1 {
		t.Errorf("committed %+v, %v", committed, err)
	}
}

// Each client is told to come back where it came from, and groups work through both ways in.
func TestAdvertised(t *testing.T) {
	second := loopback()
	_, port, _ := net.SplitHostPort(second.Addr().String())
	first := loopback()
	b := start(t, Options{Listeners: []Listener{{Listener: first, Advertise: "kafka.invalid:9092"}, {Listener: second, Advertise: "localhost:" + port}}})
	if b.Addr() != first.Addr().String() {
		t.Errorf("address %s", b.Addr())
	}
	inside := client(t, b.Addr(), kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "kafka.invalid:9092" {
			addr = first.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}))
	outside := client(t, second.Addr().String(), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"))
	for want, c := range map[string]*kgo.Client{"kafka.invalid:9092": inside, "localhost:" + port: outside} {
		meta, err := kadm.NewClient(c).BrokerMetadata(within(t))
		if err != nil || len(meta.Brokers) != 1 || net.JoinHostPort(meta.Brokers[0].Host, fmt.Sprint(meta.Brokers[0].Port)) != want {
			t.Errorf("brokers %+v, %v, not %s", meta.Brokers, err, want)
		}
	}
	produce(t, inside, "orders", "a", "b")
	same(t, consume(t, outside, 2), "a", "b")
}

// What is more than is to be kept goes, from memory and from the disk; the newest stays.
func TestRetention(t *testing.T) {
	const keep = 1 << 20
	dir := t.TempDir()
	b := start(t, Options{Dir: dir, Retention: keep})
	c := client(t, b.Addr(), kgo.ProducerBatchCompression(kgo.NoCompression()))
	value := strings.Repeat("x", 64<<10)
	for i := range 100 {
		produce(t, c, "big", fmt.Sprintf("%02d", i)+value)
	}
	before, err := b.Size()
	if err != nil || before < 5<<20 {
		t.Fatalf("%d bytes, %v", before, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = start(t, Options{Dir: dir, Retention: keep})
	after, err := b.Size()
	if err != nil || after > keep+keep/segmentsKept+(128<<10) || after < keep/2 {
		t.Errorf("%d bytes are kept of %d, %v", after, before, err)
	}
	ends, err := kadm.NewClient(client(t, b.Addr())).ListEndOffsets(within(t), "big")
	if at, ok := ends.Lookup("big", 0); err != nil || !ok || at.Offset != 100 {
		t.Errorf("the end is %+v, %v", ends, err)
	}
	last := client(t, b.Addr(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"big": {0: kgo.NewOffset().At(99)}}))
	if got := consume(t, last, 1); !strings.HasPrefix(got[0], "99") {
		t.Errorf("the newest record is %.10q", got[0])
	}
}

// A broker in memory leaves nothing behind, and removes what a killed one left.
func TestTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	left := filepath.Join(os.TempDir(), temporaryName+"killed")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	b := start(t, Options{})
	other := start(t, Options{})
	produce(t, client(t, b.Addr()), "orders", "a")
	produce(t, client(t, other.Addr()), "orders", "a")
	for _, b := range []*Broker{b, other} {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(os.TempDir()); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// What is no Kafka is turned away at once, and does no harm.
func TestNoKafka(t *testing.T) {
	b := start(t, Options{})
	metadata := binary.BigEndian.AppendUint32(nil, 30)
	metadata = append(metadata, 0, 3, 0, 12, 0, 0, 0, 1)
	for name, data := range map[string][]byte{
		"http":        []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"too large":   {0xff, 0xff, 0xff, 0xff, 0, 3, 0, 1, 0, 0, 0, 1},
		"too small":   {0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 1},
		"no such key": {0, 0, 0, 8, 0x7f, 3, 0, 1, 0, 0, 0, 1},
		"no version":  {0, 0, 0, 8, 0, 3, 0xff, 1, 0, 0, 0, 1},
		"nonsense":    append(metadata, []byte(strings.Repeat("\xff", 22))...),
		"odd version": {0, 0, 0, 8, 0, 3, 0x7f, 1, 0, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it is still connected")
			}
		})
	}
	produce(t, client(t, b.Addr()), "orders", "a")
}

func TestCloseWithClients(t *testing.T) {
	b := start(t, Options{})
	c := client(t, b.Addr(), kgo.ConsumeTopics("orders"))
	produce(t, c, "orders", "a")
	same(t, consume(t, c, 1), "a")
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if _, err := net.Dial("tcp", b.Addr()); err == nil {
		t.Error("it still listens")
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		broker, err := Open(Options{Listeners: []Listener{{Listener: loopback()}}})
		if err != nil {
			b.Fatal(err)
		}
		c, err := net.Dial("tcp", broker.Addr())
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
		_ = broker.Close()
	}
}
