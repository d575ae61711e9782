package embedded

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

// instance is one program: created, running or stopped.
type instance struct {
	output *output

	turn sync.Mutex // one start or stop at a time

	// What follows is guarded by the runtime's mutex.
	state   runner.Instance
	targets []int              // the ports that it serves
	stop    context.CancelFunc // nil unless it runs
	ended   chan struct{}      // closed when it has ended
}

// records are the instances that earlier runtimes left: none of them runs any more.
func (r *Runtime) records() []*instance {
	var all []*instance
	files, _ := filepath.Glob(filepath.Join(r.dir("*"), "instance.json")) // the pattern is well-formed
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		in := &instance{output: newOutput()}
		if json.Unmarshal(raw, &in.state) != nil || in.state.ID == "" || r.options.Of(in.state.Service) == "" {
			continue
		}
		if in.state.Alive() { // its session was killed
			in.state.State, in.state.ExitCode, in.state.FinishedAt = runner.InstanceExited, 137, in.state.StartedAt
		}
		in.state.Health, in.state.Ports = runner.HealthNone, nil
		all = append(all, in)
	}
	return all
}

// save writes an instance's record down.
func (r *Runtime) save(state runner.Instance) error {
	dir := r.dir(state.Service)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "instance.json")
	if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// change changes an instance and tells it. The record is written where its life changed.
func (r *Runtime) change(in *instance, f func(*runner.Instance)) (runner.Observation, error) {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	f(&in.state)
	r.seen++
	in.state.Seen = r.seen
	state := in.state
	o := runner.Observation{Instance: &state}
	r.tell(o)
	r.mu.Unlock()
	return o, r.save(state)
}

func (r *Runtime) create(a runner.Action) ([]runner.Observation, error) {
	r.mu.Lock()
	config, known := r.project.Compose.Services[a.Service]
	hash, project := r.project.Hashes[a.Service], r.project.Name
	var old *instance
	for _, in := range r.instances {
		if in.state.Service == a.Service {
			old = in
		}
	}
	r.mu.Unlock()
	switch {
	case !known:
		return nil, &runner.Error{Kind: runner.ErrUsage, Service: a.Service, Msg: fmt.Sprintf("there is no service %q in the project", a.Service), Hint: "`msdev config --services` lists them."}
	case a.Number > 1:
		return nil, &runner.Error{Kind: runner.ErrUsage, Service: a.Service, Msg: fmt.Sprintf("service %q is an embedded broker, of which there is one", a.Service), Hint: "Leave its scale at 1, or run it as a container: x-msdev: {runtime: docker}."}
	case old != nil && old.state.ID != a.Replaces:
		return []runner.Observation{r.look(old)}, nil
	}
	var told []runner.Observation
	if old != nil {
		r.stop(old)
		gone, err := r.remove(old, false)
		if err != nil {
			return nil, err
		}
		told = append(told, gone)
	}
	if a.Volumes {
		if err := os.RemoveAll(r.data(a.Service)); err != nil {
			return told, err
		}
	}
	in := &instance{output: newOutput()}
	in.state = runner.Instance{ID: strings.ToLower(rand.Text()), Name: cmp.Or(config.ContainerName, fmt.Sprintf("%s-%s-1", project, a.Service)), Service: a.Service, Number: 1,
		Runtime: Name, State: runner.InstanceCreated, CreatedAt: time.Now(), Hash: hash, Image: config.Image, ImageID: imageID(config.Image)}
	r.mu.Lock()
	r.instances[in.state.ID] = in
	r.mu.Unlock()
	made, err := r.change(in, func(*runner.Instance) {})
	return append(told, made), err
}

func (r *Runtime) data(service string) string { return filepath.Join(r.dir(service), "data") }

func (r *Runtime) look(in *instance) runner.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := in.state
	return runner.Observation{Instance: &state}
}

// start opens the program and returns when clients can connect.
func (r *Runtime) start(in *instance) (runner.Observation, error) {
	in.turn.Lock()
	defer in.turn.Unlock()
	r.mu.Lock()
	service, alive := in.state.Service, in.state.Alive()
	config := r.project.Compose.Services[service]
	kind, ok := r.options.Kinds[r.options.Of(service)]
	r.mu.Unlock()
	if alive {
		return r.look(in), nil
	}
	if !ok {
		return runner.Observation{}, &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: fmt.Sprintf("service %q is no broker that can run inside msdev", service), Hint: "Say which it is: x-msdev: {broker: rabbitmq}."}
	}
	began := time.Now()
	config.Name = service
	served, unserved := targets(config, kind)
	for _, port := range unserved {
		in.output.add(fmt.Sprintf("nothing answers at port %d, which the service declares: an embedded broker does not have it", port), true)
	}
	run, ports, err := r.open(in, kind, config, served)
	if err != nil {
		in.output.add(err.Error(), true)
		_, _ = r.change(in, func(s *runner.Instance) { s.Error = err.Error() }) // the failure itself matters more
		return runner.Observation{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	in.output.set(false)
	o, err := r.change(in, func(s *runner.Instance) {
		in.stop, in.ended, in.targets = cancel, ended, served
		s.State, s.Health, s.ExitCode, s.Error, s.Ports = runner.InstanceRunning, runner.HealthHealthy, 0, "", ports
		s.HealthLog = fmt.Sprintf("answered %s after its start", time.Since(began).Round(time.Millisecond))
		s.StartedAt, s.FinishedAt, s.Addresses = time.Now(), time.Time{}, []string{"127.0.0.1"}
	})
	r.work.Go(func() {
		defer close(ended)
		r.end(ctx, in, run(ctx))
		cancel()
	})
	return o, err
}

func environment(values map[string]*string) map[string]string {
	env := map[string]string{}
	for name, value := range values {
		if value != nil {
			env[name] = *value
		}
	}
	return env
}

// open gives a program its ports and its folder.
func (r *Runtime) open(in *instance, kind Kind, service types.ServiceConfig, served []int) (func(context.Context) error, []runner.Port, error) {
	logger := slog.New(slog.NewTextHandler(lineWriter{in.output}, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{} // lines have a time of their own
		}
		return a
	}}))
	listeners, ports, err := r.listen(service, served)
	if err != nil {
		return nil, nil, err
	}
	dir, hint := r.dataOf(service.Name), "It keeps its data in memory."
	if dir != "" {
		hint = fmt.Sprintf("Its data is in %s; `msdev down -v` starts afresh.", dir)
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		for _, l := range listeners {
			_ = l.Close()
		}
		return nil, nil, err
	}
	r.mu.Lock()
	p := r.project
	r.mu.Unlock()
	run, err := kind.Open(Config{Service: service.Name, Listeners: listeners, Environment: environment(service.Environment), Dir: dir, Logger: logger,
		Files: func(path string) ([][]byte, error) { return files(p, service, path) }})
	if err != nil {
		return nil, nil, &runner.Error{Kind: runner.ErrFailed, Service: service.Name, Err: err, Msg: fmt.Sprintf("service %q: %v", service.Name, err), Hint: hint}
	}
	return run, ports, nil
}

// end notes that a program has ended: by itself when ctx has not ended.
func (r *Runtime) end(ctx context.Context, in *instance, err error) {
	code, text := 0, ""
	if err != nil && ctx.Err() == nil {
		code, text = 1, err.Error()
		in.output.add(text, true)
	}
	_, saved := r.change(in, func(s *runner.Instance) {
		in.stop = nil
		s.State, s.Health, s.HealthLog, s.ExitCode, s.Error, s.FinishedAt, s.Ports = runner.InstanceExited, runner.HealthNone, "", code, text, time.Now(), nil
	})
	if saved != nil {
		in.output.add("its end cannot be written down: "+saved.Error(), true)
	}
	in.output.set(true)
}

// stop ends a program and returns when it has ended.
func (r *Runtime) stop(in *instance) runner.Observation {
	in.turn.Lock()
	defer in.turn.Unlock()
	r.mu.Lock()
	stop, ended := in.stop, in.ended
	r.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
	return r.look(in)
}

// remove forgets an instance; its data goes only where that was asked for.
func (r *Runtime) remove(in *instance, data bool) (runner.Observation, error) {
	r.saving.Lock()
	defer r.saving.Unlock()
	service := in.state.Service
	err := os.Remove(filepath.Join(r.dir(service), "instance.json"))
	if data {
		err = os.RemoveAll(r.dir(service))
	}
	if err != nil && !os.IsNotExist(err) {
		return runner.Observation{}, err
	}
	o := runner.Observation{Gone: in.state.ID}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.instances[in.state.ID] != nil {
		delete(r.instances, in.state.ID)
		r.tell(o)
	}
	return o, nil
}
