package testenv

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// EngineArguments are those of `docker run` for EngineImage: its socket comes into folder. It is not --privileged: SYS_RESOURCE may
// be more than a machine can give.
func EngineArguments(folder string) []string {
	return []string{
		"--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm",
		"--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--volume", folder + ":/sock",
	}
}

// An OwnEngine is a Docker Engine 26.1 of one test, which may be killed and come back.
type OwnEngine struct {
	Host      string // what DOCKER_HOST takes
	outer, id string
}

// StartEngine starts an engine that holds one of the Images, and removes it with the test. It takes some 5 seconds.
func StartEngine(t testing.TB, image string) OwnEngine {
	t.Helper()
	folder, err := os.MkdirTemp("", "engine") //nolint:usetesting // short, as a socket's path has its limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	e := OwnEngine{Host: "unix://" + filepath.Join(folder, "docker.sock"), outer: Engines(t)[0].Host}
	args := append([]string{"run", "--detach", "--label", fmt.Sprintf("%s=%d", OwnerLabel, os.Getpid()),
		"--tmpfs", "/run"}, EngineArguments(folder)...) // its number, which stands in /run, does not outlive it
	e.id = docker(t, e.outer, append(args, EngineImage().Tags[0])...)
	t.Cleanup(func() { docker(t, e.outer, "rm", "--force", "--volumes", e.id) })
	e.wait(t)
	save := exec.Command("docker", "--host", e.outer, "save", image)
	load := exec.Command("docker", "--host", e.Host, "load")
	reader, writer := io.Pipe()
	save.Stdout, load.Stdin = writer, reader
	if err := save.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = writer.CloseWithError(save.Wait()) }()
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker load: %v\n%s", err, out)
	}
	return e
}

// Kill ends the engine as a power cut would, and all that it runs.
func (e OwnEngine) Kill(t testing.TB) {
	t.Helper()
	docker(t, e.outer, "kill", e.id)
}

// Start starts a killed engine and waits until it answers.
func (e OwnEngine) Start(t testing.TB) {
	t.Helper()
	docker(t, e.outer, "start", e.id)
	e.wait(t)
}

// wait returns when the engine answers. It tells nobody when it does, so this asks.
func (e OwnEngine) wait(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := exec.CommandContext(ctx, "docker", "--host", e.Host, "version").Run()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the engine does not answer: %v\n%s", err, docker(t, e.outer, "logs", "--tail", "30", e.id))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
