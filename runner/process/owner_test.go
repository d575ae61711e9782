package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"msdev/runner"
)

// ownerEnv makes the test binary an owner of processes that can be killed: it runs the service of the compose file in the
// folder that the variable names, prints the instance's ID, and waits.
const ownerEnv = "MSDEV_TEST_OWNER"

func owner() {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	dir := os.Getenv(ownerEnv)
	ctx := context.Background()
	p, err := runner.Load(ctx, runner.LoadOptions{WorkDir: dir, Name: "leftovers"})
	fail(err)
	r, err := New(p, Options{StateDir: filepath.Join(dir, "state")})
	fail(err)
	seen, err := r.Do(ctx, runner.Action{Op: runner.OpCreate, Service: "web", Number: 1}, nil)
	fail(err)
	id := seen[0].Instance.ID
	_, err = r.Do(ctx, runner.Action{Op: runner.OpStart, Instance: id}, nil)
	fail(err)
	fail(r.Logs(ctx, id, runner.LogOptions{Tail: -1, Follow: true}, func(l runner.LogLine) {
		if l.Text == "ready" {
			fmt.Println(id)
		}
	}))
}
