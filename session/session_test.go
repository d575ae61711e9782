package session_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

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
		if _, err := c.Do(ctx, session.Command{Verb: session.VerbDown, Down: session.DownOptions{Volumes: true, RemoveOrphans: true}}); err != nil {
			t.Errorf("down: %v", err)
		}
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
	found := context.Canceled
	err := c.Watch(ctx, func(s session.State) error {
		got = s
		if ok(s) {
			return found
		}
		return nil
	})
	if err != found {
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
