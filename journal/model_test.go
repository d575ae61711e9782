package journal

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model remembers everything. What a Journal dropped it learns from Streams alone, so that it checks all the rest.
type model struct{ all []Record }

var names = []string{"a/stdout", "a/stderr", "b/stdout", "b/events", "queue"}

func drawRecord(t *rapid.T) Record {
	r := Record{
		Time:   time.Unix(rapid.Int64Range(0, 50).Draw(t, "sec"), 0).UTC(),
		Stream: rapid.SampledFrom(names).Draw(t, "stream"),
		Kind:   Kind(rapid.IntRange(1, 4).Draw(t, "kind")),
		Ref:    rapid.SampledFrom([]string{"", "ref-1", "ref-2"}).Draw(t, "ref"),
		Trace:  rapid.SampledFrom([]string{"", strings.Repeat("ab", 16)}).Draw(t, "trace"),
		Text:   rapid.StringN(0, 20, 60).Draw(t, "text"),
	}
	size := rapid.SampledFrom([]int{0, 0, 0, 1, 200, 3000, 9000}).Draw(t, "body")
	if size > 0 {
		r.Body = bytes.Repeat([]byte{byte(size)}, size)
	}
	return r
}

func drawQuery(t *rapid.T) Query {
	q := Query{
		Streams: rapid.SliceOfN(rapid.SampledFrom(append([]string{"a/", "b/", "nobody"}, names...)), 0, 3).Draw(t, "streams"),
		Kinds:   Kinds(rapid.SampledFrom([]int{0, 0, 1 << KindLog, 1<<KindCall | 1<<KindEvent}).Draw(t, "kinds")),
		Limit:   rapid.IntRange(0, 5).Draw(t, "limit"),
		Budget:  rapid.IntRange(0, 9).Draw(t, "budget"),
	}
	if rapid.Bool().Draw(t, "match") {
		q.Match = func(r *Record) bool { return len(r.Text)%2 == 0 }
	}
	return q
}

func (q Query) covers(name string) bool {
	return len(q.Streams) == 0 || slices.ContainsFunc(q.Streams, func(want string) bool { return covers(want, name) })
}

func (q Query) wants(r *Record) bool {
	return q.covers(r.Stream) && q.Kinds.Has(r.Kind) && (q.Match == nil || q.Match(r))
}

// kept returns the records that j still has, and checks that these are each stream's newest, but for oversized ones.
func (m *model) kept(t *rapid.T, j *Journal) []Record {
	var kept []Record
	var total int64
	for _, info := range j.Streams() {
		var of []Record
		appended := uint64(0)
		for _, r := range m.all {
			if r.Stream != info.Name {
				continue
			}
			appended++
			if r.Seq >= info.First && info.First > 0 && footprint(&r)+chunkOverhead <= j.caps.of(r.Stream) {
				of = append(of, r)
			}
		}
		if uint64(len(of)) != info.Records || info.Records+info.Dropped != appended {
			t.Fatalf("%+v: kept %d of %d", info, len(of), appended)
		}
		if info.Bytes > j.caps.of(info.Name) {
			t.Fatalf("%s takes %d bytes of %d", info.Name, info.Bytes, j.caps.of(info.Name))
		}
		total += info.Bytes
		kept = append(kept, of...)
	}
	if total > j.caps.Total {
		t.Fatalf("all streams take %d bytes of %d", total, j.caps.Total)
	}
	slices.SortFunc(kept, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
	return kept
}

// gone counts the records of q's streams that are lost with from < sequence ≤ to.
func (m *model) gone(kept []Record, q Query, from, to uint64) (n uint64) {
	for _, r := range m.all {
		if r.Seq > from && r.Seq <= to && q.covers(r.Stream) {
			n++
		}
	}
	for _, r := range kept {
		if r.Seq > from && r.Seq <= to && q.covers(r.Stream) {
			n--
		}
	}
	return n
}

func newModel(t *rapid.T) (*Journal, *model) {
	j := New(Caps{
		Stream:  int64(rapid.SampledFrom([]int{1, 8 << 10, 64 << 10}).Draw(t, "cap")),
		Streams: map[string]int64{"a/": 6 << 10, "a/stdout": 12 << 10},
		Total:   int64(rapid.SampledFrom([]int{5 << 10, 20 << 10, 1 << 20}).Draw(t, "total")),
	})
	m := &model{}
	batches := rapid.IntRange(0, 12).Draw(t, "batches")
	for range batches {
		batch := rapid.SliceOfN(rapid.Custom(drawRecord), 0, 20).Draw(t, "batch")
		if last := j.AppendAll(batch); last != uint64(len(m.all)+len(batch)) {
			t.Fatalf("last is %d", last)
		}
		for _, r := range batch {
			r.Seq = uint64(len(m.all) + 1)
			m.all = append(m.all, r)
		}
	}
	return j, m
}

// walkAll asks page after page, and checks that every page keeps to its limits and that losses add up.
func walkAll(t *rapid.T, m *model, kept []Record, ask func(uint64, Query) Page, cursor uint64, q Query, forward bool) []Record {
	var found []Record
	start, lost, visited := cursor, uint64(0), 0
	for {
		p := ask(cursor, q)
		if q.Limit > 0 && len(p.Records) > q.Limit || q.Budget > 0 && p.Visited > q.Budget {
			t.Fatalf("page %+v is beyond %+v", p, q)
		}
		if p.More && p.Visited == 0 {
			t.Fatalf("page %+v does not go on", p)
		}
		if forward {
			found = append(found, p.Records...)
		} else {
			found = append(slices.Clone(p.Records), found...)
		}
		lost, visited = lost+p.Lost, visited+p.Visited
		cursor = p.Next
		if !p.More {
			break
		}
	}
	checkLost(t, m, kept, q, start, cursor, lost, forward)
	return found
}

func checkLost(t *rapid.T, m *model, kept []Record, q Query, start, end, lost uint64, forward bool) {
	from, to, exact := start, end, start == 0 || len(q.Streams) == 0
	if !forward {
		exact = start == 0 || start > uint64(len(m.all)) || len(q.Streams) == 0
		if from, to = end-1, start-1; start == 0 {
			to = uint64(len(m.all))
		}
	}
	want := m.gone(kept, q, from, to)
	if exact && lost != want {
		t.Fatalf("lost %d of %+v from %d to %d, want %d", lost, q, from, to, want)
	}
	if lost > to-min(from, to) {
		t.Fatalf("lost %d in a range of %d", lost, to-from)
	}
}

func TestJournalAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j, m := newModel(t)
		kept := m.kept(t, j)
		q := drawQuery(t)
		cursor := rapid.Uint64Range(0, uint64(len(m.all)+2)).Draw(t, "cursor")

		var after, before []Record
		for _, r := range kept {
			if q.wants(&r) && r.Seq > cursor {
				after = append(after, r)
			}
			if q.wants(&r) && (r.Seq < cursor || cursor == 0) {
				before = append(before, r)
			}
		}
		same(t, "after", walkAll(t, m, kept, j.After, cursor, q, true), after)
		same(t, "before", walkAll(t, m, kept, j.Before, cursor, q, false), before)
	})
}

func same(t *rapid.T, what string, got, want []Record) {
	if d := diff(got, want); d != "" {
		t.Fatalf("%s: %s", what, d)
	}
}

func diff(got, want []Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("got %d records, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.Seq != w.Seq || !g.Time.Equal(w.Time) || g.Stream != w.Stream || g.Kind != w.Kind || g.Ref != w.Ref ||
			g.Trace != w.Trace || g.Text != w.Text || !bytes.Equal(g.Body, w.Body) {
			return fmt.Sprintf("record %d is %+v, want %+v", i, g, w)
		}
	}
	return ""
}

func TestSeekAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j, m := newModel(t)
		q := Query{Streams: rapid.SampledFrom([][]string{nil, {"a/"}, {"queue", "b/events"}}).Draw(t, "streams")}
		at := time.Unix(rapid.Int64Range(0, 51).Draw(t, "at"), 0)
		want := j.Last()
		for _, r := range m.kept(t, j) {
			if q.covers(r.Stream) && !r.Time.Before(at) {
				want = r.Seq - 1
				break
			}
		}
		if got := j.Seek(at, q); got != want {
			t.Fatalf("seek gave %d, want %d", got, want)
		}
	})
}
