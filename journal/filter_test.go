package journal

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const aTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestFilter(t *testing.T) {
	log := func(text string) Record { return Record{Kind: KindLog, Text: text} }
	for _, c := range []struct {
		name   string
		filter Filter
		record Record
		want   bool
	}{
		{"text", Filter{Text: "plac"}, log("order placed"), true},
		{"text in another case", Filter{Text: "placed"}, log("Order PLACED"), true},
		{"upper case counts", Filter{Text: "Placed"}, log("order placed"), false},
		{"upper case found", Filter{Text: "Placed"}, log("order Placed"), true},
		{"case asked for", Filter{Text: "placed", CaseSensitive: true}, log("Placed"), false},
		{"beyond ASCII", Filter{Text: "größe"}, log("die GRÖßE"), true},
		{"upper case beyond ASCII", Filter{Text: "GRÖ"}, log("größe"), false},
		{"Cyrillic", Filter{Text: "ошибка"}, log("Внимание: ОШИБКА"), true},
		{"not there", Filter{Text: "x"}, log("order"), false},
		{"at the end", Filter{Text: "placed"}, log("place placed"), true},
		{"cut at the end", Filter{Text: "placed"}, log("is plac"), false},
		{"body", Filter{Text: "Bar.java"}, Record{Kind: KindLog, Text: "failed", Body: []byte("\tat Foo(Bar.java:1)")}, true},
		{"no body", Filter{Text: "x"}, Record{Text: "failed", Body: []byte("abc")}, false},
		{"through colours", Filter{Text: "count=3"}, log("\x1b[36mcount=\x1b[0m3"), true},
		{"never in an escape sequence", Filter{Text: "36m"}, log("\x1b[36mcount=\x1b[0m3"), false},
		{"invert", Filter{Text: "health", Invert: true}, log("GET /health"), false},
		{"invert lets pass", Filter{Text: "health", Invert: true}, log("GET /orders"), true},
		{"invert nothing", Filter{Invert: true, Level: LevelWarn}, log("ERROR x"), true},
		{"regexp", Filter{Text: `order \d+ (placed|paid)`, Regexp: true}, log("Order 12 PAID"), true},
		{"regexp fails behind its literal", Filter{Text: `order \d+ paid`, Regexp: true}, log("order paid"), false},
		{"regexp without a literal", Filter{Text: `^\d+$`, Regexp: true}, log("123"), true},
		{"regexp of choices", Filter{Text: `foo|bar`, Regexp: true}, log("BAR"), true},
		{"regexp with an optional literal", Filter{Text: `(abc)?d`, Regexp: true}, log("d"), true},
		{"regexp repeated", Filter{Text: `(abc)+`, Regexp: true}, log("xABCx"), true},
		{"regexp with upper case", Filter{Text: `Order`, Regexp: true}, log("order"), false},
		{"regexp class is no upper case", Filter{Text: `\Sbc`, Regexp: true}, log("ABC"), true},
		{"regexp beyond ASCII", Filter{Text: `gr.ße`, Regexp: true}, log("GRÖßE"), true},
		{"meta characters as text", Filter{Text: "a.b(c"}, log("xa.b(cx"), true},
		{"level", Filter{Level: LevelWarn}, log(`{"level":"error","msg":"x"}`), true},
		{"level too low", Filter{Level: LevelWarn}, log(`level=info msg=x`), false},
		{"no level", Filter{Level: LevelTrace}, log("hello"), false},
		{"level of a message", Filter{Level: LevelFatal}, Record{Kind: KindMessage, Text: "INFO x"}, true},
		{"trace", Filter{Trace: strings.ToUpper(aTrace)}, Record{Trace: aTrace}, true},
		{"another trace", Filter{Trace: aTrace}, Record{Trace: strings.Repeat("a", 32), Text: aTrace}, false},
		{"trace in the text", Filter{Trace: aTrace}, log("trace_id=" + aTrace), true},
		{"text and level", Filter{Text: "x", Level: LevelError}, log("ERROR y"), false},
	} {
		match, err := c.filter.Compile()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := match(&c.record); got != c.want {
			t.Errorf("%s: %+v of %q is %v", c.name, c.filter, c.record.Text, got)
		}
	}
}

func TestFilterThatLetsAllPass(t *testing.T) {
	for _, f := range []Filter{{}, {Invert: true}, {Regexp: true}, {CaseSensitive: true}} {
		if match, err := f.Compile(); match != nil || err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		`order (a|b`:      "the regular expression is wrong at column 7: missing closing )",
		`(a) (b [(] \( c`: "the regular expression is wrong at column 5: missing closing )",
		`ä[z-a]`:          "the regular expression is wrong at column 3: invalid character class range",
		`a)b`:             "the regular expression is wrong at column 2: unexpected )",
		`*x`:              "the regular expression is wrong at column 1: missing argument to repetition operator",
		`x\`:              "the regular expression is wrong at column 2: trailing backslash at end of expression",
		`a[b`:             "the regular expression is wrong at column 2: missing closing ]",
		`ab(?<n`:          "the regular expression is wrong at column 3: invalid named capture",
	} {
		_, err := Filter{Text: pattern, Regexp: true}.Compile()
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", pattern, err, want)
		}
	}
}

// The fast search must find just what the highlighted pattern finds.
func TestFilterFindsWhatItsPatternFinds(t *testing.T) {
	letters := rapid.SampledFrom([]rune("abAB e.0ΣσςäÄ日"))
	rapid.Check(t, func(t *rapid.T) {
		f := Filter{Text: rapid.StringOfN(letters, 1, 4, -1).Draw(t, "text"), CaseSensitive: rapid.Bool().Draw(t, "case")}
		r := Record{Kind: KindLog, Text: rapid.StringOfN(letters, 0, 30, -1).Draw(t, "line")}
		match, err := f.Compile()
		if err != nil {
			t.Fatal(err)
		}
		re, err := f.Pattern()
		if err != nil {
			t.Fatal(err)
		}
		if got := match(&r); got != re.MatchString(r.Text) {
			t.Fatalf("%v of %q in %q, but the pattern says otherwise", got, f.Text, r.Text)
		}
	})
}
