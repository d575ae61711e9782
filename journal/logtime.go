package journal

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// parseTime reads the time that s begins with, in the spellings that log lines use, and returns how many bytes it takes;
// 0 where s does not begin with one. A time without a zone counts as UTC. One without a year or a date is recognised, but
// returned as zero, because it is not for a parser to guess the rest.
func parseTime(s string) (time.Time, int) {
	if len(s) < len("3:04PM") {
		return time.Time{}, 0
	}
	if !isDigit(s[0]) {
		return parseNamed(s)
	}
	year, n := digits(s, 4)
	switch {
	case n == 4 && len(s) > 18 && (s[4] == '-' || s[4] == '/' || s[4] == '.'):
		month, m := digits(s[5:], 2)
		day, d := digits(s[8:], 2)
		if m != 2 || d != 2 || s[7] != s[4] {
			return time.Time{}, 0
		}
		return parseRest(s, 10, year, month, day)
	case n <= 2 && s[n] == ':':
		return parseRest(s, 0, 0, 0, 0)
	case n <= 2 && (s[n] == ' ' || s[n] == '/'):
		return parseDayFirst(s, year, n)
	}
	return time.Time{}, 0
}

// parseDayFirst reads "02 Jan 2006 15:04:05" and "02/Jan/2006:15:04:05".
func parseDayFirst(s string, day, n int) (time.Time, int) {
	month := monthOf(s[n+1:])
	if month == 0 || len(s) < n+10 || s[n+4] != s[n] {
		return time.Time{}, 0
	}
	year, y := digits(s[n+5:], 4)
	if y != 4 {
		return time.Time{}, 0
	}
	return parseRest(s, n+9, year, month, day)
}

// parseNamed reads "Jan  2 15:04:05" and "Mon Jan  2 15:04:05.000 2006", both with or without the weekday.
func parseNamed(s string) (time.Time, int) {
	at := 0
	if monthOf(s) == 0 && len(s) > 5 && isWeekday(s) {
		at = 3 + len(s[3:]) - len(strings.TrimLeft(s[3:], ", "))
		if at < len(s) && isDigit(s[at]) {
			t, n := parseTime(s[at:])
			return t, past(at, n)
		}
	}
	month := monthOf(s[at:])
	if month == 0 || len(s) < at+15 || s[at+3] != ' ' {
		return time.Time{}, 0
	}
	at += 4
	if s[at] == ' ' {
		at++
	}
	day, n := digits(s[at:], 2)
	if n == 0 {
		return time.Time{}, 0
	}
	t, end := parseRest(s, at+n, 1, month, day)
	if end == 0 {
		return time.Time{}, 0
	}
	if year, y := digits(s[min(end+1, len(s)):], 4); y == 4 && s[end] == ' ' {
		return t.AddDate(year-1, 0, 0), end + 5
	}
	return time.Time{}, end
}

// past returns at + n, and 0 where n is 0.
func past(at, n int) int {
	if n == 0 {
		return 0
	}
	return at + n
}

// parseRest reads the separator, the time of day and the zone from at on. Without a month the time is zero.
func parseRest(s string, at, year, month, day int) (time.Time, int) {
	if at > 0 {
		switch {
		case strings.HasPrefix(s[at:], " - "):
			at += 3
		case at < len(s) && strings.IndexByte(" Tt:", s[at]) >= 0:
			at++
		default:
			return time.Time{}, 0
		}
	}
	hour, minute, sec, nano, n := parseClock(s[at:])
	if n == 0 || month > 12 || day > 31 {
		return time.Time{}, 0
	}
	at += n
	offset, n := parseZone(s[at:])
	at += n
	if month == 0 || day == 0 {
		return time.Time{}, at
	}
	return time.Date(year, time.Month(month), day, hour, minute, sec, nano, time.UTC).Add(-offset), at
}

// parseClock reads "15:04:05", with a fraction after a point or a comma, and "3:04PM".
func parseClock(s string) (hour, minute, sec, nano, n int) {
	hour, n = digits(s, 2)
	if n == 0 || n >= len(s) || s[n] != ':' {
		return 0, 0, 0, 0, 0
	}
	minute, m := digits(s[n+1:], 2)
	n += 1 + m
	if m != 2 || hour > 23 || minute > 59 || n >= len(s) {
		return 0, 0, 0, 0, 0
	}
	if rest := s[n:]; strings.HasPrefix(rest, "PM") || strings.HasPrefix(rest, "AM") {
		hour %= 12
		if rest[0] == 'P' {
			hour += 12
		}
		return hour, minute, 0, 0, n + 2
	}
	sec, m = digits(s[n+1:], 2)
	if s[n] != ':' || m != 2 || sec > 60 {
		return 0, 0, 0, 0, 0
	}
	n += 3
	if n+1 < len(s) && (s[n] == '.' || s[n] == ',') && isDigit(s[n+1]) {
		value, used := digits(s[n+1:], 9)
		for range 9 - used {
			value *= 10
		}
		nano = value
		for n++; n < len(s) && isDigit(s[n]); {
			n++
		}
	}
	return hour, minute, sec, nano, n
}

// parseZone reads "Z", "+01:00", "-0700", "+00" and " UTC", the latter three also after a space.
func parseZone(s string) (offset time.Duration, n int) {
	if strings.HasPrefix(s, "Z") {
		return 0, 1
	}
	space := 0
	if strings.HasPrefix(s, " ") {
		space = 1
	}
	rest := s[space:]
	for _, name := range [...]string{"UTC", "GMT"} {
		if strings.HasPrefix(rest, name) {
			return 0, space + len(name)
		}
	}
	if rest == "" || rest[0] != '+' && rest[0] != '-' {
		return 0, 0
	}
	hours, h := digits(rest[1:], 2)
	if h != 2 {
		return 0, 0
	}
	n = 3
	colon := strings.HasPrefix(rest[n:], ":")
	if colon {
		n++
	}
	minutes, m := digits(rest[n:], 2)
	if m == 2 {
		n += 2
	} else if colon || space > 0 {
		return 0, 0
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if rest[0] == '-' {
		offset = -offset
	}
	return offset, space + n
}

// timeValue reads all of s as a time, or as seconds, milli-, micro- or nanoseconds since 1970, told apart by their size.
func timeValue(s string) (time.Time, bool) {
	if t, n := parseTime(s); n > 0 && n == len(s) && !t.IsZero() {
		return t, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 1e8 || f > math.MaxInt64 {
		return time.Time{}, false
	}
	switch whole, err := strconv.ParseInt(s, 10, 64); {
	case f < 1e11 && err == nil:
		return time.Unix(whole, 0).UTC(), true
	case f < 1e11:
		return secondsOf(s)
	case f < 1e14:
		return time.UnixMicro(int64(f * 1e3)).UTC(), true
	case f < 1e17:
		return time.UnixMicro(int64(f)).UTC(), true
	default:
		return time.Unix(0, whole).UTC(), err == nil
	}
}

// secondsOf reads seconds with a fraction, which a float64 is not exact enough for.
func secondsOf(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.ContainsAny(fraction, "eE") { // such as 1.7e9
		f, err := strconv.ParseFloat(s, 64)
		return time.UnixMicro(int64(f * 1e6)).UTC(), err == nil
	}
	nano, n := digits(fraction, 9)
	for range 9 - n {
		nano *= 10
	}
	return time.Unix(sec, int64(nano)).UTC(), true
}

func isWeekday(s string) bool {
	switch s[:3] {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

// monthOf returns the month whose English short name s begins with, from 1, or 0.
func monthOf(s string) int {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	if len(s) < 3 || !isUpper(s[0]) {
		return 0
	}
	at := strings.Index(months, s[:3])
	if at < 0 || at%3 != 0 {
		return 0
	}
	return at/3 + 1
}
