package brokers_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"msdev/brokers"
	"msdev/brokers/wire"
)

func TestReplayIsExact(t *testing.T) {
	r := embeddedRabbit(t)
	l := r.letters(t, brokers.ClassicQueue)
	example := rapid.Custom(func(t *rapid.T) brokers.Message { return anyMessage(t) }).Filter(func(m brokers.Message) bool {
		p := &m.Properties
		return m.Kind == brokers.RabbitMQ && p.Has&(wire.HasUserID|wire.HasExpiration|wire.HasReplyTo|wire.HasPriority) == 0
	})
	var sent []brokers.Message
	for i := range 50 {
		m := example.Example(i)
		if m.Properties.Has&wire.HasDeliveryMode != 0 {
			m.Properties.DeliveryMode = 1 // the broker takes only this and 2
		}
		sent = append(sent, m)
	}
	replay := brokers.Replay{From: brokers.FromSlice(sent), To: r, Target: brokers.Mapping{Kind: brokers.ToQueue, Queue: l.queue}, Policy: brokers.HeaderPolicy{KeepBroker: true}}
	refused := func(o brokers.Outcome) {
		if o.Result.Err != nil {
			t.Errorf("%d: %v\n%+v", o.N, o.Result.Err, o.Found)
		}
	}
	if p, err := replay.Run(bounded(t), new(brokers.Control), refused); err != nil || p.Confirmed != 50 {
		t.Fatalf("%+v %v", p, err)
	}
	for i, got := range r.drain(t, l.queue) {
		want := sent[i]
		if want.Properties.Has&wire.HasHeaders == 0 {
			want.Headers = got.Headers
		}
		got.Headers, _ = floatBits(got.Headers).(brokers.Headers)
		want.Headers, _ = floatBits(want.Headers).(brokers.Headers)
		if !reflect.DeepEqual(got.Properties, want.Properties) || string(got.Body) != string(want.Body) || !reflect.DeepEqual(got.Headers, want.Headers) {
			t.Errorf("%d: sent %+v\ngot %+v", i, want, got)
		}
	}
}

func TestReplayIsSteered(t *testing.T) {
	r := embeddedRabbit(t)
	l := r.letters(t, brokers.ClassicQueue)
	var c brokers.Control
	c.Pause()
	outcomes := make(chan brokers.Outcome, 100)
	ended := make(chan error, 1)
	ctx, abort := context.WithCancel(bounded(t))
	defer abort()
	replay := brokers.Replay{From: brokers.FromSlice(numbered(brokers.RabbitMQ, 40)), To: r, Target: brokers.Mapping{Kind: brokers.ToQueue, Queue: l.queue}}
	go func() {
		_, err := replay.Run(ctx, &c, func(o brokers.Outcome) { outcomes <- o })
		ended <- err
	}()
	c.Step(3)
	for range 3 {
		<-outcomes
	}
	if p := c.Progress(); !p.Paused || p.Sent != 3 {
		t.Errorf("after three steps: %+v", p)
	}
	c.Step(1)
	if o := <-outcomes; o.N != 4 || o.Result.Status != brokers.StatusConfirmed {
		t.Errorf("the fourth: %+v", o)
	}
	c.Resume()
	for range 36 {
		<-outcomes
	}
	if err := <-ended; err != nil || c.Progress().Confirmed != 40 {
		t.Errorf("%v %+v", err, c.Progress())
	}
}

// steps lets n messages go.
func steps(n int) *brokers.Control {
	c := new(brokers.Control)
	c.Step(n)
	return c
}

// after does something when n messages have their outcomes.
func after(n int, do func()) func(brokers.Outcome) {
	return func(brokers.Outcome) {
		if n--; n == 0 {
			do()
		}
	}
}

func TestReplayAborts(t *testing.T) {
	r := embeddedRabbit(t)
	l := r.letters(t, brokers.ClassicQueue)
	ctx, abort := context.WithCancel(bounded(t))
	defer abort()
	replay := brokers.Replay{From: brokers.FromSlice(numbered(brokers.RabbitMQ, 1000)), To: r, Target: brokers.Mapping{Kind: brokers.ToQueue, Queue: l.queue}}
	p, err := replay.Run(ctx, steps(30), after(10, abort))
	if !errors.Is(err, context.Canceled) || p.Confirmed != p.Sent || p.Sent < 10 || p.Sent > 30 {
		t.Errorf("%+v %v", p, err)
	}
	if n := r.ready(t, l.queue); int64(n) != p.Confirmed {
		t.Errorf("%d of %+v arrived", n, p)
	}
}

func TestReplayFiltersAndEdits(t *testing.T) {
	r := embeddedRabbit(t)
	l := r.letters(t, brokers.ClassicQueue)
	replay := brokers.Replay{
		From: brokers.FromSlice(numbered(brokers.RabbitMQ, 10)), To: r, Target: brokers.Mapping{Kind: brokers.ToQueue, Queue: l.queue}, Limit: 3,
		Filter: func(m *brokers.Message) (bool, error) {
			if string(m.Body) == "0" {
				return false, errors.New("too slow")
			}
			return string(m.Body) != "2", nil
		},
		Edit: func(o *brokers.Outgoing) error {
			if string(o.Message.Body) == "3" {
				return errors.New("not this one")
			}
			o.Message.Body = append([]byte("edited "), o.Message.Body...)
			return nil
		},
	}
	var refused []string
	p, err := replay.Run(bounded(t), new(brokers.Control), func(o brokers.Outcome) {
		if o.Result.Status == brokers.StatusRefused {
			refused = append(refused, fmt.Sprint(string(o.Found.Body), " ", o.Result.Err))
		}
	})
	if err != nil || p.Unjudged != 1 || p.Confirmed != 2 || p.Refused != 1 || !slices.Equal(refused, []string{"3 not this one"}) {
		t.Errorf("%+v %v %v", p, err, refused)
	}
	if got := bodies(r.drain(t, l.queue)); !slices.Equal(got, []string{"edited 1", "edited 4"}) {
		t.Errorf("%v", got)
	}
}

// guarded is a broker that is not the project's own.
type guarded struct{ brokers.Broker }

func (g guarded) Info() brokers.Info {
	i := g.Broker.Info()
	i.Own, i.Name = false, "staging"
	return i
}

func TestNothingChangesARemoteBrokerUnasked(t *testing.T) {
	r := embeddedRabbit(t)
	remote := guarded{r}
	l := r.letters(t, brokers.ClassicQueue)
	source := brokers.Source{Kind: brokers.SourceQueue, Name: l.queue}
	replay := brokers.Replay{From: brokers.FromSlice(numbered(brokers.RabbitMQ, 1)), To: remote, Target: brokers.Mapping{Kind: brokers.ToQueue, Queue: l.queue}}
	for name, run := range map[string]func() error{
		"replay": func() error { _, err := replay.Run(bounded(t), new(brokers.Control), nil); return err },
		"redrive": func() error {
			_, err := redrive(remote, l.queue, "").Run(bounded(t), new(brokers.Control), nil)
			return err
		},
		"purge": func() error { _, err := (&brokers.Purge{From: remote, Source: source}).Run(bounded(t)); return err },
		"pick":  func() error { _, err := (&brokers.Pick{From: remote, Queue: l.queue}).Run(bounded(t)); return err },
		"reset": func() error { _, err := (&brokers.Reset{On: remote}).Run(bounded(t)); return err },
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), `broker "staging"`) || !strings.Contains(err.Error(), "--allow-remote") {
			t.Errorf("%s: %v", name, err)
		}
	}
	replay.AllowRemote = true
	if p, err := replay.Run(bounded(t), new(brokers.Control), nil); err != nil || p.Confirmed != 1 {
		t.Errorf("allowed: %+v %v", p, err)
	}
}

func TestRehearsalWarns(t *testing.T) {
	r, k := embeddedRabbit(t), embeddedKafka(t)
	l := r.letters(t, brokers.ClassicQueue)
	compacted := topic(t, k, 1, map[string]string{"cleanup.policy": "compact"})
	short := topic(t, k, 1, map[string]string{"retention.ms": "1000"})
	old := brokers.Message{Kind: brokers.Kafka, Topic: compacted, Key: []byte("k"), Time: time.Now().Add(-time.Hour), Offset: 1, Budget: -1}
	message := numbered(brokers.RabbitMQ, 1)[0]
	message.Exchange, message.Budget = "amq.topic", 0
	message.Properties = brokers.Properties{Has: wire.HasExpiration | wire.HasUserID | wire.HasReplyTo, Expiration: "100", UserID: "x", ReplyTo: "amq.gen-1"}
	for name, c := range map[string]struct {
		m      brokers.Message
		to     brokers.Broker
		target brokers.Mapping
		want   []string
	}{
		"compacted": {old, k, brokers.Mapping{}, []string{"1 go to a compacted topic"}},
		"no key":    {brokers.Message{Kind: brokers.Kafka, Topic: compacted, Budget: -1}, k, brokers.Mapping{}, []string{"1 have no key"}},
		"retention": {old, k, brokers.Mapping{Kind: brokers.ToOther, Topic: short, KeepTime: true}, []string{"1 are older than their topic"}},
		"no topic":  {old, k, brokers.Mapping{Kind: brokers.ToOther, Topic: "none"}, []string{"a topic that does not exist"}},
		"to Kafka":  {message, k, brokers.Mapping{Kind: brokers.ToOther, Topic: short}, []string{"properties that Kafka has no place for", "no delivery left"}},
		"to Rabbit": {old, r, brokers.Mapping{Kind: brokers.ToOther, Exchange: "amq.topic"}, []string{"deletions (null values)"}},
		"AMQP":      {message, r, brokers.Mapping{}, []string{"have an expiration", "bear a user-id", "reply queue that ended", "no delivery left"}},
		"fine":      {numbered(brokers.RabbitMQ, 1)[0], r, brokers.Mapping{Kind: brokers.ToQueue, Queue: l.queue}, nil},
	} {
		replay := brokers.Replay{From: brokers.FromSlice([]brokers.Message{c.m}), To: c.to, Target: c.target}
		got, err := replay.Rehearse(bounded(t), 5)
		if err != nil || got.Count != 1 || len(got.Sample) != 1 || len(got.Targets) != 1 {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		var notes []string
		for _, n := range got.Notes {
			notes = append(notes, n.Text)
		}
		matches := len(notes) == len(c.want)
		for i := range min(len(notes), len(c.want)) {
			matches = matches && strings.Contains(notes[i], c.want[i])
		}
		if !matches {
			t.Errorf("%s: %q, want %q", name, notes, c.want)
		}
	}
	if n := r.ready(t, l.queue); n != 0 {
		t.Errorf("a rehearsal sent %d messages", n)
	}
	replay := brokers.Replay{From: brokers.FromSlice([]brokers.Message{old}), To: r}
	if got, err := replay.Rehearse(bounded(t), 1); err != nil || got.Failed != 1 || !strings.Contains(got.Sample[0].Result.Err.Error(), "has no exchange") {
		t.Errorf("nowhere to go: %+v %v", got, err)
	}
}

func TestKafkaEmbedded(t *testing.T) { kafkaRedrives(t, embeddedKafka(t)) }
func TestKafka41(t *testing.T) {
	t.Parallel()
	k := startKafka(t, "4.1")
	kafkaRedrives(t, k)
	t.Run("a killed broker", func(t *testing.T) { survivesItsKafka(t, k) })
}

func survivesItsKafka(t *testing.T, k *realKafka) {
	const n = 2000
	orders := topic(t, k, 1, nil)
	replay := brokers.Replay{From: brokers.FromSlice(numbered(brokers.Kafka, n)), To: k, Pace: brokers.Pace{Rate: 1000}, Patience: patience, Target: brokers.Mapping{Kind: brokers.ToOther, Topic: orders}}
	killed := make(chan struct{})
	twice := map[string]bool{}
	p, err := replay.Run(bounded(t), new(brokers.Control), func(o brokers.Outcome) {
		if o.Again > 0 {
			twice[string(o.Found.Body)] = true
		}
		if o.N == 100 && o.Again == 0 {
			go func() { // it goes on sending meanwhile
				defer close(killed)
				k.kill(t)
			}()
		}
	})
	<-killed
	if err != nil || p.Confirmed != n {
		t.Fatalf("%+v %v", p, err)
	}
	t.Logf("%+v", p)
	there := times(readTopic(t, k, orders))
	for i := range n {
		if body := fmt.Sprint(i); there[body] == 0 || there[body] > 1 && !twice[body] {
			t.Errorf("message %d is there %d times; may be twice: %v", i, there[body], twice[body])
		}
	}
}

func kafkaRedrives(t *testing.T, k brokers.Broker) {
	t.Run("redrive, abort and go on", func(t *testing.T) { topicRedrive(t, k) })
	t.Run("purge and undo", func(t *testing.T) { topicPurge(t, k) })
	t.Run("reset of a group that is in use", func(t *testing.T) { groupReset(t, k) })
}

func topicRedrive(t *testing.T, k brokers.Broker) {
	const n = 300
	orders, dead := topic(t, k, 2, nil), topic(t, k, 2, nil)
	letters := numbered(brokers.Kafka, n)
	for i := range letters {
		letters[i].Headers = brokers.Headers{{Key: "a", Value: []byte("1")}, {Key: "kafka_dlt-original-topic", Value: []byte(orders)}, {Key: "a", Value: []byte(nil)}}
	}
	send(t, k, brokers.Target{Topic: dead}, letters...)
	d := redrive(k, "", filepath.Join(t.TempDir(), "redrive"))
	d.Source = brokers.Source{Kind: brokers.SourceTopic, Name: dead}
	ctx, abort := context.WithCancel(bounded(t))
	defer abort()
	p, err := d.Run(ctx, steps(100), after(100, abort))
	if !errors.Is(err, context.Canceled) || p.Confirmed != 100 || p.Sent != 100 {
		t.Fatalf("%+v %v", p, err)
	}
	again, err := d.Run(bounded(t), new(brokers.Control), nil)
	if err != nil || again.Skipped != p.Confirmed || again.Confirmed+p.Confirmed != n {
		t.Errorf("%+v then %+v %v", p, again, err)
	}
	if third, err := d.Run(bounded(t), new(brokers.Control), nil); err != nil || third.Sent != 0 || third.Skipped != n {
		t.Errorf("a third time: %+v %v", third, err)
	}
	back := readTopic(t, k, orders)
	if len(back) != n || len(times(back)) != n {
		t.Fatalf("%d came back, %d of them different", len(back), len(times(back)))
	}
	want := brokers.Headers{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte(nil)}}
	if !reflect.DeepEqual(back[0].Headers, want) || !strings.HasPrefix(string(back[0].Key), "key") {
		t.Errorf("%s %+v", back[0].Key, back[0].Headers)
	}
}

func topicPurge(t *testing.T, k brokers.Broker) {
	orders := topic(t, k, 3, nil)
	all := numbered(brokers.Kafka, 30)
	all[7].Body, all[8].Key = nil, nil
	send(t, k, brokers.Target{Topic: orders}, all...)
	before := readTopic(t, k, orders)
	backup := filepath.Join(t.TempDir(), "backup") + "/"
	purge := brokers.Purge{From: k, Source: brokers.Source{Kind: brokers.SourceTopic, Name: orders}, Backup: backup}
	if _, err := purge.Run(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if left := readTopic(t, k, orders); len(left) != 0 {
		t.Fatalf("%d are left", len(left))
	}
	files, err := brokers.OpenMessages(backup)
	if err != nil {
		t.Fatal(err)
	}
	undo := brokers.Undo(k, brokers.FromFile(files))
	if p, err := undo.Run(bounded(t), new(brokers.Control), nil); err != nil || p.Confirmed != 30 {
		t.Fatalf("%+v %v", p, err)
	}
	placed := func(all []brokers.Message) map[string]int {
		out := map[string]int{}
		for _, m := range all {
			out[fmt.Sprintf("%d %q %q %v %v %d", m.Partition, m.Key, m.Body, m.Key == nil, m.Body == nil, m.Time.UnixMilli())]++
		}
		return out
	}
	if after := readTopic(t, k, orders); !reflect.DeepEqual(placed(before), placed(after)) {
		t.Errorf("before %v\nafter  %v", placed(before), placed(after))
	}
}

func groupReset(t *testing.T, k brokers.Broker) {
	orders, group := topic(t, k, 1, nil), name("group")
	send(t, k, brokers.Target{Topic: orders}, numbered(brokers.Kafka, 10)...)
	var service *kgo.Client
	read := func() { // the service reads all, and commits
		for n := 0; n < 10; {
			fetches := service.PollFetches(bounded(t))
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			n += fetches.NumRecords()
		}
		if err := service.CommitUncommittedOffsets(bounded(t)); err != nil {
			t.Fatal(err)
		}
	}
	start := func(context.Context) (err error) {
		service, err = kgo.NewClient(kgo.SeedBrokers(k.Info().Address), kgo.Dialer(dialer(k)), kgo.ConsumerGroup(group), kgo.ConsumeTopics(orders),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
		return err
	}
	if err := start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	read()
	var steps []brokers.ResetStep
	reset := brokers.Reset{
		On: k, Group: brokers.GroupReset{Group: group, To: brokers.Position{At: brokers.AtStart}},
		Watch: func(step brokers.ResetStep, _ string) {
			if len(steps) == 0 || steps[len(steps)-1] != step {
				steps = append(steps, step)
			}
		},
	}
	started := false
	reset.Stop = func(context.Context) error { return errors.New("it does not stop") }
	reset.Start = func(context.Context) error { started = true; return nil }
	if _, err := reset.Run(bounded(t)); err == nil || !strings.Contains(err.Error(), "does not stop") || !started {
		t.Fatalf("a service that does not stop: %v, started %v", err, started)
	}
	steps, reset.Start = nil, start
	reset.Stop = func(context.Context) error { service.Close(); return nil }
	got, err := reset.Run(bounded(t))
	if err != nil || len(got) != 1 || got[0].To != 0 || got[0].From == nil || *got[0].From != 10 {
		t.Fatalf("%+v %v", got, err)
	}
	if want := []brokers.ResetStep{brokers.ResetPlan, brokers.ResetStop, brokers.ResetWait, brokers.ResetCommit, brokers.ResetStart, brokers.ResetDone}; !slices.Equal(steps, want) {
		t.Errorf("steps %v", steps)
	}
	read() // it reads all of them again
}

func TestAcrossKinds(t *testing.T) {
	r, k := embeddedRabbit(t), embeddedKafka(t)
	l, orders := r.letters(t, brokers.ClassicQueue), topic(t, k, 1, nil)
	send(t, r, brokers.Target{Exchange: l.exchange, RoutingKey: "placed"}, numbered(brokers.RabbitMQ, 5)...)
	there := brokers.Replay{
		From: brokers.FromBroker(r, brokers.Source{Kind: brokers.SourceQueue, Name: l.queue}, brokers.ReadOptions{}),
		To:   k, Target: brokers.Mapping{Kind: brokers.ToOther, Topic: orders},
	}
	if p, err := there.Run(bounded(t), new(brokers.Control), nil); err != nil || p.Confirmed != 5 {
		t.Fatalf("%+v %v", p, err)
	}
	if all := readTopic(t, k, orders); len(all) != 5 || string(all[4].Key) != "placed" || all[4].HeaderText("n") != "4" {
		t.Fatalf("%+v", all)
	}
	back := brokers.Replay{
		From: brokers.FromBroker(k, brokers.Source{Kind: brokers.SourceTopic, Name: orders}, brokers.ReadOptions{}),
		To:   r, Target: brokers.Mapping{Kind: brokers.ToOther, RoutingKey: &l.dead},
	}
	if p, err := back.Run(bounded(t), new(brokers.Control), nil); err != nil || p.Confirmed != 5 {
		t.Fatalf("%+v %v", p, err)
	}
	if all := r.drain(t, l.dead); len(all) != 5 || string(all[4].Body) != "4" || all[4].HeaderText("n") != "4" || all[4].HeaderText("kafka.key") != "placed" {
		t.Errorf("%+v", all)
	}
	if n := r.ready(t, l.queue); n != 5 {
		t.Errorf("%d are left in the queue that was only looked at", n)
	}
}
