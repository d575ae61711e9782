package brokers

import (
	"regexp"
	"time"
)

// Topology is what a broker holds at one moment. A nil number is one that nobody told; 0 is a measured 0.
type Topology struct {
	At      time.Time `json:"at"`
	Version string    `json:"version,omitempty"`
	// Unknown says what could not be learned and why, one sentence each, with a way out where there is one.
	Unknown []Note `json:"unknown,omitempty"`

	// RabbitMQ's.
	Exchanges []Exchange `json:"exchanges,omitempty"`
	Queues    []Queue    `json:"queues,omitempty"`
	Bindings  []Binding  `json:"bindings,omitempty"`
	Policies  []Policy   `json:"policies,omitempty"`

	// Kafka's.
	Topics []Topic `json:"topics,omitempty"`
	Groups []Group `json:"groups,omitempty"`
	Nodes  []Node  `json:"nodes,omitempty"`

	// Clients are the connections of RabbitMQ.
	Clients []Client `json:"clients,omitempty"`
}

// Arguments are what an exchange, queue, binding or policy was declared with.
type Arguments map[string]any

// Exchange is one exchange.
type Exchange struct {
	Name       string    `json:"name"`
	Type       string    `json:"type"`
	Durable    bool      `json:"durable,omitempty"`
	AutoDelete bool      `json:"autoDelete,omitempty"`
	Internal   bool      `json:"internal,omitempty"`
	Arguments  Arguments `json:"arguments,omitempty"`
	Policy     string    `json:"policy,omitempty"`
	Alternate  string    `json:"alternate,omitempty"` // the alternate exchange, by argument or policy
	In         *float64  `json:"in,omitempty"`        // published to it, messages a second
	Out        *float64  `json:"out,omitempty"`       // routed from it, messages a second
	// Publishers are the names of the Clients whose channels published to it.
	Publishers []string `json:"publishers,omitempty"`
}

// QueueType is what a queue is made of.
type QueueType string

// The types of queues.
const (
	ClassicQueue QueueType = "classic"
	QuorumQueue  QueueType = "quorum"
	StreamQueue  QueueType = "stream"
)

// Queue is one queue.
type Queue struct {
	Name       string    `json:"name"`
	Type       QueueType `json:"type,omitempty"` // empty: unknown
	State      string    `json:"state,omitempty"`
	Durable    bool      `json:"durable,omitempty"`
	AutoDelete bool      `json:"autoDelete,omitempty"`
	Exclusive  bool      `json:"exclusive,omitempty"`
	Arguments  Arguments `json:"arguments,omitempty"`
	Policy     string    `json:"policy,omitempty"`

	Ready     *int64 `json:"ready,omitempty"`
	Unacked   *int64 `json:"unacked,omitempty"`
	Consumers *int64 `json:"consumers,omitempty"`
	Bytes     *int64 `json:"bytes,omitempty"`  // of the messages' bodies
	Memory    *int64 `json:"memory,omitempty"` // of the queue's process

	In        *float64 `json:"in,omitempty"` // messages a second, as the broker samples it (every 5 s)
	Delivered *float64 `json:"delivered,omitempty"`
	Acked     *float64 `json:"acked,omitempty"`
	Redeliver *float64 `json:"redeliver,omitempty"`

	// What becomes of messages that are rejected, expired or too many, by arguments or policy.
	DeadExchange   *string         `json:"deadExchange,omitempty"`
	DeadKey        *string         `json:"deadKey,omitempty"`       // nil: the message's own
	DeliveryLimit  *int64          `json:"deliveryLimit,omitempty"` // quorum queues; -1 is none
	MaxLength      *int64          `json:"maxLength,omitempty"`     //
	MessageTTL     *int64          `json:"messageTTL,omitempty"`    // ms
	ConsumersNamed []QueueConsumer `json:"consumersNamed,omitempty"`
}

// QueueConsumer is one consumer of a queue.
type QueueConsumer struct {
	Client   string `json:"client"` // the name of its Client
	Tag      string `json:"tag"`
	Prefetch int64  `json:"prefetch,omitempty"`
	AutoAck  bool   `json:"autoAck,omitempty"`
	Active   bool   `json:"active,omitempty"`
}

// Binding leads from an exchange to a queue or another exchange.
type Binding struct {
	Source     string     `json:"source"`
	Kind       SourceKind `json:"kind"` // of the destination: queue or exchange
	To         string     `json:"to"`
	RoutingKey string     `json:"routingKey"`
	Arguments  Arguments  `json:"arguments,omitempty"`
	Key        string     `json:"key,omitempty"` // names this one among those with the same ends
}

// Policy sets arguments of all exchanges or queues whose name matches.
type Policy struct {
	Name       string    `json:"name"`
	Pattern    string    `json:"pattern"`
	ApplyTo    string    `json:"applyTo"`
	Priority   int64     `json:"priority"`
	Definition Arguments `json:"definition"`
	Operator   bool      `json:"operator,omitempty"`
}

// Client is one connection to RabbitMQ.
type Client struct {
	Name     string    `json:"name"`            // the broker's: "10.0.0.3:51000 -> 10.0.0.2:5672"
	Given    string    `json:"given,omitempty"` // the one it gave itself
	Host     string    `json:"host"`            // where it comes from
	Port     int       `json:"port"`
	User     string    `json:"user,omitempty"`
	Product  string    `json:"product,omitempty"` // the library
	Channels int64     `json:"channels"`
	Since    time.Time `json:"since,omitzero"`
	State    string    `json:"state,omitempty"`   // running, blocked, flow …
	Publish  []string  `json:"publish,omitempty"` // the exchanges that it published to
	Consume  []string  `json:"consume,omitempty"` // the queues that it consumes from
	Own      bool      `json:"own,omitempty"`     // it is msdev's
}

// Topic is one topic.
type Topic struct {
	Name       string            `json:"name"`
	Internal   bool              `json:"internal,omitempty"`
	Partitions []Partition       `json:"partitions"`
	Replicas   int               `json:"replicas"`
	Bytes      *int64            `json:"bytes,omitempty"`   // on disk, one replica
	Configs    map[string]string `json:"configs,omitempty"` // those that differ from the broker's, and cleanup.policy and retention
	Compacted  bool              `json:"compacted,omitempty"`
	Trouble    string            `json:"trouble,omitempty"`
}

// Partition is one partition of a topic.
type Partition struct {
	ID       int32   `json:"id"`
	Leader   int32   `json:"leader"` // -1: none
	Replicas []int32 `json:"replicas"`
	InSync   []int32 `json:"inSync"`
	Start    *int64  `json:"start,omitempty"`  // the first offset
	End      *int64  `json:"end,omitempty"`    // behind the last one; a transaction's marker counts
	Stable   *int64  `json:"stable,omitempty"` // the last stable offset: an open transaction begins there
	Bytes    *int64  `json:"bytes,omitempty"`
	Trouble  string  `json:"trouble,omitempty"`
}

// Node is one broker of a Kafka cluster.
type Node struct {
	ID         int32  `json:"id"`
	Address    string `json:"address"` // as it advertises itself
	Controller bool   `json:"controller,omitempty"`
}

// Group is one consumer group.
type Group struct {
	Name     string        `json:"name"`
	State    string        `json:"state"`          // Empty, Stable, PreparingRebalance, CompletingRebalance, Dead …
	Type     string        `json:"type,omitempty"` // classic or consumer (KIP-848)
	Protocol string        `json:"protocol,omitempty"`
	Members  []Member      `json:"members,omitempty"`
	Offsets  []GroupOffset `json:"offsets,omitempty"`
	Lag      *int64        `json:"lag,omitempty"` // of all partitions, where each is known
	Trouble  string        `json:"trouble,omitempty"`
}

// Member is one consumer of a group.
type Member struct {
	ID       string             `json:"id"`
	Client   string             `json:"client"`             // its client.id
	Instance string             `json:"instance,omitempty"` // a static member's group.instance.id
	Host     string             `json:"host"`               // where it comes from
	Assigned map[string][]int32 `json:"assigned,omitempty"` // partitions by topic
}

// GroupOffset is how far a group is in one partition.
type GroupOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed *int64 `json:"committed,omitempty"` // nil: nothing committed
	End       *int64 `json:"end,omitempty"`
	Lag       *int64 `json:"lag,omitempty"` // end - committed: a transaction's marker counts, so 1 may be a fully read topic
	Member    string `json:"member,omitempty"`
	Metadata  string `json:"metadata,omitempty"`
}

var deadName = regexp.MustCompile(`(?i)([._-]|^)(dead|dlq|dlt|dlx|dead[._-]?letters?)$`)

// NamedDead tells whether a queue or topic has a name that people give to places of what could not be handled.
func NamedDead(name string) bool { return deadName.MatchString(name) }
