package docker

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client/pkg/versions"

	"msdev/runner"
)

// unsupported is one attribute of a service that has no effect here.
type unsupported struct {
	attribute string
	since     string // the API version from which on it has an effect; empty: none has it
	engine    string // the engine of that version
	used      func(types.ServiceConfig) bool
}

// notApplied are the attributes that are not applied: those of a swarm, those that msdev does not know yet, and those that
// older engines pass over in silence.
var notApplied = []unsupported{
	{attribute: "deploy.mode", used: func(s types.ServiceConfig) bool {
		return s.Deploy != nil && s.Deploy.Mode != "" && s.Deploy.Mode != "replicated"
	}},
	{attribute: "deploy.labels", used: func(s types.ServiceConfig) bool { return s.Deploy != nil && len(s.Deploy.Labels) > 0 }},
	{attribute: "deploy.update_config", used: func(s types.ServiceConfig) bool { return s.Deploy != nil && s.Deploy.UpdateConfig != nil }},
	{attribute: "deploy.rollback_config", used: func(s types.ServiceConfig) bool { return s.Deploy != nil && s.Deploy.RollbackConfig != nil }},
	{attribute: "deploy.endpoint_mode", used: func(s types.ServiceConfig) bool { return s.Deploy != nil && s.Deploy.EndpointMode != "" }},
	{attribute: "deploy.placement", used: func(s types.ServiceConfig) bool {
		return s.Deploy != nil && (len(s.Deploy.Placement.Constraints) > 0 || len(s.Deploy.Placement.Preferences) > 0 || s.Deploy.Placement.MaxReplicas > 0)
	}},
	{attribute: "deploy.restart_policy.delay", used: func(s types.ServiceConfig) bool {
		return s.Deploy != nil && s.Deploy.RestartPolicy != nil && s.Deploy.RestartPolicy.Delay != nil
	}},
	{attribute: "deploy.restart_policy.window", used: func(s types.ServiceConfig) bool {
		return s.Deploy != nil && s.Deploy.RestartPolicy != nil && s.Deploy.RestartPolicy.Window != nil
	}},
	{attribute: "deploy.resources.reservations.cpus", used: func(s types.ServiceConfig) bool {
		return s.Deploy != nil && s.Deploy.Resources.Reservations != nil && s.Deploy.Resources.Reservations.NanoCPUs != 0
	}},
	{attribute: "credential_spec", used: func(s types.ServiceConfig) bool { return s.CredentialSpec != nil }},
	{attribute: "provider", used: func(s types.ServiceConfig) bool { return s.Provider != nil }},
	{attribute: "models", used: func(s types.ServiceConfig) bool { return len(s.Models) > 0 }},
	{attribute: "use_api_socket", used: func(s types.ServiceConfig) bool { return s.UseAPISocket }},
	{attribute: "pre_start", used: func(s types.ServiceConfig) bool { return len(s.PreStart) > 0 }},
	{attribute: "umask", used: func(s types.ServiceConfig) bool { return s.Umask != nil }},
	{attribute: "ports.mode: host", used: func(s types.ServiceConfig) bool {
		return slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return p.Mode == "host" })
	}},
	{attribute: "build.provenance", used: func(s types.ServiceConfig) bool { return s.Build != nil && s.Build.Provenance != "" }},
	{attribute: "build.sbom", used: func(s types.ServiceConfig) bool { return s.Build != nil && s.Build.SBOM != "" }},

	{attribute: "annotations", since: "1.43", engine: "24", used: func(s types.ServiceConfig) bool { return len(s.Annotations) > 0 }},
	{attribute: "healthcheck.start_interval", since: "1.44", engine: "25", used: func(s types.ServiceConfig) bool {
		return s.HealthCheck != nil && s.HealthCheck.StartInterval != nil
	}},
	{attribute: "mac_address", since: "1.44", engine: "25", used: func(s types.ServiceConfig) bool {
		return s.MacAddress != "" || anyNetwork(s, func(n *types.ServiceNetworkConfig) bool { return n.MacAddress != "" })
	}},
	{attribute: "volumes.volume.subpath", since: "1.45", engine: "26", used: func(s types.ServiceConfig) bool {
		return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Volume != nil && v.Volume.Subpath != "" })
	}},
	{attribute: "volumes.bind.recursive", since: "1.44", engine: "25", used: func(s types.ServiceConfig) bool {
		return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Bind != nil && v.Bind.Recursive != "" })
	}},
	{attribute: "networks.gw_priority", since: "1.48", engine: "28", used: func(s types.ServiceConfig) bool {
		return anyNetwork(s, func(n *types.ServiceNetworkConfig) bool { return n.GatewayPriority != 0 })
	}},
}

func anyNetwork(s types.ServiceConfig, is func(*types.ServiceNetworkConfig) bool) bool {
	for _, n := range s.Networks {
		if n != nil && is(n) {
			return true
		}
	}
	return false
}

// Unsupported names the attributes of a project that an engine of this API version ("1.41"; empty for the newest) does not
// apply, each with its service, so that none is dropped in silence.
func Unsupported(p *runner.Project, api string) []string {
	var warnings []string
	for name, s := range p.Compose.Services {
		for _, u := range notApplied {
			switch {
			case u.since != "" && (api == "" || versions.GreaterThanOrEqualTo(api, u.since)) || !u.used(s):
			case u.since != "":
				warnings = append(warnings, fmt.Sprintf("service %q: %s is not applied; it needs Docker Engine %s or newer", name, u.attribute, u.engine))
			default:
				warnings = append(warnings, fmt.Sprintf("service %q: %s is not applied", name, u.attribute))
			}
		}
		warnings = append(warnings, mountedAsTheyAre(p, s)...)
	}
	for key, object := range p.Compose.Secrets {
		if len(object.Labels) > 0 || len(object.DriverOpts) > 0 {
			warnings = append(warnings, fmt.Sprintf("secret %q: labels and driver_opts are not applied", key))
		}
	}
	for key, object := range p.Compose.Configs {
		if len(object.Labels) > 0 || len(object.DriverOpts) > 0 {
			warnings = append(warnings, fmt.Sprintf("config %q: labels and driver_opts are not applied", key))
		}
	}
	slices.Sort(warnings)
	return slices.Compact(warnings)
}

// mountedAsTheyAre names the secrets and configs that are files of the host and so keep that file's owner and mode.
func mountedAsTheyAre(p *runner.Project, s types.ServiceConfig) []string {
	var warnings []string
	check := func(kind string, ref types.FileReferenceConfig, object types.FileObjectConfig) {
		if object.File != "" && (ref.UID != "" || ref.GID != "" || ref.Mode != nil) {
			warnings = append(warnings, fmt.Sprintf("service %q: uid, gid and mode of the %s %q are not applied, as its file is mounted as it is", s.Name, kind, cmp.Or(ref.Source, ref.Target)))
		}
	}
	for _, ref := range s.Secrets {
		check("secret", types.FileReferenceConfig(ref), types.FileObjectConfig(p.Compose.Secrets[ref.Source]))
	}
	for _, ref := range s.Configs {
		check("config", types.FileReferenceConfig(ref), types.FileObjectConfig(p.Compose.Configs[ref.Source]))
	}
	return warnings
}

// Unsupported names the attributes of the project that this engine does not apply.
func (r *Runtime) Unsupported() []string { return Unsupported(r.project(), r.api.ClientVersion()) }
