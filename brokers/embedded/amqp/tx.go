package amqp

import (
	"msdev/brokers/embedded/amqp/store"
	"msdev/brokers/wire"
)

// transaction holds what a transacted channel did since its last commit.
type transaction struct {
	published []publication
	settled   []settlement
}

type settlement struct {
	list []delivery
	how  outcome
}

// giveBack adds the settled but not committed deliveries to those that never were.
func (t *transaction) giveBack(list []delivery) []delivery {
	for _, s := range t.settled {
		list = append(list, s.list...)
	}
	u := unacked{}
	u.restore(list)
	return u.all()
}

// otherMethod handles the classes access, confirm and tx.
func (ch transacting) otherMethod(m wire.Method) *Error {
	switch m := m.(type) {
	case *wire.AccessRequest:
		ch.send(&wire.AccessRequestOk{Ticket: 1})
	case *wire.ConfirmSelect:
		if ch.tx != nil {
			return preconditionFailed("cannot switch from tx to confirm mode")
		}
		ch.confirm.Store(true)
		ch.replyTo(m.NoWait, &wire.ConfirmSelectOk{})
	case *wire.TxSelect:
		if ch.confirm.Load() {
			return preconditionFailed("cannot switch from confirm to tx mode")
		}
		if ch.tx == nil {
			ch.tx = &transaction{}
			ch.transacted.Store(true)
		}
		ch.send(&wire.TxSelectOk{})
	case *wire.TxCommit:
		return ch.commit()
	case *wire.TxRollback:
		return ch.rollback()
	default:
		return unimplemented()
	}
	return nil
}

// newTransaction forgets what the open transaction did.
func (ch transacting) newTransaction() {
	*ch.tx = transaction{}
	ch.unsent.Store(0)
	ch.unsettled.Store(0)
}

// commit publishes and settles, and answers when all of it is on disk.
func (ch transacting) commit() *Error {
	if ch.tx == nil {
		return preconditionFailed("channel is not transactional")
	}
	tx := *ch.tx
	ch.newTransaction()
	for _, p := range tx.published {
		publishing(ch).publish(p)
	}
	for _, s := range tx.settled {
		ch.settle(s.list, s.how, &ch.conn.wakes)
	}
	if log := ch.conn.broker.log; log != nil {
		ch.conn.wakes.flush()
		synced := make(syncWait, 1)
		log.Sync(store.Receipt{To: synced})
		if !<-synced {
			return fail(codeInternalError, "the transaction could not be written")
		}
	}
	ch.send(&wire.TxCommitOk{})
	return nil
}

// syncWait waits for one receipt of the log.
type syncWait chan bool

func (s syncWait) Stored(_ uint64, ok bool) { s <- ok }

func (ch transacting) rollback() *Error {
	if ch.tx == nil {
		return preconditionFailed("channel is not transactional")
	}
	var list []delivery
	for _, s := range ch.tx.settled {
		list = append(list, s.list...)
	}
	ch.newTransaction()
	ch.mu.Lock()
	ch.unacked.restore(list)
	ch.mu.Unlock()
	ch.send(&wire.TxRollbackOk{})
	return nil
}
