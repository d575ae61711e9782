package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

func everyType() Table {
	return Table{
		{"bool", true}, {"i8", int8(-1)}, {"u8", uint8(200)}, {"i16", int16(-2)}, {"u16", uint16(60000)}, {"i32", int32(-3)},
		{"u32", uint32(4e9)}, {"i64", int64(-4)}, {"u64", uint64(1 << 63)}, {"f32", float32(1.5)}, {"f64", 2.5}, {"decimal", Decimal{2, 314}},
		{"string", "text"}, {"bytes", []byte{0, 255}}, {"array", Array{"a", int32(1), Table{{"x", nil}}}},
		{"time", Timestamp(1700000000)}, {"table", Table{{"k", "v"}}}, {"void", nil}, {"void", "a second one of the name"},
	}
}

func TestTableKeepsTypesOrderAndDuplicates(t *testing.T) {
	want := everyType()
	got, err := ParseTable(AppendTable(nil, want)[4:])
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, %v\nwant %v", got, err, want)
	}
}

func TestTableRefuses(t *testing.T) {
	deep := Table{{"x", int8(1)}}
	for range maxDepth + 2 {
		deep = Table{{"x", deep}}
	}
	for name, b := range map[string][]byte{
		"a key cut short":         {5, 'a'},
		"a value cut short":       {1, 'a', 'I', 0},
		"a string beyond the end": {1, 'a', 'S', 0xff, 0xff, 0xff, 0xff, 'x'},
		"an unknown type":         {1, 'a', 'Z'},
		"endless nesting":         AppendTable(nil, deep)[4:],
	} {
		if v, err := ParseTable(b); err == nil {
			t.Errorf("%s: accepted as %v", name, v)
		}
	}
}

func TestProperties(t *testing.T) {
	want := Properties{ContentType: "t", ContentEncoding: "e", Headers: everyType(), DeliveryMode: 2, Priority: 3, CorrelationID: "c",
		ReplyTo: "r", Expiration: "100", MessageID: "m", Timestamp: 5, Type: "ty", UserID: "u", AppID: "a", ClusterID: "cl"}
	for bit := HasContentType; bit >= HasClusterID; bit >>= 1 {
		want.Has |= bit
	}
	raw := want.Append(nil)
	got, err := ParseProperties(raw)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	v, err := Scan(raw)
	if err != nil || v.DeliveryMode != 2 || v.Priority != 3 || string(v.ReplyTo) != "r" || string(v.Expiration) != "100" || string(v.UserID) != "u" {
		t.Fatalf("got %+v, %v", v, err)
	}
	for n := range raw {
		if _, err := Scan(raw[:n]); err == nil {
			t.Fatalf("the first %d of %d octets were accepted", n, len(raw))
		}
	}
}

func TestEveryMethodComesBack(t *testing.T) {
	for id := range blanks {
		m := blank(id)
		if m.ID() != id {
			t.Errorf("%T says it is %x, not %x", m, m.ID(), id)
		}
		frame := AppendMethod(nil, 7, m)
		f, err := NewReader(bytes.NewReader(frame), 0).Next()
		if err != nil || f.Channel != 7 || f.Type != FrameMethod {
			t.Fatalf("%T: %+v, %v", m, f, err)
		}
		got, err := Parse(f.Payload)
		if err != nil || reflect.TypeOf(got) != reflect.TypeOf(m) {
			t.Errorf("%T came back as %T, %v", m, got, err)
		}
	}
}

func TestContentIsCutIntoFrames(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 1000)
	b := AppendContent(nil, 1, []byte{0, 0}, body, 4096)
	r := NewReader(bytes.NewReader(b), 4096)
	var got []byte
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(f.Payload)+FrameOverhead > 4096 {
			t.Fatalf("%d octets, %v", len(f.Payload), err)
		}
		if f.Type == FrameBody {
			got = append(got, f.Payload...)
		} else if h, err := ParseContentHeader(f.Payload); err != nil || h.BodySize != uint64(len(body)) {
			t.Fatalf("%+v, %v", h, err)
		}
	}
	if !bytes.Equal(got, body) {
		t.Fatalf("got %d octets", len(got))
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"a frame beyond the limit":      {1, 0, 0, 0xff, 0xff, 0xff, 0xff},
		"a frame without its end octet": {1, 0, 0, 0, 0, 0, 1, 'x', 'y'},
	} {
		var broken *FrameError
		if _, err := NewReader(bytes.NewReader(b), 4096).Next(); !errors.As(err, &broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewReader(bytes.NewReader([]byte{1, 0, 0, 0, 0, 0, 9, 1}), 4096).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a frame cut short: %v", err)
	}
}

// FuzzFrames feeds hostile input to everything that parses frames. Nothing may panic, and a frame that promises much
// may not cost more memory than arrives.
func FuzzFrames(f *testing.F) {
	for id := range blanks {
		f.Add(AppendMethod(nil, 1, blank(id)))
	}
	p := Properties{Headers: everyType(), Has: HasHeaders | HasExpiration, Expiration: "5"}
	f.Add(AppendContent(nil, 1, p.Append(nil), []byte("body"), 4096))
	f.Add(AppendHeartbeat(nil))
	f.Add([]byte{3, 0, 1, 0x07, 0xff, 0xff, 0xff, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), 0)
		for {
			frame, err := r.Next()
			if err != nil {
				if cap(r.scratch) > 4*len(b)+(256<<10) {
					t.Fatalf("%d octets of input made a buffer of %d", len(b), cap(r.scratch))
				}
				return
			}
			parseAnything(t, frame)
		}
	})
}

func parseAnything(t *testing.T, f Frame) {
	if m, err := Parse(f.Payload); err == nil {
		AppendMethod(nil, f.Channel, m)
	}
	_, _ = ParsePublish(f.Payload)
	h, err := ParseContentHeader(f.Payload)
	if err != nil {
		return
	}
	_, scanErr := Scan(h.Properties)
	p, err := ParseProperties(h.Properties)
	if err != nil {
		return
	}
	if scanErr != nil {
		t.Fatalf("Scan refuses what ParseProperties takes: %v", scanErr)
	}
	p.Append(nil)
}
