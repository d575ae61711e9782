package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"msdev/runner"
)

// record is what a later runtime needs to know of an instance to find its processes.
type record struct {
	Instance runner.Instance `json:"instance"`
	PID      int             `json:"pid,omitempty"`   // of its main process, which leads its process group
	Start    string          `json:"start,omitempty"` // when that process started, in the kernel's words
	Boot     string          `json:"boot,omitempty"`  // the boot of the machine that Start counts from
}

// store keeps the records of a StateDir. Its lock makes sure that one runtime has it; whoever dies lets go of it.
type store struct {
	dir  string
	lock *os.File
}

func (s *store) path() string { return filepath.Join(s.dir, "processes.json") }

func (s *store) owned() bool { return s.lock != nil }

// own takes the lock and returns what the owner before left behind.
func (s *store) own() ([]record, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.Open(s.dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = dir.Close()
		return nil, &runner.Error{Kind: runner.ErrFailed, Err: err,
			Msg:  fmt.Sprintf("another msdev runs the processes of this project (%s)", s.dir),
			Hint: "End it with `msdev down`, or work with it: `msdev attach`."}
	}
	s.lock = dir
	return s.read(), nil
}

// read returns the records; a file that cannot be read tells of nothing.
func (s *store) read() []record {
	var list []record
	if text, err := os.ReadFile(s.path()); err == nil {
		_ = json.Unmarshal(text, &list)
	}
	return list
}

// save replaces the records as a whole, so that no half of them is ever read.
func (s *store) save(list []record) error {
	if len(list) == 0 {
		if err := os.Remove(s.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	part := s.path() + ".part"
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return err
	}
	return os.Rename(part, s.path())
}

func (s *store) close() error {
	if s.lock == nil {
		return nil
	}
	err := s.lock.Close()
	s.lock = nil
	return err
}
