package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"
)

// patience is how long anything may take before it counts as never.
const patience = 3 * time.Minute

const composeFile = `name: %s
services:
  web:
    image: busybox
    network_mode: none
    command: [sleep, "86400"]
    stop_signal: SIGKILL
    develop:
      watch:
        - {action: sync, path: ./src, target: /src, ignore: [node_modules/, "**/*.log"]}
  again:
    build: app
    ports: ["127.0.0.1:%d:80"]
    develop: {watch: [{action: sync+restart, path: ./conf, target: /conf}]}
  built:
    build: app
    ports: ["127.0.0.1:%d:80"]
    develop: {watch: [{action: rebuild, path: ./app}]}
`

// contender is one way to bring files into a container of its own.
type contender struct {
	name    string
	program string
	args    []string
	ready   string // what it prints once it watches
	floor   bool

	dir    string
	src    string
	msdev  string
	host   string
	id     string
	root   string // the container's file system, as this machine sees it
	run    *exec.Cmd
	api    *client.Client
	ports  [2]int            // of the services again and built
	ids    map[string]string // of the floor: by service, the container
	saves  int
	branch string
	end    context.CancelFunc
}

func (c *contender) start(ctx context.Context, dir, msdev, server, host string, folders int) error {
	c.dir, c.src, c.msdev, c.host = dir, filepath.Join(dir, "src"), msdev, host
	for n := range folders {
		if err := os.MkdirAll(filepath.Join(c.src, "node_modules", fmt.Sprint("p", n)), 0o755); err != nil {
			return err
		}
	}
	project := fmt.Sprintf("msdevbench%d%s", os.Getpid(), c.name)
	if err := errors.Join(os.MkdirAll(c.src, 0o755), os.WriteFile(filepath.Join(c.src, "file"), []byte("0"), 0o644), c.prepare(server),
		os.WriteFile(filepath.Join(dir, "compose.yaml"), fmt.Appendf(nil, composeFile, project, c.ports[0], c.ports[1]), 0o644)); err != nil {
		return err
	}
	var err error
	if c.api, err = client.New(client.WithHost(host)); err != nil {
		return err
	}
	up := c.command(ctx, msdev, "up", "-d", "--no-watch")
	if out, err := up.CombinedOutput(); err != nil {
		return fmt.Errorf("up: %w\n%s", err, out)
	}
	in, err := c.api.ContainerInspect(ctx, project+"-web-1", client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	c.id, c.root = in.Container.ID, filepath.Join("/proc", strconv.Itoa(in.Container.State.Pid), "root")
	if c.floor {
		c.ids = map[string]string{"again": project + "-again-1", "built": project + "-built-1"}
		running, cancel := context.WithCancel(ctx)
		c.end = cancel
		return c.serveFloor(running)
	}
	return c.launch(ctx)
}

func (c *contender) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+c.host)
	return cmd
}

// launch starts the program, and returns when it says that it watches.
func (c *contender) launch(ctx context.Context) error {
	out, err := os.Create(filepath.Join(c.dir, "out"))
	if err != nil {
		return err
	}
	c.run = c.command(ctx, c.program, c.args...)
	c.run.Stdout, c.run.Stderr = out, out
	c.run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.run.Start(); err != nil {
		return err
	}
	_, err = c.until(func() bool {
		said, err := os.ReadFile(out.Name())
		return err == nil && strings.Contains(string(said), c.ready)
	})
	return err
}

func (c *contender) stop(ctx context.Context) {
	if c.end != nil {
		c.end()
	}
	if c.run != nil && c.run.Process != nil {
		_ = c.run.Process.Signal(os.Interrupt)
		_ = c.run.Wait()
	}
	if c.msdev != "" {
		_ = c.command(ctx, c.msdev, "down", "-t", "0").Run()
	}
}

// until waits for a condition, and returns how long that took.
func (c *contender) until(met func() bool) (time.Duration, error) {
	for began := time.Now(); ; time.Sleep(500 * time.Microsecond) {
		switch took := time.Since(began); {
		case met():
			return took, nil
		case took > patience:
			said, _ := os.ReadFile(filepath.Join(c.dir, "out"))
			return 0, fmt.Errorf("nothing within %s; it said: %s", patience, said)
		}
	}
}

// save writes a file, and returns how long it took into the container.
func (c *contender) save(context.Context) (time.Duration, error) {
	c.saves++
	want := strconv.Itoa(c.saves)
	if err := os.WriteFile(filepath.Join(c.src, "file"), []byte(want), 0o644); err != nil {
		return 0, err
	}
	return c.until(func() bool { return c.has("file", want) })
}

func (c *contender) has(name, want string) bool {
	content, err := os.ReadFile(filepath.Join(c.root, "src", name))
	return err == nil && string(content) == want
}

// saveInStorm saves while other files are written that are ignored.
func (c *contender) saveInStorm(ctx context.Context) (time.Duration, error) {
	storm, stop := context.WithTimeout(ctx, 10*time.Second)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.churn(storm)
	}()
	defer func() { stop(); <-ended }()
	time.Sleep(100 * time.Millisecond) // it is under way
	return c.save(ctx)
}

// churn writes files that are ignored, one after the other.
func (c *contender) churn(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		_ = os.WriteFile(filepath.Join(c.src, fmt.Sprintf("noise%d.log", n%50)), []byte(strconv.Itoa(n)), 0o644)
		time.Sleep(5 * time.Millisecond)
	}
}

// branches makes a repository with two branches, which differ in so many files.
func (c *contender) branches(ctx context.Context, files int) error {
	git := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "user.name=b", "-c", "user.email=b@b", "-c", "gc.auto=0"}, args...)...)
		cmd.Dir = c.src
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w\n%s", args, err, out)
		}
		return nil
	}
	if err := errors.Join(git("init", "-q", "-b", "empty"), git("commit", "-q", "--allow-empty", "-m", "empty")); err != nil {
		return err
	}
	for _, branch := range []string{"one", "two"} {
		if err := git("checkout", "-q", "-b", branch); err != nil {
			return err
		}
		for n := range files {
			path := filepath.Join(c.src, fileOf(n))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(branch), 0o644)); err != nil {
				return err
			}
		}
		if err := errors.Join(git("add", "-A", "."), git("commit", "-q", "-m", branch)); err != nil {
			return err
		}
		c.branch = branch
	}
	_, err := c.until(func() bool { return c.arrived(files) })
	return err
}

// fileOf is the name of one of the files of a branch.
func fileOf(n int) string { return fmt.Sprintf("d%d/f%d", n%100, n) }

// arrived tells whether all files of the branch are in the container.
func (c *contender) arrived(files int) bool {
	for n := files - 1; n >= 0; n-- {
		if !c.has(fileOf(n), c.branch) {
			return false
		}
	}
	return true
}

// checkout switches the branch, and returns how long it took until all files were in the container.
func (c *contender) checkout(ctx context.Context) (time.Duration, error) {
	files := 0
	err := filepath.WalkDir(c.src, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() && strings.HasPrefix(filepath.Base(filepath.Dir(path)), "d") {
			files++
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	c.branch = map[string]string{"one": "two", "two": "one"}[c.branch]
	began := time.Now()
	cmd := exec.CommandContext(ctx, "git", "checkout", "-q", c.branch)
	cmd.Dir = c.src
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("git checkout: %w\n%s", err, out)
	}
	if _, err := c.until(func() bool { return c.arrived(files) }); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// watches is how many folders the program and what it started watch: each is a line that the kernel shows of an inotify file.
func (c *contender) watches() string {
	if c.floor {
		return "3"
	}
	count := 0
	processes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range processes {
		target, err := os.Readlink(exe)
		if err != nil || target != c.program {
			continue
		}
		if dir, err := os.Readlink(filepath.Join(filepath.Dir(exe), "cwd")); err != nil || c.name == "compose" && dir != c.dir {
			continue
		}
		infos, _ := filepath.Glob(filepath.Join(filepath.Dir(exe), "fdinfo", "*"))
		for _, info := range infos {
			content, err := os.ReadFile(info)
			if err == nil {
				count += bytes.Count(content, []byte("inotify wd:"))
			}
		}
	}
	return strconv.Itoa(count)
}
