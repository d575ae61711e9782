package session

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"msdev/brokers"
	"msdev/runner"
)

// BrokerSpec says how a broker is reached.
type BrokerSpec struct {
	Name    string
	Kind    brokers.Kind
	Service string // the service of the graph that it is; empty for others
	Own     bool   // part of the project
	URL     string // amqp://user:password@host:port/vhost, kafka://host:port
	// Management is the root of RabbitMQ's management API; empty where there is none.
	Management string
	TLS        BrokerTLS
	// Note is a file in which its client notes what is to be taken back should the session be killed.
	Note string
	// Dial connects to what the URL and the broker itself call host:port; nil dials directly.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// hub has the brokers of a session: those of the graph and those of x-msdev.brokers.
type hub struct {
	mu       sync.Mutex
	desks    []*desk
	wanted   int           // clients that want what passes in the journal
	firehose int           // those of them that want all that RabbitMQ's tracing shows
	moved    chan struct{} // closed and replaced when desks, wanted or firehose change
}

// desk is one broker of the hub.
type desk struct {
	spec      BrokerSpec
	broker    brokers.Broker
	seen      uint64 // messages that have passed; hub.mu
	rate      rate
	perSecond float64
	lost      int64
	notes     []brokers.Note
	wrong     string // why nothing of it is seen
}

// BrokerState is what the session knows of a broker.
type BrokerState struct {
	brokers.Info
	Tapped  bool           `json:"tapped"`            // what passes goes into the journal
	Rate    *float64       `json:"rate,omitempty"`    // messages a second
	Lost    int64          `json:"lost,omitempty"`    // messages that passed too fast
	Notes   []brokers.Note `json:"notes,omitempty"`   // how it is tapped, and what is not seen
	Problem string         `json:"problem,omitempty"` // why nothing is seen
}

// useBrokers goes on with the brokers of a project. Those that stay as they are keep their connections.
func (s *Session) useBrokers(p *runner.Project) error {
	if s.launch.Broker == nil {
		return nil
	}
	specs, err := s.brokerSpecs(p)
	if err != nil {
		return err
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	before := s.hub.desks
	s.hub.desks = nil
	for _, spec := range specs {
		if at := slices.IndexFunc(before, func(d *desk) bool { return d.spec.same(spec) }); at >= 0 {
			s.hub.desks = append(s.hub.desks, before[at])
			before = slices.Delete(before, at, at+1)
			continue
		}
		b, err := s.openBroker(p.Name, spec)
		if err != nil {
			return &runner.Error{Kind: runner.ErrUsage, Service: spec.Service, Msg: fmt.Sprintf("broker %q: %v", spec.Name, err), Err: err}
		}
		s.hub.desks = append(s.hub.desks, &desk{spec: spec, broker: b})
	}
	for _, d := range before {
		d.close()
	}
	close(s.hub.moved)
	s.hub.moved = make(chan struct{})
	return nil
}

func (s *Session) openBroker(project string, spec BrokerSpec) (brokers.Broker, error) {
	dir, err := StateDir(project)
	if err != nil {
		return nil, err
	}
	spec.Note = filepath.Join(dir, "tidy", url.PathEscape(spec.Name))
	return s.launch.Broker(spec)
}

// same tells whether both lead to the same broker in the same way.
func (b BrokerSpec) same(other BrokerSpec) bool {
	return b.Name == other.Name && b.Kind == other.Kind && b.Service == other.Service && b.Own == other.Own && b.URL == other.URL && b.Management == other.Management && b.TLS == other.TLS
}

func (d *desk) close() {
	if c, ok := d.broker.(io.Closer); ok {
		_ = c.Close() // nothing of it is used any more
	}
}

// brokerSpecs finds the brokers of a project: the services that are one, and those that its settings name.
func (s *Session) brokerSpecs(p *runner.Project) ([]BrokerSpec, error) {
	var specs []BrokerSpec
	for _, service := range p.Order {
		switch p.BrokerKind(service) {
		case runner.BrokerRabbitMQ:
			specs = append(specs, s.rabbitSpec(p, service))
		case runner.BrokerKafka:
			specs = append(specs, s.kafkaSpec(p, service))
		}
	}
	for i, b := range p.Settings.Brokers {
		spec, err := BrokerAt(b.Name, b.URL, p.Dir)
		if err != nil {
			return nil, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("%s: %v", p.Place("x-msdev", "brokers", strconv.Itoa(i)), err)}
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// BrokerAt is a broker outside of the project, by its URL: amqp, amqps, kafka or kafkas. In its query, management=http://host:15672 tells
// where the management API of a RabbitMQ is, and cacertfile, certfile, keyfile and server_name_indication are those of BrokerTLS; relative
// files are the folder's.
func BrokerAt(name, address, dir string) (BrokerSpec, error) {
	spec := BrokerSpec{Name: name, URL: address}
	scheme, rest, _ := strings.Cut(address, "://")
	switch scheme {
	case "kafka", "kafkas":
		spec.Kind = brokers.Kafka
	case "amqp", "amqps":
		spec.Kind = brokers.RabbitMQ
	default:
		return spec, fmt.Errorf("the url of broker %q names no broker\nIt begins with amqp://, amqps://, kafka:// or kafkas://.", name)
	}
	place, query, _ := strings.Cut(rest, "?")
	spec.Name = cmp.Or(name, place[strings.LastIndexByte(place, '@')+1:]) // without the password
	q, err := url.ParseQuery(query)
	if err != nil {
		return spec, fmt.Errorf("the url of broker %q has a query that is not well-formed\nIt reads ?name=value&name=value, with %%26 for & and %%3f for ? in a value.", spec.Name)
	}
	spec.TLS = takeTLS(q, dir)
	if spec.Kind == brokers.RabbitMQ {
		spec.Management = q.Get("management")
		q.Del("management")
	}
	if spec.URL = scheme + "://" + place; len(q) > 0 {
		spec.URL += "?" + q.Encode()
	}
	if spec.TLS != (BrokerTLS{}) && !strings.HasSuffix(scheme, "s") {
		return spec, fmt.Errorf("the url of broker %q names certificates, but %s:// is not over TLS\nWrite %ss://.", spec.Name, scheme, scheme)
	}
	return spec, nil
}

// The ports of brokers, where their files do not say otherwise.
const (
	rabbitPort     = 5672
	managementPort = 15672
	kafkaPort      = 9092
)

// rabbitSpec reads what the official image and its relatives are told by their environment.
func (s *Session) rabbitSpec(p *runner.Project, service string) BrokerSpec {
	env := environment(p, service)
	user, vhost := url.UserPassword(cmp.Or(env("RABBITMQ_DEFAULT_USER"), "guest"), cmp.Or(env("RABBITMQ_DEFAULT_PASS"), "guest")), env("RABBITMQ_DEFAULT_VHOST")
	at := url.URL{Scheme: "amqp", User: user, Host: net.JoinHostPort(service, strconv.Itoa(rabbitPort)), Path: "/"}
	if vhost != "" && vhost != "/" {
		at.Path, at.RawPath = "/"+vhost, "/"+url.PathEscape(vhost)
	}
	spec := BrokerSpec{Name: service, Kind: brokers.RabbitMQ, Service: service, Own: true, URL: at.String(), Dial: s.dialer(p, service)}
	if s.manages(p, service) {
		spec.Management = "http://" + net.JoinHostPort(service, strconv.Itoa(managementPort))
	}
	return spec
}

// manages tells whether a RabbitMQ of the graph has its management API: ours has, and so have images that say so, LavinMQ's, and
// those that declare its port.
func (s *Session) manages(p *runner.Project, service string) bool {
	config := p.Compose.Services[service]
	if s.launch.Of(service) != onEngine || strings.Contains(config.Image, "management") || strings.Contains(config.Image, "lavinmq") {
		return true
	}
	for _, port := range config.Ports {
		if port.Target == managementPort {
			return true
		}
	}
	return slices.Contains(config.Expose, strconv.Itoa(managementPort))
}

// kafkaSpec finds the listener that is for clients.
func (s *Session) kafkaSpec(p *runner.Project, service string) BrokerSpec {
	env := environment(p, service)
	port := kafkaPort
	for _, l := range strings.Split(cmp.Or(env("KAFKA_LISTENERS"), env("KAFKA_CFG_LISTENERS"), env("KAFKA_ADVERTISED_LISTENERS")), ",") {
		name, rest, ok := strings.Cut(strings.TrimSpace(l), "://")
		_, text, _ := strings.Cut(rest, ":")
		n, err := strconv.Atoi(text)
		if ok && err == nil && !strings.Contains(strings.ToUpper(name), "CONTROLLER") {
			port = n
			break
		}
	}
	return BrokerSpec{Name: service, Kind: brokers.Kafka, Service: service, Own: true, Dial: s.dialer(p, service),
		URL: "kafka://" + net.JoinHostPort(service, strconv.Itoa(port))}
}

// environment reads one service's variables.
func environment(p *runner.Project, service string) func(string) string {
	env := p.Compose.Services[service].Environment
	return func(key string) string {
		if v := env[key]; v != nil {
			return *v
		}
		return ""
	}
}

// dialer connects to services by the names that they have in the graph, as brokers call themselves and each other by them. What a
// broker in a container calls localhost is that container.
func (s *Session) dialer(p *runner.Project, service string) func(ctx context.Context, network, address string) (net.Conn, error) {
	names := map[string]string{}
	for _, name := range p.Order {
		c := p.Compose.Services[name]
		for _, other := range []string{c.ContainerName, c.Hostname} {
			if other != "" && names[other] == "" {
				names[other] = name
			}
		}
	}
	for _, name := range p.Order {
		names[name] = name
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, text, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		to := names[host]
		if service != "" && s.launch.Of(service) == onEngine && (host == "localhost" || host == "127.0.0.1" || host == "0.0.0.0") {
			to = service
		}
		if to == "" {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}
		return s.launch.Dial(ctx, to, port)
	}
}
