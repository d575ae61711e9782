package brokers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"msdev/brokers/wire"
)

// fileLine is one message in a file: one JSON object a line, described in docs/messages.md. What is absent has the
// value that most messages have; nil and empty are told apart wherever a broker does.
type fileLine struct {
	Kind  Kind       `json:"kind"`
	Time  *time.Time `json:"time,omitempty"`
	Clock string     `json:"clock,omitempty"` // whose clock: created, appended or seen

	Exchange   *fileBytes   `json:"exchange,omitempty"`
	RoutingKey *fileBytes   `json:"routingKey,omitempty"`
	Queue      fileBytes    `json:"queue,omitempty"`
	Routed     *[]fileBytes `json:"routed,omitempty"`

	Topic     string `json:"topic,omitempty"`
	Partition *int32 `json:"partition,omitempty"`
	Offset    *int64 `json:"offset,omitempty"`

	Event         string `json:"event,omitempty"` // "delivered"; absent is published
	From          string `json:"from,omitempty"`
	User          string `json:"user,omitempty"`
	Redelivered   bool   `json:"redelivered,omitempty"`
	Deliveries    *int64 `json:"deliveries,omitempty"`
	Budget        *int64 `json:"budget,omitempty"`
	Aborted       bool   `json:"aborted,omitempty"`
	Open          bool   `json:"open,omitempty"`
	Transactional bool   `json:"transactional,omitempty"`

	Properties *fileProperties `json:"properties,omitempty"`
	Headers    any             `json:"headers,omitempty"`
	Key        *fileBytes      `json:"key,omitempty"`
	Body       fileBytes       `json:"body"`
	Decoded    *Decoded        `json:"decoded,omitempty"`  // only where it is printed
	Redacted   []string        `json:"redacted,omitempty"` // what a Redaction took out
}

// Decoded is what the bytes of a body mean, for whoever reads a line; a reader of messages passes over it.
type Decoded struct {
	As    string          `json:"as"`    // "gzip → protobuf shop.Order"
	Value json.RawMessage `json:"value"` // one JSON value
}

// fileProperties are AMQP's properties but the headers; what is absent was not there.
type fileProperties struct {
	ContentType     *fileBytes `json:"contentType,omitempty"`
	ContentEncoding *fileBytes `json:"contentEncoding,omitempty"`
	DeliveryMode    *uint8     `json:"deliveryMode,omitempty"`
	Priority        *uint8     `json:"priority,omitempty"`
	CorrelationID   *fileBytes `json:"correlationId,omitempty"`
	ReplyTo         *fileBytes `json:"replyTo,omitempty"`
	Expiration      *fileBytes `json:"expiration,omitempty"`
	MessageID       *fileBytes `json:"messageId,omitempty"`
	Timestamp       *uint64    `json:"timestamp,omitempty"`
	Type            *fileBytes `json:"type,omitempty"`
	UserID          *fileBytes `json:"userId,omitempty"`
	AppID           *fileBytes `json:"appId,omitempty"`
	ClusterID       *fileBytes `json:"clusterId,omitempty"`
}

// clocks name the kinds of times in a file.
var clocks = map[TimeKind]string{TimeCreated: "created", TimeAppended: "appended", TimeSeen: "seen"}

// MessageWriter writes messages as JSON lines. Flush it. It is for one goroutine.
type MessageWriter struct {
	out    *bufio.Writer
	redact *Redaction
}

// NewMessageWriter writes to w; a Redaction, where there is one, takes out secrets on the way.
func NewMessageWriter(w io.Writer, redact *Redaction) *MessageWriter {
	return &MessageWriter{out: bufio.NewWriterSize(w, 64<<10), redact: redact}
}

// Write writes one message on one line.
func (w *MessageWriter) Write(m *Message) error {
	var redacted []string
	if w.redact != nil {
		m, redacted = w.redact.apply(m)
	}
	line, err := encodeLine(m, redacted)
	if err != nil {
		return err
	}
	_, err = w.out.Write(line)
	return err
}

// Flush hands on what is buffered.
func (w *MessageWriter) Flush() error { return w.out.Flush() }

// MarshalMessage is a message as one line of a message file, with its line end.
func MarshalMessage(m *Message) ([]byte, error) { return encode(newLine(m)) }

// MarshalDecoded is MarshalMessage with what the body means beside it; nil says nothing of that.
func MarshalDecoded(m *Message, d *Decoded) ([]byte, error) {
	line := newLine(m)
	line.Decoded = d
	return encode(line)
}

func encodeLine(m *Message, redacted []string) ([]byte, error) {
	line := newLine(m)
	line.Redacted = redacted
	return encode(line)
}

func encode(line *fileLine) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return out.Bytes(), nil
}

func newLine(m *Message) *fileLine {
	l := &fileLine{
		Kind: m.Kind, Clock: clocks[m.TimeKind], Queue: nonEmpty(m.Queue), Topic: m.Topic, From: m.From, User: m.User,
		Redelivered: m.Redelivered, Aborted: m.Aborted, Open: m.Open, Transactional: m.Transactional, Body: m.Body,
		Offset: unlessNegative(m.Offset), Deliveries: unlessNegative(m.Deliveries), Budget: unlessNegative(m.Budget),
	}
	if !m.Time.IsZero() {
		utc := m.Time.UTC()
		l.Time = &utc
	}
	if m.Event == EventDelivered {
		l.Event = "delivered"
	}
	if m.Key != nil {
		key := fileBytes(m.Key)
		l.Key = &key
	}
	if m.Routed != nil {
		routed := make([]fileBytes, len(m.Routed))
		for i, queue := range m.Routed {
			routed[i] = fileBytes([]byte(queue))
		}
		l.Routed = &routed
	}
	if m.Kind == Kafka {
		l.Partition = &m.Partition
		if len(m.Headers) > 0 {
			l.Headers = fields(m.Headers, "bytes")
		}
		return l
	}
	l.Exchange, l.RoutingKey = textOf(m.Exchange), textOf(m.RoutingKey)
	l.Properties = newFileProperties(&m.Properties)
	if m.Properties.Has&wire.HasHeaders != 0 {
		l.Headers = fields(m.Headers, "string")
	}
	return l
}

func textOf(s string) *fileBytes {
	b := fileBytes([]byte(s))
	return &b
}

func nonEmpty(s string) fileBytes {
	if s == "" {
		return nil
	}
	return fileBytes(s)
}

func unlessNegative(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// texts pairs the properties that are text with their places in a file.
func (f *fileProperties) texts(p *Properties) []struct {
	bit  wire.Flags
	text *string
	in   **fileBytes
} {
	return []struct {
		bit  wire.Flags
		text *string
		in   **fileBytes
	}{
		{wire.HasContentType, &p.ContentType, &f.ContentType}, {wire.HasContentEncoding, &p.ContentEncoding, &f.ContentEncoding},
		{wire.HasCorrelationID, &p.CorrelationID, &f.CorrelationID}, {wire.HasReplyTo, &p.ReplyTo, &f.ReplyTo},
		{wire.HasExpiration, &p.Expiration, &f.Expiration}, {wire.HasMessageID, &p.MessageID, &f.MessageID},
		{wire.HasType, &p.Type, &f.Type}, {wire.HasUserID, &p.UserID, &f.UserID}, {wire.HasAppID, &p.AppID, &f.AppID},
		{wire.HasClusterID, &p.ClusterID, &f.ClusterID},
	}
}

func newFileProperties(p *Properties) *fileProperties {
	if p.Has&^wire.HasHeaders == 0 {
		return nil
	}
	f := new(fileProperties)
	for _, t := range f.texts(p) {
		if p.Has&t.bit != 0 {
			*t.in = textOf(*t.text)
		}
	}
	if p.Has&wire.HasDeliveryMode != 0 {
		f.DeliveryMode = &p.DeliveryMode
	}
	if p.Has&wire.HasPriority != 0 {
		f.Priority = &p.Priority
	}
	if p.Has&wire.HasTimestamp != 0 {
		f.Timestamp = &p.Timestamp
	}
	return f
}

func (f *fileProperties) properties() (p Properties) {
	if f == nil {
		return p
	}
	for _, t := range f.texts(&p) {
		if *t.in != nil {
			p.Has |= t.bit
			*t.text = string(**t.in)
		}
	}
	if f.DeliveryMode != nil {
		p.Has |= wire.HasDeliveryMode
		p.DeliveryMode = *f.DeliveryMode
	}
	if f.Priority != nil {
		p.Has |= wire.HasPriority
		p.Priority = *f.Priority
	}
	if f.Timestamp != nil {
		p.Has |= wire.HasTimestamp
		p.Timestamp = *f.Timestamp
	}
	return p
}

// MessageReader reads messages from JSON lines. It is for one goroutine.
type MessageReader struct {
	in       *bufio.Reader
	name     string
	line     int
	redacted int
}

// NewMessageReader reads from r, which errors call name.
func NewMessageReader(r io.Reader, name string) *MessageReader {
	return &MessageReader{in: bufio.NewReaderSize(r, 64<<10), name: name}
}

// Redacted is how many of the messages read so far lack what a Redaction took out: they are not what once passed.
func (r *MessageReader) Redacted() int { return r.redacted }

// Read returns the next message, or io.EOF. Empty lines are passed over. An error names file and line.
func (r *MessageReader) Read() (Message, error) {
	for {
		text, err := r.in.ReadBytes('\n')
		if len(text) == 0 && err != nil {
			return Message{}, err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return Message{}, err
		}
		r.line++
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		m, redacted, err := decodeLine(text)
		if err != nil {
			return Message{}, fmt.Errorf("%s:%d: %w\nThe format is described in docs/messages.md.", r.name, r.line, err)
		}
		if redacted {
			r.redacted++
		}
		return m, nil
	}
}

// UnmarshalMessage reads one line of a message file.
func UnmarshalMessage(line []byte) (Message, error) {
	m, _, err := decodeLine(line)
	return m, err
}

func decodeLine(text []byte) (Message, bool, error) {
	in := struct {
		fileLine
		Headers *[]readField    `json:"headers"`
		Body    json.RawMessage `json:"body"`
		JSON    json.RawMessage `json:"json"` // for lines written by hand: the body is this text
	}{}
	if err := strict(text, &in); err != nil {
		return Message{}, false, fmt.Errorf("this is no message: %w", err)
	}
	l := &in.fileLine
	if l.Kind != RabbitMQ && l.Kind != Kafka {
		return Message{}, false, fmt.Errorf("the kind is %q; it must be rabbitmq or kafka", l.Kind)
	}
	m := l.message()
	if err := lineBody(&m, in.Body, in.JSON); err != nil {
		return Message{}, false, err
	}
	if in.Headers != nil {
		plain := "string"
		if m.Kind == Kafka {
			plain = "bytes"
		} else {
			m.Properties.Has |= wire.HasHeaders
		}
		var err error
		if m.Headers, err = readHeaders(*in.Headers, plain, 0); err != nil {
			return Message{}, false, err
		}
	}
	return m, len(l.Redacted) > 0, nil
}

func lineBody(m *Message, body, text json.RawMessage) error {
	switch {
	case text != nil && body != nil:
		return errors.New("there is a body and a json; give one of them")
	case text != nil:
		m.Body = text
	case body == nil:
		m.Body = []byte{}
	default:
		var b fileBytes
		if err := json.Unmarshal(body, &b); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		m.Body = b
	}
	return nil
}

func (l *fileLine) message() Message {
	m := Message{
		Kind: l.Kind, Queue: string(l.Queue), Topic: l.Topic, From: l.From, User: l.User, Redelivered: l.Redelivered,
		Aborted: l.Aborted, Open: l.Open, Transactional: l.Transactional, Offset: orMinusOne(l.Offset),
		Deliveries: orMinusOne(l.Deliveries), Budget: orMinusOne(l.Budget), Properties: l.Properties.properties(),
	}
	if l.Time != nil {
		m.Time = *l.Time
		m.TimeKind = TimeCreated
	}
	for kind, name := range clocks {
		if l.Clock == name {
			m.TimeKind = kind
		}
	}
	if l.Event == "delivered" {
		m.Event = EventDelivered
	}
	if l.Exchange != nil {
		m.Exchange = string(*l.Exchange)
	}
	if l.RoutingKey != nil {
		m.RoutingKey = string(*l.RoutingKey)
	}
	if l.Key != nil {
		m.Key = *l.Key
	}
	if l.Partition != nil {
		m.Partition = *l.Partition
	}
	if l.Routed != nil {
		m.Routed = make([]string, len(*l.Routed))
		for i, queue := range *l.Routed {
			m.Routed[i] = string(queue)
		}
	}
	return m
}

func orMinusOne(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}
