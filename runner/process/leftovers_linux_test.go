package process

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msdev/runner"
	"msdev/testenv"
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

// TestKilledInASwap kills an owner while two versions of a service run: none of them is left when the next owner comes, and one that
// it starts answers.
func TestKilledInASwap(t *testing.T) {
	for _, c := range []struct {
		name, env string // of the new version
		busy      bool   // the old version has a request to answer
		until     int    // lines of output before it is killed
	}{
		{"the new one is not ready", "UNHEALTHY: '1'", false, 1},
		{"the old one is still asked", "VERSION: '2'", true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, port := t.TempDir(), testenv.FreePort(t)
			for folder, env := range map[string]string{"": "VERSION: '1'", "next": c.env} {
				text := fmt.Sprintf("services:\n  web:\n    ports: ['%d:8080']\n    x-msdev: {run: %q, env: {PORT: '{{.Port 8080}}', %s}, ready: {http: 8080/health}}\n", port, testApp+" serve & wait", env) // what its shell leaves behind
				if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, folder, "compose.yaml"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), ownerEnv+"="+dir, swapEnv+"=1")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ids, said := map[string]bool{}, bufio.NewReader(out)
			line := func() {
				text, err := said.ReadString('\n')
				if text = strings.TrimSpace(text); err != nil || len(text) != 32 && text != "swapped" {
					t.Errorf("the owner says %q, %v", text, err)
				} else if text != "swapped" {
					ids[text] = true
				}
			}
			line()
			if c.busy {
				asking, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
				if err != nil {
					t.Fatal(err)
				}
				defer asking.Close()
				fmt.Fprintf(asking, "POST /echo HTTP/1.1\r\nHost: web\r\nContent-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat("x", 1<<17))
				if _, err := asking.Read(make([]byte, 1)); err != nil { // the version from before is answering
					t.Fatal(err)
				}
			}
			if _, err := in.Write([]byte("go\n")); err != nil {
				t.Fatal(err)
			}
			for range c.until {
				line()
			}
			for limit := time.After(time.Minute); len(marked(ids)) < 4; { // two shells with a program each
				select {
				case <-time.After(10 * time.Millisecond):
				case <-limit:
					t.Fatalf("there are %v of %v", marked(ids), ids)
				}
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if left := marked(ids); len(ids) != 2 || len(left) == 0 { // what writes into a pipe that nobody reads any more may have ended
				t.Errorf("of %v the processes %v outlived their owner; the test needs some", ids, left)
			}
			p, err := runner.Load(t.Context(), runner.LoadOptions{WorkDir: dir, Name: "leftovers"})
			if err != nil {
				t.Fatal(err)
			}
			r := open(t, p, filepath.Join(dir, "state"))
			now := begin(t, r, "web")
			if left := marked(ids); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if got, err := echo(http.DefaultClient, port); got != "hello" || err != nil {
				t.Errorf("it answers %q, %v", got, err)
			}
			if len(marked(map[string]bool{now.ID: true})) == 0 {
				t.Error("it is not the new one that answers")
			}
		})
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
