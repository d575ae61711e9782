package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/brokers"
	"msdev/journal"
)

// single moves, copies or deletes the selected message, or each of the marked ones.
func (p *messagesPage) single(a action) tea.Cmd {
	records, all := p.pane.chosen(), p.chosenMessages()
	if len(all) == 0 || len(all) != len(records) {
		return nil
	}
	from, err := p.brokerOf(records)
	if err == nil && a != actCopyTo {
		err = p.takable(from)
	}
	if err != nil {
		p.fail("", err)
		return nil
	}
	switch a {
	case actDelete:
		return p.deleteThese(from, all, p.disturbs(records))
	case actMove:
		return open(p.whereTo("move to", from, func(to *booked, words string, m brokers.Mapping) tea.Cmd {
			return p.moveThese(from, to, all, m, words, p.disturbs(records))
		}))
	}
	return open(p.whereTo("copy to", from, func(to *booked, words string, m brokers.Mapping) tea.Cmd {
		return p.copyThese(to, all, m, words)
	}))
}

// brokerOf is the one broker that the records are of.
func (p *messagesPage) brokerOf(records []journal.Record) (*booked, error) {
	one := p.book.find(serviceOf(&records[0]))
	if p.fetched != nil {
		one = p.fetched.one
	}
	switch {
	case one == nil:
		return nil, errors.New("the broker that this came from is no longer known\nStart it, and look again.")
	case slices.ContainsFunc(records, func(r journal.Record) bool { return serviceOf(&r) != serviceOf(&records[0]) }):
		return nil, errors.New("the marked messages are of several brokers\nDo it with those of one broker at a time.")
	}
	return one, nil
}

// takable tells why a message cannot be taken from where it is, or nil.
func (p *messagesPage) takable(one *booked) error {
	look := p.keys.key(actPeek) + " on the page queues looks into a queue; do it there."
	switch {
	case one.info.Kind == brokers.Kafka:
		return fmt.Errorf("a topic keeps each record until its time is over: none is taken out\n%s sends a copy; %s on the page queues removes all records.", p.keys.key(actCopyTo), p.keys.key(actPurge))
	case p.fetched == nil:
		return errors.New("this is a message that has passed, and not one in a queue\n" + look)
	case p.fetched.from.Kind != brokers.SourceQueue:
		return errors.New("only a queue's messages can be taken out\n" + look)
	}
	if t := one.topology; t != nil && slices.ContainsFunc(t.Queues, func(q brokers.Queue) bool {
		return q.Name == p.fetched.from.Name && q.Type == brokers.StreamQueue
	}) {
		return fmt.Errorf("a stream keeps each message until its time is over: none is taken out\n%s sends a copy.", p.keys.key(actCopyTo))
	}
	return nil
}

// disturbs says what is done to others to get to a message: those before it are taken, and put back.
func (p *messagesPage) disturbs(records []journal.Record) string {
	before := int64(records[len(records)-1].Seq) - int64(len(records)) // a look into a queue counts from its head
	if before <= 0 {
		return ""
	}
	return " " + plural(before, "message") + either(before == 1, " before it is", " before it are") + " taken and put back: redelivered is set, and in a quorum queue a delivery less is left."
}

// whereTo asks for a target.
func (p *messagesPage) whereTo(label string, from *booked, then func(*booked, string, brokers.Mapping) tea.Cmd) *prompt {
	q := newPrompt(p.desk, label, "")
	q.input.Placeholder = "queue:NAME, exchange:NAME/KEY, topic:NAME"
	q.done = func(text string) (tea.Cmd, error) {
		to, m, err := p.book.targetOf(text, from)
		if err != nil {
			return nil, err
		}
		return then(to, strings.TrimSpace(text), m), nil
	}
	return q
}

func (p *messagesPage) deleteThese(from *booked, all []brokers.Message, disturbs string) tea.Cmd {
	text := plural(len(all), "message")
	q := &question{text: "Delete " + text + " of " + p.fetched.from.String() + "?", lost: either(len(all) == 1, "It is", "They are") + " gone for good, for everybody." + disturbs}
	return p.book.confirm(from, q, "D", "delete", func(remote bool) tea.Cmd {
		return p.pickThese("delete "+text, "deleted", from, all, remote, brokers.Delete)
	})
}

func (p *messagesPage) moveThese(from, to *booked, all []brokers.Message, m brokers.Mapping, words, disturbs string) tea.Cmd {
	text := plural(len(all), "message")
	q := &question{desk: p.desk, text: "Move " + text + " of " + p.fetched.from.String() + " to " + words + "?",
		lost: either(len(all) == 1, "It is", "Each is") + " taken out here once it is confirmed there." + disturbs}
	q.answers = []answer{{"M", "move", func() tea.Cmd {
		return p.book.permitted([]*booked{from, to}, func(remote bool) tea.Cmd {
			move := brokers.Move(brokers.Replay{To: to.broker, Target: m, AllowRemote: remote})
			return p.pickThese("move "+text, "moved to "+words, from, all, remote, move)
		})
	}}}
	return open(q)
}

// pickThese takes each message out of its queue, does something with it, and looks into the queue again.
func (p *messagesPage) pickThese(text, done string, from *booked, all []brokers.Message, remote bool, do func(context.Context, *brokers.Message) (brokers.Settlement, error)) tea.Cmd {
	queue := p.fetched.from.Name
	return p.book.deedThen(text, func(ctx context.Context, tell func(string)) (string, error) {
		picked, disturbed := 0, 0
		var failed error
		for i := range all {
			pick := brokers.Pick{From: from.broker, Queue: queue, Want: brokers.SameAs(&all[i]), Do: do, AllowRemote: remote}
			got, err := pick.Run(ctx)
			disturbed += got.Disturbed
			if err == nil && !got.Found {
				err = errors.New("it is no longer ready in the queue: somebody has taken it\nLook into the queue again.")
			}
			if err != nil {
				failed = err
				break
			}
			picked++
			tell(plural(picked, "message"))
		}
		result := plural(picked, "message") + " " + done
		if disturbed > 0 {
			result += "; " + commas(disturbed) + " before were taken and put back"
		}
		if picked > 0 {
			failed = errors.Join(failed, p.book.source.Note(context.WithoutCancel(ctx), from.info.Name, plural(picked, "message")+" of queue "+queue+" "+done))
		}
		return result, failed
	}, func() tea.Cmd {
		if p.fetched == nil {
			return nil
		}
		return p.fetch(p.fetched.at)
	})
}

// copyThese sends messages elsewhere, as they are but for the broker's own headers.
func (p *messagesPage) copyThese(to *booked, all []brokers.Message, m brokers.Mapping, words string) tea.Cmd {
	text := "copy " + plural(len(all), "message")
	return p.book.permitted([]*booked{to}, func(remote bool) tea.Cmd {
		return p.book.deed(text, func(ctx context.Context, _ func(string)) (string, error) {
			job := brokers.Replay{From: brokers.FromSlice(all), To: to.broker, Target: m, AllowRemote: remote}
			var why error
			progress, err := job.Run(ctx, new(brokers.Control), func(o brokers.Outcome) {
				if o.Result.Status != brokers.StatusConfirmed && why == nil {
					why = fmt.Errorf("%s is %s: %w", either(len(all) == 1, "it", "one of them"), o.Result.Status, o.Result.Err)
				}
			})
			result := progressText(&progress)
			err = errors.Join(err, p.book.source.Note(context.WithoutCancel(ctx), to.info.Name, "copied to "+words+": "+result))
			return result + " at " + words, errors.Join(why, err)
		})
	})
}
