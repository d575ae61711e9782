package docker

import (
	"context"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
)

// localImage is what matters of an image that the engine has. The zero value is an image that it has not.
type localImage struct {
	id      string
	volumes []string // paths that the image declares as volumes
	health  *container.HealthConfig
	shell   []string // for commands in shell form
}

// imageCache asks once for each image, however many services and instances use it; what changes an image forgets it.
type imageCache struct {
	inspect func(ctx context.Context, ref string) (localImage, error)

	mu     sync.Mutex
	images map[string]*imageEntry
}

// imageEntry is one answer; ready is closed once it is there.
type imageEntry struct {
	ready chan struct{}
	image localImage
	err   error
}

// get returns the image of a name; an image that is not there is the zero value, and no error.
func (c *imageCache) get(ctx context.Context, ref string) (localImage, error) {
	c.mu.Lock()
	if c.images == nil {
		c.images = map[string]*imageEntry{}
	}
	e := c.images[ref]
	if e == nil {
		e = &imageEntry{ready: make(chan struct{})}
		c.images[ref] = e
		c.mu.Unlock()
		e.image, e.err = c.inspect(ctx, ref)
		close(e.ready)
		if e.err != nil || e.image.id == "" {
			c.drop(ref, e)
		}
		return e.image, e.err
	}
	c.mu.Unlock()
	select {
	case <-e.ready:
		return e.image, e.err
	case <-ctx.Done():
		return localImage{}, ctx.Err()
	}
}

// drop forgets one answer: what is missing now may be there at the next question.
func (c *imageCache) drop(ref string, e *imageEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.images[ref] == e {
		delete(c.images, ref)
	}
}

// forget drops all answers, or those of the given names.
func (c *imageCache) forget(refs ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(refs) == 0 {
		clear(c.images)
	}
	for _, ref := range refs {
		delete(c.images, ref)
	}
}

// inspectImage asks the engine.
func (r *Runtime) inspectImage(ctx context.Context, ref string) (localImage, error) {
	res, err := r.api.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return localImage{}, nil
	}
	if err != nil {
		return localImage{}, err
	}
	img := localImage{id: res.ID}
	if res.Config != nil {
		img.health, img.shell = res.Config.Healthcheck, res.Config.Shell
		for path := range res.Config.Volumes {
			img.volumes = append(img.volumes, path)
		}
	}
	return img, nil
}
