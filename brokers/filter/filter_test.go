package filter

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

func rabbit() *brokers.Message {
	return &brokers.Message{
		Kind: brokers.RabbitMQ, Exchange: "orders", RoutingKey: "order.placed.eu", Queue: "orders.q", Offset: -1,
		Time: time.Date(2026, 1, 31, 12, 0, 0, 0, time.Local), Deliveries: 3, Budget: 17, Redelivered: true,
		Headers: brokers.Headers{{Key: "tenant", Value: "acme"}, {Key: "tenant", Value: "umbrella"}, {Key: "attempt", Value: int32(3)},
			{Key: "tags", Value: brokers.Array{"red", "Blue"}}, {Key: "x-death", Value: brokers.Array{brokers.Headers{{Key: "queue", Value: "billing.q"}}}},
			{Key: "price", Value: brokers.Decimal{Scale: 2, Value: 314}}, {Key: "void"}},
		Properties: brokers.Properties{Has: wire.HasContentType | wire.HasMessageID | wire.HasPriority, ContentType: "application/json", MessageID: "", Priority: 5},
		Body: []byte(`{"id":"7f","total":41.5,"big":12345678901234567890,"paid":null,"customer":{"name":"Ann Ünal","tags":["vip"]},
			"items":[{"sku":"A1","n":2},{"sku":"B2","n":0}],"a b":"x(y)"}`),
	}
}

func kafka() *brokers.Message {
	return &brokers.Message{Kind: brokers.Kafka, Topic: "orders", Partition: 3, Offset: 150, Key: []byte{}, Body: nil, Deliveries: -1,
		Headers: brokers.Headers{{Key: "tenant", Value: []byte("acme")}, {Key: "none", Value: []byte(nil)}}}
}

func TestFilter(t *testing.T) {
	for text, want := range map[string]string{ // which of r and k match
		"": "rk", "acme": "rk", "ACME": "", "Ann": "r", `"ann ün"`: "r", "ann nothing": "", "ann vip": "r",
		"ann and not vip": "", "ann or tombstone": "r", "not ann": "k", "!ann": "k", "not not ann": "r",
		"(ann or missing) and vip": "r", "missing or ann vip": "r", "missing or (ann and missing)": "",
		`/to\w+l":4\d/`: "r", "/ANN/": "", "/ANN/i": "r", `/\{"id"/`: "r", `/\\/`: "",
		"placed": "r", "body:placed": "", "body:null": "r", "or": "error", "order": "r",
		"key:null": "r", `key:""`: "k", "key:*": "k", "topic:orders": "k", "topic:order": "", "topic:ord*": "k", "topic:/der/": "k",
		"topic:null": "r", "routing:order.*.eu": "r", "routing:*.us": "", "exchange:ORDERS": "", "exchange:orders": "r", "queue:orders.q": "r",
		"header.tenant:umbrella": "r", "header.Tenant:acme": "rk", "header.tenant:null": "", "header.nope:null": "rk", "header.attempt:3": "r",
		"header.tags:blue": "r", "header.x-death:billing.q": "r", "header.void:*": "", "header.none:*": "", "header.tenant:/^ac/": "rk",
		"content-type:*json": "r", `message-id:""`: "r", "message-id:null": "k", "correlation-id:null": "rk", "priority:5": "r", "priority:0": "",
		"partition:3": "k", "offset:100..200": "k", "offset:150..": "k", "offset:..149": "", "offset:>150": "", "offset:>=150": "k", "offset:<151": "k",
		"offset:<=149": "", "size:>100": "r", "size:0": "k", "size:<1k": "rk", "deliveries:3": "r",
		"time:2026-01-31T12:00": "r", "time:>2026-01-31": "r", "time:2026-01-31T11:00..2026-01-31T11:59": "", "time:<2026-02-01T00:00:00Z": "r",
		"is:redelivered": "r", "is:tombstone": "k", "is:dead": "r", "is:aborted": "", "not is:dead": "k",
		"$.id": "r", "$.nope": "", "$.paid": "r", "$.paid == null": "r", "$.id == 7f": "r", `$.id=="7f"`: "r", "$.id != 7f": "", "$.total > 40": "r",
		"$.total>41.5": "", "$.total >= 41.5": "r", "$.total < 100 and $.id == '7f'": "r", "$.paid < 5": "", "$.id > 5": "", "$.big == 12345678901234567890": "r",
		"$.items[*].sku == B2": "r", "$.items[0].sku == B2": "", "$.items[-1].sku == B2": "r", "$.items[2]": "", "$..sku == A1": "r", "$..name =~ /ünal/i": "r",
		"$.customer.tags[*] == vip": "r", `$["a b"] == "x(y)"`: "r", "$.customer.* == 'Ann Ünal'": "r", "$.id =~ '^7'": "r", "$.total =~ 4": "", "($.id == 7f)": "r",
		"$.items.sku": "", "not $.id": "k", "$.total > -1": "r",
		"jq: .total > 40": "r", "jq:.items | length > 3": "", "jq: .nope": "", "jq: .id.x": "", "jq: .items[].n == 0": "r", "jq: error": "",
		"(jq: .total > 40 and (.id | length) == 2) and vip": "r", `(jq: .id == "7)") or ann`: "r", "jq: $headers.attempt == 3": "r", "jq: $headers.price": "r",
		"jq: $key == null": "r", "ann jq: .paid == null": "r",
		"http://x": "", "unknown:thing": "",
	} {
		f, err := Compile(text, nil)
		if err != nil {
			if want != "error" {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		got := ""
		for name, m := range map[string]*brokers.Message{"r": rabbit(), "k": kafka()} {
			ok, err := f.Match(m)
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			if ok {
				got += name
			}
		}
		if got == "kr" {
			got = "rk"
		}
		if got != want {
			t.Errorf("%s: matches %q, want %q", text, got, want)
		}
	}
}

func TestFaultsArePointedAt(t *testing.T) {
	for text, c := range map[string]struct {
		at   int
		what string
	}{
		"a and":                  {5, "missing at the end"},
		"a or or b":              {5, "missing before or"},
		"(a":                     {0, "not closed"},
		"a)":                     {1, "without its opening"},
		"()":                     {1, "missing before"},
		`"abc`:                   {0, "quote is not closed"},
		"x /a(/":                 {2, "missing closing )"},
		"/abc":                   {0, "not closed"},
		"offset:abc":             {7, `"abc" is no number`},
		"offset:..":              {7, "is no number"},
		"size:99999999999g":      {5, "is no number"},
		"time:yesterday":         {5, "is no time"},
		"key: x":                 {4, "value is missing after key:"},
		"is:strange":             {0, `nothing is called "is:strange"`},
		"jq: .a |":               {8, "jq does not understand"},
		"jq: nope(1)":            {4, "nope/1"},
		"jq:":                    {3, "expression is missing"},
		"$.":                     {2, "name is missing"},
		"$.a[x]":                 {4, "no index"},
		"$.a[0":                  {3, "bracket is not closed"},
		"\xff":                   {0, "not UTF-8"},
		"$.a >":                  {5, "value is missing after >"},
		"$.a =~ /(/":             {7, "regular expression"},
		strings.Repeat("(", 200): {100, "too deeply"},
	} {
		_, err := Compile(text, nil)
		var fault *Error
		if !errors.As(err, &fault) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if fault.At != c.at || !strings.Contains(fault.What, c.what) || fault.Hint == "" {
			t.Errorf("%s: at %d %q (%s), want at %d %q", text, fault.At, fault.What, fault.Hint, c.at, c.what)
		}
	}
}

func TestErrorReads(t *testing.T) {
	_, err := Compile("ä and offset:x", nil)
	const want = "filter: \"x\" is no number for offset\n  ä and offset:x\n               ^\nWrite a number"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestJQHasAnEnd(t *testing.T) {
	f, err := Compile("jq: [range(1e12)] | length > 0", nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := f.Match(rabbit()); err == nil || !strings.Contains(err.Error(), "took longer") || time.Since(start) > 20*Timeout {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestValuesAreHandedIn(t *testing.T) {
	f, err := Compile("$.from == decoder and jq: .from", func(*brokers.Message) (any, bool) { return map[string]any{"from": "decoder"}, true })
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := f.Match(kafka()); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
}

func TestFields(t *testing.T) {
	if all := Fields(); !slices.IsSorted(all) || !slices.Contains(all, "routing") || !slices.Contains(all, "header.NAME") {
		t.Errorf("%v", all)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"a and (b or not c)", `key:"x y" /z\/i/i`, "$.a[*]['b'] =~ /c/ or jq: .x|.y", "time:2026-01-31..", "size:>1k is:dead", "$..a[-1]<5"} {
		f.Add(s)
	}
	r, k := rabbit(), kafka()
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := Compile(text, nil)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) || fault.At > len(text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if strings.Contains(text, "jq:") {
			return // its own time is its own affair
		}
		for _, m := range []*brokers.Message{r, k} {
			if _, err := filter.Match(m); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, text := range []string{"umbrellas", "header.tenant:acme", "offset:100..200", "$.total > 40", "jq: .total > 40"} {
		b.Run(text, func(b *testing.B) {
			f, err := Compile(text, nil)
			if err != nil {
				b.Fatal(err)
			}
			m := rabbit()
			for b.Loop() {
				if _, err := f.Match(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
