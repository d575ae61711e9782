package tui

import (
	"cmp"
	"strings"
)

// queueColumn is one column of the queues page.
type queueColumn struct {
	title string
	right bool
	rank  int // columns with a greater one fall away first
	width int
	cell  func(p *queuesPage, r *queueRow) (string, style)
	order func(a, b *queueRow) int // nil: it cannot be sorted by
}

// queueColumns is the table of them; the first takes what its names need, and the last what is left.
func queueColumns() []queueColumn {
	return []queueColumn{
		{title: "NAME", width: 12, cell: func(p *queuesPage, r *queueRow) (string, style) {
			return either(r.kind == rowBroker, "", "  ") + clean(r.name), either[style](r.kind == rowBroker, p.theme.strong, "")
		}, order: func(a, b *queueRow) int { return strings.Compare(a.name, b.name) }},
		{title: "READY", right: true, rank: 1, width: 7, cell: count(func(r *queueRow) *int64 { return r.ready }, rowQueue, rowTopic),
			order: descending(func(r *queueRow) *int64 { return r.ready })},
		{title: "UNACK", right: true, rank: 4, width: 6, cell: count(func(r *queueRow) *int64 { return r.unacked }, rowQueue),
			order: descending(func(r *queueRow) *int64 { return r.unacked })},
		{title: "LAG", right: true, rank: 1, width: 6, cell: count(func(r *queueRow) *int64 { return r.lag }, rowGroup),
			order: descending(func(r *queueRow) *int64 { return r.lag })},
		{title: "IN/S", right: true, rank: 2, width: 6, cell: perSecond(func(r *queueRow) *float64 { return r.in }, rowQueue, rowExchange, rowTopic),
			order: descending(func(r *queueRow) *float64 { return r.in })},
		{title: "OUT/S", right: true, rank: 3, width: 6, cell: perSecond(func(r *queueRow) *float64 { return r.out }, rowQueue, rowExchange, rowGroup),
			order: descending(func(r *queueRow) *float64 { return r.out })},
		{title: "READERS", right: true, rank: 4, width: 7, cell: count(func(r *queueRow) *int64 { return r.readers }, rowQueue, rowTopic, rowGroup),
			order: descending(func(r *queueRow) *int64 { return r.readers })},
		{title: "TREND", rank: 5, width: 12, cell: func(p *queuesPage, r *queueRow) (string, style) {
			if r.trend == nil {
				return "", ""
			}
			return r.trend.sparkline(12, p.signs), p.theme.info
		}},
		{title: "TYPE", rank: 6, width: 16, cell: func(p *queuesPage, r *queueRow) (string, style) {
			return either(r.kind == rowBroker, "", clean(r.typ)), p.theme.dim
		}, order: func(a, b *queueRow) int { return strings.Compare(a.typ, b.typ) }},
		{title: "", width: 12, cell: nil, order: func(a, b *queueRow) int { return cmp.Compare(b.level, a.level) }},
	}
}

// count is a cell with a number that rows of these kinds have.
func count(get func(*queueRow) *int64, kinds ...rowKind) func(*queuesPage, *queueRow) (string, style) {
	return func(p *queuesPage, r *queueRow) (string, style) {
		n := get(r)
		switch {
		case !of(r.kind, kinds):
			return "", ""
		case n == nil:
			return p.signs.none, p.theme.faint
		case *n == 0:
			return "0", p.theme.faint
		}
		return short(*n), ""
	}
}

func perSecond(get func(*queueRow) *float64, kinds ...rowKind) func(*queuesPage, *queueRow) (string, style) {
	return func(p *queuesPage, r *queueRow) (string, style) {
		n := get(r)
		switch {
		case !of(r.kind, kinds):
			return "", ""
		case n == nil:
			return p.signs.none, p.theme.faint
		case *n == 0:
			return "0", p.theme.faint
		}
		return rate(*n), ""
	}
}

func of(k rowKind, kinds []rowKind) bool {
	for _, one := range kinds {
		if one == k {
			return true
		}
	}
	return false
}

func descending[T int64 | float64](get func(*queueRow) *T) func(a, b *queueRow) int {
	return func(a, b *queueRow) int { return cmp.Compare(measure(get(b)), measure(get(a))) }
}

// short is a count in at most six columns: 12,345, 123k, 12M.
func short(n int64) string {
	switch {
	case n < 100_000:
		return commas(n)
	case n < 10_000_000:
		return commas(n/1000) + "k"
	}
	return commas(n/1_000_000) + "M"
}

// fitQueues chooses the columns for w columns, with the widths of the first and the last.
func fitQueues(columns []queueColumn, rows []queueRow, w int) (shown []queueColumn) {
	names := 8
	for i := range rows {
		names = max(names, width(rows[i].name)+2)
	}
	for limit := 6; ; limit-- {
		shown = shown[:0]
		used := 2
		for i, c := range columns {
			if c.rank > limit {
				continue
			}
			switch i {
			case 0:
				c.width = min(names, max(14, w*4/10))
			case len(columns) - 1:
				c.width = 16
			}
			shown = append(shown, c)
			used += c.width + 2
		}
		if used-2 <= w {
			shown[len(shown)-1].width += w - used + 2
			return shown
		}
		if limit == 0 {
			shown = shown[:1]
			shown[0].width = max(1, w-2)
			return shown
		}
	}
}
