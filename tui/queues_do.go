package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/session"
)

// onRow carries out an action on a row.
func (p *queuesPage) onRow(a action, r *queueRow) tea.Cmd {
	from, has := r.source()
	readable := r.kind == rowQueue || r.kind == rowTopic
	switch {
	case a == actMessages:
		return p.messagesOf(r)
	case a == actPeek && readable:
		return p.peekInto(r, from)
	case a == actReplay && readable:
		cmd := p.peekInto(r, from)
		p.peek.panel = newRedrive(p.peek, r.one, from)
		return tea.Batch(cmd, p.peek.panel.rehearse())
	case a == actPurge && readable:
		return p.purge(r, from, 0)
	case a == actUndo && readable:
		return p.undo(r, from)
	case a == actCreate:
		return open(p.createForm(r))
	case a == actAlter && r.kind == rowTopic:
		return open(p.alterForm(r))
	case a == actAlter && has:
		p.fail("", fmt.Errorf("RabbitMQ changes no %s that is there\nDelete it and create it anew, or set a policy.", r.kindWord()))
	case a == actUnbind && (r.kind == rowQueue || r.kind == rowExchange):
		return p.unbind(r)
	case a == actDelete && (has || r.kind == rowGroup):
		return p.remove(r)
	case a == actReset && r.kind == rowGroup:
		return open(p.resetPrompt(r))
	case r.kind == rowExchange:
		p.fail("", errors.New("an exchange keeps no message\n"+p.keys.key(actMessages)+" shows what passes it; look into a queue."))
	default:
		p.fail("", fmt.Errorf("that is nothing to do with a %s\nSelect a queue, a topic or a group.", r.kindWord()))
	}
	return nil
}

// messagesOf shows the messages of a row.
func (p *queuesPage) messagesOf(r *queueRow) tea.Cmd {
	n := narrowing{name: r.name, streams: []string{r.one.info.Name + "/"}}
	if from, ok := r.source(); ok {
		n = r.one.narrowToSource(from)
	}
	if r.kind == rowGroup {
		n.streams = nil
		for _, at := range r.one.topology.Groups[r.index].Offsets {
			if s := r.one.info.Name + "/" + at.Topic; !slices.Contains(n.streams, s) {
				n.streams = append(n.streams, s)
			}
		}
	}
	return showMessages(n)
}

// brokerDeed is something that is done to a broker off the screen's loop.
type brokerDeed struct {
	book *book
	text string
	news chan string
	done bool
	then func() tea.Cmd // when it has ended; nil: nothing
}

// deedNews tells how far a deed is, deedDone how it ended.
type (
	deedNews struct {
		deed *brokerDeed
		text string
	}
	deedDone struct {
		deed   *brokerDeed
		result string
		err    error
	}
)

func (m deedNews) take() tea.Cmd {
	if m.deed.done {
		return nil // its last words came after its end
	}
	d := m.deed.book.desk
	d.note = note{text: m.deed.text + ": " + m.text, busy: true}
	return m.deed.listen
}

func (m deedDone) take() tea.Cmd {
	b := m.deed.book
	m.deed.done = true
	b.note = note{}
	b.expire()
	if m.err != nil {
		b.fail(m.deed.text, m.err)
	} else {
		b.say("%s: %s", m.deed.text, m.result)
	}
	if m.deed.then != nil {
		return m.deed.then()
	}
	return nil
}

// listen waits for the next word of the deed.
func (d *brokerDeed) listen() tea.Msg {
	if text, ok := <-d.news; ok {
		return deedNews{d, text}
	}
	return nil
}

// deed does something and shows how far it is; do returns what came of it.
func (b *book) deed(text string, do func(ctx context.Context, tell func(string)) (string, error)) tea.Cmd {
	return b.deedThen(text, do, nil)
}

// deedThen is deed, and goes on with something when that has ended, well or not.
func (b *book) deedThen(text string, do func(ctx context.Context, tell func(string)) (string, error), then func() tea.Cmd) tea.Cmd {
	d := &brokerDeed{book: b, text: text, news: make(chan string, 16), then: then}
	b.note = note{text: text + " " + b.signs.cut, busy: true}
	return tea.Batch(b.ask(func(ctx context.Context) tea.Msg {
		defer close(d.news)
		result, err := do(ctx, func(s string) {
			select {
			case d.news <- s:
			default: // the screen is behind; the next word is newer anyway
			}
		})
		return deedDone{d, result, err}
	}), d.listen)
}

// confirm asks before something is lost, and for a broker that is not the project's own for its name.
func (b *book) confirm(one *booked, q *question, key, label string, then func(allowRemote bool) tea.Cmd) tea.Cmd {
	q.desk = b.desk
	q.answers = append([]answer{{key, label, func() tea.Cmd { return b.permitted([]*booked{one}, then) }}}, q.answers...)
	return open(q)
}

// permitted goes on at once where all these brokers are the project's own, and else when the names of the others were typed.
func (b *book) permitted(all []*booked, then func(allowRemote bool) tea.Cmd) tea.Cmd {
	others := slices.DeleteFunc(slices.Clone(all), func(o *booked) bool { return o.info.Own })
	if len(others) == 0 {
		return then(false)
	}
	next := func() tea.Cmd { return then(true) }
	for _, one := range slices.Backward(slices.Compact(others)) {
		after := next
		next = func() tea.Cmd { return open(b.typed(one, after)) }
	}
	return next()
}

// typed asks for the name of a broker that is not the project's own.
func (b *book) typed(one *booked, then func() tea.Cmd) *prompt {
	q := newPrompt(b.desk, one.info.Name+" is not of this project; type its name", "")
	q.done = func(text string) (tea.Cmd, error) {
		if strings.TrimSpace(text) != one.info.Name {
			return nil, errors.New("that is not its name; nothing was done")
		}
		return then(), nil
	}
	return q
}

// remove deletes what a row stands for.
func (p *queuesPage) remove(r *queueRow) tea.Cmd {
	one, t := r.one, r.one.topology
	change := brokers.Change{}
	lost := ""
	switch r.kind {
	case rowQueue:
		change = brokers.Change{Kind: brokers.DeleteQueue, Queue: brokers.Queue{Name: r.name}}
		lost = "Its messages are lost, and its bindings; who consumes from it is told so. What is published for it then goes nowhere."
	case rowExchange:
		change = brokers.Change{Kind: brokers.DeleteExchange, Exchange: brokers.Exchange{Name: t.Exchanges[r.index].Name}}
		lost = "Its bindings are lost; who publishes to it gets an error."
	case rowTopic:
		change = brokers.Change{Kind: brokers.DeleteTopic, Topic: brokers.TopicSpec{Name: r.name}}
		lost = "All its records are lost, and the offsets of its groups."
	case rowGroup:
		lost = "Its offsets are lost: whoever joins it begins where its own settings say."
	}
	if r.kind == rowQueue && r.ready != nil {
		lost = plural(*r.ready, "message") + " in it. " + lost
	}
	q := &question{text: "Delete " + r.kindWord() + " \"" + r.name + "\" of " + one.info.Name + "?", lost: lost}
	name, kind := r.name, r.kind
	return p.book.confirm(one, q, "D", "delete", func(remote bool) tea.Cmd {
		if kind != rowGroup {
			return p.apply(one, "delete "+name, change, remote)
		}
		return p.book.deed("delete "+name, func(ctx context.Context, _ func(string)) (string, error) {
			if err := brokers.Permit(one.info, remote); err != nil {
				return "", err
			}
			g, ok := one.broker.(brokers.GroupAdmin)
			if !ok {
				return "", errors.New("this broker has no groups")
			}
			return "done", g.DeleteGroup(ctx, name)
		})
	})
}

// resetPrompt asks for the new place of a group.
func (p *queuesPage) resetPrompt(r *queueRow) *prompt {
	q := newPrompt(p.desk, "reset "+r.name+" to", "")
	q.input.Placeholder = "start, end, 1200, 12:04, -5m, shift -100"
	group, one := r.one.topology.Groups[r.index], r.one
	q.done = func(text string) (tea.Cmd, error) {
		reset := brokers.GroupReset{Group: group.Name}
		if n, ok := strings.CutPrefix(strings.TrimSpace(text), "shift "); ok {
			if _, err := fmt.Sscan(n, &reset.Shift); err != nil || reset.Shift == 0 {
				return nil, fmt.Errorf("%q is no number of records; write shift -100", n)
			}
		} else {
			to, err := place(text, p.now.In(p.zone))
			if err != nil || to.At == brokers.AtLast {
				return nil, fmt.Errorf("%q is no place; write start, end, an offset, 12:04, -5m or shift -100", text)
			}
			reset.To = to
		}
		return p.planReset(one, &group, reset, text), nil
	}
	return q
}

// planMsg is what a reset would do.
type planMsg struct {
	page  *queuesPage
	one   *booked
	group *brokers.Group
	reset brokers.GroupReset
	text  string
	plan  []brokers.OffsetChange
	err   error
}

func (p *queuesPage) planReset(one *booked, group *brokers.Group, reset brokers.GroupReset, text string) tea.Cmd {
	return p.ask(func(ctx context.Context) tea.Msg {
		m := planMsg{page: p, one: one, group: group, reset: reset, text: text}
		if admin, ok := one.broker.(brokers.GroupAdmin); ok {
			m.plan, m.err = admin.PlanReset(ctx, reset)
		} else {
			m.err = errors.New("this broker has no groups")
		}
		return m
	})
}

func (m planMsg) take() tea.Cmd {
	p := m.page
	if m.err != nil {
		p.fail("reset "+m.group.Name, m.err)
		return nil
	}
	var again, skipped int64
	var moves []string
	for _, c := range m.plan {
		from := "nothing"
		if c.From != nil {
			from = commas(*c.From)
			again += max(0, *c.From-c.To)
			skipped += max(0, c.To-*c.From)
		}
		moves = append(moves, fmt.Sprintf("%s/%d %s %s %s", c.Topic, c.Partition, from, p.signs.to, commas(c.To)))
	}
	lost := fmt.Sprintf("It reads %s again and never reads %s. %s.", plural(again, "record"), commas(skipped), strings.Join(moves[:min(4, len(moves))], ", "))
	if len(moves) > 4 {
		lost += " And " + plural(len(moves)-4, "partition") + " more."
	}
	services := p.servicesOf(m.group)
	if len(services) > 0 {
		lost += " " + some(services) + " is stopped before, and started again."
	} else if n := len(m.group.Members); n > 0 {
		lost += " It has " + plural(n, "member") + " that are no service of this project: it waits until they are gone."
	}
	q := &question{text: "Reset group \"" + m.group.Name + "\" to " + m.text + "?", lost: lost}
	return p.book.confirm(m.one, q, "r", "reset", func(remote bool) tea.Cmd { return p.reset(m, services, remote) })
}

// servicesOf are the services of the project that are members of a group.
func (p *queuesPage) servicesOf(g *brokers.Group) []string {
	var names []string
	for i := range g.Members {
		name := p.book.memberService(g, &g.Members[i])
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// reset stops the services of a group, waits until it is empty, sets its offsets, and starts the services again.
func (p *queuesPage) reset(m planMsg, services []string, remote bool) tea.Cmd {
	source := p.source
	return p.book.deed("reset "+m.group.Name, func(ctx context.Context, tell func(string)) (string, error) {
		job := brokers.Reset{On: m.one.broker, Group: m.reset, AllowRemote: remote, Watch: func(step brokers.ResetStep, detail string) {
			tell(strings.TrimSpace(map[brokers.ResetStep]string{brokers.ResetPlan: "plans", brokers.ResetStop: "stops " + some(services), brokers.ResetWait: "waits until it is empty",
				brokers.ResetCommit: "sets the offsets", brokers.ResetStart: "starts " + some(services)}[step] + " " + detail))
		}}
		if len(services) > 0 {
			order := func(v session.Verb) func(context.Context) error {
				return func(ctx context.Context) error {
					_, err := source.Do(ctx, session.Command{Verb: v, Services: services, NoDeps: true})
					return err
				}
			}
			job.Stop, job.Start = order(session.VerbStop), order(session.VerbStart)
		}
		done, err := job.Run(ctx)
		return plural(len(done), "partition") + " moved", err
	})
}
