package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"
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
func (c *contender) buildAndReplace(ctx context.Context, content []byte) error {
	var folder bytes.Buffer
	w := tar.NewWriter(&folder)
	for _, name := range []string{"Dockerfile", "server"} {
		content, err := os.ReadFile(filepath.Join(c.dir, "app", name))
		if err != nil {
			return err
		}
		if err := add(w, name, 0o755, content); err != nil {
			return err
		}
	}
	if err := add(w, "version", 0o644, content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	old := c.ids["built"]
	in, err := c.api.ContainerInspect(ctx, old, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	image := in.Container.Config.Image
	res, err := c.api.ImageBuild(ctx, &folder, client.ImageBuildOptions{Version: build.BuilderV1, Tags: []string{image}, Remove: true})
	if err != nil {
		return err
	}
	said, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || !bytes.Contains(said, []byte("Successfully built")) {
		return fmt.Errorf("%w: %s", err, said)
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
