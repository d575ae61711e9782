package brokers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Redrive brings dead letters back to where they came from. Of Replay, From is not used; the usual Target is ToOrigin.
//
// A queue's message is taken, sent, confirmed, noted in the journal, and only then removed from the queue, in this order. So
// none is lost, and a Redrive that was killed, or lost its brokers, and is run again with the same journal sends at most those
// twice whose confirmation it did not come to note: those under way. A broker that is killed may forget that it removed a
// message; such a one is sent again, and Outcome.Again tells it. What is not confirmed, or not wanted by the filter, is given
// back to its queue at the end, which a quorum queue counts as a delivery in vain. What dies again meanwhile and comes back is
// left for the next run.
//
// A topic's records stay. The journal notes each that was confirmed, and these are passed over in every further run with it.
type Redrive struct {
	Replay
	Broker Broker // where the dead letters are
	Source Source // the queue or topic of them
	// Journal is the file beside the work; "" keeps none, and then a second run starts anew.
	Journal string
}

// settleEvery is how many confirmed messages are removed from their queue at once, and settleWithin the longest that one
// waits for others.
const (
	settleEvery  = 16
	settleWithin = 200 * time.Millisecond
)

// returnWithin is how long a broker that was lost may take to put back into the queue what was held.
const returnWithin = 10 * time.Second

// unknown is how many there are before the queue told.
const unknown = -1

// mostDoubted is how many removed messages are remembered, at least, in case that the broker forgets their removal.
// Acknowledgements are not confirmed; RabbitMQ has the last of them only in memory.
const mostDoubted = 4096

// Run does it: see Replay.Run.
func (r *Redrive) Run(ctx context.Context, c *Control, each func(Outcome)) (Progress, error) {
	if err := errors.Join(Permit(r.Broker.Info(), r.AllowRemote), Permit(r.To.Info(), r.AllowRemote)); err != nil {
		return Progress{}, err
	}
	notes, err := openNotes(r.Journal, noteHead{Redrive: r.Source, Broker: r.Broker.Info().Address})
	if err != nil {
		return Progress{}, err
	}
	p, err := r.run(ctx, c, each, notes)
	return p, errors.Join(err, notes.close(r.Source.Kind == SourceQueue))
}

// Rehearse is Replay.Rehearse over at most so many of the dead letters. It looks at a queue as ReadOptions tell, and counts
// what an earlier run with the same journal has done as well.
func (r *Redrive) Rehearse(ctx context.Context, most, sample int) (Rehearsal, error) {
	look := r.Replay
	look.From = FromBroker(r.Broker, r.Source, ReadOptions{Limit: most})
	return look.Rehearse(ctx, sample)
}

func (r *Redrive) run(ctx context.Context, c *Control, each func(Outcome), notes *notes) (Progress, error) {
	taker, takes := r.Broker.(Taker)
	switch {
	case r.Source.Kind == SourceQueue && !takes:
		return Progress{}, fmt.Errorf("messages cannot be taken from %s one by one", r.Source)
	case r.Source.Kind != SourceQueue && r.Source.Kind != SourceTopic:
		return Progress{}, fmt.Errorf("%s holds no dead letters\nName a queue or topic.", r.Source)
	}
	run, err := r.start(ctx, c, each)
	if err != nil {
		return Progress{}, err
	}
	if r.Source.Kind == SourceTopic {
		err = r.topic(ctx, run, notes)
	} else {
		q := &queueRedrive{replaying: run, taker: taker, queue: r.Source.Name, notes: notes, left: unknown}
		run.settle = q.settle
		err = q.all(ctx)
	}
	return run.Progress(), err
}

func (r *Redrive) topic(ctx context.Context, run *replaying, notes *notes) error {
	run.settle = func(o Outcome, _ uint64) error {
		if o.Result.Status != StatusConfirmed {
			return nil
		}
		return notes.record(o.Found.Partition, o.Found.Offset)
	}
	err := FromBroker(r.Broker, r.Source, ReadOptions{})(ctx, func(m *Message) error {
		if notes.has(m.Partition, m.Offset) {
			run.count(func(p *Progress) { p.Skipped++ })
			return nil
		}
		return run.take(ctx, m, taken{})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	_, err = run.end(ctx, err)
	return err
}

// queueRedrive is a Redrive of a queue.
type queueRedrive struct {
	*replaying
	taker Taker
	queue string
	notes *notes

	held    Held
	ready   []uint64          // confirmed, to be removed
	prints  map[uint64]string // of what is held, by ticket
	settled time.Time         // when some were removed last

	left    int64          // to be met yet; unknown: all until the queue is empty
	due     int            // held when the connection was lost, and not met again yet
	removed []string       // the prints of those removed last
	doubted map[string]int // of these, what may come back, by print
}

// all takes until the queue is empty, and again after a lost connection: what was held then is in the queue again.
func (q *queueRedrive) all(ctx context.Context) error {
	var since time.Time
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		before := q.Progress()
		err := q.generation(ctx)
		if errors.Is(err, errEnough) {
			err = nil
		}
		if err == nil || ctx.Err() != nil || !errors.Is(err, errSource) {
			_, err = q.end(ctx, err)
			return errors.Join(err, q.release(ctx))
		}
		// The outcomes of what is under way say what has to be removed when it is met again.
		if err := errors.Join(q.courier.flush(ctx), q.collect()); err != nil {
			_, err = q.end(ctx, err)
			return err
		}
		q.notes.carryOver()
		q.expect()
		if since.IsZero() || q.Progress().Confirmed > before.Confirmed {
			since, pause = time.Now(), firstPause
		}
		if time.Since(since) > q.courier.patience {
			_, err = q.end(ctx, err)
			return err
		}
		q.courier.trouble(err.Error())
		if err := Sleep(ctx, pause); err != nil {
			_, err = q.end(ctx, err)
			return err
		}
	}
}

// errSource marks what may be healed by taking from the queue anew.
var errSource = errors.New("the queue's broker was lost")

// expect reckons with what comes back after a lost connection.
func (q *queueRedrive) expect() {
	q.due += len(q.prints)
	if q.left >= 0 {
		q.left += int64(len(q.prints))
	}
	q.doubted = map[string]int{}
	for _, print := range q.removed {
		q.doubted[print]++
	}
	q.held, q.prints = nil, nil
}

// generation takes over one connection, as many messages as are there when the first one begins.
func (q *queueRedrive) generation(ctx context.Context) error {
	held, err := q.taker.Take(ctx, q.queue)
	if err != nil {
		return errors.Join(errSource, err)
	}
	q.held, q.ready, q.prints, q.settled = held, nil, map[uint64]string{}, time.Now()
	q.courier.trouble("")
	returning := time.Now().Add(returnWithin)
	for q.left != 0 {
		m, ticket, err := held.Next(ctx)
		switch {
		case errors.Is(err, io.EOF) && q.due > 0 && time.Now().Before(returning):
			err = Sleep(ctx, firstPause) // nothing tells of what is put back
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return q.lost(err)
		default:
			if q.left == unknown && held.Behind() >= 0 {
				q.left = held.Behind() + 1
			}
			err = q.one(ctx, &m, ticket)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lost marks what ended a generation.
func (q *queueRedrive) lost(err error) error {
	return errors.Join(errSource, err, q.held.Close())
}

func (q *queueRedrive) one(ctx context.Context, m *Message, ticket uint64) error {
	print := fingerprint(m)
	again := 0
	switch {
	case q.notes.owes(print):
		q.met()
		q.count(func(p *Progress) { p.Skipped++ })
		if err := q.held.Settle(ctx, Remove, ticket); err != nil {
			return q.lost(err)
		}
		q.remember(print)
		return q.notes.paid(print, true)
	case q.doubted[print] > 0:
		q.doubted[print]--
		again = 1
	default:
		q.met()
	}
	q.prints[ticket] = print
	if err := q.take(ctx, m, taken{ticket: ticket, again: again}); err != nil {
		return err
	}
	if len(q.ready) >= settleEvery || len(q.ready) > 0 && time.Since(q.settled) > settleWithin {
		return q.remove(ctx)
	}
	return nil
}

// met counts a message that was to be met.
func (q *queueRedrive) met() {
	q.due = max(q.due-1, 0)
	if q.left > 0 {
		q.left--
	}
}

// settle notes a confirmed message; all others stay held, and go back at the end.
func (q *queueRedrive) settle(o Outcome, ticket uint64) error {
	if o.Result.Status != StatusConfirmed {
		return nil
	}
	q.ready = append(q.ready, ticket)
	return q.notes.owe(q.prints[ticket])
}

// remove takes confirmed messages out of their queue.
func (q *queueRedrive) remove(ctx context.Context) error {
	tickets := q.ready
	q.ready, q.settled = nil, time.Now()
	if len(tickets) == 0 {
		return nil
	}
	if err := q.held.Settle(ctx, Remove, tickets...); err != nil {
		return q.lost(err)
	}
	for _, ticket := range tickets {
		print := q.prints[ticket]
		if err := q.notes.paid(print, false); err != nil {
			return err
		}
		q.remember(print)
		delete(q.prints, ticket)
	}
	return nil
}

// remember notes what the broker may forget to have removed.
func (q *queueRedrive) remember(print string) {
	if len(q.removed) == 2*mostDoubted {
		q.removed = slices.Delete(q.removed, 0, mostDoubted)
	}
	q.removed = append(q.removed, print)
}

// release removes the last confirmed messages and gives back the rest, also after an abort.
func (q *queueRedrive) release(ctx context.Context) error {
	if q.held == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortGrace)
	defer cancel()
	err := q.remove(ctx)
	if errors.Is(err, errSource) {
		return err // closed already
	}
	return errors.Join(err, q.held.Close())
}
