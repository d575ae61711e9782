package wire

// BasicQos is basic.qos.
type BasicQos struct {
	PrefetchSize  uint32
	PrefetchCount uint16
	Global        bool
}

func (*BasicQos) ID() ID { return id(60, 10) }
func (m *BasicQos) visit(c *codec) {
	c.long(&m.PrefetchSize)
	c.short(&m.PrefetchCount)
	c.bits(&m.Global)
}

// BasicQosOk is basic.qos-ok.
type BasicQosOk struct{}

func (*BasicQosOk) ID() ID       { return id(60, 11) }
func (*BasicQosOk) visit(*codec) {}

// BasicConsume is basic.consume.
type BasicConsume struct {
	Queue, ConsumerTag                string
	NoLocal, NoAck, Exclusive, NoWait bool
	Arguments                         Table
}

func (*BasicConsume) ID() ID { return id(60, 20) }
func (m *BasicConsume) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Queue)
	c.shortstr(&m.ConsumerTag)
	c.bits(&m.NoLocal, &m.NoAck, &m.Exclusive, &m.NoWait)
	c.table(&m.Arguments)
}

// BasicConsumeOk is basic.consume-ok.
type BasicConsumeOk struct {
	ConsumerTag string
}

func (*BasicConsumeOk) ID() ID           { return id(60, 21) }
func (m *BasicConsumeOk) visit(c *codec) { c.shortstr(&m.ConsumerTag) }

// BasicCancel is basic.cancel.
type BasicCancel struct {
	ConsumerTag string
	NoWait      bool
}

func (*BasicCancel) ID() ID           { return id(60, 30) }
func (m *BasicCancel) visit(c *codec) { c.shortstr(&m.ConsumerTag); c.bits(&m.NoWait) }

// BasicCancelOk is basic.cancel-ok.
type BasicCancelOk struct {
	ConsumerTag string
}

func (*BasicCancelOk) ID() ID           { return id(60, 31) }
func (m *BasicCancelOk) visit(c *codec) { c.shortstr(&m.ConsumerTag) }

// BasicPublish is basic.publish.
type BasicPublish struct {
	Exchange, RoutingKey string
	Mandatory, Immediate bool
}

func (*BasicPublish) ID() ID { return id(60, 40) }
func (m *BasicPublish) visit(c *codec) {
	c.reservedShort()
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.bits(&m.Mandatory, &m.Immediate)
}

// BasicReturn is basic.return.
type BasicReturn struct {
	Code                       uint16
	Text, Exchange, RoutingKey string
}

func (*BasicReturn) ID() ID { return id(60, 50) }
func (m *BasicReturn) visit(c *codec) {
	c.short(&m.Code)
	c.shortstr(&m.Text)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
}

// BasicDeliver is basic.deliver.
type BasicDeliver struct {
	ConsumerTag          string
	DeliveryTag          uint64
	Redelivered          bool
	Exchange, RoutingKey string
}

func (*BasicDeliver) ID() ID { return id(60, 60) }
func (m *BasicDeliver) visit(c *codec) {
	c.shortstr(&m.ConsumerTag)
	c.longlong(&m.DeliveryTag)
	c.bits(&m.Redelivered)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
}

// BasicGet is basic.get.
type BasicGet struct {
	Queue string
	NoAck bool
}

func (*BasicGet) ID() ID           { return id(60, 70) }
func (m *BasicGet) visit(c *codec) { c.reservedShort(); c.shortstr(&m.Queue); c.bits(&m.NoAck) }

// BasicGetOk is basic.get-ok.
type BasicGetOk struct {
	DeliveryTag          uint64
	Redelivered          bool
	Exchange, RoutingKey string
	MessageCount         uint32
}

func (*BasicGetOk) ID() ID { return id(60, 71) }
func (m *BasicGetOk) visit(c *codec) {
	c.longlong(&m.DeliveryTag)
	c.bits(&m.Redelivered)
	c.shortstr(&m.Exchange)
	c.shortstr(&m.RoutingKey)
	c.long(&m.MessageCount)
}

// BasicGetEmpty is basic.get-empty.
type BasicGetEmpty struct{}

func (*BasicGetEmpty) ID() ID           { return id(60, 72) }
func (m *BasicGetEmpty) visit(c *codec) { c.reservedString() }

// BasicAck is basic.ack.
type BasicAck struct {
	DeliveryTag uint64
	Multiple    bool
}

func (*BasicAck) ID() ID           { return id(60, 80) }
func (m *BasicAck) visit(c *codec) { c.longlong(&m.DeliveryTag); c.bits(&m.Multiple) }

// BasicReject is basic.reject.
type BasicReject struct {
	DeliveryTag uint64
	Requeue     bool
}

func (*BasicReject) ID() ID           { return id(60, 90) }
func (m *BasicReject) visit(c *codec) { c.longlong(&m.DeliveryTag); c.bits(&m.Requeue) }

// BasicRecoverAsync is basic.recover-async.
type BasicRecoverAsync struct {
	Requeue bool
}

func (*BasicRecoverAsync) ID() ID           { return id(60, 100) }
func (m *BasicRecoverAsync) visit(c *codec) { c.bits(&m.Requeue) }

// BasicRecover is basic.recover.
type BasicRecover struct {
	Requeue bool
}

func (*BasicRecover) ID() ID           { return id(60, 110) }
func (m *BasicRecover) visit(c *codec) { c.bits(&m.Requeue) }

// BasicRecoverOk is basic.recover-ok.
type BasicRecoverOk struct{}

func (*BasicRecoverOk) ID() ID       { return id(60, 111) }
func (*BasicRecoverOk) visit(*codec) {}

// BasicNack is basic.nack.
type BasicNack struct {
	DeliveryTag       uint64
	Multiple, Requeue bool
}

func (*BasicNack) ID() ID           { return id(60, 120) }
func (m *BasicNack) visit(c *codec) { c.longlong(&m.DeliveryTag); c.bits(&m.Multiple, &m.Requeue) }

// ConfirmSelect is confirm.select.
type ConfirmSelect struct {
	NoWait bool
}

func (*ConfirmSelect) ID() ID           { return id(85, 10) }
func (m *ConfirmSelect) visit(c *codec) { c.bits(&m.NoWait) }

// ConfirmSelectOk is confirm.select-ok.
type ConfirmSelectOk struct{}

func (*ConfirmSelectOk) ID() ID       { return id(85, 11) }
func (*ConfirmSelectOk) visit(*codec) {}

// TxSelect is tx.select.
type TxSelect struct{}

func (*TxSelect) ID() ID       { return id(90, 10) }
func (*TxSelect) visit(*codec) {}

// TxSelectOk is tx.select-ok.
type TxSelectOk struct{}

func (*TxSelectOk) ID() ID       { return id(90, 11) }
func (*TxSelectOk) visit(*codec) {}

// TxCommit is tx.commit.
type TxCommit struct{}

func (*TxCommit) ID() ID       { return id(90, 20) }
func (*TxCommit) visit(*codec) {}

// TxCommitOk is tx.commit-ok.
type TxCommitOk struct{}

func (*TxCommitOk) ID() ID       { return id(90, 21) }
func (*TxCommitOk) visit(*codec) {}

// TxRollback is tx.rollback.
type TxRollback struct{}

func (*TxRollback) ID() ID       { return id(90, 30) }
func (*TxRollback) visit(*codec) {}

// TxRollbackOk is tx.rollback-ok.
type TxRollbackOk struct{}

func (*TxRollbackOk) ID() ID       { return id(90, 31) }
func (*TxRollbackOk) visit(*codec) {}
