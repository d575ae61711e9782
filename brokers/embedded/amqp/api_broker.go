package amqp

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"msdev/brokers/wire"
)

// brokerAPI serves the broker as a whole: overview, node, health.
type brokerAPI struct{ *api }

func (a brokerAPI) routes() map[string]handler {
	ok := func(*http.Request) (any, error) { return map[string]string{"status": "ok"}, nil }
	none := func(*http.Request) (any, error) { return []map[string]any{}, nil }
	routes := map[string]handler{
		"GET /api/overview":                                   a.overview,
		"GET /api/whoami":                                     a.whoami,
		"GET /api/auth":                                       func(*http.Request) (any, error) { return map[string]any{"oauth_enabled": false}, nil },
		"GET /api/cluster-name":                               func(*http.Request) (any, error) { return map[string]any{"name": a.b.node}, nil },
		"GET /api/nodes":                                      func(*http.Request) (any, error) { return []map[string]any{a.node()}, nil },
		"GET /api/nodes/{node}":                               func(*http.Request) (any, error) { return a.node(), nil },
		"GET /api/aliveness-test/{vhost}":                     a.alive,
		"GET /api/healthchecks/node":                          ok,
		"GET /api/health/checks/port-listener/{port}":         a.portListener,
		"GET /api/health/checks/protocol-listener/{protocol}": a.protocolListener,
		"GET /api/health/checks/certificate-expiration/{within}/{unit}": ok,
	}
	for _, check := range []string{"alarms", "local-alarms", "virtual-hosts", "node-is-mirror-sync-critical", "node-is-quorum-critical",
		"metadata-store/initialized", "metadata-store/initialized-with-data", "ready-to-serve-clients"} {
		routes["GET /api/health/checks/"+check] = ok
	}
	routes["GET /api/health/checks/alarms"] = a.alarms
	routes["GET /api/health/checks/local-alarms"] = a.alarms
	for _, path := range []string{"policies", "operator-policies", "parameters", "global-parameters", "extensions", "feature-flags",
		"topic-permissions", "vhost-limits", "user-limits"} {
		routes["GET /api/"+path] = none
	}
	for _, path := range []string{"policies", "operator-policies", "parameters/{component}", "vhost-limits"} {
		routes["GET /api/"+path+"/{vhost}"] = none
	}
	return routes
}

func (a brokerAPI) whoami(r *http.Request) (any, error) {
	u := a.b.users.get(userName(r))
	if u == nil {
		return nil, notFound()
	}
	return map[string]any{"name": u.name, "tags": u.tags}, nil
}

func (a brokerAPI) overview(r *http.Request) (any, error) {
	var queues, exchanges, consumers, channels, ready, unacked int
	for _, v := range a.b.allVhosts() {
		exchanges += len(v.allExchanges())
		for _, q := range v.allQueues() {
			s := q.snapshot()
			queues++
			consumers += len(s.consumers)
			ready += s.ready
			unacked += s.unacked
		}
	}
	conns := a.b.connections()
	for _, c := range conns {
		channels += len(c.allChannels())
	}
	still := map[string]any{"rate": 0.0}
	return map[string]any{
		"management_version": version, "rabbitmq_version": version, "product_name": "msdev", "product_version": version,
		"erlang_version": runtime.Version(), "cluster_name": a.b.node, "node": a.b.node, "rates_mode": "basic",
		"exchange_types": exchangeTypes(), "statistics_db_event_queue": 0,
		"sample_retention_policies": map[string]any{"global": []int{}, "basic": []int{}, "detailed": []int{}},
		"object_totals": map[string]int{"channels": channels, "connections": len(conns), "consumers": consumers,
			"exchanges": exchanges, "queues": queues},
		"queue_totals": map[string]any{"messages": ready + unacked, "messages_details": still, "messages_ready": ready,
			"messages_ready_details": still, "messages_unacknowledged": unacked, "messages_unacknowledged_details": still},
		"message_stats": a.b.metrics.stats(a.b, a.b.metrics.totals(a.b)),
		"churn_rates":   map[string]any{},
		"listeners":     a.listeners(), "contexts": []any{}, "user": userName(r),
	}, nil
}

func exchangeTypes() []map[string]any {
	var list []map[string]any
	for _, t := range []string{direct, fanout, headersType, topic} {
		list = append(list, map[string]any{"name": t, "enabled": true, "description": "AMQP " + t + " exchange, as per the AMQP specification"})
	}
	return list
}

func (a brokerAPI) listeners() []map[string]any {
	a.b.mu.RLock()
	defer a.b.mu.RUnlock()
	list := []map[string]any{}
	for _, addr := range a.b.ports {
		host, port, _ := net.SplitHostPort(addr.String())
		n, _ := strconv.Atoi(port)
		list = append(list, map[string]any{"node": a.b.node, "protocol": "amqp", "ip_address": host, "port": n, "tls": false})
	}
	return list
}

func (a brokerAPI) node() map[string]any {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return map[string]any{"name": a.b.node, "type": "disc", "running": true, "os_pid": strconv.Itoa(os.Getpid()),
		"uptime": time.Since(a.b.start).Milliseconds(), "processors": runtime.NumCPU(), "mem_used": m.HeapInuse,
		"mem_limit": a.b.limit, "mem_alarm": a.b.pressed.Load(), "disk_free_alarm": false, "proc_used": runtime.NumGoroutine(),
		"fd_used": 0, "fd_total": 0, "sockets_used": len(a.b.connections()), "sockets_total": 0,
		"proc_total": 1048576, "run_queue": 0, "disk_free": 0, "disk_free_limit": 0, "rates_mode": "basic", "partitions": []any{}, "applications": []any{}, "auth_mechanisms": []any{},
		"exchange_types": exchangeTypes(), "enabled_plugins": []string{"rabbitmq_management"}, "being_drained": false}
}

// alive is the aliveness test: the vhost takes a message and gives it back.
func (a brokerAPI) alive(r *http.Request) (any, error) {
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	q, e := v.declareQueue(&wire.QueueDeclare{Queue: "aliveness-test"}, nil)
	if e != nil {
		return nil, e
	}
	var w wakes
	m := &message{key: q.name, data: []byte{0, 0}, props: 2, size: 2, ttl: -1}
	a.b.enqueue(m, v.route(m), nil, 0, &w)
	got, _ := q.take(false, &w)
	if got == nil {
		return nil, &httpError{http.StatusServiceUnavailable, "failed", "the test queue gave no message back"}
	}
	q.settle([]delivery{{entry: got, q: q}}, acked, &w)
	return map[string]string{"status": "ok"}, nil
}

func (a brokerAPI) alarms(*http.Request) (any, error) {
	if a.b.pressed.Load() {
		return nil, &httpError{http.StatusServiceUnavailable, "failed", "There are alarms in effect: memory"}
	}
	return map[string]string{"status": "ok"}, nil
}

func (a brokerAPI) portListener(r *http.Request) (any, error) {
	for _, l := range a.listeners() {
		if strconv.Itoa(l["port"].(int)) == part(r, "port") {
			return map[string]any{"status": "ok", "port": l["port"]}, nil
		}
	}
	return nil, &httpError{http.StatusServiceUnavailable, "failed", "No active listener"}
}

func (a brokerAPI) protocolListener(r *http.Request) (any, error) {
	switch p := part(r, "protocol"); p {
	case "amqp", "amqp091", "amqp0.9.1", "http":
		return map[string]any{"status": "ok", "protocol": p}, nil
	}
	return nil, &httpError{http.StatusServiceUnavailable, "failed", "No active listener"}
}
