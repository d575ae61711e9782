package session

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"msdev/brokers"
	"msdev/journal"
	"msdev/runner"
)

// An intake makes the journal's records of what a tap hands on. Its memory is used again for each batch, as the journal copies.
type intake struct {
	broker  string
	records []journal.Record
	bytes   []byte            // the records' bodies
	text    []byte            // what becomes a string
	streams map[string]string // by where messages passed
}

// mostStreams bounds the names that an intake keeps; routing keys may be without number.
const mostStreams = 1 << 10

// take puts what has passed into the journal.
func (s *Session) take(d *desk, in *intake, b brokers.TapBatch) {
	s.journal.AppendAll(in.all(&b))
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	d.seen += uint64(len(b.Messages))
	d.lost += b.Lost
	if len(b.Notes) > 0 {
		d.notes = b.Notes
	}
	if d.wrong != "" || len(b.Notes) > 0 {
		d.wrong = ""
		poke(s.changed)
	}
}

// all are the records of a batch, good until the next one.
func (in *intake) all(b *brokers.TapBatch) []journal.Record {
	clear(in.records)
	in.records, in.bytes = in.records[:0], in.bytes[:0]
	if cap(in.bytes) > mostKept {
		in.bytes = nil
	}
	if b.Gap != nil && !b.Gap.Resumed {
		in.records = append(in.records, journal.Record{Stream: in.broker + "/events", Kind: journal.KindEvent, Ref: string(runner.EventLost), Time: b.Gap.To,
			Text: fmt.Sprintf("%s: what passed between %s and %s was not seen: %s", in.broker, b.Gap.From.Format(time.TimeOnly), b.Gap.To.Format(time.TimeOnly), b.Gap.Reason)})
	}
	for i := range b.Messages {
		in.add(&b.Messages[i])
	}
	return in.records
}

// mostKept is the memory, in bytes, that an intake keeps between two batches.
const mostKept = 16 << 20

// add makes a message a record. What cannot be one is no message.
func (in *intake) add(m *brokers.Message) {
	from := len(in.bytes)
	body, err := m.AppendBinary(in.bytes)
	if err != nil {
		return
	}
	in.bytes = body
	where, ref := m.Exchange, m.Properties.MessageID
	switch {
	case m.Kind == brokers.Kafka:
		where, ref = m.Topic, in.place(m)
	case m.Event == brokers.EventDelivered:
		where = m.Queue
	case where == "":
		where = m.RoutingKey // the default exchange leads to the queue of that name
	}
	in.records = append(in.records, journal.Record{Time: seenAt(m), Stream: in.stream(where), Kind: journal.KindMessage, Ref: ref, Trace: m.Trace(),
		Text: in.preview(m), Body: body[from:len(body):len(body)]})
}

// place is where a record is: topic/partition/offset.
func (in *intake) place(m *brokers.Message) string {
	in.text = append(append(in.text[:0], m.Topic...), '/')
	in.text = append(strconv.AppendInt(in.text, int64(m.Partition), 10), '/')
	return string(strconv.AppendInt(in.text, m.Offset, 10))
}

func (in *intake) stream(where string) string {
	if name, ok := in.streams[where]; ok {
		return name
	}
	if len(in.streams) >= mostStreams || in.streams == nil {
		in.streams = map[string]string{}
	}
	name := in.broker + "/" + where
	in.streams[where] = name
	return name
}

// seenAt is when a message passed: a clock of whole seconds would put it before its cause.
func seenAt(m *brokers.Message) time.Time {
	if m.Kind == brokers.RabbitMQ && m.TimeKind == brokers.TimeCreated {
		return time.Time{}
	}
	return m.Time
}

// previewLength bounds, in bytes, what a message's line shows of its body.
const previewLength = 240

// preview is a message in one line: its key, and the start of its body.
func (in *intake) preview(m *brokers.Message) string {
	text := in.text[:0]
	if m.Kind == brokers.Kafka {
		if utf8.Valid(m.Key) {
			text = append(append(text, m.Key...), ' ')
		}
	} else if utf8.ValidString(m.RoutingKey) {
		text = append(append(text, m.RoutingKey...), ' ')
	}
	switch body := m.Body; {
	case body == nil:
		text = append(text, "(tombstone)"...)
	case !utf8.Valid(body[:min(len(body), previewLength/4)]) && !utf8.Valid(body):
		text = fmt.Appendf(text, "(%d bytes)", len(body))
	default:
		text = append(text, body[:min(len(body), previewLength)]...)
		if len(body) > previewLength {
			text = append(text, "…"...)
		}
	}
	for i, c := range text {
		if c == '\n' || c == '\r' || c == '\t' {
			text[i] = ' '
		}
	}
	in.text = text
	return journal.Sanitize(strings.ToValidUTF8(string(text), "�"))
}
