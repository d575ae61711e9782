package embedded

import (
	"context"
	"fmt"
	"os"
	"slices"

	"msdev/runner"
)

// Do carries out one action.
func (r *Runtime) Do(ctx context.Context, a runner.Action, _ func(runner.Progress)) ([]runner.Observation, error) {
	switch a.Op {
	case runner.OpCreate:
		return r.create(a)
	case runner.OpStart, runner.OpStop, runner.OpKill, runner.OpRemove:
		return r.onInstance(ctx, a)
	case runner.OpSignal:
		return nil, &runner.Error{Kind: runner.ErrFailed, Service: a.Service, Msg: fmt.Sprintf("service %q runs inside msdev, which takes no signals for it", a.Service), Hint: fmt.Sprintf("`msdev stop %s` stops it.", a.Service)}
	case runner.OpPause, runner.OpUnpause:
		return nil, &runner.Error{Kind: runner.ErrFailed, Service: a.Service, Msg: fmt.Sprintf("service %q runs inside msdev and cannot be paused", a.Service), Hint: fmt.Sprintf("`msdev stop %s` stops it.", a.Service)}
	}
	return r.onResource(a)
}

func (r *Runtime) onInstance(ctx context.Context, a runner.Action) ([]runner.Observation, error) {
	in := r.find(a.Instance)
	switch {
	case in == nil && a.Op == runner.OpStart:
		_, err := r.found(a.Instance)
		return nil, err
	case in == nil:
		return []runner.Observation{{Gone: a.Instance}}, nil
	case a.Op == runner.OpStart:
		if err := r.expose(ctx, in.state.Service); err != nil { // the service's name never changes
			return nil, err
		}
		o, err := r.start(in)
		if err != nil {
			return nil, err
		}
		return []runner.Observation{o}, nil
	}
	o := r.stop(in)
	if a.Op == runner.OpRemove {
		var err error
		if o, err = r.remove(in, a.Volumes); err != nil {
			return nil, err
		}
		return []runner.Observation{o}, r.options.Withdraw(ctx, in.state.Service)
	}
	return []runner.Observation{o}, nil
}

// expose makes a service known to those that run elsewhere.
func (r *Runtime) expose(ctx context.Context, service string) error {
	r.mu.Lock()
	kind := r.options.Kinds[r.options.Of(service)]
	served, _ := targets(r.project.Compose.Services[service], kind)
	r.mu.Unlock()
	return r.options.Expose(ctx, service, served)
}

// onResource makes or removes a network, a volume or an image. There are none: a network is what loopback is, an image is part
// of msdev, and a volume of a broker is its folder, which goes with it.
func (r *Runtime) onResource(a runner.Action) ([]runner.Observation, error) {
	kind, key, gone := runner.ResourceImage, a.Service, false
	switch a.Op {
	case runner.OpCreateNetwork, runner.OpRemoveNetwork:
		kind, key, gone = runner.ResourceNetwork, a.Key, a.Op == runner.OpRemoveNetwork
	case runner.OpCreateVolume, runner.OpRemoveVolume:
		kind, key, gone = runner.ResourceVolume, a.Key, a.Op == runner.OpRemoveVolume
	case runner.OpRemoveImage:
		gone = true
	}
	if a.Op == runner.OpRemoveVolume {
		if err := r.removeVolume(a.Key); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.absent[string(kind)+"/"+key] = gone
	change := runner.ResourceChange{Kind: kind, Gone: gone, Resource: runner.Resource{Key: key}}
	if !gone {
		change.Resource, _ = r.resource(kind, key)
	}
	o := runner.Observation{Resource: &change}
	r.tell(o)
	return []runner.Observation{o}, nil
}

// removeVolume removes the data of the services that keep it in a named volume.
func (r *Runtime) removeVolume(key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, service := range r.services() {
		for _, v := range r.project.Compose.Services[service].Volumes {
			if v.Source != key || v.Type != "volume" {
				continue
			}
			for _, in := range r.instances {
				if in.state.Service == service {
					return &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: fmt.Sprintf("volume %q is in use by service %q", key, service), Hint: "`msdev down -v` removes both."}
				}
			}
			if err := os.RemoveAll(r.dir(service)); err != nil {
				return err
			}
		}
	}
	return nil
}

func imageID(image string) string { return Name + "/" + image }

// resource is a network, volume or image as it is there. r.mu is held.
func (r *Runtime) resource(kind runner.ResourceKind, key string) (runner.Resource, bool) {
	res := runner.Resource{Key: key, ID: Name + "/" + string(kind) + "/" + key}
	switch kind {
	case runner.ResourceNetwork:
		res.Name, res.Hash = r.project.Compose.Networks[key].Name, r.resources.Networks[key]
	case runner.ResourceVolume:
		res.Name, res.Hash = r.project.Compose.Volumes[key].Name, r.resources.Volumes[key]
	case runner.ResourceImage:
		if !slices.Contains(r.services(), key) {
			return res, false
		}
		res.Name = r.project.Compose.Services[key].Image
		res.ID = imageID(res.Name)
	}
	return res, !r.absent[string(kind)+"/"+key]
}

// snapshot is all that there is. r.mu is held.
func (r *Runtime) snapshot() runner.Observation {
	seen := &runner.Observed{Instances: map[string]runner.Instance{}, Networks: map[string]runner.Resource{}, Volumes: map[string]runner.Resource{}, Images: map[string]runner.Resource{}}
	for id, in := range r.instances {
		r.seen++
		in.state.Seen = r.seen
		seen.Instances[id] = in.state
	}
	put := func(kind runner.ResourceKind, key string, to map[string]runner.Resource) {
		if res, ok := r.resource(kind, key); ok {
			to[key] = res
		}
	}
	for key := range r.resources.Networks {
		put(runner.ResourceNetwork, key, seen.Networks)
	}
	for key := range r.resources.Volumes {
		put(runner.ResourceVolume, key, seen.Volumes)
	}
	for _, service := range r.services() {
		put(runner.ResourceImage, service, seen.Images)
	}
	return runner.Observation{Snapshot: seen}
}
