package amqptest

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func managementChecks() []check {
	return []check{
		{"overview", apiOverview},
		{"authentication", apiAuthentication},
		{"nodes", apiNodes},
		{"virtual hosts", apiVhosts},
		{"users and permissions", apiUsers},
		{"exchanges", apiExchanges},
		{"queues", apiQueues},
		{"bindings", apiBindings},
		{"connections, channels and consumers", apiConnections},
		{"closing a connection", apiCloseConnection},
		{"rates", apiRates},
		{"publish and get", apiMessages},
		{"get modes", apiGetModes},
		{"declare, purge and delete", apiQueueLife},
		{"definitions", apiDefinitions},
		{"definitions of all", apiDefinitionsAll},
		{"health checks", apiHealth},
		{"errors", apiErrors},
	}
}

func apiOverview(k *kit) {
	o := k.api().object("/overview")
	k.has("overview", o, "management_version", "rabbitmq_version", "product_name", "product_version", "erlang_version", "cluster_name", "node",
		"message_stats", "queue_totals", "object_totals", "listeners", "contexts", "exchange_types", "rates_mode", "statistics_db_event_queue")
	totals, _ := o["object_totals"].(object)
	k.has("object_totals", totals, "channels", "connections", "consumers", "exchanges", "queues")
	types := fmt.Sprint(o["exchange_types"])
	for _, kind := range []string{"direct", "fanout", "topic", "headers"} {
		if !strings.Contains(types, "name:"+kind) {
			k.Errorf("exchange_types %s lack %s", types, kind)
		}
	}
	listeners := fmt.Sprint(o["listeners"])
	if !strings.Contains(listeners, "protocol:amqp ") && !strings.Contains(listeners, "protocol:amqp]") {
		k.Errorf("listeners %s lack the protocol amqp", listeners)
	}
}

func apiAuthentication(k *kit) {
	k.shows("whoami", k.api().object("/whoami"), object{"name": User, "tags": []string{"administrator"}})
	for _, a := range []api{{k, User, "wrong"}, {k, "nobody", "x"}, {k, "", ""}} {
		status, _ := a.do(http.MethodGet, "/overview", nil)
		k.equal("status for "+a.user+":"+a.pass, status, http.StatusUnauthorized)
	}
}

func apiNodes(k *kit) {
	var nodes []object
	k.eventually("the node's statistics", func() bool {
		nodes = k.api().list("/nodes")
		return len(nodes) == 1 && nodes[0]["mem_used"] != nil
	})
	k.shows("node", nodes[0], object{"running": true, "type": "disc", "mem_alarm": false, "disk_free_alarm": false})
	k.has("node", nodes[0], "name", "mem_used", "mem_limit", "fd_used", "fd_total", "sockets_used", "proc_used", "proc_total", "uptime",
		"run_queue", "processors", "disk_free", "disk_free_limit", "os_pid", "rates_mode", "exchange_types", "applications", "partitions")
	name := fmt.Sprint(nodes[0]["name"])
	k.shows("node by name", k.api().object("/nodes/"+name), object{"name": name, "running": true})
	k.shows("overview", k.api().object("/overview"), object{"node": name})
}

func apiVhosts(k *kit) {
	a := k.api()
	k.shows("default", a.object("/vhosts/%2F"), object{"name": "/", "tracing": false})
	name := k.name("vhost")
	a.want(http.MethodPut, "/vhosts/"+name, object{"description": "a test", "tags": "one,two"}, http.StatusCreated)
	a.want(http.MethodPut, "/vhosts/"+name, object{"description": "a test", "tags": "one,two"}, http.StatusNoContent)
	k.shows("vhost", a.object("/vhosts/"+name), object{"name": name, "description": "a test", "tags": []string{"one", "two"}, "tracing": false})
	a.find("/vhosts", "name", name)
	a.want(http.MethodDelete, "/vhosts/"+name, nil, http.StatusNoContent)
	a.want(http.MethodDelete, "/vhosts/"+name, nil, http.StatusNotFound)
	a.want(http.MethodGet, "/vhosts/"+name, nil, http.StatusNotFound)

	vhost := k.vhost()
	ch := k.inVhost(vhost)
	queue := k.queue(ch, nil)
	_, err := k.plain().QueueDeclarePassive(queue, false, false, false, false, nil)
	k.refused(err, amqp.NotFound)
	permissions := a.list("/vhosts/" + vhost + "/permissions")
	k.shows("permissions", permissions[0], object{"user": User, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"})
}

func apiUsers(k *kit) {
	a := k.api()
	k.shows("user", a.object("/users/"+User), object{"name": User, "tags": []string{"administrator"}})
	a.find("/users", "name", User)
	k.shows("permission", a.object("/permissions/%2F/"+User), object{"user": User, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"})
	a.find("/users/"+User+"/permissions", "vhost", "/")
	a.want(http.MethodGet, "/users/nobody", nil, http.StatusNotFound)
}

func apiExchanges(k *kit) {
	a := k.api()
	for name, kind := range map[string]string{
		"amq.default": "direct", "amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic", "amq.headers": "headers",
		"amq.match": "headers", "amq.rabbitmq.trace": "topic",
	} {
		shown := strings.TrimSuffix(name, "amq.default")
		k.shows(name, a.object("/exchanges/%2F/"+name), object{
			"name": shown, "vhost": "/", "type": kind, "durable": true, "auto_delete": false, "internal": name == "amq.rabbitmq.trace",
			"arguments": object{},
		})
		a.find("/exchanges/%2F", "name", shown)
	}
	name := k.name("topic")
	args := object{"alternate-exchange": "amq.fanout"}
	a.want(http.MethodPut, "/exchanges/%2F/"+name, object{"type": "topic", "durable": true, "arguments": args}, http.StatusCreated)
	a.want(http.MethodPut, "/exchanges/%2F/"+name, object{"type": "topic", "durable": true, "arguments": args}, http.StatusNoContent)
	k.shows(name, a.object("/exchanges/%2F/"+name), object{
		"type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": args, "user_who_performed_action": User,
	})
	k.must(k.plain().ExchangeDeclare(name, "topic", true, false, false, false, amqp.Table{"alternate-exchange": "amq.fanout"}), "the same over AMQP")
	a.want(http.MethodPut, "/exchanges/%2F/"+name, object{"type": "direct", "durable": true}, http.StatusBadRequest)
	a.want(http.MethodDelete, "/exchanges/%2F/"+name, nil, http.StatusNoContent)
	a.want(http.MethodGet, "/exchanges/%2F/"+name, nil, http.StatusNotFound)
}

func apiQueues(k *kit) {
	a, ch := k.api(), k.channel()
	queue := k.durable(ch, amqp.Table{"x-max-length": int32(10), "x-message-ttl": int32(600000)})
	k.send(ch, "", queue, "a", "bb", "ccc")
	k.get(ch, queue, false)
	path := "/queues/%2F/" + queue
	k.eventually("the queue's counts", func() bool {
		o := a.object(path)
		return fmt.Sprint(o["messages"], o["messages_ready"], o["messages_unacknowledged"]) == "3 2 1" && o["memory"] != nil
	})
	o := a.object(path)
	k.shows("queue", o, object{
		"name": queue, "vhost": "/", "durable": true, "auto_delete": false, "exclusive": false, "consumers": 0, "type": "classic",
		"state": "running",
	})
	arguments, _ := o["arguments"].(object)
	k.shows("arguments", arguments, object{"x-max-length": 10, "x-message-ttl": 600000})
	k.has("queue", o, "node", "memory", "message_bytes", "message_bytes_ready", "message_bytes_unacknowledged", "message_bytes_persistent",
		"messages_persistent", "messages_details", "policy", "consumer_details", "incoming", "deliveries")
	k.shows("in the list", a.find("/queues/%2F", "name", queue), object{"messages": 3, "messages_ready": 2, "messages_unacknowledged": 1})
	a.find("/queues", "name", queue)
	exclusive := k.queue(ch, nil)
	k.shows("exclusive", a.object("/queues/%2F/"+exclusive), object{"exclusive": true, "durable": false})
	quorum := k.quorum(ch, nil)
	k.shows("quorum", a.object("/queues/%2F/"+quorum), object{"type": "quorum", "durable": true})
	var page object
	a.read("/queues/%2F?page=1&page_size=1&name="+queue, &page)
	k.shows("page", page, object{"page": 1, "page_size": 1, "page_count": 1, "filtered_count": 1, "item_count": 1})
}

func apiBindings(k *kit) {
	a, ch := k.api(), k.channel()
	exchange, inner, queue := k.exchange(ch, "topic", nil), k.exchange(ch, "direct", nil), k.durable(ch, nil)
	k.bind(ch, queue, "a.b", exchange, amqp.Table{"n": int32(1)})
	k.must(ch.ExchangeBind(inner, "i", exchange, false, nil), "bind exchanges")
	want := object{"source": exchange, "vhost": "/", "destination": queue, "destination_type": "queue", "routing_key": "a.b", "arguments": object{"n": 1}}
	byQueue := "/queues/%2F/" + queue + "/bindings"
	k.shows("of the queue", a.find(byQueue, "source", exchange), want)
	k.shows("by default", a.find(byQueue, "source", ""), object{"destination": queue, "routing_key": queue, "properties_key": queue})
	k.shows("of all", a.find("/bindings", "source", exchange), object{"vhost": "/"})
	k.shows("of the vhost", a.find("/bindings/%2F", "destination", inner), object{"source": exchange, "destination_type": "exchange"})
	k.equal("from the exchange", len(a.list("/exchanges/%2F/"+exchange+"/bindings/source")), 2)
	k.shows("to the exchange", a.find("/exchanges/%2F/"+inner+"/bindings/destination", "source", exchange), object{"routing_key": "i"})
	between := "/bindings/%2F/e/" + exchange + "/q/" + queue
	k.shows("between", a.list(between)[0], want)
	a.want(http.MethodPost, between, object{"routing_key": "c.#", "arguments": object{}}, http.StatusCreated)
	k.send(ch, exchange, "c.d", "by the API's binding")
	k.equal("bodies", k.drain(ch, queue), []string{"by the API's binding"})
	key := fmt.Sprint(a.find(between, "routing_key", "c.#")["properties_key"])
	a.want(http.MethodDelete, between+"/"+escaped(key), nil, http.StatusNoContent)
	k.send(ch, exchange, "c.d", "nowhere")
	k.equal("bodies", k.drain(ch, queue), []string{})
}

func apiHealth(k *kit) {
	a := k.api()
	_, port, err := net.SplitHostPort(k.server.Addr())
	k.must(err, "the broker's port")
	for _, path := range []string{"alarms", "local-alarms", "virtual-hosts", "port-listener/" + port, "protocol-listener/amqp", "node-is-quorum-critical"} {
		// The other checks make and delete virtual hosts all the time, and RabbitMQ calls a half-made one down.
		k.eventually(path+" to be ok", func() bool {
			status, out := a.do(http.MethodGet, "/health/checks/"+path, nil)
			return status == http.StatusOK && strings.Contains(string(out), `"status":"ok"`)
		})
	}
	k.shows("aliveness", a.object("/aliveness-test/%2F"), object{"status": "ok"})
	a.want(http.MethodGet, "/health/checks/port-listener/1", nil, http.StatusServiceUnavailable)
	a.want(http.MethodGet, "/health/checks/protocol-listener/stomp", nil, http.StatusServiceUnavailable)
}

func apiErrors(k *kit) {
	a := k.api()
	for _, path := range []string{"/queues/%2F/" + k.name("missing"), "/exchanges/%2F/" + k.name("missing"), "/queues/" + k.name("missing"), "/nonsense"} {
		a.want(http.MethodGet, path, nil, http.StatusNotFound)
	}
	a.want(http.MethodPut, "/queues/%2F/"+k.name("wrong"), object{"arguments": object{"x-message-ttl": -1}}, http.StatusBadRequest)
	a.want(http.MethodPut, "/exchanges/%2F/"+k.name("wrong"), object{"type": "strange"}, http.StatusBadRequest)
	var reason object
	a.readStatus("/queues/%2F/"+k.name("missing"), http.StatusNotFound, &reason)
	k.has("error", reason, "error", "reason")
}
