package process

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"msdev/runner"
)

// tailLines is how much of a failed build its error tells.
const tailLines = 5

// build runs x-msdev.build. What runs goes on running if it fails.
func (r *Runtime) build(ctx context.Context, a runner.Action, report func(runner.Progress)) ([]runner.Observation, error) {
	l, err := r.builder(a.Service)
	if err != nil {
		return nil, err
	}
	if a.Previous {
		return r.goBack(a.Service)
	}
	if len(l.argv) == 0 {
		return r.provide(runner.ResourceImage, a.Service)
	}
	cmd, err := l.command(l.argv)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var tail []string
	fault := "" // the first line that names a place in a file
	code, err := r.piped(ctx, cmd, func(text string, _ bool) {
		mu.Lock()
		defer mu.Unlock()
		if fault == "" {
			fault = r.faultIn(l.dir, text)
		}
		if tail = append(tail, text); len(tail) > tailLines {
			tail = tail[1:]
		}
		if report != nil {
			report(runner.Progress{Text: text})
		}
	})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, r.buildFailed(l, code, fault, tail)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	version, program := r.version(a.Service)
	delete(r.pinned, a.Service)
	if program != "" {
		if err := r.versions.keep(a.Service, version, program); err != nil {
			return nil, err
		}
	}
	return r.built(a.Service, version), nil
}

// built tells that a service has another image. r.mu is held.
func (r *Runtime) built(service, version string) []runner.Observation {
	res := runner.Resource{Key: service, Name: service, ID: version}
	r.images[service] = res
	return []runner.Observation{r.tell(runner.Observation{Resource: &runner.ResourceChange{Kind: runner.ResourceImage, Resource: res}})}
}

// place is how compilers name a place in a file at the beginning of a line: main.go:12:3: what is wrong.
var place = regexp.MustCompile(`^\s*(?:[\w-]+: )?([^\s:()]+\.\w+)[:(](\d+)[,:]?(\d*)\)?:?\s*(.*)`)

// faultIn is what a line of a build's output says of a file that there is, with the file's path from the project on; or "".
func (r *Runtime) faultIn(dir, text string) string {
	m := place.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	path := m[1]
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rel, err := filepath.Rel(r.project.Dir, path); err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	at := path + ":" + m[2]
	if m[3] != "" {
		at += ":" + m[3]
	}
	return at + ": " + m[4]
}

// buildFailed is the error of a build: the place that it names first, or else its last lines.
func (r *Runtime) buildFailed(l launch, code int, fault string, tail []string) error {
	e := &runner.Error{Kind: runner.ErrFailed, Service: l.service, Hint: "What ran before goes on as it is."}
	if fault != "" {
		e.Msg = fmt.Sprintf("service %q is not built: %s", l.service, fault)
		return e
	}
	e.Msg = fmt.Sprintf("service %q: its build `%s` ended with exit code %d: %s", l.service, strings.Join(l.argv, " "), code, strings.Join(tail, " / "))
	return e
}

// builder tells how a service is built; without arguments it is not.
func (r *Runtime) builder(service string) (launch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.project.Service(service); err != nil {
		return launch{}, err
	}
	l := launch{service: service, dir: r.dir(service)}
	settings := r.project.Services[service]
	if settings.Build.IsZero() {
		return l, nil
	}
	t := templates{service: service, ports: r.ports.of(service, 1), volume: r.volume}
	var err error
	l.env = r.options.Environ // a build is the user's own: it sees nothing of the service
	l.argv, err = t.command(settings.Build, func(string, int) (string, bool) { return "", false })
	return l, err
}

// version names what a build has made. Where the service runs a file, which is returned too, it is the file's content, so that a
// build that changed nothing restarts nothing; otherwise each build is a new version. r.mu is held.
func (r *Runtime) version(service string) (name, program string) {
	in := &instance{ports: r.ports.of(service, 1), state: runner.Instance{Service: service}}
	if l, err := r.launch(in); err == nil && strings.ContainsRune(l.argv[0], '/') && l.argv[0] != "/bin/sh" {
		if path, err := l.lookUp(l.argv[0]); err == nil {
			if sum, err := digest(path); err == nil {
				return sum, path
			}
		}
	}
	return rand.Text(), ""
}

func digest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// piped runs a command to its end, its output line by line. When ctx ends, its process group is killed.
func (r *Runtime) piped(ctx context.Context, cmd *exec.Cmd, emit func(text string, cut bool)) (int, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer reader.Close()
	cmd.Stdout, cmd.Stderr = writer, writer
	err = r.spawner.start(cmd, "", nil)
	_ = writer.Close()
	if err != nil {
		return -1, err
	}
	var read sync.WaitGroup
	read.Go(func() { lines(reader, emit) })
	code, err := r.finish(ctx, cmd)
	_ = reader.SetReadDeadline(time.Now().Add(drain))
	read.Wait()
	return code, err
}

// finish waits for a command, and kills its process group when ctx ends or the command has.
func (r *Runtime) finish(ctx context.Context, cmd *exec.Cmd) (int, error) {
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
			signalGroup(cmd.Process.Pid, syscall.SIGKILL)
		case <-r.closing:
			signalGroup(cmd.Process.Pid, syscall.SIGKILL)
		case <-over:
		}
	})
	ended(cmd.Process.Pid)
	close(over)
	watch.Wait()
	r.spawner.killGroup(cmd.Process.Pid) // what it left in the background
	code, err := r.spawner.wait(cmd)
	return code, errors.Join(ctx.Err(), err)
}
