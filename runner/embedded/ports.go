package embedded

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

// targets are the ports that a service offers: its kind's own and those that it declares.
func targets(s types.ServiceConfig, kind Kind) (served, unserved []int) {
	served = slices.Clone(kind.Ports)
	take := func(port int) {
		switch {
		case port == 0 || slices.Contains(served, port):
		case kind.Serves == nil || kind.Serves(port):
			served = append(served, port)
		case !slices.Contains(unserved, port):
			unserved = append(unserved, port)
		}
	}
	for _, e := range s.Expose {
		port, protocol, _ := strings.Cut(e, "/")
		if n, err := strconv.Atoi(port); err == nil && (protocol == "" || protocol == "tcp") {
			take(n)
		}
	}
	for _, p := range s.Ports {
		if p.Protocol == "" || p.Protocol == "tcp" {
			take(int(p.Target))
		}
	}
	return served, unserved
}

// Address tells where a port of a service answers when it runs: the same place for as long as this runtime lives, and where it
// can be, the next one too.
func (r *Runtime) Address(service string, port int) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind, ok := r.options.Kinds[r.options.Of(service)]
	if !ok {
		return "", false
	}
	if served, _ := targets(r.project.Compose.Services[service], kind); !slices.Contains(served, port) {
		return "", false
	}
	return loopback(r.options.Book.Port(service, port)), true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// listen opens all ports of a service: a private one for each, those that are published, on loopback, and for each the way in for
// those who come from containers.
func (r *Runtime) listen(s types.ServiceConfig, ports []int) (listeners []Listener, told []runner.Port, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			listeners = nil
		}
	}()
	for _, port := range ports {
		l, n, err := r.listenPrivately(s.Name, port)
		if err != nil {
			return listeners, nil, err
		}
		listeners = append(listeners, Listener{Listener: l, Port: port}, r.enter(s.Name, port))
		published := false
		for _, p := range s.Ports {
			if int(p.Target) != port || !publishes(p) {
				continue
			}
			front, err := listenIn(p.Published)
			if err != nil {
				return listeners, nil, taken(s.Name, port, p.Published, err)
			}
			listeners = append(listeners, Listener{Listener: front, Port: port})
			told = append(told, runner.Port{HostIP: "127.0.0.1", Host: front.Addr().(*net.TCPAddr).Port, Target: port, Protocol: "tcp"})
			published = true
		}
		if !published {
			told = append(told, runner.Port{HostIP: "127.0.0.1", Host: n, Target: port, Protocol: "tcp"})
		}
	}
	return listeners, told, nil
}

// listenPrivately opens the private port that stands for a port of a service. Where somebody else has taken it since it was
// chosen, another one stands for it from now on: who starts after this service learns of that one.
func (r *Runtime) listenPrivately(service string, port int) (net.Listener, int, error) {
	book := r.options.Book
	book.Yield(service, port)
	n := book.Port(service, port)
	l, err := net.Listen("tcp", loopback(n))
	if errors.Is(err, syscall.EADDRINUSE) {
		n = book.Renew(service, port)
		l, err = net.Listen("tcp", loopback(n))
	}
	if err != nil {
		return nil, 0, taken(service, port, strconv.Itoa(n), err)
	}
	return l, n, nil
}

// Check tells, before anything is started, which published port of services another program has.
func (r *Runtime) Check(services []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range services {
		kind, ok := r.options.Kinds[r.options.Of(name)]
		if !ok {
			continue
		}
		config := r.project.Compose.Services[name]
		served, _ := targets(config, kind)
		for _, p := range config.Ports {
			if !slices.Contains(served, int(p.Target)) || !publishes(p) {
				continue
			}
			l, err := listenIn(p.Published)
			if err != nil {
				return taken(name, int(p.Target), p.Published, err)
			}
			_ = l.Close()
		}
	}
	return nil
}

// publishes tells whether a port of a service is to be found at a port of this machine that its file names.
func publishes(p types.ServicePortConfig) bool {
	return p.Published != "" && p.Published != "0" && p.Protocol != "udp"
}

// listenIn listens on a port, or on the first free one of a range (8000-8010).
func listenIn(published string) (net.Listener, error) {
	low, high, isRange := strings.Cut(published, "-")
	from, err := strconv.Atoi(low)
	to := from
	if isRange && err == nil {
		to, err = strconv.Atoi(high)
	}
	if err != nil {
		return nil, err
	}
	for n := from; ; n++ {
		l, err := net.Listen("tcp", loopback(n))
		if err == nil || n >= to {
			return l, err
		}
	}
}

func taken(service string, port int, at string, err error) error {
	return &runner.Error{Kind: runner.ErrFailed, Service: service, Err: err,
		Msg:  fmt.Sprintf("service %q: its port %d cannot be opened at 127.0.0.1:%s: %v", service, port, at, err),
		Hint: fmt.Sprintf("End what listens there, or publish the port at another one, as in ports: [\"127.0.0.1:%d:%d\"].", port+1, port)}
}
