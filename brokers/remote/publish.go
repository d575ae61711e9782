package remote

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"sync"

	"msdev/brokers"
)

func (b broker) Publisher(ctx context.Context) (brokers.Publisher, error) {
	l, end, err := b.ask(context.WithoutCancel(ctx), question{Do: doPublish}) // it ends with Close
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
	p := &publisher{link: l, end: end, waiting: map[uint64]func(brokers.Result){}, over: make(chan struct{})}
	p.changed.L = &p.mu
	go p.results()
	return p, nil
}

// publisher sends through the other side.
type publisher struct {
	link *link
	end  func()
	next uint64
	over chan struct{} // closed when no more results come

	mu      sync.Mutex
	changed sync.Cond // what changed: waiting, err
	waiting map[uint64]func(brokers.Result)
	err     error
}

// window is how many messages may be on their way to the other side and to its broker.
const window = 4096

// results hands on what became of messages until the other side is done.
func (p *publisher) results() {
	defer close(p.over)
	for {
		kind, data, err := p.link.read()
		if err == nil && kind == failFrame {
			err = failed(data)
		}
		if err == nil && kind == doneFrame {
			p.stop(net.ErrClosed)
			return
		}
		var r sent
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err != nil {
			p.stop(err)
			return
		}
		if r.Err != "" {
			r.Result.Err = errors.New(r.Err)
		}
		p.mu.Lock()
		done := p.waiting[r.N]
		delete(p.waiting, r.N)
		p.mu.Unlock()
		if done != nil {
			done(r.Result)
		}
		p.mu.Lock()
		p.changed.Broadcast()
		p.mu.Unlock()
	}
}

// stop tells all that still wait that nobody knows.
func (p *publisher) stop(err error) {
	p.mu.Lock()
	p.err = err
	left := p.waiting
	p.waiting = map[uint64]func(brokers.Result){}
	p.mu.Unlock()
	for _, done := range left {
		done(brokers.Result{Status: brokers.StatusUnknown, Err: err})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

// wait returns when so is true, or the publisher has ended, or ctx has. p.mu is held.
func (p *publisher) wait(ctx context.Context, so func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer stop()
	for !so() {
		if p.err != nil {
			return whole(ctx, p.err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.changed.Wait()
	}
	return nil
}

func (p *publisher) Send(ctx context.Context, m *brokers.Outgoing, done func(brokers.Result)) error {
	target, err := json.Marshal(m.To)
	if err != nil {
		return err
	}
	data, err := m.Message.AppendBinary(append(binary.AppendUvarint(nil, uint64(len(target))), target...))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.wait(ctx, func() bool { return len(p.waiting) < window && p.err == nil }); err != nil {
		return err
	}
	p.waiting[p.next] = done // before it is on its way, as the answer may come at once
	p.next++
	p.mu.Unlock()
	err = p.link.put(sendFrame, func(b []byte) ([]byte, error) { return append(b, data...), nil })
	p.mu.Lock()
	if _, waits := p.waiting[p.next-1]; err == nil || !waits {
		return nil // sent, or told already
	}
	delete(p.waiting, p.next-1)
	return err
}

func (p *publisher) Flush(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait(ctx, func() bool { return len(p.waiting) == 0 })
}

// Close waits for what is unconfirmed.
func (p *publisher) Close() error {
	err := p.link.json(endFrame, nil)
	if err == nil {
		<-p.over
	}
	p.end()
	<-p.over
	return err
}
