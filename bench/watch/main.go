// Command watch measures how long a saved file takes into a container: with `msdev watch`, with `docker compose watch`, and with
// a floor that does nothing but hear of the file and put it there in one call. All run in turn in one run, as figures of
// different runs on a shared machine do not compare. It prints medians.
//
// Beside a single save it measures a save while ignored files are written without end, a branch that is switched, and how many
// folders are watched for a tree with thousands of ignored ones.
//
//	go run ./bench/watch [-runs 15] [-files 10000] [-folders 3000]
//
// It looks into containers through /proc, so it needs root and a local engine on Linux.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"msdev/testenv"
)

func main() {
	runs := flag.Int("runs", 15, "runs of each; the median counts")
	files := flag.Int("files", 10000, "files that a switched branch changes")
	folders := flag.Int("folders", 3000, "ignored folders in the tree")
	flag.Parse()
	if err := measure(context.Background(), *runs, *files, *folders); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, runs, files, folders int) error {
	state, err := testenv.Load()
	if err != nil || len(state.Engines) == 0 || state.DockerConfig == "" {
		return fmt.Errorf("the test environment is not set up (%w)\nRun: go run ./testenv/setup", err)
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
	compose := filepath.Join(state.DockerConfig, "cli-plugins", "docker-compose")
	all := []*contender{
		{name: "floor", floor: true},
		{name: "msdev", program: msdev, args: []string{"watch"}, ready: "Watching"},
		{name: "compose", program: compose, args: []string{"watch"}, ready: "Watch enabled"},
	}
	defer func() {
		for _, c := range all {
			c.stop(context.WithoutCancel(ctx))
		}
	}()
	for _, c := range all {
		if err := c.start(ctx, filepath.Join(dir, "of", c.name), msdev, state.Engines[0].Host, folders); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	fmt.Println("| what | " + strings.Join(names(all), " | ") + " |")
	fmt.Println("|---|" + strings.Repeat("---|", len(all)))
	report("watched folders", all, func(c *contender) string { return c.watches() })
	if err := compare(ctx, all, all, "a save → in the container", runs, (*contender).save); err != nil {
		return err
	}
	if err := compare(ctx, all, all, "the same, while ignored files are written (for 10 s at most)", max(5, runs/3), (*contender).saveInStorm); err != nil {
		return err
	}
	for _, c := range all[1:] { // the floor knows of one file
		if err := c.branches(ctx, files); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return compare(ctx, all, all[1:], fmt.Sprintf("a branch that changes %d files → all in the container", files), 2, (*contender).checkout)
}

func names(all []*contender) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return names
}

func report(what string, all []*contender, of func(*contender) string) {
	cells := make([]string, 0, len(all))
	for _, c := range all {
		cells = append(cells, of(c))
	}
	fmt.Println("| " + what + " | " + strings.Join(cells, " | ") + " |")
}

// compare does one thing with each of some contenders in turn, some times; every one has its column.
func compare(ctx context.Context, every, all []*contender, what string, runs int, do func(*contender, context.Context) (time.Duration, error)) error {
	took := map[*contender][]time.Duration{}
	for range runs {
		for _, c := range all {
			t, err := do(c, ctx)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", what, c.name, err)
			}
			took[c] = append(took[c], t)
			time.Sleep(300 * time.Millisecond) // whatever it does besides is not the next one's
		}
	}
	report(what, every, func(c *contender) string {
		slices.Sort(took[c])
		n := len(took[c])
		if n == 0 {
			return "–"
		}
		return fmt.Sprintf("%s [%s..%s]", short(took[c][n/2]), short(took[c][0]), short(took[c][n-1]))
	})
	return nil
}

func short(d time.Duration) string { return d.Round(time.Millisecond).String() }
