package remote

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"msdev/brokers"
)

// Serve answers the one question of a connection for a broker, and closes it. changed is told, in one sentence, of what was changed
// in the broker; it may be nil. What the question began ends with ctx, or when the other side is gone.
func Serve(ctx context.Context, conn net.Conn, r *bufio.Reader, b brokers.Broker, changed func(text string)) {
	if changed == nil {
		changed = func(string) {}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := newLink(conn, r)
	defer l.close()
	stop := context.AfterFunc(ctx, l.abort)
	defer stop()
	kind, data, err := l.read()
	var q question
	if err == nil && kind == askFrame {
		err = json.Unmarshal(data, &q)
	}
	if err != nil {
		return
	}
	s := server{link: l, broker: b, q: q, changed: changed}
	if q.Do != doTake && q.Do != doPublish { // nothing more comes but the end
		go func() {
			_, _, _ = l.read()
			cancel()
		}()
	}
	if err := s.answer(ctx); err != nil {
		_ = l.json(failFrame, failureOf(err)) // the client is gone: nobody to tell
	}
}

type server struct {
	*link
	broker  brokers.Broker
	q       question
	changed func(string)
}

var errUnable = errors.New("this broker cannot do that")

func (s *server) answer(ctx context.Context) error {
	switch s.q.Do {
	case doTopology:
		t, err := s.broker.Topology(ctx)
		return s.done(found{t, s.broker.Info()}, err)
	case doTap:
		return s.done(struct{}{}, s.tap(ctx))
	case doRead:
		return s.done(struct{}{}, s.read(ctx))
	case doPublish:
		return s.publish(ctx)
	case doTake:
		return s.take(ctx)
	case doPurge:
		return s.purge(ctx)
	case doApply:
		return s.apply(ctx)
	}
	return s.group(ctx)
}

func (s *server) done(v any, err error) error {
	if err != nil {
		return err
	}
	return s.json(doneFrame, v)
}

func (s *server) messages(list []brokers.Message) error {
	for i := range list {
		if err := s.put(messageFrame, list[i].AppendBinary); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) tap(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.broker.Tap(ctx, s.q.From, s.q.Tap, func(b brokers.TapBatch) {
		err := s.messages(b.Messages)
		if err == nil {
			err = s.json(batchFrame, rest{Lost: b.Lost, Gap: b.Gap, Notes: b.Notes, Caught: b.Caught})
		}
		if err != nil {
			cancel()
		}
	})
}

func (s *server) read(ctx context.Context) error {
	var broken error
	err := s.broker.Read(ctx, s.q.From, s.q.Read, func(b brokers.Batch) bool {
		if broken = s.messages(b.Messages); broken == nil {
			broken = s.json(batchFrame, rest{Notes: b.Notes, Left: b.Left})
		}
		return broken == nil
	})
	return errors.Join(err, broken)
}

// publish sends what comes until the end is told.
func (s *server) publish(ctx context.Context) (err error) {
	p, err := s.broker.Publisher(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := s.json(doneFrame, struct{}{}); err != nil {
		return err
	}
	for n := uint64(0); ; n++ {
		kind, data, err := s.link.read()
		if err != nil || kind == endFrame {
			return s.finish(ctx, p, err)
		}
		out, err := parseSend(data)
		if err != nil {
			return err
		}
		at := n
		if err := p.Send(ctx, out, func(r brokers.Result) { s.tell(sent{N: at, Result: r}) }); err != nil {
			s.tell(sent{N: at, Result: brokers.Result{Status: brokers.StatusRefused, Err: err}, Not: true})
		}
	}
}

// finish waits for what is still unconfirmed. A client that is gone does not wait.
func (s *server) finish(ctx context.Context, p brokers.Publisher, gone error) error {
	if gone != nil {
		return gone
	}
	return s.done(struct{}{}, p.Flush(ctx))
}

func (s *server) tell(r sent) {
	if r.Result.Err != nil {
		r.Err = r.Result.Err.Error()
	}
	_ = s.json(resultFrame, r) // the reader of frames notices that the client is gone
}

// parseSend reads a target and a message.
func parseSend(data []byte) (*brokers.Outgoing, error) {
	n, at := binary.Uvarint(data)
	if at <= 0 || n > uint64(len(data)-at) {
		return nil, errors.New("a message to be sent is cut off")
	}
	out := &brokers.Outgoing{Message: &brokers.Message{}}
	if err := json.Unmarshal(data[at:at+int(n)], &out.To); err != nil {
		return nil, err
	}
	return out, out.Message.UnmarshalBinary(data[at+int(n):])
}

// take holds messages of a queue for the client, and gives them back when it is gone.
func (s *server) take(ctx context.Context) (err error) {
	taker, ok := s.broker.(brokers.Taker)
	if !ok {
		return errUnable
	}
	held, err := taker.Take(ctx, s.q.Queue)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := s.json(doneFrame, struct{}{}); err != nil {
		return err
	}
	for {
		kind, data, err := s.link.read()
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || kind == endFrame {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.handle(ctx, held, kind, data); err != nil {
			return err
		}
	}
}

func (s *server) handle(ctx context.Context, held brokers.Held, kind frame, data []byte) error {
	if kind == nextFrame {
		m, ticket, err := held.Next(ctx)
		if err != nil {
			return s.json(failFrame, failureOf(err))
		}
		return s.put(ticketFrame, func(b []byte) ([]byte, error) {
			return m.AppendBinary(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, ticket), uint64(held.Behind())))
		})
	}
	var what settlement
	if err := json.Unmarshal(data, &what); err != nil {
		return err
	}
	if err := held.Settle(ctx, what.How, what.Tickets...); err != nil {
		return s.json(failFrame, failureOf(err))
	}
	return s.json(doneFrame, struct{}{})
}

func (s *server) purge(ctx context.Context) error {
	purger, ok := s.broker.(brokers.Purger)
	if !ok {
		return errUnable
	}
	n, err := purger.Purge(ctx, s.q.From, s.q.Until)
	if err == nil {
		s.changed(fmt.Sprintf("purged %s: %s", s.q.From, count(n)))
	}
	return s.done(n, err)
}

func count(n int64) string {
	if n < 0 {
		return "how many messages went, the broker does not tell"
	}
	return fmt.Sprintf("%d messages", n)
}

func (s *server) apply(ctx context.Context) error {
	admin, ok := s.broker.(brokers.Admin)
	if !ok {
		return errUnable
	}
	err := admin.Apply(ctx, s.q.Change)
	if err == nil {
		s.changed(describe(s.q.Change))
	}
	return s.done(struct{}{}, err)
}

// describe says a change in words: "create topic orders".
func describe(c brokers.Change) string {
	name := c.Exchange.Name + c.Queue.Name + c.Topic.Name // one of them
	if c.Kind == brokers.Bind || c.Kind == brokers.Unbind {
		name = fmt.Sprintf("%s → %s %q", c.Binding.Source, c.Binding.To, c.Binding.RoutingKey)
	}
	return string(c.Kind) + " " + name
}

func (s *server) group(ctx context.Context) error {
	groups, ok := s.broker.(brokers.GroupAdmin)
	if !ok {
		return errUnable
	}
	switch s.q.Do {
	case doPlanReset:
		list, err := groups.PlanReset(ctx, s.q.Reset)
		return s.done(list, err)
	case doCommit:
		err := groups.Commit(ctx, s.q.Group, s.q.Offsets)
		if err == nil {
			s.changed(fmt.Sprintf("set %d offsets of group %q", len(s.q.Offsets), s.q.Group))
		}
		return s.done(struct{}{}, err)
	case doWaitEmpty:
		err := groups.WaitEmpty(ctx, s.q.Group, func(left []brokers.Member) { _ = s.json(membersFrame, left) })
		return s.done(struct{}{}, err)
	case doDelete:
		err := groups.DeleteGroup(ctx, s.q.Group, s.q.OfTopics...)
		if err == nil {
			s.changed(fmt.Sprintf("deleted group %q", s.q.Group))
		}
		return s.done(struct{}{}, err)
	}
	return fmt.Errorf("nobody here knows how to %q", s.q.Do)
}
