package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// Remains lists the projects that an engine has containers of, by name.
func Remains(ctx context.Context, o Options) ([]runner.Remains, error) {
	r, err := New(ctx, &runner.Project{}, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelProject)})
	if err != nil {
		return nil, r.explain(err, subject{})
	}
	all := map[string]*runner.Remains{}
	for _, c := range list.Items {
		if !ofService(c) {
			continue
		}
		p := all[c.Labels[labelProject]]
		if p == nil {
			p = &runner.Remains{Name: c.Labels[labelProject], States: map[runner.InstanceState]int{}}
			all[p.Name] = p
		}
		p.Files = cmp.Or(p.Files, c.Labels[labelConfigFiles])
		p.States[runner.InstanceState(c.State)]++
	}
	names := slices.Sorted(maps.Keys(all))
	projects := make([]runner.Remains, len(names))
	for i, name := range names {
		projects[i] = *all[name]
	}
	return projects, nil
}

// ofService tells whether a container is an instance of a service, and no one-off and no relay.
func ofService(c container.Summary) bool {
	return c.Labels[labelService] != "" && c.Labels[labelRelay] == "" && !strings.EqualFold(c.Labels[labelOneOff], "true")
}

// outline is a compose file with as much of a project as its labels tell.
type outline struct {
	Services map[string]*outlined         `json:"services"`
	Networks map[string]map[string]string `json:"networks,omitempty"`
	Volumes  map[string]map[string]string `json:"volumes,omitempty"`
}

type outlined struct {
	Image     string                    `json:"image"`
	Scale     int                       `json:"scale"`
	DependsOn map[string]map[string]any `json:"depends_on,omitempty"`
	Networks  []string                  `json:"networks,omitempty"`
	Volumes   []string                  `json:"volumes,omitempty"`
}

// Outline is the compose file of a project as far as an engine can tell it: enough to find, stop, start and remove what there is.
// "" is a project that the engine knows nothing of.
func Outline(ctx context.Context, name string, o Options) (string, error) {
	r, err := New(ctx, &runner.Project{}, o)
	if err != nil {
		return "", err
	}
	defer r.Close()
	filter := make(client.Filters).Add("label", labelProject+"="+name)
	containers, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return "", r.explain(err, subject{})
	}
	networks, err := r.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return "", r.explain(err, subject{})
	}
	volumes, err := r.api.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	if err != nil {
		return "", r.explain(err, subject{})
	}
	file := outlineOf(containers.Items)
	if len(file.Services) == 0 {
		return "", nil
	}
	first := file.Services[slices.Min(slices.Collect(maps.Keys(file.Services)))] // who uses a resource does not matter; that somebody does
	for _, n := range networks.Items {
		if key := n.Labels[labelNetwork]; key != "" {
			file.Networks[key] = map[string]string{"name": n.Name}
			first.Networks = append(first.Networks, key)
		}
	}
	for _, v := range volumes.Items {
		if key := v.Labels[labelVolume]; key != "" {
			file.Volumes[key] = map[string]string{"name": v.Name}
			first.Volumes = append(first.Volumes, fmt.Sprintf("%s:/%s", key, key))
		}
	}
	text, err := json.Marshal(file)
	return strings.ReplaceAll(string(text), "$", "$$"), err
}

func outlineOf(containers []container.Summary) outline {
	file := outline{Services: map[string]*outlined{}, Networks: map[string]map[string]string{}, Volumes: map[string]map[string]string{}}
	for _, c := range containers {
		if !ofService(c) {
			continue
		}
		s := file.Services[c.Labels[labelService]]
		if s == nil {
			s = &outlined{Image: c.Image, DependsOn: map[string]map[string]any{}}
			file.Services[c.Labels[labelService]] = s
		}
		s.Scale++
		for entry := range strings.SplitSeq(c.Labels[labelDependsOn], ",") { // name:condition:restart
			if parts := strings.Split(entry, ":"); len(parts) == 3 {
				restart, _ := strconv.ParseBool(parts[2]) // what is no boolean is none
				s.DependsOn[parts[0]] = map[string]any{"condition": parts[1], "restart": restart}
			}
		}
	}
	for _, s := range file.Services {
		maps.DeleteFunc(s.DependsOn, func(name string, _ map[string]any) bool { return file.Services[name] == nil })
	}
	return file
}
