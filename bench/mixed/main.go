// Command mixed measures the ways between containers and processes of one graph, on each engine of the test environment: on one whose
// networks this machine is in, and on one whose networks it is not. Ways within one world stand beside them. It prints round trips
// of 100 bytes, and the throughput of an echo of 64 KiB writes.
//
//	go run ./bench/mixed [-trips 5000] [-bytes 256]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"msdev/testenv"
)

func main() {
	trips := flag.Int("trips", 5000, "round trips")
	size := flag.Int("bytes", 256, "MiB that are echoed")
	flag.Parse()
	var err error
	switch flag.Arg(0) {
	case "serve":
		err = serve(flag.Arg(1))
	case "call":
		err = call(os.Getenv(flag.Arg(1)), *trips, *size)
	default:
		err = measure(context.Background(), *trips, *size)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// file is the graph: two servers in each world, each of which can call.
const file = `name: %[1]s
x-container: &container
  build: {context: ., dockerfile_inline: "FROM msdev-test/app\nCOPY load /load\n"}
  entrypoint: [/load, serve, "7000"]
  environment: {CONTAINER: "inside:7000", PROCESS: "outside:7000"}
  x-msdev: {runtime: docker}
x-process: &process
  image: none
  expose: ["7000"]
  environment: {CONTAINER: "inside:7000", PROCESS: "outside:7000"}
  x-msdev: {runtime: process, run: [%[2]s, serve, "{{.Port 7000}}"]}
services:
  inside: *container
  caller: *container
  outside: *process
  helper: *process
`

func measure(ctx context.Context, trips, size int) error {
	state, err := testenv.Load()
	if err != nil {
		return fmt.Errorf("the test environment is not set up (go run ./testenv/setup): %w", err)
	}
	dir, err := os.MkdirTemp("", "msdev-mixed")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	load, msdev := filepath.Join(dir, "load"), filepath.Join(dir, "msdev")
	for program, source := range map[string]string{load: "msdev/bench/mixed", msdev: "msdev"} {
		build := exec.CommandContext(ctx, "go", "build", "-o", program, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", source, err, out)
		}
	}
	fmt.Println("| engine | way | p50 | p99 | echo |")
	fmt.Println("|---|---|---|---|---|")
	for _, engine := range state.Engines {
		g := graph{dir: dir, msdev: msdev, load: load, engine: engine, calls: []string{"-trips", strconv.Itoa(trips), "-bytes", strconv.Itoa(size)}}
		if err := g.measure(ctx); err != nil {
			return fmt.Errorf("engine %s: %w", engine.Name, err)
		}
	}
	return nil
}

// graph is the graph on one engine.
type graph struct {
	dir, msdev, load string
	engine           testenv.Engine
	calls            []string // flags of a call
}

func (g graph) run(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, g.msdev, args...)
	c.Dir = g.dir
	c.Env = append(os.Environ(), "DOCKER_HOST="+g.engine.Host, "XDG_RUNTIME_DIR="+filepath.Join(g.dir, "run"), "XDG_STATE_HOME="+filepath.Join(g.dir, "state"))
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("msdev %s: %w\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (g graph) measure(ctx context.Context) error {
	text := fmt.Sprintf(file, "msdev-bench-mixed", g.load)
	if err := os.WriteFile(filepath.Join(g.dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	defer func() { _, _ = g.run(context.WithoutCancel(ctx), "down", "-t", "0", "--rmi", "local") }() // what is left is of no interest
	if _, err := g.run(ctx, "up", "-d", "--wait"); err != nil {
		return err
	}
	for _, way := range []struct{ name, from, to string }{
		{"container → container", "caller", "CONTAINER"},
		{"container → process", "caller", "PROCESS"},
		{"process → container", "helper", "CONTAINER"},
		{"process → process", "helper", "PROCESS"},
	} {
		program := map[string]string{"caller": "/load", "helper": g.load}[way.from]
		args := append([]string{"exec", "-T", way.from, program}, g.calls...)
		out, err := g.run(ctx, append(args, "call", way.to)...)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %s |\n", g.engine.Name, way.name, out)
	}
	return nil
}
