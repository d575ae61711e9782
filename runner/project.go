// Package runner launches the service graph of a compose file and holds it to what was asked. project.go reads the
// files, plan.go decides, supervisor.go carries out; what runs a service is a Runtime.
package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Project is one set of compose files, read and checked: what `up` launches. It is not changed once it is made.
type Project struct {
	Name     string
	Dir      string                     // working directory, absolute
	Files    []string                   // compose files, absolute, in the order in which they were merged
	EnvFiles []string                   // files named by --env-file, absolute; for the label that Compose writes
	Compose  *types.Project             // the model, with profiles applied: disabled services are in DisabledServices
	Order    []string                   // the names of the enabled services, dependencies first, ties in the file's order
	Warnings []string                   // what the user should know: unset variables, attributes that are not applied, each with its place
	Hashes   map[string]string          // Compose's config hash by service
	Settings Settings                   // x-msdev of the project
	Services map[string]ServiceSettings // x-msdev of each enabled service

	src   *sources
	model *types.Project // as it was loaded: before optional dependencies and unused resources fell away
}

// LoadOptions say which files make the project, as the flags of `up` and the COMPOSE_* variables do.
type LoadOptions struct {
	Files    []string `json:"files,omitempty"`    // -f; "-" is not allowed in a session
	Name     string   `json:"name,omitempty"`     // -p
	Dir      string   `json:"dir,omitempty"`      // --project-directory
	WorkDir  string   `json:"workDir,omitempty"`  // where the user stands; files are looked for from here upwards
	Profiles []string `json:"profiles,omitempty"` // --profile
	EnvFiles []string `json:"envFiles,omitempty"` // --env-file
	Text     string   `json:"text,omitempty"`     // the compose file itself, where there is none on disk
	Environ  []string `json:"environ,omitempty"`  // the user's environment; nil is the process's own
}

// Load finds, reads, merges and checks the compose files. Whatever is wrong with them comes back as an *Error of kind
// ErrUsage that names file and line.
func Load(ctx context.Context, o LoadOptions) (*Project, error) {
	at, err := discover(o)
	if err != nil {
		return nil, err
	}
	src, err := readSources(at)
	if err != nil {
		return nil, err
	}
	name, explicit, err := at.projectName(o, src.named())
	if err != nil {
		return nil, err
	}
	model, warnings, err := compose(ctx, at, src, name, explicit)
	if err != nil {
		return nil, err
	}
	p := &Project{
		Name: model.Name, Dir: at.dir, Files: at.files, EnvFiles: at.envFiles,
		Warnings: append(at.warnings, src.place(warnings)...),
		src:      src, model: model,
	}
	if err := p.settle(model); err != nil {
		return nil, err
	}
	return p, nil
}

// Select returns the project as it is when only the named services are asked for: they and what they depend on (unless
// noDeps), with the profiles that they need enabled. Without names it is the project itself.
func (p *Project) Select(services []string, noDeps bool) (*Project, error) {
	if len(services) == 0 {
		return p, nil
	}
	for _, name := range services {
		if _, err := p.any(name); err != nil {
			return nil, err
		}
	}
	enabled, err := p.model.WithServicesEnabled(services...)
	if err != nil {
		return nil, p.src.explain(err)
	}
	if err := p.src.checkDependencies(enabled, services, noDeps); err != nil {
		return nil, err
	}
	policy := types.IncludeDependencies
	if noDeps {
		policy = types.IgnoreDependencies
	}
	selected, err := enabled.WithSelectedServices(services, policy)
	if err != nil {
		return nil, p.src.explain(err)
	}
	q := *p
	if err := q.settle(selected); err != nil {
		return nil, err
	}
	return &q, nil
}

// Service returns an enabled service; the error for another name says whether it does not exist or is disabled.
func (p *Project) Service(name string) (types.ServiceConfig, error) {
	if s, ok := p.Compose.Services[name]; ok {
		return s, nil
	}
	s, err := p.any(name)
	if err != nil {
		return s, err
	}
	return s, &Error{Kind: ErrUsage, Service: name, Msg: fmt.Sprintf("service %q is disabled: it belongs to %s", name, profiles(s.Profiles)),
		Hint: fmt.Sprintf("Enable it with --profile %s.", s.Profiles[0])}
}

// any returns a service of the files, enabled or not.
func (p *Project) any(name string) (types.ServiceConfig, error) {
	all := p.model.AllServices()
	if s, ok := all[name]; ok {
		return s, nil
	}
	return types.ServiceConfig{}, NoSuchService(name, slices.Sorted(maps.Keys(all)))
}

// NoSuchService is the error for a name that is none of those that there are.
func NoSuchService(name string, there []string) *Error {
	hint := fmt.Sprintf("There are: %s.", strings.Join(there, ", "))
	if like := Nearest(name, there); like != "" {
		hint = didYouMean(like)
	}
	return &Error{Kind: ErrUsage, Service: name, Msg: fmt.Sprintf("no such service: %q", name), Hint: hint}
}

// Dependencies returns what a service depends on, in the project's order.
func (p *Project) Dependencies(service string) []Dependency {
	s := p.Compose.Services[service]
	var deps []Dependency
	for _, name := range p.Order {
		if d, ok := s.DependsOn[name]; ok {
			deps = append(deps, Dependency{Service: name, Condition: d.Condition, Required: d.Required, Restart: d.Restart})
		}
	}
	return deps
}

// Place is where in the files something stands, as "compose.yaml:14"; "" where it cannot be told. The path is one of the
// model's: "services", "api", "image".
func (p *Project) Place(path ...string) string { return p.src.find(path...).String() }

// File is the compose file, absolute, in which something stands; the path is one of the model's, as in Place.
func (p *Project) File(path ...string) string { return p.src.file(path...) }

// settle derives from a loaded model all that Compose derives when it runs it.
func (p *Project) settle(model *types.Project) error {
	m, err := model.WithServicesEnvironmentResolved(true)
	if err != nil {
		return p.src.explain(err)
	}
	if m, err = m.WithServicesLabelsResolved(false); err != nil {
		return p.src.explain(err)
	}
	m = m.WithoutUnresolvedOptionalDependencies().WithoutUnnecessaryResources()
	m.ComposeFiles = p.Files
	defaultPlatform(m)
	p.Compose = m
	p.Order = order(m, p.src.serviceOrder())
	p.Hashes = make(map[string]string, len(m.Services))
	for name, s := range m.Services {
		if p.Hashes[name], err = ServiceHash(s); err != nil {
			return p.src.fail(p.src.find("services", name), "service %q cannot be written as JSON: %v", name, err)
		}
	}
	return p.readSettings()
}

// defaultPlatform applies DOCKER_DEFAULT_PLATFORM to services that are built, as Compose does, because it is part of the hash.
func defaultPlatform(m *types.Project) {
	platform := m.Environment["DOCKER_DEFAULT_PLATFORM"]
	for name, s := range m.Services {
		if platform != "" && s.Build != nil && s.Platform == "" {
			s.Platform = platform
			m.Services[name] = s
		}
	}
}

// order sorts the enabled services so that each comes after what it depends on; of those that could be next, the first in
// the files is. The graph has no cycles any more.
func order(m *types.Project, inFiles []string) []string {
	rest := slices.DeleteFunc(slices.Clone(inFiles), func(name string) bool {
		_, ok := m.Services[name]
		return !ok
	})
	for _, name := range slices.Sorted(maps.Keys(m.Services)) {
		if !slices.Contains(rest, name) {
			rest = append(rest, name)
		}
	}
	sorted := make([]string, 0, len(rest))
	for len(rest) > 0 {
		next := max(0, slices.IndexFunc(rest, func(name string) bool {
			return !slices.ContainsFunc(rest, func(other string) bool {
				_, depends := m.Services[name].DependsOn[other]
				return depends
			})
		}))
		sorted = append(sorted, rest[next])
		rest = slices.Delete(rest, next, next+1)
	}
	return sorted
}

func profiles(names []string) string {
	if len(names) == 1 {
		return fmt.Sprintf("profile %q", names[0])
	}
	return fmt.Sprintf("profiles %q", names)
}

// Names returns the names of all services of the files, enabled or not, sorted.
func (p *Project) Names() []string { return slices.Sorted(maps.Keys(p.model.AllServices())) }
