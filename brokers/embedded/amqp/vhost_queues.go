package amqp

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"msdev/brokers/wire"
)

// randomName makes a name that nobody else has: 22 characters after the prefix, as RabbitMQ's are.
func randomName(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// declareQueue creates a queue, or checks that the one there is the same.
func (v *vhost) declareQueue(m *wire.QueueDeclare, owner *conn) (*queue, *Error) {
	if m.Queue == "" {
		if kind, _ := m.Arguments.Get("x-queue-type"); kind == quorumQueue || kind == streamQueue {
			return nil, preconditionFailed("Cannot declare a server-named queue for type rabbit_%s_queue", kind)
		}
		m.Queue = randomName("amq.gen-")
	} else if err := v.reserved(m.Queue); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if q := v.queues[m.Queue]; q != nil {
		return q, q.same(m, owner)
	}
	q, err := newQueue(v, m, owner)
	if err != nil {
		return nil, err
	}
	q.id = v.broker.nextHome()
	if q.durable && !q.exclusive {
		v.broker.save(queueRow(v, q))
	}
	v.addQueue(q)
	return q, nil
}

// reserved refuses new names that start with amq.; names that exist already are the server's own.
func (v *vhost) reserved(name string) *Error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if strings.HasPrefix(name, "amq.") && v.queues[name] == nil {
		return fail(codeAccessRefused, "queue name '%s' contains reserved prefix 'amq.*'", name)
	}
	return nil
}

func newQueue(v *vhost, m *wire.QueueDeclare, owner *conn) (*queue, *Error) {
	if _, given := m.Arguments.Get("x-queue-type"); !given && v.queueType != classicQueue && m.Durable && !m.Exclusive {
		m.Arguments = m.Arguments.With("x-queue-type", v.queueType)
	}
	name := v.title("queue", m.Queue)
	set, err := parseSettings(name, m.Arguments)
	if err != nil {
		return nil, err
	}
	if set.kind != classicQueue {
		switch {
		case !m.Durable:
			return nil, preconditionFailed("invalid property 'non-durable' for %s", name)
		case m.Exclusive:
			return nil, preconditionFailed("invalid property 'exclusive-owner' for %s", name)
		case m.AutoDelete:
			return nil, preconditionFailed("invalid property 'auto-delete' for %s", name)
		}
	}
	d := declared{vhost: v, name: m.Queue, args: m.Arguments, set: set, durable: m.Durable, exclusive: m.Exclusive, autoDelete: m.AutoDelete}
	q := &queue{broker: v.broker, declared: d, ready: newReady(set.maxPriority, set.kind == quorumQueue)}
	q.clock.q = q
	if m.Exclusive {
		q.owner = owner
	}
	if set.kind == streamQueue {
		q.stream = &stream{}
	}
	return q, nil
}

// addQueue makes a queue known; v.mu is held.
func (v *vhost) addQueue(q *queue) {
	v.queues[q.name] = q
	v.version.Add(1)
	if q.owner != nil {
		q.owner.own(q)
	}
	q.clock.startIdle()
}

// same checks a second declaration against the queue.
func (q *declared) same(m *wire.QueueDeclare, owner *conn) *Error {
	if err := q.access(owner); err != nil {
		return err
	}
	name := q.title()
	if q.exclusive != m.Exclusive {
		locked := &declared{owner: new(conn), vhost: q.vhost, name: q.name}
		return locked.access(nil)
	}
	for _, err := range []*Error{
		sameFlag(name, "durable", q.durable, m.Durable),
		sameFlag(name, "auto_delete", q.autoDelete, m.AutoDelete),
		sameArguments(name, comparedArguments, q.args, m.Arguments),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteQueue is queue.delete. It returns how many messages went with the queue.
func (v *vhost) deleteQueue(name string, c *conn, ifUnused, ifEmpty bool, w *wakes) (int, *Error) {
	q, err := v.queue(name, c)
	if err != nil {
		if err.Code == codeNotFound {
			return 0, nil // deleting what is not there is no error, as in RabbitMQ
		}
		return 0, err
	}
	messages, consumers := q.stats()
	if ifUnused && consumers > 0 {
		return 0, preconditionFailed("%s in use", q.title())
	}
	if ifEmpty && messages > 0 {
		return 0, preconditionFailed("%s not empty", q.title())
	}
	return v.removeQueue(q, w), nil
}

// removeQueue takes a queue away, its bindings first, and tells its consumers.
func (v *vhost) removeQueue(q *queue, w *wakes) int {
	v.mu.Lock()
	if v.queues[q.name] == q {
		delete(v.queues, q.name)
		v.version.Add(1)
		v.dropBindingsTo(func(b *binding) bool { return b.queue == q })
		if q.durable && !q.exclusive {
			v.broker.unsave(queueKey(v, q.name))
		}
	}
	v.mu.Unlock()
	left, messages := q.delete()
	for _, c := range left {
		c.ch.cancelled(c, w)
	}
	if q.owner != nil {
		q.owner.disown(q)
	}
	if v.broker.log != nil {
		v.broker.log.Forget(q.id)
	}
	return messages
}
