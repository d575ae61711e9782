package runner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// diagnose looks for the reason why a model that could be read does not fit together. It reports the first one in the
// order of the files, so that the same file always gives the same error.
func (s *sources) diagnose(m *types.Project) *Error {
	for _, name := range s.serviceOrder() {
		service, enabled := m.Services[name]
		if !enabled {
			continue
		}
		for _, check := range []func(*types.Project, types.ServiceConfig) *Error{
			s.checkSource, s.checkNetworks, s.checkDependsOn, s.checkVolumes, s.checkFiles, s.checkHealth,
		} {
			if e := check(m, service); e != nil {
				e.Service = name
				return e
			}
		}
	}
	if cycle := findCycle(m, s.serviceOrder()); cycle != nil {
		e := s.fail(s.find("services", cycle[0], "depends_on", cycle[1]), "services depend on each other in a circle: %s", strings.Join(cycle, " → "))
		e.Hint = "Take one of these dependencies away."
		return e
	}
	return nil
}

func (s *sources) checkSource(_ *types.Project, service types.ServiceConfig) *Error {
	if service.Image != "" || service.Build != nil || service.Provider != nil || runs(service.Extensions[settingsKey]) {
		return nil
	}
	e := s.fail(s.find("services", service.Name), "service %q has neither an image nor a build", service.Name)
	e.Hint = "Give it `image: NAME` or `build: FOLDER`, or an x-msdev.run, to run as a process."
	return e
}

func (s *sources) checkDependsOn(m *types.Project, service types.ServiceConfig) *Error {
	for _, name := range slices.Sorted(maps.Keys(service.DependsOn)) {
		if _, ok := m.Services[name]; ok {
			continue
		}
		at := s.find("services", service.Name, "depends_on", name)
		if other, disabled := m.DisabledServices[name]; disabled {
			if !service.DependsOn[name].Required {
				continue
			}
			e := s.fail(at, "service %q depends on %q, which is disabled", service.Name, name)
			if len(other.Profiles) > 0 {
				e.Msg = fmt.Sprintf("%s: it belongs to %s", e.Msg, profiles(other.Profiles))
				e.Hint = fmt.Sprintf("Enable it with --profile %s, or write `required: false` for this dependency.", other.Profiles[0])
			}
			return e
		}
		return s.missing(at, service.Name, "depends on", name, "", slices.Sorted(maps.Keys(m.AllServices())))
	}
	return nil
}

// checkDependencies is checkDependsOn for the services that were asked for by name, and what they need.
func (s *sources) checkDependencies(m *types.Project, names []string, noDeps bool) *Error {
	seen := map[string]bool{}
	for len(names) > 0 && !noDeps {
		name := names[0]
		names = names[1:]
		service, ok := m.Services[name]
		if seen[name] || !ok {
			continue
		}
		seen[name] = true
		if e := s.checkDependsOn(m, service); e != nil {
			e.Service = name
			return e
		}
		names = append(names, slices.Sorted(maps.Keys(service.DependsOn))...)
	}
	return nil
}

func (s *sources) checkNetworks(m *types.Project, service types.ServiceConfig) *Error {
	if service.NetworkMode != "" && len(service.Networks) > 0 {
		e := s.fail(s.find("services", service.Name, "network_mode"), "service %q has both network_mode and networks", service.Name)
		e.Hint = "Take one of the two away."
		return e
	}
	if name, ok := strings.CutPrefix(service.NetworkMode, types.ServicePrefix); ok {
		if _, ok := m.AllServices()[name]; !ok {
			at := s.find("services", service.Name, "network_mode")
			return s.missing(at, service.Name, "shares the network of", name, "", slices.Sorted(maps.Keys(m.AllServices())))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(service.Networks)) {
		if _, ok := m.Networks[name]; !ok {
			return s.missing(s.find("services", service.Name, "networks", name), service.Name, "joins the network", name, "networks", slices.Sorted(maps.Keys(m.Networks)))
		}
	}
	return nil
}

func (s *sources) checkVolumes(m *types.Project, service types.ServiceConfig) *Error {
	for _, v := range service.Volumes {
		if v.Type != types.VolumeTypeVolume || v.Source == "" {
			continue
		}
		if _, ok := m.Volumes[v.Source]; !ok {
			at := s.findValue(func(text string) bool { return text == v.Source || strings.HasPrefix(text, v.Source+":") }, "services", service.Name, "volumes")
			return s.missing(at, service.Name, "mounts the volume", v.Source, "volumes", slices.Sorted(maps.Keys(m.Volumes)))
		}
	}
	return nil
}

// checkFiles is about secrets and configs.
func (s *sources) checkFiles(m *types.Project, service types.ServiceConfig) *Error {
	secrets := slices.Clone(service.Secrets)
	if service.Build != nil {
		secrets = append(secrets, service.Build.Secrets...)
	}
	for _, secret := range secrets {
		if _, ok := m.Secrets[secret.Source]; !ok {
			at := s.findValue(func(text string) bool { return text == secret.Source }, "services", service.Name)
			return s.missing(at, service.Name, "uses the secret", secret.Source, "secrets", slices.Sorted(maps.Keys(m.Secrets)))
		}
	}
	for _, config := range service.Configs {
		if _, ok := m.Configs[config.Source]; !ok {
			at := s.findValue(func(text string) bool { return text == config.Source }, "services", service.Name, "configs")
			return s.missing(at, service.Name, "uses the config", config.Source, "configs", slices.Sorted(maps.Keys(m.Configs)))
		}
	}
	return nil
}

func (s *sources) checkHealth(_ *types.Project, service types.ServiceConfig) *Error {
	if service.HealthCheck == nil || len(service.HealthCheck.Test) == 0 || slices.Contains([]string{"CMD", "CMD-SHELL", "NONE"}, service.HealthCheck.Test[0]) {
		return nil
	}
	e := s.fail(s.find("services", service.Name, "healthcheck", "test"), "the health test of service %q begins with %q", service.Name, service.HealthCheck.Test[0])
	e.Hint = `It begins with "CMD" (program and arguments), "CMD-SHELL" (a line for the shell) or "NONE".`
	return e
}

// missing is the error for a name that is used and not declared. section is the part of the file that declares it, or "".
func (s *sources) missing(at position, service, uses, name, section string, there []string) *Error {
	e := s.fail(at, "service %q %s %q, which does not exist", service, uses, name)
	there = slices.DeleteFunc(there, func(other string) bool { return section == "" && other == service })
	switch like := Nearest(name, there); {
	case like != "":
		e.Hint = didYouMean(like)
	case section != "":
		e.Hint = fmt.Sprintf("Declare it at the end of the file: `%s: {%s: {}}`.", section, name)
	case len(there) > 0:
		e.Hint = fmt.Sprintf("There are: %s.", strings.Join(there, ", "))
	}
	return e
}

// findCycle returns the names along a circle of dependencies, the first one again at the end; nil if there is none.
func findCycle(m *types.Project, names []string) []string {
	done := map[string]bool{}
	var path []string
	var visit func(string) []string
	visit = func(name string) []string {
		if i := slices.Index(path, name); i >= 0 {
			return append(slices.Clone(path[i:]), name)
		}
		if done[name] {
			return nil
		}
		path = append(path, name)
		for _, dep := range slices.Sorted(maps.Keys(m.Services[name].DependsOn)) {
			if cycle := visit(dep); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		done[name] = true
		return nil
	}
	for _, name := range names {
		if cycle := visit(name); cycle != nil {
			return cycle
		}
	}
	return nil
}
