package tui

import (
	"strings"
	"time"
)

// trend is how a number moved: its last measurements, the oldest first.
type trend struct {
	values []float64
	times  []time.Time
}

// trendLength is how many measurements a trend keeps: two minutes of them.
const trendLength = 60

// add appends a measurement.
func (t *trend) add(at time.Time, v float64) {
	if n := len(t.values); n >= trendLength {
		t.values, t.times = append(t.values[:0], t.values[n-trendLength+1:]...), append(t.times[:0], t.times[n-trendLength+1:]...)
	}
	t.values, t.times = append(t.values, v), append(t.times, at)
}

// still is since when the number has not changed, as far back as the trend goes.
func (t *trend) still() time.Time {
	i := len(t.values) - 1
	if i < 0 {
		return time.Time{}
	}
	for i > 0 && t.values[i-1] == t.values[i] {
		i--
	}
	return t.times[i]
}

// growth is how much the number has grown since the trend began, and in how much time.
func (t *trend) growth() (by float64, in time.Duration) {
	n := len(t.values)
	if n < 2 {
		return 0, 0
	}
	return t.values[n-1] - t.values[0], t.times[n-1].Sub(t.times[0])
}

// sparkline draws the last measurements in w columns, from 0 at the bottom to the greatest at the top. What is not 0 never
// looks like 0.
func (t *trend) sparkline(w int, sg *signs) string {
	values := t.values[max(0, len(t.values)-w):]
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", w-len(values)))
	top := len(sg.bars) - 1
	for _, v := range values {
		level := 0
		if v > 0 {
			level = max(1, int(v/most*float64(top)+0.5))
		}
		b.WriteString(sg.bars[level])
	}
	return b.String()
}
