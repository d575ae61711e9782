package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func texts(p Page) (all []string) {
	for _, r := range p.Records {
		all = append(all, r.Text)
	}
	return all
}

func infoOf(t *testing.T, j *Journal, name string) StreamInfo {
	t.Helper()
	for _, info := range j.Streams() {
		if info.Name == name {
			return info
		}
	}
	t.Fatalf("there is no stream %q", name)
	return StreamInfo{}
}

func TestAppendGivesSequenceAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := New(Caps{})
		if j.Last() != 0 || j.AppendAll(nil) != 0 {
			t.Error("an empty journal has records")
		}
		at := time.Date(2024, 5, 1, 10, 0, 0, 0, time.FixedZone("", 7200))
		if seq := j.Append(Record{Seq: 77, Stream: "a", Text: "one", Time: at}); seq != 1 {
			t.Errorf("the first record is number %d", seq)
		}
		if seq := j.AppendAll([]Record{{Stream: "b", Text: "two"}, {Stream: "a", Text: "three"}}); seq != 3 || j.Last() != 3 {
			t.Errorf("the third record is number %d", seq)
		}
		p := j.After(0, Query{})
		if !slices.Equal(texts(p), []string{"one", "two", "three"}) {
			t.Fatalf("got %v", texts(p))
		}
		if got := p.Records[0].Time; !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("time %v", got)
		}
		if got := p.Records[1].Time; !got.Equal(time.Now()) {
			t.Errorf("a record without a time got %v", got)
		}
	})
}

func TestRecordsBelongToTheirReader(t *testing.T) {
	j := New(Caps{})
	body := []byte("body")
	j.Append(Record{Stream: "a", Body: body})
	body[0] = 'X'
	first := j.After(0, Query{}).Records[0]
	first.Body[1] = 'X'
	if got := string(j.After(0, Query{}).Records[0].Body); got != "body" {
		t.Errorf("the body became %q", got)
	}
}

func TestTimesAreKeptOrBounded(t *testing.T) {
	j := New(Caps{})
	for _, year := range []int{1, 1600, 1970, 2024, 2300, 9999} {
		j.Append(Record{Stream: "a", Time: time.Date(year, 2, 3, 4, 5, 6, 789, time.UTC)})
	}
	var years []int
	for _, r := range j.After(0, Query{}).Records {
		years = append(years, r.Time.Year())
	}
	// Year 1 is early enough to be bounded, but it is not the zero time.
	if want := []int{1677, 1677, 1970, 2024, 2262, 2262}; !slices.Equal(years, want) {
		t.Errorf("years %v, want %v", years, want)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := New(Caps{})
		got := make(chan uint64, 3)
		for _, after := range []uint64{0, 0, 1} {
			go func() {
				last, err := j.Wait(t.Context(), after)
				if err != nil {
					t.Error(err)
				}
				got <- last
			}()
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("Wait returned before there was anything")
		}
		j.Append(Record{Stream: "a"})
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d of 2 waiters woke up", len(got))
		}
		j.AppendAll([]Record{{Stream: "a"}, {Stream: "a"}})
		synctest.Wait()
		if a, b, c := <-got, <-got, <-got; a != 1 || b != 1 || c != 3 {
			t.Fatalf("waiters saw %d, %d and %d", a, b, c)
		}
		if last, err := j.Wait(t.Context(), 2); last != 3 || err != nil {
			t.Fatalf("what is there already: %d, %v", last, err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := New(Caps{})
		j.Append(Record{Stream: "a"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if last, err := j.Wait(ctx, 1); last != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%d, %v", last, err)
		}
	})
}

func fill(j *Journal, stream string, records, size int) {
	for range records {
		j.Append(Record{Stream: stream, Text: strings.Repeat("x", size)})
	}
}

func TestCapsOfStreams(t *testing.T) {
	j := New(Caps{Stream: 100_000, Streams: map[string]int64{"calls/": 300_000, "calls/small": 50_000, "one": 200_000}})
	fill(j, "quiet", 1, 100)
	for name, limit := range map[string]int64{"other": 100_000, "calls/big": 300_000, "calls/small": 50_000, "one": 200_000, "calls": 100_000} {
		fill(j, name, 10_000, 100)
		if info := infoOf(t, j, name); info.Bytes > limit || info.Bytes < limit*9/10 || info.Dropped == 0 {
			t.Errorf("a cap of %d gives %+v", limit, info)
		}
	}
	if info := infoOf(t, j, "quiet"); info.Records != 1 || info.Dropped != 0 {
		t.Errorf("chatty streams pushed out the quiet one: %+v", info)
	}
}

func TestCapOfAllStreams(t *testing.T) {
	j := New(Caps{Total: 1 << 20})
	fill(j, "quiet", 100, 100)
	for range 100 {
		for i := range 5 {
			fill(j, fmt.Sprintf("chatty-%d", i), 200, 100)
		}
	}
	var total, least, most int64 = 0, 1 << 30, 0
	for _, info := range j.Streams() {
		total += info.Bytes
		if strings.HasPrefix(info.Name, "chatty") {
			least, most = min(least, info.Bytes), max(most, info.Bytes)
		}
	}
	if total > 1<<20 || total < 1<<20*9/10 {
		t.Errorf("%d bytes in all", total)
	}
	if most > 2*least {
		t.Errorf("equally chatty streams keep %d and %d bytes", least, most)
	}
	if info := infoOf(t, j, "quiet"); info.Dropped != 0 {
		t.Errorf("chatty streams pushed out the quiet one: %+v", info)
	}
}

func TestCapHoldsAtAnyMoment(t *testing.T) {
	for limit := int64(20_000); limit < 20_200; limit += 13 {
		j := New(Caps{Stream: 12_000, Total: limit})
		for i := range 600 {
			fill(j, fmt.Sprintf("stream-%d", i%7), 1, 10+i%900)
			var total int64
			for _, info := range j.Streams() {
				total += info.Bytes
			}
			if total > limit {
				t.Fatalf("%d bytes of %d after %d records", total, limit, i+1)
			}
		}
	}
}

func TestNothingIsLostUncounted(t *testing.T) {
	j := New(Caps{Stream: 8 << 10})
	j.Append(Record{Stream: "b"}) // so that stream a is not all there is
	for i := range 300 {
		fill(j, "a", 20, 100)
		p := j.After(0, Query{Streams: []string{"a"}})
		if n := uint64(len(p.Records)) + p.Lost; n != uint64(20*(i+1)) {
			t.Fatalf("%d records and %d lost of %d", len(p.Records), p.Lost, 20*(i+1))
		}
	}
}

func TestQueryOfStreams(t *testing.T) {
	j := New(Caps{})
	for _, name := range []string{"a/out", "a/err", "ab/out", "a"} {
		j.Append(Record{Stream: name, Text: name})
	}
	for _, c := range []struct{ streams, want []string }{
		{nil, []string{"a/out", "a/err", "ab/out", "a"}},
		{[]string{}, []string{"a/out", "a/err", "ab/out", "a"}},
		{[]string{"a"}, []string{"a"}},
		{[]string{"a", "a"}, []string{"a"}},
		{[]string{"a/"}, []string{"a/out", "a/err"}},
		{[]string{"a/", "a/out", "ab/"}, []string{"a/out", "a/err", "ab/out"}},
		{[]string{"nobody", "x/"}, nil},
	} {
		if got := texts(j.After(0, Query{Streams: c.streams})); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.streams, got, c.want)
		}
	}
}

func TestRecordBeyondItsCap(t *testing.T) {
	j := New(Caps{Stream: 10_000})
	j.Append(Record{Stream: "a", Text: "before"})
	j.Append(Record{Stream: "a", Text: "large", Body: make([]byte, 20_000)})
	j.Append(Record{Stream: "a", Text: "after"})
	p := j.After(0, Query{Streams: []string{"a"}})
	if !slices.Equal(texts(p), []string{"before", "after"}) || p.Lost != 1 {
		t.Errorf("got %v, lost %d", texts(p), p.Lost)
	}
	if p := j.Before(0, Query{Limit: 1}); !slices.Equal(texts(p), []string{"after"}) || p.Lost != 0 || !p.More {
		t.Errorf("got %+v", p)
	}
	if info := infoOf(t, j, "a"); info.Records != 2 || info.Dropped != 1 {
		t.Errorf("%+v", info)
	}
}

func TestLostIsExactInOneStream(t *testing.T) {
	j := New(Caps{Stream: 64 << 10})
	fill(j, "a", 50_000, 100)
	first := infoOf(t, j, "a").First
	j.Append(Record{Stream: "b"}) // so that stream a is not all there is, which would be counted another way
	for _, cursor := range []uint64{0, 1, 777, first - 2, first - 1, first, j.Last()} {
		want := uint64(0)
		if cursor < first {
			want = first - 1 - cursor
		}
		if got := j.After(cursor, Query{Streams: []string{"a"}}).Lost; got != want {
			t.Errorf("after %d: lost %d, want %d", cursor, got, want)
		}
	}
}

func TestSequencesFarApart(t *testing.T) {
	j := New(Caps{})
	j.Append(Record{Stream: "rare", Text: "first"})
	j.last += 1 << 33
	j.Append(Record{Stream: "rare", Text: "second"})
	p := j.After(1, Query{})
	if len(p.Records) != 1 || p.Records[0].Seq != 1<<33+2 {
		t.Errorf("got %+v", p)
	}
}

// Appenders and readers at the same time, under caps that drop all the while: a reader that follows sees each record or
// hears that it is lost.
func TestConcurrentUse(t *testing.T) {
	const appenders, rounds, batch = 4, 300, 10
	j := New(Caps{Stream: 32 << 10, Total: 100 << 10})
	var writing, reading sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for a := range appenders {
		writing.Go(func() {
			for range rounds {
				write(j, fmt.Sprintf("service-%d/stdout", a), batch)
			}
		})
	}
	for r := range 3 {
		reading.Go(func() { follow(t, ctx, j, Query{Limit: 10 * r}) })
	}
	reading.Go(func() {
		for ctx.Err() == nil {
			p := j.Before(0, Query{Limit: 20, Streams: []string{"service-1/"}})
			if !slices.IsSortedFunc(p.Records, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) }) {
				t.Errorf("records out of order: %+v", p.Records)
			}
			j.Streams()
			j.Seek(time.Now(), Query{})
		}
	})
	writing.Wait()
	if _, err := j.Wait(t.Context(), appenders*rounds*batch-1); err != nil {
		t.Error(err)
	}
	stop()
	reading.Wait()
	if p := j.After(0, Query{}); uint64(len(p.Records))+p.Lost != appenders*rounds*batch || p.Lost == 0 {
		t.Errorf("%d records and %d lost of %d", len(p.Records), p.Lost, appenders*rounds*batch)
	}
}

// write appends n records, half of them at once.
func write(j *Journal, stream string, n int) {
	rs := make([]Record, n)
	for i := range rs {
		rs[i] = Record{Stream: stream, Kind: KindLog, Ref: stream, Text: fmt.Sprintf("%s line %d", stream, i), Body: make([]byte, 50)}
	}
	j.AppendAll(rs[:n/2])
	for _, r := range rs[n/2:] {
		j.Append(r)
	}
}

// follow reads all records as they come, and checks that none is missing without a word.
func follow(t *testing.T, ctx context.Context, j *Journal, q Query) {
	cursor := uint64(0)
	for {
		p := j.After(cursor, q)
		if got := uint64(len(p.Records)) + p.Lost; got != p.Next-cursor {
			t.Errorf("%d records and %d lost from %d to %d", len(p.Records), p.Lost, cursor, p.Next)
			return
		}
		for _, r := range p.Records {
			if !strings.HasPrefix(r.Text, r.Ref) || r.Stream != r.Ref || r.Seq <= cursor || r.Seq > p.Next {
				t.Errorf("a broken record: %+v", r)
				return
			}
		}
		cursor = p.Next
		if p.More {
			continue
		}
		if _, err := j.Wait(ctx, cursor); err != nil {
			return
		}
	}
}

func TestKindSet(t *testing.T) {
	set := KindSet(KindLog, KindEvent)
	if !set.Has(KindLog) || !set.Has(KindEvent) || set.Has(KindCall) || !Kinds(0).Has(KindMessage) {
		t.Errorf("set %b", set)
	}
}
