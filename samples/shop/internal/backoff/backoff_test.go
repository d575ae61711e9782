package backoff

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestNextDoublesWithinMax(t *testing.T) {
	b := Backoff{First: 100 * time.Millisecond, Max: time.Second}
	for i, ms := range []int{100, 200, 400, 800, 1000, 1000} {
		want := time.Duration(ms) * time.Millisecond
		if got := b.Next(); got > want || got < want*4/5 {
			t.Errorf("pause %d is %s, want within a fifth below %s", i, got, want)
		}
	}
	for range 100 { // far beyond what a shift can hold
		if got := b.Next(); got > time.Second || got < 800*time.Millisecond {
			t.Fatalf("pause became %s", got)
		}
	}
	b.Reset()
	if got := b.Next(); got > 100*time.Millisecond {
		t.Errorf("after Reset the pause is %s", got)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := Wait(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait gave %v", err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("Wait took %s", took)
		}
		if err := Wait(t.Context(), time.Minute); err != nil {
			t.Errorf("Wait gave %v", err)
		}
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		tests := []struct {
			name     string
			works    int // the attempt that succeeds
			want     error
			attempts int
		}{
			{"at once", 1, nil, 1},
			{"after two failures", 3, nil, 3},
			{"never", 1000, broken, 4}, // at about 0, 1, 3 and 7 seconds
		}
		for _, tt := range tests {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			b := Backoff{First: time.Second, Max: time.Minute}
			attempts, told := 0, 0
			err := b.Retry(ctx, func() error {
				if attempts++; attempts < tt.works {
					return broken
				}
				return nil
			}, func(error, time.Duration) { told++ })
			cancel()
			if !errors.Is(err, tt.want) || attempts != tt.attempts {
				t.Errorf("%s: %v after %d attempts, want %v after %d", tt.name, err, attempts, tt.want, tt.attempts)
			}
			if failures := attempts; err == nil && told != failures-1 || err != nil && told != failures {
				t.Errorf("%s: told of %d failures in %d attempts", tt.name, told, attempts)
			}
		}
	})
}

func TestKeepStartsAgainFromFirstAfterASessionThatWorked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := Backoff{First: time.Second, Max: time.Minute}
		broken := errors.New("broken")
		var pauses []time.Duration
		sessions := 0
		b.Keep(ctx, func() (bool, error) {
			if sessions++; sessions == 5 {
				cancel()
			}
			return sessions == 3, broken
		}, func(err error, pause time.Duration) {
			if !errors.Is(err, broken) {
				t.Errorf("told of %v", err)
			}
			pauses = append(pauses, pause.Round(time.Second))
		})
		if sessions != 5 || len(pauses) != 4 || pauses[1] != 2*time.Second || pauses[2] != time.Second {
			t.Errorf("%d sessions with pauses of %v", sessions, pauses)
		}
	})
}
