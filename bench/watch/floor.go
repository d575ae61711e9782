package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/moby/client"
	"github.com/tonistiigi/fsutil"
)

// serveFloor does what has to be done as soon as the system tells of a file, and nothing else.
func (c *contender) serveFloor(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	does := map[string]func(context.Context, []byte) error{
		filepath.Join(c.src, "file"):            func(ctx context.Context, content []byte) error { return c.put(ctx, c.id, "src/file", content) },
		filepath.Join(c.dir, "conf", "version"): c.putAndRestart,
		filepath.Join(c.dir, "app", "version"):  c.buildAndReplace,
	}
	for path := range does {
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			return err
		}
	}
	go func() {
		defer watcher.Close()
		last := map[string]string{}
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-watcher.Events:
				content, err := os.ReadFile(e.Name)
				if does[e.Name] == nil || err != nil || len(content) == 0 || string(content) == last[e.Name] {
					continue // a save is several events
				}
				last[e.Name] = string(content)
				if err := does[e.Name](ctx, content); err != nil && ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "floor:", err)
				}
			}
		}
	}()
	return nil
}

// put puts a file into a container, in one call.
func (c *contender) put(ctx context.Context, id, name string, content []byte) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := add(w, name, 0o644, content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := c.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &archive})
	return err
}

func add(w *tar.Writer, name string, mode int64, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

func (c *contender) putAndRestart(ctx context.Context, content []byte) error {
	if err := c.put(ctx, c.ids["again"], "conf/version", content); err != nil {
		return err
	}
	_, err := c.api.ContainerRestart(ctx, c.ids["again"], client.ContainerRestartOptions{})
	return err
}

// buildAndReplace has the engine build an image of two steps that it knows and one that it does not, and replaces the container
// by one of that image. What is left of the old one is removed when the new one runs.
func (c *contender) buildAndReplace(ctx context.Context, _ []byte) error {
	old := c.ids["built"]
	in, err := c.api.ContainerInspect(ctx, old, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if err := c.build(ctx, in.Container.Config.Image); err != nil {
		return err
	}
	in.Container.Config.Hostname = ""
	made, err := c.api.ContainerCreate(ctx, client.ContainerCreateOptions{Config: in.Container.Config, HostConfig: in.Container.HostConfig})
	if err != nil {
		return err
	}
	if _, err := c.api.ContainerStop(ctx, old, client.ContainerStopOptions{}); err != nil {
		return err
	}
	if _, err := c.api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	c.ids["built"] = made.ID
	_, err = c.api.ContainerRemove(ctx, old, client.ContainerRemoveOptions{Force: true})
	return err
}

// build has the engine's BuildKit build the image.
func (c *contender) build(ctx context.Context, image string) error {
	kit, err := buildkit.New(ctx, "",
		buildkit.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return c.api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		buildkit.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return c.api.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return err
	}
	defer kit.Close()
	folder, err := fsutil.NewFS(filepath.Join(c.dir, "app"))
	if err != nil {
		return err
	}
	_, err = kit.Solve(ctx, nil, buildkit.SolveOpt{
		Exports:  []buildkit.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": image}}},
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{"filename": "Dockerfile"},
		LocalMounts: map[string]fsutil.FS{"context": folder, "dockerfile": folder}, SharedKey: c.dir,
	}, nil)
	return err
}
