package docker

import (
	"context"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"msdev/runner"
)

var _ runner.Pruner = (*Runtime)(nil)

// Prune removes the images of the project that builds have taken the names of, as `docker compose watch` does, but for those that
// a service can go back to.
func (r *Runtime) Prune(ctx context.Context) error {
	list, err := r.api.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("dangling", "true").Add("label", labelProject+"="+r.project().Name)})
	if err != nil {
		return err
	}
	for _, img := range list.Items {
		if r.before.has(img.ID) {
			continue
		}
		_, err := r.api.ImageRemove(ctx, img.ID, client.ImageRemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) { // a container still has it
			return err
		}
	}
	return nil
}
