package tui

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/brokers/wire"
	"msdev/journal"
)

// bodyView is how a detail shows a body.
type bodyView uint8

const (
	bodyDecoded bodyView = iota // as what it is: JSON with line breaks, Protobuf fields …
	bodyAsIs                    // the text as it is
	bodyHex
	bodyViews
)

func (v bodyView) String() string { return [...]string{"decoded", "as it is", "in hex"}[v%bodyViews] }

// reading is the body of the selected message, decoded off the screen's loop.
type reading struct {
	seq    uint64
	by     *decode.Schemas
	done   bool
	result decode.Result
}

// detailLimit bounds the text of a body in a detail.
const detailLimit = 256 << 10

// readMsg is a decoded body.
type readMsg struct {
	page   *messagesPage
	seq    uint64
	by     *decode.Schemas
	result decode.Result
}

func (m readMsg) take() tea.Cmd {
	if p := m.page; p.reading.seq == m.seq && p.reading.by == m.by {
		p.reading.done, p.reading.result = true, m.result
		p.redrawDetail()
	}
	return nil
}

// read asks for the body of the selected message, where its detail shows.
func (p *messagesPage) read() tea.Cmd {
	r, ok := p.pane.selected()
	by := p.book.schemas
	if p.detail == nil || !ok || p.reading.seq == r.Seq && p.reading.by == by {
		return nil
	}
	m, ok := messageOf(&r)
	if !ok {
		return nil
	}
	p.reading = reading{seq: r.Seq, by: by}
	return p.ask(func(ctx context.Context) tea.Msg {
		decoder := *by.Decoder(ctx)
		decoder.Limit = detailLimit
		return readMsg{p, r.Seq, by, decoder.Decode(ctx, decode.Of(&m))}
	})
}

// messageOf is the message of a record.
func messageOf(r *journal.Record) (brokers.Message, bool) {
	var m brokers.Message
	ok := r.Kind == journal.KindMessage && m.UnmarshalBinary(r.Body) == nil
	return m, ok
}

// drawMessage is the detail: the selected message, or the comparison of two.
func (p *messagesPage) drawMessage(r *journal.Record, w int) []string {
	if p.diff != nil {
		return p.drawDiff(p.diff.lines, w, p.split.detail.h-1, p.diff.left, p.diff.right)
	}
	return p.drawFacts(p.messageFacts(r), w)
}

// messageFacts are all that is known of a message: when, from where and to whom, what stands beside it, and its body.
func (p *messagesPage) messageFacts(r *journal.Record) []fact {
	if r.Seq == 0 {
		return nil
	}
	m, ok := messageOf(r)
	if !ok {
		return p.recordFacts(r)
	}
	facts := []fact{p.timeFact(&m, r)}
	facts = append(facts, p.wayFacts(&m, r)...)
	facts = append(facts, p.stateFacts(&m)...)
	if r.Trace != "" {
		facts = append(facts, fact{"trace", []piece{{"", clean(r.Trace)}}})
	}
	beside, body := append(p.propertyFacts(&m), p.headerFacts(m.Headers)...), p.bodyFacts(&m)
	if p.split.beside {
		return append(append(facts, beside...), body...)
	}
	return append(append(facts, body...), beside...) // there is little room: the body is what one looks for
}

func (d *desk) timeFact(m *brokers.Message, r *journal.Record) fact {
	at, whose := m.Time, "by the producer's clock"
	switch {
	case at.IsZero() && r.Time.Unix() <= 0:
		return fact{"time", []piece{{d.theme.faint, "nobody has told it"}}}
	case at.IsZero():
		at, whose = r.Time, "when msdev saw it"
	case m.TimeKind == brokers.TimeAppended:
		whose = "when the broker took it"
	case m.TimeKind == brokers.TimeSeen:
		whose = "when msdev saw it"
	}
	at = at.In(d.zone)
	return fact{"time", []piece{{"", at.Format("2006-01-02 15:04:05.000 MST")}, {d.theme.faint, "  " + ago(d.now.Sub(at)) + " ago, " + whose}}}
}

// wayFacts are where a message came from, and who got it.
func (p *messagesPage) wayFacts(m *brokers.Message, r *journal.Record) []fact {
	t := p.theme
	one := p.book.find(serviceOf(r))
	if p.fetched != nil {
		one = p.fetched.one
	}
	facts := []fact{p.placeFact(m)}
	if m.From != "" {
		name := m.From
		if one != nil && one.topology != nil {
			name = p.book.clientName(one.topology, m.From)
		}
		ps := []piece{{"", clean(name)}}
		if m.User != "" {
			ps = append(ps, piece{t.faint, "  as " + clean(m.User)})
		}
		facts = append(facts, fact{either(m.Event == brokers.EventDelivered, "to", "from"), ps})
	}
	if m.Kind == brokers.Kafka {
		facts = append(facts, fact{"key", p.keyPieces(m.Key)})
	}
	return append(facts, p.audience(one, m)...)
}

func (d *desk) placeFact(m *brokers.Message) fact {
	t := d.theme
	if m.Kind == brokers.Kafka {
		return fact{"topic", []piece{{t.strong, clean(m.Topic)}, {t.faint, "  partition "}, {"", itoa(int(m.Partition))},
			{t.faint, "  offset "}, {"", commas(m.Offset)}}}
	}
	ps := []piece{{t.strong, clean(either(m.Exchange == "", "the default exchange", m.Exchange))}, {t.faint, "  key "}, {"", clean(m.RoutingKey)}}
	if m.Queue != "" {
		ps = append(ps, piece{t.faint, "  in queue "}, piece{"", clean(m.Queue)})
	}
	if m.Offset >= 0 && m.Queue != "" {
		ps = append(ps, piece{t.faint, "  offset "}, piece{"", commas(m.Offset)})
	}
	return fact{"exchange", ps}
}

func (d *desk) keyPieces(key []byte) []piece {
	switch {
	case key == nil:
		return []piece{{d.theme.faint, "null"}}
	case len(key) == 0:
		return []piece{{d.theme.faint, "empty"}}
	case !utf8.Valid(key):
		return []piece{{"", hexOf(key, 64)}, {d.theme.faint, "  " + plural(len(key), "byte")}}
	}
	return []piece{{"", clean(string(key))}}
}

// stateFacts are what is unusual about a message.
func (d *desk) stateFacts(m *brokers.Message) []fact {
	var facts []fact
	add := func(is bool, st style, text string) {
		if is {
			facts = append(facts, fact{either(len(facts) == 0, "state", ""), []piece{{st, text}}})
		}
	}
	t := d.theme
	add(m.Redelivered, t.busy, "redelivered: a consumer had it before and gave it back, or broke off")
	add(m.Deliveries > 0, t.busy, plural(m.Deliveries, "delivery attempt")+" in vain")
	add(m.Budget >= 0 && m.Kind == brokers.RabbitMQ, t.busy, plural(m.Budget, "attempt")+" left until the queue drops or dead-letters it")
	add(m.Aborted, t.bad, "aborted: its transaction was taken back, committed readers never see it")
	add(m.Open, t.busy, "open: its transaction has not ended")
	add(m.Transactional && !m.Aborted && !m.Open, t.dim, "in a transaction that was committed")
	if origin, ok := brokers.OriginOf(m); ok {
		add(true, t.bad, deathText(&origin))
	}
	return facts
}

// propertyFacts are AMQP's properties that are present, one after the other to leave room for the rest.
func (d *desk) propertyFacts(m *brokers.Message) []fact {
	p := &m.Properties
	var ps []piece
	add := func(bit wire.Flags, name, value string) {
		if p.Has&bit == 0 {
			return
		}
		if len(ps) > 0 {
			ps = append(ps, piece{"", "   "})
		}
		ps = append(ps, piece{d.theme.faint, name + " "}, piece{either(value == "", d.theme.faint, ""), either(value == "", "empty", clean(value))})
	}
	add(wire.HasContentType, "content-type", p.ContentType)
	add(wire.HasContentEncoding, "content-encoding", p.ContentEncoding)
	add(wire.HasType, "type", p.Type)
	add(wire.HasMessageID, "message-id", p.MessageID)
	add(wire.HasCorrelationID, "correlation-id", p.CorrelationID)
	add(wire.HasReplyTo, "reply-to", p.ReplyTo)
	add(wire.HasDeliveryMode, "delivery-mode", fmt.Sprint(p.DeliveryMode, either(p.DeliveryMode == 2, " persistent", " transient")))
	add(wire.HasPriority, "priority", fmt.Sprint(p.Priority))
	add(wire.HasExpiration, "expiration", p.Expiration+" ms")
	add(wire.HasTimestamp, "timestamp", fmt.Sprint(p.Timestamp))
	add(wire.HasUserID, "user-id", p.UserID)
	add(wire.HasAppID, "app-id", p.AppID)
	add(wire.HasClusterID, "cluster-id", p.ClusterID)
	if ps == nil {
		return nil
	}
	return []fact{{"properties", ps}}
}

// headerFacts are the headers in their order, with their types; tables and arrays stand indented below.
func (d *desk) headerFacts(headers brokers.Headers) []fact {
	var facts []fact
	var tell func(depth int, key string, v any)
	tell = func(depth int, key string, v any) {
		kind, text := fieldText(v)
		name := either(len(facts) == 0, "headers", "")
		facts = append(facts, fact{name, []piece{{"", strings.Repeat("  ", depth) + clean(key) + "  "}, {d.theme.faint, kind + "  "}, {d.theme.dim, clean(text)}}})
		switch v := v.(type) {
		case brokers.Headers:
			for _, h := range v {
				tell(depth+1, h.Key, h.Value)
			}
		case brokers.Array:
			for i, e := range v {
				tell(depth+1, itoa(i+1)+".", e)
			}
		}
	}
	for _, h := range headers {
		tell(0, h.Key, h.Value)
	}
	return facts
}

// fieldText is the type and the value of a header.
func fieldText(v any) (kind, text string) {
	switch v := v.(type) {
	case nil:
		return "void", ""
	case string:
		return "string", head(v, 4096)
	case []byte:
		switch {
		case v == nil:
			return "null", ""
		case utf8.Valid(v):
			return "bytes", head(string(v), 4096)
		}
		return "bytes", hexOf(v, 64)
	case brokers.Timestamp:
		return "timestamp", fmt.Sprint(uint64(v))
	case brokers.Decimal:
		return "decimal", decimalText(v)
	case brokers.Headers:
		return "table", plural(len(v), "field")
	case brokers.Array:
		return "array", plural(len(v), "element")
	}
	return fmt.Sprintf("%T", v), fmt.Sprint(v)
}

func decimalText(d brokers.Decimal) string {
	digits := fmt.Sprintf("%0*d", int(d.Scale)+1, d.Value)
	if d.Scale == 0 {
		return digits
	}
	point := len(digits) - int(d.Scale)
	return digits[:point] + "." + digits[point:]
}

// bodyFacts are the body in the way that the person chose, under a line that says what it was taken for and why.
func (p *messagesPage) bodyFacts(m *brokers.Message) []fact {
	t := p.theme
	text, ps := "", []piece{{t.dim, plural(len(m.Body), "byte")}}
	switch {
	case m.Body == nil:
		return []fact{{"body", []piece{{t.busy, "none: a tombstone, which deletes the key"}}}}
	case p.body == bodyHex:
		text = strings.ReplaceAll("\n"+hex.Dump(m.Body[:min(len(m.Body), detailLimit/8)]), "\n00", "\n")[1:]
		ps = append(ps, piece{t.faint, "  in hex"})
	case p.body == bodyAsIs:
		text = head(string(m.Body), detailLimit)
		ps = append(ps, piece{t.faint, "  as it is"})
	case !p.reading.done:
		ps = append(ps, piece{t.faint, "  decoding " + p.signs.cut})
	default:
		r := &p.reading.result
		text = r.Text
		ps = append(ps, piece{"", "  " + clean(r.Title())}, piece{t.faint, "  " + clean(r.Reason)})
		if r.Size != len(m.Body) {
			ps = append(ps, piece{t.faint, ", " + plural(r.Size, "byte") + " opened"})
		}
		if r.Problem != "" {
			ps = append(ps, piece{t.busy, "  " + clean(r.Problem)})
		}
		if r.Cut {
			ps = append(ps, piece{t.busy, "  cut here, there is more"})
		}
	}
	facts := []fact{{"body", ps}}
	if text == "" {
		return facts
	}
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		facts = append(facts, fact{across, p.styled(strings.ReplaceAll(l, "\t", "    "), "")})
	}
	return facts
}

// redrawDetail has the detail drawn anew.
func (p *messagesPage) redrawDetail() {
	if p.detail != nil {
		p.detail.drawn = nil
	}
}
