package amqptest

import amqp "github.com/rabbitmq/amqp091-go"

func transactionChecks() []check {
	return []check{
		{"commit publishes", txPublish},
		{"commit and rollback of acks", txAck},
		{"closing the channel rolls back", txClose},
		{"without select", txUnselected},
		{"with confirms", txConfirm},
		{"mandatory returns come at the commit", txReturn},
		{"an unknown tag at once", txUnknownTag},
	}
}

// transaction opens a channel in tx mode on conn.
func (k *kit) transaction(conn *amqp.Connection) *amqp.Channel {
	k.Helper()
	ch := k.openPlain(conn)
	k.must(ch.Tx(), "tx.select")
	return ch
}

func (k *kit) put(ch *amqp.Channel, queue, body string) {
	k.Helper()
	k.must(ch.PublishWithContext(k.Context(), "", queue, false, false, text(body)), "publish")
}

func txPublish(k *kit) {
	conn := k.dial()
	ch, tx := k.open(conn), k.transaction(conn)
	queue := k.queue(ch, nil)
	k.put(tx, queue, "a")
	k.put(tx, queue, "b")
	k.must(tx.Qos(0, 0, false), "a round trip")
	k.equal("before the commit", k.ready(ch, queue), 0)
	k.must(tx.TxCommit(), "commit")
	k.equal("after the commit", k.drain(ch, queue), []string{"a", "b"})
	k.put(tx, queue, "c")
	k.must(tx.TxRollback(), "rollback")
	k.must(tx.TxCommit(), "commit of nothing")
	k.equal("after the rollback", k.drain(ch, queue), []string{})
}

func txAck(k *kit) {
	conn := k.dial()
	ch, tx := k.open(conn), k.transaction(conn)
	queue := k.queue(ch, nil)
	k.send(ch, "", queue, "a", "b", "c")
	first, second, third := k.get(tx, queue, false), k.get(tx, queue, false), k.get(tx, queue, false)
	k.must(first.Ack(false), "ack")
	k.must(tx.TxRollback(), "rollback: the ack is taken back, the message stays unacknowledged")
	k.must(first.Ack(false), "ack again")
	k.must(second.Nack(false, true), "nack")
	k.must(tx.Qos(0, 0, false), "a round trip")
	k.equal("before the commit", k.ready(ch, queue), 0)
	k.must(tx.TxCommit(), "commit")
	k.awaitReady(ch, queue, 1)
	k.must(third.Ack(false), "ack without a commit")
	k.must(tx.Close(), "close")
	k.awaitReady(ch, queue, 2)
	k.equal("left", k.drain(ch, queue), []string{"b", "c"})
}

func txClose(k *kit) {
	conn := k.dial()
	ch, tx := k.open(conn), k.transaction(conn)
	queue := k.queue(ch, nil)
	k.put(tx, queue, "a")
	k.must(tx.Close(), "close")
	k.equal("left", k.drain(ch, queue), []string{})
}

func txUnselected(k *kit) {
	conn := k.dial()
	k.refused(k.openPlain(conn).TxCommit(), amqp.PreconditionFailed, "PRECONDITION_FAILED - channel is not transactional")
	k.refused(k.openPlain(conn).TxRollback(), amqp.PreconditionFailed, "PRECONDITION_FAILED - channel is not transactional")
}

func txConfirm(k *kit) {
	conn := k.dial()
	k.refused(k.open(conn).Tx(), amqp.PreconditionFailed, "PRECONDITION_FAILED - cannot switch from confirm to tx mode")
	k.refused(k.transaction(conn).Confirm(false), amqp.PreconditionFailed, "PRECONDITION_FAILED - cannot switch from tx to confirm mode")
	tx := k.transaction(conn)
	k.must(tx.Tx(), "tx.select again")
}

func txReturn(k *kit) {
	tx := k.transaction(k.dial())
	returns := tx.NotifyReturn(make(chan amqp.Return, 1))
	k.must(tx.PublishWithContext(k.Context(), "", k.name("nowhere"), true, false, text("a")), "publish")
	k.must(tx.Qos(0, 0, false), "a round trip")
	select {
	case <-returns:
		k.Error("returned before the commit")
	default:
	}
	k.must(tx.TxCommit(), "commit")
	k.equal("return", string(receive(k, returns, "return").Body), "a")
}

func txUnknownTag(k *kit) {
	tx := k.transaction(k.dial())
	k.closes(tx, func() { k.must(tx.Ack(5, false), "ack") }, amqp.PreconditionFailed, "unknown delivery tag 5")
}
