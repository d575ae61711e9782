package tui

import (
	"cmp"
	"slices"
	"strings"

	"msdev/runner"
)

// column is one column of the services list.
type column struct {
	title    string
	right    bool
	rank     int // columns with a greater one fall away first when there is little room
	cell     func(d *desk, s *runner.Status) (string, style)
	order    func(d *desk, a, b *runner.Status) int // how a sort by this column orders; nil: it cannot be sorted by
	least    int                                    // columns that it takes at least
	most     int                                    // and at most
	optional bool                                   // it is there only where some service has something to show in it
}

// serviceColumns is the table of them, from left to right. The first two are always there; the last takes what is left.
func serviceColumns(sg *signs) []column {
	return []column{
		{title: "SERVICE", rank: 0, least: 7, most: 24, cell: nameCell,
			order: func(_ *desk, a, b *runner.Status) int { return strings.Compare(a.Service, b.Service) }},
		{title: "STATE", rank: 0, least: 11, most: 28, cell: stateCell,
			order: func(_ *desk, a, b *runner.Status) int {
				return cmp.Or(cmp.Compare(gravity(a.State), gravity(b.State)), strings.Compare(a.Detail, b.Detail))
			}},
		{title: "UP", right: true, rank: 1, least: 6, most: 6, cell: upCell,
			order: func(d *desk, a, b *runner.Status) int { return cmp.Compare(d.age(b), d.age(a)) }},
		{title: sg.restarts, right: true, rank: 4, least: 2, most: 4, cell: restartsCell,
			order: func(_ *desk, a, b *runner.Status) int { return cmp.Compare(b.Restarts, a.Restarts) }},
		{title: "CPU", right: true, rank: 3, least: 5, most: 5, cell: cpuCell,
			order: func(_ *desk, a, b *runner.Status) int { return cmp.Compare(measure(b.CPU), measure(a.CPU)) }},
		{title: "MEM", right: true, rank: 2, least: 5, most: 5, cell: memoryCell,
			order: func(_ *desk, a, b *runner.Status) int { return cmp.Compare(measure(b.Memory), measure(a.Memory)) }},
		{title: "PORTS", rank: 5, least: 5, most: 18, cell: portsCell, optional: true},
		{title: "LAST", rank: 6, least: 22, most: 1000, cell: nil,
			order: func(_ *desk, a, b *runner.Status) int { return b.LastAt.Compare(a.LastAt) }},
	}
}

func nameCell(d *desk, s *runner.Status) (string, style) {
	if s.State == runner.StateStopped {
		return s.Service, d.theme.dim
	}
	return s.Service, ""
}

func stateCell(d *desk, s *runner.Status) (string, style) {
	sign, st := d.sign(s.State)
	return sign + " " + stateText(s), st
}

// stateText is why a service is in its state, or else the state.
func stateText(s *runner.Status) string {
	if s.Detail != "" {
		return clean(s.Detail)
	}
	return string(s.State)
}

func upCell(d *desk, s *runner.Status) (string, style) {
	if s.Since.IsZero() {
		return "", ""
	}
	return age(d.now.Sub(s.Since)), ""
}

func restartsCell(d *desk, s *runner.Status) (string, style) {
	switch {
	case s.Restarts > 0:
		return itoa(s.Restarts), d.theme.busy
	case s.Since.IsZero():
		return "", ""
	}
	return "0", d.theme.faint
}

func cpuCell(d *desk, s *runner.Status) (string, style) {
	if s.CPU != nil {
		return percent(*s.CPU), ""
	}
	return d.unmeasured(s)
}

func memoryCell(d *desk, s *runner.Status) (string, style) {
	if s.Memory != nil {
		return size(*s.Memory), ""
	}
	return d.unmeasured(s)
}

// unmeasured is the cell of a number that nobody has measured: empty for a service that does not run.
func (d *desk) unmeasured(s *runner.Status) (string, style) {
	if s.Since.IsZero() {
		return "", ""
	}
	return d.signs.none, d.theme.faint
}

func portsCell(d *desk, s *runner.Status) (string, style) {
	return strings.Join(published(s), " "), d.theme.dim
}

// published are the host's ports of a service.
func published(s *runner.Status) []string {
	var ports []string
	for _, p := range s.Ports {
		if p.Host == 0 {
			continue
		}
		text := itoa(p.Host)
		if p.Protocol == "udp" {
			text += "/udp"
		}
		if !slices.Contains(ports, text) {
			ports = append(ports, text)
		}
	}
	return ports
}

// gravity orders states by how much they ask for attention.
func gravity(s runner.ServiceState) int {
	return slices.Index([]runner.ServiceState{runner.StateFailed, runner.StateReloading, runner.StateStarting, runner.StateWaiting,
		runner.StateReady, runner.StateStopped}, s)
}

// age is how long a service has been running; what does not run comes last.
func (d *desk) age(s *runner.Status) float64 {
	if s.Since.IsZero() {
		return -1
	}
	return d.now.Sub(s.Since).Seconds()
}

func measure[T int64 | float64](n *T) T {
	if n == nil {
		return -1
	}
	return *n
}

// fit chooses the columns that w has room for, and their widths.
func fit(d *desk, columns []column, rows []runner.Status, w int) (shown []column, widths []int) {
	for limit := 6; ; limit-- {
		shown, widths = shown[:0], widths[:0]
		used := 2
		for _, c := range columns {
			if c.rank > limit || c.optional && c.empty(d, rows) {
				continue
			}
			shown = append(shown, c)
			widths = append(widths, c.width(d, rows))
			used += widths[len(widths)-1] + 2
		}
		used -= 2
		if used <= w {
			last := len(widths) - 1
			if limit == 6 || limit <= 0 {
				widths[last] += w - used
			}
			return shown, widths
		}
		if limit <= 0 {
			widths[0] = min(widths[0], max(4, w/2-2))
			widths[1] = max(0, w-4-widths[0])
			return shown, widths
		}
	}
}

// empty tells whether no service has anything to show in the column.
func (c *column) empty(d *desk, rows []runner.Status) bool {
	for i := range rows {
		if text, _ := c.cell(d, &rows[i]); text != "" {
			return false
		}
	}
	return true
}

// The room of the columns behind the state that are empty where a service does not run: up to UP, where the number of
// restarts follows, or up to MEM.
const (
	overUp     = 8
	overMemory = 26
)

// width is what a column wants: its longest cell of a service that runs. The state of one that does not may go on over
// the empty cells behind it.
func (c *column) width(d *desk, rows []runner.Status) int {
	n := max(c.least, width(c.title))
	if c.cell == nil {
		return n
	}
	for i := range rows {
		text, _ := c.cell(d, &rows[i])
		wide := width(text)
		if c.title == "STATE" && rows[i].Since.IsZero() {
			wide -= either(rows[i].Restarts > 0, overUp, overMemory)
		}
		n = max(n, wide)
	}
	return min(n, max(c.most, c.least))
}
