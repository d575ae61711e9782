package brokers

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/journal"
	"msdev/session"
)

const (
	filtered   = 1_000_000
	filterGoal = 5 * time.Second // for a path
)

// BenchmarkFilter looks through a million messages of a journal for what none or few of them have, as the screen does.
func BenchmarkFilter(b *testing.B) {
	j := journal.New(journal.Caps{Stream: 1 << 30, Total: 1 << 30})
	var size int
	var body []byte
	for i := range filtered {
		m := brokers.Message{Kind: brokers.Kafka, Topic: "orders", Partition: int32(i % 4), Offset: int64(i), Time: time.Unix(int64(i), 0), Key: fmt.Append(nil, i),
			Headers: brokers.Headers{{Key: "tenant", Value: []byte("acme")}}, Deliveries: -1, Budget: -1, Body: order(i)}
		size += len(m.Body)
		var err error
		body, err = m.AppendBinary(body[:0])
		check(b, err)
		j.Append(journal.Record{Stream: "kafka/orders", Kind: journal.KindMessage, Time: m.Time, Text: string(m.Key), Body: body})
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\na million messages of %d B, load %s\n", size/filtered, load())
	for _, c := range []struct {
		expr  string
		found int
		path  bool
	}{
		{"nowhere-to-be-found", 0, false}, {"header.tenant:umbrella", 0, false}, {"offset:999990..", 10, false},
		{"$.order.total > 999998", 1, true}, {"$.customer.email == user7@example.com", 10, true}, {"$.nope", 0, true}, {"$.items[*].sku == X-999999", 1, true}, {"$..sku == X-999999", 1, false},
		{"jq: .order.total > 999998", 1, false}, {"jq: .items | length > 3", 0, false},
	} {
		var took, busy []time.Duration
		turns := rounds
		if strings.HasPrefix(c.expr, "jq:") {
			turns = 1
		}
		for range turns {
			q, err := session.RecordQuery{Messages: c.expr, Limit: 100}.Query((&decode.Decoder{}).Values)
			check(b, err)
			began, before := time.Now(), processor(b)
			page := j.After(0, q)
			took, busy = append(took, time.Since(began)), append(busy, processor(b)-before)
			if len(page.Records) != c.found {
				b.Errorf("%s finds %d", c.expr, len(page.Records))
			}
		}
		fmt.Fprintf(&text, "  %-40s %6.2f s, %6.2f s of a processor", c.expr, median(took).Seconds(), median(busy).Seconds())
		if c.path {
			fmt.Fprintf(&text, "  goal ≤ %v: %s", filterGoal, met(median(took) <= filterGoal))
		}
		text.WriteByte('\n')
	}
	b.Log(text.String())
	b.ReportMetric(0, "ns/op")
}

// processor is the time that this process has had of processors, in which other load counts less.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func order(i int) []byte {
	return fmt.Appendf(nil, `{"type":"OrderPlaced","order":{"id":"%08x-77aa-4b0e-9d3c","total":%d,"currency":"EUR","note":null},"customer":{"name":"Ann Example","email":"user%d@example.com","tags":["vip","eu"]},`+
		`"items":[{"sku":"X-%d","count":2,"price":19.99},{"sku":"Y-%d","count":1,"price":5}],"placed_at":"2026-01-31T12:00:00Z","retry":false}`, i, i, i%100_000, i, i)
}
