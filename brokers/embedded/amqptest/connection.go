package amqptest

import (
	"io"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func connectionChecks() []check {
	return []check{
		{"start offers both mechanisms and the extensions", startOffer},
		{"unknown protocol versions are answered with ours", protocolHeader},
		{"PLAIN", func(k *kit) { k.sasl(&amqp.PlainAuth{Username: User, Password: Password}) }},
		{"AMQPLAIN", func(k *kit) { k.sasl(&amqp.AMQPlainAuth{Username: User, Password: Password}) }},
		{"wrong password", wrongPassword},
		{"wrong password of a client that does not know the close", wrongPasswordSilent},
		{"unknown mechanism", unknownMechanism},
		{"unknown virtual host", unknownVhost},
		{"tune proposes RabbitMQ's limits", tuneDefaults},
		{"limits above the proposed ones", tuneTooHigh},
		{"frame-max below the minimum", frameMaxTooLow},
		{"frame-max cuts what is delivered", frameMaxOutgoing},
		{"channel-max", channelMax},
		{"heartbeats", heartbeats},
		{"close by the client", closeByClient},
		{"update-secret", updateSecret},
		{"a socket that just ends", clientClosesWithoutWord},
	}
}

func startOffer(k *kit) {
	w := k.wire()
	a := w.greet().arguments()
	k.equal("protocol version", []byte{a.octet(), a.octet()}, []byte{0, 9})
	properties := a.longText()
	mechanisms := strings.Fields(a.longText())
	locales := strings.Fields(a.longText())
	for _, want := range []string{"PLAIN", "AMQPLAIN"} {
		if !slices.Contains(mechanisms, want) {
			k.Errorf("mechanisms %q, want %s among them", mechanisms, want)
		}
	}
	if !slices.Contains(locales, "en_US") {
		k.Errorf("locales %q, want en_US among them", locales)
	}
	for _, capability := range []string{
		"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
		"connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to",
	} {
		if !strings.Contains(properties, string(field(capability, 't', uint8(1)))) {
			k.Errorf("the server's capabilities lack %s = true", capability)
		}
	}
	for _, property := range []string{"product", "version", "platform"} {
		if !strings.Contains(properties, string(field(property, 'S'))) {
			k.Errorf("the server's properties lack the text %s", property)
		}
	}
}

func protocolHeader(k *kit) {
	for _, header := range []string{"AMQP\x00\x02\x00\x00", "AMQP\x09\x09\x09\x09", "GET / HT"} {
		w := k.wire()
		w.bytes([]byte(header)...)
		answer := make([]byte, 8)
		if _, err := io.ReadFull(w.in, answer); err != nil {
			k.Errorf("%q: no answer: %v", header, err)
			continue
		}
		if k.server.Profile().SpeaksAMQP10 {
			k.equal("answer to "+header, string(answer), "AMQP\x03\x01\x00\x00")
		} else {
			k.equal("answer to "+header, string(answer), "AMQP\x00\x00\x09\x01")
		}
		w.ended()
	}
}

func (k *kit) sasl(auth amqp.Authentication) {
	conn, err := amqp.DialConfig("amqp://"+k.server.Addr(), amqp.Config{SASL: []amqp.Authentication{auth}, Vhost: "/"})
	k.must(err, "log in")
	k.openPlain(conn)
	k.must(conn.Close(), "close")
}

func wrongPassword(k *kit) {
	var wires []*wire
	for _, mechanism := range []struct{ name, response string }{
		{"PLAIN", "\x00" + User + "\x00wrong"},
		{"PLAIN", "\x00nobody\x00" + Password},
		{"AMQPLAIN", string(field("LOGIN", 'S', long(User))) + string(field("PASSWORD", 'S', long("wrong")))},
	} {
		w := k.wire()
		w.greet()
		w.login(mechanism.name, mechanism.response)
		w.closing(0, connectionClose, amqp.AccessRefused, "ACCESS_REFUSED - Login was refused using authentication mechanism "+mechanism.name)
		w.call(0, connectionCloseOk)
		wires = append(wires, w)
	}
	for _, w := range wires {
		w.ended()
	}
}

func wrongPasswordSilent(k *kit) {
	w := k.wire()
	w.greet()
	w.call(0, connectionStartOk, fields(nil), short("PLAIN"), long("\x00"+User+"\x00wrong"), short("en_US"))
	w.ended()
}

func unknownMechanism(k *kit) {
	w := k.wire()
	w.greet()
	w.login("SPHINX", "riddle")
	w.cutOff(amqp.CommandInvalid)
}

func unknownVhost(k *kit) {
	w := k.wire()
	w.greet()
	w.login("PLAIN", "\x00"+User+"\x00"+Password)
	w.expect(0, connectionTune)
	w.call(0, connectionTuneOk, usual.channelMax, usual.frameMax, usual.heartbeat)
	w.call(0, connectionOpen, short("nowhere"), short(""), uint8(0))
	w.refusal(amqp.NotAllowed, "NOT_ALLOWED - ", "vhost nowhere not found")
}

func (k *kit) greeted() *wire {
	w := k.wire()
	w.greet()
	w.login("PLAIN", "\x00"+User+"\x00"+Password)
	return w
}

func tuneDefaults(k *kit) {
	a := k.greeted().expect(0, connectionTune).arguments()
	k.equal("channel-max", a.short(), uint16(2047))
	k.equal("frame-max", a.long(), uint32(131072))
	k.equal("heartbeat", a.short(), uint16(60))
}

func tuneTooHigh(k *kit) {
	var wires []*wire
	for _, c := range []tuning{
		{channelMax: 2048, frameMax: 131072},
		{channelMax: 0, frameMax: 131072}, // 0 asks for no limit at all
		{channelMax: 2047, frameMax: 131073},
		{channelMax: 2047, frameMax: 0},
	} {
		w := k.greeted()
		w.expect(0, connectionTune)
		w.call(0, connectionTuneOk, c.channelMax, c.frameMax, c.heartbeat)
		wires = append(wires, w)
	}
	for _, w := range wires {
		w.cutOff(amqp.NotAllowed)
	}
}

func frameMaxTooLow(k *kit) {
	w := k.greeted()
	w.expect(0, connectionTune)
	w.call(0, connectionTuneOk, usual.channelMax, uint32(4095), usual.heartbeat)
	w.cutOff(amqp.NotAllowed)
}

func frameMaxOutgoing(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	if !k.publish(ch, "", queue, amqp.Publishing{Body: make([]byte, 10000)}) {
		k.Fatal("not acked")
	}
	w := k.wireOpen(tuning{channelMax: 1, frameMax: 4096})
	w.call(1, basicGet, uint16(0), short(queue), uint8(1))
	w.expect(1, basicGetOk)
	if f := w.next(); f.kind != frameHeader {
		k.Fatalf("got %s, want a content header", f)
	}
	sizes := []int{}
	for total := 0; total < 10000; {
		f := w.next()
		if f.kind != frameBody {
			k.Fatalf("got %s, want a body frame", f)
		}
		total += len(f.payload)
		sizes = append(sizes, len(f.payload))
	}
	k.equal("body frames, each with 8 bytes around it", sizes, []int{4088, 4088, 1824})
}

func channelMax(k *kit) {
	w := k.wireOpen(tuning{channelMax: 2, frameMax: 4096})
	w.openChannel(2)
	w.call(3, channelOpen, short(""))
	w.refusal(amqp.NotAllowed, "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)")
}

// heartbeats opens two connections with a heartbeat of one second: the broker must send heartbeats on both, end the
// one whose client is silent, and keep the one whose client answers every heartbeat with one.
func heartbeats(k *kit) {
	every := tuning{channelMax: 1, frameMax: 4096, heartbeat: 1}
	silent, alive := k.wireOpen(every), k.wireOpen(every)
	ended := make(chan int, 1)
	go func() {
		beats := 0
		for {
			f, err := silent.read()
			if err != nil {
				ended <- beats
				return
			}
			if f.kind == frameHeartbeat && f.channel == 0 && len(f.payload) == 0 {
				beats++
			}
		}
	}()
	started := time.Now()
	for {
		f, err := alive.read()
		k.must(err, "read from the connection that is alive")
		if f.kind != frameHeartbeat {
			k.Fatalf("got %s, want a heartbeat", f)
		}
		alive.frame(frameHeartbeat, 0, nil)
		select {
		case beats := <-ended:
			if beats == 0 {
				k.Error("the silent client saw no heartbeat")
			}
			if took := time.Since(started); took < time.Second {
				k.Errorf("the silent client was ended after %s, want at least one interval", took)
			}
			alive.call(1, channelClose, uint16(200), short("done"), uint16(0), uint16(0))
			alive.expect(1, channelCloseOk)
			return
		default:
		}
	}
}

func closeByClient(k *kit) {
	w := k.wireOpen(usual)
	w.call(0, connectionClose, uint16(200), short("done"), uint16(0), uint16(0))
	w.expect(0, connectionCloseOk)
	// The socket is the client's to close now; RabbitMQ gives it half a minute.
}

func updateSecret(k *kit) {
	w := k.wireOpen(usual)
	w.call(0, connectionUpdateSecret, long(Password), short("rotation"))
	w.expect(0, connectionUpdateSecretOk)
	w.openChannel(2)
}

// clientClosesWithoutWord drops a socket and expects its exclusive queue to be free again.
func clientClosesWithoutWord(k *kit) {
	w := k.wireOpen(usual)
	queue := k.name("exclusive")
	w.call(1, queueDeclare, uint16(0), short(queue), uint8(0b100), fields(nil))
	w.expect(1, queueDeclareOk)
	k.must(w.conn.Close(), "close the socket")
	k.eventually("the exclusive queue's end", func() bool {
		ch := k.plain()
		_, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		return err != nil && strings.Contains(err.Error(), "NOT_FOUND")
	})
}
