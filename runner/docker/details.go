package docker

import (
	"context"
	"slices"

	"github.com/moby/moby/client"

	"msdev/runner"
)

var _ runner.Detailer = (*Runtime)(nil)

// Details asks the engine once for all containers of the project.
func (r *Runtime) Details(ctx context.Context) (map[string]runner.Detail, error) {
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelProject+"="+r.project().Name),
	})
	if err != nil {
		return nil, r.explain(err, subject{})
	}
	all := map[string]runner.Detail{}
	for _, c := range list.Items {
		d := runner.Detail{Command: c.Command, Labels: c.Labels}
		for _, m := range c.Mounts {
			name := m.Name
			if name == "" {
				name = m.Source
			}
			d.Mounts = append(d.Mounts, name)
			if m.Driver == "local" {
				d.LocalVolumes++
			}
		}
		if c.NetworkSettings != nil {
			for name := range c.NetworkSettings.Networks {
				d.Networks = append(d.Networks, name)
			}
			slices.Sort(d.Networks)
		}
		all[c.ID] = d
	}
	return all, nil
}
