package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		url    string
		seeds  []string
		secure bool
		sasl   string
	}{
		{"broker", []string{"broker:9092"}, false, ""},
		{"one:1,two:2", []string{"one:1", "two:2"}, false, ""},
		{"kafka://one:1,two", []string{"one:1", "two:9092"}, false, ""},
		{"kafka://[::1]:9/", []string{"[::1]:9"}, false, ""},
		{"kafkas://me:p%40ss@one:1", []string{"one:1"}, true, "PLAIN"},
		{"kafka://me:x@one:1?sasl=scram-sha-512", []string{"one:1"}, false, "SCRAM-SHA-512"},
	} {
		seeds, secure, mechanism, err := parseURL(c.url)
		name := ""
		if mechanism != nil {
			name = mechanism.Name()
		}
		if err != nil || !slices.Equal(seeds, c.seeds) || secure != c.secure || name != c.sasl {
			t.Errorf("%s is %v, TLS %t, SASL %q, %v", c.url, seeds, secure, name, err)
		}
	}
	for _, wrong := range []string{"", "kafka://", "http://one", "a b", "kafka://one?sasl=plain", "kafka://me:secret@one?sasl=magic", "one,,two"} {
		if _, err := New(Options{URL: wrong}); err == nil || !strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// record is one of a log: its producer, and what it is.
func record(offset int64, producer int64, kind string) *kgo.Record {
	r := &kgo.Record{Topic: "t", Offset: offset, ProducerID: producer}
	switch kind {
	case "commit":
		r.Key, r.Attrs = []byte{0, 0, 0, 1}, kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Transactional: true, Control: true})
	case "abort":
		r.Key, r.Attrs = []byte{0, 0, 0, 0}, kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Transactional: true, Control: true})
	case "in":
		r.Attrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Transactional: true})
	}
	return r
}

func TestUndecided(t *testing.T) {
	u, m := newUndecided(), &maker{}
	told := func() string {
		var b strings.Builder
		for _, x := range m.messages {
			fmt.Fprintf(&b, "%d", x.Offset)
			if x.Aborted {
				b.WriteByte('a')
			}
			if x.Open {
				b.WriteByte('o')
			}
			b.WriteByte(' ')
		}
		return b.String()
	}
	for _, step := range []struct {
		r    *kgo.Record
		want string
	}{
		{record(0, -1, "plain"), "0 "},
		{record(1, 7, "in"), "0 "},
		{record(2, -1, "plain"), "0 "}, // it stays behind the one before
		{record(3, 8, "in"), "0 "},
		{record(4, 8, "commit"), "0 "},
		{record(5, 7, "abort"), "0 1a 2 3 "},
		{record(6, 9, "commit"), "0 1a 2 3 "}, // of a transaction that began before
		{record(7, 9, "in"), "0 1a 2 3 "},
	} {
		u.add(step.r, m)
		if got := told(); got != step.want {
			t.Errorf("after record %d: %s, not %s", step.r.Offset, got, step.want)
		}
	}
	u.expire(time.Now().Add(-time.Hour), m)
	if got := told(); got != "0 1a 2 3 " {
		t.Errorf("what is not old was given away: %s", got)
	}
	u.expire(time.Now().Add(time.Hour), m)
	if got := told(); got != "0 1a 2 3 7o " {
		t.Errorf("in the end: %s", got)
	}
}
