// Package session owns one project while it is worked on: its supervisor, its journal, its runtimes, and the control
// socket that is the only door to them. The screen, the line printer and every verb are clients of that door.
package session

import (
	"time"

	"msdev/runner"
)

// Verb names a Command.
type Verb string

// The commands that a session carries out.
const (
	VerbUp      Verb = "up"      // make Services (none: all) and what they need run
	VerbDown    Verb = "down"    // stop and remove everything, or only Services; then the session ends
	VerbStart   Verb = "start"   // start stopped instances
	VerbStop    Verb = "stop"    // stop instances, keep them
	VerbRestart Verb = "restart" // stop and start
	VerbKill    Verb = "kill"    // kill at once
	VerbSignal  Verb = "signal"  // send Signal to instances that run
	VerbPause   Verb = "pause"
	VerbUnpause Verb = "unpause"
	VerbWatch   Verb = "watch" // what becomes of changed files: see Watch
	VerbLogs    Verb = "logs"  // return once the output from before the session is in the journal
	VerbQuit    Verb = "quit"  // end the session, leaving containers as they are
)

// Command is one thing that a client asks for: what a key or a verb turns into.
type Command struct {
	Verb     Verb           `json:"verb"`
	Services []string       `json:"services,omitempty"` // none: all
	Up       UpOptions      `json:"up,omitzero"`
	Down     DownOptions    `json:"down,omitzero"`
	Timeout  *time.Duration `json:"timeout,omitempty"` // grace period for stops; nil is each service's own
	NoDeps   bool           `json:"noDeps,omitempty"`  // up, start, restart: do not start, and do not wait for, dependencies

	Signal   string    `json:"signal,omitempty"`   // signal: its name or number
	Watch    WatchMode `json:"watch,omitempty"`    // watch
	Prune    bool      `json:"prune,omitempty"`    // watch, on: remove images that rebuilds have taken the place of
	Previous bool      `json:"previous,omitempty"` // restart: with the version from before the last reload

	// Load has an up read the project with these options instead of those that the session was started with.
	Load *runner.LoadOptions `json:"load,omitempty"`
}

// WatchMode is what a VerbWatch asks for.
type WatchMode string

// What can be asked of watching. Without services it is for all of them.
const (
	WatchOn     WatchMode = "on"     // watch the files of the project
	WatchOff    WatchMode = "off"    // no more
	WatchPause  WatchMode = "pause"  // note what changes, and do nothing about it
	WatchResume WatchMode = "resume" // do it now, and what changes from now on
	WatchAuto   WatchMode = "auto"   // Services reload when files are saved
	WatchManual WatchMode = "manual" // Services reload when somebody says so
	WatchNow    WatchMode = "now"    // reload Services now; returns when that is done
)

// UpOptions are the flags of `up`.
type UpOptions struct {
	Wait          bool           `json:"wait,omitempty"`        // return when everything runs and is healthy, not when it was started
	WaitTimeout   time.Duration  `json:"waitTimeout,omitempty"` // 0: none
	Build         bool           `json:"build,omitempty"`
	NoBuild       bool           `json:"noBuild,omitempty"`
	Pull          string         `json:"pull,omitempty"` // always, missing, never, or empty for each service's own policy
	ForceRecreate bool           `json:"forceRecreate,omitempty"`
	NoRecreate    bool           `json:"noRecreate,omitempty"`
	RecreateDeps  bool           `json:"recreateDeps,omitempty"` // --always-recreate-deps
	RenewVolumes  bool           `json:"renewVolumes,omitempty"` // replaced instances get new anonymous volumes
	RemoveOrphans bool           `json:"removeOrphans,omitempty"`
	Scale         map[string]int `json:"scale,omitempty"`
	Rollback      bool           `json:"rollback,omitempty"` // when it fails, remove what this command made (up without -d)
	Linger        bool           `json:"linger,omitempty"`   // the session stays until it is told to end (up without -d)
	Watch         bool           `json:"watch,omitempty"`    // watch files from now on, and reload what changes
	DryRun        bool           `json:"dryRun,omitempty"`   // Result.Plan tells what would be done; nothing is
}

// DownOptions are the flags of `down`.
type DownOptions struct {
	Volumes       bool   `json:"volumes,omitempty"`
	Images        string `json:"images,omitempty"` // "", "local", "all"
	RemoveOrphans bool   `json:"removeOrphans,omitempty"`
	Stay          bool   `json:"stay,omitempty"` // the session does not end: the client reads what happened, then quits
}

// Result is what a command came to.
type Result struct {
	Plan    []runner.Action `json:"plan,omitempty"`
	Changed []string        `json:"changed,omitempty"` // names of the instances that were touched
}
