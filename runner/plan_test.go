package runner

import (
	"slices"
	"strings"
	"testing"
)

// scene is a view in the making.
type scene struct{ View }

func newScene(specs ...Spec) *scene {
	s := &scene{View{Specs: specs, Resources: Resources{Networks: map[string]string{"default": "n1"}, Volumes: map[string]string{}},
		Goals: map[string]Goal{}, Memories: map[string]Memory{}, Healthy: map[string]bool{}, Busy: map[string]bool{}, Stuck: map[string]bool{},
		Seen: map[string]Observed{"docker": {Instances: map[string]Instance{}, Networks: map[string]Resource{"default": {Key: "default", ID: "net", Hash: "n1"}},
			Volumes: map[string]Resource{}, Images: map[string]Resource{}}}}}
	for i := range specs {
		if specs[i].Runtime == "" {
			specs[i].Runtime = "docker"
		}
		specs[i].Hash, specs[i].Scale = "h1", 1
		specs[i].Image = specs[i].Name + ":1"
		s.Seen["docker"].Images[specs[i].Name] = Resource{Key: specs[i].Name, ID: "img"}
		s.Memories[specs[i].Name] = NewMemory()
		s.Goals[specs[i].Name] = Goal{Want: WantRunning, Scale: 1}
	}
	return s
}

func (s *scene) has(service string, state InstanceState, change ...func(*Instance)) *scene {
	n := 1
	for _, in := range s.Seen["docker"].Instances {
		if in.Service == service {
			n++
		}
	}
	in := Instance{ID: service + string(rune('0'+n)), Name: "p-" + service + "-" + string(rune('0'+n)), Service: service, Number: n, Runtime: "docker",
		State: state, Hash: "h1", ImageID: "img", Networks: []string{"net"}}
	if state == InstanceCreated {
		in.Networks = nil
	}
	for _, f := range change {
		f(&in)
	}
	s.Seen["docker"].Instances[in.ID] = in
	return s
}

func (s *scene) started(ids ...string) *scene {
	for _, id := range ids {
		s.Memories[s.Seen["docker"].Instances[id].Service].Started[id] = true
	}
	return s
}

func (s *scene) goal(service string, g Goal) *scene { s.Goals[service] = g; return s }

func needs(name, condition string, required bool) Dependency {
	return Dependency{Service: name, Condition: condition, Required: required}
}

func lines(actions []Action) string {
	var out []string
	for _, a := range actions {
		line := string(a.Op) + " " + a.Service + a.Key
		if a.Instance != "" {
			line += " " + a.Instance
		}
		if a.Replaces != "" {
			line += " for " + a.Replaces + ": " + a.Reason
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func health(h Health) func(*Instance) { return func(in *Instance) { in.Health = h } }
func code(n int) func(*Instance)      { return func(in *Instance) { in.ExitCode = n } }

func TestPlan(t *testing.T) {
	db, web := Spec{Name: "db", Networks: []string{"default"}}, Spec{Name: "web", Networks: []string{"default"}}
	after := func(d Dependency) Spec {
		w := web
		w.DependsOn = []Dependency{d}
		return w
	}
	healthy, completed := after(needs("db", ConditionHealthy, true)), after(needs("db", ConditionCompleted, true))
	tests := []struct {
		name  string
		scene *scene
		want  string // actions, sorted
		wait  string // of web
		fails string // of web
	}{
		{name: "everything is created at once", scene: newScene(db, healthy), want: "create db\ncreate web", wait: "db healthy"},
		{name: "what another one's namespace is needed for comes first", scene: newScene(db, Spec{Name: "web", After: []string{"db"}}), want: "create db"},
		{name: "a dependency starts first", scene: newScene(db, healthy).has("db", InstanceCreated).has("web", InstanceCreated), want: "start db db1", wait: "db healthy"},
		{name: "running is not healthy", scene: newScene(db, healthy).has("db", InstanceRunning, health(HealthStarting)).has("web", InstanceCreated), wait: "db healthy"},
		{name: "healthy lets it start", scene: newScene(db, healthy).has("db", InstanceRunning, health(HealthHealthy)).has("web", InstanceCreated), want: "start web web1"},
		{name: "msdev's own probe counts", scene: func() *scene {
			s := newScene(db, healthy).has("db", InstanceRunning, health(HealthStarting)).has("web", InstanceCreated)
			s.Healthy["db1"] = true
			return s
		}(), want: "start web web1"},
		{name: "an unhealthy dependency fails it", scene: newScene(db, healthy).has("db", InstanceRunning, health(HealthUnhealthy)).has("web", InstanceCreated),
			fails: `service "db" is unhealthy`},
		{name: "no health test fails it", scene: newScene(db, healthy).has("db", InstanceRunning).has("web", InstanceCreated),
			fails: `service "db" has no health test, and another service waits for it to be healthy`},
		{name: "a dependency that ended fails it", scene: newScene(db, healthy).has("db", InstanceExited, code(3)).started("db1").has("web", InstanceCreated),
			fails: `service "db" ended with exit code 3`},
		{name: "an optional dependency that failed is passed over", scene: newScene(db, after(needs("db", ConditionHealthy, false))).
			has("db", InstanceRunning, health(HealthUnhealthy)).has("web", InstanceCreated), want: "start web web1"},
		{name: "completed", scene: newScene(db, completed).has("db", InstanceExited).started("db1").has("web", InstanceCreated), want: "start web web1"},
		{name: "not completed yet", scene: newScene(db, completed).has("db", InstanceRunning).has("web", InstanceCreated), wait: "db completed"},
		{name: "completed badly", scene: newScene(db, completed).has("db", InstanceExited, code(1)).started("db1").has("web", InstanceCreated),
			fails: `service "db" ended with exit code 1`},
		{name: "an old end does not count as completed", scene: newScene(db, completed).has("db", InstanceExited).has("web", InstanceCreated), want: "start db db1", wait: "db completed"},
		{name: "what ended by itself stays ended", scene: newScene(db).has("db", InstanceExited, code(1)).started("db1")},
		{name: "a changed configuration is recreated", scene: newScene(db).has("db", InstanceRunning, func(in *Instance) { in.Hash = "old" }),
			want: "create db for db1: configuration changed"},
		{name: "a changed image too", scene: newScene(db).has("db", InstanceRunning, func(in *Instance) { in.ImageID = "old" }), want: "create db for db1: image changed"},
		{name: "but not when told never", scene: newScene(db).goal("db", Goal{Want: WantRunning, Scale: 1, Recreate: RecreateNever}).
			has("db", InstanceRunning, func(in *Instance) { in.Hash = "old" }).started("db1")},
		{name: "a network that is not there comes first", scene: func() *scene {
			s := newScene(db)
			delete(s.Seen["docker"].Networks, "default")
			return s
		}(), want: "create-network default"},
		{name: "a changed network: who uses it goes first", scene: func() *scene {
			s := newScene(db).has("db", InstanceRunning)
			s.Resources.Networks["default"] = "n2"
			return s
		}(), want: "stop db db1"},
		{name: "scaled up", scene: newScene(db).goal("db", Goal{Want: WantRunning, Scale: 3}).has("db", InstanceRunning).started("db1"), want: "create db\ncreate db"},
		{name: "scaled down", scene: newScene(db).has("db", InstanceRunning).has("db", InstanceRunning), want: "stop db db2"},
		{name: "stopped: dependents first", scene: newScene(db, healthy).goal("db", Goal{Want: WantStopped}).goal("web", Goal{Want: WantStopped}).
			has("db", InstanceRunning).has("web", InstanceRunning), want: "stop web web1"},
		{name: "then the dependency", scene: newScene(db, healthy).goal("db", Goal{Want: WantStopped}).goal("web", Goal{Want: WantStopped}).
			has("db", InstanceRunning).has("web", InstanceExited), want: "stop db db1"},
		{name: "gone: stopped ones are removed", scene: newScene(db).goal("db", Goal{Want: WantGone}).has("db", InstanceExited), want: "remove db db1"},
		{name: "killed all at once", scene: newScene(db, healthy).goal("db", Goal{Want: WantStopped, Kill: true}).goal("web", Goal{Want: WantStopped, Kill: true}).
			has("db", InstanceRunning).has("web", InstanceRunning), want: "kill db db1\nkill web web1"},
		{name: "an orphan is left alone", scene: newScene(db).has("old", InstanceRunning).has("db", InstanceRunning).started("db1")},
		{name: "unless it is to go", scene: newScene(db).goal("old", Goal{Want: WantGone}).has("old", InstanceRunning).has("db", InstanceRunning).started("db1"), want: "stop old old1"},
		{name: "a restart stops", scene: func() *scene {
			s := newScene(db).has("db", InstanceRunning).started("db1")
			s.Memories["db"].Cycle["db1"] = true
			return s
		}(), want: "stop db db1"},
		{name: "and starts", scene: func() *scene {
			s := newScene(db).has("db", InstanceExited).started("db1")
			s.Memories["db"].Cycle["db1"] = true
			return s
		}(), want: "start db db1"},
		{name: "what is under way is not repeated", scene: func() *scene {
			s := newScene(db)
			s.Busy[(Action{Op: OpCreate, Runtime: "docker", Service: "db", Number: 1}).ID()] = true
			return s
		}()},
		{name: "a service that was not asked for", scene: newScene(db, healthy).goal("db", Goal{}).goal("web", Goal{Want: WantRunning, Scale: 1}).has("web", InstanceCreated), want: "start web web1"},
		{name: "without dependencies", scene: newScene(db, healthy).goal("web", Goal{Want: WantRunning, Scale: 1, NoDeps: true}).has("db", InstanceCreated).has("web", InstanceCreated),
			want: "start db db1\nstart web web1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Plan(tt.scene.View)
			if got := lines(d.Actions); got != tt.want {
				t.Errorf("actions:\n%s\nwant:\n%s", got, tt.want)
			}
			if w := d.Waits["web"]; strings.TrimSpace(w.Service+" "+w.Condition) != tt.wait {
				t.Errorf("web waits for %q, want %q", w, tt.wait)
			}
			got := ""
			if err := d.Failed["web"]; err != nil {
				got = err.Msg
			}
			if got != tt.fails {
				t.Errorf("web fails with %q, want %q", got, tt.fails)
			}
		})
	}
}

func TestPlanImages(t *testing.T) {
	tests := []struct {
		name  string
		build bool
		there bool
		goal  Goal
		own   string // the service's pull policy
		want  string
		fails string
	}{
		{name: "missing: pull", want: "pull db"},
		{name: "there: go on", there: true, want: "create db"},
		{name: "always: pull though it is there", there: true, own: "always", want: "pull db"},
		{name: "the flag beats the file", there: true, own: "always", goal: Goal{Pull: "missing"}, want: "create db"},
		{name: "never and missing", own: "never", fails: `service "db": the image "db:1" is not there, and its pull policy is never`},
		{name: "missing: build", build: true, want: "build db"},
		{name: "built before", build: true, there: true, want: "create db"},
		{name: "--build", build: true, there: true, goal: Goal{Build: true}, want: "build db"},
		{name: "policy build", build: true, there: true, own: "build", want: "build db"},
		{name: "--no-build, and there", build: true, there: true, goal: Goal{NoBuild: true, Build: false}, want: "create db"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(Spec{Name: "db", Build: tt.build, PullPolicy: tt.own})
			if !tt.there {
				delete(s.Seen["docker"].Images, "db")
			}
			tt.goal.Want, tt.goal.Scale = WantRunning, 1
			d := Plan(s.goal("db", tt.goal).View)
			if got := lines(d.Actions); got != tt.want {
				t.Errorf("actions: %q, want %q", got, tt.want)
			}
			got := ""
			if err := d.Failed["db"]; err != nil {
				got = err.Msg
			}
			if got != tt.fails {
				t.Errorf("fails with %q, want %q", got, tt.fails)
			}
		})
	}
}

// Two services of one image share one pull.
func TestPlanPullsAnImageOnce(t *testing.T) {
	s := newScene(Spec{Name: "a"}, Spec{Name: "b"})
	for i := range s.Specs {
		s.Specs[i].Image = "same:1"
		delete(s.Seen["docker"].Images, s.Specs[i].Name)
	}
	if got := lines(Plan(s.View).Actions); got != "pull a" {
		t.Errorf("got %q", got)
	}
}

// Builds of one context come one after the other; those of another do not wait.
func TestPlanBuildsAContextOneAtATime(t *testing.T) {
	s := newScene(Spec{Name: "a", Build: true, Context: "x"}, Spec{Name: "b", Build: true, Context: "x"}, Spec{Name: "c", Build: true, Context: "y"})
	clear(s.Seen["docker"].Images)
	if got, want := lines(Plan(s.View).Actions), "build a\nbuild c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.Busy[(Action{Op: OpBuild, Runtime: "docker", Service: "a"}).ID()] = true
	if got, want := lines(Plan(s.View).Actions), "build c"; got != want {
		t.Errorf("while a is built: got %q, want %q", got, want)
	}
}

func TestRehearseTellsTheWholeWay(t *testing.T) {
	db := Spec{Name: "db", Networks: []string{"default"}}
	web := Spec{Name: "web", Networks: []string{"default"}, DependsOn: []Dependency{needs("db", ConditionHealthy, true)}}
	s := newScene(db, web)
	delete(s.Seen["docker"].Networks, "default")
	delete(s.Seen["docker"].Images, "db")
	all, err := rehearse(s.View)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range all {
		got = append(got, string(a.Op)+" "+a.Service+a.Key)
	}
	want := "pull db, create-network default, create db, create web, start db, start web"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestDownTakesEverythingApart(t *testing.T) {
	s := newScene(Spec{Name: "db", Networks: []string{"default"}}).goal("db", Goal{Want: WantGone}).has("db", InstanceRunning)
	s.Down = &Teardown{Networks: true, Images: "all"}
	all, err := rehearse(s.View)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(all), "remove db db1\nremove-image db\nremove-network default\nstop db db1"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// While a create replaces an instance, the new one beside the old one is the business of that create alone.
func TestPlanLeavesReplacementsAlone(t *testing.T) {
	s := newScene(Spec{Name: "web"}).has("web", InstanceRunning).started("web1").goal("web", Goal{Want: WantRunning, Scale: 1, Recreate: RecreateAlways})
	d := Plan(s.View)
	if got := lines(d.Actions); got != "create web for web1: --force-recreate" {
		t.Fatalf("the plan is %q", got)
	}
	s.Busy[d.Actions[0].ID()] = true
	s.has("web", InstanceCreated, func(in *Instance) { in.Number = 1 })
	if got := lines(Plan(s.View).Actions); got != "" {
		t.Errorf("with both there, the plan is %q", got)
	}
	delete(s.Seen["docker"].Instances, "web1")
	if got := lines(Plan(s.View).Actions); got != "" {
		t.Errorf("before the create is done, the plan is %q", got)
	}
	delete(s.Busy, d.Actions[0].ID())
	s.Memories["web"].Made["web2"] = true
	if got := lines(Plan(s.View).Actions); got != "start web web2" {
		t.Errorf("then the plan is %q", got)
	}
}
