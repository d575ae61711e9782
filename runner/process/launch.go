package process

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"msdev/runner"
)

// launch is how a process of a service starts.
type launch struct {
	service string
	argv    []string
	program string // stands in for argv[0], where set
	env     []string
	dir     string
	tty     bool
	test    *test
	limits  limits
}

// launch tells how an instance starts now. r.mu is held.
func (r *Runtime) launch(in *instance) (launch, error) {
	service := in.state.Service
	if err := r.runnable(service); err != nil {
		return launch{}, err
	}
	settings := r.project.Services[service]
	s := r.project.Compose.Services[service]
	l := launch{service: service, program: in.program, dir: r.dir(service), tty: s.Tty, limits: limitsOf(s)}
	t := templates{service: service, ports: in.ports, volume: r.volume}
	var err error
	if l.env, err = r.environment(t, in.state.ID); err != nil {
		return l, err
	}
	if l.argv, err = t.command(settings.Run, r.finder()); err != nil {
		return l, err
	}
	l.test, err = r.testOf(in, t)
	return l, err
}

// Environment returns what the first instance of a service gets on top of the user's own environment, as NAME=value, sorted:
// with it, it can be run from elsewhere and still be part of the graph.
func (r *Runtime) Environment(service string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.project.Service(service); err != nil {
		return nil, err
	}
	return r.given(service, r.ports.of(service, 1))
}

// given is the environment of the service itself and of its x-msdev, with the addresses of services in place of their names,
// sorted. r.mu is held.
func (r *Runtime) given(service string, ports []endpoint) ([]string, error) {
	own := map[string]string{}
	for key, value := range r.project.Compose.Services[service].Environment {
		if value != nil {
			own[key] = *value
		}
	}
	maps.Copy(own, r.project.Services[service].Env)
	find, t := r.finder(), templates{service: service, ports: ports, volume: r.volume}
	for key, value := range own {
		text, err := t.expand(value)
		if err != nil {
			return nil, err
		}
		own[key] = rewrite(text, find)
	}
	rewritePairs(own, find)
	for _, e := range ports {
		if e.given && own["PORT"] == fmt.Sprint(e.target) {
			own["PORT"] = fmt.Sprint(e.listens())
			break
		}
	}
	return pairs(own), nil
}

// environment is all that a process gets: the user's own, and on top of it the service's. r.mu is held.
func (r *Runtime) environment(t templates, id string) ([]string, error) {
	given, err := r.given(t.service, t.ports)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, entry := range slices.Concat(r.options.Environ, given) {
		if key, value, ok := strings.Cut(entry, "="); ok && key != marker {
			all[key] = value
		}
	}
	if id != "" {
		all[marker] = id
	}
	return pairs(all), nil
}

// pairs are variables as NAME=value, sorted.
func pairs(all map[string]string) []string {
	list := make([]string, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, key+"="+all[key])
	}
	return list
}

// dir is where a service's processes run. r.mu is held.
func (r *Runtime) dir(service string) string { return r.project.Folder(service) }

func (r *Runtime) inProject(dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(r.project.Dir, dir)
}

// templates fills in what settings may ask for: {{.Port 8080}}, the port to listen on for what the file calls 8080, and
// {{.Volume "data"}}, the folder of a named volume.
type templates struct {
	service string
	ports   []endpoint
	volume  func(key string) string
}

// Port is where the process is to listen.
func (t templates) Port(target int) (int, error) {
	for _, e := range t.ports {
		if e.target == target {
			return e.listens(), nil
		}
	}
	return 0, fmt.Errorf("it has no port %d", target)
}

// Volume is the folder of a named volume.
func (t templates) Volume(key string) string { return t.volume(key) }

func (t templates) expand(text string) (string, error) {
	if !strings.Contains(text, "{{") || !strings.Contains(text, ".Port") && !strings.Contains(text, ".Volume") {
		return text, nil // braces of another language
	}
	parsed, err := template.New("").Parse(text)
	var b strings.Builder
	if err == nil {
		err = parsed.Execute(&b, t)
	}
	if err != nil {
		return "", &runner.Error{Kind: runner.ErrUsage, Service: t.service, Err: err, Msg: fmt.Sprintf("service %q: %q cannot be filled in: %v", t.service, text, err),
			Hint: "It may ask for {{.Port 8080}}, with a port of the file, and {{.Volume \"data\"}}."}
	}
	return b.String(), nil
}

// command is a command of the settings as the arguments of a process.
func (t templates) command(c runner.Command, find finder) ([]string, error) {
	argv := slices.Clone(c.Args)
	if c.Line != "" {
		text, err := t.expand(c.Line)
		if err != nil {
			return nil, err
		}
		argv = words(rewrite(text, find))
	} else {
		for i, arg := range argv {
			text, err := t.expand(arg)
			if err != nil {
				return nil, err
			}
			argv[i] = rewrite(text, find)
		}
	}
	if len(argv) == 0 {
		return nil, &runner.Error{Kind: runner.ErrUsage, Service: t.service, Msg: fmt.Sprintf("service %q: its command is empty", t.service), Hint: "Say what to run in x-msdev.run."}
	}
	return argv, nil
}

// command makes a command of a service ready to start.
func (l launch) command(argv []string) (*exec.Cmd, error) {
	program, err := l.lookUp(argv[0])
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{Path: program, Args: argv, Env: l.env, Dir: l.dir}, nil
}

// lookUp finds a program as a shell with the service's environment and folder would.
func (l launch) lookUp(name string) (string, error) {
	if info, err := os.Stat(l.dir); err != nil || !info.IsDir() {
		return "", &runner.Error{Kind: runner.ErrUsage, Service: l.service, Msg: fmt.Sprintf("service %q: there is no folder %s to run in", l.service, l.dir),
			Hint: "Name another one in x-msdev.dir."}
	}
	if strings.ContainsRune(name, '/') {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.dir, path)
		}
		return path, l.executable(name, path)
	}
	for _, entry := range l.env {
		list, ok := strings.CutPrefix(entry, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(l.dir, dir)
			}
			if path := filepath.Join(dir, name); l.executable(name, path) == nil {
				return path, nil
			}
		}
	}
	return "", &runner.Error{Kind: runner.ErrFailed, Service: l.service, Msg: fmt.Sprintf("service %q: there is no program %q in PATH", l.service, name),
		Hint: "Install it, or name its path in x-msdev.run."}
}

func (l launch) executable(name, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &runner.Error{Kind: runner.ErrFailed, Service: l.service, Msg: fmt.Sprintf("service %q: there is no program %s in %s", l.service, name, l.dir),
			Hint: "Does x-msdev.build make it? Its path is relative to x-msdev.dir."}
	case err != nil:
		return l.cannot(err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return &runner.Error{Kind: runner.ErrFailed, Service: l.service, Msg: fmt.Sprintf("service %q: %s is no program", l.service, path), Hint: "Make it executable: chmod +x " + path}
	}
	return nil
}

// cannot is the error of a process that did not start.
func (l launch) cannot(err error) error {
	return &runner.Error{Kind: runner.ErrFailed, Service: l.service, Err: err,
		Msg:  fmt.Sprintf("service %q: cannot run %s: %v", l.service, strings.Join(l.argv, " "), err),
		Hint: "Its command is x-msdev.run, and it runs in " + l.dir + "."}
}
