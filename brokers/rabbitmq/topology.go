package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"msdev/brokers"
)

type apiQueue struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	State      string         `json:"state"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Exclusive  bool           `json:"exclusive"`
	Arguments  map[string]any `json:"arguments"`
	Policy     any            `json:"policy"`
	Effective  any            `json:"effective_policy_definition"`
	Ready      *int64         `json:"messages_ready"`
	Unacked    *int64         `json:"messages_unacknowledged"`
	Consumers  *int64         `json:"consumers"`
	Bytes      *int64         `json:"message_bytes"`
	Memory     *int64         `json:"memory"`
	Stats      map[string]any `json:"message_stats"`
}

// queue reads what is told of a queue, of a broker of that version.
func (x *apiQueue) queue(version string) brokers.Queue {
	q := brokers.Queue{Name: x.Name, Type: brokers.QueueType(strings.TrimPrefix(x.Type, "rabbit_")), State: x.State, Durable: x.Durable,
		AutoDelete: x.AutoDelete, Exclusive: x.Exclusive, Arguments: arguments(x.Arguments), Policy: text(x.Policy),
		Ready: x.Ready, Unacked: x.Unacked, Consumers: x.Consumers, Bytes: x.Bytes, Memory: x.Memory}
	if suffix, ok := strings.CutSuffix(string(q.Type), "_queue"); ok { // rabbitmqctl: rabbit_classic_queue
		q.Type = brokers.QueueType(suffix)
	}
	if t := text(x.Arguments["x-queue-type"]); q.Type == "" && t != "" {
		q.Type = brokers.QueueType(t)
	}
	if q.Type == "" {
		q.Type = brokers.ClassicQueue
	}
	q.In, q.Delivered = rate(x.Stats, "publish"), rate(x.Stats, "deliver_get")
	q.Acked, q.Redeliver = rate(x.Stats, "ack"), rate(x.Stats, "redeliver")
	set := func(name string) any { return setting(x.Arguments, x.Effective, name) }
	if s, ok := set("dead-letter-exchange").(string); ok {
		q.DeadExchange = &s
	}
	if s, ok := set("dead-letter-routing-key").(string); ok {
		q.DeadKey = &s
	}
	q.MaxLength, q.MessageTTL = whole(set("max-length")), whole(set("message-ttl"))
	if q.Type == brokers.QuorumQueue {
		q.DeliveryLimit = whole(set("delivery-limit"))
		switch {
		case q.DeliveryLimit == nil && major(version) >= 4:
			q.DeliveryLimit = new(int64(defaultDeliveryLimit))
		case q.DeliveryLimit == nil:
			q.DeliveryLimit = new(int64(-1))
		}
	}
	return q
}

// major is the first number of a version, 0 where there is none.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first)
	return n
}

// ctlQueue is what rabbitmqctl tells of a queue.
type ctlQueue struct {
	apiQueue
	Arguments any `json:"arguments"`
	Exclusive any `json:"exclusive"` // "" for queues that cannot be
	Bytes     any `json:"message_bytes"`
	Memory    any `json:"memory"`
	Ready     any `json:"messages_ready"`
	Unacked   any `json:"messages_unacknowledged"`
	Consumers any `json:"consumers"`
}

func (b *Broker) ctlQueues(ctx context.Context) ([]brokers.Queue, error) {
	var raw []ctlQueue
	err := b.ctl(ctx, &raw, "list_queues", "name", "type", "state", "durable", "auto_delete", "exclusive", "arguments", "policy",
		"messages_ready", "messages_unacknowledged", "consumers", "message_bytes", "memory")
	if err != nil {
		return nil, err
	}
	var policies []brokers.Policy // old versions do not list what follows from them
	if slices.ContainsFunc(raw, func(x ctlQueue) bool { return text(x.Policy) != "" }) {
		if policies, err = b.ctlPolicies(ctx); err != nil {
			return nil, err
		}
	}
	var queues []brokers.Queue
	for _, x := range raw {
		if i := slices.IndexFunc(policies, func(p brokers.Policy) bool { return p.Name == text(x.Policy) }); i >= 0 {
			x.Effective = map[string]any(policies[i].Definition)
		}
		x.apiQueue.Arguments = ctlTable(x.Arguments)
		x.apiQueue.Exclusive, _ = x.Exclusive.(bool)
		x.apiQueue.Bytes, x.apiQueue.Memory = whole(x.Bytes), whole(x.Memory)
		x.apiQueue.Ready, x.apiQueue.Unacked, x.apiQueue.Consumers = whole(x.Ready), whole(x.Unacked), whole(x.Consumers)
		queues = append(queues, x.queue(b.Info().Version))
	}
	return queues, nil
}

// Topology tells what the virtual host holds: see brokers.Broker.
func (b *Broker) Topology(ctx context.Context) (*brokers.Topology, error) {
	var failed error
	if b.api != nil {
		t, err := b.apiTopology(ctx)
		b.note(t, err)
		if err == nil || ctx.Err() != nil {
			return t, err
		}
		failed = fmt.Errorf("the management API of broker %q: %w", b.o.Name, err)
	}
	// Without it: is the broker there at all, and what can be learned otherwise?
	c, err := b.connect(ctx, "topology")
	if err != nil {
		return nil, err
	}
	c.close()
	t := &brokers.Topology{At: time.Now(), Version: c.version}
	missing := brokers.Note{Text: "Exchanges, queues and connections cannot be listed: the management plugin is not enabled.", Hint: enableManagement, Warn: true}
	if failed != nil {
		missing.Text = failed.Error()
	}
	if b.o.Ctl == nil {
		t.Unknown = append(t.Unknown, missing)
		return t, nil
	}
	missing.Text, missing.Warn = "Rates and connections are not known without the management plugin.", false
	t.Unknown = append(t.Unknown, missing)
	return t, b.ctlTopology(ctx, t)
}

func (b *Broker) note(t *brokers.Topology, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known.Manage = err == nil
	if err == nil {
		b.known.Version, b.known.Trouble = t.Version, ""
	}
}

func (b *Broker) ctlTopology(ctx context.Context, t *brokers.Topology) error {
	w, err := b.ctlWiring(ctx)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(w.exchanges) {
		t.Exchanges = append(t.Exchanges, w.exchanges[name])
	}
	t.Bindings = visible(w.bindings)
	queues, err := b.ctlQueues(ctx)
	if err != nil {
		return err
	}
	t.Queues = withoutTaps(queues)
	t.Policies, err = b.ctlPolicies(ctx)
	return err
}

func (b *Broker) ctlPolicies(ctx context.Context) ([]brokers.Policy, error) {
	var policies []brokers.Policy
	var raw []struct {
		Name       string `json:"name"`
		Pattern    string `json:"pattern"`
		ApplyTo    string `json:"apply-to"`
		Priority   int64  `json:"priority"`
		Definition any    `json:"definition"`
	}
	if err := b.ctl(ctx, &raw, "list_policies"); err != nil {
		return nil, err
	}
	for _, p := range raw {
		definition, _ := p.Definition.(map[string]any)
		if text, ok := p.Definition.(string); ok { // 3.x prints it as text
			_ = json.Unmarshal([]byte(text), &definition)
		}
		policies = append(policies, brokers.Policy{Name: p.Name, Pattern: p.Pattern, ApplyTo: p.ApplyTo, Priority: p.Priority, Definition: definition})
	}
	return policies, nil
}

// withoutTaps leaves out the queues of msdev's own taps.
func withoutTaps(queues []brokers.Queue) []brokers.Queue {
	return slices.DeleteFunc(queues, func(q brokers.Queue) bool { return isTap(q.Name) })
}

func visible(bindings []brokers.Binding) []brokers.Binding {
	return slices.DeleteFunc(bindings, func(x brokers.Binding) bool { return isTap(x.To) })
}

type apiConnection struct {
	Name       string         `json:"name"`
	Given      string         `json:"user_provided_name"`
	Host       string         `json:"peer_host"`
	Port       int            `json:"peer_port"`
	User       string         `json:"user"`
	Channels   int64          `json:"channels"`
	Since      int64          `json:"connected_at"` // ms
	State      string         `json:"state"`
	Properties map[string]any `json:"client_properties"`
}

type apiConsumer struct {
	Tag      string `json:"consumer_tag"`
	Prefetch int64  `json:"prefetch_count"`
	Ack      bool   `json:"ack_required"`
	Active   bool   `json:"active"`
	Queue    struct {
		Name string `json:"name"`
	} `json:"queue"`
	Channel json.RawMessage `json:"channel_details"` // an empty list while it is not known
}

// connection is the connection's name.
func (c *apiConsumer) connection() string {
	var of struct {
		Connection string `json:"connection_name"`
	}
	_ = json.Unmarshal(c.Channel, &of)
	return of.Connection
}

// apiTopology asks the management API, with several questions at a time.
func (b *Broker) apiTopology(ctx context.Context) (*brokers.Topology, error) {
	a := b.api
	var (
		overview struct {
			Version string `json:"rabbitmq_version"`
		}
		exchanges   []apiExchange
		queues      []apiQueue
		bindings    []apiBinding
		policies    []brokers.Policy
		connections []apiConnection
		consumers   []apiConsumer
	)
	g, within := errgroup.WithContext(ctx)
	ask := func(out any, parts ...string) {
		g.Go(func() error { return a.get(within, a.path(parts...), out) })
	}
	ask(&overview, "overview")
	ask(&exchanges, "exchanges", "%v")
	ask(&queues, "queues", "%v")
	ask(&bindings, "bindings", "%v")
	ask(&consumers, "consumers", "%v")
	g.Go(func() (err error) { policies, err = a.policies(within); return err })
	refused := error(nil)
	g.Go(func() error {
		refused = a.get(within, a.path("vhosts", "%v", "connections"), &connections)
		if answered(refused, 401) || answered(refused, 403) || answered(refused, 404) {
			return nil
		}
		return refused
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	t := &brokers.Topology{At: time.Now(), Version: overview.Version, Policies: policies}
	if refused != nil {
		t.Unknown = append(t.Unknown, brokers.Note{Text: "Connections cannot be listed: " + refused.Error(), Hint: "Its user needs the tag monitoring."})
	}
	w := newWiring(exchanges, bindings)
	t.Bindings = visible(w.bindings)
	for i := range queues {
		t.Queues = append(t.Queues, queues[i].queue(t.Version))
	}
	t.Queues = withoutTaps(t.Queues)
	t.Clients = clients(connections)
	for _, name := range sortedKeys(w.exchanges) {
		t.Exchanges = append(t.Exchanges, w.exchanges[name])
	}
	join(t, consumers)
	return t, b.publishers(ctx, t)
}

// join tells queues and clients of the consumers.
func join(t *brokers.Topology, consumers []apiConsumer) {
	for i := range consumers {
		c := &consumers[i]
		name := c.connection()
		if at := slices.IndexFunc(t.Queues, func(q brokers.Queue) bool { return q.Name == c.Queue.Name }); at >= 0 {
			t.Queues[at].ConsumersNamed = append(t.Queues[at].ConsumersNamed, brokers.QueueConsumer{Client: name, Tag: c.Tag, Prefetch: c.Prefetch, AutoAck: !c.Ack, Active: c.Active})
			addClient(t, name, func(client *brokers.Client) { client.Consume = addOnce(client.Consume, c.Queue.Name) })
		}
	}
}

func addClient(t *brokers.Topology, name string, change func(*brokers.Client)) {
	if i := slices.IndexFunc(t.Clients, func(c brokers.Client) bool { return c.Name == name }); i >= 0 {
		change(&t.Clients[i])
	}
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func clients(connections []apiConnection) []brokers.Client {
	var out []brokers.Client
	for i := range connections {
		c := &connections[i]
		given := c.Given
		if given == "" {
			given = text(c.Properties["connection_name"])
		}
		of := text(c.Properties["product"])
		out = append(out, brokers.Client{Name: c.Name, Given: given, Host: c.Host, Port: c.Port, User: c.User, Product: of,
			Channels: c.Channels, Since: time.UnixMilli(c.Since), State: c.State, Own: of == product})
	}
	return out
}

// publishers asks who publishes to each exchange that was published to.
func (b *Broker) publishers(ctx context.Context, t *brokers.Topology) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	found := make([][]string, len(t.Exchanges))
	for i := range t.Exchanges {
		if t.Exchanges[i].In == nil {
			continue
		}
		g.Go(func() error {
			var x struct {
				Incoming []struct {
					Channel json.RawMessage `json:"channel_details"`
				} `json:"incoming"`
			}
			name := t.Exchanges[i].Name
			if name == "" {
				name = "amq.default"
			}
			err := b.api.get(ctx, b.api.path("exchanges", "%v", name), &x)
			if answered(err, 404) { // it is gone meanwhile
				return nil
			}
			for _, in := range x.Incoming {
				of := apiConsumer{Channel: in.Channel}
				found[i] = addOnce(found[i], of.connection())
			}
			return err
		})
	}
	err := g.Wait()
	for i, names := range found {
		t.Exchanges[i].Publishers = names
		for _, name := range names {
			addClient(t, name, func(c *brokers.Client) { c.Publish = addOnce(c.Publish, t.Exchanges[i].Name) })
		}
	}
	return err
}

// policies lists the users' and the operator's.
func (a *api) policies(ctx context.Context) ([]brokers.Policy, error) {
	var all []brokers.Policy
	for _, kind := range []string{"policies", "operator-policies"} {
		var raw []struct {
			Name       string         `json:"name"`
			Pattern    string         `json:"pattern"`
			ApplyTo    string         `json:"apply-to"`
			Priority   int64          `json:"priority"`
			Definition map[string]any `json:"definition"`
		}
		err := a.get(ctx, a.path(kind, "%v"), &raw)
		if answered(err, 404) || answered(err, 401) || answered(err, 403) {
			continue // a broker without them, or a user who may not see them
		}
		if err != nil {
			return nil, err
		}
		for _, p := range raw {
			all = append(all, brokers.Policy{Name: p.Name, Pattern: p.Pattern, ApplyTo: p.ApplyTo, Priority: p.Priority, Definition: p.Definition, Operator: kind != "policies"})
		}
	}
	return all, nil
}
