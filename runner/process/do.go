package process

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

// Do carries out one action.
func (r *Runtime) Do(ctx context.Context, a runner.Action, report func(runner.Progress)) ([]runner.Observation, error) {
	if err := r.own(); err != nil {
		return nil, err
	}
	switch a.Op {
	case runner.OpCreate:
		return r.create(ctx, a)
	case runner.OpBuild:
		return r.build(ctx, a, report)
	case runner.OpPull:
		return r.provide(runner.ResourceImage, a.Service)
	case runner.OpCreateNetwork:
		return r.provide(runner.ResourceNetwork, a.Key)
	case runner.OpCreateVolume:
		return r.provide(runner.ResourceVolume, a.Key)
	case runner.OpRemoveNetwork:
		return r.drop(runner.ResourceNetwork, a.Key)
	case runner.OpRemoveVolume:
		return r.drop(runner.ResourceVolume, a.Key)
	case runner.OpRemoveImage:
		return r.drop(runner.ResourceImage, a.Service)
	}
	return r.onInstance(ctx, a)
}

// onInstance carries out an action on an instance. What is gone is stopped, killed and removed already.
func (r *Runtime) onInstance(ctx context.Context, a runner.Action) ([]runner.Observation, error) {
	in, err := r.find(a.Instance)
	if err != nil {
		if a.Op == runner.OpStop || a.Op == runner.OpKill || a.Op == runner.OpRemove {
			return []runner.Observation{{Gone: a.Instance}}, nil
		}
		return nil, err
	}
	switch a.Op {
	case runner.OpStart:
		if err = r.expose(ctx, in); err == nil {
			err = r.start(in)
		}
	case runner.OpStop:
		if err = r.stop(ctx, in, a.Timeout); err == nil {
			r.stopDrained(ctx, a.Service, syscall.SIGTERM)
		}
	case runner.OpKill:
		if err = r.kill(ctx, in); err == nil {
			r.stopDrained(ctx, a.Service, syscall.SIGKILL)
		}
	case runner.OpSignal:
		err = r.signal(in, a.Signal)
	case runner.OpPause:
		err = r.pause(in, syscall.SIGSTOP, runner.InstanceRunning, runner.InstancePaused)
	case runner.OpUnpause:
		err = r.pause(in, syscall.SIGCONT, runner.InstancePaused, runner.InstanceRunning)
	case runner.OpRemove:
		seen, err := r.remove(ctx, in)
		if err == nil {
			err = r.withdraw(ctx, in.state.Service) // the service's name never changes
		}
		return seen, err
	default:
		err = fmt.Errorf("a process cannot be told to %s", a.Op)
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := in.look()
	return []runner.Observation{{Instance: &seen}}, nil
}

// create makes the record of an instance and finds its ports. Nothing runs yet, but where the instance is to take the place of
// one that runs (Action.Swap).
func (r *Runtime) create(ctx context.Context, a runner.Action) ([]runner.Observation, error) {
	var seen []runner.Observation
	if a.Replaces != "" {
		if old, err := r.find(a.Replaces); err == nil {
			if a.Swap && r.swappable(old) {
				return r.swap(ctx, a, old)
			}
			if err := r.stop(ctx, old, a.Timeout); err != nil {
				return nil, err
			}
			if seen, err = r.remove(ctx, old); err != nil {
				return nil, err
			}
		}
	}
	_, made, err := r.make(a, false)
	if err != nil {
		return nil, err
	}
	return append(seen, made), r.save()
}

// make makes the record of an instance, or finds that it is there. beside makes one more of the same number.
func (r *Runtime) make(a runner.Action, beside bool) (*instance, runner.Observation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	none := runner.Observation{}
	s, err := r.project.Service(a.Service)
	if err != nil {
		return nil, none, err
	}
	number := max(1, a.Number)
	for _, in := range r.instances {
		if in.state.Service == a.Service && in.state.Number == number && !beside {
			seen := in.look()
			return in, runner.Observation{Instance: &seen}, nil
		}
	}
	if err := r.runnable(a.Service); err != nil {
		return nil, none, err
	}
	in := &instance{output: newOutput(), ports: r.ports.of(a.Service, number)}
	in.program = r.pinned[a.Service]
	r.hide(in, a.Service)
	if !beside {
		if err := r.vacant(a.Service, in.ports); err != nil {
			return nil, none, err
		}
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume && v.Source != "" {
			if err := os.MkdirAll(r.volume(v.Source), 0o700); err != nil {
				return nil, none, err
			}
		}
	}
	in.state = r.blank(a.Service, number, s)
	in.state.Ports = shown(in.ports)
	r.instances[in.state.ID] = in
	return in, r.change(in, func(*runner.Instance) {}), nil
}

// blank is an instance that was just made. r.mu is held.
func (r *Runtime) blank(service string, number int, s types.ServiceConfig) runner.Instance {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	image, _ := r.resource(runner.ResourceImage, service)
	in := runner.Instance{ID: hex.EncodeToString(id), Name: cmp.Or(s.ContainerName, fmt.Sprintf("%s-%s-%d", r.project.Name, service, number)), Service: service,
		Number: number, Runtime: r.Name(), State: runner.InstanceCreated, CreatedAt: time.Now(), Hash: r.project.NativeHash(service),
		Image: image.Name, ImageID: image.ID, Addresses: []string{loopback}}
	for key := range s.Networks {
		if net, there := r.resource(runner.ResourceNetwork, key); there {
			in.Networks = append(in.Networks, net.ID)
		}
	}
	slices.Sort(in.Networks)
	return in
}

// runnable tells why a service cannot be a process, if so. r.mu is held.
func (r *Runtime) runnable(service string) error {
	if !r.project.Services[service].Run.IsZero() {
		return nil
	}
	return &runner.Error{Kind: runner.ErrUsage, Service: service,
		Msg:  fmt.Sprintf("%s: service %q does not say how it runs as a process: it has no x-msdev.run", r.project.Place("services", service), service),
		Hint: "`msdev init` proposes one; or run it in a container: --runtime docker."}
}

// Check tells what will keep services from running as processes, before anything is started: no command, a port that
// another program has.
func (r *Runtime) Check(services []string) error {
	if !slices.ContainsFunc(services, r.options.Native) {
		return nil
	}
	if err := r.own(); err != nil { // what a killed session has left may hold ports
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range services {
		if !r.options.Native(name) {
			continue
		}
		if err := r.runnable(name); err != nil {
			return err
		}
		if slices.ContainsFunc(sortedInstances(r.instances), func(in *instance) bool { return in.state.Service == name }) {
			continue // its ports are its own
		}
		if err := r.vacant(name, r.ports.of(name, 1)); err != nil {
			return err
		}
	}
	return nil
}

func sortedInstances(all map[string]*instance) []*instance {
	list := make([]*instance, 0, len(all))
	for _, in := range all {
		list = append(list, in)
	}
	slices.SortFunc(list, func(a, b *instance) int { return cmp.Compare(a.state.Name, b.state.Name) })
	return list
}

func (r *Runtime) remove(ctx context.Context, in *instance) ([]runner.Observation, error) {
	if err := r.kill(ctx, in); err != nil {
		return nil, err
	}
	r.mu.Lock()
	delete(r.instances, in.state.ID)
	gone := r.tell(runner.Observation{Gone: in.state.ID})
	r.mu.Unlock()
	return []runner.Observation{gone}, r.save()
}

// volume is the folder of a named volume.
func (r *Runtime) volume(key string) string { return filepath.Join(r.options.StateDir, "volumes", key) }

// provide makes a network, volume or image be there.
func (r *Runtime) provide(kind runner.ResourceKind, key string) ([]runner.Observation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.absent, string(kind)+"/"+key)
	if kind == runner.ResourceVolume {
		if err := os.MkdirAll(r.volume(key), 0o700); err != nil {
			return nil, err
		}
	}
	res, _ := r.resource(kind, key)
	return []runner.Observation{r.tell(runner.Observation{Resource: &runner.ResourceChange{Kind: kind, Resource: res}})}, nil
}

// drop removes a network, volume or image. Only a volume holds anything: it is not removed while an instance may use it.
func (r *Runtime) drop(kind runner.ResourceKind, key string) ([]runner.Observation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kind == runner.ResourceVolume {
		for _, in := range sortedInstances(r.instances) {
			for _, v := range r.project.Compose.Services[in.state.Service].Volumes {
				if v.Type == types.VolumeTypeVolume && v.Source == key {
					return nil, &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("volume %q is in use by %s", key, in.state.Name), Hint: "`msdev down` removes what uses it first."}
				}
			}
		}
		if err := os.RemoveAll(r.volume(key)); err != nil {
			return nil, err
		}
		_ = os.Remove(filepath.Dir(r.volume(key))) // with its last volume the folder goes, too
	}
	r.absent[string(kind)+"/"+key] = true
	if kind == runner.ResourceImage {
		delete(r.images, key)
	}
	return []runner.Observation{r.tell(runner.Observation{Resource: &runner.ResourceChange{Kind: kind, Resource: runner.Resource{Key: key}, Gone: true}})}, nil
}
