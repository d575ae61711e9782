package cmd

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"msdev/brokers"
)

// unmeasured stands for a number that nobody told.
const unmeasured = "–"

// sheet is a table whose numbers are right-aligned and whose last column stands out.
type sheet struct {
	head    []string
	numbers []int // columns of numbers
	rows    [][]string
	paint   painter
}

// print writes the sheet; a column without any content is left out, but the first one.
func (s *sheet) print(w io.Writer) {
	table := append([][]string{s.head}, s.rows...)
	alignRight(table, s.numbers)
	last := len(s.head) - 1
	for _, row := range table[1:] {
		if row[last] != "" {
			row[last] = s.paint.yellow(row[last])
		}
	}
	for i := last; i > 0; i-- {
		if !slices.ContainsFunc(s.rows, func(row []string) bool { return strings.TrimSpace(row[i]) != "" }) {
			for at := range table {
				table[at] = slices.Delete(slices.Clone(table[at]), i, i+1)
			}
		}
	}
	columns(w, table)
}

// alignRight pads the cells of columns of numbers on their left.
func alignRight(table [][]string, numbers []int) {
	for _, i := range numbers {
		width := 0
		for _, row := range table {
			width = max(width, len([]rune(row[i])))
		}
		for _, row := range table {
			row[i] = strings.Repeat(" ", width-len([]rune(row[i]))) + row[i]
		}
	}
}

// count writes a number with its thousands apart: 1,204.
func count(n *int64) string {
	if n == nil {
		return unmeasured
	}
	return brokers.Thousands(*n)
}

// perSecond writes a rate.
func perSecond(rate *float64) string {
	switch {
	case rate == nil:
		return unmeasured
	case *rate < 10:
		return strconv.FormatFloat(*rate, 'f', 1, 64)
	}
	return brokers.Thousands(int64(*rate + 0.5))
}

// size writes bytes in the unit that leaves few digits: 412 B, 1.2 kB.
func size(n *int64) string {
	if n == nil {
		return unmeasured
	}
	if *n < 1000 {
		return fmt.Sprintf("%d B", *n)
	}
	value := float64(*n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		if value /= 1000; value < 999.5 || unit == "TB" {
			if value < 9.95 {
				return fmt.Sprintf("%.1f %s", value, unit)
			}
			return fmt.Sprintf("%.0f %s", value, unit)
		}
	}
	return ""
}

// clock writes when something was, in local time with milliseconds; the date is left out where it is today's.
func clock(t, now time.Time) string {
	if t.IsZero() {
		return unmeasured
	}
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}
