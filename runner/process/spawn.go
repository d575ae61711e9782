package process

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
)

// marker is the variable that every process of an instance has, with the instance's ID. Children inherit it, whatever else
// they do to get away.
const marker = "MSDEV_INSTANCE"

// spawner starts all processes of a runtime. It does so from one thread that lives as long as the runtime does, because the
// kernel ties a child's death signal to the thread that made it; and it waits for the orphans that processes leave to us.
type spawner struct {
	jobs chan func()
	over chan struct{}

	mu     sync.Mutex     // held while a process is started, so that nobody takes it for an orphan
	direct map[int]bool   // children whose end somebody waits for
	groups map[int]string // the process groups of instances, with the instance's ID
	strays map[int]bool   // orphans that are an instance's
}

var errClosed = errors.New("the runtime is closed")

func newSpawner(work *sync.WaitGroup) *spawner {
	s := &spawner{jobs: make(chan func()), over: make(chan struct{}), direct: map[int]bool{}, groups: map[int]string{}, strays: map[int]bool{}}
	becomeReaper()
	work.Go(s.run)
	work.Go(s.reaper)
	return s
}

func (s *spawner) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.over:
			return
		}
	}
}

// reaper waits for orphans. Each end of a child is told by a signal.
func (s *spawner) reaper() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGCHLD)
	defer signal.Stop(ends)
	for {
		select {
		case <-ends:
			s.reap()
		case <-s.over:
			return
		}
	}
}

func (s *spawner) close() { close(s.over) }

// start starts a command in a process group of its own, and inside a cage unless that is nil. Where id is set, it leads the processes
// of that instance.
func (s *spawner) start(cmd *exec.Cmd, id string, in *cage) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	dieWithUs(cmd.SysProcAttr)
	done := make(chan error, 1)
	job := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		err := in.around(cmd.SysProcAttr, cmd.Start)
		if err == nil {
			s.direct[cmd.Process.Pid] = true
			if id != "" {
				s.groups[cmd.Process.Pid] = id
			}
		}
		done <- err
	}
	select {
	case s.jobs <- job:
		return <-done
	case <-s.over:
		return errClosed
	}
}

// wait waits for the end of a started command and returns its exit code as a shell has it.
func (s *spawner) wait(cmd *exec.Cmd) (int, error) {
	err := cmd.Wait()
	s.mu.Lock()
	delete(s.direct, cmd.Process.Pid)
	delete(s.groups, cmd.Process.Pid)
	s.mu.Unlock()
	if cmd.ProcessState == nil {
		return -1, err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// signalGroup signals a process group.
func signalGroup(pgid int, sig syscall.Signal) { _ = syscall.Kill(-pgid, sig) }
