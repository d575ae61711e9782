package docker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"msdev/runner"
)

// containerSpec is all that the engine is told about a new container.
type containerSpec struct {
	config   *container.Config
	host     *container.HostConfig
	network  *network.NetworkingConfig
	later    []endpoint // networks that an older engine takes only once the container exists
	platform *ocispec.Platform
	test     *healthTest
}

// specOf translates a service into what the engine is told, as Compose does it.
func (r *Runtime) specOf(ctx context.Context, s types.ServiceConfig, a runner.Action) (containerSpec, error) {
	if refersToContainers(s) {
		find, err := r.containersOf(ctx)
		if err != nil {
			return containerSpec{}, err
		}
		if err := missingReference(s, find); err != nil {
			return containerSpec{}, err
		}
		s = runner.ResolveReferences(s, find)
	}
	ref := imageName(r.project().Name, s)
	img, err := r.images.get(ctx, ref)
	if err != nil {
		return containerSpec{}, err
	}
	imageVolumes, err := r.resolveImageVolumes(ctx, &s)
	if err != nil {
		return containerSpec{}, err
	}
	labels, err := containerLabels(r.project(), s, a.Number, img.id)
	if err != nil {
		return containerSpec{}, err
	}
	if imageVolumes != "" {
		labels[labelImageVolumes] = imageVolumes
	}
	if a.Replaces != "" {
		labels[labelReplace] = cmp.Or(s.ContainerName, fmt.Sprintf("%s-%d", s.Name, a.Number))
	}
	spec := containerSpec{platform: platformOf(cmp.Or(s.Platform, r.project().Compose.Environment["DOCKER_DEFAULT_PLATFORM"]))}
	if spec.config, err = r.configOf(s, ref, labels); err != nil {
		return containerSpec{}, wrong(s, err)
	}
	spec.test = mergedTest(spec.config.Healthcheck, img)
	inherited, err := r.inherited(ctx, s, a, img)
	if err != nil {
		return containerSpec{}, err
	}
	links, err := r.linksOf(s, a.Number)
	if err != nil {
		return containerSpec{}, err
	}
	if spec.host, err = r.hostOf(s, inherited, links); err != nil {
		return containerSpec{}, wrong(s, err)
	}
	if err := r.join(s, a.Number, links, &spec); err != nil {
		return containerSpec{}, wrong(s, err)
	}
	return spec, nil
}

// wrong is a value of the compose file that cannot be used.
func wrong(s types.ServiceConfig, err error) error {
	var known *runner.Error
	if errors.As(err, &known) {
		return err
	}
	return &runner.Error{Kind: runner.ErrUsage, Service: s.Name, Err: err,
		Msg: fmt.Sprintf("service %q: %s.", s.Name, err), Hint: "Correct it in the compose file; `msdev config` shows what was read."}
}

// configOf is the part of a container that could move to another machine.
func (r *Runtime) configOf(s types.ServiceConfig, image string, labels map[string]string) (*container.Config, error) {
	health, err := healthOf(s.HealthCheck)
	if err != nil {
		return nil, err
	}
	exposed, err := exposedPorts(s)
	if err != nil {
		return nil, err
	}
	env := types.MappingWithEquals{}
	for k, v := range r.env.config().proxies(r.address) {
		env[k] = v
	}
	return &container.Config{
		Hostname: s.Hostname, Domainname: s.DomainName, User: s.User,
		ExposedPorts: exposed,
		Tty:          s.Tty, OpenStdin: s.StdinOpen,
		AttachStdout: true, AttachStderr: true,
		Cmd: []string(s.Command), Entrypoint: []string(s.Entrypoint),
		Image: image, WorkingDir: s.WorkingDir,
		NetworkDisabled: s.NetworkMode == "disabled",
		Labels:          labels,
		StopSignal:      s.StopSignal,
		StopTimeout:     seconds(s.StopGracePeriod),
		Env:             environmentOf(env.OverrideBy(s.Environment)),
		Healthcheck:     health,
	}, nil
}

// environmentOf lists variables in a fixed order; one without a value is unset in the container.
func environmentOf(m types.MappingWithEquals) []string {
	var env []string
	for k, v := range m {
		if v == nil {
			env = append(env, k)
		} else {
			env = append(env, k+"="+*v)
		}
	}
	slices.Sort(env)
	return env
}

func seconds(d *types.Duration) *int {
	if d == nil {
		return nil
	}
	s := int(time.Duration(*d).Seconds())
	return &s
}

func healthOf(h *types.HealthCheckConfig) (*container.HealthConfig, error) {
	if h == nil {
		return nil, nil
	}
	if h.StartInterval != nil && h.StartPeriod == nil {
		return nil, errors.New("healthcheck.start_interval needs healthcheck.start_period beside it")
	}
	duration := func(d *types.Duration) time.Duration {
		if d == nil {
			return 0
		}
		return time.Duration(*d)
	}
	c := &container.HealthConfig{
		Test: []string(h.Test), Interval: duration(h.Interval), Timeout: duration(h.Timeout),
		StartPeriod: duration(h.StartPeriod), StartInterval: duration(h.StartInterval),
	}
	if h.Disable {
		c.Test = []string{"NONE"}
	}
	if h.Retries != nil {
		c.Retries = int(*h.Retries)
	}
	return c, nil
}

// mergedTest is the health test that the engine makes of a service's and its image's.
func mergedTest(own *container.HealthConfig, img localImage) *healthTest {
	merged := container.HealthConfig{}
	if img.health != nil {
		merged = *img.health
	}
	if own != nil {
		if len(own.Test) > 0 {
			merged.Test = own.Test
		}
		merged.Timeout = cmp.Or(own.Timeout, merged.Timeout)
	}
	return healthTestOf(&merged, img.shell)
}

func exposedPorts(s types.ServiceConfig) (network.PortSet, error) {
	exposed := network.PortSet{}
	for _, p := range s.Ports {
		port, err := network.ParsePort(fmt.Sprintf("%d/%s", p.Target, p.Protocol))
		if err != nil {
			return nil, err
		}
		exposed[port] = struct{}{}
	}
	for _, e := range s.Expose {
		ports, err := network.ParsePortRange(e)
		if err != nil {
			return nil, err
		}
		for p := range ports.All() {
			exposed[p] = struct{}{}
		}
	}
	return exposed, nil
}

func portBindings(s types.ServiceConfig) (network.PortMap, error) {
	bindings := network.PortMap{}
	for _, p := range s.Ports {
		port, err := network.ParsePort(fmt.Sprintf("%d/%s", p.Target, p.Protocol))
		if err != nil {
			return nil, err
		}
		b := network.PortBinding{HostPort: p.Published}
		if p.HostIP != "" {
			if b.HostIP, err = netip.ParseAddr(p.HostIP); err != nil {
				return nil, err
			}
		}
		bindings[port] = append(bindings[port], b)
	}
	return bindings, nil
}

// hostOf is the part of a container that belongs to this machine.
func (r *Runtime) hostOf(s types.ServiceConfig, inherited []inheritedVolume, links []string) (*container.HostConfig, error) {
	binds, mounts, err := r.mountsOf(s, inherited)
	if err != nil {
		return nil, err
	}
	bindings, err := portBindings(s)
	if err != nil {
		return nil, err
	}
	security, unconfined, err := securityOf(r.project().Dir, s.SecurityOpt)
	if err != nil {
		return nil, err
	}
	h := &container.HostConfig{
		Annotations: s.Annotations,
		Binds:       binds, Mounts: mounts,
		CapAdd: s.CapAdd, CapDrop: s.CapDrop,
		Init: s.Init, IpcMode: container.IpcMode(s.Ipc), CgroupnsMode: container.CgroupnsMode(s.Cgroup),
		ReadonlyRootfs: s.ReadOnly, RestartPolicy: restartPolicy(s), ShmSize: int64(s.ShmSize), Sysctls: s.Sysctls,
		PortBindings: bindings, Resources: resourcesOf(s), VolumeDriver: s.VolumeDriver, VolumesFrom: s.VolumesFrom,
		DNSSearch: s.DNSSearch, DNSOptions: s.DNSOpts, ExtraHosts: s.ExtraHosts.AsList(":"),
		SecurityOpt: security, StorageOpt: s.StorageOpt,
		UsernsMode: container.UsernsMode(s.UserNSMode), UTSMode: container.UTSMode(s.Uts), PidMode: container.PidMode(s.Pid),
		Privileged: s.Privileged, Tmpfs: map[string]string{},
		Isolation: container.Isolation(s.Isolation), Runtime: s.Runtime, GroupAdd: s.GroupAdd,
		Links: links, OomScoreAdj: int(s.OomScoreAdj),
	}
	slices.Sort(h.ExtraHosts)
	for _, t := range s.Tmpfs {
		path, options, _ := strings.Cut(t, ":")
		h.Tmpfs[path] = options
	}
	for _, d := range s.DNS {
		ip, err := netip.ParseAddr(d)
		if err != nil {
			return nil, fmt.Errorf("dns: %w", err)
		}
		h.DNS = append(h.DNS, ip)
	}
	if s.Logging != nil {
		h.LogConfig = container.LogConfig{Type: s.Logging.Driver, Config: s.Logging.Options}
	}
	if unconfined {
		h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{}
	}
	return h, nil
}

// securityOf reads the security options; a seccomp profile is sent as its content. unconfined asks for nothing of /proc
// and /sys to be masked.
func securityOf(dir string, opts []string) (parsed []string, unconfined bool, err error) {
	for _, opt := range opts {
		key, value, ok := strings.Cut(opt, "=")
		if !ok && opt != "no-new-privileges" {
			if key, value, ok = strings.Cut(opt, ":"); !ok {
				return nil, false, fmt.Errorf("security_opt %q is not of the form key=value", opt)
			}
		}
		switch {
		case opt == "systempaths=unconfined":
			unconfined = true
			continue
		case key == "seccomp" && value != "unconfined" && value != "builtin":
			if !filepath.IsAbs(value) {
				value = filepath.Join(dir, value)
			}
			profile, err := os.ReadFile(value)
			if err != nil {
				return nil, false, fmt.Errorf("the seccomp profile cannot be read: %w", err)
			}
			var b bytes.Buffer
			if err := json.Compact(&b, profile); err != nil {
				return nil, false, fmt.Errorf("the seccomp profile %s is no JSON: %w", value, err)
			}
			opt = "seccomp=" + b.String()
		}
		parsed = append(parsed, opt)
	}
	return parsed, unconfined, nil
}

func restartPolicy(s types.ServiceConfig) container.RestartPolicy {
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		p := container.RestartPolicy{Name: restartMode(s.Deploy.RestartPolicy.Condition)}
		if n := s.Deploy.RestartPolicy.MaxAttempts; n != nil {
			p.MaximumRetryCount = int(*n)
		}
		return p
	}
	if s.Restart == "" {
		return container.RestartPolicy{}
	}
	name, most, _ := strings.Cut(s.Restart, ":")
	p := container.RestartPolicy{Name: restartMode(name)}
	p.MaximumRetryCount, _ = strconv.Atoi(most)
	return p
}

// restartMode takes the words of `restart:` and of `deploy.restart_policy` alike.
func restartMode(word string) container.RestartPolicyMode {
	switch word {
	case "none", "no":
		return container.RestartPolicyDisabled
	case "any", "always":
		return container.RestartPolicyAlways
	default:
		return container.RestartPolicyMode(word)
	}
}
