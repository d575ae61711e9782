package docker

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"msdev/runner"
)

// Stats measures the instances that Watch sees running; without a Watch under way it has nothing to measure. Where the
// engine shares this machine it reads the kernel's own files, which costs the engine nothing; else it follows the engine's
// stream of measurements of each container.
func (r *Runtime) Stats(ctx context.Context, interval time.Duration, emit func(runner.Stat)) error {
	ctx, cancel := context.WithCancel(ctx)
	m := meter{r: r, interval: interval, groups: map[string]*group{}, streams: map[string]context.CancelFunc{}}
	var mu sync.Mutex
	m.emit = func(s runner.Stat) {
		mu.Lock()
		defer mu.Unlock()
		emit(s)
	}
	defer m.work.Wait()
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		m.measure(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// meter measures the running containers.
type meter struct {
	r        *Runtime
	interval time.Duration
	emit     func(runner.Stat)
	groups   map[string]*group             // those whose files can be read
	mu       sync.Mutex                    // guards streams
	streams  map[string]context.CancelFunc // those that the engine measures
	work     sync.WaitGroup
}

func (m *meter) measure(ctx context.Context) {
	running := m.r.known.running()
	for id := range m.groups {
		if _, ok := running[id]; !ok {
			delete(m.groups, id)
		}
	}
	m.mu.Lock()
	for id, stop := range m.streams {
		if _, ok := running[id]; !ok {
			stop()
			delete(m.streams, id)
		}
	}
	m.mu.Unlock()
	for id, pid := range running {
		if pid == 0 {
			continue // Watch has not looked at it yet
		}
		if m.r.local && m.read(id, pid) {
			continue
		}
		m.follow(ctx, id)
	}
}

// read measures a container by the kernel's files, and tells whether it could.
func (m *meter) read(id string, pid int) bool {
	g := m.groups[id]
	if g == nil || g.pid != pid {
		if g = findGroup(id, pid); g == nil {
			return false
		}
		m.groups[id] = g
	}
	now := time.Now()
	cpu, memory, err := g.read()
	if err != nil {
		delete(m.groups, id)
		return !g.last.IsZero() // it ended just now; Watch tells
	}
	if !g.last.IsZero() && now.After(g.last) {
		m.emit(runner.Stat{Instance: id, CPU: float64(cpu-g.cpu) / float64(now.Sub(g.last)), Memory: memory})
	}
	g.cpu, g.last = cpu, now
	return true
}

// follow has the engine measure a container until it ends.
func (m *meter) follow(ctx context.Context, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.streams[id]; ok {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	m.streams[id] = cancel
	m.work.Go(func() {
		defer cancel()
		m.stream(ctx, id)
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.streams, id)
	})
}

// engineStats is the part of the engine's measurements that is needed.
type engineStats struct {
	Read time.Time `json:"read"`
	CPU  struct {
		Usage struct {
			Total uint64 `json:"total_usage"`
		} `json:"cpu_usage"`
	} `json:"cpu_stats"`
	Memory struct {
		Usage   int64 `json:"usage"`
		Private int64 `json:"privateworkingset"` // Windows
		Stats   struct {
			InactiveV1 int64 `json:"total_inactive_file"`
			InactiveV2 int64 `json:"inactive_file"`
		} `json:"stats"`
	} `json:"memory_stats"`
}

func (s engineStats) memory() int64 {
	if s.Memory.Private > 0 {
		return s.Memory.Private
	}
	cache := s.Memory.Stats.InactiveV1
	if cache == 0 {
		cache = s.Memory.Stats.InactiveV2
	}
	return max(0, s.Memory.Usage-cache)
}

func (m *meter) stream(ctx context.Context, id string) {
	res, err := m.r.api.ContainerStats(ctx, id, client.ContainerStatsOptions{Stream: true})
	if err != nil {
		return
	}
	defer res.Body.Close()
	var last engineStats
	for d := json.NewDecoder(res.Body); ; {
		var s engineStats
		if err := d.Decode(&s); err != nil || s.Read.IsZero() || s.Read.Year() <= 1 {
			return // it ended; the engine goes on with empty measurements of a container that does not run
		}
		switch passed := s.Read.Sub(last.Read); {
		case last.Read.IsZero():
			last = s
		case passed > m.interval-m.interval/4: // the engine ticks once a second
			cpu := float64(s.CPU.Usage.Total-last.CPU.Usage.Total) / float64(passed)
			m.emit(runner.Stat{Instance: id, CPU: max(0, cpu), Memory: s.memory()})
			last = s
		}
	}
}
