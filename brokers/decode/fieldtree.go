package decode

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// fieldTree shows Protobuf of an unknown schema: field numbers with what their wire types tell, nested where the
// bytes parse as a message. It refuses what does not parse to the last byte.
func (a *attempt) fieldTree(b []byte, reason string) (Result, bool) {
	t := tree{limit: a.limit}
	if !t.fields(b, 0) {
		return Result{}, false
	}
	text, cut := clip([]byte(t.out.String()), a.limit)
	return Result{Format: Protobuf, Reason: reason, Text: text, Cut: cut || t.full()}, true
}

type tree struct {
	out   strings.Builder
	limit int
}

func (t *tree) full() bool { return t.out.Len() > t.limit }

// fields writes all fields of a message, one a line. What it wrote counts only when it returns true.
func (t *tree) fields(b []byte, depth int) bool {
	if depth > maxDepth || !wellFormed(b) {
		return false
	}
	for len(b) > 0 && !t.full() {
		num, kind, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(num, kind, b[n:])
		t.field(num, kind, b[n:n+size], depth)
		b = b[n+size:]
	}
	return true
}

// wellFormed tells whether b is a sequence of fields to its last byte.
func wellFormed(b []byte) bool {
	for len(b) > 0 {
		_, kind, n := protowire.ConsumeField(b)
		if n < 0 || kind == protowire.EndGroupType {
			return false
		}
		b = b[n:]
	}
	return true
}

func (t *tree) field(num protowire.Number, kind protowire.Type, b []byte, depth int) {
	t.out.WriteString(strings.Repeat("  ", depth))
	t.out.WriteString(strconv.Itoa(int(num)))
	switch kind {
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(b)
		fmt.Fprintf(&t.out, ": %d\n", v)
	case protowire.Fixed32Type:
		v, _ := protowire.ConsumeFixed32(b)
		fmt.Fprintf(&t.out, ": 0x%08x\n", v)
	case protowire.Fixed64Type:
		v, _ := protowire.ConsumeFixed64(b)
		fmt.Fprintf(&t.out, ": 0x%016x\n", v)
	case protowire.BytesType:
		v, _ := protowire.ConsumeBytes(b)
		t.bytes(v, depth)
	case protowire.StartGroupType:
		v, _ := protowire.ConsumeGroup(num, b)
		t.nested(v, depth)
	}
}

// bytes shows a field that may be a string, a message or bytes: text first, as short messages seldom are text.
func (t *tree) bytes(b []byte, depth int) {
	switch {
	case printable(b):
		fmt.Fprintf(&t.out, ": %s\n", strconv.Quote(string(b)))
	case depth < maxDepth && wellFormed(b):
		t.nested(b, depth)
	default:
		fmt.Fprintf(&t.out, ": %s\n", strconv.Quote(string(b)))
	}
}

func (t *tree) nested(b []byte, depth int) {
	t.out.WriteString(" {\n")
	t.fields(b, depth+1)
	t.out.WriteString(strings.Repeat("  ", depth) + "}\n")
}

func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return false
		}
	}
	return true
}
