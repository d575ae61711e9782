package decode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"msdev/brokers"
)

// TestSchemasFollowTheirFiles edits a .proto file between two messages.
func TestSchemasFollowTheirFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write := func(field string) {
			text := `syntax="proto3"; package shop; message Note { string ` + field + ` = 1; }`
			if err := os.WriteFile(filepath.Join(dir, "note.proto"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("text")
		s := NewSchemas([]string{dir}, map[string]string{"notes": "shop.Note"}, nil)
		m := brokers.Message{Kind: brokers.Kafka, Topic: "notes", Body: []byte("\x0a\x02hi")}
		read := func() string { return compact(t, s.Decoder(t.Context()).Decode(t.Context(), Of(&m)).Text) }
		if got := read(); got != `{"text":"hi"}` {
			t.Fatal(got)
		}
		first := s.Decoder(t.Context())
		write("headline")
		<-time.After(schemasLook)
		if got := read(); got != `{"headline":"hi"}` {
			t.Errorf("after the edit: %s", got)
		}
		if s.Decoder(t.Context()) == first {
			t.Error("it is the same decoder")
		}
		if v, ok := s.Decoder(t.Context()).Values(&m); !ok || v.(map[string]any)["headline"] != "hi" {
			t.Errorf("a filter sees %v", v)
		}
	})
}

func TestSchemasSayWhatIsWrong(t *testing.T) {
	s := NewSchemas([]string{filepath.Join(t.TempDir(), "nowhere")}, nil, nil)
	d := s.Decoder(t.Context())
	if !strings.Contains(d.Trouble, "nowhere") {
		t.Errorf("trouble is %q", d.Trouble)
	}
	for body, told := range map[string]bool{"\x0a\x02\xff\xfe": true, `{"a":1}`: false, "plain": false} {
		if r := d.Decode(t.Context(), Input{Body: []byte(body)}); strings.Contains(r.Problem, "nowhere") != told {
			t.Errorf("%q: the problem is %q", body, r.Problem)
		}
	}
	var none *Schemas
	if none.Any() || !none.Same(nil) || none.Same(s) || none.Decoder(t.Context()) == nil {
		t.Error("no schemas are some")
	}
	if more := none.With([]string{"a"}, map[string]string{"x": "y"}, nil); !more.Any() || more.Same(s) || !more.Same(NewSchemas([]string{"a"}, map[string]string{"x": "y"}, nil)) {
		t.Error("With adds nothing")
	}
}
