package process

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"msdev/runner"
	"msdev/runner/front"
)

// loopback is where processes find each other.
const loopback = "127.0.0.1"

// ports says where each port of each native service is. It is made when a project is read, before anything runs, so that
// services know of each other whatever starts first.
type ports struct {
	book     *front.Book
	services map[string][]endpoint
	names    map[string]string // every name that a service answers to in its networks
	notes    []string          // what will not work, though it can be started
}

// endpoint is one port that a service of the file declares.
type endpoint struct {
	target   int    // as the file has it
	protocol string // tcp, udp
	given    bool   // the process is told where to listen; otherwise it listens on target, whatever we say
	actual   int    // where it answers
	inner    int    // where the process listens behind a switch of ours at actual; 0: at actual itself
	publish  []published
}

// listens is where the process itself listens.
func (e *endpoint) listens() int { return cmp.Or(e.inner, e.actual) }

// published is a port of this machine that leads to an endpoint.
type published struct {
	ip   string
	port int
}

// plan finds the ports of a project's native services. The book keeps those that processes may have already.
func plan(p *runner.Project, native func(string) bool, book *front.Book) (*ports, error) {
	all := &ports{book: book, services: map[string][]endpoint{}, names: map[string]string{}}
	for _, service := range p.Order {
		s := p.Compose.Services[service]
		for _, name := range append([]string{service, s.ContainerName, s.Hostname}, aliases(p, service)...) {
			if _, taken := all.names[name]; name != "" && (!taken || name == service) {
				all.names[name] = service
			}
		}
		if native(service) && !p.Services[service].Run.IsZero() {
			all.services[service] = declared(p, service)
		}
	}
	all.notes = strandedByKafka(p, all.names, native)
	all.settle(p)
	return all, all.collide(p)
}

// settle gives every endpoint its place: the port of the file where the process cannot be told, else the one of the book.
func (p *ports) settle(project *runner.Project) {
	for _, service := range project.Order {
		for i := range p.services[service] {
			if e := &p.services[service][i]; !e.given {
				e.actual = e.target
				if e.protocol == "tcp" {
					p.book.Fix(service, e.target, e.actual)
				}
			}
		}
	}
	for _, service := range project.Order {
		for i := range p.services[service] {
			if e := &p.services[service][i]; e.given {
				e.actual = p.book.Port(service, e.target)
			}
		}
	}
}

func aliases(p *runner.Project, service string) []string {
	var names []string
	for _, n := range p.Compose.Services[service].Networks {
		if n != nil {
			names = append(names, n.Aliases...)
		}
	}
	return names
}

// find returns the endpoint of a service that a port of the file stands for, or nil.
func (p *ports) find(service string, target int) *endpoint {
	if p == nil {
		return nil
	}
	for i, e := range p.services[service] {
		if e.target == target {
			return &p.services[service][i]
		}
	}
	return nil
}

// of returns the ports of one instance: those of the first are everybody's, a further one listens on private ports of its own
// where it can be told to.
func (p *ports) of(service string, number int) []endpoint {
	list := slices.Clone(p.services[service])
	if number > 1 {
		for i := range list {
			list[i].publish = nil
			if list[i].given {
				list[i].actual = p.book.Port(fmt.Sprintf("%s/%d", service, number), list[i].target)
			}
		}
	}
	return list
}

// portTemplate is how a setting names a port that is handed over.
var portTemplate = regexp.MustCompile(`\{\{-?\s*\.Port\s+(\d+)\s*-?\}\}`)

// endpoints is a list in the making, one entry a port and protocol.
type endpoints []endpoint

func (l *endpoints) add(target int, protocol string) *endpoint {
	protocol = cmp.Or(protocol, "tcp")
	for i := range *l {
		if (*l)[i].target == target && (*l)[i].protocol == protocol {
			return &(*l)[i]
		}
	}
	*l = append(*l, endpoint{target: target, protocol: protocol})
	return &(*l)[len(*l)-1]
}

// expose adds a port or a range of ports as `expose` has them: "80", "8000-8010/udp".
func (l *endpoints) expose(text string) {
	span, protocol, _ := strings.Cut(text, "/")
	from, to, ranged := strings.Cut(span, "-")
	first, err := strconv.Atoi(from)
	if err != nil {
		return // compose-go has checked it
	}
	last := first
	if n, err := strconv.Atoi(to); ranged && err == nil {
		last = n
	}
	for n := first; n <= last; n++ {
		l.add(n, protocol)
	}
}

// declared lists the ports that a service declares: in ports, expose, its readiness test and its settings.
func declared(p *runner.Project, service string) []endpoint {
	s, settings := p.Compose.Services[service], p.Services[service]
	var list endpoints
	for _, port := range s.Ports {
		e := list.add(int(port.Target), port.Protocol)
		first, _, _ := strings.Cut(port.Published, "-")
		if host, err := strconv.Atoi(first); err == nil && host > 0 {
			e.publish = append(e.publish, published{cmp.Or(port.HostIP, loopback), host})
		}
	}
	for _, text := range s.Expose {
		list.expose(text)
	}
	if n := readyPort(settings.Ready); n > 0 {
		list.add(n, "")
	}
	texts := append([]string{settings.Run.Line}, settings.Run.Args...)
	for _, value := range s.Environment {
		if value != nil {
			texts = append(texts, *value)
		}
	}
	for _, value := range settings.Env {
		texts = append(texts, value)
	}
	for _, text := range texts {
		for _, m := range portTemplate.FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(m[1])
			list.add(n, "").given = true
		}
	}
	if n, err := strconv.Atoi(portSetting(p, service)); err == nil {
		for i := range list {
			list[i].given = list[i].given || list[i].target == n && list[i].protocol == "tcp"
		}
	}
	slices.SortStableFunc(list, func(a, b endpoint) int { return cmp.Compare(a.target, b.target) })
	return list
}

// portSetting is the PORT that a service's own environment gives it.
func portSetting(p *runner.Project, service string) string {
	if v, ok := p.Services[service].Env["PORT"]; ok {
		return v
	}
	if v := p.Compose.Services[service].Environment["PORT"]; v != nil {
		return *v
	}
	return ""
}

// readyPort is the port that a readiness test asks.
func readyPort(ready runner.Ready) int {
	if text, _, _ := strings.Cut(ready.HTTP, "/"); text != "" {
		n, _ := strconv.Atoi(text)
		return n
	}
	return ready.TCP + ready.GRPC // one of them at most
}

// collide finds two services that want the same port of this machine.
func (p *ports) collide(project *runner.Project) error {
	type claim struct {
		service string
		fixed   bool
	}
	claims := map[string]claim{}
	for _, service := range project.Order {
		for _, e := range p.services[service] {
			want := map[int]bool{} // whether the process itself listens there
			for _, pub := range e.publish {
				want[pub.port] = false
			}
			if !e.given {
				want[e.actual] = true
			}
			for port, fixed := range want {
				key := fmt.Sprintf("%d/%s", port, e.protocol)
				other, taken := claims[key]
				if taken && other.service != service {
					return &runner.Error{Kind: runner.ErrUsage, Service: service,
						Msg:  fmt.Sprintf("%s: services %q and %q both want port %d of this machine", project.Place("services", service), other.service, service, port),
						Hint: fmt.Sprintf("Hand a free port over to one of them, by x-msdev: {env: {PORT: \"{{.Port %d}}\"}}, or publish another one.", e.target)}
				}
				claims[key] = claim{service, fixed}
			}
		}
	}
	return nil
}

// free tells whether nobody listens on a port. An address that is not this machine's counts as free: who listens there says more.
func free(ip string, port int, protocol string) bool {
	at := net.JoinHostPort(ip, strconv.Itoa(port))
	if protocol == "udp" {
		conn, err := net.ListenPacket("udp", at)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// vacant tells whether the ports that an instance needs are free. What listened there for a service that ran elsewhere ends.
func (r *Runtime) vacant(service string, list []endpoint) error {
	for _, e := range list {
		if r.options.Book.Port(service, e.target) == e.actual {
			r.options.Book.Yield(service, e.target)
		}
		if !free(loopback, e.actual, e.protocol) {
			return r.taken(service, e.actual)
		}
		if e.inner > 0 && !free(loopback, e.inner, e.protocol) {
			return r.taken(service, e.inner)
		}
		for _, pub := range e.publish {
			if pub.port != e.actual && !free(pub.ip, pub.port, e.protocol) {
				return r.taken(service, pub.port)
			}
		}
	}
	return nil
}

func (r *Runtime) taken(service string, port int) error {
	who := "another program"
	if name := holder(port); name != "" {
		who = name
	}
	return &runner.Error{Kind: runner.ErrFailed, Service: service,
		Msg:  fmt.Sprintf("service %q needs port %d, and %s listens there", service, port, who),
		Hint: fmt.Sprintf("End it, or let the service listen elsewhere: x-msdev: {env: {PORT: \"{{.Port %d}}\"}}.", port)}
}

// shown are an instance's ports as people and other parts see them: where on this machine each of its ports is.
func shown(list []endpoint) []runner.Port {
	var all []runner.Port
	for _, e := range list {
		if len(e.publish) == 0 {
			all = append(all, runner.Port{HostIP: loopback, Host: e.actual, Target: e.target, Protocol: e.protocol})
		}
		for _, pub := range e.publish {
			all = append(all, runner.Port{HostIP: pub.ip, Host: pub.port, Target: e.target, Protocol: e.protocol})
		}
	}
	return all
}
