package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckGraph(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
		want  string // part of the error; empty is none
	}{
		{"empty", nil, ""},
		{"diamond", []step{{name: "d", needs: []string{"b", "c"}}, {name: "b", needs: []string{"a"}}, {name: "c", needs: []string{"a"}}, {name: "a"}}, ""},
		{"twice", []step{{name: "a"}, {name: "a"}}, `two steps are named "a"`},
		{"unknown", []step{{name: "a", needs: []string{"b"}}}, `no step is named "b" (needed by "a")`},
		{"itself", []step{{name: "a", needs: []string{"a"}}}, `step "a" needs itself`},
		{"cycle", []step{{name: "a", needs: []string{"b"}}, {name: "b", needs: []string{"a"}}}, `needs itself (needed by "b")`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := checkGraph(test.steps)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

func toNowhere(string) io.WriteCloser { return discard{io.Discard} }

// times runs a graph whose steps take time, in a bubble, and returns when each ended.
func times(t *testing.T, ctx context.Context, steps []step) (map[string]time.Duration, map[string]outcome, error) {
	t.Helper()
	began := time.Now()
	ends := map[string]time.Duration{}
	outcomes, err := runGraph(ctx, steps, toNowhere, func(o outcome) { ends[o.name] = time.Since(began) })
	return ends, outcomes, err
}

func taking(d time.Duration) func(context.Context, io.Writer) error {
	return func(ctx context.Context, _ io.Writer) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestRunGraphOrder(t *testing.T) {
	s := time.Second
	tests := []struct {
		name  string
		steps []step
		want  map[string]time.Duration
	}{
		{"at once", []step{{name: "a", do: taking(s)}, {name: "b", do: taking(2 * s)}}, map[string]time.Duration{"a": s, "b": 2 * s}},
		{"after what it needs", []step{
			{name: "c", needs: []string{"a", "b"}, do: taking(s)}, {name: "a", do: taking(s)}, {name: "b", do: taking(3 * s)},
		}, map[string]time.Duration{"a": s, "b": 3 * s, "c": 4 * s}},
		{"one lock, one at a time", []step{
			{name: "a", lock: "apt", do: taking(s)}, {name: "b", needs: []string{"a"}, lock: "apt", do: taking(s)}, {name: "c", do: taking(s)},
		}, map[string]time.Duration{"a": s, "b": 2 * s, "c": s}},
		{"there already", []step{
			{name: "a", there: func(context.Context) (bool, error) { return true, nil }, do: taking(9 * s)},
			{name: "b", needs: []string{"a"}, there: func(context.Context) (bool, error) { return false, nil }, do: taking(s)},
		}, map[string]time.Duration{"a": 0, "b": s}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ends, _, err := times(t, t.Context(), test.steps)
				if err != nil || !maps.Equal(ends, test.want) {
					t.Errorf("ends %v, want %v; error %v", ends, test.want, err)
				}
			})
		})
	}
}

func TestRunGraphLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running := map[string]int{}
		var steps []step
		for _, name := range []string{"a", "b", "c", "d"} {
			lock := map[bool]string{true: "apt", false: "compiler"}[name < "c"]
			steps = append(steps, step{name: name, lock: lock, do: func(ctx context.Context, log io.Writer) error {
				mu.Lock()
				running[lock]++
				if running[lock] > 1 {
					t.Errorf("%d steps hold the lock %s", running[lock], lock)
				}
				mu.Unlock()
				err := taking(time.Second)(ctx, log)
				mu.Lock()
				running[lock]--
				mu.Unlock()
				return err
			}})
		}
		ends, _, err := times(t, t.Context(), steps)
		if last := slices.Max(slices.Collect(maps.Values(ends))); err != nil || last != 2*time.Second {
			t.Errorf("all ended after %v, want 2s; error %v", last, err)
		}
	})
}

func TestRunGraphFailure(t *testing.T) {
	broken := errors.New("broken")
	fails := func(context.Context, io.Writer) error { return broken }
	lacks := func(context.Context, io.Writer) error { return unavailable("no root") }
	never := func(t *testing.T) func(context.Context, io.Writer) error {
		return func(context.Context, io.Writer) error {
			t.Error("a step ran without what it needs")
			return nil
		}
	}
	t.Run("failed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ends, outcomes, err := times(t, t.Context(), []step{
				{name: "long", do: taking(time.Hour)}, {name: "a", do: fails}, {name: "b", needs: []string{"a"}, do: never(t)},
			})
			if !errors.Is(err, broken) || err.Error() != "a: broken" {
				t.Errorf("error %v, want a: broken", err)
			}
			if ends["long"] != 0 || !errors.Is(outcomes["long"].err, context.Canceled) {
				t.Errorf("the other step ended after %v with %v, want at once", ends["long"], outcomes["long"].err)
			}
			if outcomes["b"].ok() || outcomes["a"].ok() {
				t.Error("a failed step, or one that needs it, is called ok")
			}
		})
	})
	t.Run("unavailable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, outcomes, err := times(t, t.Context(), []step{
				{name: "c", needs: []string{"b"}, do: never(t)}, {name: "b", needs: []string{"a"}, do: never(t)},
				{name: "a", do: lacks}, {name: "other", do: taking(time.Second)},
			})
			if err != nil || !outcomes["other"].ok() {
				t.Errorf("error %v, other %+v", err, outcomes["other"])
			}
			for _, name := range []string{"a", "b", "c"} {
				if o := outcomes[name]; !isUnavailable(o.err) || o.err.Error() != "no root" {
					t.Errorf("%s: %v, want no root", name, o.err)
				}
			}
		})
	})
	t.Run("stopped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, outcomes, err := times(t, ctx, []step{{name: "a", do: taking(time.Hour)}, {name: "b", needs: []string{"a"}, do: never(t)}})
			if !errors.Is(err, context.DeadlineExceeded) || outcomes["b"].ended {
				t.Errorf("error %v, b %+v", err, outcomes["b"])
			}
		})
	})
}
