package brokers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"msdev/brokers/wire"
)

// Rehearsal is what a Replay would do.
type Rehearsal struct {
	Read     int64            // messages of the source
	Unjudged int64            // of these, those that the filter could not judge
	Count    int64            // messages that would be sent
	Failed   int64            // messages that cannot be sent, because nothing tells where
	Bytes    int64            // of the bodies that would be sent
	Targets  map[string]int64 // messages by target, as TargetText names it
	Sample   []Outcome        // the first of them; their Result says why one cannot be sent
	Notes    []Note           // what to know before
}

// TargetText names a target as people do.
func TargetText(t Target) string {
	switch {
	case t.Topic != "" && t.Partition != nil:
		return "topic " + t.Topic + "/" + strconv.Itoa(int(*t.Partition))
	case t.Topic != "":
		return "topic " + t.Topic
	case t.Exchange == "":
		return "queue " + t.RoutingKey
	}
	return "exchange " + t.Exchange + " → " + t.RoutingKey
}

// Rehearse reads the source as Run would, sends nothing, and changes nothing but what looking changes: see FromBroker.
func (r *Replay) Rehearse(ctx context.Context, sample int) (Rehearsal, error) {
	out := Rehearsal{Targets: map[string]int64{}}
	k, err := r.maker()
	if err != nil {
		return out, err
	}
	c := checks{replay: r, counts: map[warning]int64{}, now: time.Now()}
	top, err := r.To.Topology(ctx)
	if err != nil {
		out.Notes = append(out.Notes, Note{Text: "The targets are not checked: " + err.Error(), Warn: true})
	}
	c.read(top)
	err = r.From(ctx, func(m *Message) error {
		out.Read++
		if r.Filter != nil {
			ok, err := r.Filter(m)
			if err != nil {
				out.Unjudged++
			}
			if err != nil || !ok {
				return nil //nolint:nilerr // counted
			}
		}
		if r.Limit > 0 && out.Count+out.Failed == r.Limit {
			return errEnough
		}
		out.add(&k, &c, m, sample)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	out.Notes = append(out.Notes, c.notes()...)
	return out, err
}

func (out *Rehearsal) add(k *maker, c *checks, m *Message, sample int) {
	found := m.Clone()
	it := &item{n: out.Count + out.Failed + 1, found: &found}
	err := k.make(it)
	o := Outcome{N: it.n, Found: it.found, Sent: it.out}
	if err != nil {
		out.Failed++
		o.Result = Result{Status: StatusRefused, Err: err}
	} else {
		out.Count++
		out.Bytes += int64(len(it.out.Message.Body))
		out.Targets[TargetText(it.out.To)]++
		c.check(it)
	}
	if len(out.Sample) < sample {
		out.Sample = append(out.Sample, o)
	}
}

// warning is one thing to know before a replay, with %d for how many messages it is about.
type warning struct{ text, hint string }

var (
	warnExchange  = warning{"%d go to an exchange that does not exist.", "Create it, or choose another target."}
	warnQueue     = warning{"%d go to a queue that does not exist.", "Create it, or choose another target."}
	warnTopic     = warning{"%d go to a topic that does not exist.", "Create it, or choose another target."}
	warnCompacted = warning{"%d go to a compacted topic, where each replaces what is newer under its key.", "Compare with the newest record of the key first."}
	warnNoKey     = warning{"%d have no key, and go to a compacted topic, which refuses that.", "Give them keys by an edit."}
	warnOld       = warning{"%d are older than their topic keeps records, and may be removed at once.", "Send them with a new time."}
	warnAppend    = warning{"%d go to a topic that stamps records when they arrive: their own time is lost.", ""}
	warnExpires   = warning{"%d have an expiration, which begins anew.", ""}
	warnLostTTL   = warning{"%d had expired, and with that lost their expiration: they stay until they are consumed.", ""}
	warnReply     = warning{"%d name a reply queue that ended with its first sender: nobody gets the answer.", "Remove reply-to by an edit."}
	warnUser      = warning{"%d bear a user-id, and are refused unless that user sends them.", "Leave it out with the header policy."}
	warnTombstone = warning{"%d are deletions (null values), which RabbitMQ does not know: they become empty, with the header " + tombstoneHeader + ".", ""}
	warnLost      = warning{"%d have properties that Kafka has no place for: delivery mode, priority, expiration, reply-to, user or cluster id, timestamp.", "Keep the time with the target's own choice."}
	warnBudget    = warning{"%d have no delivery left: one more in vain, and their queue drops them or dead-letters them.", ""}
)

// checks count warnings over the messages of a rehearsal.
type checks struct {
	replay    *Replay
	now       time.Time
	counts    map[warning]int64
	order     []warning
	exchanges map[string]bool
	queues    map[string]bool
	topics    map[string]*Topic
}

func (c *checks) read(top *Topology) {
	if top == nil {
		return
	}
	for i := range top.Topics {
		if c.topics == nil {
			c.topics = map[string]*Topic{}
		}
		c.topics[top.Topics[i].Name] = &top.Topics[i]
	}
	if len(top.Exchanges) == 0 { // cannot be listed: there are always some
		return
	}
	c.exchanges, c.queues = map[string]bool{}, map[string]bool{}
	for _, e := range top.Exchanges {
		c.exchanges[e.Name] = true
	}
	for _, q := range top.Queues {
		c.queues[q.Name] = true
	}
}

func (c *checks) warn(when bool, w warning) {
	if !when {
		return
	}
	if c.counts[w]++; c.counts[w] == 1 {
		c.order = append(c.order, w)
	}
}

func (c *checks) notes() []Note {
	var all []Note
	for _, w := range c.order {
		all = append(all, Note{Text: fmt.Sprintf(w.text, c.counts[w]), Hint: w.hint, Warn: true})
	}
	return all
}

func (c *checks) check(it *item) {
	if it.out.To.Topic != "" {
		c.checkKafka(it)
	} else {
		c.checkRabbit(it)
	}
	c.warn(it.found.Budget == 0, warnBudget)
}

func (c *checks) checkRabbit(it *item) {
	m, to := it.out.Message, it.out.To
	if c.exchanges != nil {
		c.warn(to.Exchange != "" && !c.exchanges[to.Exchange], warnExchange)
		c.warn(to.Exchange == "" && !c.queues[to.RoutingKey], warnQueue)
	}
	p := &m.Properties
	c.warn(p.Has&wire.HasExpiration != 0, warnExpires)
	c.warn(p.Has&wire.HasExpiration == 0 && lostExpiration(it.found), warnLostTTL)
	c.warn(p.Has&wire.HasUserID != 0, warnUser)
	c.warn(p.Has&wire.HasReplyTo != 0 && (strings.HasPrefix(p.ReplyTo, "amq.rabbitmq.reply-to") || strings.HasPrefix(p.ReplyTo, "amq.gen-")), warnReply)
	c.warn(it.found.Kind == Kafka && it.found.Body == nil, warnTombstone)
}

func lostExpiration(m *Message) bool {
	v, _ := m.Header("x-death")
	deaths, _ := v.(Array)
	for _, d := range deaths {
		if t, ok := d.(Headers); ok && text(t, "original-expiration") != "" {
			return true
		}
	}
	return false
}

const notInKafka = wire.HasDeliveryMode | wire.HasPriority | wire.HasExpiration | wire.HasReplyTo | wire.HasUserID | wire.HasClusterID | wire.HasTimestamp

func (c *checks) checkKafka(it *item) {
	m, to := it.out.Message, it.out.To
	c.warn(it.found.Kind == RabbitMQ && it.found.Properties.Has&notInKafka != 0, warnLost)
	if c.topics == nil {
		return
	}
	topic := c.topics[to.Topic]
	c.warn(topic == nil, warnTopic)
	if topic == nil {
		return
	}
	c.warn(topic.Compacted && m.Key != nil, warnCompacted)
	c.warn(topic.Compacted && m.Key == nil, warnNoKey)
	c.warn(to.KeepTime && topic.Configs["message.timestamp.type"] == "LogAppendTime", warnAppend)
	kept, err := strconv.ParseInt(topic.Configs["retention.ms"], 10, 64)
	c.warn(to.KeepTime && err == nil && kept >= 0 && !m.Time.IsZero() && c.now.Sub(m.Time).Milliseconds() > kept, warnOld)
}
