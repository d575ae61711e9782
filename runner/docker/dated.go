package docker

import (
	"context"
	"time"
)

// Dated tells when an image was made, or was last given a name: a build that finds all its steps done already makes no new image.
func (r *Runtime) Dated(ctx context.Context, image string) (time.Time, error) {
	res, err := r.api.ImageInspect(ctx, image)
	if err != nil {
		return time.Time{}, err
	}
	at := parseTime(res.Created)
	if named := res.Metadata.LastTagTime; named.After(at) {
		at = named
	}
	return at, nil
}
