package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"msdev/brokers"
	"msdev/runner"
)

// knownBroker is a broker with what it holds, as it was when a verb began.
type knownBroker struct {
	brokers.Broker
	info     brokers.Info
	topology *brokers.Topology // nil: it could not be asked
	err      error             // why
}

// brokerSet are the brokers that a verb looks at.
type brokerSet struct{ all []*knownBroker }

// ask asks all brokers at once what they hold. A broker that does not answer is no error: others may have what is asked for.
func ask(ctx context.Context, all []brokers.Broker) (*brokerSet, error) {
	s := &brokerSet{}
	var wg sync.WaitGroup
	for _, b := range all {
		known := &knownBroker{Broker: b, info: b.Info()}
		s.all = append(s.all, known)
		wg.Go(func() {
			known.topology, known.err = b.Topology(ctx)
			if known.topology == nil && known.err == nil { // a session of another version of msdev
				known.err = errors.New("it does not say what it holds")
			}
			known.info = b.Info()
		})
	}
	wg.Wait()
	return s, ctx.Err()
}

// named returns the broker of a name, or nil.
func (s *brokerSet) named(name string) *knownBroker {
	i := slices.IndexFunc(s.all, func(b *knownBroker) bool { return b.info.Name == name })
	if i < 0 {
		return nil
	}
	return s.all[i]
}

func (s *brokerSet) brokerNames() []string {
	var names []string
	for _, b := range s.all {
		names = append(names, b.info.Name)
	}
	return names
}

// several tells whether a broker must be named beside what it holds.
func (s *brokerSet) several(kind brokers.Kind) bool {
	n := 0
	for _, b := range s.all {
		if b.info.Kind == kind {
			n++
		}
	}
	return n > 1
}

// silent is the error of the brokers that could not be asked; nil where all answered. A name chooses one of them.
func (s *brokerSet) silent(name string) error {
	if len(s.all) == 0 {
		return &runner.Error{Kind: runner.ErrEngine, Msg: "the project has no broker",
			Hint: "msdev knows brokers by the image's name or x-msdev.broker; others come by --broker NAME=URL."}
	}
	var failed []error
	for _, b := range s.all {
		if b.err != nil && (name == "" || name == b.info.Name) {
			failed = append(failed, unreachable(b))
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return failed[0]
}

// unreachable is the error of a broker that does not answer, with the exit code of that.
func unreachable(b *knownBroker) error {
	msg, hint, _ := strings.Cut(b.err.Error(), "\n")
	var e *runner.Error
	if errors.As(b.err, &e) {
		msg, hint = e.Msg, e.Hint
	}
	if !strings.Contains(msg, b.info.Name) {
		msg = fmt.Sprintf("broker %q: %s", b.info.Name, msg)
	}
	return &runner.Error{Kind: runner.ErrEngine, Msg: msg, Hint: hint, Err: b.err}
}

// has tells whether a broker can hold a kind of thing.
func (b *knownBroker) has(kind brokers.SourceKind) bool {
	return (kind == brokers.SourceTopic) == (b.info.Kind == brokers.Kafka)
}

// listed tells whether all that the broker holds is known.
func (b *knownBroker) listed() bool {
	return b.topology != nil && (b.info.Kind == brokers.Kafka || len(b.topology.Exchanges) > 0)
}

// names are those of what a broker holds of a kind; the default exchange's is empty.
func (b *knownBroker) names(kind brokers.SourceKind) []string {
	var names []string
	if kind == brokers.SourceExchange && b.has(kind) {
		names = append(names, "")
	}
	if b.topology == nil {
		return names
	}
	switch kind {
	case brokers.SourceQueue:
		for i := range b.topology.Queues {
			names = append(names, b.topology.Queues[i].Name)
		}
	case brokers.SourceExchange:
		for i := range b.topology.Exchanges {
			names = append(names, b.topology.Exchanges[i].Name)
		}
	case brokers.SourceTopic:
		for i := range b.topology.Topics {
			names = append(names, b.topology.Topics[i].Name)
		}
	case sourceGroup:
		for i := range b.topology.Groups {
			names = append(names, b.topology.Groups[i].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// queue returns what is known of a queue, or nil.
func (b *knownBroker) queue(name string) *brokers.Queue {
	if b.topology == nil {
		return nil
	}
	i := slices.IndexFunc(b.topology.Queues, func(q brokers.Queue) bool { return q.Name == name })
	if i < 0 {
		return nil
	}
	return &b.topology.Queues[i]
}

// topic returns what is known of a topic, or nil.
func (b *knownBroker) topic(name string) *brokers.Topic {
	if b.topology == nil {
		return nil
	}
	i := slices.IndexFunc(b.topology.Topics, func(t brokers.Topic) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &b.topology.Topics[i]
}
