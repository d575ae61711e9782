package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compact(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return b.String()
}

func TestFormatsAreFoundAndSayWhy(t *testing.T) {
	for name, c := range map[string]struct {
		in                   Input
		format, text, reason string
	}{
		"tombstone":       {Input{}, None, "", "no body"},
		"empty":           {Input{Body: []byte{}}, Empty, "", "no bytes"},
		"json by content": {Input{Body: []byte(`{"a":1}`), ContentType: "application/json; charset=utf-8"}, JSON, "{\n  \"a\": 1\n}", "content-type application/json"},
		"json by suffix":  {Input{Body: []byte(`[]`), ContentType: "application/vnd.api+json"}, JSON, "[]", "content-type"},
		"json by guess":   {Input{Body: []byte(` {"n":1.50,"n":2}`)}, JSON, "{\n  \"n\": 1.50,\n  \"n\": 2\n}", "guess"},
		"text":            {Input{Body: []byte("hello\twörld\n")}, Text, "hello\twörld\n", "guess"},
		"text declared":   {Input{Body: []byte("12"), ContentType: "text/plain"}, Text, "12", "content-type text/plain"},
		"msgpack":         {Input{Body: fromHex(t, "82 a1 61 01 a1 62 c4 02 ff fe")}, MsgPack, "{\n  \"a\": 1,\n  \"b\": \"//4=\"\n}", "guess"},
		"cbor":            {Input{Body: fromHex(t, "d9 d9 f7 a1 61 61 9f 01 ff")}, CBOR, "{\n  \"a\": [\n    1\n  ]\n}", "CBOR's own tag"},
		"cbor declared":   {Input{Body: fromHex(t, "18 64"), ContentType: "application/cbor"}, CBOR, "100", "content-type"},
		"field tree":      {Input{Body: fromHex(t, "08 96 01 12 03 66 6f 6f 1a 02 08 01")}, Protobuf, "1: 150\n2: \"foo\"\n3 {\n  1: 1\n}\n", "Protobuf fields"},
		"hex":             {Input{Body: fromHex(t, "ff 00 ff")}, Hex, "00000000  ff 00 ff                                          |...|\n", "no format fits"},
	} {
		t.Run(name, func(t *testing.T) {
			r := new(Decoder).Decode(t.Context(), c.in)
			if r.Format != c.format || r.Text != c.text || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("got %s (%s)\n%s\nwant %s (%s)\n%s", r.Format, r.Reason, r.Text, c.format, c.reason, c.text)
			}
		})
	}
}

func TestWhatSaysItIsJSONAndIsNot(t *testing.T) {
	r := new(Decoder).Decode(t.Context(), Input{Body: []byte("{nope"), ContentType: "application/json"})
	if r.Format != Text || !strings.Contains(r.Problem, "application/json") {
		t.Errorf("got %+v", r)
	}
}

// compressed gives the body under each name that a content-encoding may have.
func compressed(t testing.TB, body []byte) map[string][]byte {
	t.Helper()
	var gz, lz, fs bytes.Buffer
	g, l, s := gzip.NewWriter(&gz), lz4.NewWriter(&lz), s2.NewWriter(&fs, s2.WriterSnappyCompat())
	for _, w := range []interface {
		Write(b []byte) (int, error)
		Close() error
	}{g, l, s} {
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	block := s2.EncodeSnappy(nil, body)
	java := append([]byte(snappyJava), 0, 0, 0, 1, 0, 0, 0, 1)
	java = append(binary.BigEndian.AppendUint32(java, uint32(len(block))), block...)
	return map[string][]byte{"gzip": gz.Bytes(), "lz4": lz.Bytes(), "snappy": fs.Bytes(), "zstd": z.EncodeAll(body, nil),
		"snappy block": block, "snappy java": java}
}

func TestCompressionIsOpened(t *testing.T) {
	for name, body := range compressed(t, []byte(`{"order":7}`)) {
		t.Run(name, func(t *testing.T) {
			encoding, _, _ := strings.Cut(name, " ")
			said := new(Decoder).Decode(t.Context(), Input{Body: body, ContentEncoding: encoding})
			if said.Format != JSON || said.Title() != encoding+" → json" || said.Size != 11 || said.Problem != "" {
				t.Errorf("declared: %+v", said)
			}
			if name == "snappy block" {
				return // has no magic bytes
			}
			found := new(Decoder).Decode(t.Context(), Input{Body: body})
			if found.Text != said.Text {
				t.Errorf("by magic: %+v", found)
			}
		})
	}
}

func TestExpansionIsBounded(t *testing.T) {
	bomb := bytes.Repeat([]byte("a"), maxExpanded+100)
	for name, body := range compressed(t, bomb) {
		encoding, _, _ := strings.Cut(name, " ")
		r := new(Decoder).Decode(t.Context(), Input{Body: body, ContentEncoding: encoding})
		if r.Size > maxExpanded || len(r.Text) > DefaultLimit || !r.Cut {
			t.Errorf("%s: %s of %d bytes, %d shown, cut %v, %s", name, r.Format, r.Size, len(r.Text), r.Cut, r.Problem)
		}
	}
}

func TestDeepNestingDoesNotExplode(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	r := (&Decoder{Limit: 5000}).Decode(t.Context(), Input{Body: []byte(deep)})
	if r.Format != JSON || !r.Cut || len(r.Text) > 5000 || r.Structured() {
		t.Errorf("%s, cut %v, %d bytes", r.Format, r.Cut, len(r.Text))
	}
}

func TestMessagePack(t *testing.T) {
	for in, want := range map[string]string{
		"c0": "null", "c3": "true", "7f": "127", "ff": "-1", "cc ff": "255", "d0 80": "-128", "d1 ff 00": "-256",
		"d3 8000000000000000": "-9223372036854775808", "cf ffffffffffffffff": "18446744073709551615",
		"ca 3fc00000": "1.5", "cb 7ff8000000000001": `"NaN"`, "d9 03 616263": `"abc"`, "93 01 02 90": "[1,2,[]]",
		"81 01 c2": `{"1":false}`, "81 92 01 02 03": `{"[1,2]":3}`, "d4 05 aa": `{"$ext":5,"data":"qg=="}`,
		"d6 ff 00000000": `"1970-01-01T00:00:00Z"`, "dc 0001 a1 78": `["x"]`, "de 0001 a1 78 80": `{"x":{}}`,
	} {
		r, ok := (&attempt{Decoder: new(Decoder), Input: Input{Body: fromHex(t, in)}, limit: 1000}).msgpack("")
		if !ok || compact(t, r.Text) != want {
			t.Errorf("%s: %q, want %s", in, r.Text, want)
		}
	}
	for _, in := range []string{"c1", "92 01", "a5 61", "df ffffffff", strings.Repeat("91", 100) + "00", "01 01"} {
		if r, ok := (&attempt{Decoder: new(Decoder), Input: Input{Body: fromHex(t, in)}, limit: 1000}).msgpack(""); ok {
			t.Errorf("%s was read as %q", in, r.Text)
		}
	}
}

// The examples of RFC 8949, appendix A.
func TestCBOR(t *testing.T) {
	for in, want := range map[string]string{
		"00": "0", "1818": "24", "1bffffffffffffffff": "18446744073709551615", "3bffffffffffffffff": "-18446744073709551616",
		"c249010000000000000000": "18446744073709551616", "c349010000000000000000": "-18446744073709551617", "20": "-1",
		"f93c00": "1", "f97bff": "65504", "f90001": "5.9604645e-08", "f9c400": "-4", "f97c00": `"+Inf"`, "fa47c35000": "100000",
		"fb3ff199999999999a": "1.1", "f4": "false", "f6": "null", "f7": "null", "f0": `"simple(16)"`,
		"c074323031332d30332d32315432303a30343a30305a": `"2013-03-21T20:04:00Z"`, "4401020304": `"AQIDBA=="`,
		"62225c": `"\"\\"`, "83010203": "[1,2,3]", "a201020304": `{"1":2,"3":4}`, "5f42010243030405ff": `"AQIDBAU="`,
		"7f657374726561646d696e67ff": `"streaming"`, "9f018202039f0405ffff": "[1,[2,3],[4,5]]", "bf61610161629f0203ffff": `{"a":1,"b":[2,3]}`,
	} {
		r, ok := (&attempt{Decoder: new(Decoder), Input: Input{Body: fromHex(t, in)}, limit: 1000}).cbor("")
		if !ok || compact(t, r.Text) != want {
			t.Errorf("%s: %q, want %s", in, r.Text, want)
		}
	}
	for _, in := range []string{"1c", "ff", "9f01", "5f01ff", "61", "9bffffffffffffffff", strings.Repeat("81", 100) + "00"} {
		if r, ok := (&attempt{Decoder: new(Decoder), Input: Input{Body: fromHex(t, in)}, limit: 1000}).cbor(""); ok {
			t.Errorf("%s was read as %q", in, r.Text)
		}
	}
}

func TestAvroFile(t *testing.T) {
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, avro.MustParse(orderSchema))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := w.Encode(map[string]any{"id": id, "total": 4.5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := new(Decoder).Decode(t.Context(), Input{Body: b.Bytes()})
	if r.Format != Avro || compact(t, r.Text) != `[{"id":"a","total":4.5},{"id":"b","total":4.5}]` {
		t.Errorf("got %+v", r)
	}
}

const orderProto = `syntax = "proto3"; package shop;
import "google/protobuf/timestamp.proto";
message Order { string id = 1; int64 total = 2; repeated Line lines = 3; google.protobuf.Timestamp at = 4;
  message Line { string sku = 1; fixed32 count = 9; } }
message Receipt { bytes data = 7; Order order = 8; }
`

// order is a shop.Order: id "7f", total 41, one line of sku "A1" and count 2.
const order = "0a 02 37 66 10 29 1a 09 0a 02 41 31 4d 02 00 00 00"

func shopProtos(t testing.TB) *Protos {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.proto"), []byte(orderProto), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadProtos(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProtobuf(t *testing.T) {
	const want = `{"id":"7f","total":"41","lines":[{"sku":"A1","count":2}]}`
	d := &Decoder{Protos: shopProtos(t), Types: map[string]string{"orders": "shop.Order", "wrong": "shop.Missing"}}
	for name, in := range map[string]Input{
		"by topic":        {Names: []string{"x", "orders"}},
		"by type":         {Type: "shop.Order"},
		"by content type": {ContentType: `application/x-protobuf; messageType="shop.Order"`},
		"only fit":        {ContentType: "application/protobuf"},
		"by guess":        {},
	} {
		t.Run(name, func(t *testing.T) {
			in.Body = fromHex(t, order)
			r := d.Decode(t.Context(), in)
			if r.Format != Protobuf || r.Schema != "shop.Order" || compact(t, r.Text) != want || !r.Structured() {
				t.Errorf("got %+v", r)
			}
		})
	}
	t.Run("unknown fields are told", func(t *testing.T) {
		r := d.Decode(t.Context(), Input{Body: fromHex(t, order+"c8 01 05"), Type: "shop.Order"})
		if r.Schema != "shop.Order" || !strings.Contains(r.Problem, "3 bytes") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a type that no file defines", func(t *testing.T) {
		r := d.Decode(t.Context(), Input{Body: fromHex(t, order), Names: []string{"wrong"}})
		if !strings.HasPrefix(r.Text, `1: "7f"`) || !strings.Contains(r.Problem, "shop.Missing") || r.Structured() {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("not of that type", func(t *testing.T) {
		r := d.Decode(t.Context(), Input{Body: []byte(`{"id":1}`), Type: "shop.Order"})
		if r.Format != JSON || !strings.Contains(r.Problem, "not a shop.Order") {
			t.Errorf("got %+v", r)
		}
	})
}

func TestLoadProtos(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good.proto": orderProto, "bad.proto": "syntax = \"proto3\";\nmessage X { strin id = 1; }\n", "other.txt": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := LoadProtos(t.Context(), dir, filepath.Join(dir, "none"), filepath.Join(dir, "other.txt"))
	if err == nil || !strings.Contains(err.Error(), "bad.proto:2:13") || !strings.Contains(err.Error(), "other.txt is not a descriptor set") || !strings.Contains(err.Error(), "none") {
		t.Errorf("error %v", err)
	}
	if got := strings.Join(p.Messages(), " "); got != "shop.Order shop.Order.Line shop.Receipt" {
		t.Errorf("messages %s", got)
	}
}

func TestIndentIsJSONIndent(t *testing.T) {
	for _, in := range []string{`{}`, `[ ]`, `[[],{}]`, `{"a":[1,2,{"b":"\"}]{,:\\"}],"c":null}`, `"x\\"`, `-1.5e3`} {
		var want bytes.Buffer
		if err := json.Indent(&want, []byte(compact(t, in)), "", "  "); err != nil {
			t.Fatal(err)
		}
		if got, cut := indent([]byte(in), 1000); got != want.String() || cut {
			t.Errorf("%s:\n%s\nwant\n%s", in, got, want.String())
		}
	}
}

func TestHalfFloats(t *testing.T) {
	if !math.IsNaN(halfFloat(0x7e00)) || !math.IsInf(halfFloat(0xfc00), -1) || halfFloat(0x3555) != 0.333251953125 {
		t.Errorf("%v %v %v", halfFloat(0x7e00), halfFloat(0xfc00), halfFloat(0x3555))
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range compressed(f, []byte(`{"a":[1,"b"]}`)) {
		f.Add(body, "", "")
	}
	f.Add(fromHex(f, order), "application/x-protobuf", "")
	f.Add(fromHex(f, "82 a1 61 01 a1 62 c4 02 ff fe"), "application/msgpack", "identity")
	f.Add(fromHex(f, "bf61610161629f0203ffff"), "application/cbor", "utf-8")
	f.Add(fromHex(f, "00 00000001 0002 41 31"), "", "gzip, zstd")
	f.Add([]byte("Obj\x01\x02"), "", "snappy")
	d := &Decoder{Protos: shopProtos(f), Limit: 4000}
	f.Fuzz(func(t *testing.T, body []byte, contentType, encoding string) {
		r := d.Decode(t.Context(), Input{Body: body, ContentType: contentType, ContentEncoding: encoding})
		if len(r.Text) > d.Limit || r.Format == "" || r.Reason == "" {
			t.Errorf("%s %q: %d bytes", r.Format, r.Reason, len(r.Text))
		}
		if r.Structured() && !json.Valid([]byte(r.Text)) {
			t.Errorf("%s is not JSON: %q (from %s)", r.Format, r.Text, base64.StdEncoding.EncodeToString(body))
		}
	})
}
