package tui

import (
	"strings"

	"msdev/brokers"
	"msdev/runner"
	"msdev/session"
)

// nothingYet is why no message shows, and the way out.
func (p *messagesPage) nothingYet() []string {
	back := p.keys.key(actBack)
	switch {
	case p.pane.what.Messages != "" && p.expr != "":
		return []string{"No message passes the filter " + p.expr + ".", back + " takes the filter away."}
	case p.fetched != nil:
		return p.fetched.empty(p.keys.key(actSeek))
	}
	if lines := p.book.nothing(); lines != nil {
		return lines
	}
	if p.book.tap != nil {
		return strings.SplitN(p.book.tap.Error(), "\n", 2)
	}
	for _, b := range p.state.Brokers {
		if lines := tapTrouble(&b); lines != nil && p.shows(b.Name) {
			return lines
		}
	}
	if p.of.name != "" {
		return []string{"No message of " + p.of.name + " has passed since the screen looks.", p.keys.key(actAllMessages) + " shows the messages of all."}
	}
	return []string{"No message has passed yet.", "What was sent before stays in its queue or topic: " + p.keys.key(actPeek) + " on the page queues looks into it."}
}

// shows tells whether messages of a broker show on the page.
func (p *messagesPage) shows(broker string) bool {
	if len(p.of.streams) == 0 {
		return true
	}
	for _, s := range p.of.streams {
		if strings.HasPrefix(s, broker+"/") {
			return true
		}
	}
	return false
}

// nothing is why there is nothing of any broker, and the way out; nil where there is a broker that answers.
func (b *book) nothing() []string {
	switch {
	case b.gone:
		return []string{"The session has ended."}
	case b.source == nil:
		return []string{"This session shows no brokers."}
	case b.err != nil:
		return strings.SplitN(b.err.Error(), "\n", 2)
	case !b.known:
		return []string{"asking for the brokers " + b.signs.cut}
	case len(b.brokers) == 0:
		return []string{"No service of this project is a message broker.",
			"RabbitMQ and Kafka are known by their image; for another image name it: x-msdev: {broker: rabbitmq}. Others are named by x-msdev.brokers."}
	}
	for _, o := range b.brokers {
		if s, ok := b.service(o.info.Service); !ok || s.State == runner.StateReady {
			return nil
		}
	}
	s, _ := b.service(b.brokers[0].info.Service)
	return []string{s.Service + " is not ready: " + stateText(&s) + ".", "Messages show as soon as it is."}
}

// tapTrouble is why nothing of a broker comes in, and the way out; nil where something may.
func tapTrouble(b *session.BrokerState) []string {
	if b.Problem != "" {
		return append([]string{b.Name + ": " + firstLine(b.Problem)}, restLines(b.Problem)...)
	}
	for _, n := range b.Notes {
		if n.Warn {
			lines := []string{b.Name + ": " + n.Text}
			if n.Hint != "" {
				lines = append(lines, n.Hint)
			}
			return lines
		}
	}
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func restLines(s string) []string {
	if _, rest, ok := strings.Cut(s, "\n"); ok {
		return strings.Split(rest, "\n")
	}
	return nil
}

// flow is what passes now of what the page shows, and what of it could not be kept.
func (p *messagesPage) flow() []string {
	var parts []string
	sum, lost, measured := 0.0, int64(0), false
	for _, b := range p.state.Brokers {
		if !p.shows(b.Name) {
			continue
		}
		lost += b.Lost
		if b.Rate != nil {
			sum += *b.Rate
			measured = true
		}
		if b.Problem != "" {
			parts = append(parts, b.Name+" is not seen: "+clean(firstLine(b.Problem)))
		}
	}
	if measured && (p.of.name == "" || p.wholeBroker()) {
		parts = append(parts, rate(sum)+" msg/s")
	}
	if lost > 0 {
		parts = append(parts, commas(lost)+" lost: they passed too fast")
	}
	return parts
}

// wholeBroker tells whether the page shows all of a broker.
func (p *messagesPage) wholeBroker() bool {
	return len(p.of.streams) == 1 && strings.HasSuffix(p.of.streams[0], "/") && p.of.expr == ""
}

// brokerTitle is a broker in a few words: RabbitMQ 4.0.5, vhost /shop.
func brokerTitle(i *brokers.Info) string {
	name := i.Product
	if name == "" {
		name = map[brokers.Kind]string{brokers.RabbitMQ: "RabbitMQ", brokers.Kafka: "Kafka"}[i.Kind]
	}
	title := strings.TrimSpace(name + " " + i.Version)
	if i.Kind == brokers.RabbitMQ && i.Vhost != "" && i.Vhost != "/" {
		title += ", vhost " + i.Vhost
	}
	return title
}
