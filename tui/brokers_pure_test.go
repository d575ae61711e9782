package tui

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"msdev/brokers"
	"msdev/brokers/filter"
)

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, "      "},
		{[]float64{0, 0, 0}, "   ▁▁▁"},
		{[]float64{1, 1}, "    ██"},
		{[]float64{0, 0.01, 50, 100}, "  ▁▂▅█"},
		{[]float64{9, 9, 1, 2, 3, 4, 5, 6}, "▂▃▅▆▇█"},
	} {
		tr := &trend{}
		for _, v := range c.values {
			tr.add(noon, v)
		}
		if got := tr.sparkline(6, newSigns(false)); got != c.want {
			t.Errorf("%v: %q, not %q", c.values, got, c.want)
		}
	}
}

func TestTrendForgets(t *testing.T) {
	tr := &trend{}
	for i := range 200 {
		tr.add(noon.Add(time.Duration(i)*time.Second), float64(min(i, 190)))
	}
	if by, in := tr.growth(); len(tr.values) != trendLength || by != 50 || in != (trendLength-1)*time.Second {
		t.Errorf("%d values, %v in %v", len(tr.values), by, in)
	}
	if at := tr.still(); !at.Equal(noon.Add(190 * time.Second)) {
		t.Errorf("still since %v", at)
	}
}

// TestTopicPatternIsTheBindings compares the expression that narrows messages to a binding with the binding itself.
func TestTopicPatternIsTheBindings(t *testing.T) {
	words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*", "#"}), 1, 4)
	plain := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 5)
	rapid.Check(t, func(rt *rapid.T) {
		pattern, key := words.Draw(rt, "pattern"), plain.Draw(rt, "key")
		re := regexp.MustCompile(topicPattern(strings.Join(pattern, ".")))
		if want, got := brokers.TopicMatches(pattern, key), re.MatchString(strings.Join(key, ".")); got != want {
			rt.Fatalf("%v with %v: %v by %s, %v by the binding", pattern, key, got, re, want)
		}
	})
}

func TestNarrowingIsAnExpression(t *testing.T) {
	src := newBrokers()
	o := &booked{info: src.brokers[0].info, topology: &src.brokers[0].topology}
	for _, queue := range []string{"shipments", "mails", "shipments.dead", `od"d\ name`} {
		n := o.narrowToSource(brokers.Source{Kind: brokers.SourceQueue, Name: queue})
		f, err := filter.Compile(n.expr, nil)
		if err != nil {
			t.Fatal(err)
		}
		direct := rabbitMessage("", queue, "x")
		if ok, err := f.Match(&direct); !ok || err != nil {
			t.Errorf("%s does not take what is sent to it: %v", n.expr, err)
		}
		other := rabbitMessage("", "other", "x")
		if ok, _ := f.Match(&other); ok {
			t.Errorf("%s takes what is sent to another queue", n.expr)
		}
	}
}

func TestPlace(t *testing.T) {
	for text, want := range map[string]brokers.Position{
		"start": {At: brokers.AtStart}, "end": {At: brokers.AtEnd}, "1200": {At: brokers.AtOffset, Offset: 1200}, "last 5": {At: brokers.AtLast, Offset: 5},
		"-5m": {At: brokers.AtTime, Time: noon.Add(-5 * time.Minute)},
	} {
		if got, err := place(text, noon); err != nil || got.At != want.At || got.Offset != want.Offset || !got.Time.Equal(want.Time) {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"-3", "last", "last x", "nowhere", "1 2"} {
		if got, err := place(text, noon); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestTargetOf(t *testing.T) {
	rabbit, kafka := &booked{info: brokers.Info{Name: "rabbitmq", Kind: brokers.RabbitMQ}}, &booked{info: brokers.Info{Name: "kafka", Kind: brokers.Kafka}}
	b := &book{brokers: []*booked{rabbit, kafka}}
	for _, c := range []struct {
		text, broker, exchange, topic, queue string
	}{
		{"queue:a/b", "rabbitmq", "", "", "a/b"},
		{"exchange:orders/k", "rabbitmq", "orders", "", ""},
		{"topic:events/2", "kafka", "", "events", ""},
		{"kafka/topic:events", "kafka", "", "events", ""},
	} {
		to, m, err := b.targetOf(c.text, rabbit)
		if err != nil || to.info.Name != c.broker || m.Exchange != c.exchange || m.Topic != c.topic || m.Queue != c.queue {
			t.Errorf("%s: %v %+v %v", c.text, to, m, err)
		}
	}
	for _, text := range []string{"", "queue:", "nothing", "topic:events/x", "topic:events/-1"} {
		if _, m, err := b.targetOf(text, rabbit); err == nil {
			t.Errorf("%q is %+v", text, m)
		}
	}
}

func TestServiceAt(t *testing.T) {
	src := newBrokers()
	src.state.Services[4].Instances[0].Addresses = []string{"10.9.0.7"}
	b := &book{desk: &desk{state: src.state}}
	for _, c := range []struct{ host, given, want string }{
		{"10.9.0.7", "", "orders"}, {"/10.9.0.7", "x", "orders"}, {"127.0.0.1", "orders-publisher", "orders"}, {"", "reorders", ""}, {"", "shop-payments-1", "payments"}, {"", "", ""},
	} {
		if got := b.serviceAt(c.host, c.given); got != c.want {
			t.Errorf("%s %s is %q, not %q", c.host, c.given, got, c.want)
		}
	}
}

func TestPreview(t *testing.T) {
	gz := rabbitMessage("", "q", "\x1f\x8b not really")
	for _, c := range []struct {
		m    brokers.Message
		want string
	}{
		{rabbitMessage("", "q", "two\n lines"), "two lines"},
		{rabbitMessage("", "q", ""), "empty"},
		{brokers.Message{Kind: brokers.Kafka}, "tombstone: no value"},
		{gz, "0x1f8b206e6f74207265616c6c79"},
		{rabbitMessage("", "q", strings.Repeat("é", 500)), strings.Repeat("é", 20)},
	} {
		if got := preview(&c.m, 40); got != c.want {
			t.Errorf("%q: %q, not %q", c.m.Body, got, c.want)
		}
	}
}

func TestFoldEqual(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ops := rapid.SliceOfN(rapid.SampledFrom([]byte{' ', ' ', ' ', ' ', '-', '+'}), 0, 60).Draw(rt, "ops")
		var lines []brokers.DiffLine
		for _, op := range ops {
			lines = append(lines, brokers.DiffLine{Op: op})
		}
		changed := func(l brokers.DiffLine) bool { return l.Op == '-' || l.Op == '+' }
		before := len(slices.DeleteFunc(slices.Clone(lines), func(l brokers.DiffLine) bool { return !changed(l) }))
		after := len(slices.DeleteFunc(foldEqual(lines, 2), func(l brokers.DiffLine) bool { return !changed(l) }))
		if before != after {
			rt.Fatalf("%d of %d changes are left", after, before)
		}
	})
}
