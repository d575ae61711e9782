package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// help shows every key, made from the key table, and what the signs mean.
type help struct {
	*desk
	page string
	top  int
	rows int
}

func newHelp(d *desk, page string) *help { return &help{desk: d, page: page} }

func (p *help) update(msg tea.Msg) (overlay, tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return p, nil
	}
	switch p.keys.find(k.String()) {
	case actUp:
		p.top--
	case actDown:
		p.top++
	case actHalfUp, actPageUp:
		p.top -= max(1, p.rows/2)
	case actHalfDown, actPageDown:
		p.top += max(1, p.rows/2)
	case actTop:
		p.top = 0
	case actBack, actHelp, actLeave, actEnter:
		return nil, nil
	}
	return p, nil
}

func (p *help) view(w, h int) []string {
	columns := max(1, min(3, w/58))
	width := w / columns
	blocks := p.blocks(width)
	total := 0
	for _, b := range blocks {
		total += len(b)
	}
	var sides [][]string
	side := []string{}
	for _, b := range blocks {
		if len(side) > 0 && len(side)+len(b)/2 > total/columns && len(sides) < columns-1 {
			sides = append(sides, side)
			side = nil
		}
		side = append(side, b...)
	}
	sides = append(sides, side)
	longest := 0
	for _, s := range sides {
		longest = max(longest, len(s))
	}
	p.rows = h - 1
	p.top = max(0, min(p.top, longest-p.rows))
	lines := []string{p.rule(w, true, []piece{{p.theme.strong, "keys"}}, either(longest > p.rows, "arrows scroll "+p.signs.dot+" ", "")+"esc closes")}
	for i := p.top; len(lines) < h; i++ {
		var b strings.Builder
		used := 0
		for _, s := range sides {
			text := strings.Repeat(" ", width)
			if i < len(s) {
				text = s[i]
			}
			b.WriteString(text)
			used += width
		}
		b.WriteString(strings.Repeat(" ", w-used))
		lines = append(lines, b.String())
	}
	return lines
}

// blocks are the groups of keys, and the signs.
func (p *help) blocks(w int) [][]string {
	var blocks [][]string
	for _, in := range []scope{onServices, onGraph, onLogs, onMessages, onQueues, onReplay, onLines} {
		blocks = append(blocks, p.group(in, w))
	}
	return append(blocks, p.legend(w), p.group(everywhere, w))
}

// group is the keys of one scope.
func (p *help) group(in scope, w int) []string {
	t := p.theme
	lines := []string{newLine(w, "", p.signs).gap(1).add(t.strong, string(in)).String()}
	for _, b := range p.keys.table {
		if b.in != in || b.help == "" || len(b.keys) == 0 {
			continue
		}
		keys := make([]string, len(b.keys))
		for i, k := range b.keys {
			keys[i] = keyName(k)
		}
		lines = append(lines, p.entry(w, t.accent, strings.Join(keys, " "), b.help)...)
	}
	return append(lines, newLine(w, "", p.signs).String())
}

// entry is a key or a sign, and what it means.
func (p *help) entry(w int, st style, name, means string) []string {
	const column = 15
	parts, _ := wrap([]piece{{p.theme.dim, means}}, max(8, w-column-2), 9)
	lines := make([]string, len(parts))
	for i, ps := range parts {
		l := newLine(w, "", p.signs)
		if i == 0 {
			l.gap(2).add(st, name)
		}
		lines[i] = addAll(l.to(column), ps).String()
	}
	return lines
}

// legend is what the signs mean.
func (p *help) legend(w int) []string {
	t := p.theme
	signs := []string{newLine(w, "", p.signs).gap(1).add(t.strong, "signs").String()}
	for _, s := range []struct {
		st         style
		sign, mean string
	}{
		{t.ok, p.signs.ready, "ready: it runs, and is healthy where it has a health test"},
		{t.busy, p.signs.busy, "starting, or waiting for another service"},
		{t.info, p.signs.reloading, "reloading: a new version is on its way"},
		{t.bad, p.signs.failed, "failed: unhealthy, or ended with an error"},
		{t.faint, p.signs.stopped, "stopped, as asked, or ended well"},
		{t.faint, p.signs.none, "not measured"},
	} {
		signs = append(signs, p.entry(w, s.st, s.sign, s.mean)...)
	}
	return append(signs, newLine(w, "", p.signs).String())
}
