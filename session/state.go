package session

import (
	"time"

	"msdev/journal"
	"msdev/runner"
)

// State is what a session is, in one snapshot: what the screen draws and `ps` prints. A client gets a whole one first and
// then each change (see Client.Watch).
type State struct {
	Project  string             `json:"project"`
	Dir      string             `json:"dir"`
	Files    []string           `json:"files"`
	Runtime  runner.Description `json:"runtime"`
	Phase    Phase              `json:"phase"`
	Problem  string             `json:"problem,omitempty"` // what is wrong now, one sentence; takes the place of the rates
	Hint     string             `json:"hint,omitempty"`    // and the way out
	Services []runner.Status    `json:"services"`          // the enabled services, in the graph's order; then orphans
	Rates    Rates              `json:"rates"`
	Brokers  []BrokerState      `json:"brokers,omitempty"`
	Warnings []string           `json:"warnings,omitempty"`
	Started  time.Time          `json:"started"` // of the session
	PID      int                `json:"pid"`
	Watch    WatchState         `json:"watch,omitzero"`
}

// WatchState tells whether changed files reach what runs.
type WatchState struct {
	On     bool `json:"on,omitempty"`
	Paused bool `json:"paused,omitempty"`
}

// Phase is where the session as a whole stands.
type Phase string

// The phases of a session.
const (
	PhaseIdle     Phase = "idle"     // nothing was asked yet
	PhaseStarting Phase = "starting" // an up is under way
	PhaseRunning  Phase = "running"
	PhaseStopping Phase = "stopping"
	PhaseStopped  Phase = "stopped" // a down or stop of everything is done
)

// Rates are what passes now, averaged over the last two seconds; nil where nothing measures it.
type Rates struct {
	Logs     *float64 `json:"logs,omitempty"`     // lines/s
	Messages *float64 `json:"messages,omitempty"` // messages/s
	Calls    *float64 `json:"calls,omitempty"`    // calls/s
}

// RecordQuery asks for a page of records; see journal.Query, whose wire form it is.
type RecordQuery struct {
	Streams  []string       `json:"streams,omitempty"` // names, or prefixes that end in "/"; none: all
	Kinds    journal.Kinds  `json:"kinds,omitempty"`
	Filter   journal.Filter `json:"filter,omitzero"`
	Messages string         `json:"messages,omitempty"` // an expression of brokers/filter: only messages that it matches pass
	Cursor   uint64         `json:"cursor"`             // a Seq
	Before   bool           `json:"before,omitempty"`   // the page ends before Cursor (0: at the end) instead of starting after it
	Limit    int            `json:"limit"`              // records at most
	Budget   int            `json:"budget,omitempty"`   // records visited at most; 0: no bound
	Since    time.Time      `json:"since,omitzero"`     // with Cursor 0: start at the first record at or after this moment
}
