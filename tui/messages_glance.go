package tui

import (
	"context"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/journal"
)

// glances are the beginnings of messages that take a schema to be read. Drawing asks for them; they are made off the
// screen's loop, because a schema may have to be fetched.
type glances struct {
	by      *decode.Schemas
	made    map[uint64]string
	wanted  map[uint64]brokers.Message
	busy    bool
	version int
}

// The bounds of glances: how many are kept, how long their text is, and how long a round of them may take.
const (
	glancesKept  = 4 * maxWindow
	glanceLength = 2 << 10
	glanceTime   = 5 * time.Second
)

func newGlances() *glances {
	return &glances{made: map[uint64]string{}, wanted: map[uint64]brokers.Message{}}
}

// forget begins anew: other messages show, or other schemas hold.
func (g *glances) forget() {
	clear(g.made)
	clear(g.wanted)
	g.version++
}

// use goes on with these schemas.
func (g *glances) use(by *decode.Schemas) {
	if g.by != by {
		g.by = by
		g.forget()
	}
}

// of is what was made of a message; what was not is noted as wanted.
func (g *glances) of(r *journal.Record, m *brokers.Message) (string, bool) {
	if !g.by.Any() {
		return "", false
	}
	text, ok := g.made[r.Seq]
	if !ok {
		g.wanted[r.Seq] = *m
	}
	return text, ok && text != ""
}

// glance makes what drawing wanted.
func (p *messagesPage) glance() tea.Cmd {
	g := p.glances
	if g.busy || len(g.wanted) == 0 {
		return nil
	}
	work := g.wanted
	g.wanted, g.busy = map[uint64]brokers.Message{}, true
	m := glanceMsg{page: p, by: g.by, version: g.version}
	return p.ask(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, glanceTime)
		defer cancel()
		d := *m.by.Decoder(ctx)
		d.Limit = glanceLength
		m.made = map[uint64]string{}
		for seq, msg := range work {
			text := ""
			if !utf8.Valid(msg.Body) || d.Typed(&msg) || hasNUL(msg.Body) {
				text = resultPreview(d.Decode(ctx, decode.Of(&msg)), &msg, glanceLength)
			}
			m.made[seq] = text
		}
		return m
	})
}

func hasNUL(b []byte) bool {
	for _, c := range b {
		if c == 0 {
			return true
		}
	}
	return false
}

// glanceMsg is what was made; "" is a message that says by itself what it says.
type glanceMsg struct {
	page    *messagesPage
	by      *decode.Schemas
	version int
	made    map[uint64]string
}

func (m glanceMsg) take() tea.Cmd {
	g := m.page.glances
	g.busy = false
	if g.by != m.by || g.version != m.version {
		return nil
	}
	if len(g.made)+len(m.made) > glancesKept {
		clear(g.made)
	}
	anew := false
	for seq, text := range m.made {
		g.made[seq] = text
		anew = anew || text != ""
	}
	if anew { // else what shows is right
		g.version++
	}
	return nil
}
