package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"msdev/runner"
)

// ownerEnv makes the test binary an owner of processes that can be killed: it runs the service of the compose file in the
// folder that the variable names, prints the instance's ID, and waits.
const ownerEnv = "MSDEV_TEST_OWNER"

// fail ends a test binary that is an owner.
func fail(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// own runs the service of the folder that ownerEnv names, and returns the instance's ID.
func own(ctx context.Context) (dir string, r *Runtime, id string) {
	dir = os.Getenv(ownerEnv)
	p, err := runner.Load(ctx, runner.LoadOptions{WorkDir: dir, Name: "leftovers"})
	fail(err)
	r, err = New(p, Options{StateDir: filepath.Join(dir, "state")})
	fail(err)
	seen, err := r.Do(ctx, runner.Action{Op: runner.OpCreate, Service: "web", Number: 1}, nil)
	fail(err)
	id = seen[0].Instance.ID
	_, err = r.Do(ctx, runner.Action{Op: runner.OpStart, Instance: id}, nil)
	fail(err)
	return dir, r, id
}

func owner() {
	ctx := context.Background()
	_, r, id := own(ctx)
	fail(r.Logs(ctx, id, runner.LogOptions{Tail: -1, Follow: true}, func(l runner.LogLine) {
		if l.Text == "ready" {
			fmt.Println(id)
		}
	}))
}

// swapEnv makes the test binary an owner that can be killed in the middle of a swap: it runs the service of the folder that ownerEnv
// names, and after a line of input replaces it by the one of the folder "next" in there. It prints the IDs of what runs, and
// "swapped".
const swapEnv = "MSDEV_TEST_SWAP"

func swapper() {
	ctx := context.Background()
	dir, r, id := own(ctx)
	next, err := runner.Load(ctx, runner.LoadOptions{WorkDir: filepath.Join(dir, "next"), Name: "leftovers"})
	fail(err)
	in, err := r.find(id)
	fail(err)
	fail(r.untilReady(ctx, in))
	fmt.Println(id)
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	fail(err)
	fail(r.Use(ctx, next))
	go func() {
		_, err := r.Do(ctx, runner.Action{Op: runner.OpCreate, Service: "web", Number: 1, Replaces: id, Swap: true}, nil)
		fail(err)
		fmt.Println("swapped")
	}()
	said := false
	fail(r.Watch(ctx, func(o runner.Observation) {
		if !said && o.Instance != nil && o.Instance.ID != id && o.Instance.State == runner.InstanceRunning {
			said = true
			fmt.Println(o.Instance.ID)
		}
	}))
}
