package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// floor makes the API calls that a graph cannot do without, and no others: one network, all containers at once, each
// started the moment the one before it is healthy, probed by the program itself with a short pause.
type floor struct{ api *client.Client }

func newFloor(host string) (*floor, error) {
	api, err := client.New(client.WithHost(host))
	return &floor{api}, err
}

func (f *floor) up(ctx context.Context, g graph) error {
	if _, err := f.api.NetworkCreate(ctx, g.name, client.NetworkCreateOptions{Labels: map[string]string{"bench": g.name}}); err != nil {
		return err
	}
	healthy := map[string]chan struct{}{}
	for _, s := range g.services {
		healthy[s.name] = make(chan struct{})
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(g.services))
	for _, s := range g.services {
		wg.Go(func() {
			defer close(healthy[s.name])
			if err := f.service(ctx, g, s, healthy[s.after]); err != nil {
				errs <- fmt.Errorf("%s: %w", s.name, err)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func (f *floor) service(ctx context.Context, g graph, s node, after <-chan struct{}) error {
	made, err := f.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: g.name + "-" + s.name + "-1",
		Config: &container.Config{Image: "msdev-test/app", Labels: map[string]string{"bench": g.name},
			Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/app", "health"}, Interval: time.Second}},
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{g.name: {Aliases: []string{s.name}}}},
		HostConfig:       &container.HostConfig{NetworkMode: container.NetworkMode(g.name)},
	})
	if err != nil {
		return err
	}
	if s.after != "" {
		<-after
	}
	if _, err := f.api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	for {
		ok, err := f.probe(ctx, made.ID)
		if err != nil || ok {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// probe runs the health test once.
func (f *floor) probe(ctx context.Context, id string) (bool, error) {
	ex, err := f.api.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: []string{"/app", "health"}, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return false, err
	}
	at, err := f.api.ExecAttach(ctx, ex.ID, client.ExecAttachOptions{})
	if err != nil {
		return false, err
	}
	defer at.Close()
	buf := make([]byte, 512)
	for {
		if _, err := at.Reader.Read(buf); err != nil { // the end of its output is the end of the test
			break
		}
	}
	got, err := f.api.ExecInspect(ctx, ex.ID, client.ExecInspectOptions{})
	return err == nil && got.ExitCode == 0, err
}

func (f *floor) down(ctx context.Context, g graph) error {
	list, err := f.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "bench="+g.name)})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(list.Items)+1)
	for _, c := range list.Items {
		wg.Go(func() {
			_, err := f.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
			errs <- err
		})
	}
	wg.Wait()
	_, err = f.api.NetworkRemove(ctx, g.name, client.NetworkRemoveOptions{})
	errs <- err
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
