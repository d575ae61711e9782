package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// serverSource answers what its file said when it started.
const serverSource = `package main

import (
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() { <-end; os.Exit(0) }()
	version, err := os.ReadFile("/conf/version")
	if err != nil {
		panic(err)
	}
	panic(http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(version) })))
}
`

const dockerfile = `FROM scratch
COPY server /server
CMD ["/server"]
COPY version /conf/version
`

// buildServer builds the server that runs in containers.
func buildServer(ctx context.Context, dir string) (string, error) {
	source, server := filepath.Join(dir, "server.go"), filepath.Join(dir, "server")
	if err := os.WriteFile(source, []byte(serverSource), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", server, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return server, nil
}

// prepare writes what the services are built from that answer.
func (c *contender) prepare(server string) error {
	program, err := os.ReadFile(server)
	if err != nil {
		return err
	}
	app := filepath.Join(c.dir, "app")
	for i := range c.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		c.ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return errors.Join(os.MkdirAll(app, 0o755), os.MkdirAll(filepath.Join(c.dir, "conf"), 0o755),
		os.WriteFile(filepath.Join(app, "server"), program, 0o755), os.WriteFile(filepath.Join(app, "Dockerfile"), []byte(dockerfile), 0o644),
		os.WriteFile(filepath.Join(app, "version"), []byte("0"), 0o644), os.WriteFile(filepath.Join(c.dir, "conf", "version"), []byte("0"), 0o644))
}

// saveAndRestart saves a file after which the container is restarted, and waits until its new start answers.
func (c *contender) saveAndRestart(context.Context) (time.Duration, error) {
	return c.saveForAnswer(filepath.Join(c.dir, "conf", "version"), c.ports[0])
}

// saveAndRebuild saves a file of which the image is built, and waits until the container of the new image answers.
func (c *contender) saveAndRebuild(context.Context) (time.Duration, error) {
	return c.saveForAnswer(filepath.Join(c.dir, "app", "version"), c.ports[1])
}

func (c *contender) saveForAnswer(path string, port int) (time.Duration, error) {
	c.saves++
	want := strconv.Itoa(c.saves)
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		return 0, err
	}
	return c.until(func() bool { return answers(port, want) })
}

// answers asks by a connection of its own, and not for long: one to a port of a container that is down may hang.
func answers(port int, want string) bool {
	one := http.Client{Timeout: 50 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := one.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return err == nil && string(text) == want
}
