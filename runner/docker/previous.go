package docker

import (
	"context"
	"fmt"
	"sync"

	"github.com/moby/moby/client"

	"msdev/runner"
)

// previous knows the image that each name stood for before it was built last. The engine keeps such an image until it is pruned.
type previous struct {
	mu  sync.Mutex
	ids map[string]string // by name
}

// note takes in that a name stands for another image now.
func (p *previous) note(name, was, is string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if was == "" || was == is {
		return
	}
	if p.ids == nil {
		p.ids = map[string]string{}
	}
	p.ids[name] = was
}

func (p *previous) of(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[name]
}

// has tells whether a service can go back to an image.
func (p *previous) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.ids {
		if known == id {
			return true
		}
	}
	return false
}

// goBack makes the name of a service's image stand for what it stood for before it was built last.
func (r *Runtime) goBack(ctx context.Context, spec buildSpec) ([]runner.Observation, error) {
	service, id := spec.service.Name, r.before.of(spec.image)
	if id == "" {
		return nil, &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: fmt.Sprintf("service %q has no version before this one", service),
			Hint: "There is one after its image was built again while this session runs."}
	}
	about := subject{service: service, what: "image", name: spec.image}
	was, err := r.images.get(ctx, spec.image)
	if err != nil {
		return nil, r.explain(err, about)
	}
	for _, tag := range spec.tags {
		if _, err := r.api.ImageTag(ctx, client.ImageTagOptions{Source: id, Target: tag}); err != nil {
			return nil, r.explain(err, about)
		}
		r.images.forget(tag)
	}
	is, err := r.images.get(ctx, spec.image)
	if err != nil {
		return nil, r.explain(err, about)
	}
	r.before.note(spec.image, was.id, is.id)
	return r.imagesSeen(spec.image, is), nil
}
