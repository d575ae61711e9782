package session_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msdev/journal"
	"msdev/runner"
	"msdev/runner/docker"
	"msdev/session"
	"msdev/testenv"
)

const chain = `
services:
  db:
    image: msdev-test/app
    healthcheck: {test: ["CMD", "/app", "health"], interval: 30s}
  api:
    image: msdev-test/app
    healthcheck: {test: ["CMD", "/app", "health"], interval: 30s}
    depends_on: {db: {condition: service_healthy}}
  web:
    image: msdev-test/app
    depends_on: {api: {condition: service_healthy}}
`

// project writes a compose file into a folder of the test's own and returns how to load it.
func project(t *testing.T, yaml string) runner.LoadOptions {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	return runner.LoadOptions{WorkDir: dir, Name: testenv.ProjectName(t)}
}

func onDocker(host string) session.Wire {
	return func(ctx context.Context, p *runner.Project, _ string) (session.Launch, error) {
		rt, err := docker.New(ctx, p, docker.Options{Host: host})
		if err != nil {
			return session.Launch{}, err
		}
		return session.Launch{Runtimes: []runner.Runtime{rt}, Of: func(string) string { return rt.Name() }}, nil
	}
}

// open returns a client of a session in this process that takes its project down when the test ends.
func open(t *testing.T, yaml string) *session.Client {
	t.Helper()
	host := testenv.Engines(t)[0].Host
	c, err := session.Local(t.Context(), session.Config{Load: project(t, yaml), Logs: true, Linger: true}, onDocker(host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := time.Now()
		if _, err := c.Do(ctx, session.Command{Verb: session.VerbDown, Down: session.DownOptions{Volumes: true, RemoveOrphans: true}}); err != nil {
			t.Errorf("down: %v", err)
		}
		t.Logf("down in %s", time.Since(began))
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func states(t *testing.T, c *session.Client) map[string]runner.ServiceState {
	t.Helper()
	st, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]runner.ServiceState{}
	for _, s := range st.Services {
		got[s.Service] = s.State
	}
	return got
}

// eventually waits until the state is as wanted.
func eventually(t *testing.T, c *session.Client, what string, ok func(session.State) bool) session.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got session.State
	found := errors.New("found")
	err := c.Watch(ctx, func(s session.State) error {
		got = s
		if ok(s) {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		t.Fatalf("%s: %v; last state: %+v", what, err, got)
	}
	return got
}

func TestUpBringsAChainUpInOrder(t *testing.T) {
	c := open(t, chain)
	began := time.Now()
	if _, err := c.Do(t.Context(), session.Command{Verb: session.VerbUp, Up: session.UpOptions{Wait: true}}); err != nil {
		t.Fatal(err)
	}
	t.Logf("up in %s", time.Since(began))
	page, err := c.Records(t.Context(), session.RecordQuery{Kinds: 1 << 4, Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, r := range page.Records {
		t.Log(r.Time.Format("05.000"), r.Stream, r.Ref, r.Text)
		at[r.Stream+" "+r.Ref] = i + 1
	}
	order := []string{"db/events start", "db/events healthy", "api/events start", "api/events healthy", "web/events start"}
	for i := 1; i < len(order); i++ {
		if at[order[i-1]] == 0 || at[order[i]] == 0 || at[order[i-1]] > at[order[i]] {
			t.Errorf("%q came at %d, and %q at %d", order[i-1], at[order[i-1]], order[i], at[order[i]])
		}
	}
	eventually(t, c, "all ready", func(s session.State) bool {
		for _, st := range s.Services {
			if st.State != runner.StateReady {
				return false
			}
		}
		return len(s.Services) == 3
	})
}

func TestAnUnhealthyDependencyFailsTheUpAndIsTakenBack(t *testing.T) {
	c := open(t, `
services:
  db:
    image: msdev-test/app
    environment: {UNHEALTHY: "1"}
    healthcheck: {test: ["CMD", "/app", "health"], interval: 200ms, retries: 2}
  web:
    image: msdev-test/app
    depends_on: {db: {condition: service_healthy}}
`)
	_, err := c.Do(t.Context(), session.Command{Verb: session.VerbUp, Up: session.UpOptions{Rollback: true}})
	var e *runner.Error
	if !errors.As(err, &e) || e.Service != "db" || !strings.Contains(e.Msg, `service "db" is unhealthy`) || e.Hint == "" {
		t.Fatalf("got %v", err)
	}
	st, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range st.Services {
		if len(s.Instances) > 0 {
			t.Errorf("%s was left behind: %+v", s.Service, s.Instances)
		}
	}
}

func TestStopStartRestart(t *testing.T) {
	c := open(t, chain)
	do := func(cmd session.Command) {
		t.Helper()
		if _, err := c.Do(t.Context(), cmd); err != nil {
			t.Fatalf("%s: %v", cmd.Verb, err)
		}
	}
	do(session.Command{Verb: session.VerbUp, Up: session.UpOptions{Wait: true}})
	do(session.Command{Verb: session.VerbStop, Services: []string{"web"}})
	if got := states(t, c); got["web"] != runner.StateStopped || got["db"] != runner.StateReady {
		t.Errorf("after stop: %v", got)
	}
	do(session.Command{Verb: session.VerbStart, Services: []string{"web"}})
	before := eventually(t, c, "web runs", func(s session.State) bool { return s.Services[2].State == runner.StateReady })
	do(session.Command{Verb: session.VerbRestart, Services: []string{"web"}})
	after := eventually(t, c, "web runs again", func(s session.State) bool { return s.Services[2].State == runner.StateReady })
	if a, b := before.Services[2].Instances[0], after.Services[2].Instances[0]; a.ID != b.ID || !b.StartedAt.After(a.StartedAt) {
		t.Errorf("restart: %s %s, then %s %s", a.ID, a.StartedAt, b.ID, b.StartedAt)
	}
	do(session.Command{Verb: session.VerbUp, Up: session.UpOptions{Scale: map[string]int{"web": 3}}})
	eventually(t, c, "three of web", func(s session.State) bool { return len(s.Services[2].Instances) == 3 })
	do(session.Command{Verb: session.VerbKill})
	for name, state := range states(t, c) {
		if state == runner.StateReady {
			t.Errorf("%s runs after kill", name)
		}
	}
}

func TestLogsReachTheJournalWhole(t *testing.T) {
	c := open(t, `
services:
  talk:
    image: msdev-test/app
    command: ["log", "-count", "2000", "-rate", "0"]
`)
	if _, err := c.Do(t.Context(), session.Command{Verb: session.VerbUp}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var cursor uint64
	got := 0
	for got < 2000 {
		page, err := c.Records(ctx, session.RecordQuery{Streams: []string{"talk/"}, Kinds: journal.KindSet(journal.KindLog), Cursor: cursor, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		got += len(page.Records)
		cursor = page.Next
		if len(page.Records) == 0 {
			if _, err := c.Wait(ctx, cursor); err != nil {
				t.Fatalf("%d lines: %v", got, err)
			}
		}
	}
	if got != 2000 {
		t.Errorf("got %d lines", got)
	}
}

func TestExecGivesOutputAndExitCode(t *testing.T) {
	c := open(t, chain)
	if _, err := c.Do(t.Context(), session.Command{Verb: session.VerbUp, Services: []string{"db"}}); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code, err := c.Exec(t.Context(), session.ExecRequest{Service: "db", Command: []string{"/app", "env", "GREETING"}, Env: []string{"GREETING=hello"}}, nil, &out, &errs, nil)
	if err != nil || code != 0 || !strings.Contains(out.String(), "hello") {
		t.Errorf("code %d, %v, stdout %q, stderr %q", code, err, out.String(), errs.String())
	}
	if code, err = c.Exec(t.Context(), session.ExecRequest{Service: "db", Command: []string{"/app", "crash", "7"}}, nil, &out, &errs, nil); err != nil || code != 7 {
		t.Errorf("crash: code %d, %v", code, err)
	}
	if _, err = c.Exec(t.Context(), session.ExecRequest{Service: "web", Command: []string{"/app"}}, nil, &out, &errs, nil); err == nil {
		t.Error("exec in a service that does not run: no error")
	}
}
