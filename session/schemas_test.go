package session

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msdev/brokers"
	bodies "msdev/brokers/decode"
	"msdev/journal"
	"msdev/runner"
)

const schemasFile = `
x-msdev:
  protos: [proto]
  types: {parcels: shop.Parcel}
  registry: http://me:secret@registry:8081/api
services:
  registry: {image: registry}
`

// TestSchemas reads messages on both sides of the door: by a .proto file, and by a registry that only the session can reach.
func TestSchemas(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" || r.URL.Path != "/api/schemas/ids/7" {
			t.Errorf("asked for %s as %s", r.URL, user)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"schema": `{"type":"record","name":"Paid","fields":[{"name":"order","type":"string"}]}`})
	}))
	defer registry.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"compose.yaml":       schemasFile,
		"proto/parcel.proto": `syntax="proto3"; package shop; message Parcel { string order = 1; int32 grams = 2; }`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := runner.Load(t.Context(), runner.LoadOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{journal: journal.New(journal.Caps{}), moved: make(chan struct{}, 1), launch: Launch{
		Of: func(string) string { return onEngine },
		Dial: func(ctx context.Context, service string, port int) (net.Conn, error) {
			if service != "registry" || port != 8081 {
				t.Errorf("dialled %s:%d", service, port)
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", registry.Listener.Addr().String())
		},
	}}
	if err := s.useSchemas(p); err != nil {
		t.Fatal(err)
	}
	pipe := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := newServer(s.Handler(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(pipe) }()
	c := newClient(pipe.dial)
	defer func() {
		_ = c.Close()
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()

	parcel := brokers.Message{Kind: brokers.Kafka, Topic: "parcels", Offset: 1, Body: []byte("\x0a\x0279\x10\xe8\x07")}
	paid := brokers.Message{Kind: brokers.Kafka, Topic: "paid", Offset: 2, Body: append(binary.BigEndian.AppendUint32([]byte{0}, 7), "\x0479"...)}
	for _, m := range []*brokers.Message{&parcel, &paid} {
		body, err := m.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		s.journal.Append(journal.Record{Stream: "kafka/" + m.Topic, Kind: journal.KindMessage, Body: body})
	}
	for expr, want := range map[string]string{"$.grams > 999": "kafka/parcels", `$.order == "79" and topic:paid`: "kafka/paid", "$.grams > 1000": ""} {
		page, err := c.Records(t.Context(), RecordQuery{Kinds: journal.KindSet(journal.KindMessage), Messages: expr, Limit: 10})
		got := ""
		for _, r := range page.Records {
			got += r.Stream
		}
		if err != nil || got != want {
			t.Errorf("%s finds %q, %v", expr, got, err)
		}
	}
	schemas, err := c.Schemas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for m, want := range map[*brokers.Message]string{&parcel: "protobuf shop.Parcel", &paid: "avro Paid"} {
		if r := schemas.Decoder(t.Context()).Decode(t.Context(), bodies.Of(m)); r.Title() != want || !strings.Contains(r.Text, `"79"`) {
			t.Errorf("a client reads %s %s (%s), not %s", r.Title(), r.Text, r.Problem, want)
		}
	}
}
