package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"msdev/runner"
)

// logs reads what an instance wrote.
func (f *fixture) logs(in runner.Instance, o runner.LogOptions) []runner.LogLine {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	var lines []runner.LogLine
	if err := f.rt.Logs(ctx, in.ID, o, func(l runner.LogLine) { lines = append(lines, l) }); err != nil {
		f.t.Fatalf("logs of %s: %v", in.Name, err)
	}
	return lines
}

// logged waits until an instance has written a line: it takes signals from then on.
func (f *fixture) logged(in runner.Instance) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	lines := 0
	err := f.rt.Logs(ctx, in.ID, runner.LogOptions{Tail: -1, Follow: true}, func(runner.LogLine) { lines++; cancel() })
	if lines == 0 {
		f.t.Fatalf("%s wrote nothing: %v", in.Name, err)
	}
}

// find looks an instance up afresh.
func (f *fixture) find(id string) runner.Instance {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	var found runner.Instance
	err := f.rt.Watch(ctx, func(o runner.Observation) {
		if o.Snapshot != nil {
			found = o.Snapshot.Instances[id]
			cancel()
		}
	})
	if err != nil && ctx.Err() == nil {
		f.t.Fatal(err)
	}
	return found
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

func logsOrder(t *testing.T, f *fixture) {
	f.load(map[string]Service{
		"out": {Args: []string{"log", "-count", "500", "-rate", "0"}},
		"err": {Args: []string{"log", "-count", "5", "-rate", "0", "-stderr"}},
	})
	out, errs := f.up("out"), f.up("err")
	lines := f.logs(out, runner.LogOptions{Tail: -1, Follow: true})
	if len(lines) != 500 {
		t.Fatalf("%d lines, not 500", len(lines))
	}
	for i, l := range lines {
		if !strings.Contains(l.Text, fmt.Sprint(i+1)) || l.Stderr || strings.ContainsAny(l.Text, "\r\n") {
			t.Fatalf("line %d is %+v", i+1, l)
		}
		if l.Time.IsZero() || i > 0 && l.Time.Before(lines[i-1].Time) || time.Since(l.Time) > patience {
			t.Fatalf("line %d has the time %s", i+1, l.Time)
		}
	}
	if lines[len(lines)-1].More {
		t.Error("the last line says that more is there")
	}
	for _, l := range f.logs(errs, runner.LogOptions{Tail: -1, Follow: true}) {
		if !l.Stderr {
			t.Errorf("a line of standard error is told as one of standard output: %+v", l)
		}
	}
}

func logsTailSince(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"log", "-count", "20", "-rate", "200"}}})
	in := f.up("web")
	all := f.logs(in, runner.LogOptions{Tail: -1, Follow: true})
	if len(all) != 20 {
		t.Fatalf("%d lines, not 20", len(all))
	}
	if last := f.logs(in, runner.LogOptions{Tail: 4}); len(last) != 4 || last[0].Text != all[16].Text || last[3].Text != all[19].Text {
		t.Errorf("the last 4 lines are %+v", last)
	}
	if none := f.logs(in, runner.LogOptions{Tail: 0}); len(none) != 0 {
		t.Errorf("the last 0 lines are %+v", none)
	}
	at := all[9].Time
	want := 0
	for _, l := range all {
		if l.Time.After(at) {
			want++
		}
	}
	since := f.logs(in, runner.LogOptions{Tail: -1, Since: at})
	if len(since) != want || want == 0 {
		t.Errorf("%d lines since the tenth, not %d", len(since), want)
	}
	for _, l := range since {
		if !l.Time.After(at) {
			t.Errorf("since %s came %+v", at, l)
		}
	}
	if none := f.logs(in, runner.LogOptions{Tail: -1, Since: all[19].Time, Follow: true}); len(none) != 0 {
		t.Errorf("since the last line came %+v", none)
	}
}

// logsFollow follows one run to its end, and the next one from there.
func logsFollow(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"log", "-count", "5", "-rate", "50"}}})
	in := f.make("web", 1)
	var last time.Time
	for run := range 2 {
		f.on(runner.OpStart, in)
		lines := f.logs(in, runner.LogOptions{Tail: -1, Follow: true, Since: last})
		if len(lines) != 5 {
			t.Fatalf("run %d has %d lines, not 5: %+v", run, len(lines), lines)
		}
		last = lines[4].Time
	}
}

func logsLongLines(t *testing.T, f *fixture) {
	const size = 600 << 10
	f.load(map[string]Service{"web": {Args: []string{"log", "-count", "2", "-rate", "0", "-text", "", "-size", fmt.Sprint(size)}}})
	in := f.up("web")
	lines := f.logs(in, runner.LogOptions{Tail: -1, Follow: true})
	if len(lines) != 6 {
		t.Fatalf("two lines of 600 KiB came in %d pieces, not 6", len(lines))
	}
	total := 0
	for i, l := range lines {
		total += strings.Count(l.Text, "x")
		if len(l.Text) > runner.MaxLine || i%3 < 2 && (len(l.Text) != runner.MaxLine || !l.More) {
			t.Errorf("piece %d has %d bytes, more: %t", i, len(l.Text), l.More)
		}
	}
	if total != 2*size {
		t.Errorf("%d bytes of %d came", total, 2*size)
	}
}

func logsCancel(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"log", "-rate", "100"}}})
	in := f.up("web")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n := 0
	err := f.rt.Logs(ctx, in.ID, runner.LogOptions{Tail: -1, Follow: true}, func(runner.LogLine) {
		if n++; n == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read ended with %v", err)
	}
}

func probe(t *testing.T, f *fixture) {
	f.load(map[string]Service{
		"good": {Args: []string{"serve"}, Env: map[string]string{"PORT": "18081"}, Health: true},
		"bad":  {Args: []string{"serve"}, Env: map[string]string{"PORT": "18082", "UNHEALTHY": "1"}, Health: true},
	})
	good, bad := f.up("good"), f.up("bad")
	var err error
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		if _, err = f.rt.Probe(t.Context(), good.ID); err == nil {
			break
		}
	}
	if err != nil {
		t.Errorf("never healthy: %v", err)
	}
	output, err := f.rt.Probe(t.Context(), bad.ID)
	if err == nil {
		t.Error("what always fails is healthy")
	}
	if output == "" {
		t.Error("a failed test says nothing")
	}
}

func probeWithout(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	in := f.up("web")
	_, err := f.rt.Probe(t.Context(), in.ID)
	var e *runner.Error
	if !errors.As(err, &e) || e.Kind != runner.ErrUsage {
		t.Errorf("a probe without a health test: %v", err)
	}
}

func exec(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	x, ok := f.rt.(runner.Execer)
	if !ok {
		t.Skip("this runtime cannot run commands")
	}
	in := f.up("web")
	command := f.project.Compose.Services["web"].Entrypoint
	if len(command) == 0 {
		command = []string{"/app"}
	}
	var out, errs bytes.Buffer
	code, err := x.Exec(t.Context(), in.ID, runner.ExecSpec{
		Command: append(command[:1:1], "env", "COLOUR"), Env: []string{"COLOUR=blue"}, Stdout: &out, Stderr: &errs,
	})
	if err != nil || code != 0 || !strings.Contains(out.String(), "blue") {
		t.Errorf("code %d, %v, stdout %q, stderr %q", code, err, &out, &errs)
	}
	out.Reset()
	code, err = x.Exec(t.Context(), in.ID, runner.ExecSpec{Command: append(command[:1:1], "crash", "5"), Stdout: &out, Stderr: &errs})
	if err != nil || code != 5 {
		t.Errorf("code %d, not 5: %v", code, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(50*time.Millisecond, cancel)
	defer stop.Stop()
	if _, err := x.Exec(ctx, in.ID, runner.ExecSpec{Command: append(command[:1:1], "sleep")}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled command ended with %v", err)
	}
}

func stats(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"log", "-rate", "2000"}}, "idle": {Args: []string{"sleep"}}})
	s, ok := f.rt.(runner.StatsReader)
	if !ok {
		t.Skip("this runtime does not measure")
	}
	v := f.watch()
	web, idle := f.up("web"), f.up("idle")
	v.instance(web.ID, "web runs", running)
	v.instance(idle.ID, "idle runs", running)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := map[string]runner.Stat{}
	counts := map[string]int{}
	_ = s.Stats(ctx, time.Second, func(st runner.Stat) {
		seen[st.Instance] = st
		counts[st.Instance]++
		if counts[web.ID] > 1 && counts[idle.ID] > 1 {
			cancel()
		}
	})
	for _, in := range []runner.Instance{web, idle} {
		if st := seen[in.ID]; counts[in.ID] < 2 || st.Memory < 64<<10 || st.Memory > 1<<30 || st.CPU < 0 || st.CPU > 64 {
			t.Errorf("%s: %d measurements, the last %+v", in.Service, counts[in.ID], seen[in.ID])
		}
	}
	if seen[web.ID].CPU == 0 {
		t.Error("a busy instance uses no processor")
	}
}
