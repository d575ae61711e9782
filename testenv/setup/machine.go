package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"msdev/testenv"
)

// A machine is what the steps work on.
type machine struct {
	cache string // the folder of everything that is made
	repo  string // msdev's source
	bare  bool   // root on Debian: anything can be installed

	goroot string
}

func newMachine(ctx context.Context) (*machine, error) {
	cache, err := testenv.CacheDir()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"log", "stamp", "bin", "build", "engine26", filepath.Join("docker", "cli-plugins")} {
		if err := os.MkdirAll(filepath.Join(cache, dir), 0o755); err != nil {
			return nil, err
		}
	}
	env, err := output(ctx, "go", "env", "GOMOD", "GOROOT")
	if err != nil {
		return nil, err
	}
	mod, goroot, _ := strings.Cut(env, "\n")
	repo := filepath.Dir(mod)
	if _, err := os.Stat(filepath.Join(repo, "testenv", "versions.go")); err != nil {
		return nil, fmt.Errorf("%s is not msdev's source\nRun the set-up in the checkout: go run ./testenv/setup", repo)
	}
	_, err = os.Stat("/etc/debian_version")
	return &machine{cache: cache, repo: repo, goroot: goroot, bare: err == nil && os.Geteuid() == 0}, nil
}

func (m *machine) path(parts ...string) string {
	return filepath.Join(append([]string{m.cache}, parts...)...)
}

func (m *machine) source(parts ...string) string {
	return filepath.Join(append([]string{m.repo, "testenv"}, parts...)...)
}

// stamped makes a step whose thing is files: it is there when the stamp of an earlier run says key and product exists.
func (m *machine) stamped(s step, key, product string) step {
	stamp := m.path("stamp", strings.ReplaceAll(s.name, " ", "-"))
	do := s.do
	s.there = func(context.Context) (bool, error) {
		was, _ := os.ReadFile(stamp)
		_, err := os.Stat(product)
		return string(was) == key && err == nil, nil
	}
	s.do = func(ctx context.Context, log io.Writer) error {
		if err := do(ctx, log); err != nil {
			return err
		}
		return os.WriteFile(stamp, []byte(key), 0o644)
	}
	return s
}

// command is a command that writes all it says to log. It ends with ctx, and with it all that it started.
func command(ctx context.Context, log io.Writer, name string, args ...string) *exec.Cmd {
	fmt.Fprintf(log, "$ %s %s\n", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs a command to its end.
func run(ctx context.Context, log io.Writer, name string, args ...string) error {
	return say(command(ctx, log, name, args...).Run(), name)
}

// output is what a command writes to its standard output, without the last line's end.
func output(ctx context.Context, name string, args ...string) (string, error) {
	var out, errs strings.Builder
	cmd := command(ctx, io.Discard, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", say(err, name), strings.TrimSpace(errs.String()))
	}
	return strings.TrimRight(out.String(), "\n"), nil
}

func say(err error, name string) error {
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// packages installs what is missing of Debian's packages.
func (m *machine) packages(name string, packages []testenv.Package) step {
	missing := func() []string {
		var names []string
		for _, p := range packages {
			_, onPath := exec.LookPath(p.File)
			if _, exists := os.Stat(p.File); onPath != nil && exists != nil {
				names = append(names, p.Name)
			}
		}
		return names
	}
	return step{
		name: name,
		lock: "apt",
		there: func(context.Context) (bool, error) {
			return len(missing()) == 0 || !m.bare, nil
		},
		do: func(ctx context.Context, log io.Writer) error {
			// A package may want to start its service, and there may be nothing that starts services.
			settings := []string{"-q", "-y", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"}
			if err := run(ctx, log, "apt-get", append(settings, "update")...); err != nil {
				return err
			}
			install := command(ctx, log, "apt-get", slices.Concat(settings, []string{"install", "--no-install-recommends"}, missing())...)
			install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			return say(install.Run(), "apt-get")
		},
	}
}

// waitFor asks again and again until ok says yes. It is for programs that tell nobody when they are ready.
func waitFor(ctx context.Context, limit time.Duration, what string, ok func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v: %w", what, limit, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
