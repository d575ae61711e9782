package tui

import (
	"strings"

	"msdev/runner"
)

// fact is one line of details: a name and what it is.
type fact struct {
	name  string
	value []piece
}

// across is the name of a fact that takes the whole width.
const across = "\x00"

// infoView draws the details of the selected service.
func (p *servicesPage) infoView(w, h int) []string {
	s, ok := p.service(p.list.name)
	if !ok {
		return blank(w, h, p.theme, p.signs, nil)
	}
	lines := p.drawFacts(p.facts(&s), w)
	p.infoTop = max(0, min(p.infoTop, len(lines)-h))
	lines = lines[p.infoTop:]
	for len(lines) < h {
		lines = append(lines, newLine(w, "", p.signs).String())
	}
	return lines[:h]
}

// drawFacts lays facts out in two columns; long values go on below.
func (d *desk) drawFacts(facts []fact, w int) []string {
	names := 0
	for _, f := range facts {
		if f.name != across {
			names = max(names, width(f.name))
		}
	}
	names = min(names, max(4, w/3))
	var lines []string
	for _, f := range facts {
		if f.name == across {
			parts, _ := wrap(f.value, max(8, w-3), 2000)
			for _, ps := range parts {
				lines = append(lines, addAll(newLine(w, "", d.signs).gap(2), ps).String())
			}
			continue
		}
		parts, _ := wrap(f.value, max(8, w-names-5), 2000)
		for i, ps := range parts {
			l := newLine(w, "", d.signs).gap(2)
			if i == 0 {
				l.cell(d.theme.faint, f.name, names, false)
			}
			lines = append(lines, addAll(l.to(names+4), ps).String())
		}
	}
	return lines
}

func (d *desk) facts(s *runner.Status) []fact {
	sign, st := d.sign(s.State)
	facts := []fact{{"state", []piece{{st, sign + " " + stateText(s)}}}}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, fact{name, []piece{{"", clean(value)}}})
		}
	}
	if s.Last != "" {
		add("last", s.Last+"  ("+ago(d.now.Sub(s.LastAt))+" ago)")
	}
	facts = append(facts, d.reloadFacts(s)...)
	add("image", s.Image)
	add("runtime", s.Runtime)
	if !s.Since.IsZero() {
		add("since", s.Since.In(d.zone).Format("2006-01-02 15:04:05")+"  ("+ago(d.now.Sub(s.Since))+")")
	}
	if s.Restarts > 0 {
		add("restarts", itoa(s.Restarts))
	}
	add("ports", portList(s))
	for i, dep := range s.DependsOn {
		name := ""
		if i == 0 {
			name = "needs"
		}
		facts = append(facts, fact{name, d.dependency(dep)})
	}
	add("needed by", strings.Join(d.neededBy(s.Service), ", "))
	for _, i := range s.Instances {
		facts = append(facts, d.instanceFacts(i)...)
	}
	return facts
}

// reloadFacts are when a service reloads, and how its last reloads went.
func (d *desk) reloadFacts(s *runner.Status) []fact {
	r := s.Reload
	if r == nil {
		return nil
	}
	mode := map[runner.ReloadMode]string{runner.ReloadAuto: "when files are saved", runner.ReloadManual: "by hand", runner.ReloadOff: "never"}[r.Mode]
	facts := []fact{{"reloads", []piece{{"", mode}}}}
	if len(r.Waiting) > 0 {
		facts = append(facts, fact{"changed", []piece{{d.theme.accent, clean(strings.Join(r.Waiting, ", "))}}})
	}
	for _, e := range r.History {
		facts = append(facts, fact{"", d.reload(&e)})
	}
	return facts
}

// reload is one reload: what changed, what became of it, and how long each step took, from the moment at which it was seen.
func (d *desk) reload(e *runner.Reload) []piece {
	what := "by hand"
	if e.Count > 0 {
		what = clean(e.Files[0])
	}
	if e.Count > 1 {
		what += " +" + itoa(e.Count-1)
	}
	st := map[runner.ReloadResult]style{runner.ReloadDone: d.theme.ok, runner.ReloadFailed: d.theme.bad}[e.Result]
	if st == "" {
		st = d.theme.dim
	}
	ps := []piece{{d.theme.faint, d.clock(e.At, 8) + "  "}, {st, string(e.Result)}, {"", "  " + what}}
	for _, step := range []struct {
		name string
		at   float64
	}{{"built", e.Built}, {"started", e.Started}, {"ready", e.Ready}} {
		if step.at > 0 {
			ps = append(ps, piece{d.theme.faint, "  " + step.name + " "}, piece{"", seconds(step.at)})
		}
	}
	if e.How != "" {
		ps = append(ps, piece{d.theme.faint, "  " + e.How})
	}
	if e.Error != "" {
		ps = append(ps, piece{d.theme.bad, "  " + clean(e.Error)})
	}
	return ps
}

// dependency is one thing that a service needs: its state, the condition, and whether it holds.
func (d *desk) dependency(dep runner.Dependency) []piece {
	other, known := d.service(dep.Service)
	sign, st := d.sign(other.State)
	ps := []piece{{st, sign + " "}, {"", dep.Service}, {d.theme.faint, "  " + condition(dep.Condition)}}
	if !dep.Required {
		ps = append(ps, piece{d.theme.faint, ", not required"})
	}
	if known && !holds(&other, dep.Condition) {
		ps = append(ps, piece{d.theme.busy, ", not yet"})
	}
	return ps
}

func (d *desk) instanceFacts(i runner.Instance) []fact {
	text := i.Name
	if len(i.ID) > 12 {
		text += "  " + i.ID[:12]
	}
	text += "  " + string(i.State)
	if i.Health != "" {
		text += ", " + string(i.Health)
	}
	if !i.Alive() && !i.FinishedAt.IsZero() {
		text += ", exit code " + itoa(i.ExitCode)
		if i.OOMKilled {
			text += ", killed: out of memory"
		}
	}
	facts := []fact{{"instance", []piece{{"", clean(text)}}}}
	if i.Error != "" {
		facts = append(facts, fact{"", []piece{{d.theme.bad, clean(i.Error)}}})
	}
	if i.Health == runner.HealthUnhealthy || i.Health == runner.HealthStarting {
		for n, line := range strings.Split(strings.TrimSpace(i.HealthLog), "\n") {
			name := ""
			if n == 0 {
				name = "health"
			}
			if line != "" {
				facts = append(facts, fact{name, []piece{{d.theme.dim, clean(line)}}})
			}
		}
	}
	return facts
}

func portList(s *runner.Status) string {
	var ports []string
	for _, p := range s.Ports {
		text := itoa(p.Target) + "/" + p.Protocol
		if p.Host != 0 {
			host := p.HostIP
			if host == "" || host == "0.0.0.0" || host == "::" {
				host = "localhost"
			}
			text = host + ":" + itoa(p.Host) + " to " + text
		}
		ports = append(ports, text)
	}
	return strings.Join(ports, ", ")
}

// condition is the short word for a dependency's condition.
func condition(name string) string {
	switch name {
	case "service_healthy":
		return "healthy"
	case "service_completed_successfully":
		return "completed"
	}
	return "started"
}

// holds tells whether a service fulfils a condition now, as far as its state tells.
func holds(s *runner.Status, cond string) bool {
	switch cond {
	case "service_healthy":
		return s.State == runner.StateReady
	case "service_completed_successfully":
		return s.State == runner.StateStopped && len(s.Instances) > 0
	}
	return !s.Since.IsZero() || s.State == runner.StateReady
}
