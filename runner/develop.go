package runner

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner/watch"
)

// Develop is what a project's `develop.watch` asks for (the Compose Develop Specification).
type Develop struct {
	Triggers []Trigger
	Warnings []Unwatched
}

// Unwatched is something that does not get into a service when it changes, and why, in a sentence.
type Unwatched struct {
	Service string
	Text    string
}

// Trigger is one entry of a service's `develop.watch`.
type Trigger struct {
	types.Trigger            // Path is absolute
	Service       string     //
	Place         string     // where it stands in the files, as "compose.yaml:14"
	Tree          watch.Tree // what is to be watched for it
	binds         []string   // paths of the host that the container sees already
	skip          []string   // names that an initial sync leaves out
	built         bool       // what it watches goes into the image when that is built
}

// Reaction is what is to be done in one service because files changed: sync first, then exec or restart; a rebuild brings a new
// instance, which needs no restart.
type Reaction struct {
	Service string
	Rebuild bool
	Sync    []SyncFile
	Restart bool
	Exec    []types.ServiceHook // in the order of the file, each once
	Changes []watch.Change      // that caused it, each once, by path
}

// Develop reads what `develop.watch` of the enabled services asks for. A trigger that can never do its work is an error.
func (p *Project) Develop() (*Develop, error) {
	d := &Develop{}
	for _, name := range p.Order {
		s := p.Compose.Services[name]
		if s.Develop == nil {
			continue
		}
		for i, t := range s.Develop.Watch {
			at := []string{"services", name, "develop", "watch", fmt.Sprint(i)}
			trigger := Trigger{Trigger: t, Service: name, Place: p.Place(at...)}
			if t.Action == types.WatchActionRebuild && s.Build == nil {
				e := p.src.fail(p.src.find(at...), "service %q is to be rebuilt when %s changes, but it has no `build`.", name, p.show(t.Path))
				e.Service, e.Hint = name, "Give it a `build`, or use the action `restart` or `sync`."
				return nil, e
			}
			trigger.settle(s, i)
			if trigger.mounted(t.Path) && (t.Action == types.WatchActionSync || t.Action == types.WatchActionSyncRestart) {
				d.Warnings = append(d.Warnings, Unwatched{name, fmt.Sprintf("%s: %s is mounted into %s, so its changes are there without being synced; it is not watched.",
					trigger.Place, p.show(t.Path), name)})
				continue
			}
			if syncs(t.Action) && inMemory(s, t.Target) {
				d.Warnings = append(d.Warnings, Unwatched{name, fmt.Sprintf("%s: a tmpfs is mounted at %s in %s, into which engines copy no files: what changes in %s does not get there.",
					trigger.Place, t.Target, name, p.show(t.Path))})
			}
			d.Triggers = append(d.Triggers, trigger)
		}
	}
	return d, nil
}

// show is a path as a user would write it: relative to the project where it is in there.
func (p *Project) show(name string) string {
	if rel, err := filepath.Rel(p.Dir, name); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return name
}

// syncs tells whether an action copies files.
func syncs(a types.WatchAction) bool {
	return a == types.WatchActionSync || a == types.WatchActionSyncRestart || a == types.WatchActionSyncExec
}

// settle derives what to watch for a trigger. Rules and their order are those of Compose, but for the folder .git: Compose means
// to leave it out and does not, because it looks for it at the root of the file system.
func (t *Trigger) settle(s types.ServiceConfig, number int) {
	t.Path = filepath.Clean(t.Path)
	t.Tree = watch.Tree{
		Name: fmt.Sprintf("develop/%s/%d", s.Name, number), Root: t.Path, Include: t.Include,
		Ignore: []watch.Rules{watch.EditorFiles(t.Path), {Dir: t.Path, Patterns: t.Ignore}},
	}
	t.skip = []string{
		"Dockerfile", "compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
		"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
	}
	t.built = inContext(s.Build, t.Path)
	if s.Build != nil {
		if filepath.IsAbs(s.Build.Context) {
			t.Tree.Ignore = append(t.Tree.Ignore, watch.DockerIgnore(s.Build.Context, s.Build.Dockerfile))
		}
		if s.Build.Dockerfile != "" {
			t.skip = append(t.skip, filepath.Base(s.Build.Dockerfile))
		}
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind {
			t.binds = append(t.binds, v.Source)
		}
	}
}

// inContext tells whether a build sees a path.
func inContext(b *types.BuildConfig, name string) bool {
	return b != nil && slices.ContainsFunc(append(slices.Collect(maps.Values(b.AdditionalContexts)), b.Context), func(dir string) bool { return within(dir, name) })
}

// inMemory tells whether a path in a container is kept in memory.
func inMemory(s types.ServiceConfig, target string) bool {
	for _, at := range s.Tmpfs {
		if at, _, _ = strings.Cut(at, ":"); within(at, target) {
			return true
		}
	}
	return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeTmpfs && within(v.Target, target)
	})
}

// within tells whether a path is a folder or in it.
func within(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rel)
}

// mounted tells whether the container sees a path of the host as it is.
func (t *Trigger) mounted(name string) bool {
	return slices.ContainsFunc(t.binds, func(source string) bool { return within(source, name) })
}

// target is where a path of the trigger is in the container. A single file whose target ends with a slash goes into that folder.
func (t *Trigger) target(name string, folder bool) string {
	rel, err := filepath.Rel(t.Path, name)
	if err != nil || rel == "." && !folder && strings.HasSuffix(t.Target, "/") {
		rel = filepath.Base(name)
	}
	return path.Join(t.Target, filepath.ToSlash(rel))
}

// Trees are all that is to be watched.
func (d *Develop) Trees() []watch.Tree {
	var trees []watch.Tree
	for _, t := range d.Triggers {
		trees = append(trees, t.Tree)
	}
	return trees
}

// React tells what is to be done after files changed, by service in the project's order; a service of which nothing is asked is
// not among them.
func (d *Develop) React(changes []watch.Change) []Reaction {
	var reactions []Reaction
	for _, t := range d.Triggers {
		var mine []watch.Change
		for _, c := range changes {
			if slices.Contains(c.Trees, t.Tree.Name) && !(c.Path == t.Path && c.Dir && c.Op != watch.Deleted) {
				mine = append(mine, c)
			}
		}
		if len(mine) == 0 {
			continue
		}
		i := slices.IndexFunc(reactions, func(r Reaction) bool { return r.Service == t.Service })
		if i < 0 {
			i = len(reactions)
			reactions = append(reactions, Reaction{Service: t.Service})
		}
		reactions[i].add(&t, mine)
	}
	for i := range reactions {
		reactions[i].settle()
	}
	return reactions
}

// add is one trigger's part.
func (r *Reaction) add(t *Trigger, changes []watch.Change) {
	r.Changes = append(r.Changes, changes...)
	switch t.Action {
	case types.WatchActionRebuild:
		r.Rebuild = true
	case types.WatchActionRestart, types.WatchActionSyncRestart:
		r.Restart = true
	case types.WatchActionSyncExec:
		r.Exec = append(r.Exec, t.Exec)
	}
	if !syncs(t.Action) {
		return
	}
	for _, c := range changes {
		if !t.mounted(c.Path) {
			r.Sync = append(r.Sync, SyncFile{Source: c.Path, Target: t.target(c.Path, c.Dir)})
		}
	}
}

// settle leaves each thing in it once: of several files for one target the last, as in Compose.
func (r *Reaction) settle() {
	r.Restart = r.Restart && !r.Rebuild
	slices.SortStableFunc(r.Changes, func(a, b watch.Change) int { return strings.Compare(a.Path, b.Path) })
	r.Changes = slices.CompactFunc(r.Changes, func(a, b watch.Change) bool { return a.Path == b.Path })
	r.Sync = lastOfEach(r.Sync)
}

func lastOfEach(files []SyncFile) []SyncFile {
	last := map[string]int{}
	for i, f := range files {
		last[f.Target] = i
	}
	var once []SyncFile
	for i, f := range files {
		if last[f.Target] == i {
			once = append(once, f)
		}
	}
	return once
}

// Initial is what `initial_sync` brings into the instances of a service when watching begins: all that its triggers watch, but
// for folders without files, Dockerfiles and compose files. snapshot tells what is in a tree now.
func (d *Develop) Initial(service string, snapshot func(tree string) watch.Snapshot) []SyncFile {
	var files []SyncFile
	for _, t := range d.Triggers {
		if t.Service != service || !t.InitialSync || !syncs(t.Action) {
			continue
		}
		for name, entry := range snapshot(t.Tree.Name) {
			if entry.Kind != watch.Folder && !slices.Contains(t.skip, filepath.Base(name)) && !t.mounted(name) {
				files = append(files, SyncFile{Source: name, Target: t.target(name, false)})
			}
		}
	}
	slices.SortStableFunc(files, func(a, b SyncFile) int { return strings.Compare(a.Source, b.Source) })
	return lastOfEach(files)
}
