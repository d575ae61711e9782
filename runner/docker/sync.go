package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"msdev/runner"
)

var _ runner.Syncer = (*Runtime)(nil)

// Sync makes files in containers what they are here. As in Compose they keep their permissions, and belong to the user that the
// container runs as; where the file and its image name none, they keep the numbers of their owners.
func (r *Runtime) Sync(ctx context.Context, instances []string, files []runner.SyncFile) error {
	load, err := newCargo(files)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make([]error, len(instances))
	for i, id := range instances {
		all.Go(func() { errs[i] = r.syncInto(ctx, id, load) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// syncInto serves one container.
func (r *Runtime) syncInto(ctx context.Context, id string, load *cargo) error {
	about := subject{what: "container", name: id[:min(12, len(id))]}
	t, err := r.of(ctx, id)
	if err == nil {
		about = subject{service: t.instance.Service, what: "container", name: t.instance.Name}
		err = r.removePaths(ctx, id, load.gone)
	}
	if err == nil && len(load.items) > 0 {
		err = r.copyInto(ctx, id, load.items)
	}
	if err == nil {
		return nil
	}
	state := r.stateOf(ctx, id)
	if state == runner.InstanceRunning && dying.MatchString(err.Error()) {
		state = runner.InstanceExited
	}
	switch state {
	case "", runner.InstanceRemoving, runner.InstanceDead:
		return nil
	case runner.InstanceCreated, runner.InstanceExited:
		if ctx.Err() == nil && len(load.gone) > 0 {
			return &runner.Error{Kind: runner.ErrFailed, Service: about.service, Err: err, Hint: "Start it first.",
				Msg: fmt.Sprintf("%s: %s cannot be removed in its container %s, because it does not run.", about, some(load.gone), about.name)}
		}
	}
	return r.syncError(ctx, err, about)
}

// copyInto copies files into a container in one archive, and in another one where the engine does not take the first.
func (r *Runtime) copyInto(ctx context.Context, id string, items []item) error {
	options := client.CopyToContainerOptions{DestinationPath: "/", CopyUIDGID: true}
	err := r.put(ctx, id, items, options)
	if err != nil && nobody.MatchString(err.Error()) {
		by, failed := r.ownerIn(ctx, id)
		if failed != nil {
			return failed
		}
		items, options.CopyUIDGID = owned(items, by), false
		err = r.put(ctx, id, items, options)
	}
	if conflicts(err) {
		options.AllowOverwriteDirWithFile = true // or a folder where a file was
		err = r.put(ctx, id, r.withoutLinked(ctx, id, items), options)
	}
	return err
}

// put sends files as one archive.
func (r *Runtime) put(ctx context.Context, id string, items []item, options client.CopyToContainerOptions) error {
	archive, to := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeArchive(to, items)
		_ = to.CloseWithError(err)
		written <- err
	}()
	options.Content = archive
	_, err := r.api.CopyToContainer(ctx, id, options)
	_ = archive.CloseWithError(io.ErrClosedPipe) // what the engine did not read is not written
	if failed := <-written; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		return failed // what the engine says of an archive that ends too soon helps nobody
	}
	return err
}

// conflicts tells whether the engine refused to put a folder where something else is, or the other way round.
func conflicts(err error) bool {
	return err != nil && strings.Contains(err.Error(), "cannot overwrite")
}

// withoutLinked leaves out the folders that are links to folders in the container: the files in them go where the links lead.
func (r *Runtime) withoutLinked(ctx context.Context, id string, items []item) []item {
	return slices.DeleteFunc(slices.Clone(items), func(it item) bool { return it.folder() && r.linked(ctx, id, it.target) })
}

// linked tells whether a path in a container is a link that leads to a folder.
func (r *Runtime) linked(ctx context.Context, id, path string) bool {
	stat := func(path string) (client.ContainerStatPathResult, error) {
		return r.api.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: path})
	}
	res, err := stat(path)
	if err != nil || res.Stat.LinkTarget == "" {
		return false // an engine fails where something on the way is no folder
	}
	_, err = stat(path + "/.") // only folders are
	return err == nil
}

// dying is what engines say of a command in a container that ends just now.
var dying = regexp.MustCompile(`read init-p|init process is not running|in a stopped state|container .* is not running`)

// stateOf is what a container does now; empty where there is none.
func (r *Runtime) stateOf(ctx context.Context, id string) runner.InstanceState {
	res, err := r.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return ""
	case err != nil || res.Container.State == nil:
		return runner.InstanceRunning // the error that is there already says more
	}
	return runner.InstanceState(res.Container.State.Status)
}

var (
	fullAt     = regexp.MustCompile(`(/\S*): no space left on device`)
	noRoomAt   = regexp.MustCompile(`(/\S*): (?:disk quota exceeded|file too large)`)
	readOnly   = regexp.MustCompile(`rootfs is marked read-only|read-only file system`)
	overwrites = regexp.MustCompile(`cannot overwrite (?:non-)?directory "([^"]+)"|(/\S*): not a directory`)
)

// syncError says why files could not be brought into a container.
func (r *Runtime) syncError(ctx context.Context, err error, about subject) error {
	var known *runner.Error
	if errors.As(err, &known) {
		if known.Service == "" {
			known.Service, known.Msg = about.service, about.String()+": "+known.Msg
		}
		return known
	}
	if ctx.Err() != nil {
		return err
	}
	text := oneLine(err.Error())
	e := &runner.Error{Kind: runner.ErrFailed, Service: about.service, Err: err}
	full := match(fullAt, text)
	if full == "" {
		full = match(noRoomAt, text)
	}
	switch {
	case full != "":
		e.Msg = fmt.Sprintf("%s: there is no room for %s in its container %s.", about, full, about.name)
		e.Hint = "Make room in its volume, or on the disk of the engine: `docker system df` shows what takes the space."
	case readOnly.MatchString(text):
		e.Msg = fmt.Sprintf("%s: nothing can be synced into its container %s, because its file system is read-only.", about, about.name)
		e.Hint = "Leave `read_only` out while you develop, or mount the folder instead of syncing it."
	case overwrites.MatchString(text):
		e.Msg = fmt.Sprintf("%s: %s cannot be made in its container %s: on the way to it a file is where a folder is to be, or the other way round.", about, match(overwrites, text), about.name)
		e.Hint = "Check the `target` in `develop.watch`, or rebuild the service."
	default:
		return r.explain(err, about)
	}
	return e
}

// cargo is what goes into a container.
type cargo struct {
	items []item   // folders before what is in them
	gone  []string // targets that are not there any more
}

// newCargo looks at what the files are now.
func newCargo(files []runner.SyncFile) (*cargo, error) {
	load := &cargo{}
	for _, f := range files {
		it, there, err := newItem(f)
		if err != nil {
			return nil, err
		}
		if !there {
			load.gone = append(load.gone, f.Target)
		} else if it.header != nil {
			load.items = append(load.items, it)
		}
	}
	slices.SortStableFunc(load.items, func(a, b item) int { return strings.Compare(a.target, b.target) })
	slices.Sort(load.gone)
	load.gone = topmost(load.gone)
	return load, nil
}

// topmost leaves out of sorted paths those that are below another one.
func topmost(paths []string) []string {
	var top []string
	inside := map[string]bool{}
	for _, p := range paths {
		covered := false
		for at := p; len(at) > 1 && !covered; at = at[:max(1, strings.LastIndexByte(at, '/'))] {
			covered = inside[at]
		}
		if !covered {
			inside[p] = true
			top = append(top, p)
		}
	}
	return top
}
