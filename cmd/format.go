package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"msdev/runner"
)

// format is how a list is printed.
type format string

// The formats of lists.
const (
	formatTable format = "table" // columns, for people
	formatJSON  format = "json"  // one array
	formatJSONL format = "jsonl" // one object a line
)

func (f *format) register(flags *pflag.FlagSet) {
	*f = formatTable
	flags.Var(f, "format", "`table`, json (one array) or jsonl (one object a line)")
}

// String is for pflag.
func (f *format) String() string { return string(*f) }

// Type is for pflag.
func (f *format) Type() string { return "format" }

// Set is for pflag.
func (f *format) Set(s string) error {
	if !slices.Contains([]format{formatTable, formatJSON, formatJSONL}, format(s)) {
		return fmt.Errorf("%q is not one of table, json, jsonl", s)
	}
	*f = format(s)
	return nil
}

// list prints rows: as objects, or as columns made by cells.
func list[T any](w io.Writer, f format, rows []T, head []string, cells func(T) []string) error {
	switch f {
	case formatJSON:
		if rows == nil {
			rows = []T{}
		}
		out, err := json.MarshalIndent(rows, "", "  ")
		printf(w, "%s\n", out)
		return err
	case formatJSONL:
		for _, row := range rows {
			out, err := json.Marshal(row)
			if err != nil {
				return err
			}
			printf(w, "%s\n", out)
		}
		return nil
	}
	table := [][]string{head}
	for _, row := range rows {
		table = append(table, cells(row))
	}
	columns(w, table)
	return nil
}

// columns prints a table, each column as wide as its widest cell.
func columns(w io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range table {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+3))
		}
		printf(w, "%s\n", strings.TrimRight(line.String(), " "))
	}
}

// ago is how long ago something was, as Compose writes it ("3 minutes").
func ago(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{365 * 24 * time.Hour, "year"}, {30 * 24 * time.Hour, "month"}, {7 * 24 * time.Hour, "week"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}
	if d < time.Second {
		return "Less than a second"
	}
	for _, u := range units {
		if n := int(d / u.size); n > 1 || n == 1 && u.size <= time.Second {
			return fmt.Sprintf("%d %s%s", n, u.name, map[bool]string{true: "s"}[n > 1])
		} else if n == 1 && u.size <= time.Hour {
			return "About " + map[string]string{"hour": "an hour", "minute": "a minute"}[u.name]
		}
	}
	return ""
}

// published writes ports as Compose's tables do.
func published(ports []runner.Port) string {
	var texts []string
	for _, p := range ports {
		text := fmt.Sprintf("%d/%s", p.Target, p.Protocol)
		if p.Host > 0 {
			host := p.HostIP
			if strings.Contains(host, ":") {
				host = "[" + host + "]"
			}
			if host != "" {
				host += ":"
			}
			text = fmt.Sprintf("%s%d->%s", host, p.Host, text)
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ", ")
}

// moment reads a point in time as users write it: RFC 3339, a date, seconds since 1970, or how long ago ("10m").
func moment(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d.Abs()), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	var sec float64
	if _, err := fmt.Sscanf(s, "%g", &sec); err == nil && sec > 1e8 {
		return time.Unix(0, int64(sec*1e9)), nil
	}
	return time.Time{}, usageError(fmt.Sprintf("%q is no point in time", s), `Write "10m" (ago), "2026-01-31T12:00:00" or seconds since 1970.`)
}
