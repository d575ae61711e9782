package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msdev/brokers"
	amqp "msdev/brokers/wire"
	"msdev/runner"
)

// publishOptions are the flags of `publish`.
type publishOptions struct {
	brokerFlags
	consent
	headers    []string
	properties []string
	key        string
	keyed      bool
	null       bool
	routingKey string
	routed     bool
	file       string
	jsonl      bool
	format     format
}

func newPublish(a *app) *cobra.Command {
	var o publishOptions
	c := &cobra.Command{
		Use:   "publish TARGET [BODY]",
		Short: "Send messages, and tell what became of each",
		Long: `Send a message, and tell what became of it: confirmed, with partition and offset, or unroutable. The body is the argument,
a --body-file, or standard input. With --jsonl the input is message files' lines, each with its own headers, properties and key.

` + addressHelp,
		Example: `  msdev publish exchange:orders/orders.placed '{"id":"evt_1"}' -H type=orders.placed --property content-type=application/json
  msdev publish order-events --key 7f3a --body-file order.json`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completes(1, brokers.SourceQueue, brokers.SourceTopic, brokers.SourceExchange),
		RunE: func(c *cobra.Command, args []string) error {
			o.keyed, o.routed = c.Flags().Changed("key"), c.Flags().Changed("routing-key")
			return a.withBrokers(o.brokerFlags, func(ctx context.Context, c *counter) error { return c.publish(ctx, o, args) })
		},
	}
	flags := c.Flags()
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "a header: `name=value`; may be given again, also with the same name")
	flags.StringArrayVar(&o.properties, "property", nil, "RabbitMQ: a property: `name=value` (content-type, content-encoding, correlation-id, reply-to, expiration, message-id, type, user-id, app-id, priority, delivery-mode, timestamp)")
	flags.StringVar(&o.key, "key", "", "Kafka: the record's `key`")
	flags.BoolVar(&o.null, "null", false, "Kafka: no value: a tombstone, which deletes the key from a compacted topic")
	flags.StringVar(&o.routingKey, "routing-key", "", "RabbitMQ: the routing `key`")
	flags.StringVar(&o.file, "body-file", "", "read the body from a `file`; - is standard input")
	flags.BoolVar(&o.jsonl, "jsonl", false, "the input is lines of a message file, as tap and peek --format jsonl write them")
	o.format.register(flags)
	o.consent.register(flags, false)
	o.brokerFlags.register(flags)
	return c
}

func (c *counter) publish(ctx context.Context, o publishOptions, args []string) error {
	p, err := c.resolve(args[0], brokers.SourceQueue, brokers.SourceExchange, brokers.SourceTopic)
	if err != nil {
		return err
	}
	if p.from != nil {
		return usageError(args[0]+": a message cannot be put at an offset", "Leave out what begins with @.")
	}
	if o.routed {
		if p.source.Kind != brokers.SourceExchange {
			return usageError("--routing-key is for exchanges", fmt.Sprintf("%s is a %s.", args[0], p.source))
		}
		p.key = &o.routingKey
	}
	if err := c.permit(ctx, o.consent, p.at.info, "publish to "+p.source.String(), ""); err != nil {
		return err
	}
	from, done, err := c.outgoing(o, p, args[1:])
	if err != nil {
		return err
	}
	defer done()
	return c.send(ctx, &brokers.Replay{From: from, To: p.at.Broker, Target: mapping(p), Policy: brokers.HeaderPolicy{KeepBroker: true}, AllowRemote: o.allowRemote},
		p.at, o.format, "published")
}

// mapping sends everything to one place. An exchange without a routing key gets each message's own.
func mapping(p place) brokers.Mapping {
	t := p.target()
	m := brokers.Mapping{Kind: brokers.ToOther, Exchange: t.Exchange, RoutingKey: p.key, Topic: t.Topic, Partition: t.Partition}
	if p.source.Kind == brokers.SourceQueue {
		return brokers.Mapping{Kind: brokers.ToHome, Queue: p.source.Name}
	}
	return m
}

// outgoing are the messages that the arguments and the input make.
func (c *counter) outgoing(o publishOptions, p place, body []string) (from brokers.Messages, done func(), err error) {
	done = func() {}
	var in io.Reader = c.in
	name := "standard input"
	switch {
	case len(body) > 0 && (o.file != "" || o.jsonl || o.null), o.null && (o.file != "" || o.jsonl):
		return nil, done, usageError("there is more than one body", "Give it as an argument, by --body-file, by --null, or on standard input.")
	case o.file != "" && o.file != "-":
		f, err := os.Open(o.file)
		if err != nil {
			return nil, done, usageError(err.Error(), "Name a file that can be read.")
		}
		in, name, done = f, o.file, func() { _ = f.Close() }
	case len(body) == 0 && !o.null && isTerminal(c.in) && o.file == "":
		printf(c.err, "The body, until Ctrl-D:\n")
	}
	if o.jsonl {
		if len(o.headers)+len(o.properties) > 0 || o.keyed {
			return nil, done, usageError("--jsonl lines have their own headers, properties and keys", "Leave out --header, --property and --key, or change the lines.")
		}
		return brokers.FromFile(brokers.NewMessageReader(in, name)), done, nil
	}
	m := brokers.Message{Kind: p.at.info.Kind, Offset: -1, Deliveries: -1, Budget: -1}
	switch {
	case o.null:
	case len(body) > 0:
		m.Body = []byte(body[0])
	default:
		if m.Body, err = io.ReadAll(in); err != nil {
			return nil, done, err
		}
	}
	if err := o.dress(&m); err != nil {
		return nil, done, err
	}
	return brokers.FromSlice([]brokers.Message{m}), done, nil
}

// dress gives a message its key, headers and properties.
func (o *publishOptions) dress(m *brokers.Message) error {
	if m.Kind == brokers.RabbitMQ && (o.keyed || o.null) {
		return usageError("--key and --null are for Kafka", "RabbitMQ has --routing-key.")
	}
	if m.Kind == brokers.Kafka && len(o.properties) > 0 {
		return usageError("--property is for RabbitMQ: a record of Kafka has headers alone", "Write -H name=value.")
	}
	if o.keyed {
		m.Key = []byte(o.key)
	}
	for _, text := range o.headers {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return usageError(fmt.Sprintf("--header %q has no value", text), "Write -H name=value.")
		}
		h := brokers.Header{Key: name, Value: value}
		if m.Kind == brokers.Kafka {
			h.Value = []byte(value)
		}
		m.Headers = append(m.Headers, h)
	}
	if m.Kind == brokers.Kafka {
		return nil
	}
	if len(m.Headers) > 0 {
		m.Properties.Has |= amqp.HasHeaders
	}
	m.Properties.Has |= amqp.HasDeliveryMode // a message that somebody sends by hand is to outlive a restart
	m.Properties.DeliveryMode = 2
	for _, text := range o.properties {
		name, value, _ := strings.Cut(text, "=")
		if err := setProperty(&m.Properties, name, value); err != nil {
			return err
		}
	}
	return nil
}

// setProperty sets a property by the name that message files and RabbitMQ's own tools give it.
func setProperty(p *brokers.Properties, name, value string) error {
	texts := map[string]struct {
		bit amqp.Flags
		to  *string
	}{
		"content-type": {amqp.HasContentType, &p.ContentType}, "content-encoding": {amqp.HasContentEncoding, &p.ContentEncoding},
		"correlation-id": {amqp.HasCorrelationID, &p.CorrelationID}, "reply-to": {amqp.HasReplyTo, &p.ReplyTo},
		"expiration": {amqp.HasExpiration, &p.Expiration}, "message-id": {amqp.HasMessageID, &p.MessageID}, "type": {amqp.HasType, &p.Type},
		"user-id": {amqp.HasUserID, &p.UserID}, "app-id": {amqp.HasAppID, &p.AppID}, "cluster-id": {amqp.HasClusterID, &p.ClusterID},
	}
	dashed := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if t, ok := texts[dashed]; ok {
		if len(value) > 255 {
			return usageError(fmt.Sprintf("the property %s is longer than 255 bytes", name), "Put it into a header.")
		}
		p.Has |= t.bit
		*t.to = value
		return nil
	}
	n, err := strconv.ParseUint(value, 10, 64)
	switch {
	case dashed == "timestamp" && err != nil:
		at, err := moment(value, time.Now())
		if err != nil {
			return err
		}
		p.Has, p.Timestamp = p.Has|amqp.HasTimestamp, uint64(max(at.Unix(), 0))
	case dashed == "timestamp":
		p.Has, p.Timestamp = p.Has|amqp.HasTimestamp, n
	case dashed == "priority" && err == nil && n <= 255:
		p.Has, p.Priority = p.Has|amqp.HasPriority, uint8(n)
	case dashed == "delivery-mode" && (n == 1 || n == 2):
		p.Has, p.DeliveryMode = p.Has|amqp.HasDeliveryMode, uint8(n)
	case dashed == "priority", dashed == "delivery-mode":
		return usageError(fmt.Sprintf("--property %s cannot be %q", name, value), "A priority is 0 to 255, a delivery-mode 1 (transient) or 2 (persistent).")
	default:
		return noSuch("property", name, append([]string{"timestamp", "priority", "delivery-mode"}, propertyNames...))
	}
	return nil
}

var propertyNames = []string{"content-type", "content-encoding", "correlation-id", "reply-to", "expiration", "message-id", "type", "user-id", "app-id", "cluster-id"}

// resultRow is what became of one message, as `--format json` prints it.
type resultRow struct {
	N         int64          `json:"n"`
	Status    brokers.Status `json:"status"`
	Target    brokers.Target `json:"target"`
	Partition *int32         `json:"partition,omitempty"`
	Offset    *int64         `json:"offset,omitempty"`
	Error     string         `json:"error,omitempty"`
	Again     int            `json:"again,omitempty"` // sent so often before without an answer: it may be there twice
}

// results prints what becomes of messages, one a line.
type results struct {
	*app
	at     *knownBroker
	format format
	rows   []resultRow
	paint  painter
}

func (r *results) take(o brokers.Outcome) {
	row := resultRow{N: o.N, Status: o.Result.Status, Target: o.Sent.To, Again: o.Again}
	if o.Result.Err != nil {
		row.Error = o.Result.Err.Error()
	}
	confirmed := o.Result.Status == brokers.StatusConfirmed
	if confirmed && row.Target.Topic != "" && o.Result.Offset >= 0 {
		row.Partition, row.Offset = &o.Result.Partition, &o.Result.Offset
	}
	switch r.format {
	case formatJSON:
		r.rows = append(r.rows, row)
		return
	case formatJSONL:
		_ = list(r.out, formatJSONL, []resultRow{row}, nil, nil) // a row always marshals
		return
	}
	to := targetText(row.Target)
	if row.Offset != nil {
		to = fmt.Sprintf("%s/%d@%d", row.Target.Topic, *row.Partition, *row.Offset)
	}
	text := string(row.Status)
	if !confirmed {
		text = r.paint.red(text)
	}
	line := fmt.Sprintf("%6d  %s  %s", row.N, text, to)
	if row.Error != "" && !confirmed {
		line += "  " + oneLine(strings.ReplaceAll(row.Error, "\n", " "))
	}
	if row.Again > 0 {
		line += "  " + r.paint.yellow("may be there twice")
	}
	printf(r.out, "%s\n", line)
}

func (r *results) close() error {
	if r.format != formatJSON {
		return nil
	}
	return list(r.out, formatJSON, r.rows, nil, nil)
}

// targetText is a target as an address.
func targetText(t brokers.Target) string {
	switch {
	case t.Topic != "" && t.Partition != nil:
		return fmt.Sprintf("%s/%d", t.Topic, *t.Partition)
	case t.Topic != "":
		return t.Topic
	case t.Exchange == "":
		return "queue:" + t.RoutingKey
	}
	return "exchange:" + t.Exchange + "/" + t.RoutingKey
}

// send runs a replay, prints its results, and says in the end what came of it. did is what was done to the messages.
func (c *counter) send(ctx context.Context, r *brokers.Replay, at *knownBroker, f format, did string) error {
	out := results{app: c.app, at: at, format: f, paint: newPainter(c.colour(c.out))}
	progress, err := r.Run(ctx, new(brokers.Control), out.take)
	return c.sent(ctx, progress, at, did, errors.Join(err, out.close()))
}

// sent tells what came of a replay, notes it as an event, and fails unless every message is confirmed.
func (c *counter) sent(ctx context.Context, p brokers.Progress, at *knownBroker, did string, err error) error {
	var parts []string
	for _, n := range []struct {
		count int64
		what  string
	}{{p.Confirmed, did}, {p.Unroutable, "unroutable"}, {p.Refused, "refused"}, {p.Unknown, "without an answer"}, {p.Skipped, "done before"}, {p.Unjudged, "that the filter could not judge"}, {p.Again, "perhaps there twice"}} {
		if n.count > 0 {
			parts = append(parts, brokers.Thousands(n.count)+" "+n.what)
		}
	}
	text := cmp.Or(strings.Join(parts, ", "), "nothing "+did)
	if p.Sent > 0 {
		c.note(ctx, at, text)
	}
	if err != nil || p.Sent != 1 {
		printf(c.err, "%s\n", text)
	}
	switch failed := p.Unroutable + p.Refused + p.Unknown; {
	case err != nil:
		return err
	case failed == 1 && p.Confirmed == 0:
		return &runner.Error{Kind: runner.ErrFailed, Msg: "the message was not " + did, Hint: unroutableHint(p)}
	case failed > 0:
		return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("%s of %s not %s", brokers.Thousands(failed), brokers.Number(failed+p.Confirmed, "message"), did), Hint: unroutableHint(p)}
	}
	return nil
}

func unroutableHint(p brokers.Progress) string {
	if p.Unroutable > 0 {
		return "No queue is bound for that key: `msdev exchanges NAME` shows what is."
	}
	return ""
}

// note tells the session what was done to a broker; it is an event there.
func (c *counter) note(ctx context.Context, at *knownBroker, text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.client.Note(ctx, at.info.Name, text) // a session that has ended keeps no events
}
