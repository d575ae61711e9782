// Package decode makes the body of a message readable: it opens compression, finds the format from what the message
// says of itself or else from the bytes, and says why it took that format. It never fails and never panics: what it
// does not understand comes back as a hex dump.
package decode

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"strings"
)

// The formats that a Result may name.
const (
	None     = "none"  // there is no body: a Kafka tombstone, or nothing was kept
	Empty    = "empty" // a body of no bytes
	JSON     = "json"
	Protobuf = "protobuf"
	Avro     = "avro"
	MsgPack  = "msgpack"
	CBOR     = "cbor"
	Text     = "text"
	Hex      = "hex"
)

// DefaultLimit bounds a Result's text, in bytes, where Decoder.Limit is 0.
const DefaultLimit = 1 << 20

// Input is a body and what its message says of it. Every field but Body may be empty.
type Input struct {
	Body            []byte // nil is no body
	ContentType     string // the AMQP property, or a header of that name
	ContentEncoding string
	Type            string   // what names a Protobuf message: the AMQP property, or a header
	Names           []string // topic, queue, exchange, routing key: what Decoder.Types is looked up by
}

// Result is a body as a person reads it.
type Result struct {
	Format  string   // one of the constants of this package
	Schema  string   // the Protobuf message or Avro record, where one is known
	Layers  []string // the compressions that were opened, outermost first
	Reason  string   // why this format: "content-type application/json", "guess: every byte is text" …
	Problem string   // what stood in the way of a better answer: an unknown schema, a torn gzip …
	Text    string   // indented JSON, a field tree, text or a hex dump
	Cut     bool     // Text or the expansion was bounded: there is more
	Size    int      // bytes of the body once its compression is opened
}

// Structured tells whether Text is one whole JSON value, so that a JSON path or a jq expression can look into it.
func (r *Result) Structured() bool {
	switch r.Format {
	case JSON, Avro, MsgPack, CBOR:
		return !r.Cut
	case Protobuf:
		return !r.Cut && r.Schema != ""
	}
	return false
}

// Title is the format in a few words for the head of a pane: "gzip → protobuf shop.Order".
func (r *Result) Title() string {
	title := r.Format
	if r.Schema != "" {
		title += " " + r.Schema
	}
	return strings.Join(append(append([]string{}, r.Layers...), title), " → ")
}

// Decoder holds the schemas of a project. The zero Decoder works, and knows none. It is safe for concurrent use.
type Decoder struct {
	Protos   *Protos           // nil: Protobuf is shown by field numbers
	Registry *Registry         // nil: bodies in Confluent's wire format keep their schema id
	Types    map[string]string // topic, queue, exchange or routing key → full name of its Protobuf message
	Trouble  string            // why some of the schemas are not known: told with bodies that may need them
	Limit    int               // bytes of text at most; 0: DefaultLimit
}

// attempt is one body on its way to a Result.
type attempt struct {
	*Decoder
	Input
	limit    int
	problems []string
}

// Decode never fails: the worst answer is a hex dump whose Problem says why. ctx bounds a question to the registry.
func (d *Decoder) Decode(ctx context.Context, in Input) (r Result) {
	a := &attempt{Decoder: d, Input: in, limit: d.Limit}
	if a.limit <= 0 {
		a.limit = DefaultLimit
	}
	if in.Body == nil {
		return Result{Format: None, Reason: "the message has no body"}
	}
	defer func() { // a body must not bring down a session through a fault in one of the libraries
		if fault := recover(); fault != nil {
			r = a.hex(fmt.Sprintf("a decoder failed on it: %v", fault))
		}
	}()
	layers, cut := a.expand()
	r = a.find(ctx)
	r.Layers, r.Size, r.Cut = layers, len(a.Body), r.Cut || cut
	r.Problem = strings.Join(a.problems, "; ")
	return r
}

func (a *attempt) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// find asks in this order: what the project says of this topic, what the message says of itself, what magic bytes
// say, and then guesses from strict formats to lax ones.
func (a *attempt) find(ctx context.Context) Result {
	if len(a.Body) == 0 {
		return Result{Format: Empty, Reason: "the body has no bytes"}
	}
	for _, try := range []func(context.Context) (Result, bool){a.byName, a.byContentType, a.byMagic} {
		if r, ok := try(ctx); ok {
			return r
		}
	}
	return a.guess()
}

// byName takes the Protobuf message that the project gives for the topic, or that the message names as its type.
func (a *attempt) byName(context.Context) (Result, bool) {
	if a.Protos == nil {
		return Result{}, false
	}
	for _, name := range a.Names {
		if full, ok := a.Types[name]; ok {
			return a.protobuf(full, a.Body, fmt.Sprintf("%s carries %s", name, full))
		}
	}
	if a.Type != "" && a.Protos.has(a.Type) {
		return a.protobuf(a.Type, a.Body, "the message's type is "+a.Type)
	}
	return Result{}, false
}

func (a *attempt) byContentType(context.Context) (Result, bool) {
	media, params, err := mime.ParseMediaType(a.ContentType)
	if a.ContentType == "" || err != nil {
		return Result{}, false
	}
	reason := "content-type " + media
	_, kind, _ := strings.Cut(media, "/")
	kind = strings.TrimPrefix(kind, "x-")
	suffix := kind[strings.LastIndexByte(kind, '+')+1:]
	switch {
	case suffix == "json":
		return a.declared(a.json(reason))
	case strings.Contains(kind, "protobuf") || kind == "proto" || suffix == "proto":
		return a.protobufBy(params, reason)
	case strings.Contains(kind, "msgpack") || strings.Contains(kind, "messagepack"):
		return a.declared(a.msgpack(reason))
	case suffix == "cbor":
		return a.declared(a.cbor(reason))
	case strings.HasPrefix(media, "text/"):
		return a.declared(a.text(reason))
	}
	return Result{}, false
}

// declared notes that a message is not what it says it is.
func (a *attempt) declared(r Result, ok bool) (Result, bool) {
	if !ok {
		a.problem("content-type says %s, and the body is not that", a.ContentType)
	}
	return r, ok
}

// protobufBy handles a body that says it is Protobuf; the parameters of its content type may name the message.
func (a *attempt) protobufBy(params map[string]string, reason string) (Result, bool) {
	for _, param := range []string{"messagetype", "proto", "type"} {
		if name := params[param]; name != "" && a.Protos != nil && a.Protos.has(name) {
			return a.protobuf(name, a.Body, reason)
		}
	}
	if r, ok := a.onlyFit(); ok {
		return r, true
	}
	return a.declared(a.fieldTree(a.Body, reason))
}

func (a *attempt) byMagic(ctx context.Context) (Result, bool) {
	switch {
	case a.Body[0] == 0 && len(a.Body) >= 5:
		return a.confluent(ctx)
	case bytes.HasPrefix(a.Body, []byte("Obj\x01")):
		return a.avroFile()
	case bytes.HasPrefix(a.Body, []byte{0xd9, 0xd9, 0xf7}):
		return a.cbor("starts with CBOR's own tag")
	}
	return Result{}, false
}

func (a *attempt) guess() Result {
	for _, try := range []func() (Result, bool){
		func() (Result, bool) { return a.json("guess: it is valid JSON") },
		func() (Result, bool) { return a.text("guess: every character is text") },
		a.troubled,
		a.onlyFit,
		func() (Result, bool) { return a.ifContainer(a.msgpack) },
		func() (Result, bool) { return a.ifContainer(a.cbor) },
		func() (Result, bool) {
			return a.fieldTree(a.Body, "guess: it parses as Protobuf fields to the last byte")
		},
	} {
		if r, ok := try(); ok {
			return r
		}
	}
	return a.hex("no format fits")
}

// troubled says, of a body that is neither JSON nor text, which schemas are missing.
func (a *attempt) troubled() (Result, bool) {
	if a.Trouble != "" {
		a.problem("%s", a.Trouble)
	}
	return Result{}, false
}

// ifContainer accepts a guess only where the body is a map or a list: nearly any byte is a whole number in these
// formats.
func (a *attempt) ifContainer(try func(reason string) (Result, bool)) (Result, bool) {
	r, ok := try("guess: it parses to the last byte")
	return r, ok && (strings.HasPrefix(r.Text, "{") || strings.HasPrefix(r.Text, "[")) && len(a.Body) > 1
}
