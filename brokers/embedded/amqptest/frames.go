package amqptest

import amqp "github.com/rabbitmq/amqp091-go"

// frameChecks are about input that no well-behaved client sends. The codes are those of AMQP 0-9-1 section 1.1 as
// RabbitMQ uses them.
func frameChecks() []check {
	refused := func(name string, code uint16, send func(w *wire), texts ...string) check {
		return check{name, func(k *kit) {
			w := k.wireOpen(tuning{channelMax: 10, frameMax: 4096})
			send(w)
			w.closing(0, connectionClose, code, texts...)
			w.call(0, connectionCloseOk)
		}}
	}
	cut := func(name string, code uint16, send func(w *wire)) check {
		return check{name, func(k *kit) {
			w := k.wireOpen(usual)
			send(w)
			w.cutOff(code)
		}}
	}
	publish := func(w *wire) {
		w.call(1, basicPublish, uint16(0), short(""), short("nowhere"), uint8(0))
	}
	return []check{
		refused("wrong frame-end octet", amqp.FrameError, func(w *wire) {
			w.bytes(encode(uint8(frameMethod), uint16(1), uint32(4), uint32(channelFlow), uint8(0x00))...)
		}, "FRAME_ERROR"),
		refused("frame larger than frame-max", amqp.FrameError, func(w *wire) {
			publish(w)
			w.header(1, 5000, encode(uint16(0)))
			w.bytes(encode(uint8(frameBody), uint16(1), uint32(5000))...)
		}, "FRAME_ERROR"),
		refused("unknown frame type", amqp.FrameError, func(w *wire) { w.frame(7, 1, []byte("?")) }, "FRAME_ERROR"),
		refused("method on a channel that is not open", amqp.ChannelError, func(w *wire) {
			w.call(5, basicQos, uint32(0), uint16(1), uint8(0))
		}, "CHANNEL_ERROR - expected 'channel.open'"),
		refused("channel opened twice", amqp.ChannelError, func(w *wire) {
			w.call(1, channelOpen, short(""))
		}, "CHANNEL_ERROR - second 'channel.open' seen"),
		refused("channel method on channel 0", amqp.ChannelError, func(w *wire) { w.call(0, channelOpen, short("")) }),
		refused("connection method on a channel", amqp.CommandInvalid, func(w *wire) {
			w.call(1, connectionOpen, short("/"), short(""), uint8(0))
		}),
		refused("method that only servers send", amqp.CommandInvalid, func(w *wire) { w.call(1, queueDeclareOk, short("q"), uint32(0), uint32(0)) }),
		cut("unknown class", amqp.CommandInvalid, func(w *wire) { w.call(1, method(99<<16|1)) }),
		cut("unknown method", amqp.CommandInvalid, func(w *wire) { w.call(1, method(50<<16|99)) }),
		refused("method cut short", amqp.FrameError, func(w *wire) { w.call(1, queueDeclare, uint16(0)) }),
		refused("method frame without a method", amqp.FrameError, func(w *wire) { w.frame(frameMethod, 1, nil) }),
		refused("content header without a method", amqp.UnexpectedFrame, func(w *wire) {
			w.header(1, 3, encode(uint16(0)))
		}, "UNEXPECTED_FRAME - expected method frame"),
		refused("content body without a header", amqp.UnexpectedFrame, func(w *wire) {
			publish(w)
			w.frame(frameBody, 1, []byte("abc"))
		}, "UNEXPECTED_FRAME - expected content header"),
		refused("method where a content header is due", amqp.UnexpectedFrame, func(w *wire) {
			publish(w)
			publish(w)
		}, "UNEXPECTED_FRAME - expected content header"),
		refused("method where a body is due", amqp.UnexpectedFrame, func(w *wire) {
			publish(w)
			w.header(1, 3, encode(uint16(0)))
			publish(w)
		}, "UNEXPECTED_FRAME - expected content body"),
		refused("header of another class", amqp.UnexpectedFrame, func(w *wire) {
			publish(w)
			w.frame(frameHeader, 1, encode(uint16(50), uint16(0), uint64(0), uint16(0)))
		}, "UNEXPECTED_FRAME - expected content header for class 60"),
		cut("field table of an unknown type", amqp.FrameError, func(w *wire) {
			w.call(1, queueDeclare, uint16(0), short("q"), uint8(0), field("a", '?', uint8(1)))
		}),
		refused("field table longer than the frame", amqp.FrameError, func(w *wire) {
			w.call(1, queueDeclare, uint16(0), short("q"), uint8(0), uint32(1<<31))
		}),
		{"frames of several channels interleave", interleaved},
		{"an empty body needs no frame", emptyBodyFrames},
		{"heartbeats may come at any time", heartbeatBetween},
	}
}

// interleaved sends the frames of three messages on three channels mixed, as section 4.2.6 allows.
func interleaved(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	w := k.wireOpen(usual)
	w.openChannel(2)
	for channel := range uint16(2) {
		w.call(channel+1, basicPublish, uint16(0), short(""), short(queue), uint8(0))
	}
	for channel := range uint16(2) {
		w.header(channel+1, 4, encode(uint16(0)))
	}
	w.frame(frameBody, 2, []byte("tw"))
	w.frame(frameBody, 1, []byte("one"))
	w.frame(frameBody, 2, []byte("o!"))
	w.frame(frameBody, 1, []byte("!"))
	k.awaitReady(ch, queue, 2)
	bodies := k.drain(ch, queue)
	if !sameSet(bodies, []string{"one!", "two!"}) {
		k.Errorf("got %q, want one! and two!", bodies)
	}
}

func emptyBodyFrames(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	w := k.wireOpen(usual)
	w.publish(1, "", queue, encode(uint16(0)), nil)
	w.publish(1, "", queue, encode(uint16(0)), []byte("next"))
	k.awaitReady(ch, queue, 2)
	w.call(1, basicGet, uint16(0), short(queue), uint8(1))
	w.expect(1, basicGetOk)
	_, body := w.content(1)
	k.equal("first body", string(body), "")
	w.call(1, basicGet, uint16(0), short(queue), uint8(1))
	w.expect(1, basicGetOk)
	_, body = w.content(1)
	k.equal("second body", string(body), "next")
}

func heartbeatBetween(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	w := k.wireOpen(usual)
	w.call(1, basicPublish, uint16(0), short(""), short(queue), uint8(0))
	w.frame(frameHeartbeat, 0, nil)
	w.header(1, 4, encode(uint16(0)))
	w.frame(frameHeartbeat, 0, nil)
	w.frame(frameBody, 1, []byte("body"))
	k.equal("body", string(k.await(ch, queue).Body), "body")
}
