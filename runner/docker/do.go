package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"msdev/runner"
)

// Do carries out one action.
func (r *Runtime) Do(ctx context.Context, a runner.Action, report func(runner.Progress)) ([]runner.Observation, error) {
	if report == nil {
		report = func(runner.Progress) {}
	}
	switch a.Op {
	case runner.OpCreateNetwork:
		return r.createNetwork(ctx, a.Key)
	case runner.OpCreateVolume:
		return r.createVolume(ctx, a.Key)
	case runner.OpRemoveNetwork:
		return r.removeNetwork(ctx, a.Key)
	case runner.OpRemoveVolume:
		return r.removeVolume(ctx, a.Key)
	case runner.OpPull, runner.OpBuild, runner.OpCreate, runner.OpRemoveImage:
		return r.doService(ctx, a, report)
	default:
		return r.doInstance(ctx, a)
	}
}

// doService carries out an action on a service of the file.
func (r *Runtime) doService(ctx context.Context, a runner.Action, report func(runner.Progress)) ([]runner.Observation, error) {
	s, ok := r.project().Compose.Services[a.Service]
	if !ok {
		return nil, &runner.Error{Kind: runner.ErrUsage, Service: a.Service,
			Msg: fmt.Sprintf("the compose file has no service %q.", a.Service), Hint: "`msdev config --services` lists what it has."}
	}
	switch a.Op {
	case runner.OpPull:
		return r.pull(ctx, s, report)
	case runner.OpBuild:
		return r.build(ctx, s, a, report)
	case runner.OpRemoveImage:
		return r.removeImage(ctx, s)
	default:
		return r.create(ctx, s, a, report)
	}
}

// doInstance carries out an action on an instance that exists, or that is gone already.
func (r *Runtime) doInstance(ctx context.Context, a runner.Action) ([]runner.Observation, error) {
	var err error
	switch a.Op {
	case runner.OpStart:
		return r.start(ctx, a)
	case runner.OpStop:
		err = r.stop(ctx, a)
	case runner.OpKill:
		_, err = r.api.ContainerKill(ctx, a.Instance, client.ContainerKillOptions{Signal: "SIGKILL"})
		if err == nil {
			err = r.ended(ctx, a.Instance)
		}
	case runner.OpSignal:
		_, err = r.api.ContainerKill(ctx, a.Instance, client.ContainerKillOptions{Signal: a.Signal})
	case runner.OpRemove:
		_, err = r.api.ContainerRemove(ctx, a.Instance, client.ContainerRemoveOptions{Force: true, RemoveVolumes: a.Volumes})
		if underRemoval(err) {
			err = r.removed(ctx, a.Instance)
		}
		if err == nil || errdefs.IsNotFound(err) {
			r.known.forget(a.Instance)
			return []runner.Observation{{Gone: a.Instance}}, nil
		}
	case runner.OpPause:
		_, err = r.api.ContainerPause(ctx, a.Instance, client.ContainerPauseOptions{})
	case runner.OpUnpause:
		_, err = r.api.ContainerUnpause(ctx, a.Instance, client.ContainerUnpauseOptions{})
	default:
		return nil, fmt.Errorf("docker cannot do %q", a.Op)
	}
	switch {
	case errdefs.IsNotFound(err) && a.Op != runner.OpPause && a.Op != runner.OpUnpause:
		r.known.forget(a.Instance)
		return []runner.Observation{{Gone: a.Instance}}, nil
	case err != nil && !alreadySo(err):
		return nil, r.explain(err, subject{service: a.Service, what: "container", name: a.Name})
	}
	in, err := r.look(ctx, a.Instance)
	if errdefs.IsNotFound(err) {
		return []runner.Observation{{Gone: a.Instance}}, nil
	}
	if err != nil {
		return nil, r.explain(err, subject{service: a.Service})
	}
	return []runner.Observation{{Instance: &in}}, nil
}

// ended waits until a container that was killed has no process any more; the engine answers before that.
func (r *Runtime) ended(ctx context.Context, id string) error {
	return r.wait(ctx, id, container.WaitConditionNotRunning)
}

// removed waits until a removal that somebody else began is done.
func (r *Runtime) removed(ctx context.Context, id string) error {
	return r.wait(ctx, id, container.WaitConditionRemoved)
}

func (r *Runtime) wait(ctx context.Context, id string, condition container.WaitCondition) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := r.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: condition})
	select {
	case <-w.Result:
		return nil
	case err := <-w.Error:
		return err
	}
}

// start starts an instance, after what it needs that cannot be mounted was copied into it.
func (r *Runtime) start(ctx context.Context, a runner.Action) ([]runner.Observation, error) {
	s, ours := r.project().Compose.Services[a.Service]
	before, known := r.known.get(a.Instance)
	if ours {
		if err := r.prepare(ctx, s, a.Instance); err != nil {
			return nil, err
		}
		if publishesRange(s) { // the engine may give two starts the same port of a range
			r.ranges.Lock()
			defer r.ranges.Unlock()
		}
	}
	at := time.Now()
	if _, err := r.api.ContainerStart(ctx, a.Instance, client.ContainerStartOptions{}); err != nil && !alreadySo(err) {
		return nil, r.explain(err, subject{service: a.Service, what: "container", name: a.Name})
	}
	if ours {
		if err := r.hooks(ctx, a.Instance, s.PostStart); err != nil {
			return nil, r.explain(err, subject{service: a.Service, what: "post_start hook of container", name: a.Name})
		}
	}
	if !known {
		in, err := r.look(ctx, a.Instance)
		if err != nil {
			return nil, r.explain(err, subject{service: a.Service, what: "container", name: a.Name})
		}
		return []runner.Observation{{Instance: &in}}, nil
	}
	in, ok := r.known.change(a.Instance, func(t *tracked) {
		if !t.instance.StartedAt.Equal(before.instance.StartedAt) {
			return // Watch saw this run already, and perhaps its end
		}
		in := &t.instance
		in.State, in.StartedAt, in.FinishedAt, in.ExitCode, in.Error, in.HealthLog = runner.InstanceRunning, at, time.Time{}, 0, "", ""
		if t.test != nil && len(t.test.command) > 0 {
			in.Health = runner.HealthStarting
		}
	})
	if !ok {
		return []runner.Observation{{Gone: a.Instance}}, nil
	}
	return []runner.Observation{{Instance: &in}}, nil
}

// prepare brings about what a container finds when it starts: the names of services that run elsewhere, and files.
func (r *Runtime) prepare(ctx context.Context, s types.ServiceConfig, id string) error {
	if err := r.relays.meet(ctx, s.Name); err != nil {
		return err
	}
	return r.copyFiles(ctx, s, id)
}

// publishesRange tells whether the engine has a choice of ports.
func publishesRange(s types.ServiceConfig) bool {
	return slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return strings.Contains(p.Published, "-") })
}

// stop runs the pre_stop hooks, then sends the stop signal and, after the grace period, kills.
func (r *Runtime) stop(ctx context.Context, a runner.Action) error {
	if s, ok := r.project().Compose.Services[a.Service]; ok && len(s.PreStop) > 0 {
		if t, known := r.known.get(a.Instance); known && t.instance.State == runner.InstanceRunning {
			if err := r.hooks(ctx, a.Instance, s.PreStop); err != nil {
				return err
			}
		}
	}
	var opts client.ContainerStopOptions
	if a.Timeout != nil {
		seconds := int((*a.Timeout + time.Second - 1) / time.Second)
		opts.Timeout = &seconds
	}
	_, err := r.api.ContainerStop(ctx, a.Instance, opts)
	return err
}

// create makes an instance, or finds that it is there.
func (r *Runtime) create(ctx context.Context, s types.ServiceConfig, a runner.Action, report func(runner.Progress)) ([]runner.Observation, error) {
	name := containerName(r.project().Name, s, a.Number)
	about := subject{service: s.Name, what: "container", name: name}
	made, err := r.makeContainer(ctx, s, a, name, report)
	if err != nil {
		return undone(made.ID), err
	}
	if a.Replaces == "" {
		return []runner.Observation{{Instance: &made}}, nil
	}
	seen := []runner.Observation{{Gone: a.Replaces}}
	old := runner.Action{Op: runner.OpStop, Service: s.Name, Instance: a.Replaces, Timeout: a.Timeout}
	if err := r.stop(ctx, old); err != nil && !errdefs.IsNotFound(err) && !alreadySo(err) {
		return undone(made.ID), r.discard(ctx, made.ID, r.explain(err, about))
	}
	_, err = r.api.ContainerRemove(ctx, a.Replaces, client.ContainerRemoveOptions{Force: true, RemoveVolumes: a.Volumes})
	if underRemoval(err) {
		err = r.removed(ctx, a.Replaces)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return undone(made.ID), r.discard(ctx, made.ID, r.explain(err, about))
	}
	r.known.forget(a.Replaces)
	if _, err := r.api.ContainerRename(ctx, made.ID, client.ContainerRenameOptions{NewName: name}); err != nil {
		return seen, r.explain(err, about)
	}
	if in, ok := r.known.change(made.ID, func(t *tracked) { t.instance.Name = name }); ok {
		made = in
	}
	return append(seen, runner.Observation{Instance: &made}), nil
}

// undone tells that a container came to nothing, where one was made.
func undone(id string) []runner.Observation {
	if id == "" {
		return nil
	}
	return []runner.Observation{{Gone: id}}
}

// discard removes a container that came to nothing, and passes on why.
func (r *Runtime) discard(ctx context.Context, id string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := r.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return errors.Join(cause, err)
	}
	r.known.forget(id)
	return cause
}

// makeContainer makes the container of an instance, under a name of its own while the one that it replaces is there. Beside an
// error, the instance has the id of a container that came to nothing.
func (r *Runtime) makeContainer(ctx context.Context, s types.ServiceConfig, a runner.Action, name string, report func(runner.Progress)) (runner.Instance, error) {
	about := subject{service: s.Name, what: "container", name: name}
	spec, err := r.specOf(ctx, s, a)
	if err != nil {
		return runner.Instance{}, r.explain(err, about)
	}
	if a.Replaces != "" {
		name = a.Replaces[:min(12, len(a.Replaces))] + "_" + name
	}
	options := client.ContainerCreateOptions{
		Name: name, Config: spec.config, HostConfig: spec.host, NetworkingConfig: spec.network, Platform: spec.platform,
	}
	res, err := r.api.ContainerCreate(ctx, options)
	if errdefs.IsConflict(err) {
		there, same := r.takenBy(ctx, name, spec)
		switch {
		case same && a.Replaces == "":
			return there, nil
		case same: // left over from an attempt that was cut off
			if _, err := r.api.ContainerRemove(ctx, there.ID, client.ContainerRemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
				return runner.Instance{}, r.explain(err, about)
			}
			res, err = r.api.ContainerCreate(ctx, options)
		}
	}
	if err != nil {
		return runner.Instance{}, r.explain(err, about)
	}
	for _, warning := range res.Warnings {
		report(runner.Progress{Text: "warning: " + warning})
	}
	for _, e := range spec.later {
		_, err := r.api.NetworkConnect(ctx, e.network, client.NetworkConnectOptions{Container: res.ID, EndpointConfig: e.settings})
		if err != nil {
			return runner.Instance{ID: res.ID}, r.discard(ctx, res.ID, r.explain(err, about))
		}
	}
	return r.made(res.ID, name, spec), nil
}

// made records a container that was just made. Its event may have been seen already; what it was made from tells more.
func (r *Runtime) made(id, name string, spec containerSpec) runner.Instance {
	t := createdFrom(id, spec.config.Labels, time.Now())
	t.instance.Name, t.instance.Image = name, spec.config.Image
	t.test = spec.test
	if in, ok := r.known.change(id, func(have *tracked) {
		if have.test == nil {
			have.test = t.test
		}
	}); ok {
		return in
	}
	return r.known.put(t)
}

// takenBy looks at the container that has a name already, and tells whether it is the instance that was to be made.
func (r *Runtime) takenBy(ctx context.Context, name string, spec containerSpec) (runner.Instance, bool) {
	res, err := r.api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if err != nil || res.Container.Config == nil {
		return runner.Instance{}, false
	}
	have := res.Container.Config.Labels
	for _, label := range []string{labelProject, labelService, labelNumber} {
		if have[label] != spec.config.Labels[label] {
			return runner.Instance{}, false
		}
	}
	return r.known.put(trackedOf(res.Container)), true
}

// containersOf finds the first container of each service that s refers to.
func (r *Runtime) containersOf(ctx context.Context) (func(service string) string, error) {
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelProject+"="+r.project().Name, labelOneOff+"=False"),
	})
	if err != nil {
		return nil, err
	}
	first := map[string]container.Summary{}
	number := func(c container.Summary) int { n, _ := strconv.Atoi(c.Labels[labelNumber]); return n }
	for _, c := range list.Items {
		service := c.Labels[labelService]
		if have, ok := first[service]; !ok || number(c) < number(have) {
			first[service] = c
		}
	}
	return func(service string) string { return first[service].ID }, nil
}

// refersToContainers tells whether the service shares namespaces, volumes or links with another one.
func refersToContainers(s types.ServiceConfig) bool {
	for _, mode := range []string{s.NetworkMode, s.Ipc, s.Pid} {
		if strings.HasPrefix(mode, types.ServicePrefix) {
			return true
		}
	}
	return len(s.VolumesFrom) > 0
}

// missingReference names the service that s refers to and that has no container.
func missingReference(s types.ServiceConfig, find func(string) string) error {
	need := map[string]string{}
	for attribute, mode := range map[string]string{"network_mode": s.NetworkMode, "ipc": s.Ipc, "pid": s.Pid} {
		if service, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
			need[service] = attribute
		}
	}
	for _, from := range s.VolumesFrom {
		if !strings.HasPrefix(from, types.ContainerPrefix) {
			service, _, _ := strings.Cut(from, ":")
			need[service] = "volumes_from"
		}
	}
	for _, service := range slices.Sorted(maps.Keys(need)) {
		if find(service) == "" {
			return &runner.Error{
				Kind: runner.ErrFailed, Service: s.Name,
				Msg:  fmt.Sprintf("service %q shares %s with service %q, which has no container.", s.Name, need[service], service),
				Hint: fmt.Sprintf("Bring %q up first (`msdev up %s`).", service, service),
			}
		}
	}
	return nil
}

// platformOf reads "linux/arm64/v8".
func platformOf(s string) *ocispec.Platform {
	if s == "" {
		return nil
	}
	parts := strings.SplitN(s, "/", 3)
	p := &ocispec.Platform{OS: parts[0]}
	if len(parts) > 1 {
		p.Architecture = parts[1]
	}
	if len(parts) > 2 {
		p.Variant = parts[2]
	}
	return p
}
