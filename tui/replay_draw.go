package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
)

// view draws the panel: what is chosen on one line, the difference, what to know before, and the results.
func (r *replayPanel) view(w, h int) []string {
	t := r.theme
	lines := []string{r.rule(w, true, []piece{{t.strong, either(r.source == nil, "replay", "redrive")}, {t.dim, " " + r.signs.dot + " " + r.what()}}, r.status())}
	lines = append(lines, r.choices(w)...)
	notes := r.notes(w)
	results := r.results(w)
	room := max(0, h-len(lines))
	if len(results) > 0 {
		results = results[:min(len(results), max(2, room*6/10))]
	}
	notes = notes[:min(len(notes), max(0, room-len(results)-4))]
	diff := r.difference(w, max(0, room-len(notes)-len(results)))
	lines = append(append(append(lines, diff...), notes...), results...)
	for len(lines) < h {
		lines = append(lines, newLine(w, "", r.signs).String())
	}
	return lines[:h]
}

// what is what is sent again.
func (r *replayPanel) what() string {
	if r.source != nil {
		return "the dead letters of " + clean(r.source.Name)
	}
	return plural(len(r.messages), "message") + " of " + clean(r.from.info.Name)
}

func (r *replayPanel) status() string {
	switch {
	case r.run == nil && !r.checked:
		return "rehearsing " + r.signs.cut
	case r.run == nil && r.err != nil:
		return "nothing is sent"
	case r.run == nil:
		return "nothing is sent yet"
	case !r.run.done && r.run.progress.Paused:
		return "held at " + commas(r.run.progress.Sent)
	case !r.run.done:
		return "sending " + r.signs.cut
	case r.run.err != nil:
		return "ended after " + plural(r.run.progress.Sent, "message")
	}
	return "done"
}

// choices are the settings, each with its key.
func (r *replayPanel) choices(w int) []string {
	t := r.theme
	l := newLine(w, "", r.signs).gap(1)
	lines := []string{}
	add := func(a action, name, value string) {
		need := width(r.keys.key(a)) + width(name) + width(value) + 4
		if need > l.left() && l.used > 1 {
			lines = append(lines, l.String())
			l = newLine(w, "", r.signs).gap(1)
		}
		l.add(t.accent, r.keys.key(a)).gap(1).add(t.faint, name+" ").add("", clean(value)).gap(3)
	}
	target := r.targets[r.target].words
	if r.to != r.from {
		target += " on " + r.to.info.Name
	}
	add(actTarget, "to", target)
	add(actRate, "rate", paces[r.pace].words)
	add(actPolicy, "headers", policies[r.policy].words)
	if r.checked && r.err == nil {
		count := plural(r.once.Count, "message") + ", " + size(r.once.Bytes)
		if r.source != nil && r.once.Count == rehearsed {
			count = "at least " + count
		}
		if r.once.Failed > 0 {
			count += ", " + commas(r.once.Failed) + " cannot be sent"
		}
		add(actEnter, "sends", count)
	}
	return append(lines, l.String())
}

// difference shows what was sent beside what will be sent.
func (r *replayPanel) difference(w, h int) []string {
	if h <= 0 {
		return nil
	}
	r.rows = h
	switch {
	case r.err != nil:
		return blank(w, h, r.theme, r.signs, strings.SplitN(r.err.Error(), "\n", 2))
	case !r.checked && len(r.once.Sample) == 0:
		return blank(w, h, r.theme, r.signs, []string{"looking at what would be sent " + r.signs.cut})
	case len(r.once.Sample) == 0:
		return blank(w, h, r.theme, r.signs, []string{"There is no message to send.", r.keys.key(actBack) + " goes back."})
	}
	o := &r.once.Sample[r.at]
	var lines []string
	if o.Result.Err != nil {
		lines = blank(w, 4, r.theme, r.signs, strings.SplitN(o.Result.Err.Error(), "\n", 2))
	} else {
		found := o.Found
		if r.source == nil && r.at < len(r.before) {
			found = &r.before[r.at]
		}
		before := brokers.Outgoing{Message: found, To: brokers.Target{Exchange: found.Exchange, RoutingKey: found.RoutingKey, Topic: found.Topic}}
		if found.Kind == brokers.Kafka {
			before.To.Partition = &found.Partition
		}
		diff, same := brokers.Diff(&before, &o.Sent)
		left, right := "was sent", "will be sent"
		if same {
			right += ", unchanged"
		}
		if n := len(r.once.Sample); n > 1 {
			left = fmt.Sprintf("was sent (%d of %d, %s %s)", r.at+1, n, r.keys.key(actNextMatch), r.keys.key(actPrevMatch))
		}
		lines = r.drawDiff(diff, w, h, left, right)
	}
	r.top = max(0, min(r.top, len(lines)-h))
	lines = lines[r.top:min(len(lines), r.top+h)]
	return lines
}

// notes are what to know before.
func (r *replayPanel) notes(w int) []string {
	if !r.checked || r.run != nil {
		return nil
	}
	var lines []string
	for _, n := range r.once.Notes {
		ps := []piece{{r.theme.busy, "! " + clean(n.Text)}}
		if n.Hint != "" {
			ps = append(ps, piece{r.theme.faint, " " + clean(n.Hint)})
		}
		parts, _ := wrap(ps, max(8, w-3), 3)
		for _, part := range parts {
			lines = append(lines, addAll(newLine(w, "", r.signs).gap(2), part).String())
		}
	}
	return lines
}

// results are what became of each message, the newest below, under a line with the sums.
func (r *replayPanel) results(w int) []string {
	if r.run == nil {
		return nil
	}
	p := &r.run.progress
	status := progressText(p)
	if p.Trouble != "" {
		status = clean(firstLine(p.Trouble))
	}
	lines := []string{r.rule(w, false, []piece{{r.theme.strong, "results"}}, status)}
	for i := len(r.run.shown) - 1; i >= 0 && len(lines) < 100; i-- { // the newest first: it is what one waits for
		lines = append(lines, r.resultLine(&r.run.shown[i], w))
	}
	return lines
}

func (r *replayPanel) resultLine(o *brokers.Outcome, w int) string {
	t := r.theme
	sign, st := r.signs.mark, t.ok
	switch o.Result.Status {
	case brokers.StatusUnroutable, brokers.StatusRefused:
		sign, st = r.signs.failed, t.bad
	case brokers.StatusUnknown:
		sign, st = "?", t.busy
	}
	l := newLine(w, "", r.signs).gap(1).add(st, sign).gap(1).cell(t.faint, itoa(int(o.N)), 5, true).gap(2)
	l.cell(st, string(o.Result.Status), 11, false).gap(1)
	switch {
	case o.Result.Err != nil:
		l.add("", firstLine(o.Result.Err.Error()))
	case o.Sent.To.Topic != "":
		l.add("", fmt.Sprintf("topic %s/%d", o.Sent.To.Topic, o.Result.Partition)).add(t.faint, " offset ").add("", commas(o.Result.Offset))
	default:
		l.add("", brokers.TargetText(o.Sent.To))
	}
	if o.Again > 0 {
		l.add(t.busy, "  sent before without an answer: perhaps twice")
	}
	return l.String()
}

func (r *replayPanel) mouse(m mouse) tea.Cmd {
	r.top += m.wheel
	return nil
}

func (r *replayPanel) hints() []action {
	if r.run != nil && !r.run.done {
		return []action{actHold, actStep, actBack}
	}
	hints := []action{actEnter, actTarget, actOther, actRate, actPolicy}
	if r.source == nil {
		hints = append(hints, actEdit)
	}
	return append(hints, actBack)
}

func (r *replayPanel) label(a action) string {
	switch {
	case a == actEnter:
		return either(r.run != nil, "send again", "send")
	case a == actBack && r.run != nil && !r.run.done:
		return "end it"
	case a == actEdit:
		return "edit"
	case a == actHold && r.run != nil && r.run.progress.Paused:
		return "go on"
	}
	return ""
}
