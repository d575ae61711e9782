package amqptest

import (
	"encoding/json"
	"fmt"
	"net/http"

	amqp "github.com/rabbitmq/amqp091-go"
)

// named opens a connection that the management API shows under a name of its own, with one channel and one consumer.
func (k *kit) named() (conn *amqp.Connection, ch *amqp.Channel, name string) {
	k.Helper()
	name = k.name("connection")
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	conn, err := amqp.DialConfig("amqp://"+User+":"+Password+"@"+k.server.Addr()+"/", amqp.Config{Properties: properties})
	k.must(err, "connect")
	k.Cleanup(func() { _ = conn.Close() })
	return conn, k.open(conn), name
}

// shown waits until the management API lists the connection with the client's name.
func (k *kit) shown(name string) (connection object) {
	k.Helper()
	k.eventually("the connection "+name+" in the management API", func() bool {
		for _, o := range k.api().list("/connections") {
			if properties, _ := o["client_properties"].(object); properties["connection_name"] == name && o["channels"] != nil && o["recv_oct"] != nil { // it counts a moment later
				connection = o
				return true
			}
		}
		return false
	})
	return connection
}

func apiConnections(k *kit) {
	_, ch, name := k.named()
	queue := k.durable(k.channel(), nil)
	k.must(ch.Qos(7, 0, false), "qos")
	_, err := ch.Consume(queue, "shown", false, false, false, false, nil)
	k.must(err, "consume")
	connection := k.shown(name)
	k.shows("connection", connection, object{
		"user": User, "vhost": "/", "protocol": "AMQP 0-9-1", "auth_mechanism": "PLAIN", "ssl": false, "frame_max": 131072,
		"user_provided_name": name, "type": "network",
	})
	k.has("connection", connection, "name", "node", "state", "peer_host", "peer_port", "host", "port", "timeout", "channel_max",
		"connected_at", "recv_oct", "send_oct")
	full := fmt.Sprint(connection["name"])
	k.shows("connection by name", k.api().object("/connections/"+escaped(full)), object{"name": full})
	var channel object
	k.eventually("the channel with its consumer", func() bool {
		for _, o := range k.api().list("/connections/" + escaped(full) + "/channels") {
			if fmt.Sprint(o["consumer_count"], o["prefetch_count"], o["confirm"]) == "1 7 true" {
				channel = o
			}
		}
		return channel != nil
	})
	k.shows("channel", channel, object{"number": 1, "user": User, "vhost": "/", "transactional": false})
	k.has("channel", channel, "name", "node", "messages_unacknowledged", "messages_unconfirmed", "messages_uncommitted", "acks_uncommitted", "state", "connection_details")
	k.shows("channel by name", k.api().object("/channels/"+escaped(fmt.Sprint(channel["name"]))), object{"name": channel["name"], "number": 1})
	k.api().find("/channels", "name", channel["name"])
	var consumer object
	k.eventually("the consumer", func() bool {
		for _, o := range k.api().list("/consumers/%2F") {
			if q, _ := o["queue"].(object); q["name"] == queue {
				consumer = o
			}
		}
		return consumer != nil
	})
	k.shows("consumer", consumer, object{
		"consumer_tag": "shown", "ack_required": true, "exclusive": false, "prefetch_count": 7, "queue": object{"name": queue, "vhost": "/"}, "active": true,
	})
	k.has("consumer", consumer, "channel_details", "arguments", "activity_status")
	k.eventually("the queue's consumer count", func() bool {
		return fmt.Sprint(k.api().object("/queues/%2F/" + queue)["consumers"]) == "1"
	})
}

func apiCloseConnection(k *kit) {
	conn, _, name := k.named()
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	full := fmt.Sprint(k.shown(name)["name"])
	k.api().want(http.MethodDelete, "/connections/"+escaped(full), nil, http.StatusNoContent)
	k.refused(receive(k, closed, "connection close"), amqp.ConnectionForced, "CONNECTION_FORCED - Closed via management plugin")
	k.eventually("the connection's end in the management API", func() bool {
		status, _ := k.api().do(http.MethodGet, "/connections/"+escaped(full), nil)
		return status == http.StatusNotFound
	})
}

// apiRates publishes and consumes until the queue shows a rate for each.
func apiRates(k *kit) {
	ch := k.channel()
	queue := k.durable(ch, nil)
	deliveries := k.consume(ch, queue, nil)
	k.eventually("rates above zero", func() bool {
		for range 5 {
			k.send(ch, "", queue, "x")
			k.must(receive(k, deliveries, "delivery").Ack(false), "ack")
		}
		stats, _ := k.api().object("/queues/%2F/" + queue)["message_stats"].(object)
		for _, kind := range []string{"publish", "deliver", "deliver_get", "ack"} {
			details, _ := stats[kind+"_details"].(object)
			rate, _ := details["rate"].(float64)
			if total, _ := stats[kind].(float64); total <= 0 || rate <= 0 {
				return false
			}
		}
		return true
	})
	stats, _ := k.api().object("/overview")["message_stats"].(object)
	k.has("overview's message_stats", stats, "publish", "publish_details", "deliver_get", "deliver_get_details", "ack", "ack_details")
}

func apiMessages(k *kit) {
	a, ch := k.api(), k.channel()
	exchange, queue := k.exchange(ch, "direct", nil), k.durable(ch, nil)
	k.bind(ch, queue, "key", exchange, nil)
	publish := func(key, payload, encoding string) object {
		out := a.want(http.MethodPost, "/exchanges/%2F/"+exchange+"/publish", object{
			"properties":  object{"delivery_mode": 2, "headers": object{"h": "v"}, "message_id": "m"},
			"routing_key": key, "payload": payload, "payload_encoding": encoding,
		}, http.StatusOK)
		var o object
		k.must(json.Unmarshal(out, &o), "decode")
		return o
	}
	k.shows("routed", publish("key", "text", "string"), object{"routed": true})
	k.shows("unroutable", publish("other", "text", "string"), object{"routed": false})
	publish("key", "AP8=", "base64")
	msg := k.get(ch, queue, true)
	k.equal("over AMQP", []any{string(msg.Body), msg.DeliveryMode, msg.MessageId, msg.Headers["h"]}, []any{"text", uint8(2), "m", "v"})
	got := a.take(queue, object{"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"})
	k.equal("messages", len(got), 1)
	k.shows("binary", got[0], object{
		"payload": "AP8=", "payload_encoding": "base64", "payload_bytes": 2, "exchange": exchange, "routing_key": "key", "redelivered": false,
		"message_count": 0,
	})
	properties, _ := got[0]["properties"].(object)
	k.shows("properties", properties, object{"delivery_mode": 2, "message_id": "m", "headers": object{"h": "v"}})
	out := a.want(http.MethodPost, "/exchanges/%2F/amq.default/publish", object{
		"properties": object{}, "routing_key": queue, "payload": "by default", "payload_encoding": "string",
	}, http.StatusOK)
	k.equal("default exchange", string(out), `{"routed":true}`)
	k.equal("bodies", k.drain(ch, queue), []string{"by default"})
}

// take POSTs to a queue's get.
func (a api) take(queue string, body object) []object {
	a.k.Helper()
	var list []object
	out := a.want(http.MethodPost, "/queues/%2F/"+queue+"/get", body, http.StatusOK)
	a.k.must(json.Unmarshal(out, &list), "decode")
	return list
}

func apiGetModes(k *kit) {
	a, ch := k.api(), k.channel()
	queue := k.durable(ch, nil)
	k.send(ch, "", queue, "a", "b", "cccccc")
	get := func(mode string, count int) []object {
		return a.take(queue, object{"count": count, "ackmode": mode, "encoding": "auto", "truncate": 3})
	}
	k.equal("peek", len(get("ack_requeue_true", 2)), 2)
	k.awaitReady(ch, queue, 3)
	list := get("reject_requeue_true", 10)
	k.equal("peek", len(list), 3)
	k.shows("first", list[0], object{"payload": "a", "redelivered": true})
	k.shows("truncated", list[2], object{"payload": "ccc", "payload_bytes": 6})
	k.awaitReady(ch, queue, 3)
	k.shows("taken", get("ack_requeue_false", 1)[0], object{"payload": "a"})
	k.shows("rejected", get("reject_requeue_false", 1)[0], object{"payload": "b"})
	k.equal("left", k.drain(ch, queue), []string{"cccccc"})
	k.equal("empty", len(get("ack_requeue_true", 1)), 0)
}

func apiQueueLife(k *kit) {
	a, ch := k.api(), k.channel()
	queue := k.name("queue")
	path := "/queues/%2F/" + queue
	body := object{"durable": true, "auto_delete": false, "arguments": object{"x-max-length": 5, "x-dead-letter-exchange": ""}}
	a.want(http.MethodPut, path, body, http.StatusCreated)
	a.want(http.MethodPut, path, body, http.StatusNoContent)
	a.want(http.MethodPut, path, object{"durable": false}, http.StatusBadRequest)
	_, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-max-length": int32(5), "x-dead-letter-exchange": ""})
	k.must(err, "the same over AMQP")
	k.send(ch, "", queue, "a", "b")
	a.want(http.MethodDelete, path+"/contents", nil, http.StatusNoContent)
	k.equal("after the purge", k.ready(ch, queue), 0)
	k.send(ch, "", queue, "c")
	a.want(http.MethodDelete, path+"?if-empty=true", nil, http.StatusBadRequest)
	a.want(http.MethodDelete, path, nil, http.StatusNoContent)
	a.want(http.MethodDelete, path, nil, http.StatusNotFound)
	_, err = k.plain().QueueDeclarePassive(queue, false, false, false, false, nil)
	k.refused(err, amqp.NotFound)
}

// apiDefinitions takes the definitions of one virtual host over to another.
func apiDefinitions(k *kit) {
	a, from, to := k.api(), k.vhost(), k.vhost()
	ch := k.inVhost(from)
	exchange := k.exchangeIn(ch, "topic")
	_, err := ch.QueueDeclare("q", true, false, false, false, amqp.Table{"x-max-length": int32(5)})
	k.must(err, "declare")
	k.bind(ch, "q", "a.#", exchange, amqp.Table{"n": "x"})
	k.queue(ch, nil) // exclusive queues are no definitions
	definitions := a.object("/definitions/" + from)
	k.has("definitions", definitions, "rabbit_version", "policies", "parameters")
	list := func(key string) []any { l, _ := definitions[key].([]any); return l }
	k.equal("counts", []int{len(list("queues")), len(list("exchanges")), len(list("bindings"))}, []int{1, 1, 1})
	queue, _ := list("queues")[0].(object)
	k.shows("queue", queue, object{"name": "q", "durable": true, "auto_delete": false})
	a.want(http.MethodPost, "/definitions/"+to, definitions, http.StatusCreated, http.StatusNoContent)
	other := k.inVhost(to)
	_, err = other.QueueDeclare("q", true, false, false, false, amqp.Table{"x-max-length": int32(5)})
	k.must(err, "the queue with its arguments")
	k.send(other, exchange, "a.b", "by the binding that came along")
	k.equal("bodies", k.drain(other, "q"), []string{"by the binding that came along"})
	a.want(http.MethodPost, "/definitions/"+to, definitions, http.StatusCreated, http.StatusNoContent)
}

func apiDefinitionsAll(k *kit) {
	a, vhost := k.api(), k.vhost()
	ch := k.inVhost(vhost)
	exchange := k.exchangeIn(ch, "fanout")
	definitions := a.object("/definitions")
	k.has("definitions", definitions, "rabbit_version", "users", "vhosts", "permissions", "topic_permissions", "parameters",
		"global_parameters", "policies", "queues", "exchanges", "bindings")
	found := false
	exchanges, _ := definitions["exchanges"].([]any)
	for _, e := range exchanges {
		o, _ := e.(object)
		found = found || o["name"] == exchange && o["vhost"] == vhost && o["type"] == "fanout"
	}
	k.equal("the exchange is among the definitions", found, true)
	added := k.name("added")
	a.want(http.MethodPost, "/definitions", object{
		"vhosts":    []object{{"name": vhost}},
		"queues":    []object{{"name": added, "vhost": vhost, "durable": true, "auto_delete": false, "arguments": object{"x-queue-type": "classic"}}},
		"exchanges": []object{}, "users": []object{}, "permissions": []object{}, "policies": []object{},
		"bindings": []object{{
			"source": exchange, "vhost": vhost, "destination": added, "destination_type": "queue", "routing_key": "", "arguments": object{},
		}},
	}, http.StatusCreated, http.StatusNoContent)
	k.send(ch, exchange, "", "through what was added")
	k.equal("bodies", k.drain(ch, added), []string{"through what was added"})
}
