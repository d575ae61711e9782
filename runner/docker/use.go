package docker

import (
	"context"
	"maps"
	"slices"

	"msdev/runner"
)

// Use goes on with the project read again; what is done from now on follows it. Where it looks at other images, networks or
// volumes than before, it returns once Watch has looked at them.
func (r *Runtime) Use(ctx context.Context, p *runner.Project) error {
	before := r.sights()
	r.current.Store(p)
	if slices.Equal(before, r.sights()) {
		return nil
	}
	done := make(chan struct{})
	select {
	case r.again <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// project is the project as it was read last.
func (r *Runtime) project() *runner.Project { return r.current.Load() }

// sights are the names of what a look at the project looks at.
func (r *Runtime) sights() []string {
	p := r.project()
	if p == nil {
		return nil
	}
	var names []string
	for ref, services := range r.servicesByImage() {
		for _, s := range services {
			names = append(names, "image "+s+" "+ref)
		}
	}
	for key, n := range p.Compose.Networks {
		names = append(names, "network "+key+" "+n.Name)
	}
	for key, v := range p.Compose.Volumes {
		names = append(names, "volume "+key+" "+v.Name)
	}
	slices.Sort(names)
	return names
}

// look looks at all that there is, and begins to watch from there.
func (w *watcher) look(ctx context.Context) error {
	w.images = w.r.servicesByImage()
	w.r.images.forget()
	snapshot, err := w.r.lookAtAll(ctx)
	if err != nil {
		return err
	}
	w.current = runner.Observed{Networks: maps.Clone(snapshot.Networks), Volumes: maps.Clone(snapshot.Volumes), Images: maps.Clone(snapshot.Images)}
	w.emit(runner.Observation{Snapshot: &snapshot})
	return nil
}
