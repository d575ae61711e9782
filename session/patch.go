package session

import (
	"reflect"

	"msdev/runner"
)

// patch is one message of the watch stream: the state without its services, the services that changed, and the order of
// all of them. Applied to an empty state the first patch makes the whole.
type patch struct {
	State   State           `json:"state"`
	Order   []string        `json:"order,omitempty"` // nil: as before
	Changed []runner.Status `json:"changed,omitempty"`
}

// diff returns the patch that turns old into new, and whether anything differs.
func diff(old, new State) (patch, bool) {
	p := patch{State: new}
	p.State.Services = nil
	before := make(map[string]*runner.Status, len(old.Services))
	for i := range old.Services {
		before[old.Services[i].Service] = &old.Services[i]
	}
	sameOrder := len(old.Services) == len(new.Services)
	for i, s := range new.Services {
		if b := before[s.Service]; b == nil || !reflect.DeepEqual(*b, s) {
			p.Changed = append(p.Changed, s)
		}
		if sameOrder && old.Services[i].Service != s.Service {
			sameOrder = false
		}
	}
	if !sameOrder {
		p.Order = make([]string, 0, len(new.Services))
		for _, s := range new.Services {
			p.Order = append(p.Order, s.Service)
		}
	}
	oldFrame := old
	oldFrame.Services = nil
	return p, p.Order != nil || len(p.Changed) > 0 || !reflect.DeepEqual(oldFrame, p.State)
}

// apply returns the state after the patch. The state before is left as it is, as a client may still hold it.
func (p patch) apply(s State) State {
	out := p.State
	order := p.Order
	known := make(map[string]runner.Status, len(s.Services)+len(p.Changed))
	for _, st := range s.Services {
		known[st.Service] = st
		if p.Order == nil {
			order = append(order, st.Service)
		}
	}
	for _, st := range p.Changed {
		known[st.Service] = st
	}
	out.Services = make([]runner.Status, 0, len(order))
	for _, name := range order {
		if st, ok := known[name]; ok {
			out.Services = append(out.Services, st)
		}
	}
	return out
}
