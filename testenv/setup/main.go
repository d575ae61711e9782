// Command setup brings onto a machine all that msdev's tests need, and runs them.
//
//	go run ./testenv/setup                  set up what is missing
//	go run ./testenv/setup bench            and what only benchmarks need
//	go run ./testenv/setup test             set up, then lint and test every module
//	go run ./testenv/setup test [ARGS...]   set up, then go test -race ARGS
//
// It makes and keeps everything in one folder, $XDG_CACHE_HOME/msdev-testenv, and as images and containers of the engine.
// What is there already, with the same content, is left as it is. As root on Debian it installs what is missing; elsewhere
// it uses what it finds, and says what it does without.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"msdev/testenv"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := runMain(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		cancel()
		os.Exit(1)
	}
}

func runMain(ctx context.Context, args []string) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	if !slices.Contains([]string{"", "bench", "test"}, verb) || verb != "test" && len(args) > 0 {
		return fmt.Errorf("unknown arguments\nUse: go run ./testenv/setup [bench | test [go test arguments]]")
	}
	m, err := newMachine(ctx)
	if err != nil {
		return err
	}
	state, err := m.setUp(ctx, verb == "bench")
	if err != nil || verb != "test" {
		return err
	}
	return m.test(ctx, state, args)
}

// setUp takes all steps and leaves the state for the tests. Of several set-ups at a time on one cache, one does the work
// and the others wait for it.
func (m *machine) setUp(ctx context.Context, bench bool) (testenv.State, error) {
	began := time.Now()
	unlock, err := lockFile(m.path("lock"), func() { fmt.Println("waiting for another set-up to end") })
	if err != nil {
		return testenv.State{}, err
	}
	defer unlock()
	first, err := m.first(ctx)
	if err != nil {
		return testenv.State{}, err
	}
	second := engine{"unix://" + m.path("engine26", "docker.sock")}
	steps, err := m.steps(first, second, bench)
	if err != nil {
		return testenv.State{}, err
	}
	outcomes, err := runGraph(ctx, steps, m.logOf, report)
	if err != nil {
		return testenv.State{}, m.withLog(outcomes, err)
	}
	state := m.state(ctx, first, second, outcomes)
	if err := state.Save(); err != nil {
		return state, err
	}
	if outcomes["engine"].ok() {
		m.sweep(ctx, state.Engines)
	}
	fmt.Printf("%7.1fs  the test environment is ready\n", time.Since(began).Seconds())
	if len(state.Missing) > 0 {
		fmt.Println("The tests that need what it is without are skipped.")
	}
	if os.Getenv("CI") == "true" && len(state.Missing) > 0 {
		return state, errors.New("CI=true allows nothing to be missing")
	}
	return state, nil
}

// steps is the whole set-up.
func (m *machine) steps(first, second engine, bench bool) ([]step, error) {
	steps := []step{m.packages("packages", testenv.Packages()), m.startFirst(first)}
	for _, base := range testenv.BaseImages() {
		steps = append(steps, m.base(first, base))
	}
	program, err := m.testProgram()
	if err != nil {
		return nil, err
	}
	steps = append(steps, program)
	for _, line := range testenv.KafkaLines() {
		s, err := m.kafka(line)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	var tags, names []string
	for _, image := range testenv.Images() {
		s, err := m.image(first, image)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
		tags, names = append(tags, image.Tags...), append(names, s.name)
	}
	for _, base := range testenv.BaseImages() {
		tags = append(tags, base.Tag)
	}
	if m.bare {
		s, err := m.image(first, testenv.EngineImage())
		if err != nil {
			return nil, err
		}
		steps = append(steps, s, m.startSecond(first, second, testenv.EngineImage().Tags[0]), m.transfer(first, second, tags, names))
	} else {
		steps = append(steps, step{name: "engine 26.1", do: func(context.Context, io.Writer) error {
			return unavailable("only root on Debian can run it")
		}})
	}
	for _, p := range plugins() {
		steps = append(steps, m.plugin(p))
	}
	steps = append(steps, m.installed("golangci-lint", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint", testenv.LinterVersion))
	if bench {
		steps = append(steps, m.packages("bench packages", testenv.BenchPackages()),
			m.installed("air", "github.com/air-verse/air", testenv.AirVersion),
			m.installed("grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl", testenv.GrpcurlVersion))
	}
	return steps, nil
}

// state says what the steps brought.
func (m *machine) state(ctx context.Context, first, second engine, outcomes map[string]outcome) testenv.State {
	state := testenv.State{Bin: m.path("bin"), Kafka: map[string]string{}, Missing: map[string]string{}}
	for _, o := range outcomes {
		if o.err != nil {
			state.Missing[o.name] = o.err.Error()
		}
	}
	for _, e := range []engine{first, second} {
		if about, err := e.version(ctx); err == nil {
			state.Engines = append(state.Engines, about)
		}
	}
	if outcomes["compose"].ok() && outcomes["buildx"].ok() {
		state.DockerConfig = m.path("docker")
	}
	for _, line := range testenv.KafkaLines() {
		if outcomes["kafka "+line.Name].ok() {
			state.Kafka[line.Name] = m.path("kafka", line.Name)
		}
	}
	return state
}

// report prints one line about a step that ended. What was there already needs no line, nor what follows from another
// line.
func report(o outcome) {
	switch {
	case o.was || o.left || errors.Is(o.err, context.Canceled):
	case isUnavailable(o.err):
		fmt.Printf("%9s %s: %v\n", "without", o.name, o.err)
	case o.err != nil:
		fmt.Printf("%7.1fs  %s FAILED\n", o.took.Seconds(), o.name)
	default:
		fmt.Printf("%7.1fs  %s\n", o.took.Seconds(), o.name)
	}
}

func (m *machine) logPath(name string) string {
	return m.path("log", strings.NewReplacer(" ", "-", "/", "-", ":", "-").Replace(name)+".log")
}

// logOf is the file for what a step's commands write.
func (m *machine) logOf(name string) io.WriteCloser {
	file, err := os.Create(m.logPath(name))
	if err != nil {
		return os.Stderr
	}
	return file
}

// withLog adds to the error of a failed step the end of its log.
func (m *machine) withLog(outcomes map[string]outcome, err error) error {
	for _, o := range outcomes {
		if o.err == nil || isUnavailable(o.err) || errors.Is(o.err, context.Canceled) {
			continue
		}
		content, readErr := os.ReadFile(m.logPath(o.name))
		if readErr != nil {
			return err
		}
		return fmt.Errorf("%w\nIts log %s ends with:\n%s", err, m.logPath(o.name), tail(string(content), 20))
	}
	return err
}

// tail is the last lines of a text, without empty ones and without what a progress line overwrote.
func tail(text string, count int) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		line = strings.TrimLeft(line[strings.LastIndex(line, "\r")+1:], " ")
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// lockFile takes the lock that a file is, and tells the caller when it has to wait for it. It ends with the process, too.
func lockFile(path string, waits func()) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		waits()
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { file.Close() }, nil
}
