package runner

import (
	"fmt"
	"time"
)

// Op is what an Action does.
type Op string

// The actions of a plan, in the order in which a service meets them.
const (
	OpPull          Op = "pull"           // fetch the image of Service
	OpBuild         Op = "build"          // build the image of Service
	OpCreateNetwork Op = "create-network" // Key
	OpCreateVolume  Op = "create-volume"  // Key
	OpCreate        Op = "create"         // instance Number of Service, not started; Replaces the instance of that id where set
	OpStart         Op = "start"          // Instance
	OpStop          Op = "stop"           // Instance: its stop signal, then kill after Timeout
	OpKill          Op = "kill"           // Instance: at once
	OpSignal        Op = "signal"         // Instance: Signal, whatever it makes of it
	OpRemove        Op = "remove"         // Instance; with Volumes its anonymous volumes too
	OpRemoveNetwork Op = "remove-network" // Key
	OpRemoveVolume  Op = "remove-volume"  // Key
	OpRemoveImage   Op = "remove-image"   // Service
	OpPause         Op = "pause"          // Instance
	OpUnpause       Op = "unpause"        // Instance
)

// Action is one step: plain data, made by Plan and carried out by a Runtime.
type Action struct {
	Op       Op             `json:"op"`
	Runtime  string         `json:"runtime"` // the name of the Runtime that does it
	Service  string         `json:"service,omitempty"`
	Number   int            `json:"number,omitempty"`
	Instance string         `json:"instance,omitempty"` // ID
	Name     string         `json:"name,omitempty"`     // name of the instance or resource, for people
	Key      string         `json:"key,omitempty"`      // of a network or volume in the compose file
	Replaces string         `json:"replaces,omitempty"` // ID of the instance that a create takes the place of: made beside it, the old one stopped and removed, then renamed
	Timeout  *time.Duration `json:"timeout,omitempty"`  // grace period of a stop; nil is the service's own
	Signal   string         `json:"signal,omitempty"`   // by name or number, as `stop_signal` has it
	Volumes  bool           `json:"volumes,omitempty"`  // remove: anonymous volumes too; create: renew anonymous volumes
	NoCache  bool           `json:"noCache,omitempty"`  // build
	Swap     bool           `json:"swap,omitempty"`     // create: start it beside the one that it Replaces, and give it the traffic once it is ready; then the old one ends
	Previous bool           `json:"previous,omitempty"` // build: go back to what the build before has made
	Reason   string         `json:"reason,omitempty"`   // why, in words ("configuration changed")
}

// ID names the thing that the action works on and what it does, so that one action is never under way twice.
func (a Action) ID() string {
	instance := a.Instance
	if a.Op == OpCreate {
		instance = a.Replaces
	}
	return fmt.Sprintf("%s/%s/%s/%d/%s/%s", a.Op, a.Runtime, a.Service, a.Number, instance, a.Key)
}

// String is the action as `up --dry-run` prints it.
func (a Action) String() string {
	what := a.Name
	switch {
	case what != "":
	case a.Key != "":
		what = a.Key
	case a.Number > 0:
		what = fmt.Sprintf("%s-%d", a.Service, a.Number)
	default:
		what = a.Service
	}
	s := fmt.Sprintf("%-15s %s", a.Op, what)
	if a.Reason != "" {
		s += "  (" + a.Reason + ")"
	}
	return s
}
