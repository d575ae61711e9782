// Command up measures `msdev up --wait` beside `docker compose up -d --wait` and beside a floor: a program that makes the
// same raw API calls and probes health itself. All three run in turn in one run, as figures of different runs on a shared
// machine do not compare. It prints medians and ratios.
//
//	go run ./bench/up [-services 5,20,50] [-runs 5] [-compose PATH]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"msdev/testenv"
)

// depth is the length of the chains of services that wait for each other to be healthy.
const depth = 5

func main() {
	services := flag.String("services", "5,20,50", "sizes of the graphs")
	runs := flag.Int("runs", 5, "runs of each; the median counts")
	flag.Parse()
	if err := measure(context.Background(), *services, *runs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// contender is one way to bring a graph up, do nothing on it, change one service, and take it down.
type contender struct {
	name string
	up   func(ctx context.Context, g graph) error
	down func(ctx context.Context, g graph) error
	noop bool // can be asked again
}

func measure(ctx context.Context, sizes string, runs int) error {
	state, err := testenv.Load()
	if err != nil {
		return fmt.Errorf("the test environment is not set up (go run ./testenv/setup): %w", err)
	}
	dir, err := os.MkdirTemp("", "msdev-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	msdev := filepath.Join(dir, "msdev")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", msdev, "msdev").CombinedOutput(); err != nil {
		return fmt.Errorf("building msdev: %w\n%s", err, out)
	}
	floor, err := newFloor(state.Engines[0].Host)
	if err != nil {
		return err
	}
	all := []contender{
		{name: "floor", up: floor.up, down: floor.down},
		{name: "msdev", up: program(msdev, "up", "-d", "--wait"), down: program(msdev, "down", "-t", "0"), noop: true},
	}
	if state.DockerConfig != "" {
		compose := filepath.Join(state.DockerConfig, "cli-plugins", "docker-compose")
		all = append(all, contender{name: "compose", up: program(compose, "up", "-d", "--wait"), down: program(compose, "down", "-t", "0"), noop: true})
	}
	fmt.Println("| services | what | " + strings.Join(names(all), " | ") + " | msdev ÷ floor | msdev ÷ compose |")
	fmt.Println("|---|---|" + strings.Repeat("---|", len(all)+2))
	for _, size := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(size))
		if err != nil {
			return err
		}
		if err := compare(ctx, filepath.Join(dir, size), n, runs, all); err != nil {
			return err
		}
	}
	return nil
}

func names(all []contender) []string {
	out := make([]string, 0, len(all))
	for _, c := range all {
		out = append(out, c.name)
	}
	return out
}

// steps are what is measured of each contender, in the order in which they are done.
var steps = []string{"up --wait", "no-op up", "one changed", "down"}

// times are the durations of a step, by contender.
type times map[string]map[string][]time.Duration

// compare takes the contenders in turn, so that what else the machine does falls on all alike.
func compare(ctx context.Context, dir string, n, runs int, all []contender) error {
	took := times{}
	for _, what := range steps {
		took[what] = map[string][]time.Duration{}
	}
	for run := range runs {
		for _, c := range all {
			g, err := newGraph(filepath.Join(dir, fmt.Sprintf("%s%d", c.name, run)), n)
			if err != nil {
				return err
			}
			if err := took.round(ctx, c, g); err != nil {
				return fmt.Errorf("%s, %d services: %w", c.name, n, err)
			}
		}
	}
	for _, what := range steps {
		row := fmt.Sprintf("| %d | %s |", n, what)
		for _, c := range all {
			row += " " + show(median(took[what][c.name])) + " |"
		}
		m := median(took[what]["msdev"])
		fmt.Println(row + " " + ratio(m, median(took[what]["floor"])) + " | " + ratio(m, median(took[what]["compose"])) + " |")
	}
	return nil
}

// round has one contender do every step on a graph; the graph is taken down whatever happens.
func (t times) round(ctx context.Context, c contender, g graph) (err error) {
	step := func(what string, f func(context.Context, graph) error) error {
		began := time.Now()
		if err := f(ctx, g); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		t[what][c.name] = append(t[what][c.name], time.Since(began))
		return nil
	}
	defer func() { err = errors.Join(err, step("down", c.down)) }()
	if err := step("up --wait", c.up); err != nil || !c.noop {
		return err
	}
	if err := step("no-op up", c.up); err != nil {
		return err
	}
	if err := g.change(); err != nil {
		return err
	}
	return step("one changed", c.up)
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func show(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func ratio(a, b time.Duration) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a.Seconds()/b.Seconds())
}

// program is a program on the graph's folder.
func program(path string, args ...string) func(context.Context, graph) error {
	return func(ctx context.Context, g graph) error {
		cmd := exec.CommandContext(ctx, path, append([]string{"-p", g.name}, args...)...)
		cmd.Dir = g.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
}

// graph is one project: chains of services, each of which waits for the one before to be healthy.
type graph struct {
	name     string
	dir      string
	services []node
}

type node struct {
	name  string
	after string
}

func newGraph(dir string, n int) (graph, error) {
	g := graph{name: fmt.Sprintf("bench%d", time.Now().UnixNano()), dir: dir}
	for i := range n {
		s := node{name: fmt.Sprintf("s%d", i)}
		if i%depth > 0 {
			s.after = fmt.Sprintf("s%d", i-1)
		}
		g.services = append(g.services, s)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return g, err
	}
	return g, g.write("")
}

// change gives the last service another environment.
func (g graph) change() error { return g.write("    environment: {CHANGED: \"1\"}\n") }

func (g graph) write(last string) error {
	var b strings.Builder
	b.WriteString("services:\n")
	for i, s := range g.services {
		fmt.Fprintf(&b, "  %s:\n    image: msdev-test/app\n    healthcheck: {test: [CMD, /app, health], interval: 1s}\n", s.name)
		if s.after != "" {
			fmt.Fprintf(&b, "    depends_on: {%s: {condition: service_healthy}}\n", s.after)
		}
		if i == len(g.services)-1 {
			b.WriteString(last)
		}
	}
	return os.WriteFile(filepath.Join(g.dir, "compose.yaml"), []byte(b.String()), 0o644)
}
