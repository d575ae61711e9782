package process

import (
	"context"
	"maps"
	"net"
	"slices"
	"strconv"

	"msdev/runner"
)

// finder is what a native service asks for the others. r.mu is held.
func (r *Runtime) finder() finder {
	ports, peer, native := r.ports, r.options.Peer, r.options.Native
	return func(name string, port int) (string, bool) {
		service, known := ports.names[name]
		if !known {
			return "", false
		}
		if !native(service) {
			return peer(service, port)
		}
		if port > 0 && ports.find(service, port) == nil {
			ports.book.Fix(service, port, port) // callers keep to it, wherever the service moves
		}
		return ports.address(service, port), true
	}
}

// address is where a port of a native service answers. A port that the file does not declare is the process's own choice.
func (p *ports) address(service string, port int) string {
	if e := p.find(service, port); e != nil {
		port = e.actual
	}
	return net.JoinHostPort(loopback, strconv.Itoa(port))
}

// Address is where a port of a service answers, as host:port, when it runs here.
func (r *Runtime) Address(service string, port int) string {
	return r.planned.Load().address(service, port) // without the lock: what is asked here may be waited for by who holds it
}

// expose makes an instance's service known to those that run elsewhere, at the ports that the file declares for it and at those
// at which other services of the file call it.
func (r *Runtime) expose(ctx context.Context, in *instance) error {
	service := in.state.Service // it never changes, nor do the ports
	var ports []int
	for _, e := range in.ports {
		if e.protocol == "tcp" {
			ports = append(ports, e.target)
		}
	}
	r.mu.Lock()
	ports = append(ports, called(r.project, r.ports.names, service)...)
	r.mu.Unlock()
	slices.Sort(ports)
	return r.options.Expose(ctx, service, slices.Compact(ports))
}

// called are the ports of a service that the settings of others name.
func called(p *runner.Project, names map[string]string, service string) []int {
	var ports []int
	for other := range p.Compose.Services {
		if other != service {
			ports = append(ports, callsTo(p, names, other, service)...)
		}
	}
	return ports
}

// callsTo are the ports of a service that the settings of another one name.
func callsTo(p *runner.Project, names map[string]string, from, service string) []int {
	var ports []int
	note := func(name string, port int) (string, bool) {
		if names[name] == service && 0 < port && port <= 65535 {
			ports = append(ports, port)
		}
		return "", false
	}
	s, env := p.Compose.Services[from], map[string]string{}
	for key, value := range s.Environment {
		if value != nil {
			env[key] = *value
		}
	}
	maps.Copy(env, p.Services[from].Env)
	rewritePairs(env, note)
	run := p.Services[from].Run
	for _, text := range slices.Concat(slices.Collect(maps.Values(env)), s.Command, s.Entrypoint, run.Args, []string{run.Line}) {
		rewrite(text, note)
	}
	return ports
}

// withdraw forgets a service for those that run elsewhere, when it has no instance left.
func (r *Runtime) withdraw(ctx context.Context, service string) error {
	r.mu.Lock()
	left := false
	for _, in := range r.instances {
		left = left || in.state.Service == service
	}
	r.mu.Unlock()
	if left {
		return nil
	}
	return r.options.Withdraw(ctx, service)
}
