package runner

import (
	"context"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// Change is what happened to the files of one service, and what that asks for.
type Change struct {
	Service  string
	At       time.Time           // when it was seen
	Files    []string            // absolute; none: asked for by hand
	Build    bool                // build, and replace what runs with what comes of it
	Restart  bool                // stop and start
	Previous bool                // instead of a build: what the build before has made
	Sync     []SyncFile          // before a restart: bring files into what runs
	Exec     []types.ServiceHook // after a sync: run these in what runs

	after []<-chan struct{} // reloads of services that this one depends on
	done  []chan struct{}   // closed when this has been dealt with
	tells []chan<- Reload   // told how it went
}

// with is both changes in one.
func (c Change) with(newer Change) Change {
	newer.Files = union(c.Files, newer.Files)
	newer.Build, newer.Restart = c.Build || newer.Build, c.Restart || newer.Restart
	newer.Sync = lastOfEach(append(slices.Clone(c.Sync), newer.Sync...))
	newer.Exec = append(slices.Clone(c.Exec), newer.Exec...)
	newer.after, newer.done = append(slices.Clone(c.after), newer.after...), append(slices.Clone(c.done), newer.done...)
	newer.tells = append(slices.Clone(c.tells), newer.tells...)
	return newer
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// lane is what is reloaded of one service. Reloader.mu guards it.
type lane struct {
	service string
	mode    ReloadMode
	next    *Change // to be carried out
	held    *Change // waits for a word: the service is in manual mode, or everything is paused
	now     *Change // under way
	step    string  // what is done of now, in a word
	cancel  context.CancelFunc
	newer   bool // now was called off by a newer change
	own     *outputs
	history []Reload
	owed    *Change // files that could not be brought in: they are tried again after the next change
	due     *Change // what is owed, once that change is on its way
	again   bool    // it is to be looked at when nothing is under way any more
	looked  bool    // it has been looked at since watching began
	tried   bool    // what was missed while nobody watched has been built
}

func (r *Reloader) lane(service string) *lane {
	l := r.byName[service]
	if l == nil {
		l = &lane{service: service, mode: ReloadAuto, own: newOutputs()}
		r.byName[service] = l
	}
	return l
}

// hold keeps a change until somebody asks for it.
func (l *lane) hold(c Change) {
	if l.held != nil {
		c = l.held.with(c)
	}
	l.held = &c
}

// take gives a lane something to do, and tells whether the lane has to be begun.
func (l *lane) take(c Change) bool {
	begin := l.now == nil && l.next == nil
	if l.owed != nil {
		l.due, l.owed = l.owed, nil
	}
	switch {
	case l.next != nil:
		c = l.next.with(c)
	case l.now != nil && !l.newer && l.step != stepSync: // files that are being copied are there in a moment, and a storm must not keep them out
		c = l.now.with(c)
		l.newer = true
		l.cancel()
	}
	l.next = &c
	return begin
}

// owe keeps the files of a change that could not be brought in.
func (l *lane) owe(c Change) {
	c = Change{Service: c.Service, At: c.At, Files: c.Files, Restart: c.Restart, Sync: c.Sync, Exec: c.Exec}
	if l.owed != nil {
		c = l.owed.with(c)
	}
	l.owed = &c
}

// retry has files tried again that could not be brought in, once nothing else is to be done.
func (l *lane) retry() {
	if l.next == nil && l.due != nil {
		l.next, l.due = l.due, nil
		l.next.At = time.Now()
	}
}

// callOff ends a build that is under way; its change waits for a word.
func (l *lane) callOff() {
	if l.next != nil {
		l.hold(*l.next)
		l.next = nil
	}
	if l.now != nil && l.step == stepBuild && !l.newer {
		l.hold(*l.now)
		l.newer = true
		l.cancel()
	}
}
