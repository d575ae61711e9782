package process

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msdev/runner"
)

// TestKilledOwner kills an owner whose service has a child in the background that left its group and its session.
func TestKilledOwner(t *testing.T) {
	dir := t.TempDir()
	text := "services:\n  web:\n    image: none\n    x-msdev:\n      run: \"setsid sleep 600 & sleep 600 & echo ready; wait\"\n"
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := bufio.NewReader(out).ReadString('\n')
	id = strings.TrimSpace(id)
	if err != nil || len(id) != 32 {
		t.Fatalf("the owner says %q, %v", id, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if left := marked(map[string]bool{id: true}); len(left) < 2 {
		t.Fatalf("%d processes outlived their owner; the test needs the two in the background", len(left))
	}
	p, err := runner.Load(t.Context(), runner.LoadOptions{WorkDir: dir, Name: "leftovers"})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, p, filepath.Join(dir, "state"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = r.Watch(ctx, func(o runner.Observation) {
		if len(o.Snapshot.Instances) != 0 {
			t.Errorf("the next one sees %v", o.Snapshot.Instances)
		}
		cancel()
	})
	if left := marked(map[string]bool{id: true}); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "processes.json")); err == nil {
		t.Error("their records are still there")
	}
}

// TestForeignPID has a record whose pid is another's now: it is left alone.
func TestForeignPID(t *testing.T) {
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() {
		over <- other.Wait()
		close(over)
	}()
	t.Cleanup(func() {
		_ = other.Process.Kill()
		for range over { // until its end has been seen
		}
	})
	endLeftovers([]record{{Instance: runner.Instance{ID: "nobody"}, PID: other.Process.Pid, Start: "1", Boot: bootID()}})
	endLeftovers([]record{{Instance: runner.Instance{ID: "nobody"}, PID: other.Process.Pid, Start: startOf(other.Process.Pid), Boot: "another"}})
	select {
	case err := <-over:
		over <- err
		t.Errorf("a process of somebody else was ended: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
}

// TestStorm kills and restarts what escapes its group as fast as it can; nothing may stay.
func TestStorm(t *testing.T) {
	p := project(t, "services:\n  web:\n    image: none\n    restart: always\n    x-msdev:\n      run: \"(setsid sh -c 'sleep 600 & sleep 600') & sleep 600 & kill -9 $$$$\"\n")
	state := filepath.Join(t.TempDir(), "state")
	r, err := New(p, Options{StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for range 10 {
		seen, err := r.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: "web", Number: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		id := seen[0].Instance.ID
		ids[id] = true
		for _, op := range []runner.Op{runner.OpStart, runner.OpKill, runner.OpStart, runner.OpStop, runner.OpRemove} {
			if _, err := r.Do(t.Context(), runner.Action{Op: op, Service: "web", Instance: id}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if left := marked(ids); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	for _, c := range children() {
		if c.zombie && r.spawner.strays[c.pid] {
			t.Errorf("orphan %d was not waited for", c.pid)
		}
	}
	if left, _ := os.ReadDir(state); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}
