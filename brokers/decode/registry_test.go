package decode

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/avro"
)

const orderSchema = `{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"string"},{"name":"total","type":"double"}]}`

// registry answers as Confluent's does, and counts the questions.
func registry(t *testing.T, asked *atomic.Int32) *Registry {
	t.Helper()
	type ref map[string]any
	schemas := map[string]any{
		"/schemas/ids/1": ref{"schema": orderSchema},
		"/schemas/ids/2": ref{"schemaType": "PROTOBUF", "schema": orderProto},
		"/schemas/ids/3": ref{"schemaType": "JSON", "schema": "{}"},
		"/schemas/ids/4": ref{"schema": `{"type":"record","name":"Box","fields":[{"name":"order","type":"shop.Order"}]}`,
			"references": []ref{{"name": "shop.Order", "subject": "shop/order", "version": 3}}},
		"/schemas/ids/5": ref{"schemaType": "PROTOBUF", "schema": `syntax="proto3"; import "shop.proto"; message Box { shop.Order order = 1; }`,
			"references": []ref{{"name": "shop.proto", "subject": "shop", "version": 1}}},
		"/schemas/ids/6":                    ref{"schema": "nonsense"},
		"/subjects/shop%2Forder/versions/3": ref{"schema": orderSchema},
		"/subjects/shop/versions/1":         ref{"schemaType": "PROTOBUF", "schema": orderProto},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		schema, ok := schemas[r.URL.EscapedPath()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if err := json.NewEncoder(w).Encode(schema); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	r, err := NewRegistry(strings.Replace(server.URL, "http://", "http://me:secret@", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func framed(id uint32, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), body...)
}

func TestConfluentWireFormat(t *testing.T) {
	var asked atomic.Int32
	d := &Decoder{Registry: registry(t, &asked)}
	avroOrder, err := avro.MustParse(orderSchema).Encode(map[string]any{"id": "7f", "total": 41.0})
	if err != nil {
		t.Fatal(err)
	}
	const protoOrder = `{"id":"7f","total":"41","lines":[{"sku":"A1","count":2}]}`
	for name, c := range map[string]struct {
		body                          []byte
		format, schema, text, problem string
	}{
		"avro":               {framed(1, avroOrder), Avro, "shop.Order", `{"id":"7f","total":41}`, ""},
		"avro, reference":    {framed(4, avroOrder), Avro, "Box", `{"order":{"id":"7f","total":41}}`, ""},
		"protobuf, first":    {framed(2, append([]byte{0}, fromHex(t, order)...)), Protobuf, "shop.Order", protoOrder, ""},
		"protobuf, nested":   {framed(2, fromHex(t, "04 00 00 0a 02 41 31")), Protobuf, "shop.Order.Line", `{"sku":"A1"}`, ""},
		"protobuf, by index": {framed(2, fromHex(t, "02 02 3a 01 78")), Protobuf, "shop.Receipt", `{"data":"eA=="}`, ""},
		"protobuf, imports":  {framed(5, append(fromHex(t, "00 0a 11"), fromHex(t, order)...)), Protobuf, "Box", `{"order":` + protoOrder + `}`, ""},
		"json":               {framed(3, []byte(`{"a":1}`)), JSON, "", `{"a":1}`, ""},
		"unknown id":         {framed(9, []byte(`{"a":1}`)), JSON, "", `{"a":1}`, "404"},
		"broken schema":      {framed(6, []byte(`{"a":1}`)), JSON, "", `{"a":1}`, "schema 6"},
		"no such message":    {framed(2, fromHex(t, "02 08 3a 01 78")), Hex, "", "", "no message [4]"},
		"torn":               {framed(1, avroOrder[:4]), Hex, "", "", "schema 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := d.Decode(t.Context(), Input{Body: c.body})
			if r.Format != c.format || r.Schema != c.schema || !strings.Contains(r.Problem, c.problem) || c.problem == "" && r.Problem != "" {
				t.Fatalf("got %+v", r)
			}
			if c.text != "" && compact(t, r.Text) != c.text {
				t.Errorf("text %s", r.Text)
			}
		})
	}
	before := asked.Load()
	for range 3 {
		d.Decode(t.Context(), Input{Body: framed(1, avroOrder)})
		d.Decode(t.Context(), Input{Body: framed(9, []byte("{}"))})
	}
	if asked.Load() != before {
		t.Errorf("the registry was asked again %d times", asked.Load()-before)
	}
}

func TestConfluentWithoutRegistry(t *testing.T) {
	d := &Decoder{Protos: shopProtos(t)}
	r := d.Decode(t.Context(), Input{Body: framed(7, append([]byte{0}, fromHex(t, order)...))})
	if r.Schema != "shop.Order" || !strings.Contains(r.Problem, "no schema registry") {
		t.Errorf("got %+v", r)
	}
	if r := d.Decode(t.Context(), Input{Body: []byte{0, 1, 2, 3, 4, 5, 255}}); r.Format != Hex || r.Problem != "" {
		t.Errorf("a body that starts with a zero by chance: %+v", r)
	}
}

func TestRegistryAddress(t *testing.T) {
	for _, address := range []string{"", "localhost:8081", "ftp://x", "http://"} {
		if _, err := NewRegistry(address, nil); err == nil || !strings.Contains(err.Error(), "http://localhost:8081") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
