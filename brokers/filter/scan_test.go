package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/itchyny/gojq"

	"msdev/brokers"
)

var jsonTexts = []string{
	`{}`, `[]`, ` {"a" : 1 , "b":[1,2,{"a":"x"}]} `, `{"a":1,"a":2}`, `{"a":{"b":1},"a":{"b":2}}`, `{"\u0061":"\u00fc\n","b":null}`, `"a"`, `-0.5e+10`, `0`, `true`, `null`,
	`{"a":"b\\","c":"\""}`, "{\"a\":\"\xff\"}", "{\"\xff\":1}", `{"items":[{"n":1},{"n":2},[3]],"total":41.5,"id":"7f"}`, `[[],[{}],{"a":[]}]`, `{"a":{"b":{"c":[1,{"d":false}]}}}`,
	``, ` `, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[1 2]`, `01`, `1.`, `.5`, `-`, `1e`, `+1`, `tru`, `truex`, `"a`, `"\x"`, `"\u12g4"`, `"\u12"`, "\"\n\"", `{}{}`, `{"a":1}]`,
	`nul`, `[`, `{"a":1 "b":2}`, `{a:1}`, `'a'`, "\ufeff{}", `1 2`, `"\`, `{"a":tru}`, `[tru]`,
}

// decoded is what encoding/json makes of a text.
func decoded(text []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, errors.Is(err, io.EOF)
}

func checkJSON(t *testing.T, text []byte) {
	t.Helper()
	want, is := decoded(text)
	got, ok := JSON(&brokers.Message{Body: text})
	if ok != is || is && !reflect.DeepEqual(got, want) {
		t.Errorf("%q is %#v %t, not %#v %t", text, got, ok, want, is)
	}
}

func TestJSONIsThatOfTheStandardLibrary(t *testing.T) {
	for _, text := range jsonTexts {
		checkJSON(t, []byte(text))
	}
	checkJSON(t, []byte(strings.Repeat("[", 10000)+strings.Repeat("]", 10000)))
	checkJSON(t, []byte(strings.Repeat("[", 10001)+strings.Repeat("]", 10001)))
}

func FuzzJSON(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(checkJSON)
}

// TestTextTellsWhatTheValueTells follows paths in text, and in the values of the same text.
func TestTextTellsWhatTheValueTells(t *testing.T) {
	paths := []string{"$.a", "$.a == 1", "$.a == 2", "$.a.b == 2", "$.a.b == 1", "$.a.b", "$.a.b.c[1].d == false", "$[0]", "$[1][0]", "$[*]", "$.b[*].a == x", "$.b[2].a =~ x",
		"$.items[*].n > 1", "$.items[*].n > 2", "$.items[0].n", "$.items[*]", "$.*", "$.a.*", "$..n", "$..a == x", "$.b[-1].a", "$.total > 40", "$.total < 40", "$.id == 7f", "$.id != 7f",
		`$.a == "ü\n"`, "$.a =~ ü", "$.b == null", "$.a != null", `$["\ufffd"]`, `$.c == '"'`, "$.nope != 1"}
	for _, expr := range paths {
		f, err := Compile(expr, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range jsonTexts {
			v, is := decoded([]byte(text))
			p := parser{text: expr}
			steps, err := p.steps()
			if err != nil {
				t.Fatal(err)
			}
			compared, err := p.comparison()
			if err != nil {
				t.Fatal(err)
			}
			want := is && walk(v, steps, compared.passes)
			if got, err := f.Match(&brokers.Message{Body: []byte(text)}); err != nil || got != want {
				t.Errorf("%s on %q: %t, %v; its value: %t", expr, text, got, err, want)
			}
		}
	}
}

// TestTouched also runs each expression on all of the object and on the part that it is said to look at.
func TestTouched(t *testing.T) {
	const text = `{"a":{"b":[{"c":1},{"c":2}],"x":"yes"},"d":"e","n":5,"k":"d","l":[1,2]}`
	for source, want := range map[string]string{
		".a": "a", ".a.b": "a", ".n > 4": "n", ".n > 4 and .d == \"e\"": "n d", ".a.b[0].c": "a", ".a.b[] | .c == 2": "a", ".a | .b | length > 1": "a", `."d"`: "d", `.["d"]`: "d", ".a?": "a",
		"(.n + 1) > 5": "n", "-.n < 0": "n", ".nope // .d": "nope d", "select(.n == 5)": "n", "select(.n == 5) | .d": "n d", "select(.n == 5) | select(.d == \"x\")": "n d", ".": "", "true": "", "$key == null": "",
		".n as $x | .d": "*", "length > 3": "*", ".. | .c? == 2": "*", ".[\"d\"] == .[.k]": "*", "keys": "*", "to_entries[] | .key == \"d\"": "*", "def f: .d; f": "*", ".l[.n - 5]": "l n",
		". == {}": "*", "[.n]": "*", "{n}": "*", "if .n then .d else . end": "*", ".[]": "*", "del(.a) | .d": "*", "\"\\(.d)\" == \"e\"": "*", ".a = 1 | .d": "*", "not": "*", "select(. == 1)": "*", ". | .d": "*",
		"(.) | .d": "*", "(., .n) | .d?": "*", "any(.l[]; . == 2)": "*",
	} {
		query, err := gojq.Parse(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		names, some := touched(query)
		got := strings.Join(names, " ")
		if !some {
			got = "*"
		}
		if got != want {
			t.Errorf("%s looks at %q, not %q", source, got, want)
		}
		m := &brokers.Message{Body: []byte(text)}
		f, err := Compile("jq: "+source, nil)
		if err != nil {
			t.Fatal(err)
		}
		code, err := gojq.Compile(query, gojq.WithVariables([]string{"$key", "$headers"}))
		if err != nil {
			t.Fatal(err)
		}
		all, _ := decoded(m.Body)
		passes, err := anyTrue(t.Context(), code.Run(all, nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		if part, err := f.Match(m); err != nil || part != passes {
			t.Errorf("%s: %t, %v; of all of it: %t", source, part, err, passes)
		}
	}
}
