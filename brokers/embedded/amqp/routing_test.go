package amqp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"msdev/brokers/wire"
)

// matches lists the keys of the bindings that a matcher finds, sorted.
func matches(m matcher, key string, headers wire.Table) []string {
	got := []string{}
	m.match(key, func() wire.Table { return headers }, func(b *binding) { got = append(got, b.key) })
	slices.Sort(got)
	return slices.Compact(got)
}

func TestTopicPatterns(t *testing.T) {
	for _, c := range []struct{ key, patterns string }{
		{"", " # #.#"},
		{"a", "# #.# #.a * *.# a a.#"},
		{"a.b", "# #.# #.b *.# *.* *.b a.# a.* a.#.b a.b"},
		{"a.x.y.b", "# #.# #.b *.# a.# a.#.b"},
		{"a.*", "# #.# *.# *.* a.# a.*"},
		{"a.", "# #.# *.# *.* a.# a.*"},
		{"b", "# #.# #.b * *.#"},
	} {
		m := &topicMatcher{}
		var all []*binding
		for _, p := range []string{"", "#", "#.#", "#.a", "#.b", "*", "*.#", "*.*", "*.b", "a", "a.#", "a.*", "a.#.b", "a.b", "c"} {
			b := &binding{key: p}
			all = append(all, b)
			m.add(b)
		}
		want := strings.Split(c.patterns, " ")
		slices.Sort(want)
		if got := matches(m, c.key, nil); !slices.Equal(got, want) {
			t.Errorf("key %q: got %q, want %q", c.key, got, want)
		}
		for _, b := range all {
			m.remove(b)
		}
		if len(m.words) > 0 || len(m.bindings) > 0 {
			t.Errorf("nodes are left after every binding was removed: %+v", m)
		}
	}
}

// TestTopicManyWildcards would take ages where the cost is exponential.
func TestTopicManyWildcards(t *testing.T) {
	m := &topicMatcher{}
	m.add(&binding{key: strings.Repeat("#.a.", 30) + "z"})
	if got := matches(m, strings.TrimSuffix(strings.Repeat("a.", 120), "."), nil); len(got) > 0 {
		t.Errorf("matched %q", got)
	}
}

func TestHeadersMatch(t *testing.T) {
	headers := wire.Table{{Key: "a", Value: int32(1)}, {Key: "b", Value: "two"}, {Key: "x-c", Value: true}}
	for _, c := range []struct {
		name string
		args wire.Table
		want bool
	}{
		{"no arguments match all", nil, true},
		{"all", wire.Table{{Key: "a", Value: int64(1)}, {Key: "b", Value: "two"}}, true},
		{"all, one differs", wire.Table{{Key: "a", Value: int64(2)}, {Key: "b", Value: "two"}}, false},
		{"any", wire.Table{{Key: "x-match", Value: "any"}, {Key: "a", Value: int64(2)}, {Key: "b", Value: "two"}}, true},
		{"any of none", wire.Table{{Key: "x-match", Value: "any"}}, false},
		{"no value asks for presence", wire.Table{{Key: "a", Value: nil}}, true},
		{"presence of what is missing", wire.Table{{Key: "z", Value: nil}}, false},
		{"x- is left out", wire.Table{{Key: "x-c", Value: false}, {Key: "a", Value: int32(1)}}, true},
		{"x- counts with all-with-x", wire.Table{{Key: "x-match", Value: "all-with-x"}, {Key: "x-c", Value: false}}, false},
		{"x- counts with any-with-x", wire.Table{{Key: "x-match", Value: "any-with-x"}, {Key: "x-c", Value: true}}, true},
		{"a string is no number", wire.Table{{Key: "a", Value: "1"}}, false},
	} {
		m := headersMatcher{}
		m.add(&binding{key: "k", args: c.args})
		if got := len(matches(m, "", headers)) == 1; got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestExpirationIsValidated(t *testing.T) {
	for in, want := range map[string]string{
		"": "no_integer", "x": "no_integer", "1s": "leftover_string", "-1": "value_negative", "99999999999999999": "value_too_large",
		"315360000001": "value_too_large", "99999999999999999999999": "no_integer", "0": "", "60000": "", "+5": "",
	} {
		_, err := parseExpiration(in)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Text, want)) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestDequeKeepsOrder(t *testing.T) {
	var d deque
	for i := range 100 {
		d.pushBack(&entry{seq: uint64(2 * i)})
	}
	taken := []*entry{}
	for range 40 {
		taken = append(taken, d.popFront())
	}
	for _, i := range []int{7, 39, 0, 20, 1} { // given back in any order
		d.insert(taken[i])
	}
	d.insert(&entry{seq: 151})
	got := []uint64{}
	for d.n > 0 {
		got = append(got, d.popFront().seq)
	}
	if !slices.IsSorted(got) || len(got) != 66 {
		t.Errorf("got %v", got)
	}
}

func TestConfirmsAreAnsweredOnceAndInOrder(t *testing.T) {
	var c confirms
	for range 6 {
		c.begin()
	}
	answers := func() (list []string) {
		r := wire.NewReader(strings.NewReader(string(c.append(nil, 1))), 0)
		for {
			f, err := r.Next()
			if err != nil {
				return list
			}
			m, _ := wire.Parse(f.Payload)
			switch m := m.(type) {
			case *wire.BasicAck:
				list = append(list, fmt.Sprint("ack ", m.DeliveryTag, m.Multiple))
			case *wire.BasicNack:
				list = append(list, fmt.Sprint("nack ", m.DeliveryTag))
			}
		}
	}
	if c.resolve(2, true) || c.resolve(3, false) {
		t.Error("there is nothing to send before the first is answered")
	}
	if !c.resolve(1, true) || c.resolve(1, false) {
		t.Error("the first answer counts, and only it")
	}
	if got, want := fmt.Sprint(answers()), "[ack 2 true nack 3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c.resolve(4, true)
	c.resolve(6, true)
	if got, want := fmt.Sprint(answers(), c.pending()), "[ack 4 false] 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnackedTakes(t *testing.T) {
	var u unacked
	for tag := range 9 {
		if tag != 4 { // an auto-acked delivery took this tag
			u.push(delivery{tag: uint64(tag + 1), entry: &entry{}})
		}
	}
	take := func(tag uint64, multiple bool) string {
		list, ok := u.take(tag, multiple, nil)
		tags := []uint64{}
		for _, d := range list {
			tags = append(tags, d.tag)
		}
		return fmt.Sprint(tags, ok)
	}
	for _, c := range []struct {
		tag      uint64
		multiple bool
		want     string
	}{
		{2, false, "[2] true"}, {2, false, "[] false"}, {5, false, "[] false"}, {0, false, "[] false"}, {5, true, "[] false"},
		{6, true, "[1 3 4 6] true"}, {10, true, "[] false"}, {0, true, "[7 8 9] true"}, {0, true, "[] true"},
	} {
		if got := take(c.tag, c.multiple); got != c.want {
			t.Errorf("%d, %v: got %s, want %s", c.tag, c.multiple, got, c.want)
		}
	}
}

func TestDeathCycle(t *testing.T) {
	died := func(list ...string) (deaths wire.Array) {
		for _, d := range list {
			queue, reason, _ := strings.Cut(d, " ")
			deaths = append(deaths, wire.Table{{Key: "queue", Value: queue}, {Key: "reason", Value: reason}})
		}
		return deaths
	}
	for _, c := range []struct {
		deaths wire.Array
		want   bool
	}{
		{died("a expired"), true}, {died("b expired"), false}, {died("b expired", "a expired"), true},
		{died("b expired", "a rejected"), false}, {died("b rejected", "a expired"), false}, {nil, false},
	} {
		if got := deathCycle(c.deaths, "a"); got != c.want {
			t.Errorf("%v: got %v", c.deaths, got)
		}
	}
}
