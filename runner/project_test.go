package runner

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"msdev/testenv"
)

func load(t *testing.T, files map[string]string, change ...func(*LoadOptions)) *Project {
	t.Helper()
	o := LoadOptions{WorkDir: write(t, files), Environ: []string{}}
	for _, c := range change {
		c(&o)
	}
	p, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDiscovery(t *testing.T) {
	const one = "services: {a: {image: one}}\n"
	const two = "services: {a: {image: two}}\n"
	tests := []struct {
		name    string
		files   map[string]string
		opts    LoadOptions // WorkDir is relative to the folder
		project string
		used    []string
		image   string
		warns   string
	}{
		{name: "by itself", files: map[string]string{"compose.yaml": one}, project: "shop", used: []string{"compose.yaml"}, image: "one"},
		{name: "from a subfolder", files: map[string]string{"compose.yaml": one, "sub/deeper/x": ""}, opts: LoadOptions{WorkDir: "sub/deeper"}, project: "shop", used: []string{"compose.yaml"}, image: "one"},
		{name: "override", files: map[string]string{"compose.yaml": one, "compose.override.yaml": two}, project: "shop", used: []string{"compose.yaml", "compose.override.yaml"}, image: "two"},
		{name: "old name", files: map[string]string{"docker-compose.yml": one, "docker-compose.override.yml": two}, project: "shop", used: []string{"docker-compose.yml", "docker-compose.override.yml"}, image: "two"},
		{name: "two names", files: map[string]string{"compose.yaml": one, "docker-compose.yml": two}, project: "shop", used: []string{"compose.yaml"}, image: "one", warns: "using compose.yaml"},
		{name: "-f leaves the override out", files: map[string]string{"compose.yaml": one, "compose.override.yaml": two}, opts: LoadOptions{Files: []string{"compose.yaml"}}, project: "shop", used: []string{"compose.yaml"}, image: "one"},
		{name: "-f twice", files: map[string]string{"a.yaml": one, "x/b.yaml": two}, opts: LoadOptions{Files: []string{"a.yaml", "x/b.yaml"}}, project: "shop", used: []string{"a.yaml", "x/b.yaml"}, image: "two"},
		{name: "-f elsewhere names the project", files: map[string]string{"x/b.yaml": two}, opts: LoadOptions{Files: []string{"x/b.yaml"}}, project: "x", used: []string{"x/b.yaml"}, image: "two"},
		{name: "COMPOSE_FILE", files: map[string]string{"a.yaml": one, "b.yaml": two}, opts: LoadOptions{Environ: []string{"COMPOSE_FILE=a.yaml:b.yaml"}}, project: "shop", used: []string{"a.yaml", "b.yaml"}, image: "two"},
		{name: "COMPOSE_PATH_SEPARATOR", files: map[string]string{"a.yaml": one, "b.yaml": two}, opts: LoadOptions{Environ: []string{"COMPOSE_FILE=a.yaml;b.yaml", "COMPOSE_PATH_SEPARATOR=;"}}, project: "shop", used: []string{"a.yaml", "b.yaml"}, image: "two"},
		{name: "COMPOSE_FILE in .env", files: map[string]string{".env": "COMPOSE_FILE=b.yaml\nCOMPOSE_PROJECT_NAME=fromenv\n", "a.yaml": one, "b.yaml": two}, project: "fromenv", used: []string{"b.yaml"}, image: "two"},
		{name: "project directory", files: map[string]string{"x/compose.yaml": one}, opts: LoadOptions{Dir: "x"}, project: "x", used: []string{"x/compose.yaml"}, image: "one"},
		{name: "name in the file", files: map[string]string{"compose.yaml": "name: ${N:-given}\n" + one}, project: "given", used: []string{"compose.yaml"}, image: "one"},
		{name: "variable beats the name in the file", files: map[string]string{"compose.yaml": "name: given\n" + one}, opts: LoadOptions{Environ: []string{"COMPOSE_PROJECT_NAME=env"}}, project: "env", used: []string{"compose.yaml"}, image: "one"},
		{name: "-p beats all", files: map[string]string{"compose.yaml": "name: given\n" + one}, opts: LoadOptions{Name: "flag", Environ: []string{"COMPOSE_PROJECT_NAME=env"}}, project: "flag", used: []string{"compose.yaml"}, image: "one"},
		{name: ".env beside the found file", files: map[string]string{"compose.yaml": "services: {a: {image: $I}}", ".env": "I=dot", "sub/x": ""}, opts: LoadOptions{WorkDir: "sub"}, project: "shop", used: []string{"compose.yaml"}, image: "dot"},
		{name: "environment beats .env", files: map[string]string{"compose.yaml": "services: {a: {image: $I}}", ".env": "I=dot"}, opts: LoadOptions{Environ: []string{"I=env"}}, project: "shop", used: []string{"compose.yaml"}, image: "env"},
		{name: "--env-file instead of .env", files: map[string]string{"compose.yaml": "services: {a: {image: $I}}", ".env": "I=dot", "p.env": "I=prod"}, opts: LoadOptions{EnvFiles: []string{"p.env"}}, project: "shop", used: []string{"compose.yaml"}, image: "prod"},
		{name: "COMPOSE_ENV_FILES", files: map[string]string{"compose.yaml": "services: {a: {image: $I}}", "p.env": "I=prod", "q.env": "I=last"}, opts: LoadOptions{Environ: []string{"COMPOSE_ENV_FILES=p.env,q.env"}}, project: "shop", used: []string{"compose.yaml"}, image: "last"},
		{name: "COMPOSE_DISABLE_ENV_FILE", files: map[string]string{"compose.yaml": "services: {a: {image: '${I:-none}'}}", ".env": "I=dot"}, opts: LoadOptions{Environ: []string{"COMPOSE_DISABLE_ENV_FILE=1"}}, project: "shop", used: []string{"compose.yaml"}, image: "none"},
		{name: "unset variable", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i$TAG\n"}, project: "shop", used: []string{"compose.yaml"}, image: "i", warns: `compose.yaml:3: The "TAG" variable is not set. Defaulting to a blank string.`},
		{name: "nested unset variable", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i${TAG:-${OTHER}}\n"}, project: "shop", used: []string{"compose.yaml"}, image: "i", warns: `compose.yaml:3: The "OTHER" variable`},
		{name: "obsolete version", files: map[string]string{"compose.yaml": "version: '3'\n" + one}, project: "shop", used: []string{"compose.yaml"}, image: "one", warns: "compose.yaml: the attribute `version` is obsolete"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.files)
			opts := tt.opts
			opts.WorkDir = filepath.Join(dir, opts.WorkDir)
			if opts.Environ == nil {
				opts.Environ = []string{}
			}
			p, err := Load(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			var used []string
			for _, f := range p.Files {
				rel, err := filepath.Rel(dir, f)
				if err != nil {
					t.Fatal(err)
				}
				used = append(used, rel)
			}
			if p.Name != tt.project || !slices.Equal(used, tt.used) || p.Compose.Services["a"].Image != tt.image {
				t.Errorf("got %s %q %s, want %s %q %s", p.Name, used, p.Compose.Services["a"].Image, tt.project, tt.used, tt.image)
			}
			if got := strings.Join(p.Warnings, "\n"); (tt.warns == "") != (got == "") || !strings.Contains(got, tt.warns) {
				t.Errorf("warnings are %q, want %q", got, tt.warns)
			}
		})
	}
}

const graph = `
services:
  traffic: {image: i, depends_on: {gateway: {condition: service_healthy, restart: true}}}
  gateway: {image: i, depends_on: [orders, tracing]}
  cache: {image: i}
  orders:
    image: i
    depends_on:
      db: {condition: service_healthy}
      tools: {condition: service_started, required: false}
  db: {image: i, networks: [back]}
  tracing: {image: i, depends_on: [db]}
  tools: {image: i, profiles: [debug], depends_on: [probe], env_file: missing.env}
  probe: {image: i, profiles: [debug, probes]}
  lonely: {image: i, profiles: [alone], depends_on: [probe]}
networks: {back: {}, unused: {}}
`

func TestOrder(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": graph})
	if want := []string{"cache", "db", "orders", "tracing", "gateway", "traffic"}; !slices.Equal(p.Order, want) {
		t.Errorf("order is %q, want %q", p.Order, want)
	}
	if got := p.Dependencies("orders"); !reflect.DeepEqual(got, []Dependency{{Service: "db", Condition: ConditionHealthy, Required: true}}) {
		t.Errorf("orders depends on %+v", got)
	}
	if got := p.Dependencies("traffic"); !reflect.DeepEqual(got, []Dependency{{Service: "gateway", Condition: ConditionHealthy, Required: true, Restart: true}}) {
		t.Errorf("traffic depends on %+v", got)
	}
	if _, ok := p.Compose.Networks["unused"]; ok {
		t.Error("a network that nobody joins is kept")
	}
	if got := p.Place("services", "orders", "depends_on", "db"); got != "compose.yaml:9" {
		t.Errorf("db stands at %s", got)
	}
	if _, err := p.Service("tools"); err == nil || !strings.Contains(err.Error(), `service "tools" is disabled: it belongs to profile "debug"`) {
		t.Errorf("a disabled service gives %v", err)
	}
	if _, err := p.Service("gatway"); err == nil || err.Error() != "no such service: \"gatway\"\nDid you mean \"gateway\"?" {
		t.Errorf("a mistyped service gives %v", err)
	}
}

func TestProfiles(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": graph, "missing.env": "A=b\n"}, func(o *LoadOptions) { o.Environ = []string{"COMPOSE_PROFILES=debug"} })
	if want := []string{"cache", "db", "tracing", "probe", "tools", "orders", "gateway", "traffic"}; !slices.Equal(p.Order, want) {
		t.Errorf("order is %q, want %q", p.Order, want)
	}
	if got := p.Compose.Services["tools"].Environment["A"]; got == nil || *got != "b" {
		t.Errorf("the env file is not read: %v", got)
	}
	if len(p.Dependencies("orders")) != 2 {
		t.Errorf("an optional dependency that is enabled is left out: %v", p.Dependencies("orders"))
	}
}

func TestSelect(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": graph})
	tests := []struct {
		services []string
		noDeps   bool
		order    []string
		err      string
	}{
		{services: nil, order: p.Order},
		{services: []string{"orders"}, order: []string{"db", "orders"}},
		{services: []string{"gateway", "cache"}, order: []string{"cache", "db", "orders", "tracing", "gateway"}},
		{services: []string{"gateway"}, noDeps: true, order: []string{"gateway"}},
		{services: []string{"probe"}, order: []string{"probe"}},
		{services: []string{"lonely"}, err: `service "lonely" depends on "probe", which is disabled: it belongs to profiles ["debug" "probes"]`},
		{services: []string{"lonely"}, noDeps: true, order: []string{"lonely"}},
		{services: []string{"nobody"}, err: `no such service: "nobody"`},
		{services: []string{"tools"}, err: "the env file missing.env does not exist"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.services, "+"), func(t *testing.T) {
			q, err := p.Select(tt.services, tt.noDeps)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(q.Order, tt.order) || len(q.Hashes) != len(tt.order) {
				t.Errorf("order is %q with %d hashes, want %q", q.Order, len(q.Hashes), tt.order)
			}
		})
	}
	if len(p.Order) != 6 {
		t.Errorf("Select changed the project: %q", p.Order)
	}
}

func TestSettings(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": `
x-msdev: {runtime: auto, brokers: [{name: staging, url: "amqps://host", allow: read}], record: off}
services:
  orders:
    build: ./orders
    x-msdev:
      runtime: process
      build: go build -o bin/orders .
      run: [./bin/orders, "-v"]
      dir: ./orders
      env: {PORT: "{{.Port 50051}}", N: 3}
      ready: {grpc: 50051}
      watch: {paths: [./orders], ignore: [tmp]}
      reload: off
      calls: tee
      protos: ./proto
      broker: none
  plain: {image: i, x-msdev: {watch: [./a, ./b]}}
`})
	want := Settings{Runtime: "auto", Brokers: []BrokerSettings{{Name: "staging", URL: "amqps://host", Allow: "read"}}, Record: "off"}
	if !reflect.DeepEqual(p.Settings, want) {
		t.Errorf("settings are %+v", p.Settings)
	}
	service := ServiceSettings{
		Runtime: "process", Build: Command{Line: "go build -o bin/orders ."}, Run: Command{Args: []string{"./bin/orders", "-v"}},
		Dir: "./orders", Env: map[string]string{"PORT": "{{.Port 50051}}", "N": "3"}, Ready: Ready{GRPC: 50051},
		Watch: Watch{Paths: []string{"./orders"}, Ignore: []string{"tmp"}}, Reload: "off", Calls: "tee", Protos: []string{"./proto"}, Broker: "none",
	}
	if !reflect.DeepEqual(p.Services["orders"], service) {
		t.Errorf("orders has %+v", p.Services["orders"])
	}
	if got := p.Services["plain"].Watch.Paths; !slices.Equal(got, []string{"./a", "./b"}) {
		t.Errorf("plain watches %q", got)
	}
}

// full uses as many attributes as there are kinds of them, so that the hash sees each.
const full = `
services:
  web:
    build: {context: ., args: {A: b}}
    image: web:${TAG:-1}
    command: ["serve", "--port", "80"]
    entrypoint: /bin/sh -c
    environment: {A: "1", B: , C: "x y"}
    env_file: [web.env, {path: none.env, required: false}]
    ports: ["8080:80", "127.0.0.1:9000-9001:9000-9001/udp", {target: 443, published: "8443", mode: host}]
    expose: ["3000"]
    volumes: [".:/src:ro", "data:/data", {type: tmpfs, target: /tmp, tmpfs: {size: 1m}}, /anon]
    networks: {back: {aliases: [w], ipv4_address: 172.30.0.9}, default: }
    depends_on: {db: {condition: service_healthy, restart: true}}
    healthcheck: {test: curl -f x, interval: 1m30s, retries: 3, start_period: 5s}
    restart: unless-stopped
    labels: {a: b}
    label_file: [web.labels]
    extra_hosts: ["h:1.2.3.4"]
    ulimits: {nofile: {soft: 10, hard: 20}, nproc: 5}
    deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 64m}}}
    secrets: [s]
    configs: [{source: c, target: /c, mode: 0440}]
    stop_grace_period: 3s
    init: true
    logging: {driver: json-file, options: {max-size: 1m}}
    sysctls: [net.core.somaxconn=1]
    dns: 1.1.1.1
    cap_add: [NET_ADMIN]
    x-msdev: {reload: off}
    x-other: 1
    annotations: {n: m}
    blkio_config: {weight: 300}
    gpus: all
    develop: {watch: [{path: ., action: rebuild}]}
    post_start: [{command: ./x}]
    scale: 2
    profiles: []
    shm_size: 64m
    user: "1000"
    working_dir: /w
    tty: true
    stdin_open: true
  db: {image: "db:1", mem_limit: 100m, cpus: 1.5, security_opt: [a], tmpfs: /run}
  side: {image: x, network_mode: "service:db", ipc: "service:db", pid: host, volumes_from: [db:ro]}
  base: {image: y, x-msdev: {reload: off}}
  child: {extends: base, platform: linux/amd64, pull_policy: always}
networks: {back: {ipam: {config: [{subnet: 172.30.0.0/24}]}}}
volumes: {data: {labels: {k: v}}}
secrets: {s: {environment: S}}
configs: {c: {content: "hello ${TAG:-1}"}}
`

// TestHashesLikeCompose asks the real Compose for its hashes.
func TestHashesLikeCompose(t *testing.T) {
	binary := testenv.Compose(t)
	dir := write(t, map[string]string{"compose.yaml": full, "web.env": "C=1\nD=${TAG:-2}\nE='q'\n", "web.labels": "l=1\n"})
	for _, platform := range []string{"", "linux/arm64"} {
		environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "S=secret", "B=from-outside", "DOCKER_DEFAULT_PLATFORM=" + platform}
		p, err := Load(t.Context(), LoadOptions{WorkDir: dir, Environ: environ})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), binary, "config", "--hash", "*")
		cmd.Dir, cmd.Env = dir, environ
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		theirs := map[string]string{}
		for line := range strings.Lines(string(out)) {
			name, hash, _ := strings.Cut(strings.TrimSpace(line), " ")
			theirs[name] = hash
		}
		if !reflect.DeepEqual(p.Hashes, theirs) {
			raw, _ := json.Marshal(p.Compose.Services)
			t.Errorf("hashes are\n%v\nCompose has\n%v\nof\n%s", p.Hashes, theirs, raw)
		}
	}
}

func TestOnlyAProcess(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": `name: shop
include: [more.yaml]
services:
  api: {x-msdev: {run: ./api}}
  late: {profiles: [late], x-msdev: {run: ./late, runtime: auto}}
  db: {image: postgres, depends_on: [api]}
`, "more.yaml": "services: {included: {x-msdev: {run: [./included]}}}"})
	if got := p.Services["api"].Runtime + " " + p.Services["included"].Runtime + " " + p.Services["db"].Runtime; got != "process process " {
		t.Errorf("runtimes: %s", got)
	}
	if s, err := p.Service("api"); err != nil || s.Provider != nil || s.Image != "" || p.Name != "shop" || p.Hashes["api"] == "" {
		t.Errorf("%+v, %v in %s", s, err, p.Name)
	}
	if p, err := p.Enable([]string{"late"}); err != nil || p.Services["late"].Runtime != "process" || p.Compose.Services["late"].Provider != nil {
		t.Errorf("late: %v", err)
	}
	text, err := p.Render("yaml")
	if err != nil || strings.Contains(string(text), "provider") || !strings.Contains(string(text), "run: ./api") {
		t.Errorf("%v\n%s", err, text)
	}
	before := p.Hashes["db"]
	if other := load(t, map[string]string{"compose.yaml": "name: shop\nservices: {api: {image: x}, db: {image: postgres, depends_on: [api]}}"}); other.Hashes["db"] != before {
		t.Error("the hash of a service depends on what another one is")
	}
}

func TestResolveReferences(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": `
services:
  db: {image: db}
  side: {image: x, network_mode: "service:db", ipc: "service:db", pid: host, volumes_from: ["db:ro", "container:old"]}
`})
	s := ResolveReferences(p.Compose.Services["side"], func(string) string { return "0123" })
	if s.NetworkMode != "container:0123" || s.Ipc != "container:0123" || s.Pid != "host" || !slices.Equal(s.VolumesFrom, []string{"0123", "old"}) {
		t.Errorf("got %s %s %s %q", s.NetworkMode, s.Ipc, s.Pid, s.VolumesFrom)
	}
	if got := p.Compose.Services["side"].VolumesFrom; got[0] != "db:ro" {
		t.Errorf("the project was changed: %q", got)
	}
	hash, err := ServiceHash(s)
	if err != nil || hash == p.Hashes["side"] {
		t.Errorf("the hash of the resolved service is %s, %v", hash, err)
	}
}

func TestLoadStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, LoadOptions{WorkDir: write(t, map[string]string{"compose.yaml": graph}), Environ: []string{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// FuzzLoad: whatever stands in a file, Load answers with a project or an *Error.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{graph, full, "services: [a]", "configs: {c: }", "services: {a: {build: [], ports: {}}}", "a: &a [*a]", "include: {}", "x-msdev: []", "<<: 3"} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(dir, "compose.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Load(t.Context(), LoadOptions{Files: []string{path}, WorkDir: dir, Environ: []string{}, Name: "fuzz"})
		if err == nil && len(p.Order) != len(p.Compose.Services) {
			t.Errorf("%d services in order, %d in the model", len(p.Order), len(p.Compose.Services))
		}
		if e, ok := err.(*Error); err != nil && (!ok || e.Msg == "") {
			t.Errorf("the error is %#v", err)
		}
	})
}
