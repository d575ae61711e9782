package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ReloadMode says when changed files of a service take effect.
type ReloadMode string

// The modes of reloading.
const (
	ReloadAuto   ReloadMode = "auto"   // when they are saved
	ReloadManual ReloadMode = "manual" // when somebody says so
	ReloadOff    ReloadMode = "off"    // never
)

// ReloadStatus is what a service's state tells of its reloads.
type ReloadStatus struct {
	Mode    ReloadMode `json:"mode"`
	Waiting []string   `json:"waiting,omitempty"` // files that changed and wait for somebody to say so
	History []Reload   `json:"history,omitempty"` // the last ones, newest first
}

// keptReloads is how many reloads of a service are remembered.
const keptReloads = 10

// Reload is the way of one change from a saved file to running code. Times are seconds since the change was seen; 0 is a step
// that there was not.
type Reload struct {
	Files   []string     `json:"files,omitempty"` // the first few, relative to the project; none: asked for by hand
	Count   int          `json:"count,omitempty"` // of all of them
	At      time.Time    `json:"at"`              // when the change was seen
	Built   float64      `json:"built,omitempty"`
	Started float64      `json:"started,omitempty"`
	Ready   float64      `json:"ready,omitempty"`
	How     string       `json:"how,omitempty"`
	Result  ReloadResult `json:"result"`
	Error   string       `json:"error,omitempty"`
	Hint    string       `json:"hint,omitempty"`

	previous bool
	unsynced bool // it failed when files were copied
}

// ReloadResult is what became of a change.
type ReloadResult string

// The results of reloads.
const (
	ReloadDone       ReloadResult = "done"
	ReloadUnchanged  ReloadResult = "unchanged"  // the build made what runs already
	ReloadFailed     ReloadResult = "failed"     // what ran before goes on, unless Error says otherwise
	ReloadSuperseded ReloadResult = "superseded" // a newer change came before this one was through
)

// How a change gets into what runs.
const (
	HowSwap    = "swap"
	HowRestart = "restart"
	HowSync    = "sync"
)

// keptFiles is how many names of files a reload tells.
const keptFiles = 5

func (r *Reloader) entry(c Change) Reload {
	e := Reload{Count: len(c.Files), At: c.At, previous: c.Previous}
	for _, path := range c.Files[:min(len(c.Files), keptFiles)] {
		e.Files = append(e.Files, relative(r.dir, path))
	}
	return e
}

func (e *Reload) since() float64 { return e.after(time.Now()) }

// after is a moment as seconds since the change, to the millisecond.
func (e *Reload) after(at time.Time) float64 {
	return max(0, at.Sub(e.At).Round(time.Millisecond).Seconds())
}

func (e Reload) done() Reload {
	e.Ready, e.Result = e.since(), ReloadDone
	return e
}

func (e Reload) failed(err error) Reload {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrSuperseded) { // a command of somebody else's came in between
		e.Result = ReloadSuperseded
		return e
	}
	e.Result, e.Error = ReloadFailed, err.Error()
	var known *Error
	if errors.As(err, &known) {
		e.Error, e.Hint = known.Msg, known.Hint
	}
	return e
}

// what names the files of a change in a few words.
func (e *Reload) what() string {
	switch {
	case e.previous:
		return "the version before"
	case e.Count == 0:
		return "by hand"
	case e.Count == 1:
		return e.Files[0]
	}
	return fmt.Sprintf("%s and %d more", e.Files[0], e.Count-1)
}

// event tells a reload as the last thing that happened to its service.
func (e *Reload) event() Event {
	ev := Event{Type: EventReload, Files: e.Files, Hint: e.Hint, Took: cmp.Or(e.Ready, e.since())}
	took := round(time.Duration(ev.Took * float64(time.Second))).String()
	if ev.Took >= 0.1 {
		took = fmt.Sprintf("%.1fs", ev.Took)
	}
	switch e.Result {
	case ReloadDone:
		word := "reloaded"
		if e.How == HowSync {
			word = "synced"
		}
		ev.Text = fmt.Sprintf("%s: %s %s", word, e.what(), took)
	case ReloadUnchanged:
		ev.Text = fmt.Sprintf("built, nothing new: %s %s", e.what(), took)
	case ReloadSuperseded:
		ev.Text = "called off, as something newer came: " + e.what()
	case ReloadFailed:
		ev.Text = "not reloaded: " + e.Error
	}
	return ev
}

// busy tells whether a service is being reloaded. A nil Reloader reloads nothing.
func (r *Reloader) busy(service string) bool { return r.step(service) != "" }

// step is what is being done of a service's reload, or "".
func (r *Reloader) step(service string) string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.byName[service]
	switch {
	case l == nil || l.now == nil:
		return ""
	case len(l.now.Files) > 0:
		return l.step + " (" + relative(r.dir, l.now.Files[0]) + ")"
	}
	return l.step
}

// status is what is known of a service's reloads; nil where there is nothing to know.
func (r *Reloader) status(service string) *ReloadStatus {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.byName[service]
	if l == nil {
		if r.watched[service] {
			return &ReloadStatus{Mode: ReloadAuto}
		}
		return nil
	}
	st := &ReloadStatus{Mode: l.mode, History: slices.Clone(l.history)}
	if l.held != nil {
		st.Waiting = slices.Clone(l.held.Files)
	}
	return st
}

// relative is a path as people know it: from the project's folder where it is below it.
func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
