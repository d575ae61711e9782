package cmd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"msdev/cmd"
	"msdev/testenv"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"msdev": func() { os.Exit(cmd.Main()) }, "get": get})
}

// get URL: a program that prints what an address answers.
func get() {
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = io.Copy(os.Stdout, answer.Body)
	_ = answer.Body.Close()
}

// TestScript runs the scripts that need no engine.
func TestScript(t *testing.T) {
	testscript.Run(t, params(t, "testdata/script", "tcp://127.0.0.1:1"))
}

// TestEngine runs the scripts that need an engine, on each one that there is.
func TestEngine(t *testing.T) {
	for _, engine := range testenv.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			p := params(t, "testdata/script/engine", engine.Host)
			// Whether the engine publishes ports on this machine: another one lives in a container, and publishes them there.
			p.Condition = func(name string) (bool, error) {
				if name != "here" {
					return false, fmt.Errorf("unknown condition %q", name)
				}
				return engine == testenv.Engines(t)[0], nil
			}
			testscript.Run(t, p)
		})
	}
}

// TestEngineRestart runs the scripts that kill an engine and start it again.
func TestEngineRestart(t *testing.T) {
	engine := testenv.StartEngine(t, "msdev-test/app")
	p := params(t, "testdata/script/restart", engine.Host)
	p.Cmds["engine"] = func(ts *testscript.TestScript, _ bool, args []string) {
		switch args[0] {
		case "kill":
			engine.Kill(t)
		case "start":
			engine.Start(t)
		default:
			ts.Fatalf("usage: engine kill|start")
		}
	}
	testscript.Run(t, p)
}

// params run the program itself, in folders and a project of the script's own.
func params(t *testing.T, dir, host string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			project := testenv.ProjectName(t)
			e.Values["env"], e.Values["started"], e.Values["door"] = e, started{}, &gate{to: strings.TrimPrefix(host, "unix://")}
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("DOCKER_HOST", host)
			e.Setenv("COMPOSE_PROJECT_NAME", project)
			e.Setenv("P", project)
			if dir == "testdata/script" {
				e.Setenv("COMPOSE_PROJECT_NAME", "")
				return nil
			}
			e.Setenv("COMPOSE", testenv.Compose(t))
			e.Setenv("DOCKER_CONFIG", testenv.DockerConfig(t))
			e.Defer(func() { cleanUp(t, e, project) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "seen": seen, "taken": taken, "killsession": killSession, "start": start, "door": door, "signal": sendSignal, "ends": ends, "sameps": samePs,
		},
	}
}

// cleanUp removes what a script has left, failed or not, and ends its session.
func cleanUp(t *testing.T, e *testscript.Env, project string) {
	run := func(name string, args ...string) {
		c := exec.Command(name, args...)
		c.Env, c.Dir = e.Vars, e.WorkDir
		if out, err := c.CombinedOutput(); err != nil {
			t.Logf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	if sockets, _ := filepath.Glob(filepath.Join(e.WorkDir, "run", "msdev", "*.sock")); len(sockets) > 0 {
		run("msdev", "-p", project, "down", "-v", "-t", "0", "--remove-orphans")
	}
	run(testenv.Compose(t), "-p", project, "down", "-v", "-t", "0", "--remove-orphans")
}

// exits CODE COMMAND…: the command ends with this exit code. Its output is there for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code is %d, want %s", code, args[0])
	}
}

// patience bounds every wait for a condition.
const patience = 90 * time.Second

// wait asks until what it asks is so.
func wait(ts *testscript.TestScript, what string, so func() bool) {
	ask := time.NewTicker(20 * time.Millisecond)
	defer ask.Stop()
	tooLate := time.After(patience)
	for !so() {
		select {
		case <-ask.C:
		case <-tooLate:
			for name := range ts.Value("started").(started) {
				for _, end := range []string{".out", ".err"} {
					said, _ := os.ReadFile(ts.MkAbs(name + end))
					ts.Logf("%s%s has:\n%s", name, end, said)
				}
			}
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// until [!] REGEX COMMAND…: run the command again and again until its output, stdout and stderr, has a match, or with ! has none.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] until REGEX COMMAND [ARG...]")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	wait(ts, args[0], func() bool {
		err := ts.Exec(args[1], args[2:]...)
		text := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		return re.MatchString(text) != neg && (err == nil || !neg)
	})
}

// seen FILE REGEX: wait until a file, which a command in the background writes, has a match.
func seen(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: seen FILE REGEX")
	}
	re := regexp.MustCompile("(?m)" + args[1])
	var text []byte
	defer func() {
		if !re.Match(text) {
			ts.Logf("%s has:\n%s", args[0], text)
		}
	}()
	wait(ts, args[1]+" in "+args[0], func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0]))
		return re.Match(text)
	})
}

// taken NAME: set the variable to a port that somebody listens on for as long as the script runs.
func taken(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	ts.Check(err)
	ts.Setenv(args[0], fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	ts.Defer(func() { _ = l.Close() })
}

// killsession: kill the session of the script's project, as the machine might.
func killSession(ts *testscript.TestScript, _ bool, _ []string) {
	socket := filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "msdev", ts.Getenv("P")+".sock")
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Post("http://session/state", "application/json", nil)
	ts.Check(err)
	defer answer.Body.Close()
	var state struct{ PID int }
	ts.Check(json.NewDecoder(answer.Body).Decode(&state))
	ts.Check(syscall.Kill(state.PID, syscall.SIGKILL))
}

// started are the commands of a script that run beside it.
type started map[string]*exec.Cmd

// start NAME COMMAND…: run a command beside the script. Its output goes to NAME.out and NAME.err.
func start(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND [ARG...]")
	}
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	c := exec.Command(path, args[2:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(slices.Clone(ts.Value("env").(*testscript.Env).Vars), "DOCKER_HOST="+ts.Getenv("DOCKER_HOST")) // which a script may change
	for suffix, to := range map[string]*io.Writer{".out": &c.Stdout, ".err": &c.Stderr} {
		f, err := os.Create(ts.MkAbs(args[0] + suffix))
		ts.Check(err)
		ts.Defer(func() { _ = f.Close() })
		*to = f
	}
	ts.Check(c.Start())
	ts.Value("started").(started)[args[0]] = c
	ts.Defer(func() {
		_ = c.Process.Kill() // it has ended already, unless the script failed
		_ = c.Wait()
	})
}

// signal NAME PROCESS: send INT or KILL to a command that was started.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	c := ts.Value("started").(started)[args[1]]
	ts.Check(c.Process.Signal(map[string]os.Signal{"INT": os.Interrupt, "KILL": os.Kill}[args[0]]))
}

// ends CODE PROCESS: a command that was started ends with this exit code; -1 is by a signal that it did not catch.
func ends(ts *testscript.TestScript, _ bool, args []string) {
	c := ts.Value("started").(started)[args[1]]
	_ = c.Wait()
	if code := strconv.Itoa(c.ProcessState.ExitCode()); code != args[0] {
		ts.Logf("%s", ts.ReadFile(args[1]+".out")+ts.ReadFile(args[1]+".err"))
		ts.Fatalf("exit code is %s, want %s", code, args[0])
	}
}

// gate is a way to the engine that can be shut.
type gate struct {
	to       string
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

// door open|shut: the socket door.sock in the script's folder leads to the engine, or to nowhere.
func door(ts *testscript.TestScript, _ bool, args []string) {
	g := ts.Value("door").(*gate)
	if args[0] == "shut" {
		g.shut()
		return
	}
	l, err := net.Listen("unix", ts.MkAbs("door.sock"))
	ts.Check(err)
	g.listener = l
	ts.Defer(g.shut)
	go func() { // ends when the listener is closed
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			g.join(in)
		}
	}()
}

// join carries one connection both ways until either end closes or the door is shut.
func (g *gate) join(in net.Conn) {
	out, err := net.Dial("unix", g.to)
	if err != nil {
		_ = in.Close()
		return
	}
	g.mu.Lock()
	g.conns = append(g.conns, in, out)
	g.mu.Unlock()
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].(*net.UnixConn).CloseWrite()
		}()
	}
}

func (g *gate) shut() {
	_ = g.listener.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}
