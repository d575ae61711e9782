package testenv

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"msdev/testenv/kafka"
)

// An Engine is a Docker Engine for tests. It holds all the images of Images and BaseImages.
type Engine struct {
	// Name is the first two parts of its version, such as 20.10.
	Name string `json:"name"`
	// Host is what DOCKER_HOST takes.
	Host string `json:"host"`
	// APIVersion is the newest it speaks, such as 1.41.
	APIVersion string `json:"apiVersion"`
}

// Engines are all engines of this machine, the oldest first. At least one is there, or the test does not go on.
func Engines(t testing.TB) []Engine {
	t.Helper()
	state := load(t)
	for _, e := range state.Engines {
		if err := answers(e.Host); err != nil {
			missing(t, fmt.Sprintf("Docker Engine %s does not answer: %v", e.Name, err))
		}
	}
	if len(state.Engines) == 0 {
		missing(t, "no Docker Engine"+reason(state, "engine"))
	}
	return state.Engines
}

// EngineNamed is the engine of one version, such as 20.10 or 26.1.
func EngineNamed(t testing.TB, name string) Engine {
	t.Helper()
	for _, e := range Engines(t) {
		if e.Name == name {
			return e
		}
	}
	missing(t, "no Docker Engine "+name+reason(load(t), "engine "+name))
	return Engine{}
}

func answers(host string) error {
	network, address, ok := strings.Cut(host, "://")
	if !ok {
		return fmt.Errorf("%q is not an address", host)
	}
	if network != "unix" && network != "tcp" {
		return nil // the client will say
	}
	conn, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Compose is the path of the real Docker Compose, ComposeVersion. It finds its builder with
// DOCKER_CONFIG=DockerConfig(t).
func Compose(t testing.TB) string {
	t.Helper()
	return filepath.Join(DockerConfig(t), "cli-plugins", "docker-compose")
}

// DockerConfig is a Docker configuration folder with Compose and buildx as plugins and no credentials, the same for all
// tests: do not write to it.
func DockerConfig(t testing.TB) string {
	t.Helper()
	state := load(t)
	if state.DockerConfig == "" {
		missing(t, "no Docker Compose "+ComposeVersion+reason(state, "compose"))
	}
	return state.DockerConfig
}

// ProjectName is a project's name that no other test has, now or later. It is made of the test's name, this process's
// number, by which the set-up finds what a killed test left, and chance.
func ProjectName(t testing.TB) string {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, strings.TrimPrefix(t.Name(), "Test"))
	return fmt.Sprintf("%s%s-%d-%s", ProjectPrefix, name[:min(len(name), 20)], os.Getpid(), strings.ToLower(rand.Text()[:6]))
}

// ProjectPrefix begins every ProjectName.
const ProjectPrefix = "mt-"

// ProjectOwner is the number of the process that made a ProjectName.
func ProjectOwner(project string) (pid int, ok bool) {
	parts := strings.Split(project, "-")
	if !strings.HasPrefix(project, ProjectPrefix) || len(parts) != 4 {
		return 0, false
	}
	pid, err := strconv.Atoi(parts[2])
	return pid, err == nil
}

// FreePort is a port of 127.0.0.1 on which nothing listens. It lies below those that the kernel gives to outgoing connections, so
// that none of these takes it before the test does.
func FreePort(t testing.TB) int {
	t.Helper()
	const first, count = 10000, 10000
	for range 1000 {
		port := first + mathrand.IntN(count)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port of 127.0.0.1 is free")
	return 0
}

// Kafka starts a broker of one release, 4.1 or 2.8, with fresh data, and ends it with the test.
func Kafka(t testing.TB, line string) *kafka.Broker {
	t.Helper()
	l := KafkaDir(t, line)
	ctx, cancel := context.WithCancel(context.Background())
	broker, err := l.Start(ctx, filepath.Join(t.TempDir(), "kafka"))
	if err != nil {
		cancel()
		t.Fatalf("Kafka %s: %v", line, err)
	}
	t.Cleanup(func() {
		broker.Kill()
		cancel()
	})
	return broker
}

// KafkaDir is one release of Kafka, 4.1 or 2.8: to start brokers that outlive one another on the same data, and to run
// Kafka's own tools.
func KafkaDir(t testing.TB, line string) kafka.Line {
	t.Helper()
	state := load(t)
	dir, there := state.Kafka[line]
	if !there {
		missing(t, "no Kafka "+line+reason(state, "kafka "+line))
	}
	return kafka.Line{Dir: dir}
}

// Tool is the path of a command-line tool: one of the cache's bin folder, or else of the PATH.
func Tool(t testing.TB, name string) string {
	t.Helper()
	state := load(t)
	if path := filepath.Join(state.Bin, name); state.Bin != "" {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "no "+name+reason(state, name))
	}
	return path
}

func load(t testing.TB) State {
	t.Helper()
	state, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// reason says why the set-up left something out, where it does.
func reason(s State, what string) string {
	if why := s.Missing[what]; why != "" {
		return " (" + why + ")"
	}
	return ""
}

// missing ends the test: what it needs is not on this machine.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("MSDEV_TEST_REQUIRE") == "1" {
		t.Fatalf("%s\nSet the machine up: %s", what, setupCommand)
	}
	t.Skipf("%s on this %s machine; to set it up: %s", what, runtime.GOOS, setupCommand)
}
