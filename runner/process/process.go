// Package process is the native runtime: the services of a compose file as processes of this machine. A service is run by
// its x-msdev settings; whatever it starts belongs to it and ends with it, as in a container.
package process

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"msdev/runner"
	"msdev/runner/front"
)

// Options say where processes live and whom they can reach.
type Options struct {
	StateDir string                                                // where records of what runs, and named volumes, are kept
	Environ  []string                                              // the user's environment; nil is the process's own
	Native   func(service string) bool                             // which services run here; nil is all of them
	Peer     func(service string, port int) (addr string, ok bool) // where a service of another runtime answers, as host:port; may be nil
	Book     *front.Book                                           // the addresses of the project's services; nil is one of its own

	// Expose is called before a service starts, with the TCP ports that its file declares: services of other runtimes can reach it
	// from when it returns. Withdraw is called when its last instance was removed. Both may be nil.
	Expose   func(ctx context.Context, service string, ports []int) error
	Withdraw func(ctx context.Context, service string) error
}

// Runtime runs services as processes. It owns them: they end when it is closed, and what a killed one leaves behind is
// ended by the next one of the same StateDir.
type Runtime struct {
	options Options
	spawner *spawner
	closing chan struct{}
	planned atomic.Pointer[ports]
	work    sync.WaitGroup // the goroutines of instances and of the spawner

	owning sync.Mutex
	store  *store

	mu        sync.Mutex // guards what follows, and all instances
	project   *runner.Project
	ports     *ports
	resources runner.Resources
	seen      uint64
	instances map[string]*instance
	draining  map[string]*instance       // versions that were replaced, while they answer what they have
	images    map[string]runner.Resource // what was built, by service
	versions  versions
	pinned    map[string]string // by service: the program that stands in for the one that it names
	absent    map[string]bool   // networks, volumes and images that were removed, by kind and key
	watchers  map[*watcher]bool
	closed    bool
}

// New returns the native runtime of a project. Nothing is started, and nothing is looked at, before it is used.
func New(p *runner.Project, o Options) (*Runtime, error) {
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Native == nil {
		o.Native = func(string) bool { return true }
	}
	if o.Peer == nil {
		o.Peer = func(string, int) (string, bool) { return "", false }
	}
	o.alone(p.Name)
	dir, err := filepath.Abs(o.StateDir)
	if err != nil {
		return nil, err
	}
	o.StateDir = dir
	r := &Runtime{
		options: o, closing: make(chan struct{}), store: &store{dir: dir},
		instances: map[string]*instance{}, draining: map[string]*instance{}, pinned: map[string]string{}, versions: versions{filepath.Join(dir, "versions"), map[string][]string{}}, images: map[string]runner.Resource{}, absent: map[string]bool{}, watchers: map[*watcher]bool{},
	}
	if err := r.adopt(p); err != nil {
		return nil, err
	}
	r.spawner = newSpawner(&r.work)
	return r, nil
}

// alone fills in what a runtime does without that is the only one of its project.
func (o *Options) alone(project string) {
	if o.Book == nil {
		o.Book = front.NewBook(project, func(context.Context, string, int) (net.Conn, error) { return nil, net.ErrClosed })
	}
	if o.Expose == nil {
		o.Expose = func(context.Context, string, []int) error { return nil }
	}
	if o.Withdraw == nil {
		o.Withdraw = func(context.Context, string) error { return nil }
	}
}

// Name is what users type for it.
func (r *Runtime) Name() string { return runner.Native }

// Describe tells what it runs on.
func (r *Runtime) Describe(context.Context) (runner.Description, error) {
	return runner.Description{Name: r.Name(), Version: runtime.GOOS + "/" + runtime.GOARCH, Address: r.options.StateDir}, nil
}

// Use goes on with the project read again, and returns once those who watch know of it.
func (r *Runtime) Use(ctx context.Context, p *runner.Project) error {
	if err := r.adopt(p); err != nil {
		return err
	}
	for _, done := range r.tellAll() {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// adopt makes a project the one that everything follows.
func (r *Runtime) adopt(p *runner.Project) error {
	resources, err := p.Resources()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ports, err := plan(p, r.options.Native, r.options.Book)
	if err != nil {
		return err
	}
	r.project, r.resources, r.ports = p, resources, ports
	r.planned.Store(ports)
	return nil
}

// Close stops all that runs, as a stop of each service would, and returns once nothing is left.
func (r *Runtime) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	all := slices.AppendSeq(slices.Collect(maps.Values(r.instances)), maps.Values(r.draining))
	r.mu.Unlock()
	var stops sync.WaitGroup
	for _, in := range all {
		stops.Go(func() { _ = r.stop(context.Background(), in, nil) })
	}
	stops.Wait()
	close(r.closing)
	r.spawner.close()
	r.work.Wait()
	r.owning.Lock()
	defer r.owning.Unlock()
	if r.store.owned() {
		r.versions.drop()
		_ = r.store.save(nil) // records of what has ended; a later runtime would find nothing by them
	}
	return r.store.close()
}

// own makes sure that no other runtime has the StateDir, and ends what one that was killed left behind.
func (r *Runtime) own() error {
	r.owning.Lock()
	defer r.owning.Unlock()
	if r.store.owned() {
		return nil
	}
	left, err := r.store.own()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		endLeftovers(left)
		for _, rec := range left {
			sweepCage(rec.Instance.ID)
		}
		return r.store.save(nil)
	}
	return nil
}

// save writes down what runs. It is called after each change of what a later runtime would have to find.
func (r *Runtime) save() error {
	r.owning.Lock()
	defer r.owning.Unlock()
	if !r.store.owned() {
		return nil
	}
	r.mu.Lock()
	list := make([]record, 0, len(r.instances))
	for _, all := range []map[string]*instance{r.instances, r.draining} {
		for _, in := range all {
			list = append(list, in.record())
		}
	}
	r.mu.Unlock()
	return r.store.save(list)
}

// find returns an instance by its ID.
func (r *Runtime) find(id string) (*instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in := r.instances[id]; in != nil {
		return in, nil
	}
	return nil, &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("there is no process of the id %.12s", id),
		Hint: "`msdev ps` shows those that there are."}
}
