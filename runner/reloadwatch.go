package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner/watch"
)

// watchPlan is what is watched of a project, and for whom.
type watchPlan struct {
	project *Project
	develop *Develop
	builds  map[string][]string // by service: trees whose changes ask for a build
	kept    map[string]bool     // services of builds that nothing is built of: a restart brings what is new
	trees   []watch.Tree
	apart   string // see NewReloader
}

// projectTree is the name of the trees of the project's own files.
const projectTree = "project"

// Use follows a project that was read, or read again. of names each service's runtime.
func (r *Reloader) Use(p *Project, of func(service string) string) error {
	develop, err := p.Develop()
	if err != nil {
		return err
	}
	plan := &watchPlan{project: p, apart: r.apart, builds: map[string][]string{}, kept: map[string]bool{}}
	native := map[string]bool{}
	for _, name := range p.Order {
		native[name] = of(name) == Native
	}
	develop.Triggers = slices.DeleteFunc(develop.Triggers, func(t Trigger) bool { return native[t.Service] })
	develop.Warnings = slices.DeleteFunc(develop.Warnings, func(u Unwatched) bool { return native[u.Service] })
	plan.develop, plan.trees = develop, develop.Trees()
	for _, name := range p.Order {
		plan.sources(name, native[name])
	}
	plan.files()
	r.mu.Lock()
	r.dir, r.plan, r.needs, r.watched = p.Dir, plan, map[string][]string{}, map[string]bool{}
	for _, name := range p.Order { // dependencies first
		for _, d := range p.Dependencies(name) {
			r.needs[name] = union(append(r.needs[name], d.Service), r.needs[d.Service])
		}
		r.watched[name] = len(plan.builds[name]) > 0
		if setting := p.Services[name].Reload; setting == string(ReloadManual) || setting == string(ReloadOff) {
			r.lane(name).mode = ReloadMode(setting)
		}
	}
	for _, t := range develop.Triggers {
		r.watched[t.Service] = true
	}
	watcher := r.watcher
	r.mu.Unlock()
	if watcher == nil {
		return nil
	}
	r.warn(develop.Warnings)
	return watcher.Set(plan.trees)
}

// warn tells once, for as long as it is watched, what is not.
func (r *Reloader) warn(unwatched []Unwatched) {
	for _, u := range unwatched {
		r.mu.Lock()
		known := r.warned[u]
		r.warned[u] = true
		r.mu.Unlock()
		if !known {
			r.sup.Tell(context.Background(), u.Service, Event{Type: EventWarning, Text: u.Text})
		}
	}
}

// sources plans the folders that a service is built from: those of x-msdev.watch; for a process else where it is built,
// and what its Go module takes from beside itself.
func (w *watchPlan) sources(service string, native bool) {
	p, s := w.project, w.project.Compose.Services[service]
	settings := p.Services[service]
	roots := slices.Clone(settings.Watch.Paths)
	if len(roots) == 0 && native && !settings.Run.IsZero() && w.built(service) {
		folder := p.Folder(service)
		roots = append(roots, folder)
		roots = append(roots, besideModule(folder)...)
		if s.Build != nil {
			roots = append(roots, s.Build.Context)
			roots = append(roots, slices.Sorted(maps.Values(s.Build.AdditionalContexts))...)
		}
	}
	w.kept[service] = !native && s.Build == nil
	var seen []string
	for _, root := range roots {
		if !filepath.IsAbs(root) {
			root = filepath.Join(p.Dir, root)
		}
		if _, err := os.Stat(root); err != nil || slices.Contains(seen, root) { // a context may be an address
			continue
		}
		seen = append(seen, root)
		t := watch.Tree{Name: fmt.Sprintf("source/%s/%d", service, len(seen)), Root: root, GitIgnore: true,
			Ignore: []watch.Rules{watch.EditorFiles(root), watch.Clutter(root), {Dir: p.Dir, Patterns: settings.Watch.Ignore}, {Dir: root, Patterns: settings.Watch.Ignore}}}
		t.Ignore = append(t.Ignore, watch.Rules{Dir: p.Dir, Patterns: w.ownFiles()})
		t.Ignore = append(t.Ignore, w.data()...)
		if s.Build != nil && filepath.IsAbs(s.Build.Context) {
			t.Ignore = append(t.Ignore, watch.DockerIgnore(s.Build.Context, s.Build.Dockerfile))
		}
		for _, name := range p.Order {
			t.Ignore = append(t.Ignore, w.program(name)...)
		}
		w.trees = append(w.trees, t)
		w.builds[service] = append(w.builds[service], t.Name)
	}
}

// built tells whether a process is of something that is built or lies somewhere. What is only a command, run in the project's own
// folder, is not made of all that is saved there.
func (w *watchPlan) built(service string) bool {
	s, settings := w.project.Compose.Services[service], w.project.Services[service]
	return s.Build != nil || settings.Dir != "" || !settings.Build.IsZero()
}

// program leaves out the program that a service's build writes.
func (w *watchPlan) program(service string) []watch.Rules {
	settings, folder := w.project.Services[service], w.project.Folder(service)
	if settings.Build.IsZero() {
		return nil
	}
	words := append(strings.Fields(settings.Run.Line), settings.Run.Args...)
	if len(words) == 0 || !strings.Contains(words[0], "/") || strings.ContainsAny(words[0], "*?[") {
		return nil
	}
	rel, err := filepath.Rel(folder, filepath.Join(folder, words[0]))
	if err != nil || !filepath.IsLocal(rel) {
		return nil
	}
	return []watch.Rules{{Dir: folder, Patterns: []string{rel}}}
}

// data leaves out what msdev and the brokers inside it write while they run: the state folder, and folders of x-msdev.data.
func (w *watchPlan) data() []watch.Rules {
	folders := []string{w.apart}
	for _, name := range w.project.Order {
		if at := w.project.Services[name].Data; at != "" && at != "memory" {
			folders = append(folders, at)
		}
	}
	var rules []watch.Rules
	for _, at := range folders {
		if at == "" {
			continue
		}
		if !filepath.IsAbs(at) {
			at = filepath.Join(w.project.Dir, at)
		}
		if name := filepath.Base(at); !strings.ContainsAny(name, "*?[!") {
			rules = append(rules, watch.Rules{Dir: filepath.Dir(at), Patterns: []string{name}})
		}
	}
	return rules
}

// ownFiles are patterns for the compose files, which are watched for themselves.
func (w *watchPlan) ownFiles() []string {
	var patterns []string
	for _, path := range w.paths() {
		if rel, err := filepath.Rel(w.project.Dir, path); err == nil && filepath.IsLocal(rel) && !strings.ContainsAny(rel, "*?[!") {
			patterns = append(patterns, rel)
		}
	}
	return patterns
}

// paths are the project's own files: compose files and what they include, env files, configs and secrets.
func (w *watchPlan) paths() []string {
	p := w.project
	paths := slices.Concat(p.Files, p.EnvFiles, []string{filepath.Join(p.Dir, ".env")})
	for _, f := range p.src.files {
		paths = append(paths, f.path)
	}
	for _, s := range p.model.Services {
		for _, f := range s.EnvFiles {
			paths = append(paths, f.Path)
		}
	}
	for _, c := range p.Compose.Configs {
		paths = append(paths, c.File)
	}
	for _, c := range p.Compose.Secrets {
		paths = append(paths, c.File)
	}
	for i, path := range paths {
		if path != "" && !filepath.IsAbs(path) {
			paths[i] = filepath.Join(p.Dir, path)
		}
	}
	paths = slices.DeleteFunc(paths, func(path string) bool { return path == "" })
	slices.Sort(paths)
	return slices.Compact(paths)
}

// files plans the project's own files.
func (w *watchPlan) files() {
	for _, path := range w.paths() {
		w.trees = append(w.trees, watch.Tree{Name: projectTree, Root: path})
	}
}

// users are the services that see a config or secret of the project, whose file changed.
func (w *watchPlan) users(changes []watch.Change) []string {
	var names []string
	changed := func(file string) bool {
		if file != "" && !filepath.IsAbs(file) {
			file = filepath.Join(w.project.Dir, file)
		}
		return slices.ContainsFunc(changes, func(c watch.Change) bool { return c.Path == file })
	}
	for _, name := range w.project.Order {
		s := w.project.Compose.Services[name]
		for _, c := range s.Configs {
			if changed(w.project.Compose.Configs[c.Source].File) {
				names = append(names, name)
			}
		}
		for _, c := range s.Secrets {
			if changed(w.project.Compose.Secrets[c.Source].File) {
				names = append(names, name)
			}
		}
	}
	return slices.Compact(names)
}

// Watch watches the files until ctx ends. replan is called, one call at a time, when the project's own files changed, with the
// services whose configs or secrets are others now; it must not block for long.
func (r *Reloader) Watch(ctx context.Context, replan func(services []string)) error {
	r.mu.Lock()
	plan := r.plan
	r.mu.Unlock()
	watcher, err := watch.New(plan.trees, watch.Options{Warn: func(err error) { r.trouble(ctx, err) }})
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.watcher, r.problem = watcher, nil
	r.prepared, r.warned = map[string]bool{}, map[Unwatched]bool{}
	for _, l := range r.byName {
		l.looked, l.tried = false, false
	}
	r.mu.Unlock()
	r.changed()
	defer func() {
		r.mu.Lock()
		r.watcher = nil
		r.mu.Unlock()
		r.changed()
	}()
	r.warn(plan.develop.Warnings)
	r.suspect(plan.project.Order...)
	return watcher.Run(ctx, func(b watch.Batch) {
		r.mu.Lock()
		plan := r.plan
		r.mu.Unlock()
		if own := b.In(projectTree); len(own) > 0 {
			replan(plan.users(own))
		}
		r.Take(plan.changes(b))
	})
}

// trouble notes why changes are not seen at once.
func (r *Reloader) trouble(ctx context.Context, err error) {
	r.mu.Lock()
	r.problem = err
	r.mu.Unlock()
	e := Event{Type: EventWarning, Text: err.Error()}
	var known *watch.Error
	if errors.As(err, &known) {
		e.Text, e.Hint = known.Msg, known.Hint
	}
	r.sup.Tell(ctx, "", e)
}

// Prune has images removed, or not, that a build has taken the place of, but for the one before.
func (r *Reloader) Prune(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pruning = on
}

// clear removes what a build has left behind. What cannot be removed is in use, or is removed after the next build.
func (r *Reloader) clear(ctx context.Context, rt Runtime) {
	r.mu.Lock()
	on := r.pruning
	r.mu.Unlock()
	if pruner, ok := rt.(Pruner); ok && on {
		_ = pruner.Prune(ctx)
	}
}

// Watching tells whether files are watched, and what is wrong with that.
func (r *Reloader) Watching() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watcher != nil, r.problem
}

// changes are what a batch asks of services, in the project's order.
func (w *watchPlan) changes(b watch.Batch) []Change {
	byName := map[string]Change{}
	for _, reaction := range w.develop.React(b.Changes) {
		byName[reaction.Service] = Change{Files: pathsOf(reaction.Changes), Build: reaction.Rebuild, Restart: reaction.Restart, Sync: reaction.Sync, Exec: reaction.Exec}
	}
	for name, trees := range w.builds {
		for _, tree := range trees {
			if changed := pathsOf(b.In(tree)); len(changed) > 0 {
				byName[name] = byName[name].with(Change{Files: changed, Build: !w.kept[name], Restart: w.kept[name]})
			}
		}
	}
	var all []Change
	for _, name := range w.project.Order {
		if c, ok := byName[name]; ok {
			c.Service, c.At = name, b.First
			all = append(all, c)
		}
	}
	return all
}

func pathsOf(changes []watch.Change) []string {
	var files, folders []string
	for _, c := range changes {
		if c.Dir {
			folders = append(folders, c.Path)
			continue
		}
		files = append(files, c.Path)
	}
	if len(files) == 0 {
		return folders
	}
	return files
}

// sync brings files into the instances of a service that are there, and runs what is to be run after that.
func (r *Reloader) sync(ctx context.Context, c Change, seen sight) error {
	rt := seen.runtime
	syncer, ok := rt.(Syncer)
	if !ok {
		return &Error{Kind: ErrUsage, Service: c.Service, Msg: fmt.Sprintf("service %q runs in %s, into which no files are copied", c.Service, seen.spec.Runtime),
			Hint: "Use the action `restart` or `rebuild`."}
	}
	var ids []string
	for _, in := range seen.instances {
		ids = append(ids, in.ID)
	}
	if err := syncer.Sync(ctx, ids, c.Sync); err != nil {
		return err
	}
	for _, hook := range c.Exec {
		for _, in := range seen.instances {
			if err := r.exec(ctx, rt, in, hook); err != nil {
				return err
			}
		}
	}
	return nil
}

// exec runs a command in an instance; what it writes is the service's.
func (r *Reloader) exec(ctx context.Context, rt Runtime, in Instance, hook types.ServiceHook) error {
	execer, ok := rt.(Execer)
	if !ok || !in.Alive() {
		return nil
	}
	var out strings.Builder
	var env []string
	for key, value := range hook.Environment {
		if value != nil {
			env = append(env, key+"="+*value)
		}
	}
	slices.Sort(env)
	code, err := execer.Exec(ctx, in.ID, ExecSpec{Command: hook.Command, Env: env, User: hook.User, Dir: hook.WorkingDir, Stdout: &out, Stderr: &out})
	if err == nil && code != 0 {
		err = &Error{Kind: ErrFailed, Service: in.Service, Msg: fmt.Sprintf("service %q: the command `%s` ended with exit code %d: %s", in.Service, strings.Join(hook.Command, " "), code, lastLine(out.String())),
			Hint: "The files are there; the command is `exec` of its develop.watch."}
	}
	return err
}

// besideModule are the folders that a Go module takes from beside itself: the other modules of its workspace, and what it
// replaces by a folder.
func besideModule(folder string) []string {
	mod := above(folder, "go.mod")
	if mod == "" {
		return nil
	}
	var found []string
	if root := filepath.Dir(mod); root != folder { // the module itself
		found = append(found, root)
	}
	found = append(found, folders(mod, "replace", func(words []string) string {
		if i := slices.Index(words, "=>"); i >= 0 && i+1 < len(words) {
			return words[i+1]
		}
		return ""
	})...)
	if work := above(filepath.Dir(mod), "go.work"); work != "" && os.Getenv("GOWORK") != "off" {
		found = append(found, folders(work, "use", func(words []string) string { return words[0] })...)
	}
	return found
}

// above finds a file in a folder or one above it.
func above(folder, name string) string {
	for {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}

// folders are the relative paths that the directives of one kind name in a go.mod or go.work file, in one line or in a block.
func folders(file, directive string, name func(words []string) string) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var found []string
	block := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "//")
		words := strings.Fields(text)
		switch {
		case len(words) == 0:
			continue
		case block && words[0] == ")":
			block = false
			continue
		case !block && words[0] == directive:
			if words = words[1:]; len(words) == 0 || words[0] == "(" {
				block = true
				continue
			}
		case !block:
			continue
		}
		if path := strings.Trim(name(words), `"`); strings.HasPrefix(path, ".") {
			found = append(found, filepath.Join(filepath.Dir(file), path))
		}
	}
	return found
}
