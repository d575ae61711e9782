package docker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"msdev/runner"
	"msdev/testenv"
)

// BenchmarkUp makes, starts and removes 20 services, beside a floor that makes the same bare calls to the engine.
func BenchmarkUp(b *testing.B) {
	const services = 20
	r := benchProject(b, services)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var watch sync.WaitGroup
	watch.Go(func() { _ = r.Watch(ctx, func(runner.Observation) {}) })
	defer watch.Wait()
	defer cancel()
	if _, err := r.Do(ctx, runner.Action{Op: runner.OpCreateNetwork, Key: "default"}, nil); err != nil {
		b.Fatal(err)
	}
	all := func(do func(i int)) {
		var work sync.WaitGroup
		for i := range services {
			work.Go(func() { do(i) })
		}
		work.Wait()
	}
	var ours, floor time.Duration
	for b.Loop() {
		ids := make([]string, services)
		began := time.Now()
		all(func(i int) {
			seen, err := r.Do(ctx, runner.Action{Op: runner.OpCreate, Service: fmt.Sprint("s", i), Number: 1}, nil)
			if err != nil {
				b.Error(err)
				return
			}
			ids[i] = seen[0].Instance.ID
			if _, err := r.Do(ctx, runner.Action{Op: runner.OpStart, Service: fmt.Sprint("s", i), Instance: ids[i]}, nil); err != nil {
				b.Error(err)
			}
		})
		ours += time.Since(began)
		all(func(i int) { _, _ = r.api.ContainerRemove(ctx, ids[i], client.ContainerRemoveOptions{Force: true}) })
		began = time.Now()
		all(func(i int) {
			res, err := r.api.ContainerCreate(ctx, client.ContainerCreateOptions{
				Config:     &container.Config{Image: "msdev-test/app", Cmd: []string{"sleep"}},
				HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(r.project().Name + "_default")},
			})
			if err != nil {
				b.Error(err)
				return
			}
			ids[i] = res.ID
			if _, err := r.api.ContainerStart(ctx, res.ID, client.ContainerStartOptions{}); err != nil {
				b.Error(err)
			}
		})
		floor += time.Since(began)
		all(func(i int) { _, _ = r.api.ContainerRemove(ctx, ids[i], client.ContainerRemoveOptions{Force: true}) })
	}
	b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms/up")
	b.ReportMetric(ours.Seconds()/floor.Seconds(), "x-floor")
}

// BenchmarkIdle measures what watching and measuring 20 containers that do nothing costs: processor time of this process
// as a part of one core.
func BenchmarkIdle(b *testing.B) {
	const services = 20
	r := benchProject(b, services)
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	work.Go(func() { _ = r.Watch(ctx, func(runner.Observation) {}) })
	defer work.Wait()
	defer cancel()
	if _, err := r.Do(ctx, runner.Action{Op: runner.OpCreateNetwork, Key: "default"}, nil); err != nil {
		b.Fatal(err)
	}
	for i := range services {
		seen, err := r.Do(ctx, runner.Action{Op: runner.OpCreate, Service: fmt.Sprint("s", i), Number: 1}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Do(ctx, runner.Action{Op: runner.OpStart, Service: fmt.Sprint("s", i), Instance: seen[0].Instance.ID}, nil); err != nil {
			b.Fatal(err)
		}
	}
	ticks := make(chan struct{}, 10_000)
	work.Go(func() { _ = r.Stats(ctx, time.Second, func(runner.Stat) { ticks <- struct{}{} }) })
	for range services { // all are measured from here on
		<-ticks
	}
	used, began := processorTime(), time.Now()
	for b.Loop() {
		for range services {
			<-ticks
		}
	}
	b.ReportMetric(100*(processorTime()-used).Seconds()/time.Since(began).Seconds(), "%core")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchProject(b *testing.B, services int) *Runtime {
	b.Helper()
	var text strings.Builder
	text.WriteString("services:\n")
	for i := range services {
		fmt.Fprintf(&text, "  s%d: {image: msdev-test/app, command: [sleep]}\n", i)
	}
	return project(b, testenv.Engines(b)[0], text.String(), nil)
}
