package amqp

import (
	"encoding/binary"
	"time"

	"msdev/brokers/embedded/amqp/store"
	"msdev/brokers/wire"
)

// enqueue puts a message into queues. With a channel, token is the number of the confirm it wants. It returns
// whether every queue took it, and whether the confirm comes later, from the log.
func (b *Broker) enqueue(m *message, queues []*queue, ch *channel, token uint64, w *wakes) (accepted, waits bool) {
	if len(queues) == 0 {
		return true, false
	}
	m.refs = len(queues)
	b.hold(int64(m.size + messageOverhead))
	logged := b.put(m, queues, ch, token, &waits)
	accepted = true
	for _, q := range queues {
		if !q.publish(m, logged && q.logs(m), w) {
			accepted = false
		}
	}
	return accepted, waits
}

// logs tells whether a message has to survive a restart in this queue.
func (q *declared) logs(m *message) bool { return m.persistent && q.durable && !q.exclusive }

// put writes a message to the log, if it has to survive or should leave memory.
func (b *Broker) put(m *message, queues []*queue, ch *channel, token uint64, waits *bool) (logged bool) {
	if b.log == nil {
		return false
	}
	var homes []uint64
	deep := b.memory.Load() > pageAbove
	for _, q := range queues {
		if q.logs(m) {
			homes = append(homes, q.id)
		}
		deep = deep && q.depth.Load() > pageDepth
	}
	volatile := len(homes) == 0
	if volatile && !deep {
		return false
	}
	var written func()
	if deep {
		written = func() { b.page(m) }
		homes = append(homes, volatileHome) // it stays readable until the last queue is done with it
	}
	var r store.Receipt
	if ch != nil && !volatile {
		r = store.Receipt{To: ch, Token: token}
		*waits = true
	}
	var head [256]byte
	b.log.Put(&m.item, homes, volatile, written, r, m.appendHead(head[:0]), []byte(m.exchange), []byte(m.key), m.data)
	return !volatile
}

// volatileHome holds the messages that are in the log only to be out of memory. No queue has this number.
const volatileHome = 0

// page takes a message's content out of memory; the log has it.
func (b *Broker) page(m *message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data != nil && m.refs > 0 {
		m.data = nil
		b.hold(-int64(m.size))
	}
}

// release ends one queue's hold of a message.
func (b *Broker) release(m *message) {
	m.mu.Lock()
	m.refs--
	last, resident := m.refs == 0, m.data != nil
	m.mu.Unlock()
	if !last {
		return
	}
	size := int64(messageOverhead)
	if resident {
		size += int64(m.size)
	}
	b.hold(-size)
	if b.log != nil && m.item.ID() != 0 {
		b.log.Drop(&m.item, volatileHome)
	}
}

// hold counts memory, and lets publishers go on when there is enough again.
func (b *Broker) hold(n int64) {
	now := b.memory.Add(n)
	if now > b.limit && !b.pressed.Load() {
		b.press(true)
	} else if b.pressed.Load() && now < b.limit*8/10 {
		b.press(false)
	}
}

func (b *Broker) press(on bool) {
	if !b.pressed.CompareAndSwap(!on, on) {
		return
	}
	b.mu.Lock()
	if !on {
		close(b.relief)
		b.relief = make(chan struct{})
	}
	b.mu.Unlock()
	b.logger.Info("memory for messages", "above_limit", on, "limit", b.limit)
	for _, c := range b.connections() {
		c.announce(on)
	}
}

// relieved is a channel that closes when memory is below the limit, or nil when it is now.
func (b *Broker) relieved() <-chan struct{} {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !b.pressed.Load() {
		return nil
	}
	return b.relief
}

// A message's payload in the log: a head (time, octets of exchange, key and properties, flags, hidden keys), then these
// and the body.
const headDied = 1

func (m *message) appendHead(b []byte) []byte {
	if m.at == 0 {
		m.at = time.Now().UnixMilli()
	}
	var flags uint64
	if m.died {
		flags |= headDied
	}
	for _, n := range []uint64{uint64(m.at), uint64(len(m.exchange)), uint64(len(m.key)), uint64(m.props), flags} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(m.hidden)))
	for _, k := range m.hidden {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
	}
	return b
}

// decodeHidden reads the hidden keys of a message's head.
func decodeHidden(payload []byte) (keys []string, rest []byte, err error) {
	n, size := binary.Uvarint(payload)
	if size <= 0 {
		return nil, nil, errDamaged
	}
	rest = payload[size:]
	for range n {
		length, size := binary.Uvarint(rest)
		if size <= 0 || length > uint64(len(rest)-size) {
			return nil, nil, errDamaged
		}
		keys = append(keys, string(rest[size:size+int(length)]))
		rest = rest[size+int(length):]
	}
	return keys, rest, nil
}

// decodeMessage reads a message back from its payload in the log.
func decodeMessage(payload []byte) (*message, error) {
	var head [5]uint64
	for i := range head {
		n, size := binary.Uvarint(payload)
		if size <= 0 {
			return nil, errDamaged
		}
		head[i], payload = n, payload[size:]
	}
	hidden, payload, err := decodeHidden(payload)
	if err != nil {
		return nil, err
	}
	x, k, p := head[1], head[2], head[3]
	if n := uint64(len(payload)); x > n || k > n-x || p > n-x-k {
		return nil, errDamaged
	}
	exchange, key, data := string(payload[:x]), string(payload[x:x+k]), payload[x+k:]
	view, err := wire.Scan(data[:p])
	if err != nil {
		return nil, err
	}
	m, e := newMessage(exchange, key, data, int(p), view)
	if e != nil {
		return nil, e
	}
	m.at, m.died, m.hidden = int64(head[0]), head[4]&headDied != 0, hidden
	return m, nil
}
