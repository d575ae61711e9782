package process

import (
	"context"
	"maps"
	"slices"

	"msdev/runner"
)

// watcher is what one Watch has not told yet.
type watcher struct {
	wake  chan struct{} // holds one token when queue is not empty
	queue []told
}

// told is an observation for a watcher; done, where set, is closed once it was emitted or the watch has ended.
type told struct {
	o    runner.Observation
	done chan struct{}
}

func (w *watcher) push(t told) {
	w.queue = append(w.queue, t)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Watch emits what there is and then every change. The first one of a StateDir that nobody has ends what is left of an owner
// that was killed.
func (r *Runtime) Watch(ctx context.Context, emit func(runner.Observation)) error {
	if err := r.own(); err != nil {
		return err
	}
	w := &watcher{wake: make(chan struct{}, 1)}
	r.mu.Lock()
	w.push(told{o: runner.Observation{Snapshot: r.snapshot()}})
	r.watchers[w] = true
	r.mu.Unlock()
	defer r.unwatch(w)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		}
		r.mu.Lock()
		queue := w.queue
		w.queue = nil
		r.mu.Unlock()
		for _, t := range queue {
			emit(t.o)
			if t.done != nil {
				close(t.done)
			}
		}
	}
}

func (r *Runtime) unwatch(w *watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watchers, w)
	for _, t := range w.queue {
		if t.done != nil {
			close(t.done)
		}
	}
}

// tellAll gives each watcher a fresh snapshot and returns what is closed when they have told it.
func (r *Runtime) tellAll() []chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]chan struct{}, 0, len(r.watchers))
	for w := range r.watchers {
		done := make(chan struct{})
		w.push(told{runner.Observation{Snapshot: r.snapshot()}, done})
		all = append(all, done)
	}
	return all
}

// tell queues an observation for every watcher. r.mu is held.
func (r *Runtime) tell(o runner.Observation) runner.Observation {
	for w := range r.watchers {
		w.push(told{o: o})
	}
	return o
}

// snapshot is all that there is. r.mu is held.
func (r *Runtime) snapshot() *runner.Observed {
	o := &runner.Observed{Instances: make(map[string]runner.Instance, len(r.instances)), Networks: map[string]runner.Resource{},
		Volumes: map[string]runner.Resource{}, Images: map[string]runner.Resource{}}
	for id, in := range r.instances {
		o.Instances[id] = in.look()
	}
	for _, of := range []struct {
		kind runner.ResourceKind
		to   map[string]runner.Resource
		keys []string
	}{
		{runner.ResourceNetwork, o.Networks, slices.Collect(maps.Keys(r.resources.Networks))},
		{runner.ResourceVolume, o.Volumes, slices.Collect(maps.Keys(r.resources.Volumes))},
		{runner.ResourceImage, o.Images, r.project.Order},
	} {
		for _, key := range of.keys {
			if res, there := r.resource(of.kind, key); there {
				of.to[key] = res
			}
		}
	}
	return o
}

// resource returns a network, volume or image of the project, and whether it is there. Networks and volumes cost nothing, so
// they are there unless they were removed; so is the image of a service that is not built. r.mu is held.
func (r *Runtime) resource(kind runner.ResourceKind, key string) (runner.Resource, bool) {
	res := runner.Resource{Key: key, ID: string(kind) + "/" + key}
	switch kind {
	case runner.ResourceNetwork:
		res.Name, res.Hash = r.project.Compose.Networks[key].Name, r.resources.Networks[key]
	case runner.ResourceVolume:
		res.Name, res.Hash = r.project.Compose.Volumes[key].Name, r.resources.Volumes[key]
	case runner.ResourceImage:
		if !r.options.Native(key) {
			return res, false
		}
		if !r.project.Services[key].Build.IsZero() {
			built, ok := r.images[key]
			return built, ok
		}
		res.Name = r.project.Compose.Services[key].Image
	}
	return res, !r.absent[string(kind)+"/"+key]
}

// change changes what is known of an instance and tells it, unless the instance is not anybody's business any more. r.mu is held.
func (r *Runtime) change(in *instance, f func(*runner.Instance)) runner.Observation {
	f(&in.state)
	r.seen++
	in.state.Seen = r.seen
	seen := in.look()
	if r.instances[in.state.ID] != in {
		return runner.Observation{Instance: &seen}
	}
	return r.tell(runner.Observation{Instance: &seen})
}
