package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msdev/testenv"
)

// test lints and tests every module, or with arguments runs go test with them. It goes on after a failure, so that one
// run tells all.
func (m *machine) test(ctx context.Context, state testenv.State, args []string) error {
	complete := len(state.Missing) == 0
	env := os.Environ()
	if complete {
		env = append(env, "MSDEV_TEST_REQUIRE=1")
	}
	if len(args) > 0 {
		return m.goTest(ctx, m.repo, env, args, complete)
	}
	mods, err := filepath.Glob(filepath.Join(m.repo, "samples", "*", "go.mod"))
	if err != nil {
		return err
	}
	dirs := []string{m.repo}
	for _, mod := range mods {
		dirs = append(dirs, filepath.Dir(mod))
	}
	var errs []error
	for _, dir := range dirs {
		fmt.Printf("golangci-lint run ./... (%s)\n", m.relative(dir))
		lint := command(ctx, io.Discard, m.path("bin", "golangci-lint"), "run", "./...")
		lint.Dir, lint.Stdout, lint.Stderr = dir, os.Stdout, os.Stderr
		errs = append(errs, say(lint.Run(), "golangci-lint in "+m.relative(dir)))
	}
	for _, dir := range dirs {
		fmt.Printf("go test -race ./... (%s)\n", m.relative(dir))
		errs = append(errs, m.goTest(ctx, dir, env, []string{"./..."}, complete))
	}
	return errors.Join(errs...)
}

func (m *machine) relative(dir string) string {
	name, err := filepath.Rel(m.repo, dir)
	if err != nil {
		return dir
	}
	return name
}

// goTest runs go test in one module and prints what it would print without -json, and the tests that were skipped with
// their reasons. On a machine that misses nothing a skipped test is a failed one.
func (m *machine) goTest(ctx context.Context, dir string, env, args []string, complete bool) error {
	// -count=1: whether a test passes depends on engines and brokers, which the test cache does not see.
	cmd := command(ctx, io.Discard, "go", slices.Concat([]string{"test", "-json", "-race", "-count=1", "-timeout=20m"}, args)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, nil, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	skipped, err := printTests(os.Stdout, out, slices.Contains(args, "-v"))
	err = errors.Join(err, say(cmd.Wait(), "go test in "+m.relative(dir)))
	if len(skipped) == 0 {
		return err
	}
	fmt.Printf("skipped:\n%s", strings.Join(skipped, ""))
	if complete {
		err = errors.Join(err, fmt.Errorf("%d tests were skipped on a machine that has all they need", len(skipped)))
	}
	return err
}

// An event is a line of go test -json.
type event struct{ Action, Package, Test, Output string }

// A testPrinter prints the events of go test -json as go test prints without it.
type testPrinter struct {
	to      io.Writer
	verbose bool
	// said is what each unfinished test wrote, by package and name.
	said map[[2]string]*strings.Builder
	// skipped describes each test that was skipped.
	skipped []string
}

// printTests prints the output of packages, and of the tests that failed or, when verbose, of all. It returns a
// description of each that was skipped.
func printTests(to io.Writer, from io.Reader, verbose bool) (skipped []string, err error) {
	p := testPrinter{to: to, verbose: verbose, said: map[[2]string]*strings.Builder{}}
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return p.skipped, nil
		}
		if err != nil {
			return p.skipped, err
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Fprintf(to, "%s", line)
			continue
		}
		p.event(e)
	}
}

func (p *testPrinter) event(e event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		if e.Test == "" || p.verbose {
			fmt.Fprint(p.to, packageLine(e.Output, p.verbose))
		}
		if p.said[key] == nil {
			p.said[key] = &strings.Builder{}
		}
		p.said[key].WriteString(e.Output)
	case "fail", "skip", "pass":
		text := ""
		if p.said[key] != nil {
			text = p.said[key].String()
		}
		delete(p.said, key)
		switch {
		case e.Test == "":
		case e.Action == "fail" && !p.verbose:
			fmt.Fprint(p.to, text)
		case e.Action == "skip":
			p.skipped = append(p.skipped, fmt.Sprintf("  %s %s\n%s", e.Package, e.Test, reasons(text)))
		}
	}
}

// packageLine is what go test shows of a package's own lines: not the PASS of each that passed.
func packageLine(line string, verbose bool) string {
	if line == "PASS\n" && !verbose {
		return ""
	}
	return line
}

// reasons are the lines of a skipped test that are not go test's own.
func reasons(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimSpace(line); !strings.HasPrefix(trimmed, "===") && !strings.HasPrefix(trimmed, "---") {
			kept.WriteString("    " + trimmed + "\n")
		}
	}
	return kept.String()
}
