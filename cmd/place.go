package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"msdev/runner"
)

// placement says where each service of a project runs: what x-msdev.runtime says of it, or else --runtime, or else the project's
// own x-msdev.runtime. "auto" is the engine where it answers and processes where not. Among processes, the images of brokers
// run inside msdev.
type placement struct {
	base   string        // auto until it is known whether the engine answers
	silent *runner.Error // why no engine answers, where processes take its place
	notes  []string

	mu      sync.Mutex
	project *runner.Project
}

const auto = "auto"

func newPlacement(p *runner.Project, want string) (*placement, error) {
	at := &placement{base: auto, project: p}
	for _, wish := range []string{p.Settings.Runtime, want} {
		switch wish {
		case "", auto:
		case onEngine, runner.Native:
			at.base = wish
		default:
			return nil, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("there is no runtime %q", wish), Hint: "Runtimes are: auto, docker, process."}
		}
	}
	return at, nil
}

// where is the runtime that a service asks for.
func (at *placement) where(p *runner.Project, service string) string {
	own := p.Services[service].Runtime
	if own == "" || own == auto {
		own = at.base
	}
	if own == runner.Native && p.Services[service].Run.IsZero() && p.BrokerKind(service) != "" {
		return asBroker
	}
	return own
}

// of is the runtime of a service of the project as it was read last.
func (at *placement) of(service string) string {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.where(at.project, service)
}

// broker is the kind of a service that runs inside msdev, or "".
func (at *placement) broker(service string) string {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.where(at.project, service) != asBroker {
		return ""
	}
	return at.project.BrokerKind(service)
}

// asksEngine tells whether it has to be known if the engine answers.
func (at *placement) asksEngine(p *runner.Project) bool {
	return len(p.Order) == 0 || slices.ContainsFunc(p.Order, func(s string) bool { where := at.where(p, s); return where == auto || where == onEngine })
}

// native tells whether something runs without the engine.
func (at *placement) native(p *runner.Project) bool {
	return slices.ContainsFunc(p.Order, func(s string) bool { return at.where(p, s) != onEngine })
}

// withoutEngine settles on processes, unless something needs the engine that does not answer.
func (at *placement) withoutEngine(p *runner.Project, err error) error {
	var e *runner.Error
	if at.base != auto || !errors.As(err, &e) || e.Kind != runner.ErrEngine {
		return err
	}
	if slices.ContainsFunc(p.Order, func(s string) bool { return at.where(p, s) == onEngine }) {
		return err
	}
	at.base = runner.Native
	if lacking := at.lacking(p, p.Order); len(lacking) == len(p.Order) { // there is nothing that a session could do
		return at.needsEngine(lacking, e)
	}
	at.silent = e
	at.notes = append(at.notes, "services run as processes, as no engine answers: "+e.Msg)
	return nil
}

// needsEngine is the error of a project that neither the engine nor processes can run.
func (at *placement) needsEngine(lacking []string, e *runner.Error) error {
	if len(lacking) == 0 {
		return e
	}
	return &runner.Error{Kind: runner.ErrEngine, Service: lacking[0], Err: e, Msg: e.Msg,
		Hint: fmt.Sprintf("%s Or give %s an x-msdev.run, to run without an engine.", e.Hint, strings.Join(lacking, ", "))}
}

// lacking are those of some services that are to run as processes, and do not say how.
func (at *placement) lacking(p *runner.Project, services []string) []string {
	var names []string
	for _, s := range services {
		if at.where(p, s) == runner.Native && p.Services[s].Run.IsZero() {
			names = append(names, s)
		}
	}
	return names
}

// check finds services that are to be started as processes and cannot.
func (at *placement) check(services []string) error {
	at.mu.Lock()
	defer at.mu.Unlock()
	lacking := at.lacking(at.project, services)
	if len(lacking) == 0 {
		return nil
	}
	if at.silent != nil {
		return at.needsEngine(lacking, at.silent)
	}
	what := fmt.Sprintf("service %q is to run as a process, and does", lacking[0])
	if len(lacking) > 1 {
		what = fmt.Sprintf("the services %s are to run as processes, and do", strings.Join(lacking, ", "))
	}
	return &runner.Error{Kind: runner.ErrUsage, Service: lacking[0], Msg: fmt.Sprintf("%s: %s not say how", at.project.Place("services", lacking[0]), what),
		Hint: "`msdev init` proposes an x-msdev.run; or run them in containers: start Docker, and leave --runtime process out or give them x-msdev: {runtime: docker}."}
}

// resolve makes the engine that answered the place of what asks for no other.
func (at *placement) resolve() {
	if at.base == auto {
		at.base = onEngine
	}
}

// use goes on with the project read again.
func (at *placement) use(p *runner.Project) {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.project = p
}

// needsContainers tells whether a service is to run on the engine.
func (at *placement) needsContainers(p *runner.Project) bool {
	return slices.ContainsFunc(p.Order, func(s string) bool { return at.where(p, s) == onEngine })
}
