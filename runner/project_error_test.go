package runner

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write lays files into a fresh folder; names may have folders.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoadErrors(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		opts  LoadOptions
		msg   string
		hint  string
	}{
		{name: "no file", msg: "no compose file in DIR or any folder above it", hint: "msdev -f FILE"},
		{name: "named file missing", opts: LoadOptions{Files: []string{"x.yaml"}}, msg: `the compose file "x.yaml" does not exist`, hint: "DIR/x.yaml"},
		{name: "file is a folder", opts: LoadOptions{Files: []string{"."}}, msg: `the compose file "." is a folder`, hint: "--project-directory"},
		{name: "standard input", opts: LoadOptions{Files: []string{"-"}}, msg: "standard input", hint: "-f"},
		{name: "COMPOSE_FILE missing", opts: LoadOptions{Environ: []string{"COMPOSE_FILE=a.yaml"}}, msg: `the compose file "a.yaml" does not exist`, hint: "COMPOSE_FILE"},
		{name: "env file missing", opts: LoadOptions{EnvFiles: []string{"prod.env"}}, msg: `the env file "prod.env" does not exist`, hint: "DIR/prod.env"},
		{name: "bad env file", files: map[string]string{".env": "A=1\nB!=2\n", "compose.yaml": "services: {a: {image: i}}"}, msg: `.env:2: unexpected`, hint: "NAME=value"},
		{name: "empty", files: map[string]string{"compose.yaml": ""}, msg: "compose.yaml: empty compose file"},
		{name: "tab", files: map[string]string{"compose.yaml": "services:\n  a:\n\timage: i\n"}, msg: "compose.yaml:3: this is not valid YAML", hint: "indentation"},
		{name: "colon", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    command: b: c\n"}, msg: "compose.yaml:4: this is not valid YAML", hint: "Look"},
		{name: "duplicate key", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    image: j\n"}, msg: "compose.yaml:4: this is not valid YAML", hint: "only once"},
		{name: "unknown key", files: map[string]string{"compose.yaml": "services:\n  api:\n    imagee: i\n"}, msg: `compose.yaml:3: services.api: unknown key "imagee"`, hint: `Did you mean "image"?`},
		{name: "unknown key deeper", files: map[string]string{"compose.yaml": "services:\n  my.api:\n    image: i\n    healthcheck:\n      intervall: 1s\n"}, msg: `compose.yaml:5: services.my.api.healthcheck: unknown key "intervall"`, hint: `"interval"`},
		{name: "unknown key at the top", files: map[string]string{"compose.yaml": "servces:\n  api: {image: i}\n"}, msg: `compose.yaml:1: unknown key "servces"`, hint: `"services"`},
		{name: "unknown key in an included file", files: map[string]string{"compose.yaml": "include: [sub/db.yaml]\nservices: {a: {image: i}}\n", "sub/db.yaml": "services:\n  db:\n    imge: i\n"}, msg: `sub/db.yaml:3: services.db: unknown key "imge"`, hint: `"image"`},
		{name: "wrong type", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    ports: {a: b}\n"}, msg: "compose.yaml:4: services.a.ports must be a list"},
		{name: "scalar service", files: map[string]string{"compose.yaml": "services:\n  a: hello\n"}, msg: "compose.yaml:2: services.a must be a mapping"},
		{name: "services is a list", files: map[string]string{"compose.yaml": "services:\n  - a\n"}, msg: "compose.yaml:1: services must be a mapping"},
		{name: "unknown dependency", files: map[string]string{"compose.yaml": "services:\n  database: {image: i}\n  api:\n    image: i\n    depends_on:\n      databse: {condition: service_healthy}\n"}, msg: `compose.yaml:6: service "api" depends on "databse", which does not exist`, hint: `Did you mean "database"?`},
		{name: "unknown dependency in a list", files: map[string]string{"compose.yaml": "services:\n  api:\n    image: i\n    depends_on: [\n      zulu]\n"}, msg: `compose.yaml:5: service "api" depends on "zulu", which does not exist`, hint: ""},
		{name: "cycle", files: map[string]string{"compose.yaml": "services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i, depends_on: [c]}\n  c: {image: i, depends_on: [a]}\n"}, msg: `compose.yaml:2: services depend on each other in a circle: a → b → c → a`, hint: "away"},
		{name: "undefined network", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    networks:\n      - back\nnetworks: {backend: {}}\n"}, msg: `compose.yaml:5: service "a" joins the network "back", which does not exist`, hint: `"backend"`},
		{name: "undefined volume", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    volumes:\n      - dta:/x\nvolumes: {data: {}}\n"}, msg: `compose.yaml:5: service "a" mounts the volume "dta", which does not exist`, hint: `"data"`},
		{name: "undefined secret", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    secrets:\n      - key\n"}, msg: `compose.yaml:5: service "a" uses the secret "key", which does not exist`, hint: "secrets: {key"},
		{name: "undefined config", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    configs: [{source: c}]\n"}, msg: `compose.yaml:4: service "a" uses the config "c", which does not exist`, hint: "configs:"},
		{name: "only a process, in a container", files: map[string]string{"compose.yaml": "services:\n  a:\n    x-msdev:\n      run: ./a\n      runtime: docker\n"}, msg: `compose.yaml:5: services.a.x-msdev.runtime: service "a" has neither an image nor a build, so no container can run it`, hint: "it runs as a process"},
		{name: "only a process, and another mistake", files: map[string]string{"compose.yaml": "services:\n  a:\n    x-msdev: {run: ./a}\n    depends_on: [b]\n"}, msg: `compose.yaml:4: service "a" depends on "b", which does not exist`},
		{name: "no image", files: map[string]string{"compose.yaml": "services:\n  a:\n    command: x\n"}, msg: `compose.yaml:2: service "a" has neither an image nor a build`, hint: "image: NAME"},
		{name: "two network ways", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    network_mode: host\n    networks: [default]\n"}, msg: `compose.yaml:4: service "a" has both network_mode and networks`, hint: "away"},
		{name: "unknown network partner", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    network_mode: service:b\n"}, msg: `compose.yaml:4: service "a" shares the network of "b", which does not exist`},
		{name: "missing env_file", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    env_file: [a.env]\n"}, msg: "compose.yaml:4: the env file a.env does not exist", hint: "required: false"},
		{name: "required variable", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i:${TAG:?say which}\n"}, msg: "compose.yaml:3: the required variable TAG is not set: say which", hint: "TAG=…"},
		{name: "required variable in a list", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    command:\n      - x\n      - ${ARG?}\n"}, msg: "compose.yaml:6: the required variable ARG is not set", hint: "ARG=…"},
		{name: "bad variable", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i:${}\n"}, msg: "compose.yaml:3: services.a.image: ", hint: "${NAME}"},
		{name: "bad port", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    ports:\n      - 80:80\n      - 99999:80\n"}, msg: `compose.yaml:6: service "a": "99999:80" has a port that is none`, hint: `"8080:80"`},
		{name: "port that is a word", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    ports: [http]\n"}, msg: `compose.yaml:4: service "a": "http"`, hint: `"8080:80"`},
		{name: "missing include", files: map[string]string{"compose.yaml": "include:\n  - other.yaml\nservices: {a: {image: i}}\n"}, msg: `compose.yaml:2: the file "other.yaml" does not exist`},
		{name: "unknown extends", files: map[string]string{"compose.yaml": "services:\n  base: {image: i}\n  a:\n    extends: bse\n"}, msg: `compose.yaml:4: service "a" extends "bse", which does not exist`, hint: `"base"`},
		{name: "circular extends", files: map[string]string{"compose.yaml": "services:\n  a:\n    extends: b\n  b:\n    extends: a\n"}, msg: `compose.yaml:3: services extend each other in a circle: a → b → a`, hint: "away"},
		{name: "bad name", files: map[string]string{"compose.yaml": "services: {a: {image: i}}"}, opts: LoadOptions{Name: "My Shop"}, msg: `"My Shop", from -p, cannot be a project name`, hint: `Did you mean "myshop"?`},
		{name: "disabled dependency", files: map[string]string{"compose.yaml": "services:\n  db: {image: i, profiles: [data]}\n  api:\n    image: i\n    depends_on: [db]\n"}, msg: `compose.yaml:5: service "api" depends on "db", which is disabled: it belongs to profile "data"`, hint: "--profile data"},
		{name: "bad duration", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    stop_grace_period: soon\n"}, msg: "compose.yaml:4: services.a.stop_grace_period"},
		{name: "bad health test", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    healthcheck: {test: [curl, x]}\n"}, msg: `compose.yaml:4: the health test of service "a" begins with "curl"`, hint: "CMD-SHELL"},
		{name: "settings: unknown key", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    x-msdev:\n      relod: swap\n"}, msg: `compose.yaml:5: services.a.x-msdev: unknown key "relod"`, hint: `Did you mean "reload"?`},
		{name: "settings: unknown word", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    x-msdev:\n      reload: fast\n"}, msg: `compose.yaml:5: services.a.x-msdev.reload: "fast" is not a value of it`, hint: "restart, swap, manual, off"},
		{name: "settings: two ways to be ready", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    x-msdev:\n      ready: {tcp: 1, grpc: 2}\n"}, msg: `a service is ready by one test, and here are grpc and tcp`, hint: "Keep one"},
		{name: "settings: not a port", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\n    x-msdev:\n      ready: {tcp: x}\n"}, msg: `compose.yaml:5: services.a.x-msdev.ready.tcp: x is no port`, hint: "65535"},
		{name: "settings of the project", files: map[string]string{"compose.yaml": "x-msdev: {runtime: podman}\nservices: {a: {image: i}}\n"}, msg: `compose.yaml:1: x-msdev.runtime: "podman" is not a value of it`, hint: "auto, docker, process"},
		{name: "null list", files: map[string]string{"compose.yaml": "services:\n  a:\n    image: i\nconfigs: {c: }\n"}, msg: "compose.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.files)
			opts := tt.opts
			opts.WorkDir = dir
			if opts.Environ == nil {
				opts.Environ = []string{}
			}
			for range 3 { // the same file gives the same error each time
				_, err := Load(t.Context(), opts)
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("got %v, want an *Error", err)
				}
				t.Log(e)
				if e.Kind != ErrUsage {
					t.Errorf("kind is %q", e.Kind)
				}
				if want := strings.ReplaceAll(tt.msg, "DIR", dir); !strings.Contains(e.Msg, want) {
					t.Errorf("message\n  %s\nlacks\n  %s", e.Msg, want)
				}
				if want := strings.ReplaceAll(tt.hint, "DIR", dir); !strings.Contains(e.Hint, want) {
					t.Errorf("hint\n  %s\nlacks\n  %s", e.Hint, want)
				}
				if strings.Contains(e.Msg, "\n") || strings.Contains(e.Hint, "\n") {
					t.Error("message and hint are one line each")
				}
			}
		})
	}
}
