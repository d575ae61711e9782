package runner

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Plan decides what can be done now to bring what is seen to what is asked. It is pure: the supervisor calls it after each
// thing that happened, so it knows no sequence, only conditions. An action appears as soon as nothing stands before it
// (everything is created at once; a service starts the moment its own conditions hold) and is not repeated while Busy.
func Plan(v View) Decision {
	p := planner{View: v, specs: map[string]*Spec{}, dependents: map[string][]string{},
		out: Decision{Waits: map[string]Wait{}, Failed: map[string]*Error{}, Skipped: map[string]string{}}}
	for i := range v.Specs {
		s := &v.Specs[i]
		p.specs[s.Name] = s
		for _, d := range s.DependsOn {
			p.dependents[d.Service] = append(p.dependents[d.Service], s.Name)
		}
	}
	p.index()
	for i := range v.Specs {
		p.service(&v.Specs[i])
	}
	for _, name := range p.strays() {
		p.retire(name, p.Goals[name], p.instances[name])
	}
	p.resources()
	return p.out
}

type planner struct {
	View
	specs      map[string]*Spec
	dependents map[string][]string
	instances  map[string][]Instance // of each service, one-offs left out, by runtime and number
	out        Decision
}

func (p *planner) index() {
	p.instances = map[string][]Instance{}
	for _, seen := range p.Seen {
		for _, in := range seen.Instances {
			if !in.OneOff {
				p.instances[in.Service] = append(p.instances[in.Service], in)
			}
		}
	}
	for _, list := range p.instances {
		sort.Slice(list, func(i, j int) bool {
			a, b := list[i], list[j]
			if a.Number != b.Number {
				return a.Number < b.Number
			}
			return a.ID < b.ID
		})
	}
}

// strays are the services with a goal and instances that are not in the file: orphans.
func (p *planner) strays() []string {
	var names []string
	for name := range p.instances {
		if p.specs[name] == nil {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (p *planner) emit(a Action) {
	if id := a.ID(); !p.Busy[id] && !p.Stuck[id] {
		p.out.Actions = append(p.out.Actions, a)
	}
}

// busy tells whether one of the ops is under way on an instance: two different ones are never done at once.
func (p *planner) busy(in Instance, ops ...Op) bool {
	for _, op := range ops {
		if p.Busy[onInstance(op, in).ID()] {
			return true
		}
	}
	return false
}

// making tells whether a create of an instance's number is under way, and which instance it replaces.
func (v *View) making(in Instance) (replaces string, busy bool) {
	prefix := strings.TrimSuffix(Action{Op: OpCreate, Runtime: in.Runtime, Service: in.Service, Number: in.Number}.ID(), "/")
	for id := range v.Busy {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			return strings.TrimSuffix(rest, "/"), true
		}
	}
	return "", false
}

// successor tells whether an instance is the one that a create under way puts in the place of another, which is still there.
func (p *planner) successor(in Instance) bool {
	replaces, busy := p.making(in)
	_, there := p.Seen[in.Runtime].Instances[replaces]
	return busy && there && in.ID != replaces
}

// onInstance is an action on one instance.
func onInstance(op Op, in Instance) Action {
	return Action{Op: op, Runtime: in.Runtime, Service: in.Service, Number: in.Number, Instance: in.ID, Name: in.Name}
}

func (p *planner) service(s *Spec) {
	goal := p.Goals[s.Name]
	all := p.instances[s.Name]
	if goal.Want != WantRunning {
		p.retire(s.Name, goal, all)
		return
	}
	if p.Memories[s.Name].Failure != nil {
		return
	}
	var here []Instance
	for _, in := range all {
		switch {
		case p.successor(in): // its create will end the other one
			all = slices.DeleteFunc(slices.Clone(all), func(o Instance) bool { return o.ID == in.ID })
		case in.Runtime == s.Runtime:
			here = append(here, in)
		default: // it moved to another runtime
			p.end(in, Goal{Want: WantGone})
		}
	}
	kept := here
	if len(here) > goal.Scale {
		kept = here[:goal.Scale]
		for _, in := range here[goal.Scale:] {
			p.end(in, Goal{Want: WantGone, Timeout: goal.Timeout})
		}
	}
	if len(here) < len(all) { // the new one waits until the old one has let go of names and ports
		return
	}
	p.create(s, goal, kept)
	p.start(s, goal, kept)
}

// create brings about what an instance needs, and then the missing and changed instances.
func (p *planner) create(s *Spec, goal Goal, kept []Instance) {
	if !p.image(s, goal) {
		return
	}
	ready := p.ensure(s, goal)
	seen := p.Seen[s.Runtime]
	for _, in := range kept {
		reason := p.diverged(s, goal, in)
		if _, making := p.making(in); reason == "" || !ready || making || p.busy(in, OpStart, OpStop, OpKill, OpRemove) {
			continue
		}
		p.emit(Action{Op: OpCreate, Runtime: s.Runtime, Service: s.Name, Number: in.Number, Replaces: in.ID, Name: in.Name,
			Reason: reason, Volumes: goal.Renew, Timeout: goal.Timeout})
	}
	if !ready || p.lacks(s) {
		return
	}
	used := map[int]bool{}
	for _, in := range seen.Instances {
		if in.Service == s.Name && !in.OneOff {
			used[in.Number] = true
		}
	}
	missing := goal.Scale - len(kept)
	for n := 1; missing > 0; n++ {
		if used[n] {
			continue
		}
		missing--
		p.emit(Action{Op: OpCreate, Runtime: s.Runtime, Service: s.Name, Number: n})
	}
}

// lacks tells whether an instance is missing that a new one of s has to refer to (network_mode: service:x).
func (p *planner) lacks(s *Spec) bool {
	return slices.ContainsFunc(s.After, func(name string) bool {
		return p.Goals[name].Want == WantRunning && p.Goals[name].Scale > 0 && len(p.instances[name]) == 0
	})
}

// image emits the pull or build that the service needs first, and tells whether its image is there.
func (p *planner) image(s *Spec, goal Goal) bool {
	_, there := p.Seen[s.Runtime].Images[s.Name]
	if p.Memories[s.Name].ImageDone {
		return there
	}
	policy := goal.Pull
	if policy == "" {
		policy = s.PullPolicy
	}
	switch {
	case s.Build && !goal.NoBuild && (goal.Build || policy == "build" || !there):
		p.build(s)
	case s.Build && there && (policy == "" || policy == "missing" || policy == "build"):
		return true
	case policy == "always" && s.Image != "":
		p.pull(s)
	case there:
		return true
	case policy == "never":
		p.fail(s.Name, &Error{Kind: ErrFailed, Service: s.Name, Msg: fmt.Sprintf("service %q: the image %q is not there, and its pull policy is never", s.Name, s.Image),
			Hint: "Build or load the image first, or use --pull missing."})
	case s.Build:
		p.fail(s.Name, &Error{Kind: ErrFailed, Service: s.Name, Msg: fmt.Sprintf("service %q: its image %q is not built, and --no-build was given", s.Name, s.Image),
			Hint: "Run `msdev build " + s.Name + "`, or leave --no-build out."})
	default:
		p.pull(s)
	}
	return false
}

// builtWord is what a service waits for whose build comes after another one's.
const builtWord = "built"

// build emits the build of a service, one at a time for each context: builds of one context share most of their steps, and
// the second finds what the first has made.
func (p *planner) build(s *Spec) {
	for i := range p.Specs {
		o := &p.Specs[i]
		a := Action{Op: OpBuild, Runtime: o.Runtime, Service: o.Name}
		if s.Context == "" || o.Context != s.Context || o.Name == s.Name {
			continue
		}
		if p.Busy[a.ID()] || slices.ContainsFunc(p.out.Actions, func(b Action) bool { return b.ID() == a.ID() }) {
			p.out.Waits[s.Name] = Wait{Service: o.Name, Condition: builtWord}
			return
		}
	}
	p.emit(Action{Op: OpBuild, Runtime: s.Runtime, Service: s.Name, Name: s.Image})
}

// pull emits one pull for all services that share an image.
func (p *planner) pull(s *Spec) {
	for i := range p.Specs {
		o := &p.Specs[i]
		if o.Image != s.Image || o.Runtime != s.Runtime || o.Name == s.Name {
			continue
		}
		if p.Busy[(Action{Op: OpPull, Runtime: o.Runtime, Service: o.Name}).ID()] || slices.ContainsFunc(p.out.Actions, func(a Action) bool { return a.Op == OpPull && a.Service == o.Name }) {
			return
		}
	}
	p.emit(Action{Op: OpPull, Runtime: s.Runtime, Service: s.Name, Name: s.Image})
}

// ensure emits the networks and volumes that the service still lacks, and tells whether all are there.
func (p *planner) ensure(s *Spec, goal Goal) bool {
	seen, ready := p.Seen[s.Runtime], true
	for _, key := range s.Networks {
		hash, ours := p.Resources.Networks[key]
		if !ours {
			continue
		}
		have, ok := seen.Networks[key]
		switch {
		case !ok:
			p.emitOnce(Action{Op: OpCreateNetwork, Runtime: s.Runtime, Key: key})
			ready = false
		case have.Hash != hash && have.Hash != "" && hash != "" && goal.Recreate != RecreateNever:
			p.renewNetwork(s.Runtime, key, have)
			ready = false
		}
	}
	for _, key := range s.Volumes {
		if _, ours := p.Resources.Volumes[key]; !ours {
			continue
		}
		if _, ok := seen.Volumes[key]; !ok {
			p.emitOnce(Action{Op: OpCreateVolume, Runtime: s.Runtime, Key: key})
			ready = false
		}
	}
	return ready
}

// renewNetwork takes a network whose definition changed away; its instances go first, and ensure makes it anew.
func (p *planner) renewNetwork(runtime, key string, have Resource) {
	free := true
	for _, in := range p.Seen[runtime].Instances {
		if slices.Contains(in.Networks, have.ID) {
			free = false
			p.end(in, Goal{Want: WantGone})
		}
	}
	if free {
		p.emitOnce(Action{Op: OpRemoveNetwork, Runtime: runtime, Key: key, Reason: "configuration changed"})
	}
}

func (p *planner) emitOnce(a Action) {
	if !slices.ContainsFunc(p.out.Actions, func(b Action) bool { return b.ID() == a.ID() }) {
		p.emit(a)
	}
}

// diverged says why an instance is not what the file asks for; empty when it is.
func (p *planner) diverged(s *Spec, goal Goal, in Instance) string {
	switch goal.Recreate {
	case RecreateNever:
		return ""
	case RecreateAlways:
		if p.Memories[s.Name].Made[in.ID] {
			return ""
		}
		return "--force-recreate"
	}
	if in.Hash != s.Hash {
		return "configuration changed"
	}
	seen := p.Seen[s.Runtime]
	if img, ok := seen.Images[s.Name]; ok && in.ImageID != "" && img.ID != in.ImageID {
		return "image changed"
	}
	if len(in.Networks) > 0 {
		for _, key := range s.Networks {
			if n, ok := seen.Networks[key]; ok && !slices.Contains(in.Networks, n.ID) {
				return fmt.Sprintf("network %s changed", key)
			}
		}
	}
	return ""
}

// start emits the start of each instance whose conditions hold, and the stop of those that are to be cycled.
func (p *planner) start(s *Spec, goal Goal, kept []Instance) {
	mem := p.Memories[s.Name]
	var todo []Instance
	for _, in := range kept {
		if p.diverged(s, goal, in) != "" {
			continue
		}
		cycle := mem.Cycle[in.ID]
		switch {
		case cycle && in.Alive():
			p.stop(in, goal)
		case in.Alive() || in.State == InstanceRemoving || in.State == InstanceDead:
		case cycle || !mem.Started[in.ID]:
			todo = append(todo, in)
		}
	}
	if len(todo) == 0 && len(kept) >= goal.Scale {
		return
	}
	if !goal.NoDeps && !p.met(s) {
		return
	}
	for _, in := range todo {
		if _, making := p.making(in); !making && !p.busy(in, OpStop, OpKill, OpRemove) {
			p.emit(onInstance(OpStart, in))
		}
	}
}

func (p *planner) stop(in Instance, goal Goal) {
	if goal.Kill {
		p.emitOnce(onInstance(OpKill, in))
		return
	}
	if !p.busy(in, OpStart) {
		a := onInstance(OpStop, in)
		a.Timeout = goal.Timeout
		p.emitOnce(a)
	}
}

// retire stops, or stops and removes, the instances of a service; those that depend on it go first.
func (p *planner) retire(service string, goal Goal, list []Instance) {
	if (goal.Want != WantStopped && goal.Want != WantGone) || p.Memories[service].Failure != nil {
		return
	}
	for _, name := range p.dependents[service] {
		if g := p.Goals[name].Want; (g == WantStopped || g == WantGone) && slices.ContainsFunc(p.instances[name], Instance.Alive) && !goal.Kill {
			return
		}
	}
	for _, in := range list {
		if goal.Only == nil || goal.Only[in.ID] {
			p.end(in, goal)
		}
	}
}

// end stops one instance and, where it is to be gone, removes it.
func (p *planner) end(in Instance, goal Goal) {
	switch {
	case in.Alive():
		p.stop(in, goal)
	case goal.Want == WantGone && in.State != InstanceRemoving && !p.busy(in, OpStart, OpStop, OpKill):
		a := onInstance(OpRemove, in)
		a.Volumes = goal.Volumes
		p.emitOnce(a)
	}
}

// resources removes networks, volumes and images once every instance is gone.
func (p *planner) resources() {
	if p.Down == nil {
		return
	}
	for _, runtime := range sortedKeys(p.Seen) {
		seen := p.Seen[runtime]
		if len(seen.Instances) > 0 {
			continue
		}
		if p.Down.Networks {
			p.remove(runtime, OpRemoveNetwork, p.Resources.Networks, seen.Networks)
		}
		if p.Down.Volumes {
			p.remove(runtime, OpRemoveVolume, p.Resources.Volumes, seen.Volumes)
		}
		p.images(runtime, seen)
	}
}

func (p *planner) remove(runtime string, op Op, ours map[string]string, there map[string]Resource) {
	for _, key := range sortedKeys(ours) {
		if r, ok := there[key]; ok {
			p.emit(Action{Op: op, Runtime: runtime, Key: key, Name: r.Name})
		}
	}
}

func (p *planner) images(runtime string, seen Observed) {
	if p.Down.Images == "" {
		return
	}
	for i := range p.Specs {
		s := &p.Specs[i]
		img, there := seen.Images[s.Name]
		if there && s.Runtime == runtime && (p.Down.Images == "all" || !s.NamedImage) {
			p.emit(Action{Op: OpRemoveImage, Runtime: runtime, Service: s.Name, Name: img.Name})
		}
	}
}

func (p *planner) fail(service string, err *Error) { p.out.Failed[service] = err }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
