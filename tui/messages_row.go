package tui

import (
	"context"
	"strings"
	"unicode/utf8"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/journal"
)

// messageColumns are the widths of what stands before a message's content; 0 falls away.
type messageColumns struct{ where, key, size int }

func columnsOf(w int) messageColumns {
	switch {
	case w >= 100:
		return messageColumns{24, 24, 5}
	case w >= 56:
		return messageColumns{16, 16, 5}
	case w >= 36:
		return messageColumns{12, 0, 5}
	case w >= 20:
		return messageColumns{12, 0, 0}
	}
	return messageColumns{}
}

// heading names the columns of a list of messages, over a pane with these margins.
func (p *pane) heading(w int) string {
	m := p.margins(w)
	c, st := columnsOf(w-m.total()), p.desk.theme.faint
	l := newLine(w, "", p.desk.signs).gap(m.gutter)
	l.cell(st, "TIME", m.clock, false).cell(st, "BROKER", m.name, false)
	if c.where > 0 {
		l.cell(st, "WHERE", c.where, false).gap(1)
	}
	if c.key > 0 {
		l.cell(st, "KEY", c.key, false).gap(1)
	}
	if c.size > 0 {
		l.cell(st, "SIZE", c.size, true).gap(2)
	}
	return l.add(st, "MESSAGE").String()
}

// message lays out a message: where it went, its key, its size, and the beginning of what it says.
func (k *look) message(r *journal.Record) block {
	var m brokers.Message
	if m.UnmarshalBinary(r.Body) != nil { // of another make: its text says enough
		return block{lines: k.lines(k.found(pieces(k.visible(r.Text))))}
	}
	c := columnsOf(k.width)
	var ps []piece
	cell := func(st style, text string, w int, right bool) {
		if w == 0 {
			return
		}
		if text = clean(head(text, 512)); width(text) > w {
			text = cut(text, w-1) + k.signs.cut
		}
		pad := piece{"", strings.Repeat(" ", w-width(text))}
		if right {
			ps = append(ps, pad, piece{st, text}, piece{"", "  "})
		} else {
			ps = append(ps, piece{st, text}, pad, piece{"", " "})
		}
	}
	where, key := placeOf(&m)
	if c.key == 0 && m.Kind == brokers.RabbitMQ && key != "" && m.Event != brokers.EventDelivered {
		where = key // an exchange has many keys, and there is room for one of the two
	}
	cell("", where, c.where, false)
	cell(k.theme.dim, key, c.key, false)
	cell(k.theme.faint, either(m.Body == nil, k.signs.none, size(int64(len(m.Body)))), c.size, true)
	ps = append(ps, k.marksOf(&m)...)
	ps = append(ps, k.tint(pieces(k.visible(k.beginning(r, &m))), either[style](m.Body == nil, k.theme.busy, ""))...)
	return block{lines: [][]piece{skip(k.found(ps), k.shift)}}
}

// placeOf is where a message went, and with which key.
func placeOf(m *brokers.Message) (where, key string) {
	switch {
	case m.Kind == brokers.Kafka:
		return m.Topic + "/" + itoa(int(m.Partition)), keyText(m.Key)
	case m.Event == brokers.EventDelivered:
		return m.Queue, m.RoutingKey
	case m.Exchange == "" && m.Queue == "":
		return m.RoutingKey, ""
	case m.Queue != "":
		return m.Queue, m.RoutingKey
	}
	return m.Exchange, m.RoutingKey
}

// keyText is a record's key as text, or in hex where it is none.
func keyText(key []byte) string {
	if !utf8.Valid(key) {
		return hexOf(key, 16)
	}
	return string(key)
}

// hexOf is the beginning of bytes in hex.
func hexOf(b []byte, n int) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	out.WriteString("0x")
	for _, c := range b[:min(n, len(b))] {
		out.WriteByte(digits[c>>4])
		out.WriteByte(digits[c&15])
	}
	if len(b) > n {
		out.WriteString("..")
	}
	return out.String()
}

// marksOf are words before the content for what is unusual.
func (k *look) marksOf(m *brokers.Message) []piece {
	var ps []piece
	mark := func(is bool, st style, word string) {
		if is {
			ps = append(ps, piece{st, word + " "})
		}
	}
	mark(m.Routed != nil && len(m.Routed) == 0, k.theme.bad, "unroutable")
	mark(m.Event == brokers.EventDelivered, k.theme.info, "delivered")
	mark(m.Redelivered, k.theme.busy, "redelivered")
	mark(m.Aborted, k.theme.bad, "aborted")
	mark(m.Open, k.theme.busy, "open")
	_, dead := m.Header("x-death")
	mark(dead, k.theme.bad, "dead")
	return ps
}

// previewLimit is the greatest body that a list decodes to show its beginning.
const previewLimit = 16 << 10

// preview is the beginning of what a message says, on one line.
func preview(m *brokers.Message, n int) string {
	switch {
	case m.Body == nil:
		return "tombstone: no value"
	case len(m.Body) == 0:
		return "empty"
	}
	start := head(string(m.Body[:min(len(m.Body), n+utf8.UTFMax)]), n)
	if utf8.ValidString(start) && !strings.ContainsRune(start, 0) {
		return strings.Join(strings.Fields(start), " ")
	}
	return rawPreview(m, n)
}

// beginning is the beginning of what a message says: as its schema has it, where that was looked up.
func (k *look) beginning(r *journal.Record, m *brokers.Message) string {
	if k.glances == nil || len(m.Body) == 0 || len(m.Body) > previewLimit {
		return preview(m, 4*k.width)
	}
	if text, ok := k.glances.of(r, m); ok {
		return head(text, 4*k.width)
	}
	return preview(m, 4*k.width)
}

// rawPreview is the beginning of a body that is no text.
func rawPreview(m *brokers.Message, n int) string {
	if len(m.Body) > previewLimit {
		return hexOf(m.Body, 24)
	}
	var d decode.Decoder
	return resultPreview(d.Decode(context.Background(), decode.Of(m)), m, n)
}

// resultPreview is the beginning of a decoded body, on one line.
func resultPreview(r decode.Result, m *brokers.Message, n int) string {
	if r.Format == decode.Hex {
		return hexOf(m.Body, 24)
	}
	return r.Title() + " " + strings.Join(strings.Fields(head(r.Text, n)), " ")
}
