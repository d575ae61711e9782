// Package brokers is what msdev knows of message brokers: the seam behind which RabbitMQ and Kafka stand, the messages that
// they carry without loss, and what is done with these (files, replay, redrive).
package brokers

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is which protocol a broker speaks, in the words of x-msdev.broker.
type Kind string

// The kinds of brokers.
const (
	RabbitMQ Kind = "rabbitmq"
	Kafka    Kind = "kafka"
)

// Broker is one broker, or one virtual host of a RabbitMQ. It connects when it is first asked something, and again when the
// connection was lost. Its methods may be called by several goroutines. What more it can do is found by assertion: Purger,
// Taker, Admin, GroupAdmin, and io.Closer for what holds connections between calls.
type Broker interface {
	// Info tells which broker this is. It asks nobody: the version is empty until something was answered.
	Info() Info
	// Topology tells what the broker holds now. What could not be learned is absent, and named in Topology.Unknown.
	Topology(ctx context.Context) (*Topology, error)
	// Tap hands on what passes from now on, until ctx ends, and then returns nil. It takes nothing from any consumer, and
	// refuses with a *DisturbError where it would change what the application sees. A lost connection is taken up again and
	// told as a Gap. emit is never called by two goroutines at once; while it does not return, messages gather within
	// TapOptions.Buffer, and what is more than that is dropped and counted: a slow receiver never slows the broker.
	Tap(ctx context.Context, from Source, o TapOptions, emit func(TapBatch)) error
	// Read hands on what is in a queue or topic now, and returns when it has, or when emit answers false. A queue's messages
	// are put back as they were; what the broker keeps of that is told by Batch.Notes. For RabbitMQ this looks at the head.
	Read(ctx context.Context, from Source, o ReadOptions, emit func(Batch) bool) error
	// Publisher opens a way in. Close it.
	Publisher(ctx context.Context) (Publisher, error)
}

// Info says which broker this is.
type Info struct {
	Name    string `json:"name"`              // the service's, or the one in x-msdev.brokers
	Kind    Kind   `json:"kind"`              //
	Address string `json:"address"`           // host:port, or several of them by comma; no credentials
	Vhost   string `json:"vhost"`             // RabbitMQ's virtual host
	Own     bool   `json:"own"`               // part of the project: what changes it needs no further permission
	Version string `json:"version"`           // as the broker tells it; empty before it answered; Kafka tells only "2.8 or newer"
	Product string `json:"product"`           // RabbitMQ, LavinMQ, msdev …; empty where unknown
	Manage  bool   `json:"manage"`            // RabbitMQ's management API answers
	Service string `json:"service"`           // the service of the graph that it is, where it is one
	Trouble string `json:"trouble,omitempty"` // why the last attempt to reach it failed
}

// SourceKind is what a Source names.
type SourceKind string

// The kinds of sources.
const (
	SourceExchange SourceKind = "exchange" // RabbitMQ: what is published to it; the name "" is the default exchange
	SourceQueue    SourceKind = "queue"    // RabbitMQ: what arrives in it, or what is in it
	SourceTopic    SourceKind = "topic"    // Kafka
	SourceAll      SourceKind = "all"      // everything that passes the broker; only for Tap
)

// Source is where messages come from.
type Source struct {
	Kind SourceKind `json:"kind"`
	Name string     `json:"name,omitempty"`
	// Keys narrows an exchange to these routing keys, in the form that its type takes. A direct exchange whose bindings
	// cannot be listed needs them.
	Keys []string `json:"keys,omitempty"`
	// Partitions narrows a topic; none are all.
	Partitions []int32 `json:"partitions,omitempty"`
}

func (s Source) String() string {
	switch {
	case s.Kind == SourceAll:
		return "everything"
	case s.Kind == SourceExchange && s.Name == "":
		return "the default exchange"
	}
	return fmt.Sprintf("%s %q", s.Kind, s.Name)
}

// TapOptions say how a tap is done.
type TapOptions struct {
	// Unrouted shows what no queue gets, too. Mandatory messages are then no longer returned and an alternate exchange gets
	// none, so it needs Force where there is another way to see: see DisturbError.
	Unrouted bool
	// Firehose makes RabbitMQ's tap use tracing, which shows every publish with the queues that it went to, its connection
	// and its user. It switches the virtual host's tracing on and, at the end, to what it was.
	Firehose bool
	// Force taps although it disturbs; the reasons come as notes.
	Force bool
	// Buffer is how many bytes of messages wait for a slow receiver; 0 is 32 MiB.
	Buffer int
	// Uncommitted shows Kafka's records before their transaction is committed, and those of aborted ones, marked.
	Uncommitted bool
}

// TapBatch is what passed since the last one. The messages and all they point to are the receiver's until emit returns;
// Message.Clone makes one that lasts.
type TapBatch struct {
	Messages []Message
	Lost     int64  // messages that were dropped before these because the receiver was slow
	Gap      *Gap   // before these, the connection was lost
	Notes    []Note // what the one who watches should know; the first batch comes at once, with how it is tapped
	Caught   bool   // Kafka: the tap has seen all there was when these were fetched
}

// Gap is a time in which a tap saw nothing.
type Gap struct {
	From, To time.Time
	Reason   string
	// Resumed tells that nothing is missing, because the tap went on where it was (Kafka, streams).
	Resumed bool
}

// Note is one sentence for whoever asked, with a way out where there is one.
type Note struct {
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	Warn bool   `json:"warn,omitempty"` // it says that something is disturbed, lost or may be
}

// DisturbError is the refusal to do what would change what the application or others see. TapOptions.Force does it anyway.
type DisturbError struct{ Reason, Hint string }

func (e *DisturbError) Error() string {
	if e.Hint == "" {
		return e.Reason
	}
	return e.Reason + "\n" + e.Hint
}

// ReadOptions say what of a queue or topic is read.
type ReadOptions struct {
	// From is where it starts. Queues that are no streams start at their head, whatever it says.
	From Position
	// Until ends a topic or stream at an offset or time, which is not read itself; the zero value is the end as it was when
	// the reading began. A Read never waits for what has yet to come.
	Until Position
	// Limit is how many messages are read at most, over all partitions; 0 is all of a topic, and 100 of a queue.
	Limit int
	// Uncommitted shows Kafka's records of open and aborted transactions, marked.
	Uncommitted bool
}

// PositionKind is how a Position is meant.
type PositionKind string

// The kinds of positions.
const (
	AtStart  PositionKind = "start"  // the oldest there is; for Until the zero value stands for the end
	AtEnd    PositionKind = "end"    // behind the newest
	AtOffset PositionKind = "offset" // Offset, or Offsets for single partitions
	AtTime   PositionKind = "time"   // the first message with that time or a later one
	AtLast   PositionKind = "last"   // the newest Offset messages of each partition
)

// Position is a place in a topic or stream. The zero value is the start for From and the end for Until.
type Position struct {
	At      PositionKind    `json:"at,omitempty"`
	Offset  int64           `json:"offset,omitempty"`
	Offsets map[int32]int64 `json:"offsets,omitempty"` // by partition; others have Offset
	Time    time.Time       `json:"time,omitzero"`
}

// Batch is a part of what is read. What it points to is the receiver's until emit returns.
type Batch struct {
	Messages []Message
	Notes    []Note
	// Left is how many messages there are still to read, where that is known, and -1 else.
	Left int64
}

// Publisher sends messages and tells what became of each. It is for one goroutine.
type Publisher interface {
	// Send sends one message as soon as the window of unconfirmed ones has room, and returns. done is called exactly once for
	// each message whose Send returned nil, by a goroutine of the publisher and in no certain order. The message is the
	// publisher's until then. An error means that this message was not sent, and says why.
	Send(ctx context.Context, m *Outgoing, done func(Result)) error
	// Flush returns when done was called for all messages.
	Flush(ctx context.Context) error
	// Close ends it; what is not confirmed then is told as StatusUnknown.
	Close() error
}

// Outgoing is a message on its way to a Target. Of the Message, the key, the headers, the properties, the body and (where
// Target.KeepTime is set) the time are sent, byte for byte.
type Outgoing struct {
	To      Target
	Message *Message
}

// Target is where a message is sent.
type Target struct {
	// Exchange and RoutingKey for RabbitMQ: the exchange "" with a queue's name as key reaches that queue alone.
	Exchange   string `json:"exchange,omitempty"`
	RoutingKey string `json:"routingKey,omitempty"`
	// Topic and Partition for Kafka; without a partition the key's hash (murmur2, as Java's client) chooses it.
	Topic     string `json:"topic,omitempty"`
	Partition *int32 `json:"partition,omitempty"`
	// KeepTime gives Kafka the message's own time; else it is the time of sending. Retention may remove an old one at once.
	KeepTime bool `json:"keepTime,omitempty"`
}

// Status is what became of a message that was sent.
type Status string

// The outcomes.
const (
	StatusConfirmed  Status = "confirmed"  // the broker has it
	StatusUnroutable Status = "unroutable" // RabbitMQ: no queue took it
	StatusRefused    Status = "refused"    // the broker said no, and does not have it
	StatusUnknown    Status = "unknown"    // the connection was lost before it said: it may have it
)

// Result is what became of one message.
type Result struct {
	Status    Status `json:"status"`
	Partition int32  `json:"partition"` // Kafka, where confirmed
	Offset    int64  `json:"offset"`    // Kafka, where confirmed
	Err       error  `json:"-"`         // why, unless it is confirmed
}

// PublishAll sends messages and waits for what became of each, in their order. When one cannot be sent, neither are those
// behind it: they are StatusRefused with that error.
func PublishAll(ctx context.Context, p Publisher, out []Outgoing) ([]Result, error) {
	results := make([]Result, len(out))
	for i := range out {
		at := &results[i]
		if err := p.Send(ctx, &out[i], func(r Result) { *at = r }); err != nil {
			for j := i; j < len(out); j++ {
				results[j] = Result{Status: StatusRefused, Err: err} // not sent
			}
			return results, errors.Join(err, p.Flush(ctx))
		}
	}
	return results, p.Flush(ctx)
}
