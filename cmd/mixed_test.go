package cmd_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"msdev/testenv"
)

// TestMixed runs the scripts of graphs that are containers, processes and embedded brokers, on each engine: the bridges of the first
// one are this machine's own, those of another one are out of reach.
func TestMixed(t *testing.T) {
	app := filepath.Join(t.TempDir(), "app")
	build := exec.Command("go", "build", "-o", app, "msdev/testenv/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, engine := range testenv.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			p := params(t, "testdata/script/mixed", engine.Host)
			setUp := p.Setup
			p.Setup = func(e *testscript.Env) error {
				name, err := os.Hostname()
				if err != nil {
					return err
				}
				e.Setenv("APP", app)
				e.Setenv("HOSTNAME", name)
				for n := range 2 {
					e.Setenv(fmt.Sprintf("PORT%d", n+1), fmt.Sprint(testenv.FreePort(t)))
				}
				return setUp(e)
			}
			p.Condition = func(name string) (bool, error) { return i == 0, nil } // here
			p.Cmds["page"] = page
			testscript.Run(t, p)
		})
	}
}

// page REGEX URL: wait until what a URL answers has a match; its first group becomes $MATCH.
func page(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: page REGEX URL")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	var last string
	defer func() {
		if !re.MatchString(last) {
			ts.Logf("%s says: %s", args[1], last)
		}
	}()
	wait(ts, args[0]+" at "+args[1], func() bool {
		answer, err := http.Get(args[1])
		if err != nil {
			last = err.Error()
			return false
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		last = string(body)
		return re.MatchString(last)
	})
	if groups := re.FindStringSubmatch(last); len(groups) > 1 {
		ts.Setenv("MATCH", groups[1])
	}
}
