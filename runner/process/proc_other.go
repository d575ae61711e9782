//go:build !linux

package process

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Without /proc, processes are known by their group and by what ps tells.

func becomeReaper() {}

func dieWithUs(*syscall.SysProcAttr) {}

func (s *spawner) reap() {}

func ended(int) {}

// sweep kills what is left of an instance's process group.
func (s *spawner) sweep(_ string, pgid int) { signalGroup(pgid, syscall.SIGKILL) }

func (s *spawner) killGroup(pgid int) { signalGroup(pgid, syscall.SIGKILL) }

// proc is a process as ps tells of it.
type proc struct {
	pid, parent, group int
	ticks              int64 // of CPU time used, 100 to the second
	memory             int64
}

// allProcs are the processes of the machine.
func allProcs() []proc {
	out, _ := exec.Command("ps", "-axo", "pid=,ppid=,pgid=,rss=,time=").Output()
	var list []proc
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		number := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n }
		list = append(list, proc{pid: int(number(f[0])), parent: int(number(f[1])), group: int(number(f[2])), memory: number(f[3]) << 10, ticks: clock(f[4])})
	}
	return list
}

// clock reads [[hours:]minutes:]seconds.hundredths.
func clock(text string) int64 {
	var total float64
	for part := range strings.SplitSeq(text, ":") {
		n, _ := strconv.ParseFloat(part, 64)
		total = total*60 + n
	}
	return int64(total * 100)
}

func startOf(pid int) string {
	out, _ := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	return strings.TrimSpace(string(out))
}

func bootID() string { return "" }

// endLeftovers ends the process groups of an owner that was killed, recognised by the start of their main process.
func endLeftovers(left []record) {
	for _, rec := range left {
		if rec.PID <= 0 || rec.Start == "" || startOf(rec.PID) != rec.Start {
			continue
		}
		signalGroup(rec.PID, syscall.SIGTERM)
		for range 30 {
			if syscall.Kill(-rec.PID, 0) != nil {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		signalGroup(rec.PID, syscall.SIGKILL)
	}
}

func oomKills() int { return 0 }

func memoryOf(pid int) int64 {
	out, _ := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	n, _ := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return n << 10
}

func cpuOf(ticks int64) float64 { return float64(ticks) / 100 }

func holder(int) string { return "" }
