package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"
)

// question asks before something is done that cannot be taken back.
type question struct {
	desk    *desk
	text    string
	lost    string // what the answer costs
	answers []answer
}

// answer is one key, and what comes of it.
type answer struct {
	key, label string
	then       func() tea.Cmd
}

func (q *question) update(msg tea.Msg) (overlay, tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return q, nil
	}
	for _, a := range q.answers {
		if a.key == k.String() {
			return nil, a.then()
		}
	}
	if k.String() == "esc" || k.String() == "n" || k.String() == "q" {
		return nil, nil
	}
	return q, nil
}

func (q *question) view(w, h int) []string {
	t, sg := q.desk.theme, q.desk.signs
	lines := []string{q.desk.ruleLine(w)}
	texts, _ := wrap([]piece{{t.strong, clean(q.text)}}, max(1, w-4), 4)
	losts, _ := wrap([]piece{{t.dim, clean(q.lost)}}, max(1, w-4), 4)
	for _, ps := range append(texts, losts...) {
		lines = append(lines, addAll(newLine(w, "", sg).gap(2), ps).String())
	}
	l := newLine(w, "", sg).gap(2)
	for _, a := range append(slices.Clip(q.answers), answer{key: "esc", label: "stay"}) {
		if l.used > 2 && width(a.key)+width(a.label)+1 > l.left() {
			lines = append(lines, l.String())
			l = newLine(w, "", sg).gap(2)
		}
		l.add(t.accent, a.key).gap(1).add("", a.label).gap(3)
	}
	lines = append(lines, l.String())
	return lines[max(0, len(lines)-h):]
}
