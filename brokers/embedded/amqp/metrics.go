package amqp

import (
	"context"
	"sync"
	"time"
)

// sampleInterval is how often rates are taken, as in RabbitMQ.
const sampleInterval = 5 * time.Second

// metrics turns counters into rates.
type metrics struct {
	mu      sync.Mutex
	meters  map[any]*meter // by what they measure
	retired queueCounts    // of deleted queues
}

// meter is what one thing did up to the last sample, and how fast.
type meter struct {
	last  map[string]uint64
	rates map[string]float64
}

func newMetrics() *metrics { return &metrics{meters: map[any]*meter{}} }

func (m *metrics) run(ctx context.Context, b *Broker) {
	ticker := time.NewTicker(sampleInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.sample(b)
		}
	}
}

func (m *metrics) sample(b *Broker) {
	counts := map[any]map[string]uint64{b: m.totals(b)}
	for _, v := range b.allVhosts() {
		for _, q := range v.allQueues() {
			counts[q] = q.snapshot().counts.stats()
		}
		for _, x := range v.allExchanges() {
			counts[x] = x.stats()
		}
	}
	for _, c := range b.connections() {
		counts[c] = c.stats()
		for _, ch := range c.allChannels() {
			counts[ch] = ch.stats()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for thing, now := range counts {
		if m.meters[thing] == nil {
			m.meters[thing] = &meter{}
		}
		m.meters[thing].tick(now)
	}
	for thing := range m.meters {
		if counts[thing] == nil {
			delete(m.meters, thing)
		}
	}
}

func (t *meter) tick(now map[string]uint64) {
	t.rates = map[string]float64{}
	for name, n := range now {
		if last, ok := t.last[name]; ok && n >= last {
			t.rates[name] = float64(n-last) / sampleInterval.Seconds()
		}
	}
	t.last = now
}

// stats is the message_stats object of a thing: counters, and their rates in NAME_details.
func (m *metrics) stats(thing any, now map[string]uint64) map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]any{}
	for name, n := range now {
		rate := 0.0
		if t := m.meters[thing]; t != nil {
			rate = t.rates[name]
		}
		out[name] = n
		out[name+"_details"] = map[string]any{"rate": rate}
	}
	return out
}

func (m *metrics) retire(c queueCounts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retired.add(c)
}

func (c *queueCounts) add(o queueCounts) {
	c.publish += o.publish
	c.deliver += o.deliver
	c.deliverNoAck += o.deliverNoAck
	c.get += o.get
	c.getNoAck += o.getNoAck
	c.getEmpty += o.getEmpty
	c.ack += o.ack
	c.redeliver += o.redeliver
}

func (c queueCounts) stats() map[string]uint64 {
	return map[string]uint64{"publish": c.publish, "deliver": c.deliver, "deliver_no_ack": c.deliverNoAck, "get": c.get,
		"get_no_ack": c.getNoAck, "get_empty": c.getEmpty, "ack": c.ack, "redeliver": c.redeliver,
		"deliver_get": c.deliver + c.deliverNoAck + c.get + c.getNoAck}
}

// totals is what all queues did, deleted ones included.
func (m *metrics) totals(b *Broker) map[string]uint64 {
	m.mu.Lock()
	sum := m.retired
	m.mu.Unlock()
	for _, v := range b.allVhosts() {
		for _, q := range v.allQueues() {
			sum.add(q.snapshot().counts)
		}
	}
	return sum.stats()
}

func (x *exchange) stats() map[string]uint64 {
	return map[string]uint64{"publish_in": x.in.Load(), "publish_out": x.out.Load()}
}

func (c *conn) stats() map[string]uint64 {
	return map[string]uint64{"recv_oct": c.received.Load(), "send_oct": c.out.sent.Load()}
}

func (ch *channel) stats() map[string]uint64 {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	n := ch.counts
	return map[string]uint64{"publish": n.publish, "return_unroutable": n.returned, "deliver": n.deliver, "get": n.get,
		"ack": n.ack, "deliver_get": n.deliver + n.get}
}
