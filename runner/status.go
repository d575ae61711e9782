package runner

import "time"

// ServiceState is what a service is, in one word, for people: what the screen's column and `ps` show.
type ServiceState string

// The states of a service, each with the sign that the screen shows before it.
const (
	StateReady     ServiceState = "ready"     // ● runs, and is healthy where it has a health test
	StateStarting  ServiceState = "starting"  // ◐ runs, not healthy yet; or is being pulled, built, created
	StateWaiting   ServiceState = "waiting"   // ◐ waits for another service, which Detail names
	StateStopped   ServiceState = "stopped"   // ○ does not run, as asked; or ended well (exit code 0)
	StateFailed    ServiceState = "failed"    // ✖ unhealthy, ended with an error, or could not be started
	StateReloading ServiceState = "reloading" // ⟳ a new version is on its way
)

// Status is all that is known of one service: what the session's state holds, the screen draws and `ps` prints.
type Status struct {
	Service   string       `json:"service"`
	Runtime   string       `json:"runtime,omitempty"`
	State     ServiceState `json:"state"`
	Detail    string       `json:"detail,omitempty"` // why: "waits for db: healthy", "exited 1, again in 4s", "healthy"
	Wanted    bool         `json:"wanted"`           // it was asked to run
	Orphan    bool         `json:"orphan,omitempty"` // not in the compose file
	Image     string       `json:"image,omitempty"`
	Since     time.Time    `json:"since,omitzero"` // when the oldest running instance started; zero when none runs
	Restarts  int          `json:"restarts"`
	CPU       *float64     `json:"cpu,omitempty"`    // cores, all instances together; nil: not measured
	Memory    *int64       `json:"memory,omitempty"` // bytes; nil: not measured
	Ports     []Port       `json:"ports,omitempty"`
	Last      string       `json:"last,omitempty"` // the last thing that happened to it
	LastAt    time.Time    `json:"lastAt,omitzero"`
	DependsOn []Dependency `json:"dependsOn,omitempty"`
	Instances []Instance   `json:"instances,omitempty"` // by number

	Reload *ReloadStatus `json:"reload,omitempty"` // nil: its files are not watched
}

// Dependency is one edge of the graph.
type Dependency struct {
	Service   string `json:"service"`
	Condition string `json:"condition"` // service_started, service_healthy, service_completed_successfully
	Required  bool   `json:"required"`
	Restart   bool   `json:"restart,omitempty"`
}
