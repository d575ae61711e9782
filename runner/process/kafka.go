package process

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"msdev/runner"
)

// listener is one entry of Kafka's listeners or advertised.listeners.
type listener struct {
	name, host string
	port       int
}

// listeners reads NAME://HOST:PORT,… What is none is passed over: Kafka itself says so.
func listeners(text string) []listener {
	var all []listener
	for entry := range strings.SplitSeq(text, ",") {
		name, addr, ok := strings.Cut(strings.TrimSpace(entry), "://")
		host, port, err := net.SplitHostPort(addr)
		if n, bad := strconv.Atoi(port); ok && err == nil && bad == nil {
			all = append(all, listener{name, host, n})
		}
	}
	return all
}

// kafkaSettings are where a Kafka listens and what it tells its clients, by the variables of its images or the flags of Redpanda.
func kafkaSettings(p *runner.Project, service string) (listen, advertised []listener) {
	s := p.Compose.Services[service]
	of := func(flag string, names ...string) []listener {
		var text string
		for _, name := range names {
			if v := s.Environment[name]; v != nil {
				text = cmp.Or(text, *v)
			}
		}
		for i, arg := range s.Command {
			if value, ok := strings.CutPrefix(arg, flag+"="); ok {
				text = value
			} else if arg == flag && i+1 < len(s.Command) {
				text = s.Command[i+1]
			}
		}
		return listeners(text)
	}
	return of("--kafka-addr", "KAFKA_LISTENERS", "KAFKA_CFG_LISTENERS"), of("--advertise-kafka-addr", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_CFG_ADVERTISED_LISTENERS")
}

// answer is what a Kafka tells a client that came to one of its ports: where to come back to.
func answer(listen, advertised []listener, port int) (listener, bool) {
	for _, l := range listen {
		if l.port != port {
			continue
		}
		if i := slices.IndexFunc(advertised, func(a listener) bool { return a.name == l.name }); i >= 0 {
			return advertised[i], true
		}
	}
	if i := slices.IndexFunc(advertised, func(a listener) bool { return a.port == port }); i >= 0 {
		return advertised[i], true
	}
	return listener{}, false
}

// strandedByKafka tells of processes that a Kafka in a container would send to an address that only containers know: its clients
// connect, learn of the addresses that it advertises, and go on there.
func strandedByKafka(p *runner.Project, names map[string]string, native func(string) bool) []string {
	var notes []string
	for _, kafka := range p.Order {
		if native(kafka) || p.BrokerKind(kafka) != runner.BrokerKafka {
			continue
		}
		listen, advertised := kafkaSettings(p, kafka)
		for _, service := range p.Order {
			if !native(service) {
				continue
			}
			for _, port := range callsTo(p, names, service, kafka) {
				back, known := answer(listen, advertised, port)
				if _, inside := names[back.host]; !known || !inside {
					continue
				}
				notes = append(notes, fmt.Sprintf("%s: service %q runs as a process and calls Kafka at %s:%d, which sends its clients on to %s:%d, where only containers find it. "+
					"Give it a published listener for this machine (in KAFKA_ADVERTISED_LISTENERS, as HOST://localhost:29092) and %s that address by x-msdev.env; or run Kafka inside msdev, by x-msdev: {runtime: process}",
					p.Place("services", service), service, kafka, port, back.host, back.port, service))
				break
			}
		}
	}
	return notes
}

// Notes tell what will not work as the file has it, though it can be started.
func (r *Runtime) Notes() []string { return r.planned.Load().notes }
