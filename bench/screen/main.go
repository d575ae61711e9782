// Command screen measures the screen as a person feels it, on the real program in a pseudo-terminal and on a real engine:
// the time from the command to the first frame, the cost of an idle screen beside 20 services, and memory and key-to-screen
// time while 20 services write as fast as they are told.
//
//	go run ./bench/screen [-services 20] [-rate 5000] [-seconds 20] [-runs 10]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"msdev/journal"
	"msdev/session"
)

func main() {
	services := flag.Int("services", 20, "services in the graph")
	rate := flag.Int("rate", 5000, "lines a second that each service writes in the flood")
	seconds := flag.Int("seconds", 20, "length of the idle and of the flood measurement")
	runs := flag.Int("runs", 10, "first frames")
	flag.Parse()
	b := &bench{services: *services, rate: *rate, length: time.Duration(*seconds) * time.Second, runs: *runs}
	if err := b.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type bench struct {
	services, rate, runs int
	length               time.Duration
	dir, msdev           string
}

func (b *bench) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "msdev-screen")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir, b.msdev = dir, filepath.Join(dir, "msdev")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.msdev, "msdev").CombinedOutput(); err != nil {
		return fmt.Errorf("building msdev: %w\n%s", err, out)
	}
	fmt.Println("| what | measured | goal |")
	fmt.Println("|---|---|---|")
	return errors.Join(b.idle(ctx), b.flood(ctx))
}

// project writes a compose file of as many services that all run the same command.
func (b *bench) project(command string) (name, dir string, err error) {
	name = fmt.Sprintf("screen%d", time.Now().UnixNano())
	dir = filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "name: %s\nservices:\n", name)
	for i := range b.services {
		fmt.Fprintf(&text, "  s%02d: {image: msdev-test/app, command: %s}\n", i, command)
	}
	return name, dir, os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text.String()), 0o644)
}

func (b *bench) verb(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, b.msdev, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("msdev %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// idle measures the first frame, and then what a screen and its session cost when nothing happens.
func (b *bench) idle(ctx context.Context) (err error) {
	name, dir, err := b.project("[sleep]")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.verb(ctx, dir, "down", "-t", "0")) }()
	if err := b.verb(ctx, dir, "up", "-d", "--wait"); err != nil {
		return err
	}
	keep, err := b.open(dir, "attach") // keeps the session, so that the frames that follow are those of a client
	if err != nil {
		return err
	}
	defer keep.close()
	if err := keep.until(ctx, name, "s00"); err != nil {
		return err
	}
	var frames []time.Duration
	for range b.runs {
		began := time.Now()
		s, err := b.open(dir, "attach")
		if err != nil {
			return err
		}
		if err := s.until(ctx, name); err != nil {
			return err
		}
		frames = append(frames, time.Since(began))
		s.close()
	}
	row("command to first frame, median", "%s", "≤ 100 ms", ms(median(frames)))
	session, err := sessionPID(ctx, name)
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Minute); err != nil { // what the start costs is over, and ages count minutes
		return err
	}
	before, err := usage(keep.pid, session)
	if err != nil {
		return err
	}
	if err := pause(ctx, b.length); err != nil {
		return err
	}
	after, err := usage(keep.pid, session)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("idle, %d services: CPU of screen and session", b.services), "%.2f %% of a core", "≤ 1 %", 100*(after.cpu-before.cpu).Seconds()/b.length.Seconds())
	row("idle: memory of screen and session", "%.0f MB", "≤ 80 MB", float64(after.memory)/1e6)
	return nil
}

// flood measures memory, keys and losses while every service writes.
func (b *bench) flood(ctx context.Context) (err error) {
	name, dir, err := b.project(fmt.Sprintf("[log, -rate, %q, -size, %q]", fmt.Sprint(b.rate), "60"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.verb(ctx, dir, "down", "-t", "0")) }()
	s, err := b.open(dir, "up")
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.until(ctx, name, "s00"); err != nil {
		return err
	}
	client, err := dial(ctx, name)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Wait(ctx, uint64(b.services*100)); err != nil { // all of them write
		return err
	}
	pid, err := sessionPID(ctx, name)
	if err != nil {
		return err
	}
	first, _ := client.Wait(ctx, 0)
	began := time.Now()
	var keys []time.Duration
	var most int64
	for time.Since(began) < b.length {
		took, err := s.key(ctx)
		if err != nil {
			return err
		}
		keys = append(keys, took)
		u, err := usage(s.pid, pid)
		if err != nil {
			return err
		}
		most = max(most, u.memory)
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	last, _ := client.Wait(ctx, 0)
	row(fmt.Sprintf("flood of %d × %d lines/s: lines that came in", b.services, b.rate), "%.0f/s", "", float64(last-first)/time.Since(began).Seconds())
	row("flood: key to screen, median", "%s", "≤ 50 ms", ms(median(keys)))
	row("flood: key to screen, worst", "%s", "", ms(keys[len(keys)-1]))
	row("flood: memory of screen and session, most", "%.0f MB", "bounded", float64(most)/1e6)
	gaps, kept, err := gaps(ctx, client, b.services)
	row("flood: lines missing among those kept", "%d of %d", "0", gaps, kept)
	return err
}

// gaps counts the numbers that are missing between the first and the last line that the journal keeps of each service.
func gaps(ctx context.Context, c *session.Client, services int) (missing, kept int, err error) {
	end, err := c.Wait(ctx, 0)
	for i := range services {
		k := series{at: -1}
		for cursor, more := uint64(0), true; more && cursor < end && err == nil; {
			var page journal.Page
			page, err = c.Records(ctx, session.RecordQuery{Streams: []string{fmt.Sprintf("s%02d/", i)}, Kinds: journal.KindSet(journal.KindLog), Cursor: cursor, Limit: 5000})
			k.take(page)
			cursor, more = max(page.Next, cursor), page.More
		}
		missing += k.missing
		kept += k.lines
	}
	return missing, kept, err
}

// series is what was read of one service's lines.
type series struct{ at, missing, lines int }

func (k *series) take(page journal.Page) {
	if page.Lost > 0 { // the stream's cap let them go while they were read
		k.at = -1
	}
	for _, r := range page.Records {
		n, ok := number(r.Text)
		if !ok {
			continue
		}
		if k.at >= 0 && n > k.at+1 {
			k.missing += n - k.at - 1
		}
		k.at = n
		k.lines++
	}
}

func row(what, format, goal string, args ...any) {
	fmt.Printf("| %s | %s | %s |\n", what, fmt.Sprintf(format, args...), goal)
}
