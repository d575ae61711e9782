package amqp

import (
	"msdev/brokers/wire"
)

const basicPublish = wire.ID(60<<16 | 40)

// The faces of a channel: what it does for each group of methods.
type (
	declaring   struct{ *channel } // exchange and queue
	consuming   struct{ *channel } // basic, but publish
	publishing  struct{ *channel } // basic.publish
	transacting struct{ *channel } // confirm and tx
)

// method handles one method frame of a channel that is not closing.
func (ch *channel) method(payload []byte) *Error {
	if ch.content.stage != idleContent {
		what := "header for class 60, got non content header"
		if ch.content.stage == wantBody {
			what = "body, got non content body"
		}
		return fail(codeUnexpectedFrame, "expected content %s frame instead", what)
	}
	id, _ := wire.ParseID(payload)
	if id == basicPublish && ch.state == channelOpen {
		return publishing{ch}.begin(payload)
	}
	m, err := wire.Parse(payload)
	if err != nil {
		return parseError(payload, err)
	}
	if ch.state == channelStarting {
		return ch.open(m)
	}
	switch id.Class() {
	case 20:
		return ch.channelMethod(m)
	case 40:
		return declaring{ch}.exchangeMethod(m)
	case 50:
		return declaring{ch}.queueMethod(m)
	case 60:
		return consuming{ch}.basicMethod(m)
	}
	return transacting{ch}.otherMethod(m)
}

func (ch *channel) open(m wire.Method) *Error {
	switch m.(type) {
	case *wire.ChannelOpen:
		ch.state = channelOpen
		ch.send(&wire.ChannelOpenOk{})
		return nil
	case *wire.ChannelCloseOk: // a late one
		ch.conn.drop(ch)
		return nil
	}
	return fail(codeChannelError, "expected 'channel.open'")
}

func unimplemented() *Error { return fail(codeCommandInvalid, "unimplemented method") }

func (ch *channel) channelMethod(m wire.Method) *Error {
	switch m := m.(type) {
	case *wire.ChannelOpen:
		return fail(codeChannelError, "second 'channel.open' seen")
	case *wire.ChannelClose:
		ch.shut(&ch.conn.wakes)
		ch.conn.drop(ch)
		ch.send(&wire.ChannelCloseOk{})
	case *wire.ChannelFlow:
		if !m.Active {
			return fail(codeNotImplemented, "active=false")
		}
		ch.send(&wire.ChannelFlowOk{Active: true})
	case *wire.ChannelFlowOk, *wire.ChannelCloseOk:
	default:
		return unimplemented()
	}
	return nil
}

// may checks the user's permission.
func (ch *channel) may(a access, kind, name string) *Error {
	return ch.conn.user.may(a, ch.conn.vhost, kind, name)
}

// first returns the first failed of some checks.
func first(checks ...*Error) *Error {
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}
