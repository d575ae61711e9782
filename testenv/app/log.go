package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// writeLog writes numbered lines until count is reached or the life ends, and then, with -stay, waits for the end of the
// life.
func writeLog(l *life, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("log", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var (
		rate   = flags.Float64("rate", 10, "lines a second; 0 is as fast as possible")
		count  = flags.Int("count", 0, "lines in all; 0 is without end")
		format = flags.String("format", "text", "text, json, logfmt, ansi or trace (a stack trace of several lines)")
		size   = flags.Int("size", 0, "pad each line with this many more bytes")
		text   = flags.String("text", "line", "the message of each line")
		errs   = flags.Bool("stderr", false, "write to standard error")
		stay   = flags.Bool("stay", false, "stay after the last line")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	line, ok := formats[*format]
	if !ok {
		return fmt.Errorf("log: unknown format %q", *format)
	}
	to := stdout
	if *errs {
		to = stderr
	}
	out := bufio.NewWriter(to)
	defer out.Flush()
	message := *text + strings.Repeat("x", *size)
	pace := newPace(*rate)
	for n := 1; *count == 0 || n <= *count; n++ {
		if !pace.next(l, out) {
			return nil
		}
		fmt.Fprintln(out, line(n, message))
	}
	if *stay {
		_ = out.Flush()
		<-l.over
	}
	return nil
}

// pace lets lines through at a rate. Lines that are due together are written together, so that thousands of lines a second
// cost few writes.
type pace struct {
	every   time.Duration
	started time.Time
	passed  int
}

func newPace(rate float64) *pace {
	p := &pace{started: time.Now()}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// next returns when the next line is due, and false when the life is over. It flushes before it waits.
func (p *pace) next(l *life, out *bufio.Writer) bool {
	wait := time.Until(p.started.Add(time.Duration(p.passed) * p.every))
	p.passed++
	if wait <= 0 {
		select {
		case <-l.over:
			return false
		default:
			return true
		}
	}
	_ = out.Flush()
	select {
	case <-l.over:
		return false
	case <-time.After(max(wait, time.Millisecond)):
		return true
	}
}

var formats = map[string]func(n int, message string) string{
	"text": func(n int, message string) string {
		return fmt.Sprintf("%s %d", message, n)
	},
	"json": func(n int, message string) string {
		return fmt.Sprintf(`{"time":%q,"level":%q,"msg":%q,"n":%d}`, now(), level(n), message, n)
	},
	"logfmt": func(n int, message string) string {
		return fmt.Sprintf(`time=%s level=%s msg=%q n=%d`, now(), strings.ToLower(level(n)), message, n)
	},
	"ansi": func(n int, message string) string {
		return fmt.Sprintf("\x1b[%dm%s\x1b[0m \x1b[1m%s\x1b[0m %d", 31+n%6, level(n), message, n)
	},
	"trace": func(n int, message string) string {
		return fmt.Sprintf("panic: %s %d\n\ngoroutine 1 [running]:\nmain.inner(...)\n\t/src/main.go:%d +0x1d\nmain.main()\n\t/src/main.go:7 +0x25",
			message, n, n)
	},
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func level(n int) string {
	return []string{"INFO", "DEBUG", "WARN", "ERROR"}[n%4]
}
