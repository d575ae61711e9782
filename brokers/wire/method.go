package wire

import "fmt"

// ID names a method: its class in the upper and its method number in the lower 16 bits.
type ID uint32

func id(class, method uint16) ID { return ID(class)<<16 | ID(method) }

// Class is the class number of the method.
func (i ID) Class() uint16 { return uint16(i >> 16) }

// Number is the method number within its class.
func (i ID) Number() uint16 { return uint16(i) }

// Method is one AMQP 0-9-1 method with its arguments.
type Method interface {
	ID() ID
	visit(*codec)
}

// UnknownMethod is the error of a method frame whose class or method number AMQP 0-9-1 does not know.
type UnknownMethod struct{ Method ID }

func (e UnknownMethod) Error() string {
	return fmt.Sprintf("unknown method %d in class %d", e.Method.Number(), e.Method.Class())
}

// Parse decodes the payload of a method frame.
func Parse(payload []byte) (Method, error) {
	n, err := ParseID(payload)
	if err != nil {
		return nil, err
	}
	m := blank(n)
	if m == nil {
		return nil, UnknownMethod{n}
	}
	c := codec{reading: true, in: payload[4:]}
	m.visit(&c)
	return m, c.err
}

// ParseID decodes which method a method frame holds.
func ParseID(payload []byte) (ID, error) {
	if len(payload) < 4 {
		return 0, errShort
	}
	return ID(uint32(payload[0])<<24 | uint32(payload[1])<<16 | uint32(payload[2])<<8 | uint32(payload[3])), nil
}

// AppendMethod appends a whole method frame.
func AppendMethod(b []byte, channel uint16, m Method) []byte {
	b, at := beginFrame(b, FrameMethod, channel)
	n := m.ID()
	c := codec{out: append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))}
	m.visit(&c)
	return endFrame(c.out, at)
}

// blanks holds, by class, what makes an empty method of each number.
var blanks = map[ID]func() Method{
	id(10, 10):  func() Method { return new(ConnectionStart) },
	id(10, 11):  func() Method { return new(ConnectionStartOk) },
	id(10, 20):  func() Method { return new(ConnectionSecure) },
	id(10, 21):  func() Method { return new(ConnectionSecureOk) },
	id(10, 30):  func() Method { return new(ConnectionTune) },
	id(10, 31):  func() Method { return new(ConnectionTuneOk) },
	id(10, 40):  func() Method { return new(ConnectionOpen) },
	id(10, 41):  func() Method { return new(ConnectionOpenOk) },
	id(10, 50):  func() Method { return new(ConnectionClose) },
	id(10, 51):  func() Method { return new(ConnectionCloseOk) },
	id(10, 60):  func() Method { return new(ConnectionBlocked) },
	id(10, 61):  func() Method { return new(ConnectionUnblocked) },
	id(10, 70):  func() Method { return new(ConnectionUpdateSecret) },
	id(10, 71):  func() Method { return new(ConnectionUpdateSecretOk) },
	id(20, 10):  func() Method { return new(ChannelOpen) },
	id(20, 11):  func() Method { return new(ChannelOpenOk) },
	id(20, 20):  func() Method { return new(ChannelFlow) },
	id(20, 21):  func() Method { return new(ChannelFlowOk) },
	id(20, 40):  func() Method { return new(ChannelClose) },
	id(20, 41):  func() Method { return new(ChannelCloseOk) },
	id(30, 10):  func() Method { return new(AccessRequest) },
	id(30, 11):  func() Method { return new(AccessRequestOk) },
	id(40, 10):  func() Method { return new(ExchangeDeclare) },
	id(40, 11):  func() Method { return new(ExchangeDeclareOk) },
	id(40, 20):  func() Method { return new(ExchangeDelete) },
	id(40, 21):  func() Method { return new(ExchangeDeleteOk) },
	id(40, 30):  func() Method { return new(ExchangeBind) },
	id(40, 31):  func() Method { return new(ExchangeBindOk) },
	id(40, 40):  func() Method { return new(ExchangeUnbind) },
	id(40, 51):  func() Method { return new(ExchangeUnbindOk) },
	id(50, 10):  func() Method { return new(QueueDeclare) },
	id(50, 11):  func() Method { return new(QueueDeclareOk) },
	id(50, 20):  func() Method { return new(QueueBind) },
	id(50, 21):  func() Method { return new(QueueBindOk) },
	id(50, 30):  func() Method { return new(QueuePurge) },
	id(50, 31):  func() Method { return new(QueuePurgeOk) },
	id(50, 40):  func() Method { return new(QueueDelete) },
	id(50, 41):  func() Method { return new(QueueDeleteOk) },
	id(50, 50):  func() Method { return new(QueueUnbind) },
	id(50, 51):  func() Method { return new(QueueUnbindOk) },
	id(60, 10):  func() Method { return new(BasicQos) },
	id(60, 11):  func() Method { return new(BasicQosOk) },
	id(60, 20):  func() Method { return new(BasicConsume) },
	id(60, 21):  func() Method { return new(BasicConsumeOk) },
	id(60, 30):  func() Method { return new(BasicCancel) },
	id(60, 31):  func() Method { return new(BasicCancelOk) },
	id(60, 40):  func() Method { return new(BasicPublish) },
	id(60, 50):  func() Method { return new(BasicReturn) },
	id(60, 60):  func() Method { return new(BasicDeliver) },
	id(60, 70):  func() Method { return new(BasicGet) },
	id(60, 71):  func() Method { return new(BasicGetOk) },
	id(60, 72):  func() Method { return new(BasicGetEmpty) },
	id(60, 80):  func() Method { return new(BasicAck) },
	id(60, 90):  func() Method { return new(BasicReject) },
	id(60, 100): func() Method { return new(BasicRecoverAsync) },
	id(60, 110): func() Method { return new(BasicRecover) },
	id(60, 111): func() Method { return new(BasicRecoverOk) },
	id(60, 120): func() Method { return new(BasicNack) },
	id(85, 10):  func() Method { return new(ConfirmSelect) },
	id(85, 11):  func() Method { return new(ConfirmSelectOk) },
	id(90, 10):  func() Method { return new(TxSelect) },
	id(90, 11):  func() Method { return new(TxSelectOk) },
	id(90, 20):  func() Method { return new(TxCommit) },
	id(90, 21):  func() Method { return new(TxCommitOk) },
	id(90, 30):  func() Method { return new(TxRollback) },
	id(90, 31):  func() Method { return new(TxRollbackOk) },
}

func blank(n ID) Method {
	if f := blanks[n]; f != nil {
		return f()
	}
	return nil
}
