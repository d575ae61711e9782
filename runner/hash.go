package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// hashOrder is the order in which Docker Compose (v5.6, cmd `config --hash`) writes a service's attributes before it hashes
// them. It is part of what makes a hash, as containers that exist carry it in a label; attributes that are not listed follow, sorted.
const hashOrder = `profiles annotations attach build develop blkio_config cap_add cap_drop cgroup_parent cgroup cpu_count
cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpus cpuset cpu_shares command configs container_name
credential_spec depends_on deploy device_cgroup_rules devices dns dns_opt dns_search dockerfile domainname entrypoint provider
environment env_file expose extends external_links extra_hosts group_add gpus hostname healthcheck image init ipc isolation
labels label_file links logging log_driver log_opt mem_limit mem_reservation memswap_limit mem_swappiness mac_address models
net network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports privileged pull_policy read_only restart
runtime scale secrets security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits
use_api_socket user userns_mode uts volume_driver volumes volumes_from working_dir pre_start post_start pre_stop
pull_refresh_after`

// ServiceHash is Compose's config hash of a service: a container that carries another one is out of date. A service that
// shares the namespaces or volumes of another is hashed with that one's container in place: see ResolveReferences.
func ServiceHash(s types.ServiceConfig) (string, error) {
	s.Build, s.PullPolicy, s.Scale, s.DependsOn, s.Profiles = nil, "", nil, nil, nil
	if s.Deploy != nil {
		deploy := *s.Deploy
		deploy.Replicas = nil
		s.Deploy = &deploy
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	ordered, err := orderKeys(raw, strings.Fields(hashOrder))
	if err != nil {
		return "", err
	}
	return sum(ordered), nil
}

// NetworkHash is Compose's config hash of a network.
func NetworkHash(n types.NetworkConfig) (string, error) {
	raw, err := json.Marshal(n)
	return sum(raw), err
}

// VolumeHash is Compose's config hash of a volume.
func VolumeHash(v types.VolumeConfig) (string, error) {
	if v.Driver == "" {
		v.Driver = "local"
	}
	raw, err := json.Marshal(v)
	return sum(raw), err
}

// ResolveReferences returns the service with each reference to another service (network_mode, ipc and pid: `service:X`;
// volumes_from: `X`) replaced by the id of that one's first container, which container tells; "" leaves the reference as it is. A service is hashed and
// created in this form.
func ResolveReferences(s types.ServiceConfig, container func(service string) string) types.ServiceConfig {
	for _, mode := range []*string{&s.NetworkMode, &s.Ipc, &s.Pid} {
		if name, ok := strings.CutPrefix(*mode, types.ServicePrefix); ok {
			if id := container(name); id != "" {
				*mode = types.ContainerPrefix + id
			}
		}
	}
	s.VolumesFrom = slices.Clone(s.VolumesFrom)
	for i, from := range s.VolumesFrom {
		if id, ok := strings.CutPrefix(from, types.ContainerPrefix); ok {
			s.VolumesFrom[i], _, _ = strings.Cut(id, ":")
			continue
		}
		name, _, _ := strings.Cut(from, ":")
		if id := container(name); id != "" {
			s.VolumesFrom[i] = id
		}
	}
	return s
}

// orderKeys rewrites a JSON object with the given keys first, then the others sorted, values untouched.
func orderKeys(object []byte, first []string) ([]byte, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(object, &values); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	put := func(key string) {
		value, ok := values[key]
		if !ok {
			return
		}
		delete(values, key)
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(key)
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	for _, key := range first {
		put(key)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		put(key)
	}
	return append(append([]byte{'{'}, b.Bytes()...), '}'), nil
}

func sum(b []byte) string {
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}
