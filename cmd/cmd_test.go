package cmd

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// Every verb says what it does, shows two examples, and knows each flag that they use.
func TestExamples(t *testing.T) {
	root := newRoot(&app{})
	for _, c := range root.Commands() {
		if c.GroupID == "" || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		t.Run(c.Name(), func(t *testing.T) {
			lines := strings.Split(strings.TrimSpace(c.Example), "\n")
			if c.Short == "" || len(lines) != 2 {
				t.Errorf("it has the summary %q and %d examples", c.Short, len(lines))
			}
			for _, line := range lines {
				example(t, root, line)
			}
		})
	}
}

// example parses a line such as `msdev logs -f orders | grep x   what it does`.
func example(t *testing.T, root *cobra.Command, line string) {
	t.Helper()
	command, _, _ := strings.Cut(strings.TrimSpace(line), "   ")
	command, _, _ = strings.Cut(command, " | ")
	words := strings.Fields(command)
	if words[0] != "msdev" {
		t.Fatalf("%q does not begin with msdev", line)
	}
	c, rest, err := root.Traverse(words[1:])
	if err != nil || c == root {
		t.Fatalf("%q: %v", line, err)
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("%q: %v", line, err)
	}
}

func TestUpFlags(t *testing.T) {
	tests := []struct {
		name string
		o    upOptions
		err  string
		want func(upOptions) bool
	}{
		{name: "plain", want: func(o upOptions) bool { return !o.detach && !o.abort }},
		{name: "wait implies detach", o: upOptions{waitSeconds: 3, UpOptions: waiting}, want: func(o upOptions) bool { return o.detach && o.WaitTimeout == 3*time.Second }},
		{name: "exit-code-from implies abort", o: upOptions{exitFrom: "a"}, want: func(o upOptions) bool { return o.abort }},
		{name: "exit-code-from with abort on failure", o: upOptions{exitFrom: "a", abortFailure: true}, want: func(o upOptions) bool { return !o.abort }},
		{name: "scale", o: upOptions{scale: []string{"a=2", "b=0"}}, want: func(o upOptions) bool { return o.Scale["a"] == 2 && len(o.Scale) == 2 }},
		{name: "scale below 0", o: upOptions{scale: []string{"a=-1"}}, err: "SERVICE=NUM"},
		{name: "detach and abort", o: upOptions{detach: true, abort: true}, err: "do not go together"},
		{name: "wait and exit-code-from", o: upOptions{UpOptions: waiting, exitFrom: "a"}, err: "do not go together"},
		{name: "negative timeout", o: upOptions{waitSeconds: -1}, err: "less than 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.o.check()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("the error is %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || !tt.want(tt.o) {
				t.Errorf("got %+v, %v", tt.o, err)
			}
		})
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "Less than a second", time.Second: "1 second", 59 * time.Second: "59 seconds", 61 * time.Second: "About a minute", 2 * time.Minute: "2 minutes",
		time.Hour: "About an hour", 5 * time.Hour: "5 hours", 30 * time.Hour: "30 hours", 49 * time.Hour: "2 days", 10 * 24 * time.Hour: "10 days",
		20 * 24 * time.Hour: "2 weeks", 400 * 24 * time.Hour: "13 months",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"10m": now.Add(-10 * time.Minute), "2026-01-31T11:00:00Z": now.Add(-time.Hour), "2026-01-31T11:00:00": now.Add(-time.Hour),
		"2026-01-31": now.Add(-12 * time.Hour), "1769860800": now,
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := moment("yesterday", now); err == nil {
		t.Error("yesterday is taken for a point in time")
	}
}

func TestPrinter(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2026, 1, 31, 12, 0, 0, 5, time.UTC)
	p := &printer{out: bufio.NewWriter(&b), project: "shop", names: []string{"orders", "db"}, paint: newPainter(true), prefix: true, width: 8, since: at}
	record := func(stream, ref, text string, when time.Time, body string) journal.Record {
		return journal.Record{Kind: journal.KindLog, Stream: stream, Ref: ref, Text: text, Time: when, Body: []byte(body)}
	}
	err := p.take([]journal.Record{
		record("orders/stdout", "shop-orders-1", "old", at.Add(-1), ""),
		record("orders/stdout", "shop-orders-1", "boom", at, "  at a\n  at b"),
		record("db/stderr", "0123456789ab_shop-db-1", "up", at, ""),
		record("db/build", "db", "step 1", at, ""),
	}, 0)
	want := "\x1b[94morders-1  |\x1b[0m boom\n\x1b[94morders-1  |\x1b[0m   at a\n\x1b[94morders-1  |\x1b[0m   at b\n\x1b[35mdb-1      |\x1b[0m up\n"
	if err != nil || b.String() != want {
		t.Errorf("printed\n%q, %v; want\n%q", b.String(), err, want)
	}
	b.Reset()
	p.paint, p.prefix, p.times = newPainter(false), false, true
	if err := p.take([]journal.Record{record("db/stdout", "shop-db-1", "x", at, "")}, 0); err != nil || b.String() != "2026-01-31T12:00:00.000000005Z x\n" {
		t.Errorf("printed %q, %v", b.String(), err)
	}
}

func TestEventLines(t *testing.T) {
	code := 3
	for want, e := range map[string]runner.Event{
		" Container shop-db-1  Started":   {Type: runner.EventStart, Service: "db", Instance: "shop-db-1", Text: "shop-db-1 started"},
		" Container shop-db-1  Recreated": {Type: runner.EventCreate, Service: "db", Instance: "0123456789ab_shop-db-1", Text: "created"},
		" Network shop_default  Created":  {Type: runner.EventNetwork, Text: "network shop_default created"},
		" shop-db-1 exited with code 3":   {Type: runner.EventExit, Service: "db", Instance: "shop-db-1", ExitCode: &code, Text: "shop-db-1 exited with code 3"},
		" web waits for db: healthy":      {Type: runner.EventWait, Service: "web", Text: "waits for db: healthy"},
		"":                                {Type: runner.EventFound, Text: "shop-db-1 found running"},
	} {
		if got := newPainter(false).event(e); got != want {
			t.Errorf("%+v is %q, want %q", e, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for want, in := range map[string]runner.Instance{
		"Up 3 minutes (healthy)":          {State: runner.InstanceRunning, Health: runner.HealthHealthy, StartedAt: now.Add(-3 * time.Minute)},
		"Up 3 minutes (health: starting)": {State: runner.InstanceRunning, Health: runner.HealthStarting, StartedAt: now.Add(-3 * time.Minute)},
		"Up 3 minutes (Paused)":           {State: runner.InstancePaused, StartedAt: now.Add(-3 * time.Minute)},
		"Exited (3) 5 seconds ago":        {State: runner.InstanceExited, ExitCode: 3, FinishedAt: now.Add(-5 * time.Second)},
		"Restarting (1) 5 seconds ago":    {State: runner.InstanceRestarting, ExitCode: 1, FinishedAt: now.Add(-5 * time.Second)},
		"Created":                         {State: runner.InstanceCreated},
	} {
		if got := status(in, now); got != want {
			t.Errorf("%+v is %q, want %q", in, got, want)
		}
	}
	if got := published([]runner.Port{{HostIP: "0.0.0.0", Host: 80, Target: 8080, Protocol: "tcp"}, {HostIP: "::", Host: 80, Target: 8080, Protocol: "tcp"}, {Target: 9, Protocol: "udp"}}); got != "0.0.0.0:80->8080/tcp, [::]:80->8080/tcp, 9/udp" {
		t.Errorf("ports are %q", got)
	}
}

var waiting = session.UpOptions{Wait: true}
