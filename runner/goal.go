package runner

import "time"

// Want is what was asked of a service.
type Want string

// What can be asked of a service. WantNothing leaves it as it is.
const (
	WantNothing Want = ""
	WantRunning Want = "running"
	WantStopped Want = "stopped"
	WantGone    Want = "gone"
)

// Goal is what was asked of one service, and how to get there. It holds until the next command that names the service.
type Goal struct {
	Want     Want
	Scale    int             // instances, when running
	Recreate Recreate        // which instances to replace
	Renew    bool            // replaced instances get new anonymous volumes
	Pull     string          // always, missing, never; empty: the service's own policy
	Build    bool            // build even if the image is there
	NoBuild  bool            // never build
	NoDeps   bool            // do not wait for dependencies
	Timeout  *time.Duration  // grace period of stops; nil: the service's own
	Only     map[string]bool // stopped, gone: only these instances; nil: all
	Kill     bool            // end instances at once instead of stopping them
	Volumes  bool            // gone: with anonymous volumes
}

// Recreate says which instances `up` replaces by new ones.
type Recreate string

// The ways to recreate.
const (
	RecreateDiverged Recreate = ""       // those whose configuration, image or networks changed
	RecreateAlways   Recreate = "always" // all that were not made under this goal
	RecreateNever    Recreate = "never"
)

// Memory is what happened to a service since its goal was set; a new goal starts a new memory. It keeps a plan from doing
// twice what should be done once: a container that ended by itself is not started again by the plan.
type Memory struct {
	ImageDone bool            // the image was pulled or built, where that was asked for
	Made      map[string]bool // instances made under this goal
	New       map[string]bool // those of them that took nobody's place
	Begun     map[string]bool // instances that a start action of this goal started
	Started   map[string]bool // instances started, or found running, under this goal
	Cycle     map[string]bool // instances to stop and start once
	Failure   *Error          // why it cannot reach its goal
}

// NewMemory returns an empty memory.
func NewMemory() Memory {
	return Memory{Made: map[string]bool{}, New: map[string]bool{}, Begun: map[string]bool{}, Started: map[string]bool{}, Cycle: map[string]bool{}}
}

// Spec is what a plan needs to know of a service of the compose file.
type Spec struct {
	Name       string
	Runtime    string // the name of its Runtime
	Image      string // as written, or the name that its build gets
	NamedImage bool   // the file names its image; otherwise the name is made up for its build
	Build      bool   // has a build section
	Context    string // the folder or URL that it is built from
	PullPolicy string // always, missing, never, build, or empty
	Hash       string // Compose's config hash
	DependsOn  []Dependency
	After      []string // services whose instances must exist before one of this service is made
	Networks   []string // keys of the networks that it joins
	Volumes    []string // keys of the named volumes that it mounts
	Scale      int
	Swap       bool // a new version is started beside the old one, where its runtime can, and then takes its place
}

// Resources of the project that a plan makes and removes, by key. External ones are not among them.
type Resources struct {
	Networks map[string]string // key → config hash
	Volumes  map[string]string
}

// View is all that a plan is made from: what is asked, what is there, what is under way.
type View struct {
	Specs     []Spec              // the enabled services, dependencies first
	Resources Resources           //
	Goals     map[string]Goal     // by service; also of services that are no more in the file (orphans)
	Memories  map[string]Memory   // by service
	Seen      map[string]Observed // by runtime
	Healthy   map[string]bool     // instances that msdev's own probe found healthy since they started
	Busy      map[string]bool     // Action.ID of what is under way
	Stuck     map[string]bool     // Action.ID of what failed; it is not tried again before the next command
	Down      *Teardown           // set by a down of the whole project
}

// Teardown is what goes when all instances are gone.
type Teardown struct {
	Networks bool
	Volumes  bool
	Images   string // "", "local" (those that have no name of their own), "all"
}

// Decision is what a plan comes to.
type Decision struct {
	Actions []Action          // what can begin now; none of it is under way
	Waits   map[string]Wait   // why a service does not start yet
	Failed  map[string]*Error // services that cannot start because another one failed
	Skipped map[string]string // optional dependencies that failed and were passed over: service → sentence
}

// Wait is the condition that keeps a service from starting.
type Wait struct {
	Service   string // the one that it waits for
	Condition string // in words: "started", "healthy", "completed"
}
