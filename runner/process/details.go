package process

import (
	"context"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

var _ runner.Detailer = (*Runtime)(nil)

// Details tells the command of each instance, and the volumes that it may use.
func (r *Runtime) Details(context.Context) (map[string]runner.Detail, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]runner.Detail{}
	for id, in := range r.instances {
		run, s := r.project.Services[in.state.Service].Run, r.project.Compose.Services[in.state.Service]
		d := runner.Detail{Command: run.Line}
		if d.Command == "" {
			d.Command = strings.Join(run.Args, " ")
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume && v.Source != "" && !slices.Contains(d.Mounts, v.Source) {
				d.Mounts = append(d.Mounts, r.project.Compose.Volumes[v.Source].Name)
				d.LocalVolumes++
			}
		}
		all[id] = d
	}
	return all, nil
}
