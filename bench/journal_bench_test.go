// Package bench measures what the project promises.
package bench

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"msdev/journal"
)

// filled returns a journal that keeps n log lines of about 100 bytes, spread over streams.
func filled(b *testing.B, n, streams int) *journal.Journal {
	b.Helper()
	j := journal.New(journal.Caps{Stream: 1 << 30, Total: 1 << 30})
	lines := logLines(streams)
	for i := range n {
		j.Append(lines[i%len(lines)])
	}
	for _, s := range j.Streams() {
		if s.Dropped > 0 {
			b.Fatalf("%s dropped %d records", s.Name, s.Dropped)
		}
	}
	return j
}

// logLines returns 1,000 different log lines of about 100 bytes.
func logLines(streams int) []journal.Record {
	lines := make([]journal.Record, 1000)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range lines {
		level := "INFO"
		if i%100 == 42 {
			level = "ERROR"
		}
		lines[i] = journal.Record{
			Time:   at.Add(time.Duration(i) * time.Millisecond),
			Stream: fmt.Sprintf("service-%d/stdout", i%streams),
			Kind:   journal.KindLog,
			Ref:    fmt.Sprintf("shop-service-%d-1", i%streams),
			Text:   fmt.Sprintf(`{"level":%q,"msg":"order placed","order":"%08x","total":41.90,"customer":%d,"took":"12ms"}`, level, i, i),
		}
	}
	return lines
}

func eachStreams(b *testing.B, run func(b *testing.B, streams int)) {
	for _, streams := range []int{1, 20} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) { run(b, streams) })
	}
}

// Goal: at most 500 ns.
func BenchmarkJournalAppend(b *testing.B) {
	eachStreams(b, func(b *testing.B, streams int) {
		j, lines := journal.New(journal.Caps{}), logLines(streams)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			j.Append(lines[i])
			i = (i + 1) % len(lines)
		}
	})
}

func BenchmarkJournalAppendAll(b *testing.B) {
	eachStreams(b, func(b *testing.B, streams int) {
		j, lines := journal.New(journal.Caps{}), logLines(streams)
		b.ReportAllocs()
		for b.Loop() {
			j.AppendAll(lines)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/record")
	})
}

// Goal: at most 20 µs.
func BenchmarkJournalLast50(b *testing.B) {
	eachStreams(b, func(b *testing.B, streams int) {
		j := filled(b, 1_000_000, streams)
		b.ReportAllocs()
		for b.Loop() {
			if page := j.Before(0, journal.Query{Limit: 50}); len(page.Records) != 50 {
				b.Fatalf("%d records", len(page.Records))
			}
		}
	})
}

func BenchmarkJournalMiddle50(b *testing.B) {
	eachStreams(b, func(b *testing.B, streams int) {
		j := filled(b, 1_000_000, streams)
		b.ReportAllocs()
		for b.Loop() {
			if page := j.After(500_000, journal.Query{Limit: 50}); len(page.Records) != 50 {
				b.Fatalf("%d records", len(page.Records))
			}
		}
	})
}

// Goal: at most 0.3 s.
func BenchmarkJournalSearch(b *testing.B) {
	filters := []struct {
		name   string
		filter journal.Filter
		found  int
	}{
		{"text", journal.Filter{Text: "not there"}, 0},
		{"case", journal.Filter{Text: "not there", CaseSensitive: true}, 0},
		{"regexp", journal.Filter{Text: `order.*not there`, Regexp: true}, 0},
		{"level", journal.Filter{Level: journal.LevelError}, 10_000},
	}
	eachStreams(b, func(b *testing.B, streams int) {
		j := filled(b, 1_000_000, streams)
		for _, f := range filters {
			b.Run(f.name, func(b *testing.B) {
				match, err := f.filter.Compile()
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if page := j.After(0, journal.Query{Match: match}); page.Visited != 1_000_000 || len(page.Records) != f.found {
						b.Fatalf("visited %d, found %d", page.Visited, len(page.Records))
					}
				}
			})
		}
	})
}

// What a visible row costs, and what a level filter costs a record.
func BenchmarkParseLine(b *testing.B) {
	for _, line := range []struct{ name, text string }{
		{"json", `{"time":"2024-05-01T10:00:00.123Z","level":"INFO","msg":"order placed","order":"7f3a","total":41.9,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}`},
		{"logfmt", `time="2024-05-01T10:00:00Z" level=info msg="order placed" order=7f3a total=41.9`},
		{"log4j", `2024-05-01 10:00:00,123 [main] INFO  com.shop.Orders - order placed order=7f3a total=41.9`},
		{"prose", `Listening on http://localhost:8080, press ctrl-c to stop the server`},
		{"long", `{"level":"info","msg":"` + strings.Repeat("x", 100_000) + `"}`},
		{"long-prose", strings.Repeat("lorem ipsum ", 100_000/12)},
	} {
		b.Run(line.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				journal.ParseLine(line.text)
			}
		})
		b.Run(line.name+"-level", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				journal.LevelOf(line.text)
			}
		})
		b.Run(line.name+"-sanitize", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				journal.Sanitize(line.text)
			}
		})
	}
}

// Memory: what the process holds after 5 M records, beside what the caps allow.
func BenchmarkJournalMemory(b *testing.B) {
	eachStreams(b, func(b *testing.B, streams int) {
		lines := logLines(streams)
		for b.Loop() {
			before := heap()
			j := journal.New(journal.Caps{Stream: 64 << 20, Total: 128 << 20})
			for i := range 5_000_000 {
				j.Append(lines[i%len(lines)])
			}
			held := heap() - before
			var counted int64
			var records uint64
			for _, s := range j.Streams() {
				counted += s.Bytes
				records += s.Records
			}
			b.ReportMetric(float64(held)/1e6, "MB-heap")
			b.ReportMetric(float64(counted)/1e6, "MB-counted")
			b.ReportMetric(float64(held)/float64(records), "B/record")
			runtime.KeepAlive(j)
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
