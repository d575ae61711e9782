package amqptest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Frame types and the frame-end octet, AMQP 0-9-1 section 4.2.3.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
	frameEnd       = 0xCE
)

// method is a class id in the upper and a method id in the lower half.
type method uint32

// The methods that the suite sends or expects by itself.
const (
	connectionStart          method = 10<<16 | 10
	connectionStartOk        method = 10<<16 | 11
	connectionTune           method = 10<<16 | 30
	connectionTuneOk         method = 10<<16 | 31
	connectionOpen           method = 10<<16 | 40
	connectionOpenOk         method = 10<<16 | 41
	connectionClose          method = 10<<16 | 50
	connectionCloseOk        method = 10<<16 | 51
	connectionBlocked        method = 10<<16 | 60
	connectionUpdateSecret   method = 10<<16 | 70
	connectionUpdateSecretOk method = 10<<16 | 71
	channelOpen              method = 20<<16 | 10
	channelOpenOk            method = 20<<16 | 11
	channelFlow              method = 20<<16 | 20
	channelFlowOk            method = 20<<16 | 21
	channelClose             method = 20<<16 | 40
	channelCloseOk           method = 20<<16 | 41
	queueDeclare             method = 50<<16 | 10
	queueDeclareOk           method = 50<<16 | 11
	queueBind                method = 50<<16 | 20
	queueBindOk              method = 50<<16 | 21
	basicQos                 method = 60<<16 | 10
	basicQosOk               method = 60<<16 | 11
	basicConsume             method = 60<<16 | 20
	basicConsumeOk           method = 60<<16 | 21
	basicCancel              method = 60<<16 | 30
	basicPublish             method = 60<<16 | 40
	basicReturn              method = 60<<16 | 50
	basicDeliver             method = 60<<16 | 60
	basicGet                 method = 60<<16 | 70
	basicGetOk               method = 60<<16 | 71
	basicAck                 method = 60<<16 | 80
	basicRecoverAsync        method = 60<<16 | 100
	basicRecover             method = 60<<16 | 110
	basicRecoverOk           method = 60<<16 | 111
	confirmSelect            method = 85<<16 | 10
	confirmSelectOk          method = 85<<16 | 11
)

// Argument types of encode beside Go's unsigned integers, which stand for octet, short, long and longlong.
type (
	short  string // short string: at most 255 bytes
	long   string // long string
	fields []byte // field table: the encoded pairs without the length in front
)

// encode writes method arguments as AMQP does.
func encode(args ...any) []byte {
	var b []byte
	for _, arg := range args {
		switch v := arg.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case short:
			b = append(append(b, byte(len(v))), v...)
		case long:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
		case fields:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
		case []byte:
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("amqptest: no AMQP encoding for %T", arg))
		}
	}
	return b
}

// field encodes one pair of a field table: its name, its type octet and its value.
func field(name string, kind byte, value ...any) fields {
	return encode(append([]any{short(name), kind}, value...)...)
}

// frame is one frame as it came in.
type frame struct {
	kind    byte
	channel uint16
	payload []byte
}

// method is the method of a method frame, and 0 of any other.
func (f frame) method() method {
	if f.kind != frameMethod || len(f.payload) < 4 {
		return 0
	}
	return method(binary.BigEndian.Uint32(f.payload))
}

func (f frame) String() string {
	if m := f.method(); m != 0 {
		return fmt.Sprintf("method %d.%d on channel %d %q", m>>16, m&0xFFFF, f.channel, f.payload[4:])
	}
	return fmt.Sprintf("frame type %d on channel %d, %d bytes", f.kind, f.channel, len(f.payload))
}

// arguments reads method arguments in order. Past the end it gives zero values and keeps the fact in short.
type arguments struct {
	rest []byte
	cut  bool
}

// arguments are those of a method frame.
func (f frame) arguments() *arguments { return &arguments{rest: f.payload[min(4, len(f.payload)):]} }

func (a *arguments) take(n int) []byte {
	if n > len(a.rest) {
		a.cut = true
		a.rest = nil
		return make([]byte, n)
	}
	v := a.rest[:n]
	a.rest = a.rest[n:]
	return v
}

func (a *arguments) octet() uint8     { return a.take(1)[0] }
func (a *arguments) short() uint16    { return binary.BigEndian.Uint16(a.take(2)) }
func (a *arguments) long() uint32     { return binary.BigEndian.Uint32(a.take(4)) }
func (a *arguments) longLong() uint64 { return binary.BigEndian.Uint64(a.take(8)) }
func (a *arguments) text() string     { return string(a.take(int(a.octet()))) }
func (a *arguments) longText() string { return string(a.take(min(int(a.long()), 1<<20))) }

// wire is a connection that sends and reads single frames, right or wrong.
type wire struct {
	k    *kit
	conn net.Conn
	in   *bufio.Reader
}

// tuning is what a client answers to connection.tune.
type tuning struct {
	channelMax uint16
	frameMax   uint32
	heartbeat  uint16 // seconds, 0 for none
}

// usual is the tuning of checks that are about something else.
var usual = tuning{channelMax: 2047, frameMax: 131072}

// wire opens a socket to the broker and sends nothing yet.
func (k *kit) wire() *wire {
	k.Helper()
	conn, err := net.DialTimeout("tcp", k.server.Addr(), patience)
	k.must(err, "connect")
	k.Cleanup(func() { _ = conn.Close() })
	k.must(conn.SetDeadline(time.Now().Add(2*patience)), "set a deadline")
	return &wire{k: k, conn: conn, in: bufio.NewReader(conn)}
}

// wireOpen opens a connection to "/" with PLAIN and the channel 1 on it.
func (k *kit) wireOpen(t tuning) *wire {
	k.Helper()
	w := k.wire()
	w.greet()
	w.login("PLAIN", "\x00"+User+"\x00"+Password)
	w.expect(0, connectionTune)
	w.tune(t)
	w.expect(0, connectionOpenOk)
	w.openChannel(1)
	return w
}

// bytes sends anything.
func (w *wire) bytes(b ...byte) {
	w.k.Helper()
	_, err := w.conn.Write(b)
	w.k.must(err, "write")
}

// greet sends the protocol header and reads connection.start.
func (w *wire) greet() frame {
	w.k.Helper()
	w.bytes([]byte("AMQP\x00\x00\x09\x01")...)
	return w.expect(0, connectionStart)
}

// login answers connection.start, saying that it understands the close that follows a failed login.
func (w *wire) login(mechanism, response string) {
	w.k.Helper()
	capabilities := field("authentication_failure_close", 't', uint8(1))
	w.call(0, connectionStartOk, field("capabilities", 'F', capabilities), short(mechanism), long(response), short("en_US"))
}

// tune answers connection.tune and asks for the virtual host "/".
func (w *wire) tune(t tuning) {
	w.k.Helper()
	w.call(0, connectionTuneOk, t.channelMax, t.frameMax, t.heartbeat)
	w.call(0, connectionOpen, short("/"), short(""), uint8(0))
}

// openChannel opens a channel and waits for the answer.
func (w *wire) openChannel(channel uint16) {
	w.k.Helper()
	w.call(channel, channelOpen, short(""))
	w.expect(channel, channelOpenOk)
}

// frame sends one frame.
func (w *wire) frame(kind byte, channel uint16, payload []byte) {
	w.k.Helper()
	w.bytes(encode(kind, channel, uint32(len(payload)), payload, uint8(frameEnd))...)
}

// call sends one method frame.
func (w *wire) call(channel uint16, m method, args ...any) {
	w.k.Helper()
	w.frame(frameMethod, channel, encode(append([]any{uint32(m)}, args...)...))
}

// header sends the content header of a message of size bytes; properties are the flags and what they announce.
func (w *wire) header(channel uint16, size uint64, properties []byte) {
	w.k.Helper()
	w.frame(frameHeader, channel, encode(uint16(60), uint16(0), size, properties))
}

// publish sends one whole message with the given encoded properties, in frames of at most 4096 bytes.
func (w *wire) publish(channel uint16, exchange, key string, properties, body []byte) {
	w.k.Helper()
	w.call(channel, basicPublish, uint16(0), short(exchange), short(key), uint8(0))
	w.header(channel, uint64(len(body)), properties)
	for len(body) > 0 {
		n := min(len(body), 4096-8)
		w.frame(frameBody, channel, body[:n])
		body = body[n:]
	}
}

// read reads one frame.
func (w *wire) read() (frame, error) {
	head := make([]byte, 7)
	if _, err := io.ReadFull(w.in, head); err != nil {
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(head[3:])
	if size > 1<<24 {
		return frame{}, fmt.Errorf("a frame of %d bytes", size)
	}
	rest := make([]byte, size+1)
	if _, err := io.ReadFull(w.in, rest); err != nil {
		return frame{}, err
	}
	if rest[size] != frameEnd {
		return frame{}, fmt.Errorf("a frame that ends with %#x", rest[size])
	}
	return frame{kind: head[0], channel: binary.BigEndian.Uint16(head[1:]), payload: rest[:size]}, nil
}

// next reads the next frame that is no heartbeat.
func (w *wire) next() frame {
	w.k.Helper()
	for {
		f, err := w.read()
		w.k.must(err, "read a frame")
		if f.kind != frameHeartbeat {
			return f
		}
	}
}

// expect reads the next frame, which must be m on channel.
func (w *wire) expect(channel uint16, m method) frame {
	w.k.Helper()
	f := w.next()
	if f.channel != channel || f.method() != m {
		w.k.Fatalf("got %s, want method %d.%d on channel %d", f, m>>16, m&0xFFFF, channel)
	}
	return f
}

// content reads the header and body frames of a message and returns the encoded properties (flags first) and body.
func (w *wire) content(channel uint16) (properties, body []byte) {
	w.k.Helper()
	f := w.next()
	if f.kind != frameHeader || f.channel != channel || len(f.payload) < 14 {
		w.k.Fatalf("got %s, want a content header on channel %d", f, channel)
	}
	size := binary.BigEndian.Uint64(f.payload[4:])
	properties = f.payload[12:]
	for uint64(len(body)) < size {
		f = w.next()
		if f.kind != frameBody || f.channel != channel {
			w.k.Fatalf("got %s, want a body frame on channel %d", f, channel)
		}
		body = append(body, f.payload...)
	}
	return properties, body
}

// ended asserts that the broker closes the socket without another word.
func (w *wire) ended() {
	w.k.Helper()
	w.over(w.read())
}

// over asserts that a read found the end of the socket.
func (w *wire) over(f frame, err error) {
	w.k.Helper()
	if err == nil {
		w.k.Errorf("got %s, want the end of the connection", f)
	} else if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		w.k.Errorf("the broker left the connection open")
	}
}

// refusal asserts that the broker closes the connection with code and a text that contains every one of texts,
// and the socket after the close-ok.
func (w *wire) refusal(code uint16, texts ...string) {
	w.k.Helper()
	w.closing(0, connectionClose, code, texts...)
	w.call(0, connectionCloseOk)
	w.ended()
}

// cutOff asserts that the broker ends the connection. AMQP asks for a connection.close, which then has code; where
// RabbitMQ finds no words it just closes the socket, in the handshake after three seconds.
func (w *wire) cutOff(code uint16) {
	w.k.Helper()
	f, err := w.read()
	if err == nil && f.method() == connectionClose {
		w.k.equal("code", f.arguments().short(), code)
		w.call(0, connectionCloseOk)
		w.ended()
		return
	}
	w.over(f, err)
}

// channelRefusal asserts that the broker closes channel with code, and answers with close-ok.
func (w *wire) channelRefusal(channel uint16, code uint16, texts ...string) {
	w.k.Helper()
	w.closing(channel, channelClose, code, texts...)
	w.call(channel, channelCloseOk)
}

func (w *wire) closing(channel uint16, m method, code uint16, texts ...string) {
	w.k.Helper()
	a := w.expect(channel, m).arguments()
	gotCode, gotText := a.short(), a.text()
	if gotCode != code {
		w.k.Errorf("got code %d %q, want %d", gotCode, gotText, code)
	}
	for _, text := range texts {
		if !strings.Contains(gotText, text) {
			w.k.Errorf("code %d: got text %q, want it to contain %q", gotCode, gotText, text)
		}
	}
}
