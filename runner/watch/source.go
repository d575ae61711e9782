package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// source is where events come from. Its folders are named by one path each, without symbolic links.
type source struct {
	notify *fsnotify.Watcher // nil: there are no events, everything is looked at again and again
}

// open makes the source. Where the system gives none, everything is polled, and Warn says why.
func (w *Watcher) open() source {
	if w.options.Poll > 0 {
		return source{}
	}
	notify, err := fsnotify.NewWatcher()
	if err == nil {
		return source{notify: notify}
	}
	warning := &Error{Err: err, Msg: fmt.Sprintf("changes of files are not told by the system (%v); they are looked for every %s instead.", err, defaultPoll)}
	if errors.Is(err, syscall.EMFILE) {
		warning.Msg = fmt.Sprintf("no more than %s programs of a user can watch files (fs.inotify.max_user_instances), and there are that many; changes are looked for every %s instead.",
			sysctl("max_user_instances"), defaultPoll)
		warning.Hint = "Allow more: sudo sysctl fs.inotify.max_user_instances=1024"
	}
	w.warn(warning)
	return source{}
}

func (s source) close() {
	if s.notify != nil {
		_ = s.notify.Close()
	}
}

// add begins to watch a folder. errFull is the system's limit of watches.
func (s source) add(dir string) error {
	if s.notify == nil {
		return errNoEvents
	}
	err := s.notify.Add(dir)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EMFILE):
		return errFull
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return errGone
	}
	return err
}

func (s source) remove(dir string) {
	if s.notify != nil {
		_ = s.notify.Remove(dir) // it is no more where the folder is gone
	}
}

var (
	errNoEvents = errors.New("no events come from here")
	errFull     = errors.New("the system watches no more folders")
	errGone     = errors.New("there is no such folder")
)

// limitReached tells that folders had to be polled because the system watches no more.
func limitReached(watched, polled int) *Error {
	return &Error{
		Msg: fmt.Sprintf("the system watches at most %s folders of a user (fs.inotify.max_user_watches): %d are watched here, and %d more are looked at every %s instead.",
			sysctl("max_user_watches"), watched, polled, defaultPoll),
		Hint: "Allow more: sudo sysctl fs.inotify.max_user_watches=524288; or ignore folders that are never edited.",
		Err:  errFull,
	}
}

// sysctl reads a limit of inotify.
func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if err != nil {
		return "a few"
	}
	return strings.TrimSpace(string(b))
}
