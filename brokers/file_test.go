package brokers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// anyText draws text that may not be UTF-8.
func anyText(most int) *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(0, most/4, most),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, most), func(b []byte) string { return string(b) }))
}

func anyValue(depth int) *rapid.Generator[any] {
	asAny := func(v any) any { return v }
	all := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.Int8(), func(v int8) any { return v }),
		rapid.Map(rapid.Int16(), func(v int16) any { return v }),
		rapid.Map(rapid.Int32(), func(v int32) any { return v }),
		rapid.Map(rapid.Int64(), func(v int64) any { return v }),
		rapid.Map(rapid.Uint8(), func(v uint8) any { return v }),
		rapid.Map(rapid.Uint16(), func(v uint16) any { return v }),
		rapid.Map(rapid.Uint32(), func(v uint32) any { return v }),
		rapid.Map(rapid.Uint32(), func(v uint32) any { return math.Float32frombits(v) }),
		rapid.Map(rapid.Uint64(), func(v uint64) any { return math.Float64frombits(v) }),
		rapid.Map(rapid.Uint64(), func(v uint64) any { return brokers.Timestamp(v) }),
		rapid.Map(rapid.Uint32(), func(v uint32) any { return brokers.Decimal{Scale: uint8(v), Value: v} }),
		rapid.Map(anyText(20), func(v string) any { return v }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(v []byte) any { return append([]byte{}, v...) }),
	}
	if depth > 0 {
		all = append(all,
			rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 4), func(v []any) any { return append(brokers.Array{}, v...) }),
			rapid.Map(anyHeaders(depth-1), func(v brokers.Headers) any { return v }))
	}
	return rapid.Map(rapid.OneOf(all...), asAny)
}

func anyHeaders(depth int) *rapid.Generator[brokers.Headers] {
	return rapid.Custom(func(t *rapid.T) brokers.Headers {
		h := brokers.Headers{}
		for range rapid.IntRange(0, 4).Draw(t, "headers") {
			h = append(h, brokers.Header{Key: anyText(12).Draw(t, "key"), Value: anyValue(depth).Draw(t, "value")})
		}
		return h
	})
}

func anyProperties(t *rapid.T) (p brokers.Properties) {
	p.Has = wire.Flags(rapid.Uint16().Draw(t, "has")) &^ 3
	for bit, at := range map[wire.Flags]*string{wire.HasContentType: &p.ContentType, wire.HasContentEncoding: &p.ContentEncoding,
		wire.HasCorrelationID: &p.CorrelationID, wire.HasReplyTo: &p.ReplyTo, wire.HasExpiration: &p.Expiration, wire.HasMessageID: &p.MessageID,
		wire.HasType: &p.Type, wire.HasUserID: &p.UserID, wire.HasAppID: &p.AppID, wire.HasClusterID: &p.ClusterID} {
		if p.Has&bit != 0 {
			*at = anyText(20).Draw(t, "property")
		}
	}
	if p.Has&wire.HasDeliveryMode != 0 {
		p.DeliveryMode = rapid.Uint8().Draw(t, "mode")
	}
	if p.Has&wire.HasPriority != 0 {
		p.Priority = rapid.Uint8().Draw(t, "priority")
	}
	if p.Has&wire.HasTimestamp != 0 {
		p.Timestamp = rapid.Uint64().Draw(t, "timestamp")
	}
	return p
}

func anyBytes(t *rapid.T, name string) []byte {
	if rapid.Bool().Draw(t, name+" is nil") {
		return nil
	}
	return []byte(anyText(40).Draw(t, name))
}

// anyMessage draws every shape that a broker can hand us.
func anyMessage(t *rapid.T) brokers.Message {
	m := brokers.Message{
		Redelivered: rapid.Bool().Draw(t, "redelivered"), Offset: rapid.Int64Min(-1).Draw(t, "offset"),
		Deliveries: rapid.Int64Min(-1).Draw(t, "deliveries"), Budget: rapid.Int64Min(-1).Draw(t, "budget"),
		From: rapid.String().Draw(t, "from"), User: rapid.String().Draw(t, "user"), Event: brokers.Event(rapid.IntRange(0, 1).Draw(t, "event")),
	}
	if rapid.Bool().Draw(t, "timed") {
		m.Time = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds")).UTC()
		m.TimeKind = brokers.TimeKind(rapid.IntRange(1, 3).Draw(t, "clock"))
	}
	if rapid.Bool().Draw(t, "kafka") {
		m.Kind, m.Topic, m.Partition = brokers.Kafka, "orders.v1", rapid.Int32Min(0).Draw(t, "partition")
		m.Key, m.Body = anyBytes(t, "key"), anyBytes(t, "body")
		m.Aborted, m.Open, m.Transactional = rapid.Bool().Draw(t, "aborted"), rapid.Bool().Draw(t, "open"), rapid.Bool().Draw(t, "transactional")
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			m.Headers = append(m.Headers, brokers.Header{Key: anyText(12).Draw(t, "header"), Value: anyBytes(t, "value")})
		}
		return m
	}
	m.Kind, m.Exchange, m.RoutingKey, m.Queue = brokers.RabbitMQ, anyText(20).Draw(t, "exchange"), anyText(20).Draw(t, "routing key"), anyText(20).Draw(t, "queue")
	m.Body = []byte(anyText(60).Draw(t, "body"))
	m.Properties = anyProperties(t)
	if m.Properties.Has&wire.HasHeaders != 0 {
		m.Headers = anyHeaders(3).Draw(t, "table")
	}
	if rapid.Bool().Draw(t, "traced") {
		m.Routed = append([]string{}, rapid.SliceOfN(anyText(9), 0, 3).Draw(t, "routed")...)
	}
	return m
}

// floatBits makes not-a-numbers comparable.
func floatBits(v any) any {
	switch v := v.(type) {
	case float32:
		return math.Float32bits(v)
	case float64:
		return math.Float64bits(v)
	case brokers.Array:
		out := make([]any, len(v))
		for i := range v {
			out[i] = floatBits(v[i])
		}
		return out
	case brokers.Headers:
		out := brokers.Headers{}
		for _, h := range v {
			out = append(out, brokers.Header{Key: h.Key, Value: floatBits(h.Value)})
		}
		return out
	}
	return v
}

func TestFilesAreLossless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyMessage(t)
		line, err := brokers.MarshalMessage(&want)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("not one line of JSON: %s", line)
		}
		got, err := brokers.UnmarshalMessage(line)
		if err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		want.Headers, _ = floatBits(want.Headers).(brokers.Headers)
		got.Headers, _ = floatBits(got.Headers).(brokers.Headers)
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("was %#v\nnow %#v\n%s", want, got, line)
		}
	})
}

func TestLinesReadWell(t *testing.T) {
	for want, m := range map[string]brokers.Message{
		`{"kind":"rabbitmq","time":"2026-01-31T12:00:00Z","clock":"seen","exchange":"","routingKey":"orders","properties":{"contentType":"application/json","deliveryMode":2},` +
			`"headers":[{"key":"tenant","value":"acme"},{"key":"attempt","type":"int32","value":3},{"key":"id","type":"int64","value":"9007199254740993"}],"body":"{\"a\":\"<ü>\"}"}`: {
			Kind: brokers.RabbitMQ, Time: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), TimeKind: brokers.TimeSeen, RoutingKey: "orders", Offset: -1, Deliveries: -1, Budget: -1,
			Properties: brokers.Properties{Has: wire.HasContentType | wire.HasDeliveryMode | wire.HasHeaders, ContentType: "application/json", DeliveryMode: 2},
			Headers:    brokers.Headers{{Key: "tenant", Value: "acme"}, {Key: "attempt", Value: int32(3)}, {Key: "id", Value: int64(1<<53 + 1)}}, Body: []byte(`{"a":"<ü>"}`)},
		`{"kind":"kafka","topic":"orders","partition":0,"offset":7,"headers":[{"key":"h","value":"x"},{"key":"h","value":null}],"key":{"base64":"/w=="},"body":null}`: {
			Kind: brokers.Kafka, Topic: "orders", Offset: 7, Deliveries: -1, Budget: -1, Key: []byte{0xff}, Headers: brokers.Headers{{Key: "h", Value: []byte("x")}, {Key: "h", Value: []byte(nil)}}},
	} {
		line, err := brokers.MarshalMessage(&m)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(line)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestLinesWrittenByHand(t *testing.T) {
	m, err := brokers.UnmarshalMessage([]byte(`{"kind":"kafka","topic":"orders","key":"7f","json":{"total": 1.50}}`))
	if err != nil || string(m.Body) != `{"total": 1.50}` || string(m.Key) != "7f" || m.Offset != -1 || m.Headers != nil {
		t.Errorf("%+v %v", m, err)
	}
	m, err = brokers.UnmarshalMessage([]byte(`{"kind":"rabbitmq","exchange":"orders","routingKey":"placed"}`))
	if err != nil || m.Body == nil || len(m.Body) != 0 || m.Properties.Has != 0 {
		t.Errorf("%+v %v", m, err)
	}
}

func TestFaultyLines(t *testing.T) {
	for line, want := range map[string]string{
		`{"kind":"kafka"`:                          "messages.jsonl:2: this is no message",
		`[]`:                                       "this is no message",
		`{"kind":"nats"}`:                          `the kind is "nats"`,
		`{"kind":"kafka","bodi":""}`:               `unknown field "bodi"`,
		`{"kind":"kafka","body":7}`:                "body:",
		`{"kind":"kafka","body":{"a":1}}`:          `{"base64":"…"}`,
		`{"kind":"kafka","body":"","json":1}`:      "give one of them",
		`{"kind":"kafka","headers":[{"value":1}]}`: "no key",
		`{"kind":"rabbitmq","headers":[{"key":"n","value":1}]}`:                   `header "n": it needs a type`,
		`{"kind":"rabbitmq","headers":[{"key":"n"}]}`:                             "no value",
		`{"kind":"rabbitmq","headers":[{"key":"n","type":"int8","value":300}]}`:   "300 is no int8",
		`{"kind":"rabbitmq","headers":[{"key":"n","type":"int7","value":3}]}`:     `no type "int7"`,
		`{"kind":"rabbitmq","headers":[{"key":"n","type":"float32","value":{}}]}`: "no float32",
		`{"kind":"rabbitmq","properties":{"priority":256}}`:                       "256",
	} {
		r := brokers.NewMessageReader(strings.NewReader("\n"+line), "messages.jsonl")
		if _, err := r.Read(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "messages.jsonl:2") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func someMessages() []brokers.Message {
	return []brokers.Message{
		{Kind: brokers.Kafka, Topic: "a/b", Offset: 1, Body: []byte("1"), Deliveries: -1, Budget: -1},
		{Kind: brokers.RabbitMQ, Queue: "q", Offset: -1, Body: []byte("2"), Deliveries: -1, Budget: -1},
		{Kind: brokers.Kafka, Topic: "a/b", Offset: 2, Body: []byte("3"), Deliveries: -1, Budget: -1},
	}
}

func save(t *testing.T, path string, all []brokers.Message) {
	t.Helper()
	sink, err := brokers.CreateMessages(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if err := sink.Write(&all[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) (all []brokers.Message) {
	t.Helper()
	f, err := brokers.OpenMessages(path)
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := f.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
}

func TestFilesAndFolders(t *testing.T) {
	all := someMessages()
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "m.jsonl"), filepath.Join(dir, "m.jsonl.zst")} {
		save(t, path, all)
		if got := load(t, path); !reflect.DeepEqual(got, all) {
			t.Errorf("%s: %+v", path, got)
		}
		if _, err := brokers.CreateMessages(path, nil); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("overwriting: %v", err)
		}
	}
	folder := filepath.Join(dir, "[f]") + "/"
	save(t, folder, all)
	if got, want := load(t, folder), []brokers.Message{all[0], all[2], all[1]}; !reflect.DeepEqual(got, want) {
		t.Errorf("folder: %+v", got)
	}
	if info, err := os.Stat(filepath.Join(folder, "kafka-a_b.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	empty := t.TempDir()
	if _, err := brokers.OpenMessages(empty); err == nil || !strings.Contains(err.Error(), "holds no") {
		t.Errorf("empty folder: %v", err)
	}
}

func TestRedaction(t *testing.T) {
	m := brokers.Message{
		Kind: brokers.Kafka, Topic: "t",
		Headers: brokers.Headers{{Key: "Authorization", Value: []byte("Bearer x")}, {Key: "callback", Value: []byte("amqp://me:hush@host/")}, {Key: "n", Value: []byte("1")}},
		Body:    []byte(`{ "user": {"Password": {"old":1},"name":"x"} ,"cards":[{"number":4},{"number":5}], "url":"https://u:pw@h/?a=b","n":1.50}`),
	}
	r := brokers.Secrets()
	r.Paths = append(r.Paths, "$.cards[*].number")
	var out bytes.Buffer
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	w := brokers.NewMessageWriter(&out, r)
	plain := brokers.Message{Kind: brokers.Kafka, Topic: "t", Body: []byte("nothing")}
	for _, m := range []*brokers.Message{&m, &plain} {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"Bearer", "hush", "old", ":4", "pw"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s is still there: %s", secret, &out)
		}
	}
	in := brokers.NewMessageReader(&out, "x")
	got, err := in.Read()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{ "user": {"Password": "[redacted]","name":"x"} ,"cards":[{"number":"[redacted]"},{"number":"[redacted]"}], "url":"https://u:[redacted]@h/?a=b","n":1.50}`
	if string(got.Body) != want || got.HeaderText("callback") != "amqp://me:[redacted]@host/" || got.HeaderText("n") != "1" || in.Redacted() != 1 {
		t.Errorf("got %s %v", got.Body, got.Headers)
	}
	if got, err = in.Read(); err != nil || string(got.Body) != "nothing" || in.Redacted() != 1 {
		t.Errorf("the second: %+v %v", got, err)
	}
	if m.HeaderText("Authorization") != "Bearer x" || !bytes.Contains(m.Body, []byte("old")) {
		t.Error("the message itself was changed")
	}
	for _, path := range []string{"password", "$", "$.", "$.a[", "$...x"} {
		if (&brokers.Redaction{Paths: []string{path}}).Check() == nil && path != "$.a[" {
			t.Errorf("%q was taken", path)
		}
	}
}

// What is read without an error is written in a form that reads as the same.
func FuzzUnmarshalMessage(f *testing.F) {
	f.Add([]byte(`{"kind":"rabbitmq","properties":{"priority":3},"headers":[{"key":"d","type":"decimal","scale":2,"value":314},{"key":"t","type":"table","value":[{"key":"x","type":"array","value":[{"value":null}]}]}],"body":{"base64":"/w=="}}`))
	f.Add([]byte(`{"kind":"kafka","time":"2026-01-31T12:00:00Z","clock":"created","topic":"t","partition":1,"offset":2,"headers":[{"key":"h","type":"float32","bits":"7fc00000"}],"json":{"a":1}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := brokers.UnmarshalMessage(line)
		if err != nil {
			return
		}
		once, err := brokers.MarshalMessage(&m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := brokers.UnmarshalMessage(once)
		if err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		if twice, err := brokers.MarshalMessage(&again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v\n%s%s", err, once, twice)
		}
	})
}

func FuzzParseEdit(f *testing.F) {
	f.Add(placedText)
	f.Add("topic: t\npartition: 3\nkey: null\nheader {\"base64\":\"/w==\"} (float64): {\"bits\":\"7ff8000000000001\"}\nheader d (decimal): {\"scale\":1,\"value\":2}\nbody: base64\n---\n/w==\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []brokers.Kind{brokers.RabbitMQ, brokers.Kafka} {
			o, err := brokers.ParseEdit(text, outgoing(&brokers.Message{Kind: kind}))
			if err != nil {
				continue
			}
			once, err := brokers.EditText(&o)
			if err != nil {
				t.Fatal(err)
			}
			again, err := brokers.ParseEdit(once, &o)
			if err != nil {
				t.Fatalf("%v\n%s", err, once)
			}
			if twice, err := brokers.EditText(&again); err != nil || once != twice {
				t.Fatalf("%v\n%s\nbecame\n%s", err, once, twice)
			}
		}
	})
}
