package brokers

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"msdev/brokers/wire"
)

// bodyMark stands between the parts of a message and its body in an edit form.
const bodyMark = "---"

// EditText is a message on its way as a text for an editor: its target, properties and headers, one a line, then the body.
// A text that comes back unchanged gives the same message, byte for byte. What is no plain text is written as message files
// write it: "a\nb", {"base64":"…"}.
//
//	exchange: orders
//	routing-key: order.placed
//	content-type: application/json
//	header tenant: acme
//	header attempt (int32): 3
//	body: text
//	---
//	{"id":7}
func EditText(o *Outgoing) (string, error) {
	var b strings.Builder
	m := o.Message
	if m.Kind == Kafka {
		line(&b, "topic", o.To.Topic)
		if o.To.Partition != nil {
			fmt.Fprintf(&b, "partition: %d\n", *o.To.Partition)
		}
		if m.Key != nil {
			line(&b, "key", string(m.Key))
		}
	} else {
		line(&b, "exchange", o.To.Exchange)
		line(&b, "routing-key", o.To.RoutingKey)
		editProperties(&b, &m.Properties)
	}
	for _, h := range m.Headers {
		if err := editHeader(&b, h, m.Kind); err != nil {
			return "", err
		}
	}
	if m.Kind == RabbitMQ && m.Properties.Has&wire.HasHeaders != 0 && len(m.Headers) == 0 {
		b.WriteString("headers: none\n")
	}
	switch {
	case m.Body == nil:
		b.WriteString("body: null\n")
	case isText(m.Body):
		b.WriteString("body: text\n" + bodyMark + "\n")
		b.Write(m.Body)
		b.WriteByte('\n') // editors end the last line; it is no part of the body
	default:
		b.WriteString("body: base64\n" + bodyMark + "\n" + wrapped(base64.StdEncoding.EncodeToString(m.Body)))
	}
	return b.String(), nil
}

// isText tells bodies that an editor gives back as they are.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\ufeff' {
			return false
		}
	}
	return true
}

func wrapped(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s + "\n"
}

// line writes one part whose value is text.
func line(b *strings.Builder, name, value string) {
	b.WriteString(name + ": " + editValue([]byte(value)) + "\n")
}

// editValue is text as it is where that reads back as the same, and else as in message files.
func editValue(v []byte) string {
	s := string(v)
	plain := v != nil && isText(v) && strings.TrimSpace(s) == s && s != "null" && !strings.ContainsAny(s, "\n\t") &&
		(s == "" || s[0] != '"' && s[0] != '{')
	if plain {
		return s
	}
	out, err := fileBytes(v).MarshalJSON()
	if err != nil {
		return ""
	}
	return string(out)
}

func parseValue(s string) ([]byte, error) {
	if s != "null" && (s == "" || s[0] != '"' && s[0] != '{') {
		return []byte(s), nil
	}
	var b fileBytes
	if err := strict([]byte(s), &b); err != nil {
		return nil, err
	}
	return b, nil
}

// textProperties are the properties that are text, by the names that they have in an edit form. Those that are carried become
// headers in Kafka and properties again in RabbitMQ, by the names that most clients use; the others mean nothing outside RabbitMQ.
var textProperties = []struct {
	name    string
	bit     wire.Flags
	carried bool
	text    func(*Properties) *string
}{
	{"content-type", wire.HasContentType, true, func(p *Properties) *string { return &p.ContentType }},
	{"content-encoding", wire.HasContentEncoding, true, func(p *Properties) *string { return &p.ContentEncoding }},
	{"correlation-id", wire.HasCorrelationID, true, func(p *Properties) *string { return &p.CorrelationID }},
	{"reply-to", wire.HasReplyTo, false, func(p *Properties) *string { return &p.ReplyTo }},
	{"expiration", wire.HasExpiration, false, func(p *Properties) *string { return &p.Expiration }},
	{"message-id", wire.HasMessageID, true, func(p *Properties) *string { return &p.MessageID }},
	{"type", wire.HasType, true, func(p *Properties) *string { return &p.Type }},
	{"user-id", wire.HasUserID, false, func(p *Properties) *string { return &p.UserID }},
	{"app-id", wire.HasAppID, true, func(p *Properties) *string { return &p.AppID }},
	{"cluster-id", wire.HasClusterID, false, func(p *Properties) *string { return &p.ClusterID }},
}

func editProperties(b *strings.Builder, p *Properties) {
	for _, e := range textProperties {
		if p.Has&e.bit != 0 {
			line(b, e.name, *e.text(p))
		}
	}
	if p.Has&wire.HasDeliveryMode != 0 {
		fmt.Fprintf(b, "delivery-mode: %d\n", p.DeliveryMode)
	}
	if p.Has&wire.HasPriority != 0 {
		fmt.Fprintf(b, "priority: %d\n", p.Priority)
	}
	if p.Has&wire.HasTimestamp != 0 {
		fmt.Fprintf(b, "timestamp: %d\n", p.Timestamp)
	}
}

func plainType(k Kind) string {
	if k == Kafka {
		return "bytes"
	}
	return "string"
}

// editHeader writes "header NAME (TYPE): VALUE"; texts (Kafka: bytes) go without a type.
func editHeader(b *strings.Builder, h Header, k Kind) error {
	name := h.Key
	if editValue([]byte(name)) != name || strings.ContainsAny(name, ":()") || name == "" {
		name = string(jsonName(name))
	}
	f := fieldOf(h.Value, plainType(k))
	var value string
	switch v := f.Value.(type) {
	case fileBytes:
		value = editValue(v)
	case nil:
		value = "null"
		if f.Bits != "" {
			value = `{"bits":"` + f.Bits + `"}`
		}
	default:
		in := v
		if f.Scale != nil {
			in = map[string]any{"scale": *f.Scale, "value": v}
		}
		out, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("header %q: %w", h.Key, err)
		}
		value = string(out)
	}
	if _, isBool := f.Value.(bool); isBool {
		f.Type = "bool"
	}
	if f.Type != "" {
		name += " (" + f.Type + ")"
	}
	b.WriteString("header " + name + ": " + value + "\n")
	return nil
}

// jsonName is a header's name as message files write it.
func jsonName(name string) []byte {
	out, err := fileBytes([]byte(name)).MarshalJSON()
	if err != nil {
		return []byte(`""`)
	}
	return out
}

// ParseEdit reads what EditText wrote and a person changed. What the text does not say, as where the message was found, is
// taken from the original. An error names the line.
func ParseEdit(text string, original *Outgoing) (Outgoing, error) {
	m := original.Message.Clone()
	e := edit{out: Outgoing{To: original.To, Message: &m}}
	e.out.To.Exchange, e.out.To.RoutingKey, e.out.To.Topic, e.out.To.Partition = "", "", "", nil
	m.Key, m.Headers, m.Properties, m.Body = nil, nil, Properties{}, nil
	rest := text
	for n := 1; ; n++ {
		var one string
		var more bool
		one, rest, more = strings.Cut(rest, "\n")
		one = strings.TrimSuffix(one, "\r")
		if one == bodyMark {
			return e.out, e.readBody(rest, n+1)
		}
		if strings.TrimSpace(one) != "" && !strings.HasPrefix(one, "#") {
			if err := e.part(one); err != nil {
				return Outgoing{}, fmt.Errorf("line %d: %w", n, err)
			}
		}
		if !more {
			break
		}
	}
	if e.body != "null" {
		return Outgoing{}, errors.New("the body is missing\nPut it under a line of " + bodyMark + ", or write body: null.")
	}
	return e.out, nil
}

// edit is an edit form that is being read.
type edit struct {
	out  Outgoing
	body string // what "body:" says
}

func (e *edit) part(line string) error {
	if rest, ok := strings.CutPrefix(line, "header "); ok {
		return e.header(rest)
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%q has no colon\nWrite NAME: VALUE.", line)
	}
	return e.set(strings.TrimSpace(name), strings.TrimSpace(value))
}

func (e *edit) set(name, value string) error {
	m, to := e.out.Message, &e.out.To
	b, err := parseValue(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	kafka := m.Kind == Kafka
	switch {
	case name == "body":
		e.body = value
		return nil
	case kafka && name == "topic":
		to.Topic = string(b)
	case kafka && name == "key":
		m.Key = b
	case kafka && name == "partition":
		n, err := strconv.ParseInt(value, 10, 32)
		p := int32(n)
		to.Partition = &p
		return err
	case !kafka && name == "exchange":
		to.Exchange = string(b)
	case !kafka && name == "routing-key":
		to.RoutingKey = string(b)
	case !kafka && name == "headers":
		m.Properties.Has |= wire.HasHeaders
	case !kafka:
		return e.property(name, value, string(b))
	default:
		return fmt.Errorf("a Kafka record has no %q\nThere are topic, partition, key, header NAME and body.", name)
	}
	return nil
}

func (e *edit) property(name, value, text string) error {
	p := &e.out.Message.Properties
	for _, known := range textProperties {
		if known.name == name {
			p.Has |= known.bit
			*known.text(p) = text
			return nil
		}
	}
	bits := 8
	if name == "timestamp" {
		bits = 64
	}
	n, err := strconv.ParseUint(value, 10, bits)
	switch name {
	case "delivery-mode":
		p.Has, p.DeliveryMode = p.Has|wire.HasDeliveryMode, uint8(n)
	case "priority":
		p.Has, p.Priority = p.Has|wire.HasPriority, uint8(n)
	case "timestamp":
		p.Has, p.Timestamp = p.Has|wire.HasTimestamp, n
	default:
		return fmt.Errorf("there is no property %q\nWrite header %s: %s for a header.", name, name, value)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is no number from 0 to %d", name, value, uint64(1)<<bits-1)
	}
	return nil
}

// header reads NAME (TYPE): VALUE, where NAME may be in the form of message files.
func (e *edit) header(s string) error {
	m := e.out.Message
	var name fileBytes
	if s != "" && (s[0] == '"' || s[0] == '{') {
		d := json.NewDecoder(strings.NewReader(s))
		if err := d.Decode(&name); err != nil {
			return fmt.Errorf("header: %w", err)
		}
		s = s[d.InputOffset():]
	} else {
		end := strings.IndexAny(s, ":(")
		if end < 0 {
			return errors.New("a header has no colon\nWrite header NAME: VALUE or header NAME (TYPE): VALUE.")
		}
		name, s = fileBytes(strings.TrimSpace(s[:end])), s[end:]
	}
	kind, value, ok := strings.Cut(s, ":")
	kind, value = strings.TrimSpace(kind), strings.TrimSpace(value)
	if !ok || kind != "" && (kind[0] != '(' || kind[len(kind)-1] != ')') {
		return fmt.Errorf("header %s is not understood\nWrite header NAME: VALUE or header NAME (TYPE): VALUE.", name)
	}
	v, err := headerOf(strings.Trim(kind, "()"), value, plainType(m.Kind))
	if err != nil {
		return fmt.Errorf("header %s: %w", name, err)
	}
	m.Headers = append(m.Headers, Header{Key: string(name), Value: v})
	if m.Kind == RabbitMQ {
		m.Properties.Has |= wire.HasHeaders
	}
	return nil
}

func headerOf(kind, value, plain string) (any, error) {
	f := readField{Type: kind, Value: json.RawMessage(value)}
	switch kind {
	case "bool":
		return strconv.ParseBool(value)
	case "", "string", "bytes":
		b, err := parseValue(value)
		switch {
		case err != nil:
			return nil, err
		case b == nil && kind == "" && plain == "string":
			return nil, nil
		case kind == "string" || kind == "" && plain == "string":
			return string(b), nil
		}
		return b, nil
	case "float32", "float64":
		if strings.HasPrefix(value, "{") {
			f.Value = nil
			if err := strict([]byte(value), &f); err != nil {
				return nil, err
			}
		}
	case "decimal":
		f.Value = nil
		if err := strict([]byte(value), &f); err != nil {
			return nil, errors.New(`a decimal is written like {"scale":2,"value":314}`)
		}
	}
	return f.read(plain, 0)
}

func (e *edit) readBody(s string, line int) error {
	m := e.out.Message
	switch e.body {
	case "text", "":
		m.Body = []byte(strings.TrimSuffix(s, "\n"))
	case "base64":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
		if err != nil {
			return fmt.Errorf("line %d: the body is not base64: %w\nWrite body: text above it to give it as text.", line, err)
		}
		m.Body = b
	case "null":
		if strings.TrimSpace(s) != "" {
			return fmt.Errorf("line %d: there is a body, and above it body: null\nWrite body: text.", line)
		}
	default:
		return fmt.Errorf("body: %q is not understood\nWrite text, base64 or null.", e.body)
	}
	return nil
}
