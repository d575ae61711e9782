package cmd

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/brokers/filter"
	"msdev/journal"
)

// viewFlags say which messages are shown, and how.
type viewFlags struct {
	filter   string
	format   format
	long     bool
	save     string
	redact   bool
	protos   []string
	types    []string
	registry string
}

func (o *viewFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.filter, "filter", "", "only messages that pass an `expression`: error, key:7f, header.tenant:acme, '$.total > 40', 'jq: .items | length > 3'; with and, or, not")
	o.format = formatTable
	flags.Var(&o.format, "format", "`table` (a line each), jsonl (lossless: what replay and publish read) or json (an array of that)")
	flags.BoolVarP(&o.long, "long", "l", false, "each with its headers, properties and whole body")
	flags.StringVar(&o.save, "save", "", "save to a `file` as well (.jsonl, .jsonl.zst), or to a folder (name/) by queue and topic")
	flags.BoolVar(&o.redact, "redact", false, "without what is usually secret: passwords, tokens, cookies")
	flags.StringArrayVar(&o.protos, "proto", nil, "`folder` of .proto files, or a descriptor set, for bodies in Protobuf")
	flags.StringArrayVar(&o.types, "proto-type", nil, "which Protobuf message a queue, topic, exchange or routing key carries: `NAME=package.Message`")
	flags.StringVar(&o.registry, "registry", "", "`URL` of a schema registry, for Avro and Confluent's format")
}

// view prints messages.
type view struct {
	*app
	o       viewFlags
	filter  *filter.Filter
	decoder *decode.Decoder
	out     *bufio.Writer
	lines   *brokers.MessageWriter // jsonl
	save    *brokers.MessageSink   // nil: nothing is saved
	paint   painter
	several bool // the broker must be named
	ids     bool // of queues: what names one message to `message move`
	width   int  // of the place column, so far
	screen  int  // columns of the terminal; 0: none
	shown   int64
	failed  int64 // messages that the filter could not judge
}

// schemas are the project's, and those that the flags add.
func (o *viewFlags) schemas(ctx context.Context, of *decode.Schemas) (*decode.Schemas, error) {
	if len(o.protos) > 0 {
		if _, err := decode.LoadProtos(ctx, o.protos...); err != nil {
			return nil, wrongUse(err)
		}
	}
	var registry *decode.Registry
	if o.registry != "" {
		var err error
		if registry, err = decode.NewRegistry(o.registry, nil); err != nil {
			return nil, wrongUse(err)
		}
	}
	types := map[string]string{}
	for _, pair := range o.types {
		name, message, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usageError(fmt.Sprintf("--proto-type %q says of what it is the type of nothing", pair), "Write --proto-type orders=shop.Order.")
		}
		types[name] = message
	}
	return of.With(o.protos, types, registry), nil
}

// view reads bodies by the project's schemas, and by those that the flags name.
func (c *counter) view(ctx context.Context, o viewFlags, several bool) (*view, error) {
	a := c.app
	v := &view{app: a, o: o, out: bufio.NewWriterSize(a.out, 64<<10), paint: newPainter(a.colour(a.out)), several: several}
	schemas, err := c.client.Schemas(ctx)
	if err != nil {
		return nil, err
	}
	if schemas, err = o.schemas(ctx, schemas); err != nil {
		return nil, err
	}
	if v.decoder = schemas.Decoder(ctx); v.decoder.Trouble != "" {
		a.warn(v.decoder.Trouble)
	}
	if v.filter, err = filter.Compile(o.filter, v.decoder.Values); err != nil {
		return nil, wrongUse(err)
	}
	var redact *brokers.Redaction
	if o.redact {
		redact = brokers.Secrets()
		if err := redact.Check(); err != nil {
			return nil, err
		}
	}
	v.lines = brokers.NewMessageWriter(v.out, redact)
	if o.save != "" {
		if v.save, err = brokers.CreateMessages(o.save, redact); err != nil {
			return nil, wrongUse(err)
		}
	}
	if isTerminal(a.out) {
		v.screen, _, _ = term.GetSize(int(a.out.Fd())) // without a size lines are whole
	}
	return v, nil
}

// wrongUse is what a package says of its input, sentence and way out, as an error of use.
func wrongUse(err error) error {
	at := strings.LastIndexByte(err.Error(), '\n')
	if at < 0 {
		return usageError(err.Error(), "")
	}
	return usageError(err.Error()[:at], err.Error()[at+1:])
}

func (v *view) decode(ctx context.Context, m *brokers.Message) decode.Result {
	return v.decoder.Decode(ctx, decode.Of(m))
}

// decoded is what a body means that does not say it itself; nil where it is text, or nobody knows.
func (v *view) decoded(ctx context.Context, m *brokers.Message) *brokers.Decoded {
	if len(m.Body) == 0 || utf8.Valid(m.Body) && bytes.IndexByte(m.Body, 0) < 0 && !v.decoder.Typed(m) {
		return nil
	}
	r := v.decode(ctx, m)
	var value bytes.Buffer
	if !r.Structured() || json.Compact(&value, []byte(r.Text)) != nil {
		return nil
	}
	return &brokers.Decoded{As: r.Title(), Value: value.Bytes()}
}

// passes tells whether a message is to be shown.
func (v *view) passes(m *brokers.Message) bool {
	ok, err := v.filter.Match(m)
	if err != nil {
		v.failed++
	}
	return ok && err == nil
}

// show prints one message, which passes.
func (v *view) show(ctx context.Context, at brokers.Info, m *brokers.Message) error {
	v.shown++
	if v.save != nil {
		if err := v.save.Write(m); err != nil {
			return err
		}
	}
	switch {
	case v.o.format == formatJSON:
		printf(v.out, "%s", map[bool]string{true: "[\n", false: ",\n"}[v.shown == 1])
		line, err := v.line(ctx, m)
		printf(v.out, "%s", line)
		return err
	case v.o.format == formatJSONL:
		line, err := v.line(ctx, m)
		printf(v.out, "%s\n", line)
		return err
	case v.o.long:
		v.block(ctx, at, m)
	default:
		v.row(ctx, at, m)
	}
	return nil
}

// line is a message as message files have it, with what its body means.
func (v *view) line(ctx context.Context, m *brokers.Message) ([]byte, error) {
	if !v.o.redact { // a decoded body could say what is taken out
		line, err := brokers.MarshalDecoded(m, v.decoded(ctx, m))
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
	var text bytes.Buffer
	redact := brokers.Secrets()
	if err := redact.Check(); err != nil {
		return nil, err
	}
	w := brokers.NewMessageWriter(&text, redact)
	err := errors.Join(w.Write(m), w.Flush())
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// flush brings what was printed to the reader.
func (v *view) flush() { _ = v.out.Flush() } // a reader that has gone ends the verb by its signal

// close ends the output.
func (v *view) close() error {
	if v.o.format == formatJSON {
		printf(v.out, "%s", map[bool]string{true: "[]\n", false: "\n]\n"}[v.shown == 0])
	}
	v.flush()
	if v.failed > 0 {
		v.warn(fmt.Sprintf("the filter could not judge %s in its time; they are left out", brokers.Number(v.failed, "message")))
	}
	if v.save == nil {
		return nil
	}
	return v.save.Close()
}

// row prints a message in one line.
func (v *view) row(ctx context.Context, at brokers.Info, m *brokers.Message) {
	place := where(m)
	if v.several {
		place = at.Name + "/" + place
	}
	v.width = min(max(v.width, utf8.RuneCountInString(place)), 44)
	head := clock(m.Time, time.Now()) + "  "
	if v.ids {
		head += v.paint.dim(messageID(m)) + "  "
	}
	head += place + strings.Repeat(" ", max(0, v.width-utf8.RuneCountInString(place))) + "  "
	length := int64(len(m.Body))
	head += fmt.Sprintf("%7s", size(&length)) + "  "
	if what := remarks(m); what != "" {
		head += v.paint.yellow(what) + "  "
	}
	if key := string(m.Key); m.Kind == brokers.Kafka && m.Key != nil {
		head += "[" + oneLine(key) + "] "
	}
	body := v.short(ctx, m)
	if v.screen > 0 {
		room := v.screen - utf8.RuneCountInString(plainText(head))
		body = cut(body, max(room, 20))
	}
	printf(v.out, "%s%s\n", head, body)
}

// plainText is a text without the colours that a painter gave it.
func plainText(s string) string {
	for {
		from := strings.Index(s, "\x1b[")
		if from < 0 {
			return s
		}
		end := strings.IndexByte(s[from:], 'm')
		if end < 0 {
			return s
		}
		s = s[:from] + s[from+end+1:]
	}
}

// cut shortens a text to so many runes, and says so by its end.
func cut(s string, room int) string {
	if utf8.RuneCountInString(s) <= room {
		return s
	}
	return string([]rune(s)[:room-1]) + "…"
}

// short is a body in one line.
func (v *view) short(ctx context.Context, m *brokers.Message) string {
	switch {
	case m.Body == nil:
		return v.paint.dim("(null)")
	case len(m.Body) == 0:
		return v.paint.dim("(empty)")
	}
	if first := m.Body[:min(len(m.Body), 4<<10)]; utf8.Valid(m.Body) && bytes.IndexByte(first, 0) < 0 && !v.decoder.Typed(m) {
		return oneLine(string(m.Body))
	}
	r := v.decode(ctx, m)
	text := r.Text
	var compact bytes.Buffer
	switch {
	case r.Format == decode.Hex:
		return v.paint.dim(fmt.Sprintf("(binary) %x", m.Body[:min(len(m.Body), 32)]))
	case r.Structured() && json.Compact(&compact, []byte(text)) == nil:
		text = compact.String()
	}
	return v.paint.dim("("+r.Title()+")") + " " + oneLine(text)
}

// oneLine makes a text one line that does nothing to a terminal.
func oneLine(s string) string { return journal.Sanitize(strings.Join(strings.Fields(s), " ")) }

// where is the place of a message as an address, and where it went where that is known.
func where(m *brokers.Message) string {
	if m.Kind == brokers.Kafka {
		return m.Topic + "/" + strconv.Itoa(int(m.Partition)) + "@" + strconv.FormatInt(m.Offset, 10)
	}
	place := oneLine(m.Exchange) + "/" + oneLine(m.RoutingKey)
	switch {
	case m.Event == brokers.EventDelivered:
		place += " → " + m.Queue
	case m.Routed != nil && len(m.Routed) == 0:
		place += " → nobody"
	case len(m.Routed) > 0:
		place += " → " + strings.Join(m.Routed, ", ")
	}
	return place
}

// remarks are what stands out in a message.
func remarks(m *brokers.Message) string {
	var found []string
	if o, dead := brokers.OriginOf(m); dead && o.By != "the topic's name" {
		text := "dead"
		if from := cmp.Or(o.Queue, o.Target.Topic); from != "" {
			text += " from " + from
		}
		if o.Reason != "" {
			text += ": " + cut(oneLine(o.Reason), 60)
		}
		found = append(found, text)
	}
	if m.Redelivered {
		found = append(found, "redelivered")
	}
	if m.Budget >= 0 && m.Budget <= 3 {
		found = append(found, fmt.Sprintf("%d deliveries left", m.Budget))
	}
	if m.Aborted {
		found = append(found, "aborted")
	}
	if m.Open {
		found = append(found, "not committed")
	}
	return strings.Join(found, ", ")
}

// messageID names a message of a queue for as long as it is in one: by its content, as many have no id.
func messageID(m *brokers.Message) string {
	c := *m
	c.Redelivered, c.Deliveries, c.Budget, c.Offset, c.From, c.User, c.Routed, c.Queue = false, -1, -1, -1, "", "", nil, ""
	c.Time, c.TimeKind = time.Time{}, brokers.TimeNone
	c.Headers = m.Headers.Without("x-delivery-count").Without("x-acquired-count")
	line, err := brokers.MarshalMessage(&c)
	if err != nil {
		line = m.Body
	}
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:4])
}

// block prints a message with all that it bears.
func (v *view) block(ctx context.Context, at brokers.Info, m *brokers.Message) {
	title := where(m)
	if v.several {
		title = at.Name + "/" + title
	}
	if v.ids {
		title += "  " + messageID(m)
	}
	printf(v.out, "%s  %s", v.paint.green("● "+title), clock(m.Time, time.Now()))
	if what := remarks(m); what != "" {
		printf(v.out, "  %s", v.paint.yellow(what))
	}
	printf(v.out, "\n")
	text, err := brokers.EditText(&brokers.Outgoing{Message: head(m), To: brokers.Target{Exchange: m.Exchange, RoutingKey: m.RoutingKey, Topic: m.Topic, Partition: &m.Partition}})
	if err != nil {
		text = err.Error()
	}
	for line := range strings.Lines(strings.TrimSuffix(text, "body: null\n")) {
		printf(v.out, "  %s\n", journal.Sanitize(strings.TrimSuffix(line, "\n")))
	}
	r := v.decode(ctx, m)
	printf(v.out, "  %s\n", v.paint.dim(fmt.Sprintf("body: %s, %d B (%s)", r.Title(), len(m.Body), r.Reason)))
	if r.Problem != "" {
		printf(v.out, "  %s\n", v.paint.yellow(r.Problem))
	}
	for line := range strings.Lines(r.Text) {
		printf(v.out, "    %s\n", journal.Sanitize(strings.TrimSuffix(line, "\n")))
	}
	if r.Cut {
		printf(v.out, "    %s\n", v.paint.yellow("… there is more: --format jsonl has it all"))
	}
}

// head is a message without its body, for its edit form.
func head(m *brokers.Message) *brokers.Message {
	h := *m
	h.Body = nil
	return &h
}
