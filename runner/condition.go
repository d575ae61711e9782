package runner

import (
	"fmt"
	"strings"
)

// The conditions of depends_on, as the Compose specification names them.
const (
	ConditionStarted   = "service_started"
	ConditionHealthy   = "service_healthy"
	ConditionCompleted = "service_completed_successfully"
)

// met tells whether every dependency of s is as s needs it. Where one is not yet, it notes what is waited for; where one
// never will be, it notes the failure, or passes over it if it is not required.
func (p *planner) met(s *Spec) bool {
	ok := true
	for _, d := range s.DependsOn {
		if p.Goals[d.Service].Want != WantRunning && !p.running(d.Service) {
			continue // not part of what was asked: disabled by a profile, or left out on purpose
		}
		word, err := p.condition(d)
		switch {
		case err != nil && !d.Required:
			p.out.Skipped[s.Name] = fmt.Sprintf("goes on without %s: %s", d.Service, err.Msg)
		case err != nil:
			p.fail(s.Name, err)
			return false
		case word != "":
			if _, noted := p.out.Waits[s.Name]; !noted {
				p.out.Waits[s.Name] = Wait{Service: d.Service, Condition: word}
			}
			ok = false
		}
	}
	return ok
}

func (p *planner) running(service string) bool {
	for _, in := range p.instances[service] {
		if in.Alive() {
			return true
		}
	}
	return false
}

// condition returns the word for what is still missing of a dependency, or the reason why it will never come.
func (p *planner) condition(d Dependency) (string, *Error) {
	word := map[string]string{ConditionHealthy: "healthy", ConditionCompleted: "completed"}[d.Condition]
	if word == "" {
		word = "started"
	}
	mem := p.Memories[d.Service]
	failure := mem.Failure
	if failure == nil {
		failure = p.out.Failed[d.Service]
	}
	if failure != nil {
		return "", &Error{Kind: ErrFailed, Service: d.Service, Msg: failure.Msg, Hint: failure.Hint, Err: failure}
	}
	list := p.instances[d.Service]
	if want := p.Goals[d.Service].Scale; len(list) < want || (len(list) == 0 && want > 0) {
		return word, nil
	}
	for _, in := range list {
		done, err := p.holds(in, d.Condition, mem)
		if err != nil {
			return "", err
		}
		if !done {
			return word, nil
		}
	}
	return "", nil
}

// holds tells whether one instance meets a condition.
func (p *planner) holds(in Instance, condition string, mem Memory) (bool, *Error) {
	cycling := mem.Cycle[in.ID]
	ended := in.State == InstanceExited && mem.Started[in.ID] && !cycling
	switch condition {
	case ConditionCompleted:
		if ended && in.ExitCode != 0 {
			return false, exited(in)
		}
		return ended, nil
	case ConditionHealthy:
		if ended {
			return false, exited(in)
		}
		if in.State != InstanceRunning || cycling {
			return false, nil
		}
		return p.healthy(in)
	default:
		return (in.Alive() || ended) && !cycling, nil
	}
}

func (p *planner) healthy(in Instance) (bool, *Error) {
	switch in.Health {
	case HealthNone:
		return false, &Error{Kind: ErrUsage, Service: in.Service, Msg: fmt.Sprintf("service %q has no health test, and another service waits for it to be healthy", in.Service),
			Hint: "Give it a `healthcheck:`, or depend on it with `condition: service_started`."}
	case HealthHealthy:
		return true, nil
	case HealthUnhealthy:
		return false, unhealthy(in)
	}
	return p.Healthy[in.ID], nil
}

func unhealthy(in Instance) *Error {
	e := &Error{Kind: ErrFailed, Service: in.Service, Msg: fmt.Sprintf("service %q is unhealthy", in.Service),
		Hint: fmt.Sprintf("See its health test in the compose file and `msdev logs %s`.", in.Service)}
	if out := lastLine(in.HealthLog); out != "" {
		e.Msg += ": its health test says: " + out
	}
	return e
}

func exited(in Instance) *Error {
	msg := fmt.Sprintf("service %q ended with exit code %d", in.Service, in.ExitCode)
	switch {
	case in.OOMKilled:
		msg = fmt.Sprintf("service %q was killed, as it used more memory than its limit", in.Service)
	case in.Error != "":
		msg += ": " + in.Error
	}
	return &Error{Kind: ErrFailed, Service: in.Service, Msg: msg, Hint: fmt.Sprintf("`msdev logs %s` shows what it wrote.", in.Service)}
}

// lastLine returns the last line of a text that is not blank, shortened to what fits in a sentence.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = strings.TrimSpace(text[i+1:])
	}
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
