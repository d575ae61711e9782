package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"msdev/testenv"
)

// TestNative runs the scripts of a machine without an engine. Each has a copy of the shop in its folder.
func TestNative(t *testing.T) {
	p := params(t, "testdata/script/native", "tcp://127.0.0.1:1")
	p.Setup = func(e *testscript.Env) error {
		project := testenv.ProjectName(t)
		e.Values["env"], e.Values["started"] = e, started{}
		e.Setenv("HOME", e.WorkDir)
		e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
		e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
		e.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
		e.Setenv("COMPOSE_PROJECT_NAME", project)
		e.Setenv("P", project)
		for _, name := range []string{"GATEWAY_PORT", "ANALYTICS_PORT", "RABBITMQ_PORT"} {
			e.Setenv(name, fmt.Sprint(testenv.FreePort(t)))
		}
		for _, name := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS"} { // of this user, not of the script's HOME
			value, err := exec.Command("go", "env", name).Output()
			if err != nil {
				return err
			}
			e.Setenv(name, strings.TrimSpace(string(value)))
		}
		e.Defer(func() {
			if sockets, _ := filepath.Glob(filepath.Join(e.WorkDir, "run", "msdev", "*.sock")); len(sockets) > 0 {
				down := exec.Command("msdev", "-p", project, "down", "-v", "-t", "0")
				down.Env, down.Dir = e.Vars, e.WorkDir
				if out, err := down.CombinedOutput(); err != nil {
					t.Logf("%v\n%s", err, out)
				}
			}
		})
		return os.CopyFS(filepath.Join(e.WorkDir, "shop"), os.DirFS("../samples/shop"))
	}
	p.Cmds["story"], p.Cmds["nothing"] = story, nothing
	testscript.Run(t, p)
}

// story FILE SERVICE…: wait until lines of all these services bear one trace id.
func story(ts *testscript.TestScript, _ bool, args []string) {
	wait(ts, "one trace through "+strings.Join(args[1:], ", "), func() bool {
		text, _ := os.ReadFile(ts.MkAbs(args[0]))
		heard := map[string]map[string]bool{} // by trace id, the services
		for line := range strings.Lines(string(text)) {
			instance, log, _ := strings.Cut(line, "|")
			var fields struct {
				Trace string `json:"trace_id"`
			}
			if json.Unmarshal([]byte(log), &fields) != nil || fields.Trace == "" {
				continue
			}
			if heard[fields.Trace] == nil {
				heard[fields.Trace] = map[string]bool{}
			}
			heard[fields.Trace][strings.TrimSuffix(strings.TrimSpace(instance), "-1")] = true
		}
		for _, services := range heard {
			all := true
			for _, s := range args[1:] {
				all = all && services[s]
			}
			if all {
				return true
			}
		}
		return false
	})
}

// nothing: no process runs a program of the script's folder any more.
func nothing(ts *testscript.TestScript, _ bool, _ []string) {
	if runtime.GOOS != "linux" {
		return // only there can it be told
	}
	dir := ts.Getenv("WORK") + string(filepath.Separator)
	wait(ts, "every process to end", func() bool {
		programs, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, p := range programs {
			if exe, err := os.Readlink(p); err == nil && strings.HasPrefix(exe, dir) {
				return false
			}
		}
		return true
	})
}
