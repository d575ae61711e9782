package service

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	env := map[string]string{
		"NAME": "x", "EMPTY": "", "LIST": "a:1,b:2", "RATE": "2.5", "N": "7", "WAIT": "800ms",
		"BAD_RATE": "NaN", "BAD_N": "seven", "BAD_WAIT": "-1s",
	}
	s := &Settings{Lookup: func(n string) (string, bool) { v, ok := env[n]; return v, ok }}
	if got := s.String("NAME", "y"); got != "x" {
		t.Errorf("NAME = %q", got)
	}
	if got := s.String("EMPTY", "y"); got != "y" {
		t.Errorf("EMPTY = %q", got)
	}
	if got := s.List("LIST", ""); len(got) != 2 || got[1] != "b:2" {
		t.Errorf("LIST = %q", got)
	}
	if got := s.Float("RATE", 1, 0, 10); got != 2.5 {
		t.Errorf("RATE = %g", got)
	}
	if got := s.Int("N", 1, 0, 10); got != 7 {
		t.Errorf("N = %d", got)
	}
	if got := s.Duration("WAIT", time.Second); got != 800*time.Millisecond {
		t.Errorf("WAIT = %s", got)
	}
	if err := s.Err(); err != nil {
		t.Fatalf("good settings gave %v", err)
	}

	if f, n, d := s.Float("BAD_RATE", 1, 0, 10), s.Int("BAD_N", 2, 0, 10), s.Duration("BAD_WAIT", 3); f != 1 || n != 2 || d != 3 {
		t.Errorf("bad settings gave %g, %d, %s instead of the fallbacks", f, n, d)
	}
	for _, name := range []string{"BAD_RATE", "BAD_N", "BAD_WAIT"} {
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	log, err := newLogger(&out, "orders", "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("too quiet")
	log.Warn("heard")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if line["msg"] != "heard" || line["level"] != "WARN" || line["service"] != "orders" {
		t.Errorf("the line is %v", line)
	}
	if _, err := newLogger(&out, "orders", "loud"); err == nil {
		t.Error("LOG_LEVEL=loud was accepted")
	}
}
