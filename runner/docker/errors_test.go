package docker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"msdev/runner"
	"msdev/testenv"
)

// failure is what an action must fail with.
func failure(t *testing.T, r *Runtime, kind runner.ErrorKind, a runner.Action, says ...string) {
	t.Helper()
	_, err := r.Do(t.Context(), a, nil)
	var e *runner.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: %v", a, err)
		return
	}
	if e.Kind != kind || e.Hint == "" || strings.Contains(e.Hint, "\n") {
		t.Errorf("%s: kind %q, hint %q", a, e.Kind, e.Hint)
	}
	for _, want := range says {
		if !strings.Contains(e.Msg+"\n"+e.Hint, want) {
			t.Errorf("%s does not say %q:\n%s\n(%v)", a, want, e, e.Err)
		}
	}
}

func TestErrors(t *testing.T) {
	eachEngine(t, func(t *testing.T, e testenv.Engine) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		mine := taken.Addr().(*net.TCPAddr).Port
		r := project(t, e, fmt.Sprintf(`
services:
  first: {image: msdev-test/app, ports: ["127.0.0.1:%[1]d:80"]}
  second: {image: msdev-test/app, ports: ["127.0.0.1:%[1]d:80"]}
  third: {image: msdev-test/app, ports: ["127.0.0.1:%[2]d:80"]}
  noimage: {image: "msdev-test/nothing:1", network_mode: none}
  nopull: {image: "127.0.0.1:1/nothing:1", network_mode: none}
  noprogram: {image: msdev-test/app, entrypoint: [/nowhere/prog], network_mode: none}
  named: {image: msdev-test/app, container_name: "${COMPOSE_PROJECT_NAME}-first-1", network_mode: none}
  external: {image: msdev-test/app, networks: [out]}
  sharing: {image: msdev-test/app, network_mode: "service:never"}
  never: {image: msdev-test/app, network_mode: none}
  nofolder: {image: msdev-test/app, network_mode: none, volumes: [{type: bind, source: /nowhere/at/all, target: /x, bind: {create_host_path: false}}]}
  nologs: {image: msdev-test/app, network_mode: none, logging: {driver: none}}
  health: {image: msdev-test/app, network_mode: none, healthcheck: {test: [CMD, /app, health], start_interval: 1s}}
networks:
  out: {external: true, name: msdev-never-made}
`, testenv.FreePort(t), mine), nil)
		first := do(t, r, runner.Action{Op: runner.OpCreateNetwork, Key: "default"},
			runner.Action{Op: runner.OpCreate, Service: "first", Number: 1}, runner.Action{Op: runner.OpStart, Service: "first"})

		second := do(t, r, runner.Action{Op: runner.OpCreate, Service: "second", Number: 1})
		port := r.project().Compose.Services["second"].Ports[0].Published
		failure(t, r, runner.ErrFailed, runner.Action{Op: runner.OpStart, Service: "second", Instance: second.ID}, `"second"`, port, `container "`+first.Name+`"`, "docker stop "+first.Name)
		if e.Name == "20.10" { // the other engine has a network of its own
			third := do(t, r, runner.Action{Op: runner.OpCreate, Service: "third", Number: 1})
			failure(t, r, runner.ErrFailed, runner.Action{Op: runner.OpStart, Service: "third", Instance: third.ID}, `"third"`, strconv.Itoa(mine), fmt.Sprintf("process %d (", os.Getpid()))
		}
		create := func(service string) runner.Action {
			return runner.Action{Op: runner.OpCreate, Service: service, Number: 1}
		}
		failure(t, r, runner.ErrFailed, create("noimage"), `"noimage"`, "msdev-test/nothing:1", "--pull")
		failure(t, r, runner.ErrFailed, runner.Action{Op: runner.OpPull, Service: "nopull"}, `"nopull"`, "127.0.0.1:1/nothing:1", "cannot be reached")
		failure(t, r, runner.ErrFailed, create("named"), `"named"`, first.Name, fmt.Sprintf("service %q of project %q", "first", r.project().Name), "docker rm -f")
		failure(t, r, runner.ErrFailed, create("sharing"), `"sharing"`, "network_mode", `"never"`)
		failure(t, r, runner.ErrFailed, create("nofolder"), `"nofolder"`, "/nowhere/at/all")
		failure(t, r, runner.ErrUsage, create("health"), `"health"`, "start_period")
		failure(t, r, runner.ErrFailed, runner.Action{Op: runner.OpCreateNetwork, Key: "out"}, "msdev-never-made", "docker network create")
		failure(t, r, runner.ErrFailed, runner.Action{Op: runner.OpRemoveNetwork, Key: "default"}, "still connected")

		prog := do(t, r, create("noprogram"))
		failure(t, r, runner.ErrFailed, runner.Action{Op: runner.OpStart, Service: "noprogram", Instance: prog.ID}, `"noprogram"`, "/nowhere/prog")
		failsAtEither(t, r, "external", "msdev-never-made")

		quiet := do(t, r, create("nologs"), runner.Action{Op: runner.OpStart, Service: "nologs"})
		err = r.Logs(t.Context(), quiet.ID, runner.LogOptions{Tail: -1}, func(runner.LogLine) {})
		var known *runner.Error
		if !errors.As(err, &known) || !strings.Contains(known.Msg, "log driver") || known.Hint == "" {
			t.Errorf("logs of a driver without any: %v", err)
		}
	})
}

// failsAtEither makes and starts what some engines refuse to make, and others only to start.
func failsAtEither(t *testing.T, r *Runtime, service, says string) {
	t.Helper()
	a := runner.Action{Op: runner.OpCreate, Service: service, Number: 1}
	seen, err := r.Do(t.Context(), a, nil)
	if err == nil {
		a = runner.Action{Op: runner.OpStart, Service: service, Instance: seen[0].Instance.ID}
	}
	failure(t, r, runner.ErrFailed, a, service, says)
}

func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "docker.sock")
	p := &runner.Project{Name: "x"}
	for name, env := range map[string][]string{
		"no socket":        {"DOCKER_HOST=unix://" + socket, "HOME=" + dir},
		"nothing listens":  {"DOCKER_HOST=tcp://127.0.0.1:1", "HOME=" + dir},
		"no such context":  {"DOCKER_CONTEXT=" + socket, "HOME=" + dir},
		"nonsense address": {"DOCKER_HOST=" + socket, "HOME=" + dir},
	} {
		_, err := New(t.Context(), p, Options{Environ: env})
		var e *runner.Error
		if !errors.As(err, &e) || e.Kind != runner.ErrEngine || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := strings.SplitN(env[0], "=", 2)[1]; !strings.Contains(e.Msg, want) {
			t.Errorf("%s: the error does not name %s: %s", name, want, e.Msg)
		}
	}
}

// TestEngineTexts reads sentences of engines that are not at hand here.
func TestEngineTexts(t *testing.T) {
	r := &Runtime{address: "unix:///x"}
	about := subject{service: "web", what: "container", name: "p-web-1"}
	for text, want := range map[string]string{
		"failed to create task: no space left on device":                                                                            "the disk of the Docker engine is full",
		`OCI runtime create failed: error mounting "/a/b" to rootfs at "/b": mount /a/b:/b: not a directory: unknown`:               "one is a file and the other a folder",
		"Mounts denied: \nThe path /Users/x is not shared from the host":                                                            "not shared with the engine's machine",
		`image with reference x was found but its platform (linux/arm64) does not match the specified platform: wanted linux/amd64`: "not made for this platform",
		`OCI runtime create failed: exec: "sh": executable file not found in $PATH: unknown`:                                        `no program "sh"`,
		"unable to apply caps: operation not permitted":                                                                             "asks for rights",
		"something new": `service "web": something new.`,
	} {
		err := r.explain(errors.New("Error response from daemon: "+text), about)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is told as %q, without %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"driver failed programming external connectivity on endpoint x (1f): Bind for 0.0.0.0:8080 failed: port is already allocated":                            "8080",
		"failed to set up container networking: driver failed: failed to bind host port for 0.0.0.0:8081:172.17.0.2:80/tcp: address already in use":              "8081",
		"failed to bind host port 127.0.0.1:8082/tcp: address already in use":                                                                                    "8082",
		"Error starting userland proxy: listen tcp4 0.0.0.0:8083: bind: address already in use":                                                                  "8083",
		"Ports are not available: ports are not available: exposing port TCP 0.0.0.0:8084 -> 127.0.0.1:0: listen tcp 0.0.0.0:8084: bind: address already in use": "8084",
	} {
		got := match(portAllocated, text)
		if got == "" {
			got = match(portInUse, text)
		}
		if got != want {
			t.Errorf("%q names port %q, not %s", text, got, want)
		}
	}
}
