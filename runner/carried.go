package runner

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"msdev/runner/watch"
)

// carried knows which version of the watched files is in what runs: an image has what was there when it was built, and an
// instance what its image has and what was brought into it since. It outlives the session as a file, so that the next one brings
// in what was saved in between. What it does not know costs no more than files that are brought twice.
type carried struct {
	path    string
	touched chan struct{} // holds one token when the file is older than what is known

	mu    sync.Mutex
	state carriedState
}

// carriedState is the content of the file.
type carriedState struct {
	Images    map[string]*carriedImage    `json:"images,omitempty"`    // by imageOf
	Instances map[string]*carriedInstance `json:"instances,omitempty"` // by ID
}

type carriedImage struct {
	Service string                    `json:"service"`
	Files   map[string]watch.Snapshot `json:"files"` // by place
}

type carriedInstance struct {
	Service string `json:"service"`
	Image   string `json:"image"` // see imageOf
	// Brought is what has been brought in, by place and path. Of what was removed there is an entry without a kind.
	Brought map[string]map[string]watch.Entry `json:"brought,omitempty"`
}

// savedAfter is how long knowledge may be newer than its file.
const savedAfter = 500 * time.Millisecond

func newCarried(dir string) *carried {
	c := &carried{touched: make(chan struct{}, 1)}
	if dir != "" {
		c.path = filepath.Join(dir, "carried.json")
		if text, err := os.ReadFile(c.path); err == nil && json.Unmarshal(text, &c.state) != nil {
			c.state = carriedState{} // a file that cannot be read tells of nothing
		}
	}
	if c.state.Images == nil {
		c.state.Images = map[string]*carriedImage{}
	}
	if c.state.Instances == nil {
		c.state.Instances = map[string]*carriedInstance{}
	}
	return c
}

// run keeps the file until ctx ends.
func (c *carried) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.touched:
		}
		select {
		case <-ctx.Done():
		case <-time.After(savedAfter):
		}
		c.save()
	}
}

// save replaces the file as a whole. One that cannot be written costs files that are brought twice.
func (c *carried) save() {
	c.mu.Lock()
	text, err := json.Marshal(c.state)
	c.mu.Unlock()
	if err != nil || c.path == "" || os.MkdirAll(filepath.Dir(c.path), 0o700) != nil || os.WriteFile(c.path+".part", text, 0o600) != nil {
		return
	}
	_ = os.Rename(c.path+".part", c.path)
}

// touch notes that the file is to be written. c.mu is held.
func (c *carried) touch() {
	select {
	case c.touched <- struct{}{}:
	default:
	}
}

// imageOf names an image as one service uses it.
func imageOf(service, image string) string { return service + " " + image }

// holds notes what an image has of the places that are named, and that of inherited ones it has what images of the service had
// before. Images that nothing is made of any more are forgotten.
func (c *carried) holds(service, image string, files map[string]watch.Snapshot, inherited []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := imageOf(service, image)
	now := &carriedImage{Service: service, Files: map[string]watch.Snapshot{}}
	used := map[string]bool{name: true}
	for _, in := range c.state.Instances {
		used[in.Image] = true
	}
	for other, had := range c.state.Images {
		if had.Service != service {
			continue
		}
		for place, snapshot := range had.Files {
			if other == name || now.Files[place] == nil && slices.Contains(inherited, place) {
				now.Files[place] = snapshot
			}
		}
		if !used[other] {
			delete(c.state.Images, other)
		}
	}
	maps.Copy(now.Files, files)
	c.state.Images[name] = now
	c.touch()
}

// lacks tells which of some places nothing is known of in an image.
func (c *carried) lacks(service, image string, places []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.state.Images[imageOf(service, image)]
	var missing []string
	for _, place := range places {
		if known == nil || known.Files[place] == nil {
			missing = append(missing, place)
		}
	}
	return missing
}

// of is what an instance has of a place. bare: its image has nothing of it.
func (c *carried) of(in Instance, place string, bare bool) watch.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	has := watch.Snapshot{}
	if image := c.state.Images[imageOf(in.Service, in.ImageID)]; image != nil && !bare {
		maps.Copy(has, image.Files[place])
	}
	if known := c.state.Instances[in.ID]; known != nil {
		for path, entry := range known.Brought[place] {
			if has[path] = entry; entry.Kind == "" {
				delete(has, path)
			}
		}
	}
	return has
}

// brought notes that some paths of a place are in an instance what they were here.
func (c *carried) brought(in Instance, place string, paths []string, was watch.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	files := c.instance(in).Brought
	if files[place] == nil {
		files[place] = map[string]watch.Entry{}
	}
	for _, path := range paths {
		files[place][path] = was[path] // without a kind where it was not there
	}
	c.touch()
}

// instance is what is known of an instance. c.mu is held.
func (c *carried) instance(in Instance) *carriedInstance {
	known := c.state.Instances[in.ID]
	if known == nil {
		known = &carriedInstance{Service: in.Service, Image: imageOf(in.Service, in.ImageID), Brought: map[string]map[string]watch.Entry{}}
		c.state.Instances[in.ID] = known
	}
	if known.Brought == nil {
		known.Brought = map[string]map[string]watch.Entry{}
	}
	return known
}

// only forgets the instances of a service that are not there any more.
func (c *carried) only(service string, there []Instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stays := map[string]bool{}
	for _, in := range there {
		stays[in.ID] = true
	}
	for id, known := range c.state.Instances {
		if known.Service == service && !stays[id] {
			delete(c.state.Instances, id)
			c.touch()
		}
	}
}
