package docker

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"msdev/runner"
)

// The pauses between attempts to reach an engine that was lost.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// parallel is how many questions are put to the engine at once.
const parallel = 16

// Watch tells what exists of the project and every change to it. It subscribes to the engine's events before it looks, so
// that nothing falls between the two.
func (r *Runtime) Watch(ctx context.Context, emit func(runner.Observation)) error {
	pause := firstPause
	for first := true; ; first = false {
		seen, err := r.watchOnce(ctx, emit)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case first && !seen:
			return r.explain(err, subject{})
		case seen:
			pause = firstPause
			emit(runner.Observation{Lost: engineError(r.address, err)})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// watcher is one subscription to the events of the engine.
type watcher struct {
	r       *Runtime
	emit    func(runner.Observation)
	images  map[string][]string // services by the name of their image
	current runner.Observed     // networks, volumes and images
	asked   map[string]bool     // containers being looked at; true: again, as something happened meanwhile
	looked  chan lookedAt       // answers
	limit   chan struct{}       // questions under way
	work    sync.WaitGroup      //
	gone    map[string]struct{} // containers that are no more, as long as this subscription lasts
}

type lookedAt struct {
	id  string
	in  runner.Instance
	err error
}

// watchOnce watches until the connection is lost; seen tells whether it came to a snapshot.
func (r *Runtime) watchOnce(ctx context.Context, emit func(runner.Observation)) (seen bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{
		r: r, emit: emit, asked: map[string]bool{}, gone: map[string]struct{}{},
		looked: make(chan lookedAt, parallel), limit: make(chan struct{}, parallel),
	}
	defer w.work.Wait()
	defer cancel()
	since := ""
	if r.local { // the same clock: also what happens between the engine's answer and its subscription
		now := time.Now()
		since = strconv.FormatInt(now.Unix(), 10) + "." + pad9(now.Nanosecond())
	}
	stream := r.api.Events(ctx, client.EventsListOptions{Since: since, Filters: eventFilter()})
	select {
	case err := <-stream.Err: // refused at once
		return false, err
	default:
	}
	if err := w.look(ctx); err != nil {
		return false, err
	}
	for {
		select {
		case e := <-stream.Messages:
			w.event(ctx, e)
		case done := <-r.again:
			err := w.look(ctx)
			close(done)
			if err != nil { // the next connection looks again
				return true, err
			}
		case l := <-w.looked:
			if err := w.answer(ctx, l); err != nil {
				return true, err
			}
		case err := <-stream.Err:
			if err == nil || errors.Is(err, io.EOF) {
				err = errors.New("the connection ended")
			}
			return true, err
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

func pad9(n int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", 9-len(s)) + s
}

// eventFilter asks for what changes what we show; the noise of health tests (exec_*) stays in the engine.
func eventFilter() client.Filters {
	return make(client.Filters).
		Add("type", "container", "network", "volume", "image").
		Add("event", "create", "start", "die", "pause", "unpause", "rename", "health_status", "destroy", "remove",
			"pull", "tag", "untag", "delete", "load", "import")
}

func (r *Runtime) servicesByImage() map[string][]string {
	images := map[string][]string{}
	for name, s := range r.project().Compose.Services {
		ref := imageName(r.project().Name, s)
		images[ref] = append(images[ref], name)
	}
	return images
}

func (w *watcher) event(ctx context.Context, e events.Message) {
	switch e.Type {
	case events.ContainerEventType:
		if e.Actor.Attributes[labelProject] == w.r.project().Name && e.Actor.Attributes[labelRelay] == "" {
			w.container(ctx, e)
		}
	case events.NetworkEventType:
		w.resource(ctx, runner.ResourceNetwork, e)
	case events.VolumeEventType:
		w.resource(ctx, runner.ResourceVolume, e)
	case events.ImageEventType:
		w.image(ctx, e)
	}
}

// container takes in one event of a container of the project. What the event itself tells needs no further question.
func (w *watcher) container(ctx context.Context, e events.Message) {
	id := e.Actor.ID
	if _, gone := w.gone[id]; gone {
		return
	}
	if e.Action == events.ActionDestroy {
		w.vanished(id)
		return
	}
	if _, busy := w.asked[id]; busy {
		w.asked[id] = true
		return
	}
	t, known := w.r.known.get(id)
	switch {
	case e.Action == events.ActionCreate && !known:
		in := w.r.known.put(createdFrom(id, e.Actor.Attributes, time.Unix(0, e.TimeNano)))
		w.emit(runner.Observation{Instance: &in})
	case e.Action == events.ActionCreate:
		w.tell(id, func(*tracked) {})
	case e.Action == events.ActionHealthStatusHealthy && t.instance.State == runner.InstanceRunning:
		w.tell(id, func(t *tracked) { t.instance.Health, t.instance.HealthLog = runner.HealthHealthy, "" })
	case e.Action == events.ActionPause && known:
		w.tell(id, func(t *tracked) { t.instance.State = runner.InstancePaused })
	case e.Action == events.ActionUnPause && known:
		w.tell(id, func(t *tracked) { t.instance.State = runner.InstanceRunning })
	case e.Action == events.ActionRename && known:
		w.tell(id, func(t *tracked) { t.instance.Name = strings.TrimPrefix(e.Actor.Attributes["name"], "/") })
	default:
		w.ask(ctx, id)
	}
}

// tell changes what is known of an instance, and emits it.
func (w *watcher) tell(id string, f func(*tracked)) {
	if in, ok := w.r.known.change(id, f); ok {
		w.emit(runner.Observation{Instance: &in})
	}
}

func (w *watcher) vanished(id string) {
	w.gone[id] = struct{}{}
	w.r.known.forget(id)
	w.emit(runner.Observation{Gone: id})
}

// ask looks at a container beside the loop. A burst of events comes to one look, and one more at its end.
func (w *watcher) ask(ctx context.Context, id string) {
	w.asked[id] = false
	w.work.Go(func() {
		select {
		case w.limit <- struct{}{}:
		case <-ctx.Done():
			return
		}
		in, err := w.r.look(ctx, id)
		<-w.limit
		select {
		case w.looked <- lookedAt{id, in, err}:
		case <-ctx.Done():
		}
	})
}

// answer takes in what a look found. A container that is gone by then is told by its own event.
func (w *watcher) answer(ctx context.Context, l lookedAt) error {
	again := w.asked[l.id]
	delete(w.asked, l.id)
	if _, gone := w.gone[l.id]; gone {
		w.r.known.forget(l.id)
		return nil
	}
	if l.err != nil {
		if errdefs.IsNotFound(l.err) {
			w.vanished(l.id)
			return nil
		}
		return l.err
	}
	w.emit(runner.Observation{Instance: &l.in})
	if again {
		w.ask(ctx, l.id)
	}
	return nil
}

// resource takes in that a network or volume came or went.
func (w *watcher) resource(ctx context.Context, kind runner.ResourceKind, e events.Message) {
	have, name := w.current.Networks, e.Actor.Attributes["name"]
	if kind == runner.ResourceVolume {
		have, name = w.current.Volumes, e.Actor.ID
	}
	if e.Action == events.ActionCreate {
		res, ok := w.r.lookAtResource(ctx, kind, name, e.Actor.ID)
		if ok && have[res.Key] != res {
			have[res.Key] = res
			w.emit(runner.Observation{Resource: &runner.ResourceChange{Kind: kind, Resource: res}})
		}
		return
	}
	for key, res := range have {
		if res.ID == e.Actor.ID {
			delete(have, key)
			w.emit(runner.Observation{Resource: &runner.ResourceChange{Kind: kind, Resource: runner.Resource{Key: key}, Gone: true}})
		}
	}
}

// image takes in that an image came, changed its name or went: those of the project that it may be are asked for again.
func (w *watcher) image(ctx context.Context, e events.Message) {
	for ref, services := range w.images {
		if !w.concerns(e, ref, services) {
			continue
		}
		w.r.images.forget(ref)
		img, err := w.r.images.get(ctx, ref)
		if err != nil {
			continue // the stream ends as well if the engine is gone
		}
		for _, change := range w.r.imageChanges(ref, img) {
			old, had := w.current.Images[change.Resource.Key]
			switch {
			case change.Gone && !had, !change.Gone && had && old == change.Resource:
				continue
			case change.Gone:
				delete(w.current.Images, change.Resource.Key)
			default:
				w.current.Images[change.Resource.Key] = change.Resource
			}
			w.emit(runner.Observation{Resource: &change})
		}
	}
}

func (w *watcher) concerns(e events.Message, ref string, services []string) bool {
	if sameImage(ref, e.Actor.ID) || sameImage(ref, e.Actor.Attributes["name"]) {
		return true
	}
	return w.current.Images[services[0]].ID == e.Actor.ID
}

// lookAtAll asks for all that exists of the project.
func (r *Runtime) lookAtAll(ctx context.Context) (runner.Observed, error) {
	o := runner.Observed{Instances: map[string]runner.Instance{}, Images: map[string]runner.Resource{}}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { o.Networks, err = r.lookAtNetworks(ctx); return err })
	group.Go(func() (err error) { o.Volumes, err = r.lookAtVolumes(ctx); return err })
	group.Go(func() (err error) { o.Instances, err = r.lookAtContainers(ctx); return err })
	group.Go(func() (err error) { o.Images, err = r.lookAtImages(ctx); return err })
	return o, group.Wait()
}

func (r *Runtime) lookAtContainers(ctx context.Context) (map[string]runner.Instance, error) {
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelProject+"="+r.project().Name),
	})
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	instances := map[string]runner.Instance{}
	there := map[string]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, c := range list.Items {
		if c.Labels[labelRelay] != "" {
			continue
		}
		there[c.ID] = true
		if c.State == "created" {
			mu.Lock()
			instances[c.ID] = r.known.put(summaryOf(c))
			mu.Unlock()
			continue
		}
		group.Go(func() error {
			in, err := r.look(ctx, c.ID)
			if errdefs.IsNotFound(err) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			instances[c.ID] = in
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	r.known.keep(func(id string) bool { return there[id] })
	return instances, nil
}

func (r *Runtime) lookAtImages(ctx context.Context) (map[string]runner.Resource, error) {
	var mu sync.Mutex
	images := map[string]runner.Resource{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for ref := range r.servicesByImage() {
		group.Go(func() error {
			img, err := r.images.get(ctx, ref)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, c := range r.imageChanges(ref, img) {
				if !c.Gone {
					images[c.Resource.Key] = c.Resource
				}
			}
			return nil
		})
	}
	return images, group.Wait()
}

// imageChanges tells what an image is for each of the services that use it.
func (r *Runtime) imageChanges(ref string, img localImage) []runner.ResourceChange {
	var changes []runner.ResourceChange
	for _, service := range r.servicesByImage()[ref] {
		c := runner.ResourceChange{Kind: runner.ResourceImage, Resource: runner.Resource{Key: service}, Gone: img.id == ""}
		if !c.Gone {
			c.Resource.Name, c.Resource.ID = ref, img.id
		}
		changes = append(changes, c)
	}
	return changes
}
