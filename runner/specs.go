package runner

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Native is the name of the runtime that runs services as processes of this machine.
const Native = "process"

// Specs returns what a plan needs to know of each enabled service, dependencies first. of names each service's runtime.
func (p *Project) Specs(of map[string]string) []Spec {
	specs := make([]Spec, 0, len(p.Order))
	for _, name := range p.Order {
		s := p.Compose.Services[name]
		spec := Spec{Name: name, Runtime: of[name], Image: s.Image, Build: s.Build != nil, PullPolicy: s.PullPolicy,
			Hash: p.Hashes[name], DependsOn: p.Dependencies(name), Networks: slices.Sorted(maps.Keys(s.Networks)), Scale: s.GetScale()}
		if spec.Image == "" && spec.Build {
			spec.Image = p.Name + "-" + name
		}
		spec.NamedImage = s.Image != ""
		if spec.Runtime == Native {
			p.native(&spec)
		}
		if s.Build != nil {
			spec.Context = s.Build.Context
		}
		spec.Swap = spec.Runtime == Native && p.Services[name].Reload != HowRestart
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume && v.Source != "" && !slices.Contains(spec.Volumes, v.Source) {
				spec.Volumes = append(spec.Volumes, v.Source)
			}
		}
		spec.After = shared(s)
		specs = append(specs, spec)
	}
	return specs
}

// native makes a spec that of a process. Its image is what its x-msdev.build makes, and it is built by each up: that is the
// edit-run loop, and the tools' own caches make it cheap.
func (p *Project) native(spec *Spec) {
	spec.Hash, spec.Image, spec.NamedImage, spec.PullPolicy = p.NativeHash(spec.Name), "", false, ""
	if spec.Build = !p.Services[spec.Name].Build.IsZero(); spec.Build {
		spec.Image, spec.PullPolicy = spec.Name, "build"
	}
}

// NativeHash is the config hash of a service as a process: Compose's, and with it the settings that say how it runs.
func (p *Project) NativeHash(service string) string {
	s := p.Services[service]
	raw, err := json.Marshal([]any{p.Hashes[service], s.Run, s.Build, s.Dir, s.Env, s.Ready})
	if err != nil { // strings and numbers always marshal
		return p.Hashes[service]
	}
	return sum(raw)
}

// shared returns the services whose containers a service's container refers to: they must exist when it is made.
func shared(s types.ServiceConfig) []string {
	var names []string
	for _, mode := range []string{s.NetworkMode, s.Ipc, s.Pid} {
		if name, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
			names = append(names, name)
		}
	}
	for _, from := range s.VolumesFrom {
		if name, _, _ := strings.Cut(from, ":"); name != "container" {
			names = append(names, name)
		}
	}
	for _, link := range s.Links {
		name, _, _ := strings.Cut(link, ":")
		names = append(names, name)
	}
	return names
}

// Resources returns the networks and volumes that the project itself makes, with their config hashes.
func (p *Project) Resources() (Resources, error) {
	r := Resources{Networks: map[string]string{}, Volumes: map[string]string{}}
	for key, n := range p.Compose.Networks {
		if n.External {
			continue
		}
		hash, err := NetworkHash(n)
		if err != nil {
			return r, err
		}
		r.Networks[key] = hash
	}
	for key, v := range p.Compose.Volumes {
		if v.External {
			continue
		}
		hash, err := VolumeHash(v)
		if err != nil {
			return r, err
		}
		r.Volumes[key] = hash
	}
	return r, nil
}

// Enable returns the project with the named services enabled too, whatever profiles they belong to.
func (p *Project) Enable(services []string) (*Project, error) {
	for _, name := range services {
		if _, err := p.any(name); err != nil {
			return nil, err
		}
	}
	if !slices.ContainsFunc(services, func(name string) bool { return !slices.Contains(p.Order, name) }) {
		return p, nil
	}
	enabled, err := p.model.WithServicesEnabled(services...)
	if err != nil {
		return nil, p.src.explain(err)
	}
	q := *p
	q.model = enabled
	if err := q.settle(enabled); err != nil {
		return nil, err
	}
	return &q, nil
}

// Folder is where the commands of a service run as a process: as its settings say, else its working_dir where this machine has it,
// else where it is built, else the project.
func (p *Project) Folder(service string) string {
	s := p.Compose.Services[service]
	if dir := p.Services[service].Dir; dir != "" {
		return p.path(dir)
	}
	candidates := []string{s.WorkingDir}
	if s.Build != nil {
		candidates = append(candidates, s.Build.Context)
	}
	for _, dir := range candidates {
		if dir == "" {
			continue
		}
		if info, err := os.Stat(p.path(dir)); err == nil && info.IsDir() {
			return p.path(dir)
		}
	}
	return p.Dir
}

// path is a path of the files, which may be relative to the project.
func (p *Project) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.Dir, name)
}
