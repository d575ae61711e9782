package brokers_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"msdev/brokers"
	"msdev/brokers/wire"
)

func outgoing(m *brokers.Message) *brokers.Outgoing {
	to := brokers.Target{Exchange: m.Exchange, RoutingKey: m.RoutingKey, Topic: m.Topic}
	if m.Kind == brokers.Kafka {
		to.Partition = &m.Partition
	}
	return &brokers.Outgoing{Message: m, To: to}
}

func TestUntouchedEditsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		o := outgoing(&m)
		text, err := brokers.EditText(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := brokers.ParseEdit(text, o)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		again, err := brokers.EditText(&got)
		if err != nil || again != text {
			t.Fatalf("%v\n%s\nbecame\n%s", err, text, again)
		}
		if m.Properties.Has&wire.HasHeaders == 0 && len(m.Headers) == 0 {
			m.Headers, got.Message.Headers = nil, nil
		}
		want := m
		want.Headers, _ = floatBits(append(brokers.Headers{}, m.Headers...)).(brokers.Headers)
		got.Message.Headers, _ = floatBits(append(brokers.Headers{}, got.Message.Headers...)).(brokers.Headers)
		if !reflect.DeepEqual(&want, got.Message) || !reflect.DeepEqual(o.To, got.To) {
			t.Fatalf("%s\nwas %#v\nnow %#v", text, want, got.Message)
		}
	})
}

func placed() *brokers.Message {
	return &brokers.Message{Kind: brokers.RabbitMQ, Exchange: "orders", RoutingKey: "placed", Offset: -1, Deliveries: -1, Budget: -1,
		Properties: brokers.Properties{Has: wire.HasContentType | wire.HasPriority | wire.HasHeaders, ContentType: "application/json", Priority: 5},
		Headers:    brokers.Headers{{Key: "tenant", Value: "acme"}, {Key: "a:b", Value: int32(3)}, {Key: "ok", Value: true}, {Key: "raw", Value: []byte{0xff}}},
		Body:       []byte("{\"id\":7,\n\"total\":1}"),
	}
}

const placedText = `exchange: orders
routing-key: placed
content-type: application/json
priority: 5
header tenant: acme
header "a:b" (int32): 3
header ok (bool): true
header raw (bytes): {"base64":"/w=="}
body: text
---
{"id":7,
"total":1}
`

func TestEditReadsWell(t *testing.T) {
	if text, err := brokers.EditText(outgoing(placed())); err != nil || text != placedText {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestEditsAreRead(t *testing.T) {
	edited := strings.NewReplacer("placed", "placed.eu", "priority: 5\n", "# a remark\n\nmessage-id: x\n", "acme\n", "acme\nheader tenant: second\n",
		`(int32): 3`, `(uint8): 4`, `"total":1`, `"total":2`).Replace(placedText)
	got, err := brokers.ParseEdit(edited, outgoing(placed()))
	if err != nil {
		t.Fatal(err)
	}
	m := got.Message
	if got.To.RoutingKey != "placed.eu" || m.Properties.Has&wire.HasPriority != 0 || m.Properties.MessageID != "x" || len(m.Headers) != 5 ||
		m.Headers[1].Value != "second" || m.Headers[2].Value != uint8(4) || !strings.HasSuffix(string(m.Body), `"total":2}`) || m.RoutingKey != "placed" {
		t.Errorf("%+v %+v", got.To, m)
	}
}

func TestFaultyEdits(t *testing.T) {
	for text, want := range map[string]string{
		"exchange orders\n---\n":             `line 1: "exchange orders" has no colon`,
		"exchange: x\ncontent-typ: y\n---\n": `line 2: there is no property "content-typ"`,
		"priority: 300\n---\n":               "line 1: priority: \"300\" is no number from 0 to 255",
		"header n (int8): 300\n---\n":        "line 1: header n: 300 is no int8",
		"header n (what): 3\n---\n":          `no type "what"`,
		"header n\n---\n":                    "no colon",
		"header n (int8: 3\n---\n":           "is not understood",
		"header \"n: 3\n---\n":               "header:",
		"exchange: \"x\n---\n":               "exchange:",
		"body: base64\n---\n!!!":             "line 3: the body is not base64",
		"body: null\n---\nx":                 "there is a body",
		"body: json\n---\nx":                 `"json" is not understood`,
		"exchange: x\n":                      "the body is missing",
	} {
		if _, err := brokers.ParseEdit(text, outgoing(placed())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	record := &brokers.Message{Kind: brokers.Kafka, Topic: "t"}
	if _, err := brokers.ParseEdit("exchange: x\n---\n", outgoing(record)); err == nil || !strings.Contains(err.Error(), "There are topic") {
		t.Errorf("%v", err)
	}
}

func diffOf(lines []brokers.DiffLine) string {
	var b strings.Builder
	for _, l := range lines {
		if l.Op != ' ' {
			fmt.Fprintf(&b, "%c%s\n", l.Op, l.Text)
		}
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	a, b := placed(), placed()
	if lines, same := brokers.DiffMessages(a, b); !same || diffOf(lines) != "" || len(lines) < 10 {
		t.Errorf("%v %v", same, lines)
	}
	b.Body = []byte(`{"id":7,"total":2,"paid":true}`)
	b.Headers[0].Value = "umbrella"
	b.RoutingKey = "paid"
	lines, same := brokers.DiffMessages(a, b)
	const want = "-routing-key: placed\n+routing-key: paid\n-header tenant: acme\n+header tenant: umbrella\n-  \"total\": 1\n+  \"total\": 2,\n+  \"paid\": true\n"
	if same || diffOf(lines) != want {
		t.Errorf("got\n%s", diffOf(lines))
	}
	b = placed()
	b.Body = []byte(`{"id":7, "total":1}`)
	if lines, same := brokers.DiffMessages(a, b); same || diffOf(lines) != "" {
		t.Errorf("spaces alone: %v\n%s", same, diffOf(lines))
	}
	a.Body, b.Body = []byte{0, 1}, nil
	if lines, _ := brokers.DiffMessages(a, b); !strings.Contains(diffOf(lines), "+body: null") || !strings.Contains(diffOf(lines), "-00000000  00 01") {
		t.Errorf("binary:\n%s", diffOf(lines))
	}
	big := strings.Repeat("x\n", 3000)
	a.Body, b.Body = []byte("a\n"+big+"b"), []byte("c\n"+big+"d")
	if lines, _ := brokers.DiffMessages(a, b); len(lines) < 3000 {
		t.Errorf("%d lines", len(lines))
	}
}

// A diff holds both of its sides, whole and in order.
func TestDiffHoldsBothSides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 12).Draw(t, "lines"), "\n")
		})
		a, b := &brokers.Message{Kind: brokers.Kafka, Body: []byte(text.Draw(t, "a"))}, &brokers.Message{Kind: brokers.Kafka, Body: []byte(text.Draw(t, "b"))}
		lines, _ := brokers.DiffMessages(a, b)
		var left, right []string
		for _, l := range lines {
			if l.Op != '+' {
				left = append(left, l.Text)
			}
			if l.Op != '-' {
				right = append(right, l.Text)
			}
		}
		if !strings.HasSuffix(strings.Join(left, "\n"), "---\n"+string(a.Body)) || !strings.HasSuffix(strings.Join(right, "\n"), "---\n"+string(b.Body)) {
			t.Fatalf("%q %q: %v", a.Body, b.Body, lines)
		}
	})
}
