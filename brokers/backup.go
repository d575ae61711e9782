package brokers

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Pick finds one message of a queue and does something with it. The messages before it are taken, too, and given back one
// by one, because that is the only way to reach it: Picked.Disturbed tells how many.
type Pick struct {
	From  Broker
	Queue string
	// Want tells which message is meant. It sees them in the order in which the queue hands them out.
	Want func(*Message) bool
	// Do is done while the message is held; what it returns becomes of it. An error gives it back.
	Do func(context.Context, *Message) (Settlement, error)
	// Most is how many messages are looked through; 0: all that there are.
	Most        int
	AllowRemote bool
}

// Picked tells what a Pick did.
type Picked struct {
	Found     bool
	Message   Message
	Disturbed int   // messages that were taken and given back: redelivered is set, and a delivery of their budget is used
	Budget    int64 // the lowest budget among them after that; -1: none of them has a limit
}

// Run does it.
func (p *Pick) Run(ctx context.Context) (picked Picked, err error) {
	if err := Permit(p.From.Info(), p.AllowRemote); err != nil {
		return picked, err
	}
	held, err := stand(ctx, p.From, p.Queue, int64(p.Most))
	if err != nil {
		return picked, err
	}
	defer func() { err = errors.Join(err, held.Close()) }() // gives back what was looked through
	picked.Budget = -1
	for {
		m, ticket, err := held.Next(ctx)
		if errors.Is(err, io.EOF) {
			return picked, nil
		}
		if err != nil {
			return picked, err
		}
		if !p.Want(&m) {
			picked.Disturbed++
			if left := m.Budget - 1; m.Budget >= 0 && (picked.Budget < 0 || left < picked.Budget) {
				picked.Budget = max(left, 0)
			}
			continue
		}
		picked.Found, picked.Message = true, m.Clone()
		how, err := p.Do(ctx, &picked.Message)
		if err != nil {
			return picked, err
		}
		return picked, held.Settle(ctx, how, ticket)
	}
}

// SameAs is a Pick.Want for a message that was seen before: equal in all that stays when a queue hands it out again. Of
// several that are equal the first is meant.
func SameAs(m *Message) func(*Message) bool {
	want := fingerprint(m)
	return func(m *Message) bool { return fingerprint(m) == want }
}

// Delete is a Pick.Do that removes the message.
func Delete(context.Context, *Message) (Settlement, error) { return Remove, nil }

// Move is a Pick.Do that sends the message as a Replay would, and removes it when the broker has confirmed that. Of the
// Replay, From and Filter are not used.
func Move(r Replay) func(context.Context, *Message) (Settlement, error) {
	return func(ctx context.Context, m *Message) (Settlement, error) {
		r.From, r.Filter = FromSlice([]Message{*m}), nil
		var result Result
		if _, err := r.Run(ctx, new(Control), func(o Outcome) { result = o.Result }); err != nil {
			return GiveBack, err
		}
		if result.Status != StatusConfirmed {
			return GiveBack, fmt.Errorf("it stays where it is: the copy is %s: %w", result.Status, result.Err)
		}
		return Remove, nil
	}
}

// standing hands out what a queue holds when it is first asked, and not what comes after that.
type standing struct {
	Held
	most  int64 // at most so many more; -1: all
	asked bool
}

// stand opens a queue for at most so many messages; 0: all.
func stand(ctx context.Context, b Broker, queue string, most int64) (*standing, error) {
	taker, ok := b.(Taker)
	if !ok {
		return nil, fmt.Errorf("messages cannot be taken from %q one by one", b.Info().Name)
	}
	held, err := taker.Take(ctx, queue)
	if err != nil {
		return nil, err
	}
	if most == 0 {
		most = -1
	}
	return &standing{Held: held, most: most}, nil
}

// Next is Held's; its io.EOF comes after the last of those that were there.
func (s *standing) Next(ctx context.Context) (Message, uint64, error) {
	if s.most == 0 {
		return Message{}, 0, io.EOF
	}
	m, ticket, err := s.Held.Next(ctx)
	if err != nil {
		return m, ticket, err
	}
	if all := s.Behind() + 1; !s.asked && all > 0 && (s.most < 0 || all < s.most) {
		s.most = all
	}
	s.asked = true
	if s.most > 0 {
		s.most--
	}
	return m, ticket, nil
}

// Purge empties a queue or topic after it has saved what is in it.
type Purge struct {
	From   Broker
	Source Source // a queue or topic
	// N is how many of a queue's messages are removed, from its head; 0: all that are there when it begins.
	N int64
	// Backup is a file or folder that does not exist yet: see CreateMessages. "" saves nothing, and Undo is not possible.
	Backup      string
	AllowRemote bool
	// Watch is told how many messages are saved so far; nil is allowed.
	Watch func(saved int64)
}

// purgeEvery is how many messages are saved, brought to the disk, and then removed.
const purgeEvery = 500

// Run removes messages only after the backup that holds them is on the disk. It returns how many went; -1 where a topic's
// broker does not tell. What arrives meanwhile stays.
func (p *Purge) Run(ctx context.Context) (removed int64, err error) {
	if err := Permit(p.From.Info(), p.AllowRemote); err != nil {
		return 0, err
	}
	if p.Source.Kind != SourceQueue && p.Source.Kind != SourceTopic {
		return 0, fmt.Errorf("%s cannot be purged\nName a queue or topic.", p.Source)
	}
	if p.Watch == nil {
		p.Watch = func(int64) {}
	}
	sink := saver(nowhere{})
	if p.Backup != "" {
		if sink, err = CreateMessages(p.Backup, nil); err != nil {
			return 0, err
		}
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	if p.Source.Kind == SourceTopic {
		return p.topic(ctx, sink)
	}
	return p.queue(ctx, sink)
}

// saver is what a Purge saves to.
type saver interface {
	Write(m *Message) error
	Sync() error
	Close() error
}

type nowhere struct{}

func (nowhere) Write(*Message) error { return nil }
func (nowhere) Sync() error          { return nil }
func (nowhere) Close() error         { return nil }

func (p *Purge) queue(ctx context.Context, sink saver) (removed int64, err error) {
	held, err := stand(ctx, p.From, p.Source.Name, p.N)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	var tickets []uint64
	for {
		m, ticket, err := held.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = sink.Write(&m)
		}
		if err != nil {
			return removed, err
		}
		if tickets = append(tickets, ticket); len(tickets) == purgeEvery {
			if err := p.remove(ctx, held, sink, tickets, &removed); err != nil {
				return removed, err
			}
			tickets = tickets[:0]
		}
	}
	err = p.remove(ctx, held, sink, tickets, &removed)
	return removed, err
}

func (p *Purge) remove(ctx context.Context, held Held, sink saver, tickets []uint64, removed *int64) error {
	if len(tickets) == 0 {
		return nil
	}
	if err := sink.Sync(); err != nil {
		return err
	}
	p.Watch(*removed + int64(len(tickets)))
	err := held.Settle(ctx, Remove, tickets...)
	if err == nil {
		*removed += int64(len(tickets))
	}
	return err
}

func (p *Purge) topic(ctx context.Context, sink saver) (int64, error) {
	purger, ok := p.From.(Purger)
	if !ok {
		return 0, fmt.Errorf("%s cannot be purged", p.Source)
	}
	if p.N > 0 {
		return 0, errors.New("a topic's records can only be removed up to an offset\nPurge all of it, or delete by offset.")
	}
	ends := Position{At: AtOffset, Offsets: map[int32]int64{}}
	var saved int64
	var failed error
	err := p.From.Read(ctx, p.Source, ReadOptions{}, func(b Batch) bool {
		for i := range b.Messages {
			m := &b.Messages[i]
			if failed = sink.Write(m); failed != nil {
				return false
			}
			ends.Offsets[m.Partition] = max(ends.Offsets[m.Partition], m.Offset+1)
		}
		saved += int64(len(b.Messages))
		p.Watch(saved)
		return true
	})
	if err := errors.Join(failed, err, sink.Sync()); err != nil || saved == 0 {
		return 0, err
	}
	only := p.Source
	for partition := range ends.Offsets { // the others had nothing
		if !has(p.Source.Partitions, partition) {
			only.Partitions = append(only.Partitions, partition)
		}
	}
	return purger.Purge(ctx, only, ends)
}

func has(all []int32, one int32) bool {
	for _, n := range all {
		if n == one {
			return true
		}
	}
	return false
}

// Undo is the Replay that puts back what a Purge removed: each message into its queue alone, with all its headers, or each
// record into its topic and partition with its own time. A queue's message is then published to the default exchange, a
// record has a new offset, and both stand behind what arrived since.
func Undo(to Broker, backup Messages) Replay {
	return Replay{
		From: func(ctx context.Context, emit func(*Message) error) error {
			return backup(ctx, func(m *Message) error {
				if m.Kind == RabbitMQ { // where it died is not where it was
					m.Headers = m.Headers.Without("x-delivery-count").Without("x-acquired-count")
				}
				return emit(m)
			})
		},
		To:     to,
		Target: Mapping{Kind: undoKind(to.Info().Kind), SamePartition: true, KeepTime: true},
		Policy: HeaderPolicy{KeepBroker: true},
	}
}

func undoKind(k Kind) MappingKind {
	if k == Kafka {
		return ToSame
	}
	return ToHome
}
