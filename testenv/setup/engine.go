package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"msdev/testenv"
)

// keyLabel is on every image that the set-up makes; its value names the content. An image without it is the real one:
// it is used as it is.
const keyLabel = "msdev.testenv"

// An engine is asked by its command line.
type engine struct{ host string }

func (e engine) args(args ...string) []string { return append([]string{"--host", e.host}, args...) }

func (e engine) run(ctx context.Context, log io.Writer, args ...string) error {
	return run(ctx, log, "docker", e.args(args...)...)
}

func (e engine) version(ctx context.Context) (testenv.Engine, error) {
	out, err := output(ctx, "docker", e.args("version", "--format", "{{.Server.Version}} {{.Server.APIVersion}}")...)
	if err != nil {
		return testenv.Engine{}, err
	}
	version, api, _ := strings.Cut(out, " ")
	parts := strings.SplitN(version, ".", 3)
	return testenv.Engine{Name: strings.Join(parts[:min(2, len(parts))], "."), Host: e.host, APIVersion: api}, nil
}

func (e engine) answers(ctx context.Context) error {
	_, err := e.version(ctx)
	return err
}

// An imageState says which image has a name: its id, and its key when the set-up made it.
type imageState struct{ id, key string }

// images tells of each of the tags that exists.
func (e engine) images(ctx context.Context, tags ...string) (map[string]imageState, error) {
	// The command fails when one of several images is missing, and still prints the others.
	out, err := exec.CommandContext(ctx, "docker", e.args(append([]string{"image", "inspect"}, tags...)...)...).Output()
	if exit, is := errors.AsType[*exec.ExitError](err); is && !strings.Contains(string(exit.Stderr), "No such image") {
		return nil, fmt.Errorf("docker image inspect: %s", exit.Stderr)
	} else if err != nil && !is {
		return nil, err
	}
	var found []struct {
		ID       string `json:"Id"`
		RepoTags []string
		Config   struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("docker image inspect: %w", err)
	}
	states := map[string]imageState{}
	for _, image := range found {
		for _, tag := range image.RepoTags {
			states[tag] = imageState{image.ID, image.Config.Labels[keyLabel]}
		}
	}
	return states, nil
}

// stale are the tags that do not exist, or that an earlier set-up made from other content.
func stale(tags []string, states map[string]imageState, key string) []string {
	var out []string
	for _, tag := range tags {
		if s, exists := states[tag]; !exists || s.key != "" && s.key != key {
			out = append(out, tag)
		}
	}
	return out
}

// first is the engine that answers on this machine: on a bare one Debian's own, started here. Without a docker command it
// has no host.
func (m *machine) first(ctx context.Context) (engine, error) {
	if m.bare {
		return engine{"unix:///var/run/docker.sock"}, nil
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return engine{host}, nil
	}
	host, err := output(ctx, "docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
	if errors.Is(err, exec.ErrNotFound) {
		return engine{}, nil
	}
	return engine{host}, err
}

// startFirst starts Debian's engine where none answers. It stays when the set-up ends.
func (m *machine) startFirst(first engine) step {
	return step{
		name:  "engine",
		needs: []string{"packages"},
		there: func(ctx context.Context) (bool, error) { return first.answers(ctx) == nil, nil },
		do: func(ctx context.Context, log io.Writer) error {
			if first.host == "" {
				return unavailable("there is no docker command")
			}
			if !m.bare {
				return unavailable(fmt.Sprintf("no engine answers at %s: %v", first.host, first.answers(ctx)))
			}
			said, err := os.Create(m.path("log", "dockerd.log"))
			if err != nil {
				return err
			}
			defer said.Close()
			daemon := exec.Command("dockerd", "--host", first.host, "--pidfile", m.path("dockerd.pid"))
			daemon.Stdout, daemon.Stderr = said, said
			// A session of its own, so that it outlives this program and its terminal.
			daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := daemon.Start(); err != nil {
				return err
			}
			ended := make(chan error, 1)
			go func() { ended <- daemon.Wait() }()
			return waitFor(ctx, 2*time.Minute, "dockerd", func(ctx context.Context) error {
				select {
				case err := <-ended:
					ended <- err
					tail, _ := os.ReadFile(said.Name())
					fmt.Fprintf(log, "%s\n", tail)
					return fmt.Errorf("dockerd ended: %w", err)
				default:
					return first.answers(ctx)
				}
			})
		},
	}
}

const secondName = "msdev-testenv-engine26"

// startSecond runs Engine 26.1 as a container of the first, with its socket in the cache folder and its images in a
// volume that outlives it.
func (m *machine) startSecond(first, second engine, image string) step {
	folder := m.path("engine26")
	// The container is ours and as wanted when its label says this image and this folder.
	label := func(ctx context.Context) (string, error) {
		states, err := first.images(ctx, image)
		return keyOf(states[image].id, folder), err
	}
	return step{
		name:  "engine 26.1",
		needs: []string{"image " + image},
		there: func(ctx context.Context) (bool, error) {
			want, err := label(ctx)
			if err != nil {
				return false, err
			}
			is, err := output(ctx, "docker", first.args("ps", "--filter", "name=^"+secondName+"$",
				"--format", `{{.Label "`+keyLabel+`"}}`)...)
			return err == nil && is == want && second.answers(ctx) == nil, err
		},
		do: func(ctx context.Context, log io.Writer) error {
			want, err := label(ctx)
			if err != nil {
				return err
			}
			// What an earlier one left: the container, and its socket, which would answer nobody.
			if err := first.run(ctx, log, "rm", "--force", secondName); err != nil {
				fmt.Fprintln(log, err)
			}
			if err := os.Remove(folder + "/docker.sock"); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			args := append([]string{"run", "--detach", "--name", secondName, "--label", keyLabel + "=" + want,
				"--volume", secondName + ":/var/lib/docker"}, testenv.EngineArguments(folder)...)
			err = first.run(ctx, log, append(args, image)...)
			if err != nil {
				return err
			}
			err = waitFor(ctx, 2*time.Minute, "Docker Engine 26.1", second.answers)
			if err != nil {
				_ = first.run(ctx, log, "logs", "--tail", "30", secondName)
			}
			return err
		},
	}
}
