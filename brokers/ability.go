package brokers

import (
	"context"
	"io"
)

// Purger is a Broker that can empty things.
type Purger interface {
	// Purge removes what is ready in a queue, or all records of a topic below the offsets that Until names (the zero value:
	// the ends), and returns how many went, -1 where the broker does not tell.
	Purge(ctx context.Context, from Source, until Position) (int64, error)
}

// Taker is a Broker whose messages can be taken one by one (RabbitMQ's queues).
type Taker interface {
	// Take opens a queue to take from. While a message is held nobody else gets it.
	Take(ctx context.Context, queue string) (Held, error)
}

// Held are messages that were fetched from a queue and belong to whoever holds them. It is for one goroutine.
type Held interface {
	// Next fetches the next message. Its error is io.EOF when the queue has no more ready ones. The ticket names the message
	// to Settle.
	Next(ctx context.Context) (m Message, ticket uint64, err error)
	// Behind tells how many ready messages stood behind the one that Next fetched last; -1 is unknown.
	Behind() int64
	// Settle removes a held message from the queue for good, or gives it back. Given back, it stands where it was (classic),
	// or behind those that were given back before (quorum), with redelivered set and, in a quorum queue, one delivery less
	// in its budget; a message that has none left is put back as a copy at the end, so that it is not dead-lettered.
	Settle(ctx context.Context, how Settlement, tickets ...uint64) error
	// Close gives back what is not settled, the newest last, and ends.
	io.Closer
}

// Settlement is what becomes of a held message.
type Settlement uint8

// The settlements.
const (
	Remove     Settlement = iota // it is dealt with: acknowledged
	GiveBack                     // it goes back to its queue
	DeadLetter                   // it is rejected: to the dead-letter exchange, where there is one, else removed
)

// Admin is a Broker whose things can be made, changed and deleted.
type Admin interface {
	Apply(ctx context.Context, c Change) error
}

// ChangeKind is what a Change does.
type ChangeKind string

// The changes. Creating what is there with the same settings is no error.
const (
	CreateExchange ChangeKind = "create exchange"
	DeleteExchange ChangeKind = "delete exchange"
	CreateQueue    ChangeKind = "create queue"
	DeleteQueue    ChangeKind = "delete queue"
	Bind           ChangeKind = "bind"
	Unbind         ChangeKind = "unbind"
	CreateTopic    ChangeKind = "create topic"
	AlterTopic     ChangeKind = "alter topic" // configs, and more partitions
	DeleteTopic    ChangeKind = "delete topic"
)

// Change is one change of what a broker holds; which fields count follows from its kind.
type Change struct {
	Kind     ChangeKind `json:"kind"`
	Exchange Exchange   `json:"exchange,omitzero"`
	Queue    Queue      `json:"queue,omitzero"`
	Binding  Binding    `json:"binding,omitzero"`
	Topic    TopicSpec  `json:"topic,omitzero"`
	// Unused refuses to delete an exchange or queue that is bound or consumed, Empty a queue that holds messages.
	Unused bool `json:"unused,omitempty"`
	Empty  bool `json:"empty,omitempty"`
}

// TopicSpec is what a topic is to be.
type TopicSpec struct {
	Name       string             `json:"name"`
	Partitions int                `json:"partitions,omitempty"` // 0: the broker's default; when altered, no change
	Replicas   int                `json:"replicas,omitempty"`   // 0: the broker's default
	Configs    map[string]*string `json:"configs,omitempty"`    // nil: back to the default
}

// GroupAdmin is a Broker with consumer groups (Kafka).
type GroupAdmin interface {
	// PlanReset tells what Reset would commit; it changes nothing.
	PlanReset(ctx context.Context, r GroupReset) ([]OffsetChange, error)
	// Commit sets a group's offsets. A group that is not Empty is refused with a *BusyError.
	Commit(ctx context.Context, group string, offsets []OffsetChange) error
	// WaitEmpty returns when the group has no members, telling each time that the members change who is left.
	WaitEmpty(ctx context.Context, group string, left func([]Member)) error
	// DeleteGroup forgets a group and its offsets; with topics, only its offsets of these. One that is not Empty is refused
	// with a *BusyError.
	DeleteGroup(ctx context.Context, group string, topics ...string) error
}

// GroupReset names the new place of a group. A group that does not exist comes to be by it.
type GroupReset struct {
	Group  string             `json:"group"`
	Topics map[string][]int32 `json:"topics,omitempty"` // partitions by topic, none are all; no topics: those with a commit
	To     Position           `json:"to"`               // start, end, offset or time
	Shift  int64              `json:"shift,omitempty"`  // instead of To: by so many, within what the partition has
	CopyOf string             `json:"copyOf,omitempty"` // instead of To: where that group is
}

// OffsetChange is one partition's part of a reset.
type OffsetChange struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      *int64 `json:"from,omitempty"` // nil: there was no commit
	To        int64  `json:"to"`
}

// BusyError is the refusal to change a group that has members.
type BusyError struct {
	Group   string
	State   string
	Members []Member
}

func (e *BusyError) Error() string {
	return "group \"" + e.Group + "\" has members (" + e.State + "), and a broker takes offsets from outside only while there are none.\nStop the services that consume with it; msdev waits until it is empty."
}

// Tidier can have left something on a broker when its process was killed.
type Tidier interface {
	// Tidy takes back what an earlier process has left. Where there is nothing, it asks nobody.
	Tidy(ctx context.Context) error
}
