package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// becomeReaper makes this process the parent of its descendants' orphans, so that none gets out of sight.
func becomeReaper() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// dieWithUs lets a child be killed when this process dies in whatever way.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// proc is a process as /proc/PID/stat tells of it (proc_pid_stat(5)).
type proc struct {
	pid, parent, group int
	zombie             bool
	ticks              int64  // of CPU time used
	start              string // clock ticks since boot
}

func readProc(pid int) (proc, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, err
	}
	// The name is in parentheses and may hold any character; what follows the last one are numbers.
	at := bytes.LastIndexByte(text, ')')
	if at < 0 {
		return proc{}, errors.New("not as expected")
	}
	f := strings.Fields(string(text[at+1:]))
	if len(f) < 20 {
		return proc{}, errors.New("not as expected")
	}
	number := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n }
	return proc{pid: pid, zombie: f[0] == "Z" || f[0] == "X", parent: int(number(f[1])), group: int(number(f[2])),
		ticks: number(f[11]) + number(f[12]), start: f[19]}, nil
}

// allProcs are the processes of the machine.
func allProcs() []proc {
	entries, _ := os.ReadDir("/proc")
	list := make([]proc, 0, len(entries))
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, err := readProc(pid); err == nil {
				list = append(list, p)
			}
		}
	}
	return list
}

// markOf is the instance that a process belongs to by its environment, or "". A zombie has no environment any more.
func markOf(pid int) string {
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(marker+"=")); ok {
			return string(value)
		}
	}
	return ""
}

// marked are the living processes of instances, by their pid.
func marked(ids map[string]bool) []int {
	var found []int
	for _, p := range allProcs() {
		if !p.zombie && p.pid != os.Getpid() && ids[markOf(p.pid)] {
			found = append(found, p.pid)
		}
	}
	return found
}

// children are the children of this process.
func children() []proc {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	var list []proc
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, word := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(word)
			if p, err := readProc(pid); err == nil && p.parent == os.Getpid() {
				list = append(list, p)
			}
		}
	}
	return list
}

// reap waits for the orphans of instances that have ended, and notes those that live, as a zombie cannot be asked any more.
func (s *spawner) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[string]bool{}
	for _, id := range s.groups {
		ids[id] = true
	}
	for _, c := range children() {
		switch {
		case s.direct[c.pid]:
		case c.zombie && (s.strays[c.pid] || s.groups[c.group] != ""):
			_, _ = syscall.Wait4(c.pid, nil, syscall.WNOHANG, nil)
			delete(s.strays, c.pid)
		case !c.zombie && ids[markOf(c.pid)]:
			s.strays[c.pid] = true
		}
	}
}

// killGroup kills what a child that has ended left behind in its group, and has it waited for.
func (s *spawner) killGroup(pgid int) {
	signalGroup(pgid, syscall.SIGKILL)
	s.mu.Lock()
	for _, c := range children() {
		if c.group == pgid && !s.direct[c.pid] {
			s.strays[c.pid] = true
		}
	}
	s.mu.Unlock()
	s.reap()
}

// ended returns when a child has ended, and leaves it to be waited for: until then its pid, and the group of that name,
// cannot be anybody else's.
func ended(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// sweep kills all that an instance's main process left behind, in its group or out of it.
func (s *spawner) sweep(id string, pgid int) {
	for range 50 { // what forks faster than it is killed is found in the next round
		signalGroup(pgid, syscall.SIGKILL)
		left := marked(map[string]bool{id: true})
		s.mu.Lock()
		for _, pid := range left {
			s.strays[pid] = true
		}
		s.mu.Unlock()
		if len(left) == 0 {
			break
		}
		killAll(left, syscall.SIGKILL)
		awaitAll(left, time.Second)
	}
	s.reap()
}

func killAll(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
}

// awaitAll returns when the processes have ended, or the time is over.
func awaitAll(pids []int, limit time.Duration) {
	deadline := time.Now().Add(limit)
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // gone
		}
		for left := time.Until(deadline); left > 0; left = time.Until(deadline) {
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		_ = unix.Close(fd)
	}
}

// startOf tells when a process started, in words that no other process of that pid has in this boot.
func startOf(pid int) string {
	p, err := readProc(pid)
	if err != nil {
		return ""
	}
	return p.start
}

// bootID names this boot of the machine.
func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// grace is how long leftovers have to end by themselves.
const grace = 3 * time.Second

// endLeftovers ends the processes of an owner that was killed: those that carry an instance's mark, and its main process,
// recognised by its start in this boot, with its group.
func endLeftovers(left []record) {
	ids := map[string]bool{}
	var groups []int
	for _, rec := range left {
		ids[rec.Instance.ID] = true
		if rec.PID > 0 && rec.Start != "" && rec.Boot == bootID() && startOf(rec.PID) == rec.Start {
			groups = append(groups, rec.PID)
		}
	}
	pids := append(marked(ids), groups...)
	killAll(pids, syscall.SIGTERM)
	awaitAll(pids, grace)
	for range 50 {
		for _, pgid := range groups {
			signalGroup(pgid, syscall.SIGKILL)
		}
		groups = nil
		if pids = marked(ids); len(pids) == 0 {
			return
		}
		killAll(pids, syscall.SIGKILL)
		awaitAll(pids, time.Second)
	}
}

// oomKills counts the processes that the kernel killed in our cgroup for want of memory.
func oomKills() int {
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		events, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", path, "memory.events"))
		for event := range strings.Lines(string(events)) {
			if count, ok := strings.CutPrefix(event, "oom_kill "); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(count))
				return n
			}
		}
	}
	return 0
}

// memoryOf is the memory of a process in bytes that is its own: what it holds of files the kernel could drop.
func memoryOf(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	var sum int64
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name == "RssAnon" || name == "RssShmem" {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			sum += n << 10
		}
	}
	return sum
}

// cpuOf turns ticks into seconds; the kernel counts 100 to the second on every platform of Linux.
func cpuOf(ticks int64) float64 { return float64(ticks) / 100 }

// holder names the process that listens on a TCP port, or "".
func holder(port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil && inodes[to] {
			pid := strings.Split(f, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}
