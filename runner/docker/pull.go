package docker

import (
	"context"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"msdev/runner"
)

// pull fetches the image of a service, and tells how far it is.
func (r *Runtime) pull(ctx context.Context, s types.ServiceConfig, report func(runner.Progress)) ([]runner.Observation, error) {
	ref := imageName(r.project().Name, s)
	about := subject{service: s.Name, what: "image", name: ref}
	opts := client.ImagePullOptions{RegistryAuth: r.env.loginFor(ctx, ref)}
	if p := platformOf(s.Platform); p != nil {
		opts.Platforms = []ocispec.Platform{*p}
	}
	stream, err := r.api.ImagePull(ctx, ref, opts)
	if err != nil {
		return nil, r.explain(err, about)
	}
	defer stream.Close()
	layers := layerProgress{}
	for m, err := range stream.JSONMessages(ctx) {
		if err == nil && m.Error != nil {
			err = m.Error
		}
		if err != nil {
			return nil, r.explain(err, about)
		}
		p := runner.Progress{Text: strings.TrimSpace(m.ID + " " + m.Status)}
		if m.Progress != nil {
			layers[m.ID] = [2]int64{m.Progress.Current, m.Progress.Total}
		}
		p.Current, p.Total = layers.sum()
		report(p)
	}
	r.images.forget(ref)
	img, err := r.images.get(ctx, ref)
	if err != nil {
		return nil, r.explain(err, about)
	}
	return r.imagesSeen(ref, img), nil
}

// layerProgress is how many bytes of each layer are there, and how many there will be.
type layerProgress map[string][2]int64

func (l layerProgress) sum() (current, total int64) {
	for _, layer := range l {
		current += layer[0]
		total += layer[1]
	}
	return current, total
}
