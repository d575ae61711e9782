// Command native measures `msdev up --wait` of samples/shop as processes, from sources to all ten ready, beside a floor: a program
// that builds the same services, starts each the moment what it needs answers, and does nothing else.
//
//	go run ./bench/native [-runs 5]
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
	"time"
)

func main() {
	runs := flag.Int("runs", 5, "runs of each; the median counts")
	flag.Parse()
	if err := run(context.Background(), *runs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, runs int) (err error) {
	dir, err := os.MkdirTemp("", "bench-native")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := bench{shop: filepath.Join(dir, "shop"), msdev: filepath.Join(dir, "msdev")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.msdev, "msdev").CombinedOutput(); err != nil {
		return fmt.Errorf("building msdev: %w\n%s", err, out)
	}
	if err := os.CopyFS(b.shop, os.DirFS("samples/shop")); err != nil {
		return fmt.Errorf("run it in msdev's own folder: %w", err)
	}
	b.env = append(os.Environ(), "XDG_RUNTIME_DIR="+filepath.Join(dir, "run"), "XDG_STATE_HOME="+filepath.Join(dir, "state"), "DOCKER_HOST=tcp://127.0.0.1:1")
	if _, err := b.floor(ctx); err != nil { // fills Go's build cache
		return err
	}
	var floor, ours, down []time.Duration
	for range runs {
		took, err := b.floor(ctx)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		floor = append(floor, took)
		if took, err = b.verb(ctx, "up", "-d", "--wait"); err != nil {
			return err
		}
		ours = append(ours, took)
		if took, err = b.verb(ctx, "down", "-v"); err != nil {
			return err
		}
		down = append(down, took)
	}
	fmt.Println("| shop as processes | floor | msdev | msdev ÷ floor |\n|---|--:|--:|--:|")
	fmt.Printf("| sources to all ready | %.2f s | %.2f s | %.2f |\n", median(floor).Seconds(), median(ours).Seconds(), median(ours).Seconds()/median(floor).Seconds())
	fmt.Printf("| down | – | %.2f s | – |\n", median(down).Seconds())
	return nil
}

type bench struct {
	shop, msdev string
	env         []string
}

// verb times a verb of msdev. What an up has built before is gone: every run builds and links anew, from Go's own cache.
func (b bench) verb(ctx context.Context, args ...string) (time.Duration, error) {
	if args[0] == "up" {
		if err := os.RemoveAll(filepath.Join(b.shop, "bin")); err != nil {
			return 0, err
		}
	}
	cmd := exec.CommandContext(ctx, b.msdev, args...)
	cmd.Dir, cmd.Env = b.shop, b.env
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("msdev %s: %w\n%s", args[0], err, out)
	}
	return time.Since(began), nil
}

func median(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
