package docker

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cgroupRoot is where the kernel shows control groups.
const cgroupRoot = "/sys/fs/cgroup"

// group is the control group of one container: what it uses stands in files there.
type group struct {
	pid     int
	cpuFile string
	cpuKey  string // the line of cpuFile, in microseconds; empty: the whole file, in nanoseconds
	memory  string
	stat    string
	statKey string
	cpu     uint64 // nanoseconds, when last read
	last    time.Time
}

// findGroup finds the control group of a container by its first process; nil where it cannot be read, or where that
// process number means another process here (an engine in a machine or container of its own).
func findGroup(id string, pid int) *group {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil
	}
	g := groupFrom(string(b), id, pid, cgroupRoot)
	if g == nil {
		return nil
	}
	if _, _, err := g.read(); err != nil {
		return nil
	}
	return g
}

// groupFrom reads the lines of /proc/PID/cgroup: "0::/docker/ID" (version 2), "4:cpu,cpuacct:/docker/ID" (version 1).
func groupFrom(lines, id string, pid int, root string) *group {
	g := &group{pid: pid}
	for line := range strings.Lines(lines) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		path, ok := upTo(fields[2], id)
		if !ok {
			continue
		}
		for _, controller := range strings.Split(fields[1], ",") {
			dir := filepath.Join(root, fields[1], path)
			switch controller {
			case "": // version 2; a machine with both keeps its controllers in version 1
				if g.cpuFile == "" {
					g.cpuFile, g.cpuKey = filepath.Join(dir, "cpu.stat"), "usage_usec"
				}
				if g.memory == "" {
					g.memory, g.stat, g.statKey = filepath.Join(dir, "memory.current"), filepath.Join(dir, "memory.stat"), "inactive_file"
				}
			case "cpuacct":
				g.cpuFile, g.cpuKey = filepath.Join(dir, "cpuacct.usage"), ""
			case "memory":
				g.memory, g.stat, g.statKey = filepath.Join(dir, "memory.usage_in_bytes"), filepath.Join(dir, "memory.stat"), "total_inactive_file"
			}
		}
	}
	if g.cpuFile == "" || g.memory == "" {
		return nil
	}
	return g
}

// upTo cuts a path after the element that names the container: its processes may have made groups below.
func upTo(path, id string) (string, bool) {
	elements := strings.Split(path, "/")
	for i, e := range elements {
		if strings.Contains(e, id) {
			return strings.Join(elements[:i+1], "/"), true
		}
	}
	return "", false
}

// read returns the processor time used so far, in nanoseconds, and the memory in use, in bytes, without what the kernel
// could drop.
func (g *group) read() (cpu uint64, memory int64, err error) {
	b, err := os.ReadFile(g.cpuFile)
	if err != nil {
		return 0, 0, err
	}
	if g.cpuKey == "" {
		cpu, err = strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	} else {
		var micros int64
		micros, err = valueOf(b, g.cpuKey)
		cpu = uint64(micros) * uint64(time.Microsecond)
	}
	if err != nil {
		return 0, 0, err
	}
	if b, err = os.ReadFile(g.memory); err != nil {
		return 0, 0, err
	}
	if memory, err = strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err != nil {
		return 0, 0, err
	}
	if b, err = os.ReadFile(g.stat); err != nil {
		return 0, 0, err
	}
	if cache, err := valueOf(b, g.statKey); err == nil {
		memory = max(0, memory-cache)
	}
	return cpu, memory, nil
}

var errNoValue = errors.New("no such line")

// valueOf reads the number after a key in lines of the form "key number".
func valueOf(b []byte, key string) (int64, error) {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(key+" ")); ok {
			return strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
		}
	}
	return 0, errNoValue
}
