package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLogFormats(t *testing.T) {
	tests := []struct {
		format string
		check  func(lines []string) error
	}{
		{"text", func(lines []string) error { return equal(lines[2], "hello 3") }},
		{"json", func(lines []string) error {
			var fields struct {
				Level, Msg string
				N          int
				Time       time.Time
			}
			if err := json.Unmarshal([]byte(lines[2]), &fields); err != nil {
				return err
			}
			return equal(fmt.Sprint(fields.Level, fields.Msg, fields.N, fields.Time.IsZero()), "ERROR"+"hello"+"3"+" false")
		}},
		{"logfmt", func(lines []string) error {
			_, rest, _ := strings.Cut(lines[1], " ")
			return equal(rest, `level=warn msg="hello" n=2`)
		}},
		{"ansi", func(lines []string) error { return equal(lines[0], "\x1b[32mDEBUG\x1b[0m \x1b[1mhello\x1b[0m 1") }},
		{"trace", func(lines []string) error {
			return equal(strings.Join(lines[:2], "|")+"|"+lines[4], "panic: hello 1||\t/src/main.go:1 +0x1d")
		}},
	}
	for _, test := range tests {
		t.Run(test.format, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run([]string{"log", "-count", "3", "-rate", "0", "-text", "hello", "-format", test.format}, &out, &errs)
			if code != 0 || errs.Len() > 0 {
				t.Fatalf("exit code %d, %s", code, errs.Bytes())
			}
			if err := test.check(strings.Split(out.String(), "\n")); err != nil {
				t.Error(err)
			}
		})
	}
}

func equal(got, want string) error {
	if got != want {
		return fmt.Errorf("%q, want %q", got, want)
	}
	return nil
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		args []string
		code int
	}{
		{[]string{"nonsense"}, 2},
		{[]string{"crash", "x"}, 1},
		{[]string{"crash", "7"}, 7},
		{[]string{"log", "-format", "x"}, 1},
		{[]string{"wait"}, 1},
		{[]string{"wait", "127.0.0.1:1", "1ms"}, 1},
		{[]string{"sleep", "x"}, 1},
		{[]string{"sleep", "1ms"}, 0},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(test.args, &out, &errs); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, errs.Bytes())
			}
		})
	}
}

// TestServe goes through a server's life: not healthy, healthy, stopped with the wanted code.
func TestServe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	t.Setenv("PORT", port)
	t.Setenv("UNHEALTHY", "1")
	t.Setenv("STOP_CODE", "3")
	code := make(chan int)
	go func() { code <- run([]string{"serve"}, new(bytes.Buffer), new(bytes.Buffer)) }()
	if err := wait([]string{"127.0.0.1:" + port}); err != nil {
		t.Fatal(err)
	}
	if got := run([]string{"health"}, new(bytes.Buffer), new(bytes.Buffer)); got != 1 {
		t.Errorf("health of an unhealthy server exits %d, want 1", got)
	}
	t.Setenv("UNHEALTHY", "")
	if got := run([]string{"health"}, new(bytes.Buffer), new(bytes.Buffer)); got != 0 {
		t.Errorf("health of a healthy server exits %d, want 0", got)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != 3 {
		t.Errorf("the stopped server exits %d, want 3", got)
	}
}
