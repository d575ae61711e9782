package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/session"
)

// change asks for permission where the broker is not the project's own, and makes a change.
func (p *queuesPage) change(one *booked, text string, c brokers.Change) tea.Cmd {
	return p.book.permitted([]*booked{one}, func(remote bool) tea.Cmd { return p.apply(one, text, c, remote) })
}

// apply makes a change that is permitted.
func (p *queuesPage) apply(one *booked, text string, c brokers.Change, remote bool) tea.Cmd {
	return p.book.deed(text, func(ctx context.Context, _ func(string)) (string, error) {
		if err := brokers.Permit(one.info, remote); err != nil {
			return "", err
		}
		admin, ok := one.broker.(brokers.Admin)
		if !ok {
			return "", errors.New("nothing can be changed on this broker")
		}
		return "done", admin.Apply(ctx, c)
	})
}

// The things that a form creates.
const (
	makeQueue    = "queue"
	makeExchange = "exchange"
	makeBinding  = "binding"
)

// createForm asks for a new thing on the broker of a row: what it is belongs to what is selected.
func (p *queuesPage) createForm(r *queueRow) *form {
	if r.one.info.Kind == brokers.Kafka {
		return p.topicForm(r.one)
	}
	what := choiceField("create", makeQueue, makeExchange, makeBinding)
	name := textField("name", "", "required").on(what, makeQueue, makeExchange)
	kind := choiceField("type", "classic", "quorum", "stream").on(what, makeQueue)
	dead := textField("dead letters to", "", "a queue, or exchange:NAME/KEY").on(what, makeQueue)
	ttl := textField("messages live", "", "for ever, or 30s, 12h").on(what, makeQueue)
	most := textField("at most", "", "any number of messages").on(what, makeQueue)
	routes := choiceField("type", "topic", "direct", "fanout", "headers").on(what, makeExchange)
	alternate := textField("alternate", "", "the exchange that gets what it cannot route").on(what, makeExchange)
	from := textField("from exchange", "", "required").on(what, makeBinding)
	to := textField("to", "", "a queue, or exchange:NAME").on(what, makeBinding)
	key := textField("routing key", "", "none; order.*, # for a topic exchange").on(what, makeBinding)
	args := textField("arguments", "", "none; x-match=all tenant=acme").on(what, makeBinding)
	keeps := choiceField("durable", "yes", "no").on(what, makeQueue, makeExchange)
	switch r.kind {
	case rowExchange:
		what.chosen = slices.Index(what.choices, makeExchange)
		from.input.SetValue(r.one.topology.Exchanges[r.index].Name)
	case rowQueue:
		to.input.SetValue(r.name)
	}
	f := newForm(p.desk, "On "+r.one.info.Name, what, name, kind, dead, ttl, most, routes, alternate, from, to, key, args, keeps)
	f.done = func() (tea.Cmd, error) {
		c := brokers.Change{}
		var err error
		called := name.value()
		switch what.value() {
		case makeQueue:
			c.Kind, c.Queue = brokers.CreateQueue, brokers.Queue{Name: called, Type: brokers.QueueType(kind.value()), Durable: keeps.value() == "yes"}
			err = describeQueue(&c.Queue, dead.value(), ttl.value(), most.value())
		case makeExchange:
			c.Kind, c.Exchange = brokers.CreateExchange, brokers.Exchange{Name: called, Type: routes.value(), Alternate: alternate.value(), Durable: keeps.value() == "yes"}
		default:
			c.Kind = brokers.Bind
			c.Binding, err = describeBinding(from.value(), to.value(), key.value(), args.value())
			called = c.Binding.To
		}
		return p.named(r.one, called, c, err)
	}
	return f
}

// named makes a change that has been described, unless that was wrong or has no name.
func (p *queuesPage) named(one *booked, name string, c brokers.Change, err error) (tea.Cmd, error) {
	if err == nil && name == "" {
		err = errors.New("it needs a name")
	}
	if err != nil {
		return nil, err
	}
	return p.change(one, string(c.Kind)+" "+name, c), nil
}

func describeQueue(q *brokers.Queue, dead, ttl, most string) error {
	if dead != "" {
		q.DieTo(dead)
	}
	if ttl != "" {
		d, err := time.ParseDuration(ttl)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is no time to live; write 30s, 10m or 12h", ttl)
		}
		ms := d.Milliseconds()
		q.MessageTTL = &ms
	}
	if most != "" {
		n, err := strconv.ParseInt(most, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no number of messages", most)
		}
		q.MaxLength = &n
	}
	return nil
}

func describeBinding(from, to, key, args string) (brokers.Binding, error) {
	b := brokers.Binding{Source: from, Kind: brokers.SourceQueue, To: strings.TrimPrefix(to, "queue:"), RoutingKey: key}
	if rest, ok := strings.CutPrefix(to, "exchange:"); ok {
		b.Kind, b.To = brokers.SourceExchange, rest
	}
	if b.Source == "" || b.To == "" {
		return b, errors.New("a binding leads from an exchange to a queue or exchange: name both")
	}
	var err error
	b.Arguments, err = brokers.ReadArguments(strings.Fields(args))
	return b, err
}

// topicForm asks for a new topic.
func (p *queuesPage) topicForm(one *booked) *form {
	name := textField("topic", "", "required")
	partitions := textField("partitions", "", "as many as the broker says")
	replicas := textField("replicas", "", "as many as the broker says")
	configs := textField("settings", "", "none; cleanup.policy=compact retention.ms=3600000")
	f := newForm(p.desk, "Create a topic on "+one.info.Name, name, partitions, replicas, configs)
	f.done = func() (tea.Cmd, error) {
		t, err := describeTopic(name.value(), partitions.value(), replicas.value(), configs.value())
		return p.named(one, t.Name, brokers.Change{Kind: brokers.CreateTopic, Topic: t}, err)
	}
	return f
}

// alterForm asks for other settings of a topic.
func (p *queuesPage) alterForm(r *queueRow) *form {
	now := len(r.one.topology.Topics[r.index].Partitions)
	partitions := textField("partitions", strconv.Itoa(now), "as many as now")
	configs := textField("settings", "", "retention.ms=3600000; retention.ms= is the broker's own again")
	f := newForm(p.desk, "Alter topic "+r.name+" of "+r.one.info.Name, partitions, configs)
	one, name := r.one, r.name
	f.done = func() (tea.Cmd, error) {
		t, err := describeTopic(name, partitions.value(), "", configs.value())
		switch {
		case err != nil:
			return nil, err
		case t.Partitions == now:
			t.Partitions = 0
		case t.Partitions != 0 && t.Partitions < now:
			return nil, fmt.Errorf("it has %s, and Kafka takes none away", plural(now, "partition"))
		}
		if t.Partitions == 0 && len(t.Configs) == 0 {
			return nil, errors.New("nothing is changed")
		}
		c := brokers.Change{Kind: brokers.AlterTopic, Topic: t}
		if t.Partitions == 0 {
			return p.change(one, "alter topic "+name, c), nil
		}
		q := &question{desk: p.desk, text: fmt.Sprintf("Give topic %q %s?", name, plural(t.Partitions, "partition")),
			lost:    "Keys go to other partitions than before, so their order with older records is lost; there is no way back.",
			answers: []answer{{"y", "alter", func() tea.Cmd { return p.change(one, "alter topic "+name, c) }}}}
		return open(q), nil
	}
	return f
}

func describeTopic(name, partitions, replicas, configs string) (t brokers.TopicSpec, err error) {
	t.Name = name
	for _, n := range []struct {
		text string
		to   *int
		what string
	}{{partitions, &t.Partitions, "partitions"}, {replicas, &t.Replicas, "replicas"}} {
		if n.text == "" {
			continue
		}
		if *n.to, err = strconv.Atoi(n.text); err != nil || *n.to < 1 {
			return t, fmt.Errorf("%q is no number of %s", n.text, n.what)
		}
	}
	t.Configs, err = brokers.ReadConfigs(strings.Fields(configs))
	return t, err
}

// unbind asks which of the bindings of an exchange or queue goes.
func (p *queuesPage) unbind(r *queueRow) tea.Cmd {
	var found []brokers.Binding
	var words []string
	for _, b := range r.one.topology.Bindings {
		from := r.kind == rowExchange && b.Source == r.one.topology.Exchanges[r.index].Name
		to := r.kind == rowQueue && b.Kind == brokers.SourceQueue && b.To == r.name
		if b.Source != "" && (from || to) {
			found = append(found, b)
			words = append(words, strings.Join(nonEmpty(b.Source, b.RoutingKey, argumentsText(b.Arguments)), " ")+" "+p.signs.to+" "+string(b.Kind)+" "+b.To)
		}
	}
	if len(found) == 0 {
		p.fail("", fmt.Errorf("%s has no binding to take away\nThe default exchange reaches each queue by its name, always.", r.name))
		return nil
	}
	which := choiceField("binding", words...)
	f := newForm(p.desk, "Unbind", which)
	one := r.one
	f.done = func() (tea.Cmd, error) {
		b := found[which.chosen]
		q := &question{text: "Unbind " + which.value() + "?", lost: "What would come this way from now on does not."}
		return p.book.confirm(one, q, "u", "unbind", func(remote bool) tea.Cmd {
			return p.apply(one, "unbind "+b.To, brokers.Change{Kind: brokers.Unbind, Binding: b}, remote)
		}), nil
	}
	return open(f)
}

// purge empties a queue or topic, or takes the first n messages out of a queue, after what goes was saved.
func (p *queuesPage) purge(r *queueRow, from brokers.Source, n int64) tea.Cmd {
	one, now := r.one, p.now
	backup, err := session.BackupFile(p.state.Project, one.info.Name, from, now)
	if err != nil {
		p.fail("purge", err)
		return nil
	}
	what := "All that is in it is"
	switch {
	case n > 0:
		what = "The first " + plural(n, "message") + either(n == 1, " is", " are")
	case r.ready != nil:
		what = plural(*r.ready, either(r.kind == rowTopic, "record", "message")) + either(*r.ready == 1, " is", " are")
	}
	lost := what + " removed for everybody; " + p.keys.key(actUndo) + " puts back what goes."
	if r.unacked != nil && *r.unacked > 0 {
		lost += " " + commas(*r.unacked) + " that consumers hold stay."
	}
	lost += " It is saved before, in " + backup + "."
	q := &question{text: "Purge " + from.String() + " of " + one.info.Name + "?", lost: lost}
	row := *r
	if r.kind == rowQueue && n == 0 {
		q.answers = []answer{{"n", "only the first …", func() tea.Cmd { return open(p.purgePrompt(&row, from)) }}}
	}
	return p.book.confirm(one, q, "P", "purge", func(remote bool) tea.Cmd {
		return p.book.deed("purge "+from.Name, func(ctx context.Context, tell func(string)) (string, error) {
			job := brokers.Purge{From: one.broker, Source: from, N: n, Backup: backup, AllowRemote: remote,
				Watch: func(saved int64) { tell(plural(saved, "message") + " saved") }}
			removed, err := job.Run(ctx)
			if removed == 0 {
				return "nothing was in it", errors.Join(err, os.Remove(backup)) // which holds nothing
			}
			result := either(removed < 0, "done", plural(removed, "message")+" removed") + ", saved in " + backup
			return result, errors.Join(err, p.book.source.Note(context.WithoutCancel(ctx), one.info.Name, "purged "+from.String()+": "+result))
		})
	})
}

// purgePrompt asks how many messages go.
func (p *queuesPage) purgePrompt(r *queueRow, from brokers.Source) *prompt {
	q := newPrompt(p.desk, "purge the first", "")
	q.input.Placeholder = "10"
	q.done = func(text string) (tea.Cmd, error) {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of messages", text)
		}
		return p.purge(r, from, n), nil
	}
	return q
}

// undo puts back what a purge of this queue or topic has saved.
func (p *queuesPage) undo(r *queueRow, from brokers.Source) tea.Cmd {
	files, err := session.Backups(p.state.Project, r.one.info.Name, from)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no purge of %s has left a backup\nmsdev purge --undo FILE takes one from elsewhere.", from.String())
	}
	if err != nil {
		p.fail("", err)
		return nil
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = filepath.Base(f)
	}
	which := choiceField("backup", names...)
	f := newForm(p.desk, "Put back what a purge of "+from.String()+" has saved", which)
	one := r.one
	f.done = func() (tea.Cmd, error) {
		return p.book.permitted([]*booked{one}, func(remote bool) tea.Cmd {
			return p.book.deed("put back", func(ctx context.Context, tell func(string)) (string, error) {
				return p.putBack(ctx, one, from, files[which.chosen], remote, tell)
			})
		}), nil
	}
	return open(f)
}

// putBack sends the messages of a backup to where they were. The file stays.
func (p *queuesPage) putBack(ctx context.Context, one *booked, from brokers.Source, file string, remote bool, tell func(string)) (string, error) {
	messages, err := brokers.OpenMessages(file)
	if err != nil {
		return "", err
	}
	job := brokers.Undo(one.broker, brokers.FromFile(messages))
	job.AllowRemote = remote
	var told int64
	progress, err := job.Run(ctx, new(brokers.Control), func(o brokers.Outcome) {
		if told++; told%purgeTold == 0 {
			tell(plural(told, "message"))
		}
	})
	result := progressText(&progress) + " to " + from.String()
	return result, errors.Join(err, messages.Close(), p.book.source.Note(context.WithoutCancel(ctx), one.info.Name, "put back what a purge had removed: "+result))
}

// purgeTold is after how many messages the progress is told.
const purgeTold = 500
