// Package embedded is the runtime of programs that run inside the session's own process: the brokers of a graph without
// containers. What a program is comes from outside (Kind); this package gives it its ports, its folder and its life, which is
// that of a container: created, started, stopped, and removed with or without its data.
package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"msdev/runner"
	"msdev/runner/front"
)

// Name is the name of this runtime.
const Name = "embedded"

// Kind is one kind of program.
type Kind struct {
	// Ports are the ports that it has whatever the service says.
	Ports []int
	// Serves tells whether it can serve another port that the service declares; nil is any.
	Serves func(port int) bool
	// Open starts one.
	Open Opener
}

// Opener opens a program with the listeners of c, which it owns from then on, also when it fails. When it returns, clients can
// connect. run goes on until ctx ends, and returns when everything of the program has ended.
type Opener func(c Config) (run func(ctx context.Context) error, err error)

// Config is what a program gets.
type Config struct {
	Service     string
	Listeners   []Listener
	Environment map[string]string // the service's
	Dir         string            // where its data is kept; "" is in memory
	Logger      *slog.Logger      // its output

	// Files returns what a container would find at a path: the content of a file, or of each file of a folder; nothing where
	// nothing is mounted. It may be nil.
	Files func(path string) ([][]byte, error)
}

// Listener is one way in. Its address is the one by which those who come in know the service: for containers, its name.
type Listener struct {
	net.Listener
	Port int // the port of the service that it stands for
}

// Options say what runs here and where.
type Options struct {
	StateDir string                      // each service has a folder brokers/SERVICE in it
	Kinds    map[string]Kind             // by name
	Of       func(service string) string // the kind of a service; "" does not run here
	Book     *front.Book                 // the addresses of the project's services; nil is one of its own

	// Expose is called before a service starts, with its ports: services of other runtimes can reach it from when it returns.
	// Withdraw is called when it was removed. Both may be nil.
	Expose   func(ctx context.Context, service string, ports []int) error
	Withdraw func(ctx context.Context, service string) error
}

// Runtime runs programs inside this process. They end when it is closed; their data stays.
type Runtime struct {
	options Options
	work    sync.WaitGroup // the programs
	saving  sync.Mutex     // one record is written at a time, in the order of the changes; taken before mu

	mu        sync.Mutex // guards what follows
	project   *runner.Project
	resources runner.Resources
	seen      uint64
	instances map[string]*instance // by ID
	inside    map[place]*inside
	absent    map[string]bool // networks, volumes and images that were removed, by kind and key
	watchers  map[*watcher]bool
}

// New returns the runtime of a project, with what earlier ones left in its folder. Nothing is started.
func New(p *runner.Project, o Options) (*Runtime, error) {
	if o.Book == nil {
		o.Book = front.NewBook(p.Name, func(context.Context, string, int) (net.Conn, error) { return nil, net.ErrClosed })
	}
	if o.Expose == nil {
		o.Expose = func(context.Context, string, []int) error { return nil }
	}
	if o.Withdraw == nil {
		o.Withdraw = func(context.Context, string) error { return nil }
	}
	r := &Runtime{options: o, instances: map[string]*instance{}, inside: map[place]*inside{}, absent: map[string]bool{}, watchers: map[*watcher]bool{}}
	if err := r.adopt(p); err != nil {
		return nil, err
	}
	for _, in := range r.records() {
		r.instances[in.state.ID] = in
	}
	return r, nil
}

// Name is what users see of it.
func (r *Runtime) Name() string { return Name }

// Use goes on with the project read again, and returns once those who watch have been told.
func (r *Runtime) Use(ctx context.Context, p *runner.Project) error {
	if err := r.adopt(p); err != nil {
		return err
	}
	r.mu.Lock()
	snapshot := r.snapshot()
	var told []chan struct{}
	for w := range r.watchers {
		told = append(told, w.add(snapshot))
	}
	r.mu.Unlock()
	for _, done := range told {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *Runtime) adopt(p *runner.Project) error {
	resources, err := p.Resources()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.project, r.resources = p, resources
	return nil
}

// Close stops all that runs, and returns when it has ended.
func (r *Runtime) Close() error {
	r.mu.Lock()
	all := slices.Collect(maps.Values(r.instances))
	r.mu.Unlock()
	for _, in := range all {
		r.stop(in)
	}
	r.work.Wait()
	return nil
}

// services are those that run here, in the project's order.
func (r *Runtime) services() []string {
	var names []string
	for _, name := range r.project.Order {
		if r.options.Of(name) != "" {
			names = append(names, name)
		}
	}
	return names
}

func (r *Runtime) dir(service string) string {
	return filepath.Join(r.options.StateDir, "brokers", service)
}

// find returns an instance; nil where there is none.
func (r *Runtime) find(id string) *instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.instances[id]
}

func (r *Runtime) found(id string) (*instance, error) {
	if in := r.find(id); in != nil {
		return in, nil
	}
	return nil, &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("there is no embedded broker of the id %.12s", id), Hint: "`msdev ps` shows those that there are."}
}

// probeTimeout is how long a program may take to accept a connection.
const probeTimeout = 5 * time.Second

// Probe connects to the ports of an instance.
func (r *Runtime) Probe(ctx context.Context, id string) (string, error) {
	in, err := r.found(id)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	alive, service, ports := in.state.Alive(), in.state.Service, in.targets
	r.mu.Unlock()
	if !alive {
		return "", &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: fmt.Sprintf("service %q does not run", service), Hint: fmt.Sprintf("`msdev start %s` starts it.", service)}
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var output string
	for _, port := range ports {
		addr, _ := r.Address(service, port)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return output, err
		}
		_ = conn.Close()
		output += fmt.Sprintf("port %d answers at %s\n", port, addr)
	}
	return output, nil
}
