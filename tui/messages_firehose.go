package tui

import (
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
)

// hosable tells why no firehose can be had, or nil.
func (b *book) hosable() error {
	var rabbits []*booked
	for _, o := range b.brokers {
		if o.info.Kind == brokers.RabbitMQ && o.info.Own {
			rabbits = append(rabbits, o)
		}
	}
	switch {
	case len(rabbits) == 0:
		return errors.New("only a RabbitMQ of this project has a firehose\nWhat is written to Kafka shows here anyway; its groups are on the page queues.")
	case !slices.ContainsFunc(rabbits, func(o *booked) bool { return o.info.Manage }):
		return fmt.Errorf("the firehose needs the management API, which %s has not\nEnable it in the running broker: rabbitmq-plugins enable rabbitmq_management", rabbits[0].info.Name)
	}
	return nil
}

// hose says in the page's title that the firehose is on.
func (p *messagesPage) hose() string {
	if !p.book.hosed || p.fetched != nil {
		return ""
	}
	return ", firehose"
}

// firehose shows everything of the brokers, with each delivery, or goes back to what is published. It asks first, because
// it costs the broker something.
func (p *messagesPage) firehose() tea.Cmd {
	if p.book.hosed {
		p.book.wish(false)
		p.say("the firehose is off again: what is published shows")
		return nil
	}
	if err := p.book.hosable(); err != nil {
		p.fail("", err)
		return nil
	}
	return open(&question{desk: p.desk, text: "Open the firehose?",
		lost: "RabbitMQ then copies each message once more for every delivery: its speed falls by about a third while it is open. Nothing is taken from anybody. " +
			p.keys.key(actFirehose) + " closes it; so does leaving this screen.",
		answers: []answer{{p.keys.key(actFirehose), "open", func() tea.Cmd {
			p.book.wish(true)
			if p.fetched == nil {
				p.show(narrowing{})
			}
			return nil
		}}}})
}

// wish has the firehose opened or closed; the newest wish counts.
func (b *book) wish(on bool) {
	b.hosed = on
	select {
	case <-b.wishes: // nobody has seen the earlier one
	default:
	}
	b.wishes <- on
}
