package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// commas writes a count with a comma at each thousand.
func commas[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count with its noun: "1 line", "1,204 lines".
func plural[T int | int64 | uint64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return commas(n) + " " + noun + "s"
}

// span of time in at most six columns: "12s", "4m12s", "3h05m", "2d04h".
func ago(d time.Duration) string {
	d = max(d, 0)
	s := int(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 24*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	case s < 1000*24*3600:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
	return fmt.Sprintf("%dd", s/86400)
}

// age is ago without the seconds of what is over a minute old: a screen that nothing happens on is then drawn once a minute.
func age(d time.Duration) string {
	if d >= time.Minute && d < time.Hour {
		return itoa(int(d/time.Minute)) + "m"
	}
	return ago(d)
}

// percent writes cores as a percentage of one core, in at most five columns: "0.4%", "12.0%", "104%".
func percent(cores float64) string {
	p := cores * 100
	if p >= 99.95 {
		return fmt.Sprintf("%.0f%%", p)
	}
	return fmt.Sprintf("%.1f%%", p)
}

// size writes bytes in at most five columns, in powers of 1024: "812B", "18M", "1.2G".
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	f := float64(n)
	for _, unit := range "KMGTP" {
		f /= 1024
		if f < 9.95 && unit >= 'G' || unit == 'T' && f < 9.95 {
			return fmt.Sprintf("%.1f%c", f, unit)
		}
		if f < 1023.5 {
			return fmt.Sprintf("%.0f%c", f, unit)
		}
	}
	return fmt.Sprintf("%.0fE", f/1024)
}

// rate writes what passes in a second.
func rate(perSecond float64) string {
	if perSecond > 0 && perSecond < 9.95 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", perSecond), ".0")
	}
	return commas(int64(perSecond + 0.5))
}

// moment reads a point in time as people write it: "12:04", "12:04:31", "12:04:31.220", "-5m", "2026-05-01 12:04", RFC
// 3339. A time of day that lies ahead is yesterday's.
func moment(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "-") {
		if d, err := time.ParseDuration(s); err == nil {
			return now.Add(d), nil
		}
	}
	for _, layout := range []string{"15:04", "15:04:05", "15:04:05.999"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			return at, nil
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 12:04, 12:04:31 or -5m", s)
}

// seconds is a short time: 40 ms, 0.9 s.
func seconds(s float64) string {
	if s < 0.1 {
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f s", s)
}
