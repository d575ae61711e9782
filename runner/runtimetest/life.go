package runtimetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"msdev/runner"
)

func lifecycle(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	v := f.watch()
	if len(v.seen.Instances) != 0 {
		t.Fatalf("a new project has instances: %+v", v.seen.Instances)
	}
	made := f.make("web", 1)
	if made.ID == "" || made.Service != "web" || made.Number != 1 || made.Runtime != f.rt.Name() || made.State != runner.InstanceCreated {
		t.Errorf("created: %+v", made)
	}
	if made.Hash == "" {
		t.Error("the new instance has no config hash")
	}
	v.instance(made.ID, "created", func(in runner.Instance) bool { return in.State == runner.InstanceCreated && in.Hash == made.Hash })

	started := f.on(runner.OpStart, made)
	if !running(started) || started.StartedAt.IsZero() || started.Seen <= made.Seen {
		t.Errorf("started: %+v", started)
	}
	seen := v.instance(made.ID, "running", running)
	if seen.StartedAt.IsZero() || time.Since(seen.StartedAt) > patience {
		t.Errorf("started at %s", seen.StartedAt)
	}
	stopped := f.on(runner.OpStop, made)
	if !exited(stopped) {
		t.Errorf("stopped: %+v", stopped)
	}
	if in := v.instance(made.ID, "exited", exited); in.FinishedAt.IsZero() {
		t.Errorf("stopped, but not finished: %+v", in)
	}
	again := f.on(runner.OpStart, made)
	if !running(again) || !again.StartedAt.After(seen.StartedAt) {
		t.Errorf("started again: %+v", again)
	}
	v.instance(made.ID, "running again", func(in runner.Instance) bool { return running(in) && in.StartedAt.After(seen.StartedAt) })
	f.on(runner.OpStop, made)
	if o := f.do(runner.Action{Op: runner.OpRemove, Service: "web", Instance: made.ID}); len(o) != 1 || o[0].Gone != made.ID {
		t.Errorf("remove told: %+v", o)
	}
	v.until("gone", func() bool { return len(v.seen.Instances) == 0 })
}

// twice does everything a second time, which is no error.
func twice(_ *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	in := f.make("web", 1)
	if again := f.make("web", 1); again.ID != in.ID {
		f.t.Errorf("a second create made %s beside %s", again.ID, in.ID)
	}
	for _, op := range []runner.Op{runner.OpStart, runner.OpStop, runner.OpKill, runner.OpRemove} {
		for range 2 {
			f.on(op, in)
		}
	}
	f.on(runner.OpStop, in)
	f.on(runner.OpKill, in)
	if !f.Resources {
		return
	}
	for range 2 {
		f.do(runner.Action{Op: runner.OpRemoveNetwork, Key: "default"})
	}
}

// watch begins in the middle and sees what is there, then what changes.
func watch(t *testing.T, f *fixture) {
	f.load(map[string]Service{
		"a": {Args: []string{"sleep"}},
		"b": {Args: []string{"serve"}, Env: map[string]string{"PORT": "18080"}, Health: true},
		"c": {Args: []string{"sleep"}},
	})
	a, b, c := f.up("a"), f.up("b"), f.make("c", 1)
	v := f.watch()
	for id, state := range map[string]runner.InstanceState{a.ID: runner.InstanceRunning, b.ID: runner.InstanceRunning, c.ID: runner.InstanceCreated} {
		in, ok := v.seen.Instances[id]
		if !ok || in.State != state || in.Runtime != f.rt.Name() || in.Number != 1 || in.Hash == "" {
			t.Errorf("the snapshot has %+v, not one that is %s", in, state)
		}
	}
	if in := v.seen.Instances[b.ID]; in.Health != runner.HealthStarting && in.Health != runner.HealthHealthy {
		t.Errorf("an instance with a health test has health %q", in.Health)
	}
	if in := v.seen.Instances[a.ID]; in.Health != runner.HealthNone {
		t.Errorf("an instance without a health test has health %q", in.Health)
	}
	f.on(runner.OpStart, c)
	v.instance(c.ID, "c runs", running)
	f.on(runner.OpKill, a)
	v.instance(a.ID, "a ended", exited)
	f.do(runner.Action{Op: runner.OpRemove, Service: "a", Instance: a.ID})
	v.until("a is gone", func() bool { _, there := v.seen.Instances[a.ID]; return !there })
}

func numbers(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	v := f.watch()
	names := map[string]bool{}
	for n := 1; n <= 3; n++ {
		in := f.make("web", n)
		if in.Number != n {
			t.Errorf("instance %d has number %d", n, in.Number)
		}
		if want := fmt.Sprintf("%s-web-%d", f.project.Name, n); in.Name != want {
			t.Errorf("instance %d is called %q, not %q", n, in.Name, want)
		}
		names[in.Name] = true
	}
	v.until("three instances", func() bool { return len(v.seen.Instances) == 3 })
	if len(names) != 3 {
		t.Errorf("names: %v", names)
	}
}

func exitCode(t *testing.T, f *fixture) {
	f.load(map[string]Service{"good": {Args: []string{"crash", "0"}}, "bad": {Args: []string{"crash", "3", "100ms"}}})
	v := f.watch()
	good, bad := f.up("good"), f.up("bad")
	if in := v.instance(good.ID, "good ended", exited); in.ExitCode != 0 {
		t.Errorf("exit code %d, not 0", in.ExitCode)
	}
	if in := v.instance(bad.ID, "bad ended", exited); in.ExitCode != 3 || in.FinishedAt.IsZero() || in.FinishedAt.Before(in.StartedAt) {
		t.Errorf("ended as %+v, not with exit code 3", in)
	}
}

func stopSignal(t *testing.T, f *fixture) {
	f.load(map[string]Service{
		"default": {Args: []string{"log", "-count", "1", "-stay"}, Env: map[string]string{"STOP_CODE": "7"}},
		"own":     {Args: []string{"log", "-count", "1", "-stay"}, Env: map[string]string{"STOP_CODE": "8"}, More: "stop_signal: SIGINT"},
	})
	for service, code := range map[string]int{"default": 7, "own": 8} {
		in := f.up(service)
		f.logged(in)
		if stopped := f.on(runner.OpStop, in); stopped.ExitCode != code || !exited(stopped) {
			t.Errorf("%s stopped as %+v, not with exit code %d", service, stopped, code)
		}
	}
}

func gracePeriod(t *testing.T, f *fixture) {
	stubborn := map[string]string{"IGNORE_SIGTERM": "1"}
	f.load(map[string]Service{
		"asked": {Args: []string{"log", "-count", "1", "-stay"}, Env: stubborn, More: "stop_grace_period: 1m"},
		"own":   {Args: []string{"log", "-count", "1", "-stay"}, Env: stubborn, More: "stop_grace_period: 1s"},
	})
	second := time.Second
	for service, timeout := range map[string]*time.Duration{"asked": &second, "own": nil} {
		in := f.up(service)
		f.logged(in)
		began := time.Now()
		f.do(runner.Action{Op: runner.OpStop, Service: service, Instance: in.ID, Timeout: timeout})
		if took := time.Since(began); took < 900*time.Millisecond || took > 30*time.Second {
			t.Errorf("%s: a grace period of 1s took %s", service, took)
		}
		if in = f.find(in.ID); in.ExitCode != 137 || !exited(in) {
			t.Errorf("%s was killed, and is %+v", service, in)
		}
	}
}

func kill(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}, Env: map[string]string{"IGNORE_SIGTERM": "1"}, More: "stop_grace_period: 1m"}})
	in := f.up("web")
	began := time.Now()
	killed := f.on(runner.OpKill, in)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("kill took %s", took)
	}
	if !exited(killed) || killed.ExitCode != 137 {
		t.Errorf("killed: %+v", killed)
	}
}

func restart(t *testing.T, f *fixture) {
	if !f.Restarts {
		t.Skip("restarts are the supervisor's work for this runtime")
	}
	f.load(map[string]Service{
		"fails": {Args: []string{"crash", "4"}, More: "restart: on-failure:2"},
		"ends":  {Args: []string{"crash", "0"}, More: "restart: on-failure"},
	})
	v := f.watch()
	fails, ends := f.up("fails"), f.up("ends")
	in := v.instance(fails.ID, "given up after two restarts", func(in runner.Instance) bool { return exited(in) && in.Restarts == 2 })
	if in.ExitCode != 4 {
		t.Errorf("exit code %d, not 4", in.ExitCode)
	}
	if in := v.instance(ends.ID, "ended well", exited); in.Restarts != 0 {
		t.Errorf("one that ended well was restarted %d times", in.Restarts)
	}
}

func replace(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	v := f.watch()
	old := f.up("web")
	var made runner.Instance
	gone := false
	for _, o := range f.do(runner.Action{Op: runner.OpCreate, Service: "web", Number: 1, Replaces: old.ID}) {
		gone = gone || o.Gone == old.ID
		if o.Instance != nil {
			made = *o.Instance
		}
	}
	if !gone || made.ID == "" || made.ID == old.ID || made.Name != old.Name || made.Number != 1 {
		t.Errorf("%+v was replaced by %+v (gone: %t)", old, made, gone)
	}
	v.until("the new one has the old one's place and name", func() bool {
		in, ok := v.seen.Instances[made.ID]
		return ok && len(v.seen.Instances) == 1 && in.Name == old.Name
	})
	f.on(runner.OpStart, made)
	v.instance(made.ID, "running", running)
}

func adopt(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"log", "-count", "3", "-rate", "0", "-stay"}}})
	in := f.up("web")
	f.logged(in)
	other := f.Runtime(t, f.project)
	if f.Owns {
		var e *runner.Error
		if err := other.Watch(t.Context(), func(runner.Observation) {}); !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("a second runtime beside the owner: %v", err)
		}
		return
	}
	v := f.watchWith(other)
	found, ok := v.seen.Instances[in.ID]
	if !ok || !running(found) || found.Name != in.Name || found.Service != "web" || found.Hash != in.Hash {
		t.Fatalf("a second runtime sees %+v, not %+v", found, in)
	}
	f.rt = other
	if lines := f.logs(in, runner.LogOptions{Tail: -1}); len(lines) != 3 {
		t.Errorf("a second runtime reads %d lines, not 3", len(lines))
	}
	f.on(runner.OpStop, found)
	v.instance(in.ID, "stopped", exited)
}

func resources(t *testing.T, f *fixture) {
	if !f.Resources {
		t.Skip("this runtime has no networks and volumes")
	}
	f.loadText("services:\n  web:\n" + indent(f.Service(Service{Args: []string{"sleep"}, More: "volumes: [data:/data]"}), "    ") + "volumes:\n  data: {}\n")
	v := f.watch()
	if _, ok := v.seen.Images["web"]; !ok {
		t.Errorf("the image of web is there, but not seen: %+v", v.seen.Images)
	}
	f.prepare()
	v.until("network and volume", func() bool { return v.seen.Networks["default"].ID != "" && v.seen.Volumes["data"].ID != "" })
	n, vol := v.seen.Networks["default"], v.seen.Volumes["data"]
	if n.Name != f.project.Name+"_default" || n.Hash == "" || vol.Name != f.project.Name+"_data" || vol.Hash == "" {
		t.Errorf("network %+v, volume %+v", n, vol)
	}
	in := f.up("web")
	seen := v.instance(in.ID, "running in its network", func(in runner.Instance) bool { return running(in) && len(in.Networks) > 0 })
	if seen.Networks[0] != n.ID {
		t.Errorf("joined %v, not %s", seen.Networks, n.ID)
	}
	if _, err := f.rt.Do(t.Context(), runner.Action{Op: runner.OpRemoveVolume, Key: "data"}, nil); err == nil {
		t.Error("a volume in use was removed")
	}
	f.on(runner.OpKill, in)
	f.on(runner.OpRemove, in)
	f.do(runner.Action{Op: runner.OpRemoveNetwork, Key: "default"})
	f.do(runner.Action{Op: runner.OpRemoveVolume, Key: "data"})
	v.until("both gone", func() bool { return len(v.seen.Networks) == 0 && len(v.seen.Volumes) == 0 })
}

func failures(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	_, err := f.rt.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: "nobody", Number: 1}, nil)
	var e *runner.Error
	if !errors.As(err, &e) || e.Kind != runner.ErrUsage || e.Msg == "" || e.Hint == "" {
		t.Errorf("an unknown service: %#v", err)
	}
	in := f.make("web", 1)
	if _, err := f.rt.Probe(t.Context(), in.ID); err == nil {
		t.Error("a probe of what does not run is healthy")
	}
}

func describe(t *testing.T, f *fixture) {
	f.load(map[string]Service{"web": {Args: []string{"sleep"}}})
	d, ok := f.rt.(runner.Describer)
	if !ok {
		t.Skip("this runtime does not describe itself")
	}
	about, err := d.Describe(t.Context())
	if err != nil || about.Name != f.rt.Name() || about.Version == "" {
		t.Errorf("%+v, %v", about, err)
	}
}
