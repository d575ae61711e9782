package runner

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner/watch"
)

// place is one part of what is watched for a service whose instances can have an older version of it.
type place struct {
	name    string // says all that makes it what it is: one whose rules were changed is another one
	tree    string // that it is watched as
	root    string
	trigger *Trigger // nil: a change of it asks for a build
	built   bool     // it goes into the image; otherwise the image has what there was when it was first seen
	bare    bool     // nothing of it is in the image: it is brought in as a whole
}

// places are those of a service.
func (w *watchPlan) places(service string) []place {
	var all []place
	for i := range w.develop.Triggers {
		t := &w.develop.Triggers[i]
		if t.Service != service || t.Action == types.WatchActionRestart {
			continue
		}
		all = append(all, place{name: fmt.Sprintf("%s %s → %s %q %q", t.Action, t.Path, t.Target, t.Include, t.Ignore), tree: t.Tree.Name, root: t.Path,
			trigger: t, built: t.built || t.Action == types.WatchActionRebuild, bare: t.InitialSync && syncs(t.Action)})
	}
	for _, tree := range w.trees {
		if slices.Contains(w.builds[service], tree.Name) && !w.kept[service] {
			all = append(all, place{name: "build " + tree.Root, tree: tree.Name, root: tree.Root, built: true})
		}
	}
	return all
}

// restarts are the trees of a service whose changes ask for no more than a restart.
func (w *watchPlan) restarts(service string) []string {
	var trees []string
	for i := range w.develop.Triggers {
		if t := &w.develop.Triggers[i]; t.Service == service && t.Action == types.WatchActionRestart {
			trees = append(trees, t.Tree.Name)
		}
	}
	if w.kept[service] {
		trees = append(trees, w.builds[service]...)
	}
	return trees
}

// early tells whether changes of a place can be brought in before an instance starts.
func (p *place) early() bool {
	return p.trigger != nil && (p.trigger.Action == types.WatchActionSync || p.trigger.Action == types.WatchActionSyncRestart)
}

// leavesOut tells whether a difference is none that anything is to be done about.
func (p *place) leavesOut(c watch.Change) bool {
	if c.Op == watch.Deleted {
		_, err := os.Lstat(c.Path)
		return err == nil // it is only ignored from now on
	}
	return p.bare && (c.Dir || slices.Contains(p.trigger.skip, filepath.Base(c.Path)))
}

// eyes are what a service is watched with; no watcher: it is not, or is left alone.
func (r *Reloader) eyes(service string) (*watchPlan, *watch.Watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watcher == nil || !r.watched[service] || r.lane(service).mode == ReloadOff {
		return nil, nil
	}
	return r.plan, r.watcher
}

// Brings tells whether files are to be brought into instances of services before these start.
func (r *Reloader) Brings(services []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plan != nil && slices.ContainsFunc(services, func(service string) bool {
		return slices.ContainsFunc(r.plan.places(service), func(p place) bool { return p.early() })
	})
}

// around carries an action out. An instance that starts has what was saved since it was made or last ran; of an image that is
// built it is noted what it is made of. A nil Reloader does nothing of its own.
func (r *Reloader) around(ctx context.Context, rt Runtime, a Action, in Instance, do func() ([]Observation, error)) ([]Observation, error) {
	if r == nil {
		return do()
	}
	switch {
	case a.Op == OpStart:
		r.prepare(ctx, rt, in)
	case a.Op == OpBuild && !a.Previous:
		plan, watcher := r.eyes(a.Service)
		if watcher == nil {
			break
		}
		made := contents(plan.places(a.Service), watcher, func(p place) bool { return p.built })
		seen, err := do()
		for _, o := range seen {
			if o.Resource != nil && o.Resource.Kind == ResourceImage && o.Resource.Resource.Key == a.Service {
				r.carried.holds(a.Service, o.Resource.Resource.ID, made, inherited(plan.places(a.Service)))
			}
		}
		return seen, err
	}
	return do()
}

// contents are what is in places now.
func contents(places []place, watcher *watch.Watcher, which func(place) bool) map[string]watch.Snapshot {
	all := map[string]watch.Snapshot{}
	for _, p := range places {
		if which(p) {
			all[p.name] = watcher.Snapshot(p.tree)
		}
	}
	return all
}

// inherited are the places that do not become others when an image is built.
func inherited(places []place) []string {
	var names []string
	for _, p := range places {
		if !p.built {
			names = append(names, p.name)
		}
	}
	return names
}

// assume takes the image of a service for made of what there is now: nothing of that is brought into its instances.
func (r *Reloader) assume(service, image string) {
	if plan, watcher := r.eyes(service); watcher != nil {
		r.carried.holds(service, image, contents(plan.places(service), watcher, func(place) bool { return true }), nil)
	}
}

// prepare brings files into an instance that is about to start. What cannot be brought now is when it runs.
func (r *Reloader) prepare(ctx context.Context, rt Runtime, in Instance) {
	plan, watcher := r.eyes(in.Service)
	syncer, ok := rt.(Syncer)
	if watcher == nil || !ok || in.Alive() || !r.mayPrepare(in.Service) {
		return
	}
	c := r.lacking(ctx, rt, in, plan, watcher, false, func(p place) bool { return p.early() })
	c.Sync = slices.DeleteFunc(c.Sync, func(f SyncFile) bool { // an instance that does not run keeps what it has
		_, err := os.Lstat(f.Source)
		return err != nil
	})
	if len(c.Sync) == 0 {
		return
	}
	noted := r.noted(c)
	if syncer.Sync(ctx, []string{in.ID}, c.Sync) != nil {
		return
	}
	noted.in(r.carried, in)
	r.mu.Lock()
	r.prepared[in.ID] = true
	r.mu.Unlock()
	e := r.entry(c)
	r.sup.Tell(ctx, in.Service, Event{Type: EventReload, Files: e.Files, Took: e.since(), Text: "synced before its start: " + e.what()})
}

// mayPrepare tells whether nobody has said that files are to wait, and nobody is bringing them in.
func (r *Reloader) mayPrepare(service string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lane(service)
	return !r.paused && l.mode == ReloadAuto && (l.now == nil || l.now.Build || !l.now.Restart)
}

// lacking is what an instance lacks of places, and what that asks for. What `initial_sync` asks for is brought in as a whole where
// nothing of it is there, or with anew; that alone asks for nothing more, as in Compose.
func (r *Reloader) lacking(ctx context.Context, rt Runtime, in Instance, plan *watchPlan, watcher *watch.Watcher, anew bool, of func(place) bool) Change {
	places := slices.DeleteFunc(plan.places(in.Service), func(p place) bool { return !of(p) })
	r.learn(ctx, rt, in, places, watcher)
	var all []watch.Change
	whole := map[string]watch.Snapshot{}
	for _, p := range places {
		if _, err := os.Stat(p.root); err != nil { // it may be a disk that is not there just now
			continue
		}
		has, now := r.carried.of(in, p.name, p.bare), watcher.Snapshot(p.tree)
		if p.bare && (anew || len(has) == 0) {
			whole[p.tree] = now
		}
		for _, c := range watch.Diff(has, now) {
			if p.leavesOut(c) || p.bare && len(has) == 0 {
				continue
			}
			c.Trees = []string{p.tree}
			all = append(all, c)
		}
	}
	c := plan.changeOf(in.Service, all)
	files := plan.develop.Initial(in.Service, func(tree string) watch.Snapshot { return whole[tree] })
	c.Sync = lastOfEach(append(files, c.Sync...))
	for _, f := range files {
		c.Files = append(c.Files, f.Source)
	}
	return c
}

// learn fills in what nothing is known of: an image that somebody else built has what is older than it.
func (r *Reloader) learn(ctx context.Context, rt Runtime, in Instance, places []place, watcher *watch.Watcher) {
	var names []string
	for _, p := range places {
		if !p.bare {
			names = append(names, p.name)
		}
	}
	if len(r.carried.lacks(in.Service, in.ImageID, names)) == 0 {
		return
	}
	r.carried.holds(in.Service, in.ImageID, nil, inherited(places))
	missing := r.carried.lacks(in.Service, in.ImageID, names)
	made := contents(places, watcher, func(p place) bool { return slices.Contains(missing, p.name) })
	dater, ok := rt.(Dater)
	if !ok {
		r.carried.holds(in.Service, in.ImageID, made, nil)
		return
	}
	at, err := dater.Dated(ctx, in.ImageID)
	for _, p := range places {
		if p.built && err == nil {
			maps.DeleteFunc(made[p.name], func(_ string, e watch.Entry) bool { return e.Kind == watch.File && time.Unix(0, e.Time).After(at) })
		}
	}
	r.carried.holds(in.Service, in.ImageID, made, nil)
}

// changeOf is what differences ask of one service.
func (w *watchPlan) changeOf(service string, differences []watch.Change) Change {
	now := time.Now()
	for _, c := range w.changes(watch.Batch{First: now, Changes: differences}) {
		if c.Service == service {
			return c
		}
	}
	return Change{Service: service, At: now}
}

// noted is what files were when they began to be brought somewhere, by place.
type noted map[string]notedPlace

type notedPlace struct {
	paths   []string
	entries watch.Snapshot
}

// noted looks at what is known of the files that a change brings.
func (r *Reloader) noted(c Change) noted {
	n := noted{}
	plan, watcher := r.eyes(c.Service)
	if watcher == nil {
		return n
	}
	for _, p := range plan.places(c.Service) {
		var paths []string
		for _, f := range c.Sync {
			if p.trigger != nil && syncs(p.trigger.Action) && within(p.root, f.Source) {
				paths = append(paths, f.Source)
			}
		}
		if len(paths) > 0 {
			n[p.name] = notedPlace{paths, watcher.Known(p.tree, paths)}
		}
	}
	return n
}

// in notes that the files have been brought into instances.
func (n noted) in(c *carried, instances ...Instance) {
	for _, in := range instances {
		for name, p := range n {
			c.brought(in, name, p.paths, p.entries)
		}
	}
}

// suspect asks for a look at services whose instances may have other files than those that there are. It does not block; a nil
// Reloader suspects nobody.
func (r *Reloader) suspect(services ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watcher == nil {
		return
	}
	for _, service := range services {
		if r.watched[service] {
			r.suspects[service] = true
		}
	}
	select {
	case r.suspected <- struct{}{}:
	default:
	}
}

// check looks at suspects until ctx ends.
func (r *Reloader) check(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.suspected:
		}
		r.mu.Lock()
		suspects := r.suspects
		r.suspects = map[string]bool{}
		var order []string
		if r.plan != nil {
			order = r.plan.project.Order
		}
		r.mu.Unlock()
		var changes []Change
		for _, service := range order {
			if c, differs := r.missed(ctx, service, suspects[service]); differs {
				changes = append(changes, c)
			}
		}
		if len(changes) > 0 && ctx.Err() == nil {
			r.Take(changes)
		}
	}
}

// missed tells what the running instances of a service lack.
func (r *Reloader) missed(ctx context.Context, service string, suspected bool) (Change, bool) {
	plan, watcher := r.eyes(service)
	if !suspected || watcher == nil || r.later(service) {
		return Change{}, false
	}
	seen := r.sup.glance(ctx, service)
	if _, ok := seen.runtime.(Syncer); !ok || seen.goal.Want != WantRunning || seen.failure != nil {
		return Change{}, false
	}
	r.carried.only(service, seen.instances)
	first := r.firstLook(service)
	all := Change{Service: service, At: time.Now()}
	for _, in := range seen.instances {
		if in.State != InstanceRunning || in.Attached != 0 {
			continue
		}
		r.mu.Lock()
		anew := first && !r.prepared[in.ID]
		r.mu.Unlock()
		all = all.with(r.lacking(ctx, seen.runtime, in, plan, watcher, anew, func(place) bool { return true }))
		if first { // from now on they are seen when they happen
			all = all.with(plan.changeOf(service, newer(in.StartedAt, plan.restarts(service), watcher)))
		}
	}
	all.Build = all.Build && r.firstTry(service)
	return all, all.Build || all.Restart || len(all.Sync)+len(all.Exec) > 0
}

// newer are the files of trees that were saved after a moment.
func newer(than time.Time, trees []string, watcher *watch.Watcher) []watch.Change {
	var changes []watch.Change
	for _, tree := range trees {
		for path, e := range watcher.Snapshot(tree) {
			if e.Kind == watch.File && time.Unix(0, e.Time).After(than) {
				changes = append(changes, watch.Change{Path: path, Op: watch.Modified, Trees: []string{tree}})
			}
		}
	}
	return changes
}

// later puts a look off that would see a reload half way.
func (r *Reloader) later(service string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lane(service)
	l.again = l.now != nil || l.next != nil
	return l.again
}

// firstLook tells whether a service is looked at for the first time since watching began.
func (r *Reloader) firstLook(service string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lane(service)
	looked := l.looked
	l.looked = true
	return !looked
}

// firstTry keeps a build that fails from being tried at each start of a service that starts again and again.
func (r *Reloader) firstTry(service string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lane(service)
	tried := l.tried
	l.tried = true
	return !tried
}
