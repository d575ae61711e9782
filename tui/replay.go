package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/journal"
)

// replayPanel sends messages again: it shows what was sent beside what will be sent, and then what became of each.
type replayPanel struct {
	*desk
	page     *messagesPage
	from     *booked         // where the messages are
	to       *booked         // where they go
	source   *brokers.Source // a redrive: the queue or topic of dead letters; nil: the messages below
	before   []brokers.Message
	messages []brokers.Message // with the person's edits
	targets  []replayTarget
	target   int
	pace     int
	policy   int
	once     brokers.Rehearsal
	checked  bool // once tells what would be done now
	round    int
	err      error
	at       int // of the samples
	top      int // of the difference
	rows     int
	run      *replayRun
}

// replayTarget is a place to send to, in words.
type replayTarget struct {
	words string
	to    brokers.Mapping
}

// What the panel lets choose from.
var (
	paces = []struct {
		words string
		pace  brokers.Pace
	}{{"at once", brokers.Pace{}}, {"1/s", brokers.Pace{Rate: 1}}, {"10/s", brokers.Pace{Rate: 10}}, {"100/s", brokers.Pace{Rate: 100}},
		{"in their own time", brokers.Pace{Factor: 1}}, {"ten times as fast", brokers.Pace{Factor: 10}}}
	policies = []struct {
		words  string
		policy brokers.HeaderPolicy
	}{{"without the broker's", brokers.HeaderPolicy{}}, {"all kept", brokers.HeaderPolicy{KeepBroker: true}},
		{"new trace and id", brokers.HeaderPolicy{RenewTrace: true, RenewID: true}}, {"marked x-replay", brokers.HeaderPolicy{Marker: "x-replay"}}}
)

// rehearsed is how many messages are shown before they are sent.
const rehearsed = 200

// newReplay sends these messages again.
func newReplay(p *messagesPage, from *booked, messages []brokers.Message) *replayPanel {
	r := &replayPanel{desk: p.desk, page: p, from: from, to: from, before: messages, messages: slices.Clone(messages)}
	dead := false
	inQueue := ""
	for i := range messages {
		_, isDead := brokers.OriginOf(&messages[i])
		dead = dead || isDead
		inQueue = messages[i].Queue
	}
	one := len(messages) == 1
	r.targets = []replayTarget{{either(one, "where it was published", "where they were published"), brokers.Mapping{Kind: brokers.ToSame, SamePartition: true}}}
	if dead {
		r.targets = append([]replayTarget{{either(one, "where it died first", "where they died first"), brokers.Mapping{Kind: brokers.ToOrigin}}}, r.targets...)
	}
	if from.info.Kind == brokers.RabbitMQ && (dead || inQueue != "") {
		r.targets = append(r.targets, replayTarget{either(dead, "only the queue in which they died", "only the queue that they are in"), brokers.Mapping{Kind: brokers.ToQueue}})
	}
	return r
}

// newRedrive brings the dead letters of a queue or topic back to where they came from.
func newRedrive(p *messagesPage, from *booked, source brokers.Source) *replayPanel {
	r := &replayPanel{desk: p.desk, page: p, from: from, to: from, source: &source}
	r.targets = []replayTarget{{"where they died first", brokers.Mapping{Kind: brokers.ToOrigin}}}
	if from.info.Kind == brokers.RabbitMQ {
		r.targets = append(r.targets, replayTarget{"only the queue in which they died", brokers.Mapping{Kind: brokers.ToQueue}})
	}
	return r
}

// replay opens the panel for the marked messages or the selected one; edited opens the editor at once.
func (p *messagesPage) replay(edited bool) tea.Cmd {
	records := p.pane.chosen()
	messages := p.chosenMessages()
	if len(messages) == 0 {
		return nil
	}
	one := p.book.find(serviceOf(&records[0]))
	if p.fetched != nil {
		one = p.fetched.one
	}
	switch {
	case one == nil:
		p.fail("", errors.New("the broker that this came from is no longer known\nStart it, and look again."))
		return nil
	case slices.ContainsFunc(records, func(r journal.Record) bool { return serviceOf(&r) != serviceOf(&records[0]) }):
		p.fail("", errors.New("the marked messages are of several brokers\nReplay those of one broker at a time."))
		return nil
	}
	p.panel = newReplay(p, one, messages)
	if edited {
		return tea.Batch(p.panel.rehearse(), p.panel.edit())
	}
	return p.panel.rehearse()
}

// job is the replay as it is chosen now.
func (r *replayPanel) job() brokers.Replay {
	policy := policies[r.policy].policy
	if policy.Marker != "" {
		policy.Run = r.now.UTC().Format(time.RFC3339)
	}
	job := brokers.Replay{From: brokers.FromSlice(r.messages), To: r.to.broker, Target: r.targets[r.target].to, Pace: paces[r.pace].pace, Policy: policy}
	if r.source != nil {
		job.From = brokers.FromBroker(r.from.broker, *r.source, brokers.ReadOptions{Limit: rehearsed})
	}
	return job
}

// rehearsedMsg is what would be sent.
type rehearsedMsg struct {
	panel *replayPanel
	round int
	once  brokers.Rehearsal
	err   error
}

func (m rehearsedMsg) take() tea.Cmd {
	if r := m.panel; r.round == m.round {
		r.once, r.err, r.checked = m.once, m.err, true
		r.at = max(0, min(r.at, len(r.once.Sample)-1))
	}
	return nil
}

// rehearse asks what would be sent as it is chosen now. Nothing is sent by it.
func (r *replayPanel) rehearse() tea.Cmd {
	r.round++
	r.checked = false
	round, job := r.round, r.job()
	return r.ask(func(ctx context.Context) tea.Msg {
		once, err := job.Rehearse(ctx, rehearsed)
		return rehearsedMsg{r, round, once, err}
	})
}

func (r *replayPanel) refresh() tea.Cmd { return r.page.book.refresh() }

func (r *replayPanel) do(a action) (tea.Cmd, bool) {
	running := r.run != nil && !r.run.done
	switch a {
	case actBack:
		r.leave(running)
	case actEnter:
		return r.send(), true
	case actHold:
		r.hold(running)
	case actStep:
		if running {
			r.run.control.Step(1)
		}
	case actUp, actDown:
		r.top += either(a == actUp, -1, 1)
	case actHalfUp, actPageUp, actHalfDown, actPageDown:
		r.top += either(a == actHalfUp || a == actPageUp, -1, 1) * max(1, r.rows/2)
	case actTop, actBottom:
		r.top = either(a == actTop, 0, 1<<20)
	case actNextMatch, actPrevMatch:
		r.at = max(0, min(r.at+either(a == actNextMatch, 1, -1), len(r.once.Sample)-1))
		r.top = 0
	case actTarget, actOther, actRate, actPolicy, actEdit:
		if running {
			r.say("it is under way; %s ends it first", r.keys.key(actBack))
			return nil, true
		}
		return r.choose(a), true
	default:
		return nil, false
	}
	return nil, true
}

// choose changes what will be sent, or where to.
func (r *replayPanel) choose(a action) tea.Cmd {
	r.run = nil
	switch a {
	case actTarget:
		r.target = (r.target + 1) % len(r.targets)
	case actRate:
		r.pace = (r.pace + 1) % len(paces)
		return nil
	case actPolicy:
		r.policy = (r.policy + 1) % len(policies)
	case actOther:
		return open(r.otherPrompt())
	case actEdit:
		return r.edit()
	}
	return r.rehearse()
}

// leave ends what is under way, or closes the panel.
func (r *replayPanel) leave(running bool) {
	if running {
		r.run.cancel()
		return
	}
	r.page.panel = nil
}

func (r *replayPanel) hold(running bool) {
	if !running {
		return
	}
	if r.run.control.Progress().Paused {
		r.run.control.Resume()
	} else {
		r.run.control.Pause()
	}
}

// otherPrompt asks for another target, on this broker or another one.
func (r *replayPanel) otherPrompt() *prompt {
	q := newPrompt(r.desk, "send to", "")
	q.input.Placeholder = "queue:NAME, exchange:NAME/KEY, topic:NAME"
	q.done = func(text string) (tea.Cmd, error) {
		to, m, err := r.page.book.targetOf(text, r.to)
		if err != nil {
			return nil, err
		}
		r.to = to
		r.targets = append(r.targets, replayTarget{strings.TrimSpace(text), m})
		r.target = len(r.targets) - 1
		return r.rehearse(), nil
	}
	return q
}

// targetOf reads a target as the command line takes it: queue:NAME, exchange:NAME/KEY, topic:NAME/PARTITION, with a
// broker's name and a slash before it where it is another one.
func (b *book) targetOf(text string, to *booked) (*booked, brokers.Mapping, error) {
	text = strings.TrimSpace(text)
	for _, o := range b.brokers {
		if rest, ok := strings.CutPrefix(text, o.info.Name+"/"); ok {
			to, text = o, rest
		}
	}
	kind, name, _ := strings.Cut(text, ":")
	if name == "" {
		return nil, brokers.Mapping{}, fmt.Errorf("%q is no target; write queue:NAME, exchange:NAME/KEY or topic:NAME", text)
	}
	wrong := brokers.RabbitMQ
	m := brokers.Mapping{Kind: brokers.ToOther}
	switch kind {
	case "queue":
		m = brokers.Mapping{Kind: brokers.ToQueue, Queue: name}
	case "exchange":
		exchange, key, keyed := strings.Cut(name, "/")
		m.Exchange = exchange
		if keyed {
			m.RoutingKey = &key
		}
	case "topic":
		wrong = brokers.Kafka
		topic, part, parted := strings.Cut(name, "/")
		m.Topic = topic
		if parted {
			n, err := strconv.ParseInt(part, 10, 32)
			if err != nil || n < 0 {
				return nil, m, fmt.Errorf("%q is no partition", part)
			}
			p := int32(n)
			m.Partition = &p
		}
	default:
		return nil, m, fmt.Errorf("%q is no target; write queue:NAME, exchange:NAME/KEY or topic:NAME", text)
	}
	if to.info.Kind != wrong {
		i := slices.IndexFunc(b.brokers, func(o *booked) bool { return o.info.Kind == wrong })
		if i < 0 {
			return nil, m, fmt.Errorf("no broker has a %s", kind)
		}
		to = b.brokers[i]
	}
	return to, m, nil
}

// edit opens $EDITOR with the message that shows.
func (r *replayPanel) edit() tea.Cmd {
	if r.source != nil {
		r.fail("", errors.New("a redrive sends dead letters as they are\nLook into the queue with "+r.keys.key(actPeek)+", and replay single messages to edit them."))
		return nil
	}
	i := min(r.at, len(r.messages)-1)
	shown := brokers.Outgoing{Message: &r.messages[i], To: brokers.Target{Exchange: r.messages[i].Exchange, RoutingKey: r.messages[i].RoutingKey, Topic: r.messages[i].Topic}}
	text, err := brokers.EditText(&shown)
	if err == nil {
		var file string
		if file, err = tempFile(text); err == nil {
			c := editor(os.Getenv, file, "1")
			return tea.ExecProcess(c, func(err error) tea.Msg { return editedMsg{r, i, shown, file, err} })
		}
	}
	r.fail("edit", err)
	return nil
}

// editedMsg comes when the editor is closed.
type editedMsg struct {
	panel *replayPanel
	i     int
	shown brokers.Outgoing
	file  string
	err   error
}

func (m editedMsg) take() tea.Cmd {
	r := m.panel
	text, err := os.ReadFile(m.file)
	_ = os.Remove(m.file) // a temporary file; nobody needs to know
	if m.err != nil {
		r.fail("edit", m.err)
		return nil
	}
	if err == nil {
		var out brokers.Outgoing
		if out, err = brokers.ParseEdit(string(text), &m.shown); err == nil {
			edited := out.Message.Clone()
			edited.Exchange, edited.RoutingKey = out.To.Exchange, out.To.RoutingKey
			edited.Topic = out.To.Topic
			r.messages[m.i] = edited
			return r.rehearse()
		}
	}
	r.fail("edit", err)
	return nil
}

func tempFile(text string) (string, error) {
	f, err := os.CreateTemp("", "msdev-message-*.txt")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	return f.Name(), errors.Join(err, f.Close())
}
