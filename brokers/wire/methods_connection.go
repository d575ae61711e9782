package wire

// ConnectionStart is connection.start.
type ConnectionStart struct {
	VersionMajor, VersionMinor uint8
	ServerProperties           Table
	Mechanisms, Locales        string
}

func (*ConnectionStart) ID() ID { return id(10, 10) }
func (m *ConnectionStart) visit(c *codec) {
	c.octet(&m.VersionMajor)
	c.octet(&m.VersionMinor)
	c.table(&m.ServerProperties)
	c.longstr(&m.Mechanisms)
	c.longstr(&m.Locales)
}

// ConnectionStartOk is connection.start-ok.
type ConnectionStartOk struct {
	ClientProperties            Table
	Mechanism, Response, Locale string
}

func (*ConnectionStartOk) ID() ID { return id(10, 11) }
func (m *ConnectionStartOk) visit(c *codec) {
	c.table(&m.ClientProperties)
	c.shortstr(&m.Mechanism)
	c.longstr(&m.Response)
	c.shortstr(&m.Locale)
}

// ConnectionSecure is connection.secure.
type ConnectionSecure struct {
	Challenge string
}

func (*ConnectionSecure) ID() ID           { return id(10, 20) }
func (m *ConnectionSecure) visit(c *codec) { c.longstr(&m.Challenge) }

// ConnectionSecureOk is connection.secure-ok.
type ConnectionSecureOk struct {
	Response string
}

func (*ConnectionSecureOk) ID() ID           { return id(10, 21) }
func (m *ConnectionSecureOk) visit(c *codec) { c.longstr(&m.Response) }

// ConnectionTune is connection.tune.
type ConnectionTune struct {
	ChannelMax uint16
	FrameMax   uint32
	Heartbeat  uint16
}

func (*ConnectionTune) ID() ID { return id(10, 30) }
func (m *ConnectionTune) visit(c *codec) {
	c.short(&m.ChannelMax)
	c.long(&m.FrameMax)
	c.short(&m.Heartbeat)
}

// ConnectionTuneOk is connection.tune-ok.
type ConnectionTuneOk struct {
	ChannelMax uint16
	FrameMax   uint32
	Heartbeat  uint16
}

func (*ConnectionTuneOk) ID() ID { return id(10, 31) }
func (m *ConnectionTuneOk) visit(c *codec) {
	c.short(&m.ChannelMax)
	c.long(&m.FrameMax)
	c.short(&m.Heartbeat)
}

// ConnectionOpen is connection.open.
type ConnectionOpen struct {
	VirtualHost string
}

func (*ConnectionOpen) ID() ID           { return id(10, 40) }
func (m *ConnectionOpen) visit(c *codec) { c.shortstr(&m.VirtualHost); c.reservedString(); c.bits() }

// ConnectionOpenOk is connection.open-ok.
type ConnectionOpenOk struct{}

func (*ConnectionOpenOk) ID() ID           { return id(10, 41) }
func (m *ConnectionOpenOk) visit(c *codec) { c.reservedString() }

// ConnectionClose is connection.close.
type ConnectionClose struct {
	Code              uint16
	Text              string
	ClassID, MethodID uint16
}

func (*ConnectionClose) ID() ID { return id(10, 50) }
func (m *ConnectionClose) visit(c *codec) {
	c.short(&m.Code)
	c.shortstr(&m.Text)
	c.short(&m.ClassID)
	c.short(&m.MethodID)
}

// ConnectionCloseOk is connection.close-ok.
type ConnectionCloseOk struct{}

func (*ConnectionCloseOk) ID() ID       { return id(10, 51) }
func (*ConnectionCloseOk) visit(*codec) {}

// ConnectionBlocked is connection.blocked.
type ConnectionBlocked struct {
	Reason string
}

func (*ConnectionBlocked) ID() ID           { return id(10, 60) }
func (m *ConnectionBlocked) visit(c *codec) { c.shortstr(&m.Reason) }

// ConnectionUnblocked is connection.unblocked.
type ConnectionUnblocked struct{}

func (*ConnectionUnblocked) ID() ID       { return id(10, 61) }
func (*ConnectionUnblocked) visit(*codec) {}

// ConnectionUpdateSecret is connection.update-secret.
type ConnectionUpdateSecret struct {
	NewSecret, Reason string
}

func (*ConnectionUpdateSecret) ID() ID           { return id(10, 70) }
func (m *ConnectionUpdateSecret) visit(c *codec) { c.longstr(&m.NewSecret); c.shortstr(&m.Reason) }

// ConnectionUpdateSecretOk is connection.update-secret-ok.
type ConnectionUpdateSecretOk struct{}

func (*ConnectionUpdateSecretOk) ID() ID       { return id(10, 71) }
func (*ConnectionUpdateSecretOk) visit(*codec) {}

// ChannelOpen is channel.open.
type ChannelOpen struct{}

func (*ChannelOpen) ID() ID           { return id(20, 10) }
func (m *ChannelOpen) visit(c *codec) { c.reservedString() }

// ChannelOpenOk is channel.open-ok.
type ChannelOpenOk struct{}

func (*ChannelOpenOk) ID() ID           { return id(20, 11) }
func (m *ChannelOpenOk) visit(c *codec) { c.reservedLong() }

// ChannelFlow is channel.flow.
type ChannelFlow struct {
	Active bool
}

func (*ChannelFlow) ID() ID           { return id(20, 20) }
func (m *ChannelFlow) visit(c *codec) { c.bits(&m.Active) }

// ChannelFlowOk is channel.flow-ok.
type ChannelFlowOk struct {
	Active bool
}

func (*ChannelFlowOk) ID() ID           { return id(20, 21) }
func (m *ChannelFlowOk) visit(c *codec) { c.bits(&m.Active) }

// ChannelClose is channel.close.
type ChannelClose struct {
	Code              uint16
	Text              string
	ClassID, MethodID uint16
}

func (*ChannelClose) ID() ID { return id(20, 40) }
func (m *ChannelClose) visit(c *codec) {
	c.short(&m.Code)
	c.shortstr(&m.Text)
	c.short(&m.ClassID)
	c.short(&m.MethodID)
}

// ChannelCloseOk is channel.close-ok.
type ChannelCloseOk struct{}

func (*ChannelCloseOk) ID() ID       { return id(20, 41) }
func (*ChannelCloseOk) visit(*codec) {}

// AccessRequest is access.request.
type AccessRequest struct {
	Realm                                   string
	Exclusive, Passive, Active, Write, Read bool
}

func (*AccessRequest) ID() ID { return id(30, 10) }
func (m *AccessRequest) visit(c *codec) {
	c.shortstr(&m.Realm)
	c.bits(&m.Exclusive, &m.Passive, &m.Active, &m.Write, &m.Read)
}

// AccessRequestOk is access.request-ok.
type AccessRequestOk struct {
	Ticket uint16
}

func (*AccessRequestOk) ID() ID           { return id(30, 11) }
func (m *AccessRequestOk) visit(c *codec) { c.short(&m.Ticket) }
