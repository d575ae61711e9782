package rabbitmq

import (
	"strings"
	"testing"
	"time"

	"msdev/brokers"
	"msdev/brokers/wire"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ url, address, user, password, vhost string }{
		{"amqp://broker", "broker:5672", "guest", "guest", "/"},
		{"amqp://broker/", "broker:5672", "guest", "guest", "/"},
		{"amqp://me:p%40ss@broker:5673/a%2fb", "broker:5673", "me", "p@ss", "a/b"},
		{"amqp://me:x@[::1]/%2f", "[::1]:5672", "me", "x", "/"},
		{"amqps://broker/shop", "broker:5671", "guest", "guest", "shop"},
	} {
		at, err := parseURL(c.url, nil)
		if err != nil || at.address != c.address || at.user != c.user || at.password != c.password || at.vhost != c.vhost {
			t.Errorf("%s is %+v, %v", c.url, at, err)
		}
		if (at.tls != nil) != strings.HasPrefix(c.url, "amqps") {
			t.Errorf("%s has TLS: %t", c.url, at.tls != nil)
		}
	}
	for _, wrong := range []string{"", "broker:5672", "http://broker", "amqp://", "amqp://broker/%zz"} {
		_, err := New(Options{Name: "x", URL: wrong})
		if err == nil || !strings.Contains(err.Error(), "\nWrite it as amqp://") && !strings.Contains(err.Error(), "\nWrite / as") {
			t.Errorf("%q: %v", wrong, err)
		}
		if err != nil && strings.Contains(err.Error(), "guest") {
			t.Errorf("%q: the error tells a secret", wrong)
		}
	}
}

func TestWhatARefusalTells(t *testing.T) {
	for _, c := range []struct {
		text string
		want found
	}{
		{"PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received 'direct' but current is 'topic'", found{"type", "topic", ""}},
		{"PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'", found{"durable", "false", ""}},
		{"PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': received none but current is the value '20' of type 'signedint'", found{"x-delivery-limit", "20", "signedint"}},
		{"PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received none but current is the value 'of all' of type 'longstr'", found{"alternate-exchange", "of all", "longstr"}},
	} {
		said := inequivalent.FindStringSubmatch(c.text)
		if said == nil || (found{said[1], said[2], said[3]}) != c.want {
			t.Errorf("%s tells %q", c.text, said)
		}
	}
}

// Identical bodies with other headers: each return must find its own message.
func TestReturnsFindTheirMessages(t *testing.T) {
	out := make([]brokers.Outgoing, 3)
	p := &publisher{first: 1, room: make(chan struct{})}
	var results [3]brokers.Result
	for i := range out {
		out[i] = brokers.Outgoing{To: brokers.Target{Exchange: "x", RoutingKey: "k"}, Message: &brokers.Message{Body: []byte("same"),
			Headers: brokers.Headers{{Key: "z", Value: int32(i)}, {Key: "a", Value: "b"}}}}
		p.pending = append(p.pending, sent{m: &out[i], done: func(r brokers.Result) { results[i] = r }})
	}
	sortedHeaders := brokers.Message{Headers: brokers.Headers{{Key: "a", Value: "b"}, {Key: "z", Value: int32(1)}}} // as RabbitMQ 4 has them
	p.cameBack(&content{exchange: "x", routingKey: "k", body: []byte("same"), properties: properties(nil, &sortedHeaders), returned: &wire.BasicReturn{Code: 312, Text: "NO_ROUTE"}})
	p.settle(3, true, true)
	for i, want := range []brokers.Status{brokers.StatusConfirmed, brokers.StatusUnroutable, brokers.StatusConfirmed} {
		if results[i].Status != want {
			t.Errorf("message %d is %s, not %s", i, results[i].Status, want)
		}
	}
	if len(p.pending) != 0 || p.first != 4 {
		t.Errorf("%d are pending behind %d", len(p.pending), p.first)
	}
	p.settle(9, false, true) // what was never sent
}

// FuzzChannel feeds a channel what a broken broker might send: nothing of it may panic.
func FuzzChannel(f *testing.F) {
	f.Add([]byte{0, 60, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, []byte{0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, []byte("x"))
	f.Add([]byte{0, 60, 0, 71, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, []byte("short"), []byte{})
	f.Fuzz(func(_ *testing.T, method, header, body []byte) {
		c := &conn{channels: map[uint16]*channel{}, wake: make(chan struct{}, 1)}
		ch := &channel{c: c, id: 1, answer: make(chan any, 1), over: make(chan struct{}), names: names{}}
		ch.content = func(c *content) {
			var m brokers.Message
			_ = c.message(&m, time.Now()) // its error is that it is no message
		}
		for _, frame := range []wire.Frame{{Type: wire.FrameMethod, Payload: method}, {Type: wire.FrameHeader, Payload: header}, {Type: wire.FrameBody, Payload: body}} {
			if ch.frame(frame) != nil || isOver(ch) {
				return
			}
		}
	})
}
