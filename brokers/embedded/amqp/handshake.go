package amqp

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"time"

	"msdev/brokers/wire"
)

// version is the RabbitMQ release whose behaviour the broker follows. Clients look at it to choose features.
const version = "4.0.5"

func serverProperties(node string) wire.Table {
	can := wire.Table{}
	for _, name := range []string{"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
		"connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to"} {
		can = append(can, wire.Field{Key: name, Value: true})
	}
	return wire.Table{
		{Key: "capabilities", Value: can},
		{Key: "cluster_name", Value: node},
		{Key: "copyright", Value: "msdev"},
		{Key: "information", Value: "msdev's embedded broker, for development. It follows RabbitMQ " + version + "."},
		{Key: "platform", Value: runtime.Version()},
		{Key: "product", Value: "msdev"},
		{Key: "version", Value: version},
	}
}

// handshake goes from the protocol header to connection.open-ok.
func (c *conn) handshake() error {
	_ = c.nc.SetDeadline(time.Now().Add(handshakeTimeout))
	h, err := c.rd.Protocol()
	if err != nil {
		return err
	}
	if h != [8]byte{'A', 'M', 'Q', 'P', 0, 0, 9, 1} && h != [8]byte{'A', 'M', 'Q', 'P', 1, 1, 0, 9} {
		_, _ = c.nc.Write([]byte("AMQP\x00\x00\x09\x01"))
		return errProtocol
	}
	c.out.method(nil, 0, &wire.ConnectionStart{VersionMajor: 0, VersionMinor: 9,
		ServerProperties: serverProperties(c.broker.node), Mechanisms: "PLAIN AMQPLAIN", Locales: "en_US"})
	for _, step := range []func() error{c.authenticate, c.tune, c.open} {
		if err := step(); err != nil {
			return err
		}
	}
	_ = c.nc.SetDeadline(time.Time{})
	if forced := c.forced.Load(); forced != nil {
		return forced
	}
	return nil
}

// await reads the next method of the handshake.
func (c *conn) await() (wire.Method, error) {
	for {
		f, err := c.rd.Next()
		if err != nil {
			return nil, c.readError(err)
		}
		if f.Type == wire.FrameHeartbeat {
			continue
		}
		if f.Type != wire.FrameMethod || f.Channel != 0 {
			return nil, unexpectedFrame(f)
		}
		m, err := wire.Parse(f.Payload)
		if err != nil {
			return nil, parseError(f.Payload, err)
		}
		if _, closes := m.(*wire.ConnectionClose); closes {
			c.out.method(nil, 0, &wire.ConnectionCloseOk{})
			return nil, errClosed
		}
		return m, nil
	}
}

func unexpectedMethod(state string) *Error {
	return fail(codeChannelError, "unexpected method in connection state %s", state)
}

func (c *conn) authenticate() error {
	m, err := c.await()
	if err != nil {
		return err
	}
	start, ok := m.(*wire.ConnectionStartOk)
	if !ok {
		return unexpectedMethod("starting")
	}
	c.readProperties(start.ClientProperties)
	c.mechanism = start.Mechanism
	var name, password string
	switch start.Mechanism {
	case "PLAIN":
		name, password, ok = plainResponse(start.Response)
	case "AMQPLAIN":
		name, password, ok = amqplainResponse(start.Response)
	default:
		return fail(codeCommandInvalid, "unknown authentication mechanism '%s'", start.Mechanism)
	}
	if !ok {
		return fail(codeSyntaxError, "response to %s is not understood", start.Mechanism)
	}
	if c.user = c.broker.users.login(name, password); c.user == nil {
		c.broker.logger.Warn("a login was refused", "conn", c.name, "user", name)
		if !c.refusable {
			return errClosed
		}
		return fail(codeAccessRefused, "Login was refused using authentication mechanism %s. For details see the broker logfile.", start.Mechanism)
	}
	return nil
}

func (c *conn) readProperties(t wire.Table) {
	c.properties = t
	can, _ := t.Get("capabilities")
	table, _ := can.(wire.Table)
	has := func(name string) bool {
		v, _ := table.Get(name)
		return v == true
	}
	c.cancels, c.blockable, c.refusable = has("consumer_cancel_notify"), has("connection.blocked"), has("authentication_failure_close")
}

// plainResponse reads SASL PLAIN: an identity to act as, which is ignored, then name and password after NUL octets.
func plainResponse(r string) (name, password string, ok bool) {
	parts := strings.Split(r, "\x00")
	if len(parts) != 3 {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// amqplainResponse reads AMQPLAIN: a field table without its length, with LOGIN and PASSWORD.
func amqplainResponse(r string) (name, password string, ok bool) {
	b := []byte(r)
	if len(b) >= 4 && uint64(binary.BigEndian.Uint32(b)) == uint64(len(b)-4) {
		b = b[4:] // some clients send the length nevertheless
	}
	t, err := wire.ParseTable(b)
	if err != nil {
		return "", "", false
	}
	return field(t, "LOGIN"), field(t, "PASSWORD"), true
}

func (c *conn) tune() error {
	c.out.method(nil, 0, &wire.ConnectionTune{ChannelMax: offerChannelMax, FrameMax: offerFrameMax, Heartbeat: offerHeartbeat})
	m, err := c.await()
	if err != nil {
		return err
	}
	ok, is := m.(*wire.ConnectionTuneOk)
	if !is {
		return unexpectedMethod("tuning")
	}
	if err := negotiated("frame_max", uint64(ok.FrameMax), minFrameMax, offerFrameMax); err != nil {
		return err
	}
	if err := negotiated("channel_max", uint64(ok.ChannelMax), 1, offerChannelMax); err != nil {
		return err
	}
	c.channelMax, c.frameMax = ok.ChannelMax, ok.FrameMax
	c.rd.SetMax(ok.FrameMax)
	c.heartbeat.Store(int64(time.Duration(ok.Heartbeat) * time.Second))
	c.out.signal() // the writer starts its heartbeat
	return nil
}

// negotiated checks what a client made of an offer, as RabbitMQ does: 0 means no limit, which is more than offered.
func negotiated(what string, value, least, most uint64) error {
	detail := ""
	if value == 0 {
		detail = " (no limit)"
	}
	switch {
	case value != 0 && value < least:
		return fail(codeNotAllowed, "negotiated %s = %d is lower than the minimum allowed value (%d)", what, value, least)
	case value == 0 || value > most:
		return fail(codeNotAllowed, "negotiated %s = %d%s is higher than the maximum allowed value (%d)", what, value, detail, most)
	}
	return nil
}

func (c *conn) open() error {
	m, err := c.await()
	if err != nil {
		return err
	}
	open, ok := m.(*wire.ConnectionOpen)
	if !ok {
		return unexpectedMethod("opening")
	}
	v := c.broker.vhost(open.VirtualHost)
	if v == nil {
		return &Error{Code: codeNotAllowed, Text: fmt.Sprintf("vhost %s not found", open.VirtualHost), Method: open.ID()}
	}
	if !c.user.mayOpen(v.name) {
		return &Error{Code: codeNotAllowed, Text: fmt.Sprintf("access to vhost '%s' refused for user '%s'", v.name, c.user.name), Method: open.ID()}
	}
	c.vhost = v
	c.out.method(nil, 0, &wire.ConnectionOpenOk{})
	return nil
}
