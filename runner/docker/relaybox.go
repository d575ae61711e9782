package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// labelRelay marks the containers that are relays. Neither they nor what happens to them is shown: they are no instances.
const labelRelay = "msdev.relay"

// ready makes sure that the relay's image is there, and that no relay is left of a time when the engine was killed.
func (rs *relays) ready(ctx context.Context) (string, error) {
	rs.imaging.Lock()
	defer rs.imaging.Unlock()
	if rs.image != "" {
		return rs.image, nil
	}
	image, err := rs.r.ensureRelayImage(ctx)
	if err != nil {
		return "", err
	}
	if !rs.swept {
		if err := rs.r.sweepRelays(ctx); err != nil {
			return "", err
		}
	}
	rs.image, rs.swept = image, true
	return image, nil
}

func (rs *relays) forgetImage() {
	rs.imaging.Lock()
	defer rs.imaging.Unlock()
	rs.image = ""
}

// sweepRelays removes the relays of an earlier session.
func (r *Runtime) sweepRelays(ctx context.Context) error {
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelProject+"="+r.project().Name, labelRelay),
	})
	if err != nil {
		return err
	}
	for _, c := range list.Items {
		err = errors.Join(err, r.removeRelay(ctx, c.ID))
	}
	return err
}

// removeRelay removes the container of a relay, and returns when it is gone.
func (r *Runtime) removeRelay(ctx context.Context, id string) error {
	_, err := r.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true})
	if underRemoval(err) {
		err = r.removed(ctx, id)
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// makeRelay makes and starts the container of a relay, and returns the connection to its standard input and output.
func (r *Runtime) makeRelay(ctx context.Context, s *standIn, found map[string]runner.Resource, image string) (string, *attached, error) {
	config := r.project().Compose.Services[s.service]
	var first endpoint
	var later []endpoint
	for _, key := range config.NetworksByPriority() {
		if _, there := found[key]; !there {
			continue
		}
		e, err := r.relayEndpoint(s, key)
		if err != nil {
			return "", nil, err
		}
		if first.network == "" {
			first = e
		} else {
			later = append(later, e)
		}
	}
	made, err := r.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: fmt.Sprintf("%s-%s-relay-%s", r.project().Name, s.service, strings.ToLower(rand.Text()[:6])), // the one before may not be gone yet
		Config: &container.Config{
			Image: image, Entrypoint: []string{"/" + relayProgram}, Cmd: []string{RelayVerb}, Env: []string{"GODEBUG=netdns=go"},
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
			Labels: map[string]string{labelProject: r.project().Name, labelService: s.service, labelOneOff: "True", labelNumber: "1", labelVersion: composeVersion, labelHash: image, labelRelay: s.service},
		},
		HostConfig: &container.HostConfig{
			AutoRemove: true, NetworkMode: container.NetworkMode(first.network), ReadonlyRootfs: true, LogConfig: container.LogConfig{Type: "none"},
		},
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first.network: first.settings}},
	})
	if err != nil {
		return "", nil, err
	}
	for _, e := range later {
		if _, err = r.api.NetworkConnect(ctx, e.network, client.NetworkConnectOptions{Container: made.ID, EndpointConfig: e.settings}); err != nil {
			return "", nil, errors.Join(err, r.removeRelay(ctx, made.ID))
		}
	}
	conn, err := r.hold(ctx, made.ID)
	if err != nil {
		return "", nil, errors.Join(err, r.removeRelay(ctx, made.ID))
	}
	if _, err := r.api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		_ = conn.Close()
		return "", nil, errors.Join(err, conn.said(), r.removeRelay(ctx, made.ID))
	}
	return made.ID, conn, nil
}

// relayEndpoint is the place that the service's first container would have in a network.
func (r *Runtime) relayEndpoint(s *standIn, key string) (endpoint, error) {
	config := r.project().Compose.Services[s.service]
	e, err := r.endpointOf(config, 1, key, nil)
	if err == nil && s.outward {
		e.settings.Aliases = nil
		return e, nil
	}
	if err == nil && config.Hostname != "" {
		e.settings.Aliases = append(e.settings.Aliases, config.Hostname)
	}
	return e, err
}

// connect puts a relay into one more network.
func (r *Runtime) connect(ctx context.Context, s *standIn, key string) error {
	e, err := r.relayEndpoint(s, key)
	if err != nil {
		return err
	}
	_, err = r.api.NetworkConnect(ctx, e.network, client.NetworkConnectOptions{Container: s.id, EndpointConfig: e.settings})
	return err
}

// attached is a connection to the standard input and output of a container.
type attached struct {
	client.HijackedResponse
	stdout *io.PipeReader
	done   chan struct{}

	mu     sync.Mutex
	stderr capped
}

// hold connects to a container that does not run yet.
func (r *Runtime) hold(ctx context.Context, id string) (*attached, error) {
	res, err := r.api.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, err
	}
	stdout, to := io.Pipe()
	a := &attached{HijackedResponse: res.HijackedResponse, stdout: stdout, done: make(chan struct{}), stderr: capped{most: maxProbeOutput}}
	go func() { // ends with the connection
		defer close(a.done)
		_, err := stdcopy.StdCopy(to, a.errors(), a.Reader)
		_ = to.CloseWithError(err)
	}()
	return a, nil
}

// Read reads what the container writes to its standard output.
func (a *attached) Read(b []byte) (int, error) { return a.stdout.Read(b) }

// Write writes to its standard input.
func (a *attached) Write(b []byte) (int, error) { return a.Conn.Write(b) }

// Close ends the connection; the container's input ends with it.
func (a *attached) Close() error {
	err := a.Conn.Close()
	_ = a.stdout.Close()
	<-a.done
	return err
}

func (a *attached) errors() io.Writer { return (*complaints)(a) }

// complaints is the standard error of a container.
type complaints attached

// Write keeps the beginning of it.
func (c *complaints) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stderr.Write(b)
}

// said is what the container has complained of, as an error; nil where it has not.
func (a *attached) said() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if text := strings.TrimSpace(a.stderr.String()); text != "" {
		return fmt.Errorf("the relay wrote: %s", text)
	}
	return nil
}
