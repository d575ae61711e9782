// Command watch measures how long a saved file takes into a container, into its next start, and into its next image: with
// `msdev watch`, with `docker compose watch`, and with a floor that does nothing but hear of the file and make the calls that it
// takes. All run in turn in one run, as figures of different runs on a shared machine do not compare. It prints medians.
//
// Beside that it measures a save while ignored files are written without end, a branch that is switched, and how many folders are
// watched for a tree with thousands of ignored ones.
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
	server, err := buildServer(ctx, dir)
	if err != nil {
		return err
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
		if err := c.start(ctx, filepath.Join(dir, "of", c.name), msdev, server, state.Engines[0].Host, folders); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	average, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("Load average at the beginning: %s\n\n", strings.Join(strings.Fields(string(average))[:3], " "))
	fmt.Println("| what | " + strings.Join(names(all), " | ") + " | msdev ÷ floor |")
	fmt.Println("|---|" + strings.Repeat("---|", len(all)+1))
	report("watched folders", all, func(c *contender) string { return c.watches() }, "")
	for _, row := range []comparison{
		{what: "a save → in the container", runs: runs, do: (*contender).save, goal: 1.2},
		{what: "a save → the restarted container answers (sync+restart)", runs: runs, do: (*contender).saveAndRestart},
		{what: "a save → the container of a new image answers (rebuild)", runs: max(5, runs/2), do: (*contender).saveAndRebuild},
		{what: "a save → in the container, while ignored files are written (for 10 s at most)", runs: max(5, runs/3), do: (*contender).saveInStorm, goal: 1.2},
	} {
		if err := row.measure(ctx, all, all); err != nil {
			return err
		}
	}
	if files == 0 {
		return nil
	}
	for _, c := range all[1:] { // the floor knows of one file
		if err := c.branches(ctx, files); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	switched := comparison{what: fmt.Sprintf("a branch that changes %d files → all in the container", files), runs: 5, do: (*contender).checkout}
	return switched.measure(ctx, all, all[1:])
}

func names(all []*contender) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return names
}

func report(what string, all []*contender, of func(*contender) string, last string) {
	cells := make([]string, 0, len(all))
	for _, c := range all {
		cells = append(cells, of(c))
	}
	fmt.Println("| " + what + " | " + strings.Join(cells, " | ") + " | " + last + " |")
}

// comparison is one thing that contenders do in turn, some times.
type comparison struct {
	what string
	runs int
	do   func(*contender, context.Context) (time.Duration, error)
	goal float64 // what ours may be of the floor; 0: none is set
}

// measure does it with some of the contenders; every one has its column.
func (k comparison) measure(ctx context.Context, every, some []*contender) error {
	took := map[*contender][]time.Duration{}
	for range k.runs {
		for _, c := range some {
			t, err := k.do(c, ctx)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", k.what, c.name, err)
			}
			took[c] = append(took[c], t)
			time.Sleep(300 * time.Millisecond) // whatever it does besides is not the next one's
		}
	}
	median := func(c *contender) time.Duration { return took[c][len(took[c])/2] }
	for _, c := range some {
		slices.Sort(took[c])
	}
	verdict := ""
	if some[0].floor {
		ratio := float64(median(some[1])) / float64(median(some[0]))
		verdict = fmt.Sprintf("%.2f", ratio)
		if k.goal > 0 {
			verdict += fmt.Sprintf(" (goal ≤ %.2f: %s)", k.goal, map[bool]string{true: "met", false: "missed"}[ratio <= k.goal])
		}
	}
	report(k.what, every, func(c *contender) string {
		if took[c] == nil {
			return "–"
		}
		return fmt.Sprintf("%s [%s..%s]", short(median(c)), short(took[c][0]), short(took[c][len(took[c])-1]))
	}, verdict)
	return nil
}

func short(d time.Duration) string { return d.Round(time.Millisecond).String() }
