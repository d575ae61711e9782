// Package brokers measures what msdev does with messages beside the bare clients that it could be, in one run. Contenders take turns in
// every round, in another order each time; what is told is the median.
//
//	go test -run '^$' -bench . -benchtime 1x -timeout 30m ./bench/brokers
package brokers

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"msdev/brokers"
	"msdev/runner"
	"msdev/runner/embedded"
	"msdev/session"
	"msdev/testenv"
)

// rounds is how often each contender is measured.
const rounds = 3

// A contender takes part in a measurement.
type contender struct {
	name string
	run  func(b *testing.B) result // nil: where it cannot take part
}

// result is what one turn of a contender came to.
type result struct {
	perSecond float64
	lost      int64
	heap      int64 // bytes, the most that was seen; 0: not measured
}

// goal is what the second contender, msdev, is to reach.
type goal struct {
	perSecond float64 // 0: none
	share     float64 // of the first contender, the bare client; 0: none
}

// duel measures, and tells the medians. The first contender is the one that the others are compared with, the second one is msdev.
func duel(b *testing.B, what string, g goal, all ...contender) {
	b.Helper()
	results := make([][]result, len(all))
	for round := range rounds {
		for i := range all {
			n := (i + round) % len(all)
			results[n] = append(results[n], all[n].run(b))
		}
	}
	tell(b, what, g, all, results)
}

func tell(b *testing.B, what string, g goal, all []contender, results [][]result) {
	b.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "%s, load %s\n", what, load())
	speed := make([]float64, len(all))
	for i, c := range all {
		m := middle(results[i])
		speed[i] = m.perSecond
		fmt.Fprintf(&text, "  %-34s %9.0f /s  ×%.2f", c.name, m.perSecond, m.perSecond/speed[0])
		if m.heap > 0 {
			fmt.Fprintf(&text, "  heap ≤ %d MB", m.heap>>20)
		}
		if m.lost > 0 {
			fmt.Fprintf(&text, "  lost %d", m.lost)
		}
		text.WriteByte('\n')
	}
	if g.perSecond > 0 {
		fmt.Fprintf(&text, "  goal ≥ %.0f /s: %s\n", g.perSecond, met(speed[1] >= g.perSecond))
		if speed[0] < g.perSecond {
			fmt.Fprintf(&text, "    the broker gives a bare client no more than %.0f /s here\n", speed[0])
		}
	}
	if g.share > 0 {
		fmt.Fprintf(&text, "  goal ≥ %.1f × %s: %s\n", g.share, all[0].name, met(speed[1] >= g.share*speed[0]))
	}
	b.Log("\n" + text.String())
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(speed[1], "msgs/s")
	b.ReportMetric(speed[1]/speed[0], "×bare")
}

func met(is bool) string {
	if is {
		return "met"
	}
	return "MISSED"
}

// middle is the run of median speed, with the most memory and the most losses of all of them.
func middle(all []result) result {
	var heap, lost int64
	for _, r := range all {
		heap, lost = max(heap, r.heap), max(lost, r.lost)
	}
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b result) int { return int(a.perSecond - b.perSecond) })
	m := sorted[len(sorted)/2]
	m.heap, m.lost = heap, lost
	return m
}

// load is the machine's.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// A gate holds back what comes over the connections that are dialled by it, so that there is a load to work off: the broker then has
// delivered nothing that the client has not asked the system for.
type gate struct {
	mu    sync.Mutex
	open  chan struct{} // closed while what comes passes
	moved chan struct{} // closed when it is shut or lifted
}

func newGate() *gate {
	g := &gate{open: make(chan struct{}), moved: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
	g.turned()
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
		g.turned()
	}
}

func (g *gate) turned() {
	close(g.moved)
	g.moved = make(chan struct{})
}

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &gated{Conn: c, gate: g, done: make(chan struct{})}, nil
}

type gated struct {
	net.Conn
	gate *gate
	once sync.Once
	done chan struct{}
}

func (c *gated) Read(b []byte) (int, error) {
	c.gate.mu.Lock()
	open := c.gate.open
	c.gate.mu.Unlock()
	select {
	case <-open:
	case <-c.done:
		return 0, net.ErrClosed
	}
	return c.Conn.Read(b)
}

// SetReadDeadline does nothing: no client is to give up while it is held back.
func (c *gated) SetReadDeadline(time.Time) error { return nil }

func (c *gated) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

// A meter counts what comes until it was all.
type meter struct {
	want int64
	done chan struct{}

	mu    sync.Mutex
	seen  int64
	lost  int64
	began time.Time
	ended time.Time
}

func newMeter(want int) *meter { return &meter{want: int64(want), done: make(chan struct{})} }

func (m *meter) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began = time.Now()
}

func (m *meter) add(seen int, lost int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.seen + m.lost
	m.seen += int64(seen)
	m.lost += lost
	if before < m.want && m.seen+m.lost >= m.want {
		m.ended = time.Now()
		close(m.done)
	}
}

// patience is how long a load may take.
const patience = 3 * time.Minute

// wait returns when all has come.
func (m *meter) wait(b *testing.B) result {
	b.Helper()
	heap := newHeap()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for {
		select {
		case <-m.done:
			m.mu.Lock()
			defer m.mu.Unlock()
			return result{perSecond: float64(m.seen) / m.ended.Sub(m.began).Seconds(), lost: m.lost, heap: heap.most}
		case <-over:
			m.mu.Lock()
			defer m.mu.Unlock()
			b.Fatalf("%d of %d came, and %d were lost", m.seen, m.want, m.lost)
		case <-tick.C:
			heap.look()
		}
	}
}

// heap watches the memory that the heap takes.
type heap struct {
	sample []metrics.Sample
	most   int64
}

func newHeap() *heap {
	return &heap{sample: []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}}
}

func (h *heap) look() {
	metrics.Read(h.sample)
	h.most = max(h.most, int64(h.sample[0].Value.Uint64()+h.sample[1].Value.Uint64()))
}

// counted is a broker whose taps tell a meter what they have handed on, once that was taken; they look only at one source.
type counted struct {
	brokers.Broker
	from  brokers.Source
	began chan struct{}
	m     *meter
}

// Tap is the broker's.
func (c *counted) Tap(ctx context.Context, _ brokers.Source, o brokers.TapOptions, emit func(brokers.TapBatch)) error {
	first := true
	return c.Broker.Tap(ctx, c.from, o, func(batch brokers.TapBatch) {
		emit(batch)
		if first {
			first = false
			close(c.began)
		}
		c.m.add(len(batch.Messages), batch.Lost)
	})
}

// intoJournal taps a broker into the journal of a session, as the screen has it done, and returns once the tap is there.
func intoJournal(b *testing.B, broker brokers.Broker, from brokers.Source, m *meter) (end func()) {
	b.Helper()
	kind := string(broker.Info().Kind)
	dir := b.TempDir()
	b.Setenv("XDG_STATE_HOME", dir)
	check(b, os.WriteFile(filepath.Join(dir, "compose.yaml"), fmt.Appendf(nil, "services: {broker: {image: busybox, x-msdev: {broker: %s}}}\n", kind), 0o600))
	tapped := &counted{Broker: broker, from: from, began: make(chan struct{}), m: m}
	c, err := session.Local(b.Context(), session.Config{Load: runner.LoadOptions{WorkDir: dir, Name: testenv.ProjectName(b)}, Linger: true},
		func(_ context.Context, p *runner.Project, _ string) (session.Launch, error) {
			rt, err := embedded.New(p, embedded.Options{StateDir: dir, Kinds: map[string]embedded.Kind{kind: {Open: elsewhere}}, Of: func(string) string { return kind }})
			return session.Launch{Runtimes: []runner.Runtime{rt}, Of: func(string) string { return embedded.Name },
				Broker: func(session.BrokerSpec) (brokers.Broker, error) { return tapped, nil }}, err
		})
	check(b, err)
	_, err = c.Do(b.Context(), session.Command{Verb: session.VerbUp, Up: session.UpOptions{Wait: true}})
	check(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	work.Go(func() { _ = c.Tap(ctx, brokers.TapOptions{}) })
	select {
	case <-tapped.began:
	case <-time.After(time.Minute):
		b.Fatal("the tap does not begin")
	}
	return func() {
		cancel()
		work.Wait()
		_, err := c.Do(b.Context(), session.Command{Verb: session.VerbDown, Down: session.DownOptions{Volumes: true}})
		check(b, err)
		check(b, c.Close())
		if closer, ok := broker.(io.Closer); ok {
			check(b, closer.Close())
		}
	}
}

// elsewhere stands for a broker that runs already, outside of the session.
func elsewhere(c embedded.Config) (func(context.Context) error, error) {
	for _, l := range c.Listeners {
		_ = l.Close() // nobody was told of it
	}
	return func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}, nil
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
