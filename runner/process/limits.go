package process

import (
	"fmt"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// limits are what a service's processes may use together, and each of them alone.
type limits struct {
	cpus   float64           // cores; 0 is all
	memory int64             // bytes; 0 is all
	pids   int64             // processes and threads; 0 is any number
	each   map[string][2]int // ulimits by name: soft and hard
}

// limitsOf reads `deploy.resources.limits`, or the older keys for the same, and `ulimits`.
func limitsOf(s types.ServiceConfig) limits {
	l := limits{cpus: float64(s.CPUS), memory: int64(s.MemLimit), pids: s.PidsLimit}
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil {
		most := s.Deploy.Resources.Limits
		if most.NanoCPUs > 0 {
			l.cpus = float64(most.NanoCPUs)
		}
		if most.MemoryBytes > 0 {
			l.memory = int64(most.MemoryBytes)
		}
		if most.Pids > 0 {
			l.pids = most.Pids
		}
	}
	for name, u := range s.Ulimits {
		if l.each == nil {
			l.each = map[string][2]int{}
		}
		l.each[name] = [2]int{u.Soft, u.Hard}
		if u.Single != 0 {
			l.each[name] = [2]int{u.Single, u.Single}
		}
	}
	return l
}

// together tells whether there is something that holds for all processes of the service together.
func (l limits) together() bool { return l.cpus > 0 || l.memory > 0 || l.pids > 0 }

// Unsupported tells what of the project has no effect on processes.
func (r *Runtime) Unsupported() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, name := range r.project.Order {
		if !r.options.Native(name) {
			continue
		}
		l := limitsOf(r.project.Compose.Services[name])
		place := r.project.Place("services", name)
		if err := cageable(); l.together() && err != nil {
			all = append(all, fmt.Sprintf("%s: service %q: limits of CPU, memory and processes are not applied to it as a process: %v", place, name, err))
		}
		for _, limit := range l.unknown() {
			all = append(all, fmt.Sprintf("%s: service %q: the ulimit %q is not applied to it as a process", place, name, limit))
		}
	}
	return all
}

// unknown are the ulimits that this system does not have.
func (l limits) unknown() []string {
	var names []string
	for name := range l.each {
		if _, known := ulimits[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
