package amqp

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"msdev/brokers/wire"
)

// queueAPI serves queues and messages.
type queueAPI struct{ *api }

func (a queueAPI) routes() map[string]handler {
	return map[string]handler{
		"GET /api/queues":                            a.listQueues,
		"GET /api/queues/{vhost}":                    a.listQueues,
		"GET /api/queues/{vhost}/{name}":             a.getQueue,
		"PUT /api/queues/{vhost}/{name}":             a.putQueue,
		"DELETE /api/queues/{vhost}/{name}":          a.deleteQueue,
		"DELETE /api/queues/{vhost}/{name}/contents": a.purgeQueue,
		"GET /api/queues/{vhost}/{name}/bindings":    a.queueBindings,
		"POST /api/queues/{vhost}/{name}/get":        a.getMessages,
		"POST /api/queues/{vhost}/{name}/actions":    func(*http.Request) (any, error) { return noContent, nil },
		"POST /api/exchanges/{vhost}/{name}/publish": a.publish,
	}
}

func (a queueAPI) queueJSON(q *queue) map[string]any {
	s := q.snapshot()
	still := map[string]any{"rate": 0.0}
	out := map[string]any{"name": q.name, "vhost": q.vhost.name, "type": q.set.kind, "durable": q.durable, "auto_delete": q.autoDelete,
		"exclusive": q.exclusive, "arguments": tableJSON(q.args), "node": a.b.node, "state": "running",
		"messages": s.ready + s.unacked, "messages_ready": s.ready, "messages_unacknowledged": s.unacked,
		"messages_details": still, "messages_ready_details": still, "messages_unacknowledged_details": still,
		"message_bytes": s.readyBytes + s.unackedBytes, "message_bytes_ready": s.readyBytes, "message_bytes_unacknowledged": s.unackedBytes,
		"messages_persistent": s.persistent, "message_bytes_persistent": s.persistentBytes,
		"messages_ram": s.ready + s.unacked, "message_bytes_ram": s.readyBytes + s.unackedBytes, "message_bytes_paged_out": 0,
		"consumers": len(s.consumers), "memory": s.readyBytes + s.unackedBytes + messageOverhead*(s.ready+s.unacked+8),
		"consumer_utilisation": 0, "consumer_capacity": 0, "effective_policy_definition": map[string]any{}, "policy": nil,
		"operator_policy": nil, "exclusive_consumer_tag": nil, "single_active_consumer_tag": nil, "idle_since": nil,
		"message_stats": a.b.metrics.stats(q, s.counts.stats())}
	if q.owner != nil {
		out["owner_pid_details"] = map[string]any{"name": q.owner.name}
	}
	if len(s.consumers) > 0 && s.consumers[0].exclusive {
		out["exclusive_consumer_tag"] = s.consumers[0].tag
	}
	if len(s.consumers) > 0 && q.set.singleConsumer {
		out["single_active_consumer_tag"] = s.consumers[0].tag
	}
	return out
}

func (a queueAPI) listQueues(r *http.Request) (any, error) {
	vhosts, err := a.vhostsOf(r)
	if err != nil {
		return nil, err
	}
	var list []map[string]any
	for _, v := range vhosts {
		for _, q := range v.allQueues() {
			list = append(list, a.queueJSON(q))
		}
	}
	return list, nil
}

func (a queueAPI) queueOf(r *http.Request) (*queue, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if q := v.queues[part(r, "name")]; q != nil {
		return q, nil
	}
	return nil, notFound()
}

func (a queueAPI) getQueue(r *http.Request) (any, error) {
	q, err := a.queueOf(r)
	if err != nil {
		return nil, err
	}
	out := a.queueJSON(q)
	consumers := []map[string]any{}
	s := q.snapshot()
	for i, c := range s.consumers {
		consumers = append(consumers, consumerJSON(c, s.active[i]))
	}
	out["consumer_details"] = consumers
	out["incoming"], out["deliveries"] = []any{}, []any{}
	return out, nil
}

type queueBody struct {
	Name       string         `json:"name,omitempty"`
	Vhost      string         `json:"vhost,omitempty"`
	Durable    *bool          `json:"durable"`
	AutoDelete flexBool       `json:"auto_delete"`
	Arguments  map[string]any `json:"arguments"`
}

func (q queueBody) method(name string) *wire.QueueDeclare {
	return &wire.QueueDeclare{Queue: name, Durable: q.Durable == nil || *q.Durable, AutoDelete: bool(q.AutoDelete), Arguments: jsonTable(q.Arguments)}
}

func (a queueAPI) putQueue(r *http.Request) (any, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	var in queueBody
	if err := body(r, &in); err != nil {
		return nil, err
	}
	answer := any(created)
	if _, err := a.queueOf(r); err == nil {
		answer = noContent
	}
	_, e := v.declareQueue(in.method(part(r, "name")), nil)
	return done(answer, e)
}

func (a queueAPI) deleteQueue(r *http.Request) (any, error) {
	q, err := a.queueOf(r)
	if err != nil {
		return nil, err
	}
	s := q.snapshot()
	switch query := r.URL.Query(); {
	case query.Get("if-unused") == "true" && len(s.consumers) > 0:
		return nil, badRequest("%s in use", q.title())
	case query.Get("if-empty") == "true" && s.ready > 0:
		return nil, badRequest("%s not empty", q.title())
	}
	var w wakes
	q.vhost.removeQueue(q, &w)
	w.flush()
	return noContent, nil
}

func (a queueAPI) purgeQueue(r *http.Request) (any, error) {
	q, err := a.queueOf(r)
	if err != nil {
		return nil, err
	}
	if q.stream != nil {
		return nil, badRequest("queue.purge not supported by stream queues %s", q.title())
	}
	var w wakes
	q.purge(&w)
	w.flush()
	return noContent, nil
}

func (a queueAPI) queueBindings(r *http.Request) (any, error) {
	q, err := a.queueOf(r)
	if err != nil {
		return nil, err
	}
	return a.bindings(r, func(b *binding) bool { return b.queue == q })
}

type getBody struct {
	Count    flexInt  `json:"count"`
	AckMode  string   `json:"ackmode"`
	Requeue  flexBool `json:"requeue"`
	Encoding string   `json:"encoding"`
	Truncate *flexInt `json:"truncate"`
}

// getMessages takes messages; what is to be requeued goes back after all were taken.
func (a queueAPI) getMessages(r *http.Request) (any, error) {
	q, err := a.queueOf(r)
	if err != nil {
		return nil, err
	}
	in := getBody{Count: 1, Encoding: "auto"}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	if in.AckMode == "" {
		in.AckMode = "ack_requeue_false"
		if in.Requeue {
			in.AckMode = "ack_requeue_true"
		}
	}
	if q.stream != nil {
		return nil, badRequest("basic.get not supported by stream queues %s", q.title())
	}
	var w wakes
	defer w.flush()
	list := []map[string]any{}
	var taken []delivery
	for len(taken) < int(in.Count) {
		e, left := q.take(false, &w)
		if e == nil {
			break
		}
		taken = append(taken, delivery{entry: e, q: q})
		m, err := messageJSON(q, e, left, in)
		if err != nil {
			q.settle(taken, requeuedByClose, &w)
			return nil, err
		}
		list = append(list, m)
	}
	if len(taken) > 0 {
		q.settle(taken, getOutcome(in.AckMode), &w)
	}
	return list, nil
}

func getOutcome(mode string) outcome {
	switch mode {
	case "ack_requeue_true", "reject_requeue_true":
		return requeued
	case "reject_requeue_false":
		return rejected
	}
	return acked
}

func messageJSON(q *queue, e *entry, left int, in getBody) (map[string]any, error) {
	raw, content, err := e.content(q)
	if err != nil {
		return nil, err
	}
	props, err := wire.ParseProperties(raw)
	if err != nil {
		return nil, err
	}
	size := len(content)
	if in.Truncate != nil && size > int(*in.Truncate) {
		content = content[:max(0, int(*in.Truncate))]
	}
	payload, encoding := string(content), "string"
	if in.Encoding == "base64" || !utf8.Valid(content) {
		payload, encoding = base64.StdEncoding.EncodeToString(content), "base64"
	}
	return map[string]any{"payload_bytes": size, "redelivered": e.redelivered, "exchange": e.msg.exchange,
		"routing_key": e.msg.key, "message_count": left, "properties": propertiesJSON(props), "payload": payload,
		"payload_encoding": encoding}, nil
}

type publishBody struct {
	Properties map[string]any `json:"properties"`
	Key        string         `json:"routing_key"`
	Payload    string         `json:"payload"`
	Encoding   string         `json:"payload_encoding"`
}

func (a queueAPI) publish(r *http.Request) (any, error) {
	v, x, err := a.exchangeOf(r)
	if err != nil {
		return nil, err
	}
	var in publishBody
	if err := body(r, &in); err != nil {
		return nil, err
	}
	payload := []byte(in.Payload)
	if in.Encoding == "base64" {
		if payload, err = base64.StdEncoding.DecodeString(strings.TrimSpace(in.Payload)); err != nil {
			return nil, badRequest("the payload is not base64: %s", err)
		}
	}
	props := jsonProperties(in.Properties)
	data := props.Append(nil)
	n := len(data)
	view, err := wire.Scan(data)
	if err != nil {
		return nil, badRequest("%s", err)
	}
	m, e := newMessage(x.name, in.Key, append(data, payload...), n, view)
	if e != nil {
		return nil, e
	}
	x.in.Add(1)
	var w wakes
	queues := v.route(m)
	x.out.Add(uint64(len(queues)))
	a.b.enqueue(m, queues, nil, 0, &w)
	w.flush()
	return map[string]bool{"routed": len(queues) > 0}, nil
}
