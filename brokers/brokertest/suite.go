// Package brokertest is what every broker must do, asserted against real ones: RabbitMQ with and without its management, two
// lines of Kafka, and the brokers that msdev brings along.
package brokertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// patience bounds every wait of the suite; a wait ends with its event.
const patience = 60 * time.Second

// Subject is a broker under test.
type Subject struct {
	Broker brokers.Broker
	// Queue makes a queue or a topic with one partition of its own.
	Queue func(t *testing.T) Place
	// Nowhere is a target that nothing reads.
	Nowhere brokers.Target
	// Kill ends the broker without a warning and starts it again; nil where that cannot be.
	Kill func(t *testing.T)
	// SortsHeaders is RabbitMQ 4: it sorts headers, and keeps the first of those with the same name.
	SortsHeaders bool
}

// Place is where messages are sent, read and tapped.
type Place struct {
	Read, Tap brokers.Source
	To        brokers.Target
}

// Run runs what brokers of both kinds must do.
func Run(t *testing.T, s Subject) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"what is sent is read again, byte for byte", exact},
		{"a tap hands on what is sent, in order", tapped},
		{"a tap drops rather than wait, or waits, and counts", slow},
		{"large messages", large},
		{"results tell what became of each message", results},
		{"reading stops where it should", stops},
		{"what is there is listed", listed},
		{"a purge empties", purged},
		{"what is not there is named", absent},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
	if s.Kill != nil {
		t.Run("a tap goes on after the broker was killed", func(t *testing.T) { killed(t, s) })
	}
}

// name is a name that nothing else has.
func name(what string) string { return what + "-" + strings.ToLower(rand.Text()[:10]) }

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// Message is a message of the broker's kind.
func (s Subject) message(key, body string) brokers.Message {
	m := brokers.Message{Kind: s.Broker.Info().Kind, Body: []byte(body), Offset: -1}
	if m.Kind == brokers.Kafka {
		m.Key = []byte(key)
		m.Headers = brokers.Headers{{Key: "n", Value: []byte(key)}}
	} else {
		m.Headers = brokers.Headers{{Key: "n", Value: key}}
	}
	return m
}

// send sends messages and fails unless all are confirmed.
func (s Subject) send(t *testing.T, to brokers.Target, messages ...brokers.Message) []brokers.Result {
	t.Helper()
	ctx := bounded(t)
	p, err := s.Broker.Publisher(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out := make([]brokers.Outgoing, len(messages))
	for i := range messages {
		out[i] = brokers.Outgoing{To: to, Message: &messages[i]}
	}
	results, err := brokers.PublishAll(ctx, p, out)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Status != brokers.StatusConfirmed {
			t.Fatalf("message %d: %s, %v", i, r.Status, r.Err)
		}
	}
	return results
}

// read reads all there is.
func (s Subject) read(t *testing.T, from brokers.Source, o brokers.ReadOptions) []brokers.Message {
	t.Helper()
	var all []brokers.Message
	err := s.Broker.Read(bounded(t), from, o, func(b brokers.Batch) bool {
		for i := range b.Messages {
			all = append(all, b.Messages[i].Clone())
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A watch is a running tap and what it saw.
type watch struct {
	t    *testing.T
	end  context.CancelFunc
	done chan error

	mu       sync.Mutex
	changed  chan struct{}
	messages []brokers.Message
	lost     int64
	gaps     []brokers.Gap
	notes    []brokers.Note
	began    bool
	failed   error
}

// watch starts a tap and returns when it sees what is sent from now on. each, where it is given, is called with every batch.
func (s Subject) watch(t *testing.T, from brokers.Source, o brokers.TapOptions, each func(brokers.TapBatch)) *watch {
	t.Helper()
	w := s.start(t, from, o, each)
	w.until("the tap begins", func() bool { return w.began || w.failed != nil })
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		t.Fatal(w.failed)
	}
	return w
}

func (s Subject) start(t *testing.T, from brokers.Source, o brokers.TapOptions, each func(brokers.TapBatch)) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{t: t, end: cancel, done: make(chan error, 1), changed: make(chan struct{})}
	go func() {
		err := s.Broker.Tap(ctx, from, o, func(b brokers.TapBatch) {
			if each != nil {
				each(b)
			}
			w.see(b)
		})
		w.mu.Lock()
		w.failed = err
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		w.done <- err
	}()
	t.Cleanup(w.stop)
	return w
}

func (w *watch) see(b brokers.TapBatch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = true
	for i := range b.Messages {
		w.messages = append(w.messages, b.Messages[i].Clone())
	}
	w.lost += b.Lost
	if b.Gap != nil {
		w.gaps = append(w.gaps, *b.Gap)
	}
	w.notes = append(w.notes, b.Notes...)
	close(w.changed)
	w.changed = make(chan struct{})
}

// stop ends the tap, which must end well.
func (w *watch) stop() {
	w.end()
	select {
	case err := <-w.done:
		w.done <- err
		if err != nil && !w.t.Failed() {
			w.t.Errorf("the tap ended with %v", err)
		}
	case <-time.After(patience):
		w.t.Error("the tap does not end")
	}
}

// until waits for what the watch sees.
func (w *watch) until(what string, reached func() bool) {
	w.t.Helper()
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		ok, changed := reached(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("waited in vain until %s: saw %d messages, lost %d, gaps %v, notes %v, error %v", what, len(w.messages), w.lost, w.gaps, w.notes, w.failed)
		}
	}
}

// saw waits for n messages and returns what is there then.
func (w *watch) saw(n int) []brokers.Message {
	w.t.Helper()
	w.until(fmt.Sprintf("it sees %d messages", n), func() bool { return len(w.messages) >= n })
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages
}

// same compares what was sent with what was seen.
func same(t *testing.T, sent, seen *brokers.Message) {
	t.Helper()
	if !bytes.Equal(sent.Body, seen.Body) || (sent.Body == nil) != (seen.Body == nil) {
		t.Errorf("sent a body of %d bytes (null: %t), saw %d (null: %t)", len(sent.Body), sent.Body == nil, len(seen.Body), seen.Body == nil)
	}
	if !bytes.Equal(sent.Key, seen.Key) || (sent.Key == nil) != (seen.Key == nil) {
		t.Errorf("sent key %q (null: %t), saw %q (null: %t)", sent.Key, sent.Key == nil, seen.Key, seen.Key == nil)
	}
	if !(len(sent.Headers) == 0 && len(seen.Headers) == 0) && !reflect.DeepEqual(sent.Headers, seen.Headers) {
		t.Errorf("sent headers %#v\nsaw          %#v", sent.Headers, seen.Headers)
	}
	want := sent.Properties
	if sent.Kind == brokers.RabbitMQ && len(sent.Headers) > 0 {
		want.Has |= wire.HasHeaders
	}
	if !reflect.DeepEqual(want, seen.Properties) {
		t.Errorf("sent properties %+v\nsaw             %+v", want, seen.Properties)
	}
}

// sorted are headers as RabbitMQ 4 passes them on.
func sorted(h brokers.Headers) brokers.Headers {
	h = slices.Clone(h)
	slices.SortStableFunc(h, func(a, b brokers.Header) int { return strings.Compare(a.Key, b.Key) })
	return slices.CompactFunc(h, func(a, b brokers.Header) bool { return a.Key == b.Key })
}

func exact(t *testing.T, s Subject) {
	at := s.Queue(t)
	sent := s.peculiar()
	s.send(t, at.To, sent...)
	seen := s.read(t, at.Read, brokers.ReadOptions{})
	if len(seen) != len(sent) {
		t.Fatalf("sent %d messages, read %d", len(sent), len(seen))
	}
	for i := range sent {
		if s.SortsHeaders {
			sent[i].Headers = sorted(sent[i].Headers)
		}
		same(t, &sent[i], &seen[i])
	}
}

func tapped(t *testing.T, s Subject) {
	at := s.Queue(t)
	w := s.watch(t, at.Tap, brokers.TapOptions{}, nil)
	var sent []brokers.Message
	for i := range 3000 {
		sent = append(sent, s.message(fmt.Sprint("k", i), fmt.Sprint("body ", i)))
	}
	s.send(t, at.To, sent...)
	seen := w.saw(len(sent))
	if len(seen) != len(sent) || w.lost != 0 {
		t.Fatalf("sent %d, saw %d, lost %d", len(sent), len(seen), w.lost)
	}
	for i := range sent {
		if !bytes.Equal(sent[i].Body, seen[i].Body) {
			t.Fatalf("message %d is %q, not %q", i, seen[i].Body, sent[i].Body)
		}
		if seen[i].Time.IsZero() || seen[i].TimeKind == brokers.TimeNone {
			t.Fatal("it has no time")
		}
	}
}

// slow has a receiver that does not return while messages come.
func slow(t *testing.T, s Subject) {
	at := s.Queue(t)
	free := make(chan struct{})
	first := true
	w := s.start(t, at.Tap, brokers.TapOptions{Buffer: 64 << 10}, func(b brokers.TapBatch) {
		if len(b.Messages) > 0 && first {
			first = false
			<-free
		}
	})
	w.until("it begins", func() bool { return w.began })
	s.send(t, at.To, s.message("first", "first")) // whose emit does not return
	const n = 1000
	body := strings.Repeat("x", 1<<10)
	var sent []brokers.Message
	for i := range n {
		sent = append(sent, s.message(fmt.Sprint(i), body))
	}
	s.send(t, at.To, sent...) // the broker does not wait either
	close(free)
	w.until("all is seen or told as lost", func() bool { return int64(len(w.messages))+w.lost == n+1 })
}

func large(t *testing.T, s Subject) {
	at := s.Queue(t)
	w := s.watch(t, at.Tap, brokers.TapOptions{Buffer: 64 << 20}, nil)
	big := s.message("big", "")
	big.Body = make([]byte, 10<<20)
	for i := range big.Body {
		big.Body[i] = byte(i * 7 >> 3)
	}
	s.send(t, at.To, big, s.message("small", "behind it"))
	seen := w.saw(2)
	same(t, &big, &seen[0])
	read := s.read(t, at.Read, brokers.ReadOptions{})
	if len(read) != 2 {
		t.Fatalf("read %d messages", len(read))
	}
	same(t, &big, &read[0])
}

func results(t *testing.T, s Subject) {
	at := s.Queue(t)
	ctx := bounded(t)
	p, err := s.Broker.Publisher(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	m := s.message("k", "same bytes")
	missing := brokers.Target{Exchange: name("none"), Topic: name("none")}
	out := []brokers.Outgoing{{To: at.To, Message: &m}, {To: s.Nowhere, Message: &m}, {To: missing, Message: &m}, {To: at.To, Message: &m}}
	got, err := brokers.PublishAll(ctx, p, out)
	if err != nil {
		t.Fatal(err)
	}
	want := []brokers.Status{brokers.StatusConfirmed, brokers.StatusUnroutable, brokers.StatusRefused, brokers.StatusConfirmed}
	if s.Broker.Info().Kind == brokers.Kafka {
		want[1] = brokers.StatusRefused
	}
	for i, r := range got {
		if r.Status != want[i] || (r.Err == nil) != (want[i] == brokers.StatusConfirmed) {
			t.Errorf("message %d is %s (%v), not %s", i, r.Status, r.Err, want[i])
		}
	}
}

func stops(t *testing.T, s Subject) {
	at := s.Queue(t)
	for i := range 20 {
		s.send(t, at.To, s.message(fmt.Sprint(i), fmt.Sprint(i)))
	}
	if got := s.read(t, at.Read, brokers.ReadOptions{Limit: 7}); len(got) != 7 || string(got[6].Body) != "6" {
		t.Errorf("a limit of 7 gave %d", len(got))
	}
	calls := 0
	err := s.Broker.Read(bounded(t), at.Read, brokers.ReadOptions{}, func(b brokers.Batch) bool {
		if len(b.Messages) > 0 {
			calls++
		}
		return false
	})
	if err != nil || calls > 1 {
		t.Errorf("after an emit that said no there were %d more; %v", calls-1, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Broker.Read(ctx, at.Read, brokers.ReadOptions{}, func(brokers.Batch) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled read says %v", err)
	}
	// Behind a connection, what was called off may still be giving back what it held.
	for ctx, n := bounded(t), 0; n != 20; n = len(s.read(t, at.Read, brokers.ReadOptions{})) {
		if ctx.Err() != nil {
			t.Fatalf("then there are %d messages", n)
		}
	}
}

func purged(t *testing.T, s Subject) {
	at := s.Queue(t)
	s.send(t, at.To, s.message("a", "a"), s.message("b", "b"))
	n, err := s.Broker.(brokers.Purger).Purge(bounded(t), at.Read, brokers.Position{})
	if err != nil || n != 2 {
		t.Errorf("purged %d, %v", n, err)
	}
	if left := s.read(t, at.Read, brokers.ReadOptions{}); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
}

func absent(t *testing.T, s Subject) {
	from := s.Queue(t).Read
	from.Name = name("none")
	ctx := bounded(t)
	err := s.Broker.Read(ctx, from, brokers.ReadOptions{}, func(brokers.Batch) bool { return true })
	if err == nil || !strings.Contains(err.Error(), from.Name) {
		t.Errorf("reading what is not there says %v", err)
	}
	if from.Kind == brokers.SourceQueue {
		from.Kind = brokers.SourceExchange
	}
	err = s.Broker.Tap(ctx, from, brokers.TapOptions{}, func(brokers.TapBatch) {})
	if err == nil || !strings.Contains(err.Error(), from.Name) || !strings.Contains(err.Error(), "\n") {
		t.Errorf("tapping what is not there says %v", err)
	}
}

// killed has the broker killed and started again while a tap runs.
func killed(t *testing.T, s Subject) {
	at := s.Queue(t)
	w := s.watch(t, at.Tap, brokers.TapOptions{}, nil)
	s.send(t, at.To, s.message("before", "before"))
	w.saw(1)
	s.Kill(t)
	w.until("it tells of the gap", func() bool { return len(w.gaps) == 1 })
	s.send(t, at.To, s.message("after", "after"))
	seen := w.saw(2)
	if len(seen) != 2 || string(seen[0].Body) != "before" || string(seen[1].Body) != "after" {
		t.Errorf("saw %d messages, the last one %q", len(seen), seen[len(seen)-1].Body)
	}
	if g := w.gaps[0]; g.Reason == "" || !g.To.After(g.From) {
		t.Errorf("the gap is %+v", g)
	}
}

func listed(t *testing.T, s Subject) {
	at := s.Queue(t)
	s.send(t, at.To, s.message("a", "a"), s.message("b", "b"))
	ctx := bounded(t)
	for {
		top, err := s.Broker.Topology(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n := count(top, at.Read)
		if n != nil && *n == 2 {
			break
		}
		if len(top.Unknown) > 0 && top.Unknown[0].Warn {
			if n != nil {
				t.Errorf("the number of messages is told and said to be unknown: %v", top.Unknown)
			}
			break // without management nobody can say
		}
		select { // RabbitMQ's figures come every few seconds
		case <-ctx.Done():
			t.Fatalf("there are %v messages in %s", n, at.Read)
		case <-time.After(100 * time.Millisecond):
		}
	}
	if i := s.Broker.Info(); i.Version == "" || i.Trouble != "" {
		t.Errorf("afterwards it is %+v", i)
	}
}

// count is how many messages the topology tells of, nil if it does not know the source.
func count(top *brokers.Topology, from brokers.Source) *int64 {
	for i := range top.Queues {
		if top.Queues[i].Name == from.Name {
			return top.Queues[i].Ready
		}
	}
	for i := range top.Topics {
		if p := top.Topics[i].Partitions; top.Topics[i].Name == from.Name && p[0].End != nil && p[0].Start != nil {
			return new(*p[0].End - *p[0].Start)
		}
	}
	return nil
}
