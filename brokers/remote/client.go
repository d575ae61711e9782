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
	"sync"

	"msdev/brokers"
)

// Dial opens a connection whose other side answers for one broker, by Serve. What was read of it already stands in the reader.
type Dial func(ctx context.Context) (net.Conn, *bufio.Reader, error)

// broker asks the other side.
type broker struct {
	known *knowledge
	dial  Dial
}

// knowledge is what the other side last told of itself.
type knowledge struct {
	mu   sync.Mutex
	info brokers.Info
}

// rabbit is a RabbitMQ on the other side.
type rabbit struct {
	broker
	purger
	taker
	admin
}

type kafka struct {
	broker
	purger
	admin
	groups
}

// New is the broker on the other side, with all that its kind can.
func New(info brokers.Info, dial Dial) brokers.Broker {
	b := broker{&knowledge{info: info}, dial}
	if info.Kind == brokers.Kafka {
		return kafka{b, purger{b}, admin{b}, groups{b}}
	}
	return rabbit{b, purger{b}, taker{b}, admin{b}}
}

func (b broker) Info() brokers.Info {
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	return b.known.info
}

// ask opens a link with a question. It ends with ctx.
func (b broker) ask(ctx context.Context, q question) (*link, func(), error) {
	conn, r, err := b.dial(ctx)
	if err != nil {
		return nil, nil, whole(ctx, err)
	}
	l := newLink(conn, r)
	stop := context.AfterFunc(ctx, l.abort)
	if err := l.json(askFrame, q); err != nil {
		stop()
		l.close()
		return nil, nil, whole(ctx, err)
	}
	return l, func() { stop(); l.close() }, nil
}

// call asks a question that has one answer.
func (b broker) call(ctx context.Context, q question, into any) error {
	l, end, err := b.ask(ctx, q)
	if err != nil {
		return err
	}
	defer end()
	return whole(ctx, l.answer(into))
}

// answer reads the answer that ends a question, or a part of it.
func (l *link) answer(into any) error {
	kind, data, err := l.read()
	switch {
	case err != nil:
		return err
	case kind == failFrame:
		return failed(data)
	case kind != doneFrame:
		return fmt.Errorf("an answer of the kind %q was not asked for", string(kind))
	case into == nil:
		return nil
	}
	return json.Unmarshal(data, into)
}

func failed(data []byte) error {
	var f failure
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	return f.error()
}

// whole tells of a connection that broke as what it is: ctx ended, or the session did.
func whole(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return errGone
	}
	return err
}

var errGone = errors.New("the session has ended\n`msdev up` starts it again")

func (b broker) Topology(ctx context.Context) (*brokers.Topology, error) {
	var f found
	if err := b.call(ctx, question{Do: doTopology}, &f); err != nil {
		return nil, err
	}
	b.known.mu.Lock()
	defer b.known.mu.Unlock()
	b.known.info = f.Info
	return f.Topology, nil
}

func (b broker) Tap(ctx context.Context, from brokers.Source, o brokers.TapOptions, emit func(brokers.TapBatch)) error {
	err := b.batches(ctx, question{Do: doTap, From: from, Tap: o}, func(list []brokers.Message, r rest) bool {
		emit(brokers.TapBatch{Messages: list, Lost: r.Lost, Gap: r.Gap, Notes: r.Notes, Caught: r.Caught})
		return true
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // so a tap ends
	}
	return err
}

func (b broker) Read(ctx context.Context, from brokers.Source, o brokers.ReadOptions, emit func(brokers.Batch) bool) error {
	return b.batches(ctx, question{Do: doRead, From: from, Read: o}, func(list []brokers.Message, r rest) bool {
		return emit(brokers.Batch{Messages: list, Notes: r.Notes, Left: r.Left})
	})
}

// batches reads batches until the answer, or until emit wants no more.
func (b broker) batches(ctx context.Context, q question, emit func([]brokers.Message, rest) bool) error {
	l, end, err := b.ask(ctx, q)
	if err != nil {
		return err
	}
	defer end()
	var list []brokers.Message
	for {
		kind, data, err := l.read()
		if errors.Is(err, io.EOF) {
			err = errGone
		}
		if err != nil {
			return whole(ctx, err)
		}
		switch kind {
		case messageFrame:
			list = append(list, brokers.Message{})
			err = list[len(list)-1].UnmarshalBinary(data)
		case batchFrame:
			var r rest
			if err = json.Unmarshal(data, &r); err == nil && !emit(list, r) {
				return nil
			}
			list = nil
		case failFrame:
			return failed(data)
		case doneFrame:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

type purger struct{ b broker }

func (p purger) Purge(ctx context.Context, from brokers.Source, until brokers.Position) (int64, error) {
	var n int64
	err := p.b.call(ctx, question{Do: doPurge, From: from, Until: until}, &n)
	return n, err
}

type admin struct{ b broker }

func (a admin) Apply(ctx context.Context, c brokers.Change) error {
	return a.b.call(ctx, question{Do: doApply, Change: c}, nil)
}

type groups struct{ b broker }

func (g groups) PlanReset(ctx context.Context, r brokers.GroupReset) ([]brokers.OffsetChange, error) {
	var list []brokers.OffsetChange
	err := g.b.call(ctx, question{Do: doPlanReset, Reset: r}, &list)
	return list, err
}

func (g groups) Commit(ctx context.Context, group string, offsets []brokers.OffsetChange) error {
	return g.b.call(ctx, question{Do: doCommit, Group: group, Offsets: offsets}, nil)
}

func (g groups) DeleteGroup(ctx context.Context, group string, topics ...string) error {
	return g.b.call(ctx, question{Do: doDelete, Group: group, OfTopics: topics}, nil)
}

func (g groups) WaitEmpty(ctx context.Context, group string, left func([]brokers.Member)) error {
	l, end, err := g.b.ask(ctx, question{Do: doWaitEmpty, Group: group})
	if err != nil {
		return err
	}
	defer end()
	for {
		kind, data, err := l.read()
		switch {
		case err != nil:
			return whole(ctx, err)
		case kind == failFrame:
			return failed(data)
		case kind == doneFrame:
			return nil
		}
		var members []brokers.Member
		if err := json.Unmarshal(data, &members); err != nil {
			return err
		}
		left(members)
	}
}

type taker struct{ b broker }

func (t taker) Take(ctx context.Context, queue string) (brokers.Held, error) {
	held := context.WithoutCancel(ctx) // it ends with Close
	l, end, err := t.b.ask(held, question{Do: doTake, Queue: queue})
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, l.abort)
	err = whole(ctx, l.answer(nil))
	stop()
	if err != nil {
		end()
		return nil, err
	}
	return &hold{link: l, end: end}, nil
}

// hold is a queue that the other side takes from.
type hold struct {
	link   *link
	end    func()
	behind int64
}

func (h *hold) Behind() int64 { return h.behind }

func (h *hold) Next(ctx context.Context) (m brokers.Message, ticket uint64, err error) {
	stop := context.AfterFunc(ctx, h.link.abort)
	defer stop()
	if err := h.link.json(nextFrame, nil); err != nil {
		return m, 0, whole(ctx, err)
	}
	kind, data, err := h.link.read()
	switch {
	case errors.Is(err, io.EOF): // not the queue's end, but the connection's
		return m, 0, errors.Join(ctx.Err(), errGone)
	case err != nil:
		return m, 0, whole(ctx, err)
	case kind == failFrame:
		return m, 0, failed(data)
	case kind != ticketFrame || len(data) < 16:
		return m, 0, fmt.Errorf("an answer of the kind %q was not asked for", string(kind))
	}
	h.behind = int64(binary.BigEndian.Uint64(data[8:]))
	return m, binary.BigEndian.Uint64(data), m.UnmarshalBinary(data[16:])
}

func (h *hold) Settle(ctx context.Context, how brokers.Settlement, tickets ...uint64) error {
	stop := context.AfterFunc(ctx, h.link.abort)
	defer stop()
	if err := h.link.json(settleFrame, settlement{how, tickets}); err != nil {
		return whole(ctx, err)
	}
	return whole(ctx, h.link.answer(nil))
}

// Close returns when what was not settled is given back: the other side closes the connection then.
func (h *hold) Close() error {
	defer h.end()
	if err := h.link.json(endFrame, nil); err != nil {
		return err
	}
	kind, data, err := h.link.read()
	if err == nil && kind == failFrame {
		return failed(data)
	}
	return nil
}
