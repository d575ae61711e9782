package process

import (
	"context"
	"net"
	"strconv"
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

// expose makes an instance's service known to those that run elsewhere.
func (r *Runtime) expose(ctx context.Context, in *instance) error {
	var ports []int
	for _, e := range in.ports { // they never change
		if e.protocol == "tcp" {
			ports = append(ports, e.target)
		}
	}
	return r.options.Expose(ctx, in.state.Service, ports) // nor does the service's name
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
