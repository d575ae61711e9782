package process

import (
	"context"
	"time"

	"msdev/runner"
)

// Stats measures the process trees of the instances that run. A first look is needed before CPU time can be told.
func (r *Runtime) Stats(ctx context.Context, interval time.Duration, emit func(runner.Stat)) error {
	type look struct {
		pid   int
		ticks int64
		at    time.Time
	}
	before := map[string]look{}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		trees := forest(allProcs(), r.mains())
		now := map[string]look{}
		for id, tree := range trees {
			this := look{pid: tree[0].pid, at: time.Now()}
			var memory int64
			for _, p := range tree {
				this.ticks += p.ticks
				memory += memoryOf(p.pid)
			}
			now[id] = this
			if old, ok := before[id]; ok && old.pid == this.pid {
				used := cpuOf(max(0, this.ticks-old.ticks)) // less than before: a part of the tree has ended
				emit(runner.Stat{Instance: id, CPU: used / this.at.Sub(old.at).Seconds(), Memory: memory})
			}
		}
		before = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// mains are the main processes of what runs, by instance.
func (r *Runtime) mains() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]int{}
	for id, in := range r.instances {
		if in.run != nil && in.run.child != nil {
			all[id] = in.run.child.pid
		}
	}
	return all
}

// forest finds the tree of each main process, which comes first: its descendants, and its process group.
func forest(all []proc, mains map[string]int) map[string][]proc {
	below, byGroup := map[int][]proc{}, map[int][]proc{}
	byPID := map[int]proc{}
	for _, p := range all {
		below[p.parent] = append(below[p.parent], p)
		byGroup[p.group] = append(byGroup[p.group], p)
		byPID[p.pid] = p
	}
	trees := map[string][]proc{}
	for id, pid := range mains {
		main, there := byPID[pid]
		if !there {
			continue
		}
		tree, in := []proc{main}, map[int]bool{pid: true}
		for i := 0; i < len(tree); i++ {
			next := below[tree[i].pid]
			if i == 0 {
				next = append(next[:len(next):len(next)], byGroup[pid]...)
			}
			for _, p := range next {
				if !in[p.pid] {
					in[p.pid] = true
					tree = append(tree, p)
				}
			}
		}
		trees[id] = tree
	}
	return trees
}
