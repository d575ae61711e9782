package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// group is a program that runs in a process group of its own.
type group struct{ cmd *exec.Cmd }

func start(dir string, env []string, name string, args ...string) (group, error) {
	said, err := os.Create(dir + ".said") // beside the folder, which is watched
	if err != nil {
		return group{}, err
	}
	defer said.Close()
	c := exec.Command(name, args...)
	c.Dir, c.Stdout, c.Stderr, c.SysProcAttr = dir, said, said, &syscall.SysProcAttr{Setpgid: true}
	c.Env = append(os.Environ(), env...)
	return group{c}, c.Start()
}

func (g group) end(sig syscall.Signal) {
	if g.cmd != nil && g.cmd.Process != nil {
		_ = syscall.Kill(-g.cmd.Process.Pid, sig)
		_ = g.cmd.Wait()
	}
}

// byHand is the floor.
type byHand struct {
	dir  string
	port int
	web  group
}

func (b *byHand) begin(dir string, port int) error {
	b.dir, b.port = dir, port
	return b.saved()
}

func (b *byHand) saved() error {
	build := exec.Command("go", "build", "-o", "web", ".")
	build.Dir = b.dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	b.end()
	var err error
	b.web, err = start(b.dir, []string{fmt.Sprint("PORT=", b.port)}, filepath.Join(b.dir, "web"))
	return err
}

func (b *byHand) end() { b.web.end(syscall.SIGKILL) }

const compose = `name: bench-reload
services:
  web:
    ports: ["%d:8080"]
    x-msdev: {build: go build -o bin/web ., run: ./bin/web, env: {PORT: "{{.Port 8080}}"}, ready: {http: 8080/}}
`

// byMsdev is `msdev watch`.
type byMsdev struct {
	program string
	dir     string
	watch   group
}

func (b *byMsdev) env() []string {
	return []string{"XDG_RUNTIME_DIR=" + filepath.Join(b.dir, ".run"), "XDG_STATE_HOME=" + filepath.Join(b.dir, ".state")}
}

func (b *byMsdev) begin(dir string, port int) error {
	b.dir = dir
	if err := errors.Join(os.Mkdir(filepath.Join(dir, ".run"), 0o700), os.WriteFile(filepath.Join(dir, "compose.yaml"), fmt.Appendf(nil, compose, port), 0o600)); err != nil {
		return err
	}
	var err error
	b.watch, err = start(dir, b.env(), b.program, "--runtime", "process", "watch")
	return err
}

func (b *byMsdev) saved() error { return nil }

func (b *byMsdev) end() {
	if b.dir == "" {
		return
	}
	b.watch.end(syscall.SIGINT)
	down := exec.Command(b.program, "down", "-t", "0")
	down.Dir, down.Env = b.dir, append(os.Environ(), b.env()...)
	_ = down.Run()
}

const airSettings = `root = "."
tmp_dir = "tmp"
[build]
cmd = "go build -o ./tmp/main ."
bin = "./tmp/main"
%s
`

// byAir is air.
type byAir struct {
	program string
	delays  string
	air     group
}

func (b *byAir) begin(dir string, port int) error {
	if err := os.WriteFile(filepath.Join(dir, ".air.toml"), fmt.Appendf(nil, airSettings, b.delays), 0o600); err != nil {
		return err
	}
	var err error
	b.air, err = start(dir, []string{fmt.Sprint("PORT=", port)}, b.program)
	return err
}

func (b *byAir) saved() error { return nil }

func (b *byAir) end() { b.air.end(syscall.SIGINT) }
