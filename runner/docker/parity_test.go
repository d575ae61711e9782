package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"msdev/runner"
	"msdev/testenv"
)

// parityCompose uses the attributes of ordinary files, and most of the others.
const parityCompose = `
services:
  plain:
    image: msdev-test/app
    depends_on:
      full: {condition: service_started, restart: true}
  full:
    image: msdev-test/app
    command: ["sleep", "1h"]
    hostname: host
    domainname: example.org
    user: "1000:1000"
    working_dir: /tmp
    environment: {A: one, B: "", C: }
    labels: {own.label: value}
    expose: ["7000", "7001-7003/udp"]
    ports:
      - "127.0.0.1::80"
      - target: 81
        published: "28000-28900"
        protocol: udp
    healthcheck: {test: [CMD, /app, health], interval: 3s, timeout: 2s, retries: 4, start_period: 1s}
    restart: on-failure:3
    stop_signal: SIGINT
    stop_grace_period: 7s
    init: true
    read_only: true
    tty: true
    stdin_open: true
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    dns: [9.9.9.9]
    dns_search: [example.org]
    dns_opt: [ndots:1]
    extra_hosts: ["other:10.0.0.1", "second:10.0.0.2"]
    group_add: ["100"]
    shm_size: 32m
    sysctls: {net.core.somaxconn: "512"}
    security_opt: [no-new-privileges]
    tmpfs: ["/run:size=1m", /cache]
    ipc: shareable
    pids_limit: 50
    mem_limit: 64m
    mem_reservation: 32m
    cpus: 0.5
    cpu_shares: 512
    oom_score_adj: 10
    logging: {driver: json-file, options: {max-size: 1m}}
    networks:
      default:
      back: {aliases: [alias, other-alias], priority: 10}
    volumes:
      - data:/data
      - data:/again:ro
      - ./folder:/folder:ro
      - {type: bind, source: /etc, target: /strict, bind: {create_host_path: false}}
      - /anonymous
      - {type: tmpfs, target: /tmpfs, tmpfs: {size: 1048576}}
      - {type: volume, source: data, target: /nocopy, volume: {nocopy: true}}
    secrets:
      - secret
      - {source: secret, target: renamed}
    configs:
      - {source: config, target: /etc/config.txt}
  shared:
    image: msdev-test/app
    network_mode: "service:plain"
    ipc: "service:full"
    volumes_from: [plain]
  limited:
    image: msdev-test/app
    container_name: ${COMPOSE_PROJECT_NAME}-own-name
    entrypoint: ["/app", "sleep"]
    network_mode: none
    deploy:
      replicas: 1
      restart_policy: {condition: on-failure, max_attempts: 5}
      resources:
        limits: {cpus: "0.25", memory: 32M, pids: 20}
        reservations: {memory: 16M}
networks:
  back: {internal: true, labels: {net.label: value}, ipam: {config: [{subnet: 10.%d.%d.0/24}]}}
volumes:
  data: {labels: {vol.label: value}}
secrets:
  secret: {file: /etc/hostname}
configs:
  config: {file: /etc/hostname}
`

// TestParity makes a project by Docker Compose and then by msdev: what the engine says of both must be the same.
func TestParity(t *testing.T) {
	compose := testenv.Compose(t)
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		port := testenv.FreePort(t) // chance for an address that no other test has
		r := project(t, e, fmt.Sprintf(parityCompose, 64+port%64, port/64%256), map[string]string{"folder/file": "x"})
		if r.address != e.Host {
			t.Fatal(r.address)
		}
		run := func(args ...string) {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), compose, append([]string{"-p", r.project().Name}, args...)...)
			cmd.Dir = r.project().Dir
			cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host, "DOCKER_CONFIG="+testenv.DockerConfig(t))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("compose %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
		run("create")
		theirs := inspectAll(t, r)
		run("down", "-v")
		do(t, r, runner.Action{Op: runner.OpCreateNetwork, Key: "default"}, runner.Action{Op: runner.OpCreateNetwork, Key: "back"}, runner.Action{Op: runner.OpCreateVolume, Key: "data"})
		for _, service := range []string{"full", "plain", "shared", "limited"} {
			do(t, r, runner.Action{Op: runner.OpCreate, Service: service, Number: 1})
		}
		ours := inspectAll(t, r)
		for name, object := range theirs {
			compare(t, name, object, ours[name])
		}
		if len(ours) != len(theirs) {
			t.Errorf("msdev made %d objects, and Compose %d", len(ours), len(theirs))
		}
		run("ps", "-a")
		run("up", "--no-recreate", "--no-start") // it takes them for its own
		run("down", "-v")
		if left := inspectAll(t, r); len(left) > 0 {
			t.Errorf("`docker compose down` left %d objects of ours", len(left))
		}
	})
}

// inspectAll returns all that the engine says of a project's objects, by kind and name.
func inspectAll(t *testing.T, r *Runtime) map[string]any {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	label := make(client.Filters).Add("label", labelProject+"="+r.project().Name)
	all := map[string]any{}
	names := map[string]string{} // ids that differ between two makings, by what they mean
	add := func(kind, name string, object any) {
		raw, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		ids := slices.SortedFunc(maps.Keys(names), func(a, b string) int { return len(b) - len(a) })
		for _, id := range ids {
			means := names[id]
			raw = []byte(strings.ReplaceAll(string(raw), id, means))
		}
		var generic any
		if err := json.Unmarshal(raw, &generic); err != nil {
			t.Fatal(err)
		}
		all[kind+" "+name] = normal(generic, "")
	}
	containers, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: label})
	if err != nil {
		t.Fatal(err)
	}
	var inspected []client.ContainerInspectResult
	for _, c := range containers.Items {
		res, err := r.api.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Labels[labelService] == "shared" {
			delete(res.Container.Config.Labels, labelHash) // it is made of the ids of containers
		}
		names[c.ID] = "<id of " + res.Container.Name + ">"
		names[c.ID[:12]] = "<short id of " + res.Container.Name + ">"
		inspected = append(inspected, res)
	}
	networks, err := r.api.NetworkList(ctx, client.NetworkListOptions{Filters: label})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks.Items {
		names[n.ID] = "<id of " + n.Name + ">"
		if n.Labels[labelNetwork] == "default" {
			n.IPAM.Config = nil // the engine's choice
		}
		add("network", n.Name, n)
	}
	volumes, err := r.api.VolumeList(ctx, client.VolumeListOptions{Filters: label})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes.Items {
		add("volume", v.Name, v)
	}
	for _, res := range inspected {
		add("container", res.Container.Name, res.Container)
	}
	return all
}

// volatile are the values that two makings of one thing do not share.
var volatile = []string{
	"Id", "Created", "CreatedAt", "GraphDriver", "Storage", "LogPath", "ResolvConfPath", "HostnamePath", "HostsPath",
	"SandboxID", "SandboxKey", "EndpointID", "StartedAt", "FinishedAt",
}

// unordered are the lists of which the order means nothing.
var unordered = []string{"Binds", "Mounts", "ExtraHosts", "Env", "Aliases", "DNSNames"}

var anonymousName = regexp.MustCompile(`[0-9a-f]{64}`)

// normal is what an object says without what may differ.
func normal(v any, key string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, value := range v {
			if slices.Contains(volatile, k) {
				delete(v, k)
				continue
			}
			v[k] = normal(value, k)
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i], key)
		}
		if slices.Contains(unordered, key) {
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	case string:
		if key == labelDependsOn { // Compose's order is chance
			parts := strings.Split(v, ",")
			slices.Sort(parts)
			return strings.Join(parts, ",")
		}
		if key == "Name" || key == "Source" {
			return anonymousName.ReplaceAllString(v, "<anonymous>")
		}
	}
	return v
}

// compare tells every place where two objects differ.
func compare(t *testing.T, at string, theirs, ours any) {
	t.Helper()
	a, isMap := theirs.(map[string]any)
	b, both := ours.(map[string]any)
	if !isMap || !both {
		if !reflect.DeepEqual(theirs, ours) {
			t.Errorf("%s\n  Compose: %v\n  msdev:   %v", at, theirs, ours)
		}
		return
	}
	for k, value := range a {
		compare(t, at+"."+k, value, b[k])
	}
	for k, value := range b {
		if _, there := a[k]; !there {
			t.Errorf("%s.%s is only ours: %v", at, k, value)
		}
	}
}
