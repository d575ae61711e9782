package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"

	"msdev/session"
)

// terminal is the program in a pseudo-terminal of 120 × 40.
type terminal struct {
	pid  int
	tty  *os.File
	cmd  *exec.Cmd
	mu   sync.Mutex
	seen bytes.Buffer // what the program has drawn since the last look
	more chan struct{}
}

func (b *bench) open(dir string, args ...string) (*terminal, error) {
	cmd := exec.Command(b.msdev, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 120, Rows: 40})
	if err != nil {
		return nil, err
	}
	t := &terminal{pid: cmd.Process.Pid, tty: tty, cmd: cmd, more: make(chan struct{}, 1)}
	go t.read()
	return t, nil
}

func (t *terminal) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := t.tty.Read(buf)
		t.mu.Lock()
		t.seen.Write(buf[:n])
		t.mu.Unlock()
		select {
		case t.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// close detaches: the program goes, the session stays.
func (t *terminal) close() {
	_, _ = t.tty.WriteString("d")
	done := make(chan struct{})
	go func() { _ = t.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = t.cmd.Process.Kill()
		<-done
	}
	_ = t.tty.Close()
}

// until returns once all the words have been drawn.
func (t *terminal) until(ctx context.Context, words ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		t.mu.Lock()
		text := t.seen.String()
		t.mu.Unlock()
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%q was not drawn; the screen wrote:\n%s", words, text)
		case <-t.more:
		}
	}
}

// key opens the help and closes it again, and returns how long the help took to be drawn.
func (t *terminal) key(ctx context.Context) (time.Duration, error) {
	t.mu.Lock()
	t.seen.Reset()
	t.mu.Unlock()
	began := time.Now()
	if _, err := t.tty.WriteString("?"); err != nil {
		return 0, err
	}
	if err := t.until(ctx, "twice kills"); err != nil {
		return 0, err
	}
	took := time.Since(began)
	_, err := t.tty.WriteString("\x1b")
	return took, err
}

func dial(ctx context.Context, project string) (*session.Client, error) {
	for range 100 {
		c, err := session.Dial(ctx, project)
		if !errors.Is(err, session.ErrNoSession) {
			return c, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, session.ErrNoSession
}

func sessionPID(ctx context.Context, project string) (int, error) {
	c, err := dial(ctx, project)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	st, err := c.State(ctx)
	return st.PID, err
}

// cost is what processes have used so far, and hold now.
type cost struct {
	cpu    time.Duration
	memory int64 // bytes resident
}

// usage adds up what /proc tells of the processes; its clock ticks 100 times a second.
func usage(pids ...int) (cost, error) {
	var sum cost
	for _, pid := range pids {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			return sum, err
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, i := range []int{11, 12} { // utime, stime: fields 14 and 15 of proc(5), after pid and comm
			n, err := strconv.Atoi(fields[i])
			if err != nil {
				return sum, err
			}
			sum.cpu += time.Duration(n) * 10 * time.Millisecond
		}
		share, err := proportional(pid)
		if err != nil {
			return sum, err
		}
		sum.memory += share
	}
	return sum, nil
}

// proportional is the memory of a process in bytes, pages that several processes share counted in parts (PSS, proc(5)): the screen
// and its session are the same program, and its text is in memory once.
func proportional(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("the kernel does not tell the memory of process %d", pid)
}

var numbered = regexp.MustCompile(`\b(\d+)\b`)

// number returns the line's own number, which the test program writes into each.
func number(text string) (int, bool) {
	m := numbered.FindAllString(text, -1)
	if len(m) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(m[len(m)-1])
	return n, err == nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
