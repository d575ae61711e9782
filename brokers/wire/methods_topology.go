package wire

// ExchangeDeclare is exchange.declare.
type ExchangeDeclare struct {
	Exchange, Type                                 string
	Passive, Durable, AutoDelete, Internal, NoWait bool
	Arguments                                      Table
}

func (*ExchangeDeclare) ID() ID { return id(40, 10) }
func (m *ExchangeDeclare) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Exchange)
	c.shortstr(&m.Type)
	c.bits(&m.Passive, &m.Durable, &m.AutoDelete, &m.Internal, &m.NoWait)
	c.table(&m.Arguments)
}

// ExchangeDeclareOk is exchange.declare-ok.
type ExchangeDeclareOk struct{}

func (*ExchangeDeclareOk) ID() ID       { return id(40, 11) }
func (*ExchangeDeclareOk) visit(*codec) {}

// ExchangeDelete is exchange.delete.
type ExchangeDelete struct {
	Exchange         string
	IfUnused, NoWait bool
}

func (*ExchangeDelete) ID() ID { return id(40, 20) }
func (m *ExchangeDelete) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Exchange)
	c.bits(&m.IfUnused, &m.NoWait)
}

// ExchangeDeleteOk is exchange.delete-ok.
type ExchangeDeleteOk struct{}

func (*ExchangeDeleteOk) ID() ID       { return id(40, 21) }
func (*ExchangeDeleteOk) visit(*codec) {}

// ExchangeBind is exchange.bind.
type ExchangeBind struct {
	Destination, Source, RoutingKey string
	NoWait                          bool
	Arguments                       Table
}

func (*ExchangeBind) ID() ID { return id(40, 30) }
func (m *ExchangeBind) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Destination)
	c.shortstr(&m.Source)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.NoWait)
	c.table(&m.Arguments)
}

// ExchangeBindOk is exchange.bind-ok.
type ExchangeBindOk struct{}

func (*ExchangeBindOk) ID() ID       { return id(40, 31) }
func (*ExchangeBindOk) visit(*codec) {}

// ExchangeUnbind is exchange.unbind.
type ExchangeUnbind struct {
	Destination, Source, RoutingKey string
	NoWait                          bool
	Arguments                       Table
}

func (*ExchangeUnbind) ID() ID { return id(40, 40) }
func (m *ExchangeUnbind) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Destination)
	c.shortstr(&m.Source)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.NoWait)
	c.table(&m.Arguments)
}

// ExchangeUnbindOk is exchange.unbind-ok.
type ExchangeUnbindOk struct{}

func (*ExchangeUnbindOk) ID() ID       { return id(40, 51) }
func (*ExchangeUnbindOk) visit(*codec) {}

// QueueDeclare is queue.declare.
type QueueDeclare struct {
	Queue                                           string
	Passive, Durable, Exclusive, AutoDelete, NoWait bool
	Arguments                                       Table
}

func (*QueueDeclare) ID() ID { return id(50, 10) }
func (m *QueueDeclare) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Queue)
	c.bits(&m.Passive, &m.Durable, &m.Exclusive, &m.AutoDelete, &m.NoWait)
	c.table(&m.Arguments)
}

// QueueDeclareOk is queue.declare-ok.
type QueueDeclareOk struct {
	Queue                       string
	MessageCount, ConsumerCount uint32
}

func (*QueueDeclareOk) ID() ID { return id(50, 11) }
func (m *QueueDeclareOk) visit(c *codec) {
	c.shortstr(&m.Queue)
	c.long(&m.MessageCount)
	c.long(&m.ConsumerCount)
}

// QueueBind is queue.bind.
type QueueBind struct {
	Queue, Exchange, RoutingKey string
	NoWait                      bool
	Arguments                   Table
}

func (*QueueBind) ID() ID { return id(50, 20) }
func (m *QueueBind) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Queue)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.NoWait)
	c.table(&m.Arguments)
}

// QueueBindOk is queue.bind-ok.
type QueueBindOk struct{}

func (*QueueBindOk) ID() ID       { return id(50, 21) }
func (*QueueBindOk) visit(*codec) {}

// QueuePurge is queue.purge.
type QueuePurge struct {
	Queue  string
	NoWait bool
}

func (*QueuePurge) ID() ID           { return id(50, 30) }
func (m *QueuePurge) visit(c *codec) { c.reservedShort(); c.shortstr(&m.Queue); c.bits(&m.NoWait) }

// QueuePurgeOk is queue.purge-ok.
type QueuePurgeOk struct {
	MessageCount uint32
}

func (*QueuePurgeOk) ID() ID           { return id(50, 31) }
func (m *QueuePurgeOk) visit(c *codec) { c.long(&m.MessageCount) }

// QueueDelete is queue.delete.
type QueueDelete struct {
	Queue                     string
	IfUnused, IfEmpty, NoWait bool
}

func (*QueueDelete) ID() ID { return id(50, 40) }
func (m *QueueDelete) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Queue)
	c.bits(&m.IfUnused, &m.IfEmpty, &m.NoWait)
}

// QueueDeleteOk is queue.delete-ok.
type QueueDeleteOk struct {
	MessageCount uint32
}

func (*QueueDeleteOk) ID() ID           { return id(50, 41) }
func (m *QueueDeleteOk) visit(c *codec) { c.long(&m.MessageCount) }

// QueueUnbind is queue.unbind.
type QueueUnbind struct {
	Queue, Exchange, RoutingKey string
	Arguments                   Table
}

func (*QueueUnbind) ID() ID { return id(50, 50) }
func (m *QueueUnbind) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Queue)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.table(&m.Arguments)
}

// QueueUnbindOk is queue.unbind-ok.
type QueueUnbindOk struct{}

func (*QueueUnbindOk) ID() ID       { return id(50, 51) }
func (*QueueUnbindOk) visit(*codec) {}
