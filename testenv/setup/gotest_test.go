package main

import (
	"strings"
	"testing"
)

func TestPrintTests(t *testing.T) {
	lines := strings.Join([]string{
		`{"Action":"start","Package":"p"}`,
		`{"Action":"output","Package":"p","Test":"TestGood","Output":"=== RUN   TestGood\n"}`,
		`{"Action":"output","Package":"p","Test":"TestGood","Output":"    x.go:1: quiet\n"}`,
		`{"Action":"pass","Package":"p","Test":"TestGood"}`,
		`{"Action":"output","Package":"p","Test":"TestBad","Output":"    x.go:2: wrong\n"}`,
		`{"Action":"output","Package":"p","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}`,
		`{"Action":"fail","Package":"p","Test":"TestBad"}`,
		`{"Action":"output","Package":"p","Test":"TestShy","Output":"    x.go:3: no engine\n"}`,
		`{"Action":"output","Package":"p","Test":"TestShy","Output":"--- SKIP: TestShy (0.00s)\n"}`,
		`{"Action":"skip","Package":"p","Test":"TestShy"}`,
		`{"Action":"output","Package":"p","Output":"FAIL\n"}`,
		`{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}`,
		`{"Action":"fail","Package":"p"}`,
		`{"ImportPath":"q","Action":"build-output","Output":"q/x.go:1:1: syntax error\n"}`,
		`{"Action":"skip","Package":"r"}`,
		`not json`,
	}, "\n") + "\n"
	var out strings.Builder
	skipped, err := printTests(&out, strings.NewReader(lines), false)
	if err != nil {
		t.Fatal(err)
	}
	want := "    x.go:2: wrong\n--- FAIL: TestBad (0.00s)\nFAIL\nFAIL\tp\t0.1s\nq/x.go:1:1: syntax error\nnot json\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	if len(skipped) != 1 || skipped[0] != "  p TestShy\n    x.go:3: no engine\n" {
		t.Errorf("skipped %q", skipped)
	}
	out.Reset()
	if _, err := printTests(&out, strings.NewReader(lines), true); err != nil || !strings.Contains(out.String(), "x.go:1: quiet") {
		t.Errorf("verbose printed\n%s\nerror %v", out.String(), err)
	}
}

func TestTail(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", ""},
		{"the last", "a\nb\nc\n", "b\nc"},
		{"fewer", "a", "a"},
		{"empty lines", "a\n\n  \nb\n\n", "a\nb"},
		{"progress", "10%\r90%\rdone    \r\nb\n", "done\nb"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := tail(test.text, 2); got != test.want {
				t.Errorf("tail %q, want %q", got, test.want)
			}
		})
	}
}
