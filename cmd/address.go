package cmd

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"msdev/brokers"
	"msdev/runner"
)

// addressHelp is the grammar of SOURCE and TARGET, for the help of the verbs that take them.
const addressHelp = `Where messages are is written so:

  orders                         the queue, topic or exchange of that name, where there is only one
  queue:NAME                     a queue; as a target, that queue alone
  exchange:NAME[/KEY]            an exchange, with a routing key; exchange:/KEY is the default exchange
  topic:NAME[/PARTITION][@FROM]  a topic; @ is an offset or time to begin with
  BROKER/…                       any of these, where several brokers have it; BROKER alone is all that passes it`

// address is where messages are, as users write it: see addressHelp.
type address struct {
	text   string
	broker string             // empty: any
	kind   brokers.SourceKind // empty: any
	rest   string
}

var addressed = regexp.MustCompile(`^(?s)(?:(.+?)/)??(queue|exchange|topic):(.*)$`)

func parseAddress(text string) address {
	if m := addressed.FindStringSubmatch(text); m != nil {
		return address{text: text, broker: m[1], kind: brokers.SourceKind(m[2]), rest: m[3]}
	}
	return address{text: text, rest: text}
}

// place is what an address stands for at the brokers that there are.
type place struct {
	at     *knownBroker
	source brokers.Source
	key    *string           // the routing key of an exchange, where one was given
	from   *brokers.Position // where a topic is to begin, where that was given
}

// String is the address that stands for nothing else.
func (p place) String() string {
	text := p.at.info.Name + "/"
	if p.source.Kind == brokers.SourceAll {
		return p.at.info.Name
	}
	text += string(p.source.Kind) + ":" + p.source.Name
	if p.key != nil {
		text += "/" + *p.key
	}
	if len(p.source.Partitions) == 1 {
		text += "/" + strconv.Itoa(int(p.source.Partitions[0]))
	}
	return text
}

// target is the place as one to send to. Without a routing key an exchange gets each message's own.
func (p place) target() brokers.Target {
	switch p.source.Kind {
	case brokers.SourceQueue:
		return brokers.Target{RoutingKey: p.source.Name}
	case brokers.SourceExchange:
		t := brokers.Target{Exchange: p.source.Name}
		if p.key != nil {
			t.RoutingKey = *p.key
		}
		return t
	}
	t := brokers.Target{Topic: p.source.Name}
	if len(p.source.Partitions) == 1 {
		t.Partition = &p.source.Partitions[0]
	}
	return t
}

// resolve finds what an address stands for, among the kinds that a verb takes (none: all of them and whole brokers).
func (s *brokerSet) resolve(text string, kinds ...brokers.SourceKind) (place, error) {
	a := parseAddress(text)
	if len(kinds) == 0 {
		kinds = []brokers.SourceKind{brokers.SourceQueue, brokers.SourceExchange, brokers.SourceTopic, brokers.SourceAll}
	}
	if a.kind != "" && !slices.Contains(kinds, a.kind) {
		return place{}, usageError(fmt.Sprintf("%s: this takes no %s", text, a.kind), "It takes: "+strings.Join(plainKinds(kinds), ", ")+".")
	}
	found := s.find(a, kinds)
	if len(found) == 0 && a.broker == "" {
		if name, rest, ok := strings.Cut(a.text, "/"); ok && s.named(name) != nil && a.kind == "" {
			a.broker, a.rest = name, rest
			found = s.find(a, kinds)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return place{}, s.unknown(a, kinds)
	}
	var names []string
	for _, p := range found {
		names = append(names, p.String())
	}
	return place{}, usageError(fmt.Sprintf("%q may be %d things", text, len(found)), "Write "+strings.Join(names, " or ")+".")
}

// plainKinds names kinds as people do.
func plainKinds(kinds []brokers.SourceKind) []string {
	var texts []string
	for _, k := range kinds {
		if k == brokers.SourceAll {
			k = "broker"
		}
		texts = append(texts, string(k))
	}
	return texts
}

// find returns what bears exactly that name or, where nothing does, what does once a suffix is taken off.
func (s *brokerSet) find(a address, kinds []brokers.SourceKind) []place {
	var exact, suffixed []place
	for _, b := range s.all {
		if a.broker != "" && a.broker != b.info.Name {
			continue
		}
		for _, kind := range kinds {
			if a.kind != "" && a.kind != kind {
				continue
			}
			if p, ok := b.bears(kind, a); ok {
				exact = append(exact, p)
			} else if p, ok := b.suffixed(kind, a, b.names(kind)); ok {
				suffixed = append(suffixed, p)
			}
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return suffixed
}

// bears finds what has exactly the name of an address.
func (b *knownBroker) bears(kind brokers.SourceKind, a address) (place, bool) {
	if kind == brokers.SourceAll {
		return place{at: b, source: brokers.Source{Kind: kind}}, a.rest == b.info.Name || a.broker != "" && a.rest == ""
	}
	there := slices.Contains(b.names(kind), a.rest) && (a.rest != "" || a.kind != "")
	return place{at: b, source: brokers.Source{Kind: kind, Name: a.rest}}, there
}

// suffixed reads NAME/KEY, NAME/PARTITION and NAME@FROM. Where the broker cannot list what it holds, an address that says
// its kind is taken at its word.
func (b *knownBroker) suffixed(kind brokers.SourceKind, a address, names []string) (place, bool) {
	p := place{at: b, source: brokers.Source{Kind: kind}}
	if kind == brokers.SourceAll || !b.has(kind) {
		return p, false
	}
	unlisted := a.kind != "" && a.rest != "" && !b.listed()
	switch kind {
	case brokers.SourceExchange:
		return exchangePart(p, a, names, unlisted)
	case brokers.SourceTopic:
		return b.topicPart(p, a.rest, names)
	}
	p.source.Name = a.rest
	return p, unlisted
}

func exchangePart(p place, a address, names []string, unlisted bool) (place, bool) {
	best, found := "", false
	for _, name := range names {
		if strings.HasPrefix(a.rest, name+"/") && (name != "" || a.kind != "") && (!found || len(name) > len(best)) {
			best, found = name, true
		}
	}
	if !found && unlisted {
		if best, _, found = strings.Cut(a.rest, "/"); !found {
			p.source.Name = a.rest
			return p, true
		}
	}
	if found {
		key := a.rest[len(best)+1:]
		p.source.Name, p.key = best, &key
	}
	return p, found
}

var topicParts = regexp.MustCompile(`^([a-zA-Z0-9._-]+)(?:/([0-9]{1,9}))?(?:@(.+))?$`)

func (b *knownBroker) topicPart(p place, rest string, names []string) (place, bool) {
	m := topicParts.FindStringSubmatch(rest)
	if m == nil || !slices.Contains(names, m[1]) {
		return p, false
	}
	p.source.Name = m[1]
	if m[2] != "" {
		n, err := strconv.ParseInt(m[2], 10, 32)
		if err != nil {
			return p, false
		}
		p.source.Partitions = []int32{int32(n)}
	}
	if m[3] != "" {
		at, err := parsePosition(m[3], time.Now())
		if err != nil {
			return p, false
		}
		p.from = &at
	}
	return p, true
}

// unknown says that nothing bears a name, with the nearest that there is; or that brokers could not be asked.
func (s *brokerSet) unknown(a address, kinds []brokers.SourceKind) error {
	if a.broker != "" && s.named(a.broker) == nil {
		return noSuch("broker", a.broker, s.brokerNames())
	}
	if err := s.silent(a.broker); err != nil {
		return err
	}
	takes := strings.Join(plainKinds(kinds), " or ")
	if others := s.find(a, []brokers.SourceKind{brokers.SourceQueue, brokers.SourceExchange, brokers.SourceTopic}); len(others) > 0 && a.kind == "" {
		return usageError(fmt.Sprintf("%q is the name of the %s %s, and this takes a %s", a.text, others[0].source.Kind, others[0], takes), "")
	}
	var there []string
	for _, b := range s.all {
		if a.broker != "" && a.broker != b.info.Name {
			continue
		}
		for _, kind := range kinds {
			if a.kind == "" || a.kind == kind {
				there = append(there, b.names(kind)...)
			}
		}
	}
	what := string(a.kind)
	if what == "" {
		what = takes
	}
	name := a.rest
	if a.kind == brokers.SourceTopic || a.kind == brokers.SourceExchange {
		name, _, _ = strings.Cut(name, "/")
		name, _, _ = strings.Cut(name, "@")
	}
	return noSuch(what, cmp.Or(name, a.text), there)
}

// noSuch says that there is no thing of a name, and which it may have meant.
func noSuch(what, name string, there []string) error {
	slices.Sort(there)
	there = slices.DeleteFunc(slices.Compact(there), func(n string) bool { return n == "" || strings.HasPrefix(n, "amq.") || strings.HasPrefix(n, "__") })
	hint := "There are none yet."
	if len(there) > 0 {
		hint = "There are: " + strings.Join(there[:min(len(there), 12)], ", ") + map[bool]string{true: " …", false: "."}[len(there) > 12]
	}
	if like := runner.Nearest(name, there); like != "" {
		hint = fmt.Sprintf("Did you mean %q?", like)
	}
	return usageError(fmt.Sprintf("there is no %s %q", what, name), hint)
}

// parsePosition reads a place in a topic or stream: start, end, last:N, an offset or a time.
func parsePosition(s string, now time.Time) (brokers.Position, error) {
	switch s {
	case "start", "earliest", "first":
		return brokers.Position{At: brokers.AtStart}, nil
	case "end", "latest":
		return brokers.Position{At: brokers.AtEnd}, nil
	}
	if n, ok := strings.CutPrefix(s, "last:"); ok {
		if count, err := strconv.ParseInt(n, 10, 64); err == nil && count > 0 {
			return brokers.Position{At: brokers.AtLast, Offset: count}, nil
		}
	} else if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return brokers.Position{At: brokers.AtOffset, Offset: n}, nil
	} else if t, err := moment(s, now); err == nil {
		return brokers.Position{At: brokers.AtTime, Time: t}, nil
	}
	return brokers.Position{}, usageError(fmt.Sprintf("%q is no place in a topic", s), "Write start, end, last:20, an offset (1200) or a time (10m, 2026-01-31T12:00:00).")
}
