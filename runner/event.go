package runner

import (
	"encoding/json"

	"msdev/journal"
)

// EventType says what an event tells of.
type EventType string

// The types of events. They are the Ref of their records.
const (
	EventPull      EventType = "pull"
	EventBuild     EventType = "build"
	EventCreate    EventType = "create"
	EventStart     EventType = "start"
	EventHealthy   EventType = "healthy"
	EventUnhealthy EventType = "unhealthy"
	EventExit      EventType = "exit"
	EventStop      EventType = "stop"
	EventRemove    EventType = "remove"
	EventPause     EventType = "pause"
	EventUnpause   EventType = "unpause"
	EventWait      EventType = "wait"    // a service waits for another one
	EventFail      EventType = "fail"    // a service cannot reach its goal
	EventWarning   EventType = "warning" //
	EventFound     EventType = "found"   // an instance from before was taken over
	EventNetwork   EventType = "network"
	EventVolume    EventType = "volume"
	EventImage     EventType = "image"
	EventBroker    EventType = "broker" // something was changed in a broker
	EventLost      EventType = "lost"   // the engine does not answer
	EventBack      EventType = "back"   // it answers again
	EventReload    EventType = "reload" // a step from a saved file to running code
)

// Event is what the record of an event holds as its body, as JSON.
type Event struct {
	Type     EventType `json:"type"`
	Service  string    `json:"service,omitempty"`
	Instance string    `json:"instance,omitempty"` // its name
	ID       string    `json:"id,omitempty"`       // of the instance
	ExitCode *int      `json:"exitCode,omitempty"`
	Text     string    `json:"text"`
	Hint     string    `json:"hint,omitempty"`
	Took     float64   `json:"took,omitempty"`  // seconds
	Files    []string  `json:"files,omitempty"` // reload: what changed, relative to the project
}

// EventStream is the stream of a service's events; that of the project is EventStream("").
func EventStream(service string) string { return service + "/events" }

// event appends an event and notes it as the last thing that happened to the service. Only the loop calls it.
func (s *Supervisor) event(service string, e Event) {
	e.Service = service
	body, err := json.Marshal(e)
	if err != nil { // an Event always marshals
		body = nil
	}
	now := s.options.Now()
	s.journal.Append(journal.Record{Time: now, Stream: EventStream(service), Kind: journal.KindEvent, Ref: string(e.Type), Text: e.Text, Body: body})
	steps := e.Type != EventReload && s.reloads.busy(service) // the reload as a whole is what happened
	if e.Type != EventWait && !steps {                        // what is waited for is the state's detail already
		s.last[service] = note{text: e.Text, at: now}
	}
}
