// Command reload measures how long it takes from a saved file of a native Go service until its new version answers, in one run:
// by hand (`go build` and a new process), by `msdev watch`, and by air. Requests that fail meanwhile are counted.
//
//	go run ./bench/reload [-n 5]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"msdev/testenv"
)

const program = `package main

import (
	"fmt"
	"net/http"
	"os"
)

const version = "VERSION"

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, version) })
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
`

const compose = `name: bench-reload
services:
  web:
    ports: ["PUBLISHED:8080"]
    x-msdev: {build: go build -o bin/web ., run: ./bin/web, env: {PORT: "{{.Port 8080}}"}, ready: {http: 8080/}}
`

// airSettings are air's with its delays as they come.
const airSettings = `root = "."
tmp_dir = "tmp"
[build]
cmd = "go build -o ./tmp/main ."
bin = "./tmp/main"
`

func main() {
	n := flag.Int("n", 5, "reloads of each")
	flag.Parse()
	if err := run(*n); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(n int) error {
	dir, err := os.MkdirTemp("", "bench-reload-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	msdev := filepath.Join(dir, "msdev")
	if out, err := exec.Command("go", "build", "-o", msdev, "msdev").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	contestants := []struct {
		name  string
		begin func(dir string, port int) (*exec.Cmd, error)
		save  func(dir string, port int, cmd *exec.Cmd) (*exec.Cmd, error)
	}{
		{"go build and a new process", byHand, byHandAgain},
		{"msdev watch", func(dir string, port int) (*exec.Cmd, error) {
			text := strings.ReplaceAll(compose, "PUBLISHED", fmt.Sprint(port))
			err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600)
			return start(dir, append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "XDG_STATE_HOME="+dir), msdev, "--runtime", "process", "watch"), err
		}, nil},
		{"air", func(dir string, port int) (*exec.Cmd, error) {
			cache, err := testenv.CacheDir()
			air := filepath.Join(cache, "bin", "air")
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, ".air.toml"), []byte(airSettings), 0o600)
			}
			return start(dir, append(os.Environ(), fmt.Sprint("PORT=", port)), air), err
		}, nil},
	}
	for i, c := range contestants {
		at := filepath.Join(dir, fmt.Sprint(i))
		took, failed, asked, err := measure(at, n, c.begin, c.save)
		if i == 1 {
			down := exec.Command(msdev, "down", "-t", "0")
			down.Dir, down.Env = at, append(os.Environ(), "XDG_RUNTIME_DIR="+at, "XDG_STATE_HOME="+at)
			_ = down.Run()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		slices.Sort(took)
		fmt.Printf("%-28s %5d ms [%d..%d], %d of %d requests failed\n", c.name, took[len(took)/2].Milliseconds(), took[0].Milliseconds(), took[len(took)-1].Milliseconds(), failed, asked)
	}
	return nil
}

func byHand(dir string, port int) (*exec.Cmd, error) { return byHandAgain(dir, port, nil) }

func byHandAgain(dir string, port int, old *exec.Cmd) (*exec.Cmd, error) {
	build := exec.Command("go", "build", "-o", "web", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	end(old)
	return start(dir, append(os.Environ(), fmt.Sprint("PORT=", port)), filepath.Join(dir, "web")), nil
}

func start(dir string, env []string, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir, c.Env, c.SysProcAttr = dir, env, &syscall.SysProcAttr{Setpgid: true}
	_ = c.Start() // what did not start does not answer
	return c
}

func end(c *exec.Cmd) {
	if c != nil && c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGINT)
		_ = c.Wait()
	}
}

// measure saves n versions and waits for each to answer.
func measure(dir string, n int, begin func(string, int) (*exec.Cmd, error), save func(string, int, *exec.Cmd) (*exec.Cmd, error)) (took []time.Duration, failed, asked int, err error) {
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module web\n\ngo 1.24\n"), 0o600), write(dir, 0)); err != nil {
		return nil, 0, 0, err
	}
	port, err := freePort()
	if err != nil {
		return nil, 0, 0, err
	}
	cmd, err := begin(dir, port)
	defer func() { end(cmd) }()
	if err != nil {
		return nil, 0, 0, err
	}
	if _, _, err := until(port, 0); err != nil {
		return nil, 0, 0, err
	}
	for i := 1; i <= n; i++ {
		<-time.After(700 * time.Millisecond) // as a person pauses
		began := time.Now()
		if err := write(dir, i); err != nil {
			return nil, 0, 0, err
		}
		if save != nil {
			if cmd, err = save(dir, port, cmd); err != nil {
				return nil, 0, 0, err
			}
		}
		f, a, err := until(port, i)
		if err != nil {
			return nil, 0, 0, err
		}
		took, failed, asked = append(took, time.Since(began)), failed+f, asked+a
	}
	return took, failed, asked, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func write(dir string, version int) error {
	return os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.ReplaceAll(program, "VERSION", fmt.Sprint("v", version))), 0o600)
}

// until asks until a version answers.
func until(port, version int) (failed, asked int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	client := http.Client{Timeout: time.Second}
	for ctx.Err() == nil {
		asked++
		resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		if err != nil {
			failed++
			<-time.After(5 * time.Millisecond)
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(text) == fmt.Sprint("v", version) {
			return failed, asked, nil
		}
		<-time.After(5 * time.Millisecond)
	}
	return failed, asked, fmt.Errorf("version %d never answered", version)
}
