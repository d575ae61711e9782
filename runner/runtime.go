package runner

import (
	"context"
	"io"
	"time"
)

// Runtime runs the services of one project in one place: containers of an engine, native processes, a cluster.
// It only does what it is told and tells what it sees; what is to be done is decided by Plan.
type Runtime interface {
	// Name is what users type for it: "docker", "process".
	Name() string
	// Watch looks once at all that exists of the project and emits it as a Snapshot, then emits every change until ctx
	// ends. When the connection is lost it emits Lost, comes back by itself (with a growing pause) and emits a fresh
	// Snapshot, so nothing is missed. It returns ctx's error, or the first look's error. emit is called from one
	// goroutine at a time and does not block for long.
	Watch(ctx context.Context, emit func(Observation)) error
	// Do carries out one action and returns when its effect exists, with what it changed as observations that hold from
	// now on (the new instance with its ID, the started instance as running, Gone for a removed one, the Resource that
	// was made or fetched), so that the next decision need not wait for Watch to tell the same. Doing an action twice is
	// no error (creating what exists, stopping what is stopped, removing what is gone). Errors are *Error where a user
	// can do something about them. report gets progress lines of long actions (pull, build) and may be nil.
	Do(ctx context.Context, a Action, report func(Progress)) ([]Observation, error)
	// Logs emits an instance's output from opts on, in order, until the instance ends (nil) or ctx ends.
	Logs(ctx context.Context, instance string, opts LogOptions, emit func(LogLine)) error
	// Probe runs the health test of an instance once, within its timeout. A nil error means healthy; the text is the
	// test's output either way.
	Probe(ctx context.Context, instance string) (output string, err error)
}

// StatsReader is a Runtime that measures its instances.
type StatsReader interface {
	// Stats emits a measurement of each running instance about every interval, until ctx ends.
	Stats(ctx context.Context, interval time.Duration, emit func(Stat)) error
}

// Execer is a Runtime that can run a command inside an instance.
type Execer interface {
	// Exec runs a command and returns its exit code once it has ended.
	Exec(ctx context.Context, instance string, spec ExecSpec) (int, error)
}

// Syncer is a Runtime that can bring files into its instances while they are there.
type Syncer interface {
	// Sync makes each of the files in each of the instances what it is on this machine: what is there is copied with its
	// permissions, what is not there is removed with all that is in it. A folder is copied without what is in it. All instances are served at once; one that is gone meanwhile is no error. Errors are *Error and name the
	// instance and the path.
	Sync(ctx context.Context, instances []string, files []SyncFile) error
}

// SyncFile is one path of this machine, and what it is in an instance.
type SyncFile struct {
	Source string // absolute
	Target string // absolute, with slashes
}

// Dater is a Runtime that can tell how old its images are.
type Dater interface {
	// Dated tells when an image, by its content id, was made or last given a name: what it was made of is no newer.
	Dated(ctx context.Context, image string) (time.Time, error)
}

// Pruner is a Runtime whose builds leave images behind.
type Pruner interface {
	// Prune removes the images of the project that have no name any more, but for those that a service can go back to. One that is in
	// use is no error.
	Prune(ctx context.Context) error
}

// Describer is a Runtime that can tell where it runs.
type Describer interface {
	// Describe tells the runtime's version and address, for the status line ("docker 20.10").
	Describe(ctx context.Context) (Description, error)
}

// Detailer is a Runtime that can tell more of its instances than is kept of them.
type Detailer interface {
	// Details tells of all instances of the project, by ID.
	Details(ctx context.Context) (map[string]Detail, error)
}

// Detail is what only lists show of an instance.
type Detail struct {
	Command      string            `json:"command,omitempty"` // in one line
	Labels       map[string]string `json:"labels,omitempty"`
	Mounts       []string          `json:"mounts,omitempty"` // names of volumes, and paths of this machine
	LocalVolumes int               `json:"localVolumes,omitempty"`
	Networks     []string          `json:"networks,omitempty"` // names
}

// Description of a runtime, for people.
type Description struct {
	Name    string `json:"name"`    // "docker"
	Version string `json:"version"` // "20.10.24"
	Address string `json:"address"` // "unix:///var/run/docker.sock"
}

// ExecSpec is a command to run inside an instance, with its streams.
type ExecSpec struct {
	Command []string
	Env     []string
	User    string
	Dir     string
	TTY     bool
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Resize  <-chan [2]int // columns, rows; nil without a terminal
}

// LogOptions bound what Logs emits.
type LogOptions struct {
	Since  time.Time // only lines after this moment; the zero value is no bound
	Tail   int       // only the last n lines of what is already there; negative is all
	Follow bool      // go on with new lines
}

// LogLine is one line that an instance wrote.
type LogLine struct {
	Time   time.Time
	Stderr bool
	Text   string // without its line break; as long as the service wrote it, up to MaxLine
	More   bool   // another LogLine that follows at once was read already: lets a collector work in batches
}

// MaxLine is the length in bytes at which a line without a break is cut into several.
const MaxLine = 256 << 10

// Stat is one measurement of an instance.
type Stat struct {
	Instance string
	CPU      float64 // cores: 0.5 is half of one core
	Memory   int64   // bytes, without what the kernel could drop (page cache)
}

// Progress is one line about a long action.
type Progress struct {
	Text    string // "pulling 3f2a…", "#7 RUN go build"
	Current int64  // bytes or steps done; 0 when unknown
	Total   int64
}

// InstanceState is what an instance does now, in the words of the Docker API.
type InstanceState string

// The states of an instance.
const (
	InstanceCreated    InstanceState = "created"
	InstanceRunning    InstanceState = "running"
	InstancePaused     InstanceState = "paused"
	InstanceRestarting InstanceState = "restarting"
	InstanceRemoving   InstanceState = "removing"
	InstanceExited     InstanceState = "exited"
	InstanceDead       InstanceState = "dead"
)

// Health is what the health test of an instance says.
type Health string

// The states of health. HealthNone is an instance without a health test.
const (
	HealthNone      Health = ""
	HealthStarting  Health = "starting"
	HealthHealthy   Health = "healthy"
	HealthUnhealthy Health = "unhealthy"
)

// Instance is one running, stopped or only created copy of a service: a container, a process group.
type Instance struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Service    string        `json:"service"`
	Number     int           `json:"number"` // from 1
	OneOff     bool          `json:"oneOff,omitempty"`
	Runtime    string        `json:"runtime"`
	State      InstanceState `json:"state"`
	Health     Health        `json:"health,omitempty"`
	HealthLog  string        `json:"healthLog,omitempty"` // last output of the health test
	ExitCode   int           `json:"exitCode"`
	OOMKilled  bool          `json:"oomKilled,omitempty"`
	Error      string        `json:"error,omitempty"` // why it could not start
	Restarts   int           `json:"restarts"`
	CreatedAt  time.Time     `json:"createdAt,omitzero"`
	StartedAt  time.Time     `json:"startedAt,omitzero"`
	FinishedAt time.Time     `json:"finishedAt,omitzero"`
	Hash       string        `json:"hash,omitempty"`    // config hash that it was made with
	Image      string        `json:"image,omitempty"`   // name of its image
	ImageID    string        `json:"imageID,omitempty"` // content id of its image when it was made
	Ports      []Port        `json:"ports,omitempty"`
	Networks   []string      `json:"networks,omitempty"`  // engine ids of the networks that it is connected to
	Attached   int           `json:"attached,omitempty"`  // the process that somebody has started to be it, or 0
	Addresses  []string      `json:"addresses,omitempty"` // its own IP addresses, where the host can reach them
	Seen       uint64        `json:"-"`                   // order of observation: of two observations of one instance, from Watch or Do, the higher is newer
}

// Alive tells whether the instance has a process now.
func (i Instance) Alive() bool {
	return i.State == InstanceRunning || i.State == InstancePaused || i.State == InstanceRestarting
}

// Port is one port that an instance offers.
type Port struct {
	HostIP   string `json:"hostIP,omitempty"`
	Host     int    `json:"host,omitempty"` // 0: not published
	Target   int    `json:"target"`
	Protocol string `json:"protocol"` // "tcp", "udp"
}

// Resource is a network, a volume or an image of the project that exists.
type Resource struct {
	Key  string `json:"key"`  // its name in the compose file; of an image, the service
	Name string `json:"name"` // its name in the engine
	ID   string `json:"id"`
	Hash string `json:"hash,omitempty"` // config hash that it was made with
}

// Observed is all that exists of a project in one runtime.
type Observed struct {
	Instances map[string]Instance // by ID
	Networks  map[string]Resource // by key
	Volumes   map[string]Resource // by key
	Images    map[string]Resource // by service: the image that a new instance would get, where it is there
}

// Observation is one thing that a runtime saw. Exactly one field is set.
type Observation struct {
	Snapshot *Observed       // all that exists now; replaces what was known
	Instance *Instance       // one instance is new or changed
	Gone     string          // the instance with this ID is no more
	Resource *ResourceChange // a network, volume or image is new, changed or gone
	Lost     error           // the connection is lost; what is known may be old until the next Snapshot
}

// ResourceChange tells that a network, a volume or the image of a service is there, or is gone.
type ResourceChange struct {
	Kind     ResourceKind
	Resource Resource
	Gone     bool // only Key is set in Resource
}

// ResourceKind is what a Resource is.
type ResourceKind string

// The kinds of resources.
const (
	ResourceNetwork ResourceKind = "network"
	ResourceVolume  ResourceKind = "volume"
	ResourceImage   ResourceKind = "image" // Key is the service; a pull emits one for every service of that image
)
