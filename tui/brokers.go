package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/session"
)

// BrokerSource is a Source that knows the brokers of the project; *session.Client is one. Without one the screen has no
// messages and no queues.
type BrokerSource interface {
	// Brokers lists the brokers of the project, and those that it names beside.
	Brokers(ctx context.Context) ([]brokers.Info, error)
	// Broker is one of them.
	Broker(info brokers.Info) brokers.Broker
	// Note puts a sentence about what was done to a broker into the journal.
	Note(ctx context.Context, broker, text string) error
	// Schemas are what the project's messages are read by.
	Schemas(ctx context.Context) (*decode.Schemas, error)
	// Tap lets what passes the project's own brokers into the journal until ctx ends; with Firehose as much as RabbitMQ's
	// tracing shows. Other options are not for this.
	Tap(ctx context.Context, o brokers.TapOptions) error
}

var _ BrokerSource = (*session.Client)(nil)

// reply is a message of the program that knows what it answers.
type reply interface{ take() tea.Cmd }

// book is what the screen knows of the brokers. It asks while a page shows them, and never on the screen's loop.
type book struct {
	*desk
	source  BrokerSource // nil: there are none to ask for
	brokers []*booked
	known   bool // the source has told which brokers there are
	busy    bool
	asked   time.Time
	err     error
	tap     error // why no message comes in
	schemas *decode.Schemas
	hosed   bool      // the firehose is on
	wishes  chan bool // holds what the person wishes of the firehose
	version int       // counts what was learned
}

// booked is one broker with what it last said of itself.
type booked struct {
	info     brokers.Info
	broker   brokers.Broker
	topology *brokers.Topology // nil: it has not answered yet
	err      error             // why it does not answer now
	busy     bool
	asked    time.Time
	trends   map[string]*trend
	before   map[string]int64 // ends of topics and commits of groups, to tell rates from
	beforeAt time.Time
	rates    map[string]float64
}

const (
	bookEvery    = 2 * time.Second  // how often a broker is asked while a page shows
	bookPatience = 15 * time.Second // how long an answer may take
)

func newBook(d *desk) *book {
	source, _ := d.source.(BrokerSource)
	return &book{desk: d, source: source, wishes: make(chan bool, 1)}
}

// refresh asks for what is older than bookEvery.
func (b *book) refresh() tea.Cmd {
	if b.source == nil || b.gone || b.paused {
		return nil
	}
	var cmds []tea.Cmd
	if !b.busy && b.now.Sub(b.asked) >= bookEvery {
		b.busy, b.asked = true, b.now
		cmds = append(cmds, b.ask(func(ctx context.Context) tea.Msg {
			ctx, cancel := context.WithTimeout(ctx, bookPatience)
			defer cancel()
			infos, err := b.source.Brokers(ctx)
			if err != nil {
				return bookMsg{book: b, err: err}
			}
			schemas, err := b.source.Schemas(ctx)
			return bookMsg{b, infos, schemas, err}
		}))
	}
	for _, one := range b.brokers {
		if !one.busy && b.now.Sub(one.asked) >= bookEvery {
			one.busy, one.asked = true, b.now
			cmds = append(cmds, b.ask(func(ctx context.Context) tea.Msg {
				ctx, cancel := context.WithTimeout(ctx, bookPatience)
				defer cancel()
				t, err := one.broker.Topology(ctx)
				return topologyMsg{b, one, t, err}
			}))
		}
	}
	return tea.Batch(cmds...)
}

// expire has all brokers asked again: something was done to one of them.
func (b *book) expire() {
	for _, o := range b.brokers {
		o.asked = o.asked.Add(-bookEvery)
	}
}

// bookMsg tells which brokers there are.
type bookMsg struct {
	book    *book
	infos   []brokers.Info
	schemas *decode.Schemas
	err     error
}

func (m bookMsg) take() tea.Cmd {
	b := m.book
	b.busy, b.err = false, m.err
	if m.err != nil {
		return nil
	}
	b.known = true
	if !m.schemas.Same(b.schemas) {
		b.schemas = m.schemas
	}
	before := b.brokers
	b.brokers = nil
	for _, info := range m.infos {
		i := slices.IndexFunc(before, func(o *booked) bool { return o.info.Name == info.Name && o.info.Vhost == info.Vhost })
		if i >= 0 && before[i].info.Address == info.Address {
			before[i].info = info
			b.brokers = append(b.brokers, before[i])
			continue
		}
		b.brokers = append(b.brokers, &booked{info: info, broker: b.source.Broker(info),
			trends: map[string]*trend{}, before: map[string]int64{}, rates: map[string]float64{}})
	}
	slices.SortStableFunc(b.brokers, func(x, y *booked) int { // own ones first, RabbitMQ before Kafka
		return cmp.Or(cmp.Compare(either(x.info.Own, 0, 1), either(y.info.Own, 0, 1)), strings.Compare(string(y.info.Kind), string(x.info.Kind)))
	})
	return nil
}

// topologyMsg is what one broker says of itself.
type topologyMsg struct {
	book     *book
	one      *booked
	topology *brokers.Topology
	err      error
}

func (m topologyMsg) take() tea.Cmd {
	m.one.busy, m.one.err = false, m.err
	m.book.version++
	if m.err != nil {
		return nil // what it said last stays, and is told to be old
	}
	m.one.topology = m.topology
	if m.topology.Version != "" {
		m.one.info.Version = m.topology.Version
	}
	m.one.measure(m.topology, m.book.now)
	return nil
}

// measure takes the numbers whose trend is shown, and tells the rates that a broker does not tell itself.
func (o *booked) measure(t *brokers.Topology, now time.Time) {
	if !t.At.IsZero() {
		now = t.At
	}
	for i := range t.Queues {
		if ready := t.Queues[i].Ready; ready != nil {
			o.sample(queueID(t.Queues[i].Name), now, float64(*ready))
		}
	}
	for i := range t.Groups {
		if lag := t.Groups[i].Lag; lag != nil {
			o.sample(groupID(t.Groups[i].Name), now, float64(*lag))
		}
	}
	after := offsetsIn(t)
	clear(o.rates)
	in := now.Sub(o.beforeAt).Seconds()
	for id, n := range after {
		was, ok := o.before[id]
		if ok && n >= was && in > 0 {
			o.rates[id] = float64(n-was) / in
		}
		switch rate, known := o.rates[id]; {
		case strings.HasPrefix(id, "group "):
			o.sample(commitsOf(id), now, float64(n))
		case known:
			o.sample(id, now, rate)
		}
	}
	o.before, o.beforeAt = after, now
}

// sample adds one measurement to a trend.
func (o *booked) sample(id string, at time.Time, v float64) {
	if o.trends[id] == nil {
		o.trends[id] = &trend{}
	}
	o.trends[id].add(at, v)
}

// offsetsIn are how many records were written to each topic, and how many each group has committed.
func offsetsIn(t *brokers.Topology) map[string]int64 {
	all := map[string]int64{}
	for i := range t.Topics {
		if end := endOf(&t.Topics[i]); end != nil {
			all[topicID(t.Topics[i].Name)] = *end
		}
	}
	for i := range t.Groups {
		for _, at := range t.Groups[i].Offsets {
			if at.Committed != nil {
				all[groupID(t.Groups[i].Name)] += *at.Committed
			}
		}
	}
	return all
}

func queueID(name string) string { return "queue " + name }
func topicID(name string) string { return "topic " + name }
func groupID(name string) string { return "group " + name }

// commitsOf is the trend of a group's committed offsets.
func commitsOf(group string) string { return "commits of " + group }

// endOf is how many records were ever written to a topic; nil where a partition does not tell.
func endOf(t *brokers.Topic) *int64 {
	var end int64
	for _, p := range t.Partitions {
		if p.End == nil {
			return nil
		}
		end += *p.End
	}
	return &end
}

// find is the broker with a name.
func (b *book) find(name string) *booked {
	if i := slices.IndexFunc(b.brokers, func(o *booked) bool { return o.info.Name == name }); i >= 0 {
		return b.brokers[i]
	}
	return nil
}

// serviceAt is the service that a client of a broker is: by the address that it comes from, or else by the name that it
// gave itself. It is empty where nobody knows.
func (b *book) serviceAt(host, given string) string {
	host = strings.TrimPrefix(host, "/") // as Kafka writes it
	for _, s := range b.state.Services {
		for _, i := range s.Instances {
			if slices.Contains(i.Addresses, host) && !strings.HasPrefix(host, "127.") {
				return s.Service
			}
		}
	}
	best := ""
	for _, s := range b.state.Services {
		if len(s.Service) > len(best) && wordIn(strings.ToLower(given), strings.ToLower(s.Service)) {
			best = s.Service
		}
	}
	return best
}

// wordIn tells whether a name stands in a text, not as a part of another word.
func wordIn(text, name string) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	for at := 0; name != ""; at++ {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(name)
		if (at == 0 || !letter(text[at-1])) && (end == len(text) || !letter(text[end])) {
			return true
		}
	}
	return false
}

// clientName is a connection of RabbitMQ as people know it: the service, the name that it gave itself, or its address.
func (b *book) clientName(t *brokers.Topology, name string) string {
	i := slices.IndexFunc(t.Clients, func(c brokers.Client) bool { return c.Name == name })
	if i < 0 {
		return name
	}
	c := &t.Clients[i]
	switch service := b.serviceAt(c.Host, c.Given); {
	case c.Own:
		return "msdev"
	case service != "":
		return service
	case c.Given != "":
		return c.Given
	}
	return name
}

// memberService is the service that a member of a group is; where its client tells nothing, a group may be named after it.
func (b *book) memberService(g *brokers.Group, m *brokers.Member) string {
	return cmp.Or(b.serviceAt(m.Host, m.Client+" "+m.Instance), b.serviceAt("", g.Name))
}

// memberName is a member of a group as people know it.
func (b *book) memberName(g *brokers.Group, m *brokers.Member) string {
	return cmp.Or(b.memberService(g, m), m.Client, m.ID)
}
