package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"msdev/testenv"
	"msdev/testenv/kafka"
)

// A plugin is a command of Docker's that is built from source, in a module of its own.
type plugin struct{ name, module, pkg, version, versionVar string }

func plugins() []plugin {
	const compose, buildx = "github.com/docker/compose/v5", "github.com/docker/buildx"
	return []plugin{
		{"compose", compose, compose + "/cmd", testenv.ComposeVersion, compose + "/internal.Version"},
		{"buildx", buildx, buildx + "/cmd/buildx", testenv.BuildxVersion, buildx + "/version.Version"},
	}
}

// plugin builds one into the folder where the docker command looks for it.
func (m *machine) plugin(p plugin) step {
	product := m.path("docker", "cli-plugins", "docker-"+p.name)
	return m.stamped(step{
		name: p.name,
		lock: "compiler",
		do: func(ctx context.Context, log io.Writer) error {
			dir := m.path("build", p.name)
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			for _, args := range [][]string{
				{"mod", "init", "peers/" + p.name},
				{"get", "-tool", p.pkg + "@" + p.version},
				{"build", "-ldflags", "-s -w -X " + p.versionVar + "=" + p.version, "-o", product, p.pkg},
			} {
				if err := m.goCommand(ctx, log, dir, args...); err != nil {
					return err
				}
			}
			return nil
		},
	}, keyOf(p.module, p.version, runtime.Version()), product)
}

// installed installs one Go program into the cache's bin folder.
func (m *machine) installed(name, pkg, version string) step {
	return m.stamped(step{
		name: name,
		lock: "compiler",
		do: func(ctx context.Context, log io.Writer) error {
			return m.goCommand(ctx, log, m.cache, "install", pkg+"@"+version)
		},
	}, keyOf(pkg, version, runtime.Version()), m.path("bin", name))
}

// goCommand runs go outside msdev's module.
func (m *machine) goCommand(ctx context.Context, log io.Writer, dir string, args ...string) error {
	cmd := command(ctx, log, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOBIN="+m.path("bin"))
	return say(cmd.Run(), "go "+args[0])
}

// kafka fetches the jars of one line and prepares what makes its brokers start fast: a formatted data folder (4.1) or the
// class that runs ZooKeeper and the broker in one JVM (2.8), and an archive of loaded classes.
func (m *machine) kafka(line testenv.KafkaLine) (step, error) {
	files := m.source("kafka", line.Name)
	tree, err := keyOfTree(os.DirFS(files))
	if err != nil {
		return step{}, err
	}
	dir := m.path("kafka", line.Name)
	return m.stamped(step{
		name:  "kafka " + line.Name,
		needs: []string{"packages"},
		lock:  "maven",
		do: func(ctx context.Context, log io.Writer) error {
			for _, tool := range []string{"java", "javac", "mvn"} {
				if _, err := exec.LookPath(tool); err != nil {
					return unavailable("there is no " + tool)
				}
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			if err := os.CopyFS(dir, os.DirFS(files)); err != nil {
				return err
			}
			err := run(ctx, log, "mvn", "--batch-mode", "--quiet", "--file", filepath.Join(dir, "pom.xml"),
				"-Dkafka.version="+line.Version, testenv.MavenCopyGoal,
				"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "libs"))
			if err != nil {
				return err
			}
			if err := (kafka.Line{Dir: dir}).Prepare(ctx, log); err != nil {
				return fmt.Errorf("Kafka %s: %w", line.Version, err)
			}
			return nil
		},
	}, keyOf(tree, line.Version), filepath.Join(dir, "libs")), nil
}
