package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ulimits are those that Compose knows by the kernel's numbers of them.
var ulimits = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE,
	"locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE,
	"nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// apply gives a process that has just started its ulimits; -1 is no limit.
func (l limits) apply(pid int) error {
	var errs []error
	for name, pair := range l.each {
		which, known := ulimits[name]
		if !known {
			continue // Unsupported tells
		}
		want := unix.Rlimit{Cur: uint64(pair[0]), Max: uint64(pair[1])}
		for _, v := range []*uint64{&want.Cur, &want.Max} {
			if int64(*v) < 0 {
				*v = math.MaxUint64
			}
		}
		if err := unix.Prlimit(pid, which, &want, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("the ulimit %s of %d:%d cannot be set: %w", name, pair[0], pair[1], err))
		}
	}
	return errors.Join(errs...)
}

// cage is the control groups of one instance: one folder of version 2, or one of each controller of version 1.
type cage struct {
	dirs    []string
	version int
	joined  *os.File // version 2: the folder, for the kernel to start a process in
}

// places are where control groups can be made: the folder for each controller, all the same one in version 2.
type places struct {
	version int
	dirs    map[string]string // by controller: cpu, memory, pids
}

var errNoGroups = errors.New("this user cannot make control groups here")

// controllers are those that limits need.
var controllers = []string{"cpu", "memory", "pids"}

// findPlaces finds where this process may make control groups. It is looked for once: that does not change.
var findPlaces = sync.OnceValues(func() (places, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return places{}, err
	}
	old, unified := places{1, map[string]string{}}, ""
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if fields[1] == "" {
			unified = fields[2]
			continue
		}
		for _, c := range strings.Split(fields[1], ",") {
			if dir := filepath.Join("/sys/fs/cgroup", fields[1], fields[2]); slices.Contains(controllers, c) && unix.Access(dir, unix.W_OK) == nil {
				old.dirs[c] = dir
			}
		}
	}
	if len(old.dirs) == len(controllers) {
		return old, nil
	}
	// A group that has processes has no limited groups below it, so ours stand beside this process's own.
	dir := filepath.Join("/sys/fs/cgroup", filepath.Dir(unified))
	given, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil || unix.Access(dir, unix.W_OK) != nil {
		return places{}, errNoGroups
	}
	p := places{2, map[string]string{}}
	for _, c := range controllers {
		if !slices.Contains(strings.Fields(string(given)), c) {
			return places{}, fmt.Errorf("the controller %s is not given to this user's control groups", c)
		}
		p.dirs[c] = dir
	}
	return p, nil
})

// cageable tells why processes cannot be limited together; nil: they can.
func cageable() error {
	_, err := findPlaces()
	return err
}

// cage makes the control groups of an instance; nil where there is nothing to limit, or no way to.
func (l limits) cage(id string) (*cage, error) {
	p, err := findPlaces()
	if !l.together() || err != nil {
		return nil, nil //nolint:nilerr // Unsupported tells
	}
	c := &cage{version: p.version}
	for _, controller := range controllers {
		dir := filepath.Join(p.dirs[controller], "msdev-"+id)
		if slices.Contains(c.dirs, dir) {
			continue
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			c.remove()
			return nil, err
		}
		c.dirs = append(c.dirs, dir)
	}
	for file, value := range l.settings(p, id) {
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			c.remove()
			return nil, fmt.Errorf("the limit %s cannot be set: %w", filepath.Base(file), err)
		}
	}
	if c.version == 2 {
		if c.joined, err = os.Open(c.dirs[0]); err != nil {
			c.remove()
			return nil, err
		}
	}
	return c, nil
}

// period is the time, in microseconds, within which the kernel counts the use of CPU.
const period = 100_000

// settings are the files that the kernel reads limits from, and what is to stand in them.
func (l limits) settings(p places, id string) map[string]string {
	in := func(controller, file string) string { return filepath.Join(p.dirs[controller], "msdev-"+id, file) }
	all := map[string]string{}
	if l.cpus > 0 {
		quota := strconv.Itoa(int(l.cpus * period))
		if p.version == 2 {
			all[in("cpu", "cpu.max")] = quota + " " + strconv.Itoa(period)
		} else {
			all[in("cpu", "cpu.cfs_quota_us")] = quota // its period is as the kernel begins with
		}
	}
	if l.memory > 0 {
		all[in("memory", map[int]string{1: "memory.limit_in_bytes", 2: "memory.max"}[p.version])] = strconv.FormatInt(l.memory, 10)
	}
	if l.pids > 0 {
		all[in("pids", "pids.max")] = strconv.FormatInt(l.pids, 10)
	}
	return all
}

// around starts a process inside the cage, so that not even its first child is outside. In version 1 a process begins in the groups
// of the thread that starts it: that thread goes in, and out again.
func (c *cage) around(attr *syscall.SysProcAttr, start func() error) error {
	if c == nil {
		return start()
	}
	if c.version == 2 {
		attr.UseCgroupFD, attr.CgroupFD = true, int(c.joined.Fd())
		return start()
	}
	me := []byte(strconv.Itoa(unix.Gettid()))
	for _, dir := range c.dirs {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), me, 0o644); err != nil {
			return err
		}
	}
	err := start()
	for _, dir := range c.dirs {
		err = errors.Join(err, os.WriteFile(filepath.Join(filepath.Dir(dir), "tasks"), me, 0o644))
	}
	return err
}

// sweepCage removes the control groups that a killed runtime has left of an instance.
func sweepCage(id string) {
	p, err := findPlaces()
	if err != nil {
		return
	}
	for _, dir := range p.dirs {
		_ = os.Remove(filepath.Join(dir, "msdev-"+id)) // most instances have none
	}
}

// starved tells whether the kernel has killed a process in the cage because it took more memory than it may.
func (c *cage) starved() bool {
	if c == nil {
		return false
	}
	for _, dir := range c.dirs {
		for _, file := range []string{"memory.events", "memory.oom_control"} { // of version 2, and of 1
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(text)) {
				if count, ok := strings.CutPrefix(line, "oom_kill "); ok && strings.TrimSpace(count) != "0" {
					return true
				}
			}
		}
	}
	return false
}

// remove takes the groups away, which have no processes any more.
func (c *cage) remove() {
	if c == nil {
		return
	}
	if c.joined != nil {
		_ = c.joined.Close()
	}
	for _, dir := range c.dirs {
		_ = os.Remove(dir) // one that cannot go has a process that nobody knows of
	}
}
