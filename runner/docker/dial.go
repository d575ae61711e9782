package docker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"msdev/runner"
)

// Dial connects to a port of a service from this machine, published or not: at the container's own address where this machine is
// in its network, else through the relay that is in it, else at the published port.
func (r *Runtime) Dial(ctx context.Context, service string, port int) (net.Conn, error) {
	in, err := r.oneOf(ctx, service)
	if err != nil {
		return nil, err
	}
	failures := []error{fmt.Errorf("service %q: port %d of %s cannot be reached", service, port, in.Name)}
	for _, addr := range r.bridges.near(in) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	if len(failures) > 1 { // it is near, and does not listen
		return nil, errors.Join(failures...)
	}
	conn, err := r.relays.dial(ctx, in, net.JoinHostPort(in.ID[:min(12, len(in.ID))], strconv.Itoa(port))) // by its ID networks know it
	if err == nil {
		return conn, nil
	}
	failures = append(failures, err)
	for _, p := range in.Ports {
		if p.Target != port || p.Protocol != "tcp" || p.Host == 0 || !r.local {
			continue
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(hostOf(p.HostIP), strconv.Itoa(p.Host)))
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// hostOf is where this machine reaches a port that is published at an address.
func hostOf(ip string) string {
	if addr, err := netip.ParseAddr(ip); err != nil || addr.IsUnspecified() {
		return "127.0.0.1"
	}
	return ip
}

// oneOf picks one of a service's containers that run. Where it is depends on its start, of which the engine is asked.
func (r *Runtime) oneOf(ctx context.Context, service string) (runner.Instance, error) {
	running := r.known.runningOf(service)
	if len(running) == 0 {
		return runner.Instance{}, &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: fmt.Sprintf("service %q does not run", service),
			Hint: fmt.Sprintf("`msdev up %s` starts it.", service)}
	}
	in := running[rand.IntN(len(running))]
	if len(in.Addresses) > 0 {
		return in, nil
	}
	in, err := r.look(ctx, in.ID)
	if err != nil {
		return in, r.explain(err, subject{service: service})
	}
	return in, nil
}

// runningOf are the containers of a service that run.
func (k *known) runningOf(service string) []runner.Instance {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []runner.Instance
	for _, t := range k.instances {
		if t.instance.Service == service && !t.instance.OneOff && t.instance.State == runner.InstanceRunning {
			all = append(all, t.instance)
		}
	}
	return all
}

// bridges knows which networks of the engine this machine is in: those whose bridge is one of its own interfaces. Engines in a
// virtual machine, in a namespace of their own or on another machine have them elsewhere, perhaps with the same addresses, but
// the name of a bridge has the network's ID in it.
type bridges struct {
	mu   sync.Mutex
	seen map[string][]netip.Prefix // by network
}

// of are this machine's addresses in a network; none where it is not in it.
func (b *bridges) of(network string) []netip.Prefix {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.seen[network]; list != nil {
		return list
	}
	list := addressesOf("br-" + network[:min(12, len(network))])
	if list != nil {
		if b.seen == nil {
			b.seen = map[string][]netip.Prefix{}
		}
		b.seen[network] = list
	}
	return list
}

func addressesOf(name string) []netip.Prefix {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	addrs, _ := i.Addrs()
	var list []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			list = append(list, p)
		}
	}
	return list
}

// near are the addresses of a container at which this machine reaches it.
func (b *bridges) near(in runner.Instance) []string {
	var list []string
	for _, text := range in.Addresses {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(in.Networks, func(network string) bool {
			return slices.ContainsFunc(b.of(network), func(p netip.Prefix) bool { return p.Contains(addr) })
		}) {
			list = append(list, text)
		}
	}
	return list
}
